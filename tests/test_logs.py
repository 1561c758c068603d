"""The log: no secret in forty and more places, private files, lines that cannot be forged, no prompts."""

from __future__ import annotations

import gc
import io
import json
import logging
import os
import re
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import h11
import pytest

from claudedesk import logs
from claudedesk.logs import Line, Redactor, Scrub, redact, redacted, setup
from claudedesk.paths import Paths

ROOT = Path(__file__).parent.parent
SHAPED = "sk-ant-test-canary-0123_canary-456"
ODD = "zq1\"zq2'zq3\\zq4%zq5&zq6<zq7+zq8/zq9=zq0"
DOOR = "canaryDOORcode-0123456789"


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(tmp_path / "data", tmp_path / "cache", tmp_path / "logs", tmp_path / "run")


@pytest.fixture
def start(paths: Paths) -> Iterator[Callable[..., Paths]]:
    """Give `setup` with this test's folders, undone at the end."""
    undos: list[Callable[[], None]] = []

    def start(level: str = "INFO", *, stream: bool = False, debug: bool = False) -> Paths:
        undos.append(setup(paths, level, stream=stream, debug=debug))
        return paths

    yield start
    for undo in reversed(undos):
        undo()


def text_of(paths: Paths) -> str:
    return "".join(path.read_text(encoding="utf-8") for path in sorted(paths.logs.glob("*")))


log = logging.getLogger("claudedesk.test")


# Forty places and more where a key may stand


class Printed:
    """Shows the secret whichever way it is printed."""

    def __init__(self, secret: str) -> None:
        self.secret = secret

    def __repr__(self) -> str:
        return f"Printed(secret={self.secret!r})"


class Unprintable(Printed):
    def __str__(self) -> str:
        raise ValueError(self.secret)


@dataclass
class Client:
    api_key: str


class Sneaky(Exception):
    def __str__(self) -> str:
        raise RuntimeError(self.args[0])


def raised(
    error: BaseException, cause: BaseException | None = None, *, hidden: bool = False
) -> BaseException:
    """Raise and catch `error`, so that it has a traceback and, perhaps, a cause or a context."""
    try:
        if cause is None:
            raise error
        try:
            raise cause
        except BaseException:
            if hidden:
                raise error from None
            raise error from cause
    except BaseException as caught:
        return caught


def in_context(secret: str) -> BaseException:
    try:
        try:
            raise ValueError(secret)
        except ValueError:
            raise KeyError("another") from RuntimeError(f"Bearer {secret}")
    except KeyError as caught:
        return caught


def deep(secret: str) -> BaseException:
    error: BaseException = ValueError(f"Illegal header value {f'Bearer {secret}'.encode()!r}")
    for number in range(5):
        error = raised(RuntimeError(f"layer {number}"), error)
    return error


def noted(secret: str) -> BaseException:
    error = ValueError("see the note")
    error.add_note(f"the key was {secret}")
    return raised(error)


def group(secret: str) -> BaseException:
    inner = ExceptionGroup("inner", [raised(ValueError(secret)), in_context(secret)])
    return raised(ExceptionGroup(f"outer {secret}", [raised(OSError("harmless")), inner]))


def illegal_header(secret: str) -> BaseException:
    try:
        h11.Request(method="GET", target="/", headers=[("host", "x"), ("x-api-key", f"{secret}\n")])
    except h11.LocalProtocolError as caught:
        return caught
    raise AssertionError("h11 took it")


def syntax_error(secret: str) -> BaseException:
    try:
        compile(f"key = = {secret!r}", "settings.py", "exec")
    except SyntaxError as caught:
        return caught
    raise AssertionError("it compiled")


def prebuilt(**fields: Any) -> None:
    logging.root.handle(
        logging.makeLogRecord({"name": "claudedesk", "levelno": 40, "levelname": "ERROR", **fields})
    )


def in_a_thread(secret: str) -> None:
    def work() -> None:
        raise ValueError(secret)

    thread = threading.Thread(target=work, name=f"thread {secret}")
    thread.start()
    thread.join()


def in_a_finalizer(secret: str) -> None:
    class Finalized:
        def __repr__(self) -> str:
            return secret

        def __del__(self) -> None:
            raise ValueError(secret)

    Finalized()
    gc.collect()


