"""The log: one line a record, rotating, private to the user, with no key, code or prompt in it."""

from __future__ import annotations

import html
import json
import logging
import os
import re
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from logging.handlers import RotatingFileHandler
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final
from urllib.parse import quote, quote_plus

from claudedesk.paths import Paths, private_folder

NAME: Final = "claudedesk.log"
MEGABYTE: Final = 1_000_000
FILES: Final = 5
HALF: Final = 20_000
"""Characters kept of a long message's or traceback's beginning, and of its end."""
MARGIN: Final = 5_000
"""More than any secret has, however it is escaped."""
SHORTEST_SECRET: Final = 6
"""A shorter secret would blank half of the log's words, and is none."""
REMOVED: Final = "[removed]"
OWN: Final = ("claudedesk", "blueprints")
QUIET: Final = ("anthropic", "httpx2", "httpcore2", "urllib3", "werkzeug", "waitress", "sqlalchemy")
"""Below WARNING these print prompts (the SDK's DEBUG), headers, URLs with door codes, SQL with its values."""

_log = logging.getLogger(__name__)

_ESCAPED: Final = r"\\+(?:x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8})|%[0-9a-f]{2}"
_PATTERNS: Final = (
    # A key runs on through stray characters, raw or escaped: `sk-ant-abc\u200bdef` must not leave `def`.
    (rf"(sk-ant-)(?:[\w-]|[^\x00-\x7f]|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|{_ESCAPED})+", rf"\1{REMOVED}"),
    (
        r"""((?:x-api-key|anthropic[-_]api[-_]key|api_key|auth_token|authorization|cookie|x-claudedesk-token)
        (?:\\*["']?\s*[:=]|\\*["']\s*,)\s*+(?!\[removed\])[\[(]?b?\\*["']?)[^"'\r\n]+""",
        rf"\1{REMOVED}",
    ),
    (r"(\bbearer(?:\s|%20|\+|\\[nrt])+)\S+", rf"\1{REMOVED}"),
    (r"([?&]c=)[^\s&\"'<>]+", rf"\1{REMOVED}"),
    (r"(://)[^/\s@\"']+@", rf"\1{REMOVED}@"),
)
_COMPILED: Final = tuple((re.compile(rule, re.IGNORECASE | re.VERBOSE), to) for rule, to in _PATTERNS)


def _single(text: str) -> str:
    return text.replace("\\", "\\\\").replace("'", "\\'")


def _percent(text: str, safe: str = "") -> str:
    return quote(text, safe=safe, errors="surrogatepass")


def _lower(text: str) -> str:
    return re.sub("%..", lambda match: match[0].lower(), text)


_SPELLINGS: Final[tuple[Callable[[str], str], ...]] = (
    lambda text: repr(text)[1:-1],
    lambda text: ascii(text)[1:-1],
    lambda text: repr(text.encode("utf-8", "surrogatepass"))[2:-1],
    lambda text: json.dumps(text)[1:-1],
    lambda text: json.dumps(text, ensure_ascii=False)[1:-1],
    lambda text: html.escape(text),
    lambda text: quote_plus(text, errors="surrogatepass"),
    lambda text: _percent(text, "/"),
    lambda text: _lower(_percent(text, "/")),
    lambda text: _lower(_percent(text)),
    _percent,
    _single,
)


class Redactor:
    """Takes secrets out of text: what looks like one, and each that was registered, however it is escaped."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._forms: tuple[str, ...] = ()

    def add(self, secret: str) -> None:
        """Remove `secret` from now on: as it is, and as repr, JSON, HTML or a URL would write it."""
        secret = secret.strip()
        if len(secret) < SHORTEST_SECRET:
            return
        forms = {secret}
        for _ in range(2):  # twice: a header's repr within a JSON log line
            forms |= {spell(form) for spell in _SPELLINGS for form in forms}
        with self._lock:
            self._forms = tuple(sorted({*self._forms, *forms}, key=len, reverse=True))

    def __call__(self, text: str) -> str:
        """Return `text` without secrets."""
        for form in self._forms:  # the longest first; faster than one large expression
            text = text.replace(form, REMOVED)
        for pattern, replacement in _COMPILED:
            text = pattern.sub(replacement, text)
        return text


redact: Final = Redactor()
"""The process's one redactor: `redact.add(secret)` as soon as a secret is known."""


def redacted(text: str) -> str:
    """Return `text` fit for a log, a report or the clipboard: without keys, tokens and codes."""
    return redact(text)


