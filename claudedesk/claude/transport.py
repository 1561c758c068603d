"""The HTTP client whose calls another thread can stop at once, in whatever state they are; knows no SDK.

    with track() as handle:          # in the thread that calls
        client.messages.create(…)    # connecting, waiting for headers, silent or flowing
    handle.abort()                   # in any other thread: shuts the call's socket down

Closing a response from another thread does not wake a blocked reader (TRUST fact 7), and before the headers
there is no response to close. So a network backend below httpx2 notes, in `write()`, which socket serves the
call that this thread makes: on a fresh connection as on a reused one, in the clear as under TLS.
"""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import os
import selectors
import socket
import ssl
import threading
import time
from collections.abc import Iterable, Iterator
from typing import Any, Final, cast

import httpcore2
import httpx2

# SDK and httpx2 read the same function; there is no public one (pinned by test_sdk_contract.py).
from httpx2._utils import get_environment_proxies

from claudedesk.errors import BadInput

MAX_LINE: Final = 8 * 1024 * 1024
MAX_ANSWER: Final = 64 * 1024 * 1024
"""No honest answer is larger, in a line or in all; the SDK's decoder has no limit of its own (UP-22)."""
KEEP_ALIVE_S: Final = 60.0
"""httpx2 drops idle connections after 5 s, sooner than a person types. A dead one is noticed before use."""
_SLICE_S: Final = 0.02
_HEAD_START_S: Final = 0.25
_UNDER_WAY: Final = (0, errno.EINPROGRESS, errno.EWOULDBLOCK, errno.EALREADY)
_STOPPED: Final = "stopped by the user"
_LOOPBACK: Final = ("all://127.0.0.1", "all://localhost", "all://[::1]")

_here = threading.local()
# Who owns which socket. Held for a few instructions and one system call that never waits.
_lock = threading.Lock()


class Handle:
    """Stops the call of one thread. Once aborted it stays so: later calls under it fail at once."""

    def __init__(self) -> None:
        self._aborted = False
        self._socket: socket.socket | None = None  # what serves the call now

    @property
    def aborted(self) -> bool:
        """Whether `abort` was called."""
        return self._aborted

    def abort(self) -> None:
        """Shut the call's socket down; its thread gets a ReadError or ConnectError within milliseconds.

        May be called at any time, from any thread, more than once. Never touches a socket that has gone on to
        serve another call.
        """
        with _lock:
            self._aborted = True
            if self._socket is not None:
                # Not SSLSocket.shutdown, which would take the TLS layer from under the reading thread.
                with contextlib.suppress(OSError):
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)

    def _note(self, sock: socket.socket | None) -> None:
        with _lock:
            self._socket = sock


@contextlib.contextmanager
def track(handle: Handle | None = None) -> Iterator[Handle]:
    """Note the sockets that this thread's calls use meanwhile. A handle may serve several calls in turn."""
    handle = handle or Handle()
    before = current()
    _here.handle = handle
    try:
        yield handle
    finally:
        _here.handle = before
        handle._note(None)


def current() -> Handle | None:
    """Return the handle under which this thread calls, if any."""
    return getattr(_here, "handle", None)


class StoppableTransport(httpx2.HTTPTransport):
    """httpx2's transport with the noting backend below it and a ceiling on what may come in.

    Takes the arguments of HTTPTransport. HTTP/1.1 only: with HTTP/2 several calls would share a socket.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{**kwargs, "http2": False})
        # HTTPTransport hands no backend down. Connections take it from the pool when they are made.
        self._pool._network_backend = _NotingBackend()

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request. Raises httpx2.DecodingError for a compressed answer, which we never ask for."""
        response = super().handle_request(request)
        if response.headers.get("content-encoding", "identity") != "identity":
            response.close()
            raise httpx2.DecodingError("the answer is compressed, which was not asked for", request=request)
        if isinstance(response.stream, httpx2.SyncByteStream):
            response.stream = _Bounded(response.stream)
        return response


