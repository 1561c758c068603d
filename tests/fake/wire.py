"""One connection: HTTP/1.1 by hand, so that it can be silent, be cut, and see the client leave at once."""

from __future__ import annotations

import contextlib
import selectors
import socket
import ssl
import struct
import threading
import time
from collections.abc import Iterator, Mapping
from http import HTTPStatus

MAX_HEAD = 256 * 1024
_TLS_ALERT = 0x15


class Gone(Exception):
    """The client has closed the connection."""


class Wire:
    """A connection with its own small reader and writer. Methods raise Gone when the client has left."""

    def __init__(self, sock: socket.socket, number: int) -> None:
        self.sock = sock
        self.number = number
        self._buffer = b""
        self._chunked = False
        self._lock = threading.Lock()
        self._open = True
        selector = getattr(selectors, "PollSelector", selectors.SelectSelector)
        self._selector: selectors.BaseSelector = selector()
        self._selector.register(sock, selectors.EVENT_READ)

    def read_head(self) -> tuple[str, str, dict[str, str]] | None:
        """Return (method, target, headers in lower case) of the next request, or None at the end."""
        while b"\r\n\r\n" not in self._buffer:
            data = self._recv()
            if not data or len(self._buffer) > MAX_HEAD:
                return None
            self._buffer += data
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        method, target, _ = lines[0].split(" ", 2)
        pairs = (line.partition(":") for line in lines[1:])
        return method, target, {name.strip().lower(): value.strip() for name, _, value in pairs}

    def read_body(self, length: int) -> bytes:
        """Return the request's body of `length` bytes."""
        pieces, have = [self._buffer], len(self._buffer)
        while have < length:
            data = self._recv()
            if not data:
                raise Gone
            pieces.append(data)
            have += len(data)
        whole = b"".join(pieces)
        self._buffer = whole[length:]
        return whole[:length]

    def _recv(self) -> bytes:
        try:
            return self.sock.recv(256 * 1024)
        except OSError:
            return b""

    def start(self, status: int, headers: Mapping[str, str], body: bytes | None = None) -> None:
        """Send the head; with `body` the whole answer, without it the answer goes on in chunks."""
        try:
            phrase = HTTPStatus(status).phrase
        except ValueError:
            phrase = "Odd"
        lines = [f"HTTP/1.1 {status} {phrase}", *(f"{name}: {value}" for name, value in headers.items())]
        self._chunked = body is None
        if body is None:
            lines.append("transfer-encoding: chunked")
        elif status != 204:
            lines.append(f"content-length: {len(body)}")
        self.send("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + (body or b""))

    def chunk(self, data: bytes) -> None:
        """Send one piece of a chunked answer."""
        if data:
            self.send(b"%x\r\n%s\r\n" % (len(data), data))

    def end(self) -> None:
        """End a chunked answer cleanly."""
        if self._chunked:
            self.send(b"0\r\n\r\n")
            self._chunked = False

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        try:
            self.sock.sendall(data)
        except OSError as error:
            raise Gone from error

    def wait(self, seconds: float, until: threading.Event | None = None) -> None:
        """Pass `seconds`, or less when `until` is set. Raises Gone the moment the client leaves."""
        deadline = time.monotonic() + seconds
        while not (until is not None and until.is_set()):
            left = deadline - time.monotonic()
            if self._selector.select(max(0.0, left if until is None else min(left, 0.005))):
                self._check_gone()
                time.sleep(max(0.0, min(left, 0.005)))  # the client speaks out of turn: let it
            if left <= 0:
                return

    def check(self) -> None:
        """Raise Gone when the client has left."""
        if self._selector.select(0):
            self._check_gone()

    def _check_gone(self) -> None:
        try:
            # Past the TLS layer on purpose: a close is a FIN, or an alert record, on the plain socket.
            first = socket.socket.recv(self.sock, 1, socket.MSG_PEEK)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            raise Gone from error
        if not first or (isinstance(self.sock, ssl.SSLSocket) and first[0] == _TLS_ALERT):
            raise Gone

    def reset(self) -> None:
        """Cut the connection with an RST."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def shut(self) -> None:
        """Wake whoever blocks on this connection (called from another thread)."""
        with self._lock, contextlib.suppress(OSError):
            if self._open:
                socket.socket.shutdown(self.sock, socket.SHUT_RDWR)

    def close(self) -> None:
        """Close with a FIN (or what `reset` has set)."""
        with self._lock:
            if self._open:
                self._open = False
                self._selector.close()
                self.sock.close()


@contextlib.contextmanager
def blackhole(*, accepting: bool = False) -> Iterator[int]:
    """Yield a loopback port where a connect never ends; with `accepting`, one that connects and stays silent.

    The first needs Linux: a full backlog drops the SYN there, elsewhere it may be refused.
    """
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(64 if accepting else 0)
        port = listener.getsockname()[1]
        for _ in range(0 if accepting else 4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        if not accepting:
            time.sleep(0.05)
        yield port