def message_of(record: logging.LogRecord) -> str:
    """Return the record's message, also when its arguments do not fit (stdlib prints those raw to stderr)."""
    try:
        return record.getMessage()
    except Exception as error:
        try:
            return f"{record.msg!r} {record.args!r} (not formatted: {type(error).__name__})"
        except Exception:
            return f"a message that cannot be printed (not formatted: {type(error).__name__})"


def trace_of(record: logging.LogRecord) -> str:
    """Return the record's traceback with all causes and contexts, and its stack; never a local variable."""
    error = record.exc_info[1] if record.exc_info else None
    text = record.exc_text or ""
    if error is not None:
        try:
            text = "".join(traceback.format_exception(error))
        except Exception:
            text = f"{type(error).__name__} (its traceback cannot be printed)"
    return "\n".join(part.rstrip("\n") for part in (text, record.stack_info or "") if part)


_UNSAFE: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # breaks a line or moves a terminal's cursor; tab and \n are seen to
    "\u2028\u2029\u202a-\u202e\u2066-\u2069"  # breaks a line or turns the reading direction
    "\ud800-\udfff]"  # cannot be written as UTF-8
)


def _printable(text: str) -> str:
    return _UNSAFE.sub(lambda match: ascii(match[0])[1:-1], text)


def _bounded(text: str) -> str:
    """Redact, and cut a very long text in its middle, so that no secret is left halved at the cut."""
    left_out = len(text) - 2 * HALF
    if left_out <= 0:
        return redact(text)
    head = redact(text[: HALF + MARGIN])[:-MARGIN]
    tail = redact(text[-HALF - MARGIN :])[MARGIN:]
    return f"{head} … ({left_out} characters left out) … {tail}"


class Line(logging.Formatter):
    """Writes `2026-11-22T14:04:05.123Z LEVEL logger message` without secrets.

    Line breaks in the message are escaped and a traceback is indented, so that no text can forge a line.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the finished text; never raises and leaves the record as it is."""
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        message = _bounded(f"{record.levelname} {record.name} {message_of(record)}").replace("\n", "\\n")
        text = f"{time.replace('+00:00', 'Z')} {message}"
        if trace := trace_of(record):
            text += "\n" + _bounded(trace)
        return _printable(text).replace("\n", "\n    ")


class Quiet(logging.Filter):
    """Drops what other libraries log below WARNING, whatever their loggers' levels.

    Levels alone do not hold: with ANTHROPIC_LOG=debug the SDK sets its own when it is imported, after us.
    """

    def __init__(self, *, debug: bool = False) -> None:
        super().__init__()
        self._debug = debug

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether the record may be handled."""
        return self._debug or record.levelno >= logging.WARNING or record.name.partition(".")[0] in OWN


class Scrub(Quiet):
    """For handlers that are not ours: also takes the secrets out of the record itself."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite message, arguments, traceback, stack and extras as redacted text."""
        if not super().filter(record):
            return False
        trace = _bounded(trace_of(record))
        record.msg, record.args = _bounded(message_of(record)), None
        record.exc_info, record.exc_text, record.stack_info = None, trace or None, None
        for name, value in vars(record).items():
            if value is not None and not isinstance(value, (int, float)):
                setattr(record, name, _scrubbed(value))
        return True


def _scrubbed(value: Any) -> Any:
    try:
        text = value if isinstance(value, str) else repr(value)
    except Exception:
        return REMOVED
    clean = redact(text)
    return value if clean == text else clean


class _Calm(logging.Handler):
    """Says once that the log cannot be written; the stdlib would print the record's raw arguments."""

    _told = False

    def handleError(self, record: logging.LogRecord) -> None:
        """Write one line to stderr, the first time only."""
        if not self._told:
            self._told = True
            kind = sys.exc_info()[0]
            _say(f"claudedesk: the log cannot be written ({kind.__name__ if kind else 'unknown error'}).")


class LogStream(_Calm, logging.StreamHandler[IO[str]]):
    """The log on a terminal."""