def stoppable_client(*, timeout: httpx2.Timeout, verify: ssl.SSLContext | bool = True) -> httpx2.Client:
    """Return a client for the SDK: stoppable, no redirects, and the system's proxies except to this machine.

    Raises BadInput when the environment names a proxy that cannot be used.
    """
    options: dict[str, Any] = {
        "verify": verify,
        # No ceiling on connections: waiting for a free one could not be stopped.
        "limits": httpx2.Limits(max_connections=None, keepalive_expiry=KEEP_ALIVE_S),
    }
    mounts: dict[str, httpx2.BaseTransport | None] = {}
    for pattern, proxy in get_environment_proxies().items():
        mounts[pattern] = None if proxy is None else _proxied(proxy, options)
    if mounts:
        mounts.update(dict.fromkeys(_LOOPBACK))
    return httpx2.Client(
        transport=StoppableTransport(**options),
        mounts=mounts,
        timeout=timeout,
        follow_redirects=False,
        headers={"accept-encoding": "identity"},
    )


def _proxied(proxy: str, options: dict[str, Any]) -> StoppableTransport:
    try:
        return StoppableTransport(proxy=proxy, **options)
    except (ImportError, ValueError) as error:
        kind = proxy.partition("://")[0]
        raise BadInput(f"A {kind} proxy is set on this system; only http and https proxies work.") from error


class _NotingBackend(httpcore2.NetworkBackend):
    """The stock backend, but its streams note their socket, and a tracked connect can be stopped."""

    def __init__(self) -> None:
        self._stock = httpcore2.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        handle = current()
        if handle is None or local_address is not None:
            return _NotingStream(
                self._stock.connect_tcp(host, port, timeout, local_address, socket_options or ())
            )
        deadline = time.monotonic() + (timeout if timeout is not None else 3600.0)
        try:
            sock = _connect(handle, host, port, deadline)
        except TimeoutError as error:
            raise httpcore2.ConnectTimeout(error) from error
        except OSError as error:
            raise httpcore2.ConnectError(error) from error
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for option in socket_options or ():
            sock.setsockopt(*option)
        return _NotingStream(_stock_stream(sock))

    def sleep(self, seconds: float) -> None:
        self._stock.sleep(seconds)


def _stock_stream(sock: socket.socket) -> httpcore2.NetworkStream:
    from httpcore2._backends.sync import SyncStream

    return SyncStream(sock)


class _NotingStream(httpcore2.NetworkStream):
    """A connection that knows whose call it serves: the one that wrote last."""

    def __init__(self, inner: httpcore2.NetworkStream) -> None:
        self._inner = inner
        self._owner: Handle | None = None

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._serve(current())
        self._check(httpcore2.WriteError)
        self._inner.write(buffer, timeout)

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        self._check(httpcore2.ReadError)
        try:
            data = self._inner.read(max_bytes, timeout)
        except Exception:
            self._check(httpcore2.ReadError)
            raise
        # A socket that was shut down reads as ended; without chunks that would pass for a whole answer.
        self._check(httpcore2.ReadError)
        return data

    def close(self) -> None:
        self._serve(None)
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        handle, sock = current(), self._inner.get_extra_info("socket")
        if handle is None or sock is None or isinstance(sock, ssl.SSLSocket):
            # TLS inside TLS (an https proxy) is httpcore2's; only the connect timeout ends that handshake.
            return _NotingStream(self._inner.start_tls(ssl_context, server_hostname, timeout))
        try:
            sock.settimeout(timeout)
            return _NotingStream(_stock_stream(_shake_hands(handle, sock, ssl_context, server_hostname)))
        except TimeoutError as error:
            raise httpcore2.ConnectTimeout(error) from error
        except OSError as error:
            raise httpcore2.ConnectError(error) from error
        finally:
            self._inner.close()  # the connection has moved to the TLS socket, or failed

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)

    def _serve(self, handle: Handle | None) -> None:
        """Belong to another call from here on; the one before can no longer shut this socket down."""
        if handle is self._owner and handle is None:
            return
        sock = self._inner.get_extra_info("socket")
        with _lock:
            if self._owner is not None and self._owner._socket is sock:
                self._owner._socket = None
            self._owner = handle
            if handle is not None:
                handle._socket = sock

    def _check(self, error: type[Exception]) -> None:
        if self._owner is not None and self._owner.aborted:
            raise error(_STOPPED)


