"""The loopback server: waitress in a thread, stopped within two seconds even while streams hang."""

from __future__ import annotations

import logging
import os
import select
import socket
import threading
from typing import Any, Final

from flask import Flask
from waitress import wasyncore
from waitress.channel import HTTPChannel
from waitress.server import create_server
from waitress.task import ErrorTask

from claudedesk.errors import BadInput
from claudedesk.web.errors import KINDS, WORDS
from claudedesk.web.headers import error_body, secured

log = logging.getLogger("claudedesk.server")

HOST: Final = "127.0.0.1"
# Streams leave at once because of send_bytes=1, waitress's default; setting it raises a DeprecationWarning.
SETTINGS: Final[dict[str, Any]] = {
    "threads": 48,  # at most 24 streams (ARCHITECTURE §4), the rest for everything else
    "channel_timeout": 60,
    "asyncore_use_poll": True,
    "ident": None,  # no Server header
    # With it, waitress reads on while a view runs, and so notices at once that a watcher has left.
    "channel_request_lookahead": 1,
    # Above the app's own limit, which answers in words; past this one the connection is cut.
    "max_request_body_size": 64_000_000,
    "max_request_header_size": 65_536,
    "log_socket_errors": False,
    "url_scheme": "http",
}
CONNECTIONS: Final = 2_000
SPARE_FILES: Final = 200
"""Open files that are not connections: the database, logs, calls to Claude."""


class Server:
    """One app on 127.0.0.1. `port` 0 lets the system choose; a fixed one is taken only when asked for.

    A view that ends the program should do so in `response.call_on_close`, since `stop` cuts what is still
    being sent.
    """

    def __init__(self, app: Flask, *, port: int = 0, host: str = HOST) -> None:
        if host != HOST:
            raise BadInput(f"claudedesk listens on {HOST} only, never on {host}: it holds your API key.")
        if not 0 <= port <= 65_535:
            raise BadInput(f"{port} is no port; use a number from 1 to 65535.")
        self._app = app
        self._wanted = port
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._server: Any = None
        self._loop: threading.Thread | None = None

    def start(self) -> int:
        """Listen and serve; return the port. Raises BadInput in words when the port cannot be had."""
        listener = _bind(self._wanted)
        port = int(listener.getsockname()[1])
        self._app.config["CLAUDEDESK_PORT"] = port
        self._server = create_server(
            self._app, sockets=[listener], connection_limit=_connection_limit(), **SETTINGS
        )
        self._server.channel_class = _Channel
        self._loop = threading.Thread(
            target=self._run, args=(self._server,), name="claudedesk-server", daemon=True
        )
        self._loop.start()
        return port

    def wait(self) -> None:
        """Return when the server has ended. Ctrl+C gets through, on Windows too."""
        while not self._ended.wait(0.5):
            pass

    def stop(self) -> None:
        """Close all connections and end, within two seconds whatever the views are doing."""
        with self._lock:
            server, self._server = self._server, None
        if server is None or self._loop is None:
            return
        server.trigger.pull_trigger(lambda: _hang_up(server))
        self._loop.join(1.0)
        server.task_dispatcher.shutdown(timeout=0.5)
        server.trigger.close()

    def _run(self, server: Any) -> None:
        try:
            server.run()
        except Exception:
            log.exception("the server's loop ended")
        finally:
            self._ended.set()


class _Refusal(ErrorTask):  # type: ignore[misc]
    """What waitress itself refuses (a broken request, a body too large), in our words, with our headers."""

    def execute(self) -> None:
        error = self.request.error
        limit = self.channel.adj.max_request_body_size // 1_000_000
        words = WORDS.get(error.code, WORDS[400]).format(limit=limit, id="no id")
        body = error_body(words, KINDS.get(error.code, "bad_input"))
        self.status = f"{error.code} {error.reason}"
        self.response_headers.extend(secured([("Content-Type", "application/json")]))
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body)


class _Channel(HTTPChannel):  # type: ignore[misc]
    error_task_class = _Refusal


def _bind(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        if os.name == "nt":
            # There SO_REUSEADDR would let any program take the port over while we hold it.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)  # type: ignore[attr-defined,unused-ignore]
        else:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
    except OSError as error:
        listener.close()
        raise BadInput(f"Port {port} cannot be used: {error.strerror or error}. Choose another.") from error
    return listener


def _connection_limit() -> int:
    """Return how many connections the system lets us hold, after asking it for more open files."""
    if not hasattr(select, "poll"):
        return 400  # Windows: select() takes 512 sockets, and raises past them
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = CONNECTIONS + SPARE_FILES
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        # macOS starts programs with 256, Linux with 1024: many idle connections would keep everybody out.
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        except (OSError, ValueError):
            wanted = soft
    return max(50, wanted - SPARE_FILES)


def _hang_up(server: Any) -> None:
    """Close the listener and every connection, in the loop's own thread; an empty map ends the loop."""
    # A view that hangs may wake the loop once more after its pipe is closed, and whatever file has the pipe's
    # number by then would receive that byte.
    server.pull_trigger = lambda: None
    wasyncore.dispatcher.close(server)  # the listener alone; the server's own close() takes the trigger along
    for channel in list(server.active_channels.values()):
        channel.handle_close()  # wakes a view that waits to write
    server._map.clear()
