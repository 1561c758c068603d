"""The headers that no answer goes without."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pytest
from flask import Blueprint, Response
from web.doorkit import enter, raw, serving, small_app, stranger, token_of

from claudedesk.web.session import door_of

WANTED = {
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; style-src-attr 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'; object-src 'none'; require-trusted-types-for 'script'; trusted-types claudedesk"
)


def check(headers: Mapping[str, str], *, cached: str = "no-store", policy: str = POLICY) -> None:
    found = {name.lower(): value for name, value in headers.items()}
    assert {name: found.get(name) for name in WANTED} == WANTED
    assert found["content-security-policy"] == policy
    assert found["cache-control"] == cached
    for feature in ("camera", "microphone", "geolocation", "clipboard-read", "usb"):
        assert f"{feature}=()" in found["permissions-policy"]
    assert "server" not in found
    assert "via" not in found
    assert not [name for name in found if name.startswith("access-control-")]


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("/pages/", 200),
        ("/pages/picture", 200),
        ("/pages/open-to-all", 200),
        ("/", 302),
        ("/healthz", 200),
        ("/nowhere", 404),
        ("/pages/data", 403),
        ("/pages/write", 405),
        ("/pages/fail/input", 400),
        ("/pages/fail/wait", 429),
        ("/pages/fail/boom", 500),
        ("/pages/forgotten-json", 500),
        ("/static/nothing.css", 404),
        ("/?c=wrong", 403),
    ],
)
def test_every_answer_carries_the_headers(address: str, status: int) -> None:
    """SEC-15."""
    answer = enter(small_app()).get(address)
    assert answer.status_code == status
    check(dict(answer.headers))


def test_answers_to_strangers_scripts_and_codes_carry_the_headers() -> None:
    """SEC-15."""
    app = small_app()
    client = enter(app)
    check(dict(stranger(app).get("/pages/").headers))
    check(dict(stranger(app).get(f"/?c={door_of(app).mint_code()}").headers))
    check(dict(client.get("/pages/data", headers=token_of(app, client)).headers))
    check(dict(client.get("/pages/stream", headers=token_of(app, client)).headers))
    check(dict(client.open("/pages/write", method="OPTIONS").headers))


def test_static_files_may_be_kept_while_the_browser_asks_each_time() -> None:
    """SEC-15: `no-store` for all that is private; our own scripts and styles are not."""
    client = stranger(small_app())
    first = client.get("/static/css/tokens.css")
    check(dict(first.headers), cached="no-cache")
    again = client.get("/static/css/tokens.css", headers={"If-None-Match": first.headers["ETag"]})
    assert again.status_code == 304
    check(dict(again.headers), cached="no-cache")


def test_downloads_are_sandboxed() -> None:
    """SEC-15: what the user exports or attaches never runs as a page of ours."""
    answer = enter(small_app()).get("/pages/download")
    check(dict(answer.headers), policy="sandbox; default-src 'none'")


def test_a_view_can_tighten_the_policy_but_not_loosen_it() -> None:
    """SEC-15: browsers enforce each policy that an answer carries."""
    loose = Blueprint("loose", __name__)

    @loose.get("/")
    def page() -> Response:
        headers = {"Content-Security-Policy": "default-src *"}
        return Response("<!doctype html>", mimetype="text/html", headers=headers)

    policies = enter(small_app(plugins=(loose,))).get("/loose/").headers.getlist("Content-Security-Policy")
    assert policies == ["default-src *", POLICY]


def test_the_pages_that_strangers_see_hold_no_inline_script_or_style() -> None:
    """SEC-15."""
    app = small_app()
    for answer in (
        stranger(app).get("/pages/"),
        stranger(app).get(f"/?c={door_of(app).mint_code()}"),
        enter(app).get("/nowhere"),
    ):
        text = answer.get_data(as_text=True)
        assert not re.search(r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=|javascript:", text), text


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: evil.com\r\nConnection: close\r\n\r\n", 403),
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nbad header\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nX: ".ljust(65_536, b"x"), 431),
        (b"POST / HTTP/1.1\r\nContent-Length: 5000000000\r\n\r\n", 413),
        (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
    ],
)
def test_what_the_server_itself_refuses_carries_the_headers_too(request_bytes: bytes, status: int) -> None:
    """SEC-15, SEC-31: before any of our code has run."""
    with serving(small_app()) as port:
        found, headers, body = raw(port, request_bytes)
    assert found == status
    check(headers)
    assert b"waitress" not in body
    assert b"Traceback" not in body