def failing(error: BaseException) -> None:
    log.error("it failed", exc_info=error)


PLACES: dict[str, Callable[[str], object]] = {
    "the message": lambda s: log.error(f"key {s} here"),
    "a message that is no string": lambda s: log.error(Printed(s)),
    "a bytes message": lambda s: log.error(s.encode()),
    "an argument": lambda s: log.error("key %s here", s),
    "an argument's repr": lambda s: log.error("key %r here", s),
    "an argument's ascii": lambda s: log.error("key %a here", s),
    "a bytes argument": lambda s: log.error("key %s here", s.encode()),
    "a bytes Bearer": lambda s: log.error("Illegal header value %r", f"Bearer {s}".encode()),
    "a truncated format": lambda s: log.error("key %.500s here", s),
    "a dict argument": lambda s: log.error("key %(key)s here", {"key": s}),
    "a nested structure": lambda s: log.error("sent %s", {"headers": [("x-api-key", s), {"deep": [s]}]}),
    "an object's repr": lambda s: log.error("client %s", Printed(s)),
    "a dataclass": lambda s: log.error("client %s", Client(s)),
    "a list's repr of a repr": lambda s: log.error("%r", [repr([s])]),
    "a header line": lambda s: log.error("x-api-key: %s", s),
    "a header in capitals": lambda s: log.error("X-Api-Key: %s\r\nHost: localhost", s),
    "raw headers": lambda s: log.error("%s", [(b"x-api-key", s.encode()), (b"host", b"x")]),
    "an Authorization header": lambda s: log.error("%s", {"authorization": f"Bearer {s}"}),
    "a lower-case bearer": lambda s: log.error("authorization=bearer %s", s),
    "a cookie": lambda s: log.error("Cookie: claudedesk_5000=%s; theme=dark", s),
    "JSON": lambda s: log.error("body %s", json.dumps({"api_key": s})),
    "JSON within JSON": lambda s: log.error("body %s", json.dumps({"log": json.dumps({"key": s})})),
    "a query": lambda s: log.error("GET /?c=%s HTTP/1.1", quote(s, safe="")),
    "a query with plus signs": lambda s: log.error("GET /?key=%s", quote_plus(s)),
    "a URL's user": lambda s: log.error("proxy http://user:%s@proxy:8080/", quote(s, safe="")),
    "an environment": lambda s: log.error("env %s", {"ANTHROPIC_API_KEY": s, "PATH": "/bin"}),
    "an assignment": lambda s: log.error("export ANTHROPIC_API_KEY=%s", s),
    "a command line": lambda s: log.error("ran %s", ["curl", "-H", f"x-api-key: {s}"]),
    "an exception": lambda s: failing(raised(ValueError(s))),
    "an exception that was never raised": lambda s: failing(ValueError(s)),
    "an exception with a dict": lambda s: failing(raised(RuntimeError({"key": s}))),
    "a KeyError": lambda s: failing(raised(KeyError(s))),
    "a file name": lambda s: failing(raised(FileNotFoundError(2, "No such file", f"/tmp/{s}"))),
    "a failed command": lambda s: failing(raised(subprocess.CalledProcessError(1, ["curl", s]))),
    "a cause": lambda s: failing(raised(RuntimeError("outer"), ValueError(s))),
    "a context and a cause": lambda s: failing(in_context(s)),
    "a suppressed context": lambda s: failing(raised(RuntimeError("outer"), ValueError(s), hidden=True)),
    "a chain of six": lambda s: failing(deep(s)),
    "a note": lambda s: failing(noted(s)),
    "an exception group": lambda s: failing(group(s)),
    "a header that h11 refuses": lambda s: failing(illegal_header(s)),
    "a syntax error's source": lambda s: failing(syntax_error(s)),
    "an exception that cannot be printed": lambda s: failing(raised(Sneaky(s))),
    "a ready exc_text": lambda s: prebuilt(msg="m", exc_text=f"ValueError: {s}"),
    "a ready stack": lambda s: prebuilt(msg="m", stack_info=f"  key = {s!r}"),
    "the stack's source lines": lambda s: exec(f"log.error('m', stack_info=True)  # {s!r}", {"log": log}),
    "the logger's name": lambda s: prebuilt(msg="m", name=f"claudedesk.{s}"),
    "an extra": lambda s: log.error("m", extra={"key": s, "client": Printed(s)}),
    "too few arguments": lambda s: log.error(f"{s} %s %s", s),
    "too many arguments": lambda s: log.error("m", s, s),
    "an argument of the wrong type": lambda s: log.error("%d", s),
    "a format that is broken": lambda s: log.error(f"%({s}", {"key": s}),
    "an argument that cannot be printed": lambda s: log.error("%s", Unprintable(s)),
    "an uncaught exception": lambda s: sys.excepthook(ValueError, raised(ValueError(s)), None),
    "an interruption": lambda s: sys.excepthook(KeyboardInterrupt, raised(KeyboardInterrupt(s)), None),
    "a thread": in_a_thread,
    "a finalizer": in_a_finalizer,
    "before a lone surrogate": lambda s: log.error("key %s\ud800 here", s),
    "after a lone surrogate": lambda s: log.error("key \udfff%s here", s),
    "between control characters": lambda s: log.error("key \x1b[31m%s\x1b[0m\x00 here", s),
    "between line breaks": lambda s: log.error("key\n%s\r\n\u2028here", s),
    "between quotes": lambda s: log.error("key “%s” '%s' \"%s\" <%s> (%s), %s.", s, s, s, s, s, s),
    "where a long line is cut": lambda s: log.error("%s%s%s", "x" * 24_990, s, "y" * 60_000),
}