class _Bounded(httpx2.SyncByteStream):
    """A response body that ends with an error when a line or the whole grows beyond all measure (UP-22)."""

    def __init__(self, inner: httpx2.SyncByteStream) -> None:
        self._inner = inner

    def __iter__(self) -> Iterator[bytes]:
        total = line = 0
        for chunk in self._inner:
            total += len(chunk)
            end = chunk.rfind(b"\n")
            line = line + len(chunk) if end < 0 else len(chunk) - end - 1
            if line > MAX_LINE or total > MAX_ANSWER:
                raise httpx2.RemoteProtocolError("the answer is larger than any honest one")
            yield chunk

    def close(self) -> None:
        self._inner.close()


def _connect(handle: Handle, host: str, port: int, deadline: float) -> socket.socket:
    """Connect to whichever address answers first; each gets a head start on the next (RFC 8305).

    Raises OSError, TimeoutError, or httpcore2.ConnectError when stopped. It waits in slices, since not every
    system lets a shutdown wake a socket that is still connecting.
    """
    untried = _addresses(handle, host, port, deadline)
    failure, next_at = OSError(f"no address for {host}"), 0.0
    with selectors.DefaultSelector() as selector:
        try:
            while untried or selector.get_map():
                if untried and (time.monotonic() >= next_at or not selector.get_map()):
                    next_at = time.monotonic() + _HEAD_START_S
                    try:
                        selector.register(_begin(untried.pop(0)), selectors.EVENT_WRITE)
                    except OSError as error:
                        failure = error
                        continue
                for key, _ in selector.select(_SLICE_S):
                    sock = cast(socket.socket, key.fileobj)
                    selector.unregister(sock)
                    problem = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
                    if not problem:
                        sock.setblocking(True)
                        return sock
                    sock.close()
                    failure = OSError(problem, os.strerror(problem))
                _check_waiting(handle, deadline)
        finally:
            for key in list(selector.get_map().values()):
                cast(socket.socket, key.fileobj).close()
    raise failure


def _begin(address: tuple[Any, ...]) -> socket.socket:
    family, kind, proto, _, target = address
    sock = socket.socket(family, kind, proto)
    sock.setblocking(False)
    problem = sock.connect_ex(target)
    if problem not in _UNDER_WAY:
        sock.close()
        raise OSError(problem, os.strerror(problem))
    return sock


def _shake_hands(
    handle: Handle, sock: socket.socket, context: ssl.SSLContext, hostname: str | None
) -> ssl.SSLSocket:
    """Put TLS over a connection. Wrapping takes no time; the handshake may wait, and can be stopped."""
    secure = context.wrap_socket(sock, server_hostname=hostname, do_handshake_on_connect=False)
    handle._note(secure)
    try:
        if handle.aborted:
            raise httpcore2.ConnectError(_STOPPED)
        secure.do_handshake()
    except BaseException:
        handle._note(None)
        secure.close()
        raise
    return secure


def _addresses(handle: Handle, host: str, port: int, deadline: float) -> list[Any]:
    """Look a name up. The system's look-up can be neither stopped nor limited, so another thread does it."""
    with contextlib.suppress(ValueError):
        ipaddress.ip_address(host)
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    found: list[Any] = []
    done = threading.Event()

    def look() -> None:
        try:
            found.append(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except Exception as error:
            found.append(error)
        done.set()

    threading.Thread(target=look, name="look-up", daemon=True).start()
    while not done.wait(_SLICE_S):
        _check_waiting(handle, deadline)
    if isinstance(found[0], Exception):
        raise found[0]
    return list(found[0])


def _check_waiting(handle: Handle, deadline: float) -> None:
    if handle.aborted:
        raise httpcore2.ConnectError(_STOPPED)
    if time.monotonic() > deadline:
        raise TimeoutError("connecting took too long")
