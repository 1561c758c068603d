"""Stopping a call at once, in every state, without harming its neighbours."""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fakeapi import FakeAPI, Seen, blackhole

from claudedesk.claude import transport
from claudedesk.claude.transport import Handle, stoppable_client, track
from claudedesk.errors import BadInput

AT_ONCE = 1.0
"""Seconds; the real figure is a few milliseconds (the benchmarks measure it), a busy machine needs room."""
BODY = {
    "model": "test-large-1",
    "max_tokens": 100,
    "messages": [{"role": "user", "content": "hi"}],
    "stream": True,
}


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file with a self-made certificate for localhost and its key."""
    pytest.importorskip("cryptography", reason="no cryptography here to make a certificate with")
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    names: list[x509.GeneralName] = [
        x509.DNSName("localhost"),
        x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
    ]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "localhost.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + secret)
    return path


def a_client(timeout: httpx2.Timeout | float = 30) -> httpx2.Client:
    """Return the client for plain HTTP; an empty TLS context spares the test the system's certificates."""
    return stoppable_client(timeout=httpx2.Timeout(timeout), verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))


class Line:
    """A fake API and a client of it, in the clear or under TLS."""

    def __init__(self, fake: FakeAPI, client: httpx2.Client) -> None:
        self.fake, self.client = fake, client

    def post(self, **changes: Any) -> httpx2.Response:
        headers = {"authorization": f"Bearer {self.fake.key}", "anthropic-version": "2026-10-21"}
        return self.client.post(f"{self.fake.url}/v1/messages", json={**BODY, **changes}, headers=headers)


@pytest.fixture(params=["plain", "tls"])
def line(request: pytest.FixtureRequest) -> Iterator[Line]:
    """Yield a connection to a fake, twice: in the clear and under TLS."""
    with contextlib.ExitStack() as stack:
        server, verify = None, ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        if request.param == "tls":
            path = request.getfixturevalue("certificate")
            server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            server.load_cert_chain(path)
            verify = ssl.create_default_context(cafile=path)
        fake = stack.enter_context(FakeAPI(tls=server))
        client = stack.enter_context(stoppable_client(timeout=httpx2.Timeout(30), verify=verify))
        yield Line(fake, client)


class Call:
    """A call in a thread of its own, under a handle."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self.handle = Handle()
        self.error: BaseException | None = None
        self.result: Any = None
        self._thread = threading.Thread(target=self._run, args=(work,), daemon=True)
        self._thread.start()

    def _run(self, work: Callable[[], Any]) -> None:
        try:
            with track(self.handle):
                self.result = work()
        except BaseException as error:
            self.error = error

    def join(self, timeout: float = 10) -> None:
        self._thread.join(timeout)
        assert not self._thread.is_alive(), "the call still hangs"

    def stop(self) -> float:
        """Abort the call; return the seconds until its thread was free."""
        begun = time.monotonic()
        self.handle.abort()
        self.join(AT_ONCE)
        return time.monotonic() - begun


def seen_leaving(fake: FakeAPI, seen: Seen) -> bool:
    return fake.wait_until(lambda _: seen.closed_early, AT_ONCE)


STATES: dict[str, Callable[[FakeAPI], object]] = {
    "sent, no headers yet": lambda fake: fake.fault("silent_headers"),
    "headers, then silent": lambda fake: fake.fault("silent_stream", phase="during"),
    "silent after the first word": lambda fake: fake.fault("silent_stream"),
    "flowing": lambda fake: fake.reply(text="word " * 20_000, delta_chars=5, delay=0.002),
}


@pytest.mark.parametrize("reused", [False, True], ids=["fresh", "reused"])
@pytest.mark.parametrize("state", STATES)
def test_a_call_ends_at_once_in_every_state_and_the_api_sees_it(line: Line, state: str, reused: bool) -> None:
    """UP-17, TRUST fact 7: on a fresh connection as on a reused one."""
    if reused:
        line.post()
    STATES[state](line.fake)
    posts = 1 + int(reused)
    call = Call(line.post)
    assert line.fake.wait_until(lambda fake: fake.posts == posts and (fake.last.answered or "no" in state))
    time.sleep(0.05)
    seen = line.fake.last
    assert not seen.closed_early
    assert call.stop() < AT_ONCE
    assert isinstance(call.error, httpx2.ReadError)
    assert seen_leaving(line.fake, seen)
    assert line.fake.log[-1].connection == 1, "the reused case did not reuse"
    assert line.fake.posts == posts


def test_a_call_ends_at_once_while_it_connects() -> None:
    """UP-17: the first of the four states."""
    with blackhole() as port, a_client() as client:
        call = Call(lambda: client.get(f"http://127.0.0.1:{port}/"))
        time.sleep(0.1)
        if call.error is not None:
            pytest.skip("this system refuses at once what Linux leaves waiting")
        assert call.stop() < AT_ONCE
        assert isinstance(call.error, httpx2.ConnectError)


def test_a_call_ends_at_once_during_the_tls_handshake() -> None:
    """UP-17: connected, but the other side never answers the ClientHello."""
    with blackhole(accepting=True) as port, a_client() as client:
        call = Call(lambda: client.get(f"https://127.0.0.1:{port}/"))
        time.sleep(0.2)
        assert call.error is None
        assert call.stop() < AT_ONCE
        assert isinstance(call.error, httpx2.ConnectError)


def test_a_call_ends_at_once_while_a_name_is_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """UP-17, UP-21: a dead DNS server blocks the system's look-up for half a minute."""
    answer = threading.Event()

    def hang(*args: Any, **kwargs: Any) -> list[Any]:
        answer.wait(10)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    with a_client() as client:
        call = Call(lambda: client.get("http://nowhere.invalid/"))
        time.sleep(0.1)
        assert call.error is None
        assert call.stop() < AT_ONCE
        assert isinstance(call.error, httpx2.ConnectError)
    answer.set()


