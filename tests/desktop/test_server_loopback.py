"""The loopback server: where it listens, how it streams, how fast it ends."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from flask import Flask, Response, request
from web.doorkit import raw, serving, small_app

from claudedesk.desktop.server import SETTINGS, Server, _connection_limit
from claudedesk.errors import BadInput


def listeners(port: int) -> set[str]:
    """Return the local addresses that listen on a port, as `ss -ltn` would."""
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            local, state = line.split()[1], line.split()[3]
            if state == "0A" and int(local.rpartition(":")[2], 16) == port:
                found.add(local.rpartition(":")[0])
    return found


def streaming_app(hold: threading.Event, gone: threading.Event) -> Flask:
    """Make an app with a stream that sends one line and then hangs, as a reply that waits for Claude does."""
    app = Flask("streaming")

    def lines(pause: float | None) -> Iterator[bytes]:
        try:
            yield b"first\n"
            while not hold.wait(pause):
                yield b": still here\n"
        finally:
            gone.set()

    app.add_url_rule(
        "/hang", endpoint="hang", view_func=lambda: Response(lines(None), mimetype="text/event-stream")
    )
    app.add_url_rule(
        "/beat", endpoint="beat", view_func=lambda: Response(lines(0.05), mimetype="text/event-stream")
    )
    app.add_url_rule("/quick", endpoint="quick", view_func=lambda: "quick")
    return app


def get(port: int, path: str) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=5)
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
    return connection


def read_until(connection: socket.socket, wanted: bytes) -> bytes:
    received = b""
    while wanted not in received:
        chunk = connection.recv(65_536)
        assert chunk, received
        received += chunk
    return received


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="reads Linux's table of sockets")
def test_it_listens_on_127_0_0_1_and_nowhere_else() -> None:
    """SEC-29."""
    with serving(small_app()) as port:
        assert listeners(port) == {"0100007F"}
    assert listeners(port) == set()


@pytest.mark.parametrize("host", ["0.0.0.0", "", "::", "::1", "192.168.0.1", "localhost", "127.0.0.2"])
def test_any_other_bind_address_is_refused_in_words(host: str) -> None:
    """SEC-29."""
    with pytest.raises(BadInput, match=r"127\.0\.0\.1 only"):
        Server(small_app(), host=host)


def test_the_port_is_the_system_s_choice_and_stands_in_the_config_before_the_first_request() -> None:
    """SEC-08: port 0 by default."""
    apps = [small_app(), small_app()]
    with serving(apps[0]) as first, serving(apps[1]) as second:
        assert len({first, second, 0}) == 3
        assert [app.config["CLAUDEDESK_PORT"] for app in apps] == [first, second]


def test_a_fixed_port_is_taken_when_asked_for_and_again_after_the_end() -> None:
    with serving(small_app()) as port:
        raw(port, f"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n".encode())
    again = Server(small_app(), port=port)
    assert again.start() == port
    again.stop()


def test_a_port_in_use_is_said_in_words() -> None:
    with serving(small_app()) as port, pytest.raises(BadInput, match=f"Port {port} cannot be used"):
        Server(small_app(), port=port).start()


@pytest.mark.parametrize("port", [-1, 65_536])
def test_a_number_that_is_no_port_is_refused(port: int) -> None:
    with pytest.raises(BadInput, match="is no port"):
        Server(small_app(), port=port)


def test_a_squatter_on_the_other_loopback_is_never_our_address() -> None:
    """SEC-08: [::1] can be bound beside our 127.0.0.1."""
    app = small_app()
    with serving(app) as port, socket.socket(socket.AF_INET6) as squatter:
        try:
            squatter.bind(("::1", port))
        except OSError:
            pytest.skip("this machine has no IPv6 loopback")
        squatter.listen()
        assert app.extensions["claudedesk_door"].url(port).startswith(f"http://127.0.0.1:{port}/")


def test_the_first_words_of_a_stream_leave_at_once() -> None:
    """P-01: nothing waits for the second chunk."""
    hold = threading.Event()
    with serving(streaming_app(hold, threading.Event())) as port, get(port, "/hang") as connection:
        assert b"first" in read_until(connection, b"first\n")
        hold.set()


def test_it_ends_within_two_seconds_while_streams_hang() -> None:
    """P-12."""
    hold = threading.Event()
    server = Server(streaming_app(hold, threading.Event()))
    port = server.start()
    with ExitStack() as stack:
        for _ in range(10):
            read_until(stack.enter_context(get(port, "/hang")), b"first\n")
        begun = time.monotonic()
        server.stop()
        assert time.monotonic() - begun < 2
        server.wait()
        with pytest.raises(ConnectionError):
            socket.create_connection(("127.0.0.1", port), timeout=1)
    hold.set()


def test_nothing_of_an_ended_server_is_left() -> None:
    """P-12."""
    before = set(threading.enumerate())
    server = Server(small_app())
    port = server.start()
    raw(port, f"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n".encode())
    server.stop()
    server.stop()
    assert set(threading.enumerate()) <= before


def test_a_watcher_that_left_frees_its_thread_at_the_next_heartbeat() -> None:
    """P-07."""
    hold, gone = threading.Event(), threading.Event()
    with serving(streaming_app(hold, gone)) as port:
        with get(port, "/beat") as connection:
            read_until(connection, b"first\n")
        assert gone.wait(3)
        hold.set()


def test_a_view_that_is_silent_can_see_that_its_watcher_left() -> None:
    """P-07: waitress's own word, without a byte written."""
    app, hold, noticed = Flask("silent"), threading.Event(), threading.Event()
    started = threading.Event()

    @app.get("/")
    def silent() -> str:
        left = request.environ["waitress.client_disconnected"]
        started.set()
        while not hold.wait(0.01):
            if left():
                noticed.set()
                break
        return ""

    with serving(app) as port:
        connection = get(port, "/")
        assert started.wait(10)
        connection.close()
        assert noticed.wait(10)
        hold.set()


