"""A threaded server on 127.0.0.1: a thread a connection, all of them gone after `close()`."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from fake.wire import Gone, Wire


class Server:
    """Accept connections on one or more ports and give each, as a Wire, to its function."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.condition = threading.Condition()
        self.closing = False
        self._tls = tls
        self._threads: list[threading.Thread] = []
        self._wires: set[Wire] = set()
        self._listeners: list[socket.socket] = []

    def listen(self, port: int, serve: Callable[[Wire], None]) -> int:
        """Listen on a port (0: any free one) and return its number."""
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen(1024)
        self._listeners.append(listener)
        self._spawn(self._accept, listener, serve)
        return int(listener.getsockname()[1])

    def close(self) -> None:
        """Stop listening, cut what is open, and wait for the threads."""
        with self.condition:
            if self.closing:
                return
            self.closing = True
            wires = list(self._wires)
        for listener in self._listeners:
            # Closing a listener does not wake its accept() everywhere; a connection does.
            with contextlib.suppress(OSError):
                socket.create_connection(listener.getsockname(), timeout=1).close()
            listener.close()
        for wire in wires:
            wire.shut()
        for thread in list(self._threads):
            thread.join(5)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _spawn(self, target: Callable[..., None], *args: Any) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True, name=f"fake-{target.__name__}")
        with self.condition:
            self._threads = [t for t in self._threads if t.is_alive()]
            self._threads.append(thread)
            thread.start()

    def _accept(self, listener: socket.socket, serve: Callable[[Wire], None]) -> None:
        number = 0
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            if self.closing:
                sock.close()
                return
            number += 1
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._spawn(self._connection, sock, number, serve)

    def _connection(self, sock: socket.socket, number: int, serve: Callable[[Wire], None]) -> None:
        try:
            if self._tls is not None:
                # Wrapping a socket that its peer has reset already would leak it (CPython 3.11).
                sock.recv(1, socket.MSG_PEEK)
                sock = self._tls.wrap_socket(sock, server_side=True)
        except OSError:
            sock.close()
            return
        wire = Wire(sock, number)
        with self.condition:
            self._wires.add(wire)
            late = self.closing
        try:
            if not late:
                serve(wire)
        except Gone:
            pass
        finally:
            with self.condition:
                self._wires.discard(wire)
            wire.close()