def test_a_call_ends_at_once_while_it_uploads() -> None:
    """UP-17: the other side does not take our body."""
    with blackhole(accepting=True) as port, a_client() as client:
        call = Call(lambda: client.post(f"http://127.0.0.1:{port}/", content=b"x" * 20_000_000))
        time.sleep(0.2)
        assert call.error is None
        assert call.stop() < AT_ONCE
        assert isinstance(call.error, httpx2.ReadError)


def test_an_aborted_handle_lets_no_later_call_out(line: Line) -> None:
    """UP-17: Stop between two tries costs nothing."""
    line.post()
    handle = Handle()
    handle.abort()
    with track(handle), pytest.raises(httpx2.ReadError):
        line.post()
    assert line.fake.posts == 1


def test_a_handle_aborted_before_a_first_connection_lets_no_call_out() -> None:
    """UP-17: the same with no connection to reuse."""
    with FakeAPI() as fake, a_client() as client:
        handle = Handle()
        handle.abort()
        with track(handle), pytest.raises(httpx2.HTTPError):
            client.post(f"{fake.url}/v1/messages", json=BODY)
        assert fake.posts == 0


def test_calls_that_nobody_stops_share_one_connection(line: Line) -> None:
    """Keep-alive is kept: a handshake with the API costs more than the rest of our work."""
    for _ in range(3):
        with track():
            assert line.post().status_code == 200
    line.post()
    assert {seen.connection for seen in line.fake.log} == {1}


def test_the_next_call_after_a_stop_works_on_a_new_connection(line: Line) -> None:
    """UP-17: a shut socket never goes back to the pool."""
    line.fake.fault("silent_stream")
    call = Call(line.post)
    assert line.fake.wait_until(lambda fake: fake.posts == 1 and fake.last.answered is not None)
    call.stop()
    assert line.post().status_code == 200
    assert line.fake.last.connection == 2


def test_stopping_one_call_leaves_its_neighbours_alone(line: Line) -> None:
    """UP-17: each thread has its own handle."""
    held = [line.fake.reply(text="kept whole", hold=4) for _ in range(3)]
    calls = [Call(line.post) for _ in range(3)]
    assert line.fake.wait_until(lambda fake: fake.posts == 3 and all(seen.answered for seen in fake.log))
    calls[1].stop()
    for reply in held:
        reply.release()
    for call in (calls[0], calls[2]):
        call.join()
        assert call.error is None
        assert "message_stop" in call.result.text


