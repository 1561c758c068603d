"""One instance at a time, and the road from a command to it."""

from __future__ import annotations

import json
import os
import socket
import stat
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from flask import Blueprint, Response, request
from web.doorkit import Clock, serving, small_app

from claudedesk import errors
from claudedesk.desktop.instance import Claim, Running, claim, claim_or_find, find_running
from claudedesk.errors import ClaudeDeskError, NoKey, TooMany
from claudedesk.paths import Paths, standard
from claudedesk.web import security
from claudedesk.web.errors import as_row
from claudedesk.web.session import door_of

SECRET = "s" * 43
BROKEN = '{"pid": 1, "port": "x", "role": "serve", "started": 0, "secret": ""}'


@pytest.fixture
def home(tmp_path: Path) -> Paths:
    """Folders of our own, made by nobody yet."""
    return standard(str(tmp_path / "home"))


@contextmanager
def instance(paths: Paths, *plugins: Blueprint) -> Iterator[Running]:
    """Run an app as the one instance of these folders."""
    app = small_app(plugins=plugins)
    held = claim(paths)
    assert held is not None
    with serving(app) as port:
        yield held.announce(port, door_of(app).instance_secret, "serve")
        held.release()


def commands() -> Blueprint:
    """Return routes as `ask` and `key` will have them."""
    blueprint = Blueprint("more", __name__)

    @blueprint.post("/echo")
    @security.instance_only
    def echo() -> dict[str, Any]:
        return {"given": request.get_json()}

    @blueprint.post("/stream")
    @security.instance_only
    def stream() -> Response:
        rows: list[dict[str, Any]] = [{"text": "Hel"}, {"text": "lo"}]
        if request.get_json()["fail"]:
            rows.append({"error": {**as_row(NoKey("No key is known.")), "status": 409}})
        return Response((json.dumps(row) + "\n" for row in rows), mimetype="application/x-ndjson")

    @blueprint.post("/fail")
    @security.instance_only
    def fail() -> str:
        raise TooMany("One at a time.", retry_after=4)

    @blueprint.post("/hang")
    @security.instance_only
    def hang() -> str:
        blueprint.hold.wait(10)  # type: ignore[attr-defined]
        return "{}"

    blueprint.hold = threading.Event()  # type: ignore[attr-defined]
    return blueprint


def test_one_process_holds_the_claim_and_the_next_gets_it_after_release(home: Paths) -> None:
    """DAT-09."""
    first = claim(home)
    assert isinstance(first, Claim)
    assert claim(home) is None
    first.release()
    second = claim(home)
    assert second is not None
    second.release()


def test_the_instance_file_is_private_and_whole(home: Paths) -> None:
    """SEC-07."""
    with instance(home) as running:
        assert stat.S_IMODE(home.instance.stat().st_mode) == 0o600
        assert stat.S_IMODE(home.runtime.stat().st_mode) == 0o700
        told = json.loads(home.instance.read_text())
        assert sorted(told) == ["pid", "port", "role", "secret", "started"]
        assert told["pid"] == os.getpid()
        assert told["role"] == "serve"
        assert sorted(path.name for path in home.runtime.iterdir()) == ["instance.json", "instance.lock"]
        assert running.secret not in repr(running)
    assert not home.instance.exists()


def test_a_running_instance_is_found_and_proves_itself(home: Paths) -> None:
    """SEC-08."""
    with instance(home) as running:
        assert find_running(home) == running


def test_where_nothing_runs_nothing_is_found(home: Paths) -> None:
    assert find_running(home) is None
    assert not home.runtime.exists()


def test_a_file_that_a_dead_process_left_is_stale(home: Paths) -> None:
    """DAT-09: the lock died with its holder, even by kill -9."""
    script = """
        import os, signal, sys
        from claudedesk.desktop.instance import claim
        from claudedesk.paths import standard
        claim(standard(sys.argv[1])).announce(1, "secret", "window")
        os.kill(os.getpid(), signal.SIGKILL)
    """
    run_script(script, str(home.data.parent))
    assert home.instance.exists()
    assert find_running(home) is None
    held = claim(home)
    assert held is not None
    held.release()
    assert home.instance.exists(), "it was not ours to remove"


