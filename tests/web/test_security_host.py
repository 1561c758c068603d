"""Requests for another Host, over a raw socket against the real server (DNS rebinding)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask
from web.doorkit import raw, serving, small_app

from claudedesk.web.session import door_of


@pytest.fixture(scope="module")
def app() -> Flask:
    return small_app()


@pytest.fixture(scope="module")
def port(app: Flask) -> Iterator[int]:
    with serving(app) as port:
        yield port


def ask(port: int, *headers: str, line: str = "GET /healthz HTTP/1.1") -> int:
    head = "\r\n".join([line, *(header.format(port=port) for header in headers), "Connection: close"])
    return raw(port, f"{head}\r\n\r\n".encode("latin-1"))[0]


def test_our_own_host_is_answered(port: int) -> None:
    assert ask(port, "Host: 127.0.0.1:{port}") == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.com",
        "evil.com:{port}",
        "127.0.0.1.evil.com",
        "127.0.0.1.evil.com:{port}",
        "0.0.0.0:{port}",
        "[::]:{port}",
        "[::1]:{port}",
        "[::ffff:127.0.0.1]:{port}",
        "127.1",
        "127.1:{port}",
        "2130706433",
        "2130706433:{port}",
        "0x7f000001:{port}",
        "localhost.",
        "localhost.:{port}",
        "localhost:{port}",
        "127.0.0.1.:{port}",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:1",
        "127.0.0.1:0{port}",
        "127.0.0.1:{port}.evil.com",
        "127.0.0.1:{port}@evil.com",
        "evil.com@127.0.0.1:{port}",
        "user@127.0.0.1:{port}",
        "127.0.0.1:{port}/",
        "127.0.0.1:{port}, evil.com",
        "127.0.0.1 :{port}",
        "\xa0127.0.0.1:{port}",
        "",
    ],
)
def test_no_other_host_is_answered(app: Flask, port: int, host: str) -> None:
    """SEC-02: names, numbers, wrong ports, tails and heads."""
    app.extensions["seen"].clear()
    assert ask(port, f"Host: {host}") in (400, 403)
    assert app.extensions["seen"] == []


@pytest.mark.parametrize(
    "headers",
    [
        (),
        ("Host: 127.0.0.1:{port}", "Host: 127.0.0.1:{port}"),
        ("Host: 127.0.0.1:{port}", "Host: evil.com"),
        ("Host: evil.com", "Host: 127.0.0.1:{port}"),
        ("Host: evil.com", "X-Forwarded-Host: 127.0.0.1:{port}"),
        ("Host: evil.com", "Forwarded: host=127.0.0.1:{port}"),
        ("Host_: x", "X_Host: 127.0.0.1:{port}"),
        ("Host : 127.0.0.1:{port}",),
        (" Host: 127.0.0.1:{port}",),
        ("Host: evil.com", " 127.0.0.1:{port}"),
    ],
)
def test_missing_doubled_and_malformed_hosts_are_refused(
    app: Flask, port: int, headers: tuple[str, ...]
) -> None:
    """SEC-02."""
    app.extensions["seen"].clear()
    assert ask(port, *headers) in (400, 403)
    assert app.extensions["seen"] == []


@pytest.mark.parametrize(
    "line",
    [
        "GET http://evil.com/healthz HTTP/1.1",
        "GET http://127.0.0.1:{port}/healthz HTTP/1.1",
        "GET https://127.0.0.1:{port}/healthz HTTP/1.1",
        "GET file:///etc/passwd HTTP/1.1",
        "GET healthz HTTP/1.1",
        "CONNECT evil.com:443 HTTP/1.1",
        "OPTIONS * HTTP/1.1",
        "GET /healthz",
        "GET /healthz HTTP/9.9 x",
        "get /healthz HTTP/1.1",
    ],
)
def test_absolute_and_odd_targets_are_refused(app: Flask, port: int, line: str) -> None:
    """SEC-02: even when the Host is right."""
    app.extensions["seen"].clear()
    status = ask(port, "Host: 127.0.0.1:{port}", line=line.format(port=port))
    assert status in (400, 403) or (line == "GET /healthz" and status == 200)
    assert app.extensions["seen"] == [] or status == 200


def test_a_right_code_at_a_foreign_host_is_refused_and_stays_unused(app: Flask, port: int) -> None:
    """SEC-02."""
    code = door_of(app).mint_code()
    assert ask(port, "Host: evil.com", line=f"GET /?c={code} HTTP/1.1") == 403
    assert ask(port, "Host: 127.0.0.1:{port}", line=f"GET /?c={code} HTTP/1.1") == 200


def test_a_body_for_a_foreign_host_reaches_no_handler_and_no_log(
    app: Flask, port: int, caplog: pytest.LogCaptureFixture
) -> None:
    """SEC-02."""
    app.extensions["seen"].clear()
    body = b"canary-in-the-body"
    head = b"POST /pages/write HTTP/1.1\r\nHost: evil.com\r\nContent-Length: 18\r\nConnection: close\r\n\r\n"
    with caplog.at_level("DEBUG"):
        assert raw(port, head + body)[0] == 403
    assert app.extensions["seen"] == []
    assert "canary" not in caplog.text


def test_who_typed_localhost_is_told_the_address(port: int) -> None:
    """SEC-08: `localhost` may lead to another user's [::1]."""
    request = f"GET / HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\r\n"
    status, _, body = raw(port, request.encode())
    assert status == 403
    assert f"http://127.0.0.1:{port}/" in body.decode()