def test_a_late_stop_does_not_touch_the_call_that_took_over_the_connection(line: Line) -> None:
    """UP-17: the connection went back to the pool and serves somebody else."""
    line.fake.reply(text="first")
    line.fake.reply(text="second", hold=1)
    with track() as handle:
        line.post()
        other = Call(line.post)
        assert line.fake.wait_until(lambda fake: fake.posts == 2 and fake.last.answered is not None)
        assert line.fake.last.connection == 1
        handle.abort()
        time.sleep(0.05)  # were it the wrong socket, its reader would wake now
        line.fake.release()
        other.join()
    assert other.error is None
    assert "message_stop" in other.result.text


def test_a_stop_after_the_end_of_tracking_does_nothing(line: Line) -> None:
    """UP-17: the run is over; its connection idles in the pool."""
    with track() as handle:
        line.post()
    handle.abort()
    line.post()
    assert line.fake.last.connection == 1


def test_a_nested_track_gives_the_thread_back_to_the_outer_one() -> None:
    """A call inside a call is stopped by its own handle."""
    with track() as outer:
        with track() as inner:
            assert transport.current() is inner
        assert transport.current() is outer
    assert transport.current() is None


def test_an_answer_that_ends_with_the_connection_is_not_taken_for_whole_when_it_was_stopped() -> None:
    """UP-15, UP-17: without chunks or a length, a shut socket looks like a clean end."""
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as server:
        port = server.getsockname()[1]

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nhalf an answ")
                connection.recv(65536)

        thread = threading.Thread(target=serve)
        thread.start()
        with a_client() as client:
            call = Call(lambda: client.get(f"http://127.0.0.1:{port}/"))
            time.sleep(0.1)
            call.stop()
            assert isinstance(call.error, httpx2.ReadError)
        thread.join(5)


def test_a_dead_address_does_not_keep_the_living_one_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """UP-21: broken IPv6 is common; the stock backend waits its whole timeout before it tries the next."""
    with FakeAPI() as fake, blackhole() as port:
        found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", p)) for p in (port, fake.port)]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: found)
        with a_client() as client, track():
            begun = time.monotonic()
            client.get(f"http://two.invalid:{fake.port}/v1/models")
            assert time.monotonic() - begun < 5
        assert fake.last.path == "/v1/models"