def test_a_file_whose_lock_nobody_holds_is_stale_even_if_its_server_still_answers(home: Paths) -> None:
    """DAT-09: that instance is just ending."""
    with instance(home) as running:
        text = home.instance.read_text()
    app = small_app()
    with serving(app) as port:
        door_secret = door_of(app).instance_secret
        told = {**json.loads(text), "port": port, "secret": door_secret}
        home.instance.write_text(json.dumps(told))
        assert Running(running.pid, port, "serve", running.started, door_secret).is_genuine()
        assert find_running(home) is None


def test_ten_starts_at_once_make_one_server_that_the_others_find(home: Paths) -> None:
    """DAT-09."""
    script = """
        import os, sys
        from claudedesk.desktop.instance import Claim, claim_or_find
        from claudedesk.desktop.server import Server
        from claudedesk.paths import standard
        from claudedesk.web.session import door_of
        from web.doorkit import small_app
        paths = standard(sys.argv[1])
        start, go = os.pipe()
        done, end = os.pipe()
        children = []
        for _ in range(10):
            child = os.fork()
            if child:
                children.append(child)
                continue
            os.close(go), os.close(end)
            os.read(start, 1)
            found = claim_or_find(paths)
            if isinstance(found, Claim):
                app = small_app()
                server = Server(app)
                port = server.start()
                found.announce(port, door_of(app).instance_secret, "serve")
                os.write(1, b"serves %d\\n" % port)
                os.read(done, 1)
                server.stop()
                found.release()
            else:
                url = found.post("/instance/open", {})["url"]
                os.write(1, b"found %d %s\\n" % (found.port, url.encode()))
            os._exit(0)
        os.close(start), os.close(done), os.close(go)
        for _ in range(9):
            os.wait()
        os.close(end)
        os.wait()
    """
    lines = run_script(script, str(home.data.parent)).splitlines()
    serving_lines = [line for line in lines if line.startswith("serves")]
    found = [line.split() for line in lines if line.startswith("found")]
    assert (len(serving_lines), len(found)) == (1, 9), lines
    port = serving_lines[0].split()[1]
    assert {line[1] for line in found} == {port}
    assert len({line[2] for line in found}) == 9
    assert not home.instance.exists()


def test_a_squatter_on_the_port_gets_no_secret(home: Paths) -> None:
    """SEC-08: the first died, and another user's program listens where it was."""
    held = claim(home)
    assert held is not None
    received: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as squatter:
        port = squatter.getsockname()[1]
        thread = threading.Thread(target=squat, args=(squatter, received))
        thread.start()
        running = held.announce(port, SECRET, "serve")
        assert find_running(home) is None
        with pytest.raises(ClaudeDeskError, match="has just been closed"):
            running.post("/instance/ask", {"text": "my private words"})
        thread.join()
    held.release()
    everything = b"".join(received)
    assert b"/instance/hello" in everything
    assert SECRET.encode() not in everything
    assert b"private" not in everything
    assert b"Authorization" not in everything


def squat(squatter: socket.socket, received: list[bytes]) -> None:
    """Answer two connections with what a program without the secret can make up."""
    for _ in range(2):
        connection, _ = squatter.accept()
        with connection:
            connection.settimeout(5)
            while chunk := connection.recv(65_536):
                received.append(chunk)
                if b"}" in chunk:
                    body = b'{"proof": "' + b"0" * 64 + b'"}'
                    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)
                    connection.sendall(head + body)


def test_a_proof_passed_on_from_another_port_does_not_count(home: Paths) -> None:
    """SEC-08: a squatter that asks the real instance for the answer."""
    with instance(home) as real, serving(small_app()) as other:
        moved = Running(real.pid, other, real.role, real.started, real.secret)
        assert real.is_genuine()
        assert not moved.is_genuine()