def test_a_thousand_idle_connections_keep_nobody_out() -> None:
    """SEC-31."""
    with serving(streaming_app(threading.Event(), threading.Event())) as port, ExitStack() as stack:
        for _ in range(1_000):
            stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=5))
        with get(port, "/quick") as connection:
            read_until(connection, b"quick")  # by now all the others have been accepted
        begun = time.monotonic()
        with get(port, "/quick") as connection:
            read_until(connection, b"quick")
        assert time.monotonic() - begun < 1


@pytest.mark.parametrize(
    ("soft", "hard", "asked", "limit"),
    [(256, 1_024, [1_024], 824), (1_024, -1, [2_200], 2_000), (4_096, 4_096, [], 2_000), (220, 220, [], 50)],
)
def test_it_asks_for_as_many_files_as_it_wants_connections(
    soft: int, hard: int, asked: list[int], limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SEC-31: macOS starts programs with 256 files."""
    resource = pytest.importorskip("resource", reason="Windows has no such limit")
    asking: list[int] = []
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (soft, hard))
    monkeypatch.setattr(resource, "setrlimit", lambda kind, limits: asking.append(limits[0]))
    assert _connection_limit() == limit
    assert asking == asked


def test_it_makes_do_with_what_the_system_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    """SEC-31."""
    resource = pytest.importorskip("resource", reason="Windows has no such limit")

    def refuse(kind: int, limits: tuple[int, int]) -> None:
        raise ValueError("current limit exceeds maximum limit")

    monkeypatch.setattr(resource, "getrlimit", lambda kind: (1_000, -1))
    monkeypatch.setattr(resource, "setrlimit", refuse)
    assert _connection_limit() == 800


def test_a_server_may_be_stopped_at_once() -> None:
    """P-12: before its loop has begun."""
    server = Server(small_app())
    server.start()
    server.stop()
    server.wait()


def test_streams_leave_threads_for_everything_else() -> None:
    """SEC-31: 24 streams at most (ARCHITECTURE §4), and a page beside them."""
    hold = threading.Event()
    with serving(streaming_app(hold, threading.Event())) as port, ExitStack() as stack:
        for _ in range(24):
            read_until(stack.enter_context(get(port, "/hang")), b"first\n")
        with get(port, "/quick") as connection:
            read_until(connection, b"quick")
        hold.set()
    assert SETTINGS["threads"] >= 24 + 8