@pytest.mark.parametrize("tracked", [True, False])
def test_a_refused_port_and_an_unknown_name_keep_their_causes(
    tracked: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """UP-21: the words for the user are chosen by the cause."""

    def unknown(*args: Any, **kwargs: Any) -> list[Any]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as server:
        port = server.getsockname()[1]
    with a_client(5) as client, contextlib.ExitStack() as stack:
        if tracked:
            stack.enter_context(track())
        with pytest.raises(httpx2.ConnectError) as refused:
            client.get(f"http://127.0.0.1:{port}/")
        monkeypatch.setattr(socket, "getaddrinfo", unknown)
        with pytest.raises(httpx2.ConnectError) as nowhere:
            client.get("http://nowhere.invalid/")
    assert "ConnectionRefusedError" in causes(refused.value)
    assert "gaierror" in causes(nowhere.value)


def causes(error: BaseException | None) -> set[str]:
    names = set()
    while error is not None:
        names.add(type(error).__name__)
        error = error.__cause__ or error.__context__
    return names


def test_connecting_has_its_time_limit_too() -> None:
    """UP-16: nothing waits for ever, not even without a person who stops it."""
    timeout = httpx2.Timeout(30, connect=0.2)
    slow = pytest.raises((httpx2.ConnectTimeout, httpx2.ConnectError))
    with blackhole() as port, a_client(timeout) as client, track(), slow:
        client.get(f"http://127.0.0.1:{port}/")


def test_a_compressed_answer_is_refused_unread(line: Line) -> None:
    """UP-22: a megabyte on the wire may be a gigabyte in memory."""
    line.fake.fault("gzip_bomb")
    with pytest.raises(httpx2.DecodingError):
        line.post()
    assert line.fake.last.headers["accept-encoding"] == "identity"


def test_a_line_beyond_all_measure_ends_the_answer(line: Line) -> None:
    """UP-22: the SDK's decoder would collect it without a limit."""
    line.fake.fault("huge_line")
    with pytest.raises(httpx2.RemoteProtocolError, match="larger"):
        line.post()


def test_an_answer_beyond_all_measure_ends(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """UP-22: also when it comes in decent lines."""
    monkeypatch.setattr(transport, "MAX_ANSWER", 10_000)
    line.fake.reply(text="word " * 5_000)
    with pytest.raises(httpx2.RemoteProtocolError, match="larger"):
        line.post(max_tokens=100_000)


def test_a_redirect_is_not_followed(line: Line) -> None:
    """UP-21, SEC-18: the key goes to nobody else."""
    line.fake.fault("redirect_307")
    assert line.post().status_code == 307
    assert line.fake.strays == []


@pytest.fixture
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Start from an environment that names no proxy."""
    for name in ("http", "https", "all", "no"):
        monkeypatch.delenv(f"{name}_proxy", raising=False)
        monkeypatch.delenv(f"{name.upper()}_PROXY", raising=False)
    return monkeypatch


def test_a_call_through_a_proxy_can_be_stopped_too(no_proxies: pytest.MonkeyPatch) -> None:
    """UP-17, UP-21: the fake plays the proxy."""
    with FakeAPI() as fake:
        no_proxies.setenv("HTTP_PROXY", fake.url)
        fake.fault("silent_headers")
        with a_client() as client:
            call = Call(lambda: client.post("http://api.invalid/v1/messages", json=BODY))
            assert fake.wait_until(lambda fake: fake.posts == 1)
            assert call.stop() < AT_ONCE
            assert seen_leaving(fake, fake.last)


def test_a_call_through_a_tunnel_can_be_stopped_too(
    certificate: Path, no_proxies: pytest.MonkeyPatch
) -> None:
    """UP-17, UP-21: CONNECT through a proxy, TLS inside; this is what companies have."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate)
    with FakeAPI(tls=server) as fake, tunnel(fake.port) as port:
        no_proxies.setenv("HTTPS_PROXY", f"http://127.0.0.1:{port}")
        no_proxies.setattr(transport, "_LOOPBACK", ())  # or the fake would be reached directly
        verify = ssl.create_default_context(cafile=certificate)
        fake.fault("silent_stream")
        with stoppable_client(timeout=httpx2.Timeout(30), verify=verify) as client:
            call = Call(Line(fake, client).post)
            assert fake.wait_until(lambda fake: fake.posts == 1 and fake.last.answered is not None)
            assert call.stop() < AT_ONCE
            assert seen_leaving(fake, fake.last)


@contextlib.contextmanager
def tunnel(target: int) -> Iterator[int]:
    """Yield the port of a proxy that knows CONNECT, for one connection, to one place."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0)))

        def pump(source: socket.socket, sink: socket.socket) -> None:
            with contextlib.suppress(OSError):
                while data := source.recv(65536):
                    sink.sendall(data)
            with contextlib.suppress(OSError):
                sink.shutdown(socket.SHUT_RDWR)

        def serve() -> None:
            near, _ = server.accept()
            with near, socket.create_connection(("127.0.0.1", target)) as far:
                assert near.recv(65536).startswith(b"CONNECT ")
                near.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
                back = threading.Thread(target=pump, args=(far, near))
                back.start()
                pump(near, far)
                back.join(5)

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        thread.join(5)


def test_this_machine_is_never_reached_through_a_proxy(line: Line, no_proxies: pytest.MonkeyPatch) -> None:
    """UP-21: neither the fake nor a local gateway is behind the company's proxy."""
    no_proxies.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    no_proxies.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    verify = ssl.create_default_context()
    verify.check_hostname = False
    verify.verify_mode = ssl.CERT_NONE
    with stoppable_client(timeout=httpx2.Timeout(30), verify=verify) as client:
        assert Line(line.fake, client).post().status_code == 200


def test_a_proxy_that_cannot_be_used_is_named_in_words(no_proxies: pytest.MonkeyPatch) -> None:
    """UP-21: SOCKS needs a package that is not ours."""
    no_proxies.setenv("ALL_PROXY", "socks5://127.0.0.1:9")
    with pytest.raises(BadInput, match="socks5 proxy"):
        a_client(5)


def test_aborting_in_the_middle_of_anything_never_hangs_or_leaks(line: Line) -> None:
    """UP-17: stops at random moments of short calls; the pool is sound afterwards."""
    for turn in range(25):
        line.fake.reply(text="word " * 40, delta_chars=5)
        call = Call(line.post)
        time.sleep(turn * 0.0004)
        call.stop()
        if call.error is not None:
            assert isinstance(call.error, (httpx2.ReadError, httpx2.ConnectError)), call.error
    assert line.post(stream=False).status_code == 200
    assert line.fake.wait_until(lambda fake: fake.open_calls == 0)