NOT_SHOWN = {
    "a suppressed context",
    "an exception that cannot be printed",
    "an extra",
    "an interruption",
    "the stack's source lines",
    "where a long line is cut",
}


@pytest.mark.parametrize("company", ["alone", "after another handler"])
@pytest.mark.parametrize("place", PLACES)
def test_no_secret_reaches_file_stream_or_another_handler(
    start: Callable[..., Paths],
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    place: str,
    company: str,
) -> None:
    """SEC-17, FEATURES §3 idea 15, §4 rows 52 and 61"""
    redact.add(ODD)
    redact.add(DOOR)
    foreign = io.StringIO()
    handler = logging.StreamHandler(foreign)
    handler.setFormatter(logging.Formatter("%(name)s %(message)s %(args)s"))
    # Without pytest's own handlers: whoever comes first scrubs the record for those that follow.
    monkeypatch.setattr(logging.root, "handlers", [] if company == "alone" else [handler])
    paths = start(stream=True)
    for secret in (SHAPED, ODD, DOOR):
        PLACES[place](secret)
    written = text_of(paths)
    for text in (written, "".join(capfd.readouterr()), foreign.getvalue()):
        assert "canary" not in text
        assert "zq" not in text
    assert (written.count("[removed]") >= 3) == (place not in NOT_SHOWN)


def test_there_are_forty_places_and_more() -> None:
    assert len(PLACES) >= 40


def test_stray_characters_do_not_end_a_key_early() -> None:
    """SEC-17: the keys of its list, and how repr, JSON and URLs would write them."""
    for stray in ("\u200b", "ë", "\ud800", "\x00", "\x1b", "\ufeff"):
        key = f"sk-ant-test-canary{stray}canary"
        spellings = [key, repr(key), ascii(key), json.dumps(key), json.dumps(json.dumps(key))]
        spellings += [repr(key.encode("utf-8", "surrogatepass")), quote(key, errors="surrogatepass")]
        for spelling in spellings:
            assert "canary" not in redacted(f"key {spelling} here"), spelling
            assert redacted(f"key {spelling} here").endswith(" here")