class LogFile(_Calm, RotatingFileHandler):
    """The log in a file: opened with the first record, 0600, and followed when another process rotates it."""

    def _open(self) -> Any:
        private_folder(Path(self.baseFilename).parent)
        return open(self.baseFilename, "a", encoding="utf-8", errors="backslashreplace", opener=_private)

    def shouldRollover(self, record: logging.LogRecord) -> bool:
        """Tell whether the file is full, after going back to the file of that name if ours was moved away."""
        if os.name == "posix" and self.stream is not None and not _same(self.stream, self.baseFilename):
            self.stream.close()
            self.stream = self._open()
        return bool(super().shouldRollover(record))

    def doRollover(self) -> None:
        """Rotate. Windows cannot while another process has the file open: then it grows on a little."""
        with suppress(OSError):
            super().doRollover()


def _private(path: str, flags: int) -> int:
    handle = os.open(path, flags, 0o600)
    if os.name == "posix":
        os.fchmod(handle, 0o600)  # the file may be older than this rule
    return handle


def _same(stream: IO[str], path: str) -> bool:
    try:
        return os.path.samestat(os.fstat(stream.fileno()), os.stat(path))
    except OSError:
        return False


def setup(paths: Paths, level: str, *, stream: bool, debug: bool = False) -> Callable[[], None]:
    """Send all logging to `paths.logs`/claudedesk.log, and to stderr when `stream`; return what undoes it.

    Our loggers speak from `level` on, all others from WARNING. With `debug` everything is logged, prompts
    and replies included, and the first line says so. Uncaught exceptions are logged, too.
    """
    undo = ExitStack()
    file = LogFile(paths.logs / NAME, maxBytes=MEGABYTE, backupCount=FILES - 1, encoding="utf-8", delay=True)
    handlers: list[logging.Handler] = [file]
    if stream and sys.stderr is not None:  # None without a console on Windows
        handlers.append(LogStream(sys.stderr))
    _guard_others(undo, debug=debug)
    for handler in handlers:
        handler.setFormatter(Line())
        handler.addFilter(Quiet(debug=debug))
        logging.root.addHandler(handler)
        undo.callback(handler.close)
        undo.callback(logging.root.removeHandler, handler)
    _set_levels(undo, logging.getLevelNamesMapping()[level], debug=debug)
    _install_hooks(undo, paths.logs / NAME, quiet=len(handlers) == 1)
    if debug:
        _log.warning("Debug logging is on: prompts and replies are written to %s.", paths.logs / NAME)
    return undo.close


def _guard_others(undo: ExitStack, *, debug: bool) -> None:
    """Drop an earlier set-up's handlers and put the filter on those of others."""
    for handler in [*logging.root.handlers, logging.lastResort]:
        if isinstance(handler, _Calm):
            logging.root.removeHandler(handler)
            handler.close()
        elif handler is not None:
            scrub = Scrub(debug=debug)
            handler.addFilter(scrub)
            undo.callback(handler.removeFilter, scrub)


def _set_levels(undo: ExitStack, level: int, *, debug: bool) -> None:
    others = logging.DEBUG if debug else max(level, logging.WARNING)
    levels = {logging.root.name: others, **dict.fromkeys(QUIET, others)}
    levels |= dict.fromkeys(OWN, logging.DEBUG if debug else level)
    for name, number in levels.items():
        logger = logging.getLogger(name)
        undo.callback(logger.setLevel, logger.level)
        logger.setLevel(number)


def _install_hooks(undo: ExitStack, path: Path, *, quiet: bool) -> None:
    """Log what nobody caught; Python's own hooks would print it with the secrets in it."""

    def uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            _say("claudedesk: interrupted.")
            return
        _log.critical("Uncaught exception", exc_info=(kind, error, trace))
        if quiet:
            _say(f"claudedesk: stopped by an error ({kind.__name__}). See {path}")

    def in_thread(args: threading.ExceptHookArgs) -> None:
        if args.exc_type is SystemExit:
            return
        name = args.thread.name if args.thread else "unknown"
        _log.error("Uncaught exception in thread %s", name, exc_info=_info(args))

    def unraisable(args: Any) -> None:
        _log.error("Exception ignored in %r", args.object, exc_info=_info(args))

    hooks = ((sys, "excepthook", uncaught), (threading, "excepthook", in_thread))
    for module, name, hook in (*hooks, (sys, "unraisablehook", unraisable)):
        undo.callback(setattr, module, name, getattr(module, name))
        setattr(module, name, hook)


def _info(args: Any) -> tuple[type[BaseException], BaseException, TracebackType | None]:
    return args.exc_type, args.exc_value or args.exc_type(), args.exc_traceback


def _say(line: str) -> None:
    if sys.stderr is not None:
        with suppress(OSError, ValueError):
            sys.stderr.write(redact(line) + "\n")