def test_a_file_of_another_user_is_not_believed(home: Paths) -> None:
    """SEC-07: it would lead our prompts to that user's program."""
    if os.name != "posix" or os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    with instance(home):
        os.chown(home.instance, 65534, 65534)
        assert find_running(home) is None
        os.chown(home.instance, 0, 0)
        assert find_running(home) is not None


@pytest.mark.parametrize("text", ["", "{", "[]", "5", "{}", BROKEN, BROKEN.replace("serve", "boss"), "\xff"])
def test_a_broken_file_is_no_instance(home: Paths, text: str) -> None:
    held = claim(home)
    assert held is not None
    home.instance.write_text(text, encoding="latin-1")
    assert find_running(home) is None
    held.release()


def test_the_file_is_written_although_another_start_reads_the_old_one(
    home: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DAT-09: Windows refuses to replace a file that is open."""
    replace, refusals = os.replace, iter([True, True])

    def stubborn(part: Path, target: Path) -> None:
        if next(refusals, False):
            raise PermissionError(13, "in use")
        replace(part, target)

    held = claim(home)
    assert held is not None
    monkeypatch.setattr(os, "replace", stubborn)
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    held.announce(1, SECRET, "serve")
    assert json.loads(home.instance.read_text())["secret"] == SECRET
    held.release()


def test_only_our_own_file_is_removed_at_the_end(home: Paths) -> None:
    held = claim(home)
    assert held is not None
    held.announce(1, SECRET, "serve")
    home.instance.write_text(home.instance.read_text().replace(SECRET, "another"))
    held.release()
    assert home.instance.exists()


def test_a_command_sends_json_and_reads_the_answer(home: Paths) -> None:
    with instance(home, commands()) as running:
        assert running.post("/more/echo", {"text": "héllo"}) == {"given": {"text": "héllo"}}


def test_a_command_reads_a_stream_line_by_line(home: Paths) -> None:
    with instance(home, commands()) as running:
        assert list(running.stream("/more/stream", {"fail": False})) == [
            {"text": "Hel"},
            {"text": "lo"},
        ]


def test_an_error_of_the_instance_is_raised_as_itself(home: Paths) -> None:
    with instance(home, commands()) as running:
        with pytest.raises(TooMany, match="One at a time") as raised:
            running.post("/more/fail", {})
        assert raised.value.retry_after == 4
        read = []
        with pytest.raises(NoKey, match="No key is known"):
            for row in running.stream("/more/stream", {"fail": True}):
                read.append(row["text"])
        assert read == ["Hel", "lo"]
        with pytest.raises(errors.Forbidden, match="no way in yet"):
            running.post("/pages/write", {})


def test_an_instance_that_ended_or_hangs_is_said_in_words(home: Paths) -> None:
    more = commands()
    with instance(home, more) as running:
        with pytest.raises(ClaudeDeskError, match="did not answer in time"):
            running.post("/more/hang", {}, timeout=0.1)
        more.hold.set()  # type: ignore[attr-defined]
    with pytest.raises(ClaudeDeskError, match="has just been closed"):
        running.post("/instance/open", {})


def test_a_start_waits_for_one_that_is_starting_and_gives_up_in_words(home: Paths) -> None:
    """DAT-09: the lock is held, but nobody answers."""
    clock = Clock()
    held = claim(home)
    assert held is not None
    with pytest.raises(ClaudeDeskError, match="does not answer"):
        claim_or_find(home, monotonic=clock, sleep=clock.sleep)
    assert 9.9 < sum(clock.slept) < 10.2

    def finish(seconds: float) -> None:
        held.release()

    found = claim_or_find(home, monotonic=clock, sleep=finish)
    assert isinstance(found, Claim)
    found.release()


def run_script(script: str, *args: str) -> str:
    """Run Python in a process of its own and return what it printed."""
    here = Path(__file__).parents[2]
    environ = {**os.environ, "PYTHONPATH": f"{here}{os.pathsep}{here / 'tests'}"}
    command = [sys.executable, "-c", textwrap.dedent(script), *args]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode in (0, -9), done.stderr
    return done.stdout