@pytest.mark.parametrize(
    "text",
    [
        "Keys begin with sk-ant-, and the Console has them.",
        "The key ending in AbCd is kept in macOS Keychain.",
        "max_tokens: 1024, input_tokens=5",
        "GET /chat/c_01jd HTTP/1.1 200",
        "https://api.anthropic.com/v1/messages?beta=true",
        "someone@example.org wrote",
        "",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redacted(text) == text


def test_redacting_twice_changes_nothing_more() -> None:
    text = f"{SHAPED} Bearer {SHAPED} x-api-key: {SHAPED}\nGET /?c=abc http://u:p@h/ {{'cookie': 'abc'}}"
    assert redacted(redacted(text)) == redacted(text)


def test_a_registered_secret_is_removed_however_it_is_written() -> None:
    """SEC-17"""
    own = Redactor()
    own.add(f"{ODD}\n")
    for spelling in (
        ODD,
        repr(ODD),
        repr([ODD]),
        repr(ODD.encode()),
        repr(repr({"k": ODD})),
        repr(f'{ODD}"'),
        json.dumps(ODD),
        json.dumps(json.dumps({"k": ODD})),
        quote(ODD),
        quote(ODD, safe=""),
        quote_plus(ODD),
        re.sub("%..", lambda match: match[0].lower(), quote(ODD, safe="")),
        quote(quote(ODD, safe=""), safe=""),
    ):
        assert "zq" not in own(f"at {spelling} end"), spelling


def test_a_secret_of_a_few_letters_does_not_blank_the_log() -> None:
    own = Redactor()
    for secret in ("", " ", "a", "error", "\n"):
        own.add(secret)
    assert own("an error at a place") == "an error at a place"


def test_secrets_may_be_added_from_many_threads() -> None:
    own = Redactor()
    secrets = [f"secret-number-{number}-" for number in range(40)]
    threads = [threading.Thread(target=own.add, args=(secret,)) for secret in secrets]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert own(" ".join(secrets)) == " ".join(["[removed]"] * 40)


def test_a_traceback_shows_no_local_variable(start: Callable[..., Paths]) -> None:
    """SEC-17: `vars(client)` holds the key."""

    def call() -> None:
        client = Client(api_key="a-local-canary")
        assert client
        raise ValueError("no")

    paths = start()
    try:
        call()
    except ValueError:
        log.exception("it failed")
    assert "a-local-canary" not in text_of(paths).replace('Client(api_key="a-local-canary")', "")
    assert "ValueError: no" in text_of(paths)


# The lines


def test_a_line_is_utc_time_level_logger_message(start: Callable[..., Paths]) -> None:
    paths = start()
    log.info("Started %s", "well")
    assert re.fullmatch(
        r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z INFO claudedesk\.test Started well\n", text_of(paths)
    )


def test_the_time_is_utc_to_the_millisecond() -> None:
    record = logging.makeLogRecord(
        {"created": 1_764_000_000.5, "levelname": "INFO", "name": "claudedesk", "msg": "m"}
    )
    assert Line().format(record) == "2025-11-24T16:00:00.500Z INFO claudedesk m"


FORGED = "2026-11-22T14:04:05.123Z CRITICAL claudedesk All is lost"


def test_a_message_is_one_line_and_a_traceback_is_indented(start: Callable[..., Paths]) -> None:
    paths = start()
    log.error("one\ntwo", exc_info=raised(ValueError("three\nfour")))
    first, *others = text_of(paths).splitlines()
    assert first.endswith(r" ERROR claudedesk.test one\ntwo")
    assert others[0] == "    Traceback (most recent call last):"
    assert others[-2:] == ["    ValueError: three", "    four"]


@pytest.mark.parametrize("line_break", ["\n", "\r\n", "\r", "\v", "\f", "\x1c", "\x85", "\u2028", "\u2029"])
def test_no_text_can_forge_a_line(start: Callable[..., Paths], line_break: str) -> None:
    """SEC-17"""
    paths = start()
    log.error("said %s", f"a{line_break}{FORGED}")
    failing(raised(ValueError(f"a{line_break}{FORGED}")))
    prebuilt(msg="m", name=f"claudedesk{line_break}{FORGED}")
    lines = text_of(paths).splitlines()
    assert not [line for line in lines if line.startswith(FORGED)]
    assert len([line for line in lines if re.match(r"\d{4}-", line)]) == 3
    assert all(line.startswith(("20", "    ")) for line in lines)


def test_nothing_reaches_the_terminals_control(
    start: Callable[..., Paths], capfd: pytest.CaptureFixture[str]
) -> None:
    paths = start(stream=True)
    log.error("a\x1b]0;title\x07\x1b[2J\x9b31m\u202etxt\x00\ud800\tb")
    for text in (text_of(paths), capfd.readouterr().err):
        assert text.isprintable() or set(text) & {"\n", "\t"}
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e\ud800-\udfff]", text)
        assert r"\x1b]0;title\x07" in text


def test_a_long_record_is_cut_in_its_middle(start: Callable[..., Paths]) -> None:
    paths = start()
    log.error("begin %s end", "x" * 3_000_000)
    text = text_of(paths)
    assert len(text) < 41_000
    assert " begin xxx" in text
    assert re.search(r"… \(\d+ characters left out\) …", text)
    assert text.endswith("xxx end\n")


def test_the_record_is_left_as_it_is_for_others(start: Callable[..., Paths]) -> None:
    start()
    record = logging.makeLogRecord({"msg": "key %s", "args": (SHAPED,), "levelno": 40, "exc_info": None})
    Line().format(record)
    assert (record.msg, record.args, record.exc_text) == ("key %s", (SHAPED,), None)


def test_the_filter_for_other_handlers_keeps_harmless_fields() -> None:
    record = logging.makeLogRecord(
        {
            "name": "claudedesk",
            "msg": "%s of %d",
            "args": ("a", 2),
            "levelno": 40,
            "levelname": "ERROR",
            "who": ["me"],
        }
    )
    record.exc_info = (ValueError, raised(ValueError(SHAPED)), None)
    assert Scrub().filter(record)
    assert (record.getMessage(), record.exc_info, vars(record)["who"]) == ("a of 2", None, ["me"])
    assert record.exc_text is not None
    assert record.exc_text.endswith("ValueError: sk-ant-[removed]")


# The files


def modes(folder: Path) -> set[str]:
    return {oct(stat.S_IMODE(path.stat().st_mode)) for path in folder.iterdir()}


def test_nothing_is_opened_before_the_first_record(start: Callable[..., Paths]) -> None:
    paths = start()
    assert not paths.logs.exists()
    log.info("now")
    assert [path.name for path in paths.logs.iterdir()] == ["claudedesk.log"]


@pytest.mark.skipif(os.name != "posix", reason="modes are a POSIX thing")
def test_the_file_is_private_and_stays_so_when_it_rotates(
    start: Callable[..., Paths], paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SEC-16, SEC-17"""
    monkeypatch.setattr(logs, "MEGABYTE", 2_000)
    paths.logs.mkdir(mode=0o755)
    (paths.logs / "claudedesk.log").write_text("from an older version\n")
    (paths.logs / "claudedesk.log").chmod(0o644)
    before = os.umask(0)
    try:
        start()
        log.info("first")
        assert modes(paths.logs) == {"0o600"}
        for number in range(300):
            log.info("record %03d %s", number, "x" * 50)
    finally:
        os.umask(before)
    names = sorted(path.name for path in paths.logs.iterdir())
    assert names == ["claudedesk.log", *(f"claudedesk.log.{number}" for number in range(1, 5))]
    assert modes(paths.logs) == {"0o600"}
    assert stat.S_IMODE(paths.logs.stat().st_mode) == 0o700
    assert all(path.stat().st_size <= 2_000 for path in paths.logs.iterdir())
    assert "record 299" in (paths.logs / "claudedesk.log").read_text()


def test_five_files_of_a_megabyte_at_most(start: Callable[..., Paths]) -> None:
    start()
    (file,) = [handler for handler in logging.root.handlers if isinstance(handler, logs.LogFile)]
    assert (file.maxBytes, file.backupCount + 1) == (1_000_000, 5)


@pytest.mark.skipif(os.name != "posix", reason="an open file cannot be moved on Windows")
def test_a_file_that_another_process_rotated_is_left_for_the_new_one(start: Callable[..., Paths]) -> None:
    paths = start()
    log.info("first")
    (paths.logs / "claudedesk.log").rename(paths.logs / "claudedesk.log.1")
    log.info("second")
    assert "second" in (paths.logs / "claudedesk.log").read_text()
    assert "second" not in (paths.logs / "claudedesk.log.1").read_text()


def test_when_rotating_fails_the_record_is_written_all_the_same(
    start: Callable[..., Paths], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Windows refuses to rename a file that another process has open."""

    def refuse(*args: object) -> None:
        raise PermissionError(13, "in use")

    monkeypatch.setattr(logs, "MEGABYTE", 200)
    paths = start()
    monkeypatch.setattr(os, "rename", refuse)
    for number in range(10):
        log.info("record %d %s", number, "x" * 50)
    assert all(f"record {number} " in text_of(paths) for number in range(10))
    assert capfd.readouterr().err == ""


def test_a_log_that_cannot_be_written_stops_nothing_and_is_told_once(
    start: Callable[..., Paths], paths: Paths, capfd: pytest.CaptureFixture[str]
) -> None:
    """SEC-17: the stdlib would print the raw arguments."""
    paths.logs.write_text("a file where the folder should be")
    start()
    for _ in range(3):
        log.error("key %s", SHAPED)
    assert capfd.readouterr().err == "claudedesk: the log cannot be written (BadInput).\n"


@pytest.mark.parametrize("stream", [True, False])
def test_without_a_console_the_file_is_enough(
    start: Callable[..., Paths], monkeypatch: pytest.MonkeyPatch, stream: bool
) -> None:
    """A windowed program on Windows has no stderr."""
    monkeypatch.setattr(sys, "stderr", None)
    paths = start(stream=stream)
    log.error("said")
    sys.excepthook(ValueError, ValueError("uncaught"), None)
    assert text_of(paths).count("\n") == 3


def test_a_closed_stream_stops_nothing(start: Callable[..., Paths], monkeypatch: pytest.MonkeyPatch) -> None:
    closed = io.StringIO()
    monkeypatch.setattr(sys, "stderr", closed)
    paths = start(stream=True)
    closed.close()
    log.error("said")
    assert "said" in text_of(paths)


# Who may speak


NOISY = (
    "anthropic._base_client",
    "httpx2",
    "httpcore2.http11",
    "urllib3",
    "werkzeug",
    "waitress",
    "somebody.plugin",
)


@pytest.mark.parametrize("level", ["DEBUG", "INFO", "WARNING"])
@pytest.mark.parametrize("name", NOISY)
def test_other_libraries_speak_from_warning_on_even_if_they_set_their_own_level(
    start: Callable[..., Paths], name: str, level: str
) -> None:
    """SEC-17: ANTHROPIC_LOG=debug makes the SDK print prompts."""
    paths = start(level)
    noisy = logging.getLogger(name)
    assert not noisy.isEnabledFor(logging.INFO)
    before = noisy.level
    noisy.setLevel(logging.DEBUG)
    try:
        noisy.debug("prompt: my diary")
        noisy.info("prompt: my diary")
        noisy.warning("a warning")
    finally:
        noisy.setLevel(before)
    assert "diary" not in text_of(paths)
    assert "a warning" in text_of(paths)


def test_our_own_loggers_speak_from_the_given_level_on(start: Callable[..., Paths]) -> None:
    paths = start("INFO")
    for name in ("claudedesk.replies.run", "blueprints.chat"):
        logging.getLogger(name).info("seen %s", name)
        logging.getLogger(name).debug("unseen %s", name)
    assert text_of(paths).count("seen") == 2
    start("ERROR")
    log.warning("not now")
    logging.getLogger("werkzeug").warning("not now")
    log.error("but this")
    assert "not now" not in text_of(paths)
    assert text_of(paths).count("but this") == 1, "a second set-up replaces the first"


def test_debug_lets_everything_through_and_warns(start: Callable[..., Paths]) -> None:
    """SEC-17"""
    paths = start("INFO", debug=True)
    assert "WARNING claudedesk.logs Debug logging is on: prompts and replies are written to" in text_of(paths)
    logging.getLogger("anthropic._base_client").debug("prompt: a test, key %s", SHAPED)
    log.debug("ours, too")
    assert "prompt: a test, key sk-ant-[removed]" in text_of(paths)
    assert "ours, too" in text_of(paths)


def test_undoing_leaves_logging_and_hooks_as_they_were(paths: Paths) -> None:
    def all_of_it() -> object:
        names = (None, *logs.QUIET, *logs.OWN)
        levels = [logging.getLogger(name).level for name in names]
        filters = [list(handler.filters) for handler in logging.root.handlers]
        return (
            levels,
            list(logging.root.handlers),
            filters,
            sys.excepthook,
            threading.excepthook,
            sys.unraisablehook,
        )

    before = all_of_it()
    undo = setup(paths, "DEBUG", stream=True, debug=True)
    assert all_of_it() != before
    undo()
    assert all_of_it() == before


# What nobody caught


def test_an_uncaught_exception_is_logged_and_the_terminal_gets_one_line(
    start: Callable[..., Paths], capfd: pytest.CaptureFixture[str]
) -> None:
    """SEC-17"""
    paths = start()
    sys.excepthook(ValueError, raised(ValueError(f"key {SHAPED}")), None)
    assert "CRITICAL claudedesk.logs Uncaught exception\n    Traceback" in text_of(paths)
    assert "ValueError: key sk-ant-[removed]" in text_of(paths)
    told = capfd.readouterr().err
    assert told == f"claudedesk: stopped by an error (ValueError). See {paths.logs / 'claudedesk.log'}\n"


def test_an_uncaught_exception_of_a_thread_is_logged_with_its_name(start: Callable[..., Paths]) -> None:
    """SEC-17"""
    paths = start()

    def work() -> None:
        raise ValueError(SHAPED)

    def leave() -> None:
        raise SystemExit(0)

    for target in (work, leave):
        thread = threading.Thread(target=target, name="run of r_01")
        thread.start()
        thread.join()
    assert text_of(paths).count("Uncaught exception in thread run of r_01") == 1
    assert "ValueError: sk-ant-[removed]" in text_of(paths)


# The real SDK, and a fresh process

SDK = """
import logging, os, socket
from claudedesk import logs
from claudedesk.paths import standard
paths = standard(os.environ["CLAUDEDESK_HOME"])
undo = logs.setup(paths, "DEBUG", stream=True)
import anthropic, httpx2
server = socket.create_server(("127.0.0.1", 0))
url = "http://127.0.0.1:%d" % server.getsockname()[1]
def answer(request):
    return httpx2.Response(200, json={"id": "m", "type": "message", "role": "assistant", "model": "demo-1",
        "content": [{"type": "text", "text": "my reply"}], "stop_reason": "end_turn", "stop_sequence": None,
        "usage": {"input_tokens": 1, "output_tokens": 1}})
def ask(key, **more):
    client = anthropic.Anthropic(api_key=key, base_url=url, max_retries=0, **more)
    said = [{"role": "user", "content": "my diary"}]
    return client.messages.create(model="demo-1", max_tokens=9, messages=said)
ask("sk-ant-test-canary", http_client=httpx2.Client(transport=httpx2.MockTransport(answer)))
for bad in ("sk-ant-test-canary\\n", "sk-ant-test-canary ", "sk-ant-test-canary\\t"):
    try:
        ask(bad)
    except Exception:
        logging.getLogger("claudedesk").exception("the call failed")
    else:
        raise AssertionError("it was sent")
raise RuntimeError("uncaught: sk-ant-test-canary")
"""


def test_the_real_sdk_logs_no_prompt_and_no_key_even_with_its_own_debug_variable(tmp_path: Path) -> None:
    """SEC-17, TRUST §0 fact 6"""
    env = {**os.environ, "ANTHROPIC_LOG": "debug", "CLAUDEDESK_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", SDK], cwd=ROOT, env=env, capture_output=True, text=True, timeout=60
    )
    written = (tmp_path / "logs" / "claudedesk.log").read_text()
    assert written.count("the call failed") == 3
    assert "Illegal header value" in written, "the case that is defended against still exists"
    assert "RuntimeError: uncaught: sk-ant-[removed]" in written
    assert done.returncode == 1
    for text in (written, done.stdout, done.stderr):
        for secret in ("canary", "my diary", "my reply"):
            assert secret not in text.replace(SDK, "")


def test_importing_touches_no_file_and_no_logger(tmp_path: Path) -> None:
    """ARCHITECTURE §7"""
    code = (
        "import logging; before = list(logging.root.handlers), logging.root.level;"
        "import claudedesk.logs; assert (list(logging.root.handlers), logging.root.level) == before"
    )
    env = {**os.environ, "CLAUDEDESK_HOME": str(tmp_path)}
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=env, check=True, timeout=30)
    assert list(tmp_path.iterdir()) == []
