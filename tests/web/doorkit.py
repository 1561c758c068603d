"""A small app behind the real front door, with a route of each kind, and the ways to knock."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from flask import Blueprint, Flask, Response, render_template_string
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from claudedesk.desktop.server import Server
from claudedesk.errors import BadInput, TooMany, UpstreamError
from claudedesk.web import assets, security
from claudedesk.web.session import cookie_name, door_of

PORT = 8765
BASE = f"http://127.0.0.1:{PORT}"
ORIGIN = BASE
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
UNSAFE = ("POST", "PUT", "PATCH", "DELETE")
PAGE = '<!doctype html><title>page</title><meta name="claudedesk-token" content="{{ page_token() }}">'


@dataclass
class Clock:
    """A monotonic clock that stands still until it is told."""

    seconds: float = 1000.0
    slept: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds += seconds


def small_app(clock: Clock | None = None, *, plugins: tuple[Blueprint, ...] = ()) -> Flask:
    """Make an app as create_app does: door, blueprints, seal. Each handler that runs notes it in `seen`."""
    app = Flask("claudedesk")
    app.extensions["seen"] = []
    assets.install(app)
    security.install(app, security.Door(monotonic=clock) if clock else security.Door())
    for blueprint in (_pages(app.extensions["seen"]), *plugins):
        app.register_blueprint(blueprint, url_prefix=f"/{blueprint.name}")
    security.seal(app)
    return app


def _pages(seen: list[str]) -> Blueprint:
    pages = Blueprint("pages", __name__)

    @pages.before_app_request
    def note() -> None:
        seen.append("handler")

    @pages.get("/")
    def page() -> str:
        return render_template_string(PAGE)

    @pages.get("/picture")
    def picture() -> Response:
        return Response(b"\x89PNG", mimetype="image/png")

    @pages.get("/download")
    def download() -> Response:
        headers = {"Content-Disposition": "attachment; filename=export.json"}
        return Response("{}", mimetype="application/json", headers=headers)

    @pages.get("/data")
    @security.needs_token
    def data() -> dict[str, int]:
        return {"answer": 42}

    @pages.get("/stream")
    @security.needs_token
    def stream() -> Response:
        return Response(iter(["data: 1\n\n"]), mimetype="text/event-stream")

    @pages.get("/forgotten-json")
    def forgotten_json() -> dict[str, int]:
        return {"answer": 42}

    @pages.get("/forgotten-fragment")
    def forgotten_fragment() -> str:
        return "<article>a turn</article>"

    @pages.route("/write", methods=list(UNSAFE))
    def write() -> tuple[dict[str, bool], int]:
        return {"written": True}, 201

    @pages.post("/upload")
    @security.accepts("image/*", "application/octet-stream")
    def upload() -> dict[str, bool]:
        return {"kept": True}

    @pages.route("/fail/<kind>", methods=["GET", "POST"])
    def fail(kind: str) -> str:
        raise {
            "input": BadInput("Nothing can be done with that."),
            "wait": TooMany("One at a time.", retry_after=7),
            "claude": UpstreamError("Claude is overloaded.", kind="overloaded_error", http_status=529),
        }.get(kind) or ValueError("sk-ant-secret words of the user")

    @pages.get("/open-to-all")
    def open_to_all() -> Response:
        response = Response(PAGE, mimetype="text/html")
        response.headers["Access-Control-Allow-Origin"] = "*"
        response.headers["Cache-Control"] = "public, max-age=3600"
        response.headers["X-Frame-Options"] = "ALLOWALL"
        response.headers["Server"] = "Werkzeug/3"
        return response

    return pages


def stranger(app: Flask) -> FlaskClient:
    """Return a client without a session; it sends the cookies that a test writes by hand, and keeps none."""
    return _client(app, use_cookies=False)


def enter(app: Flask) -> FlaskClient:
    """Return a client that holds the session cookie, as a browser does."""
    client = _client(app)
    answer = client.get(f"/?c={door_of(app).mint_code()}")
    assert answer.status_code == 200, answer.get_data(as_text=True)
    return client


def token_of(app: Flask, client: FlaskClient) -> dict[str, str]:
    """Return the header that the page's script sends with every fetch."""
    cookie = client.get_cookie(cookie_name(PORT), domain="127.0.0.1")
    assert cookie is not None
    return {"X-Claudedesk-Token": door_of(app).token(cookie.value)}


def token_on(page: TestResponse) -> str:
    """Return the token that a document carries."""
    found = re.search(r'claudedesk-token" content="([^"]*)"', page.get_data(as_text=True))
    assert found
    return found[1]


def _client(app: Flask, *, use_cookies: bool = True) -> FlaskClient:
    app.test_client_class = _Client
    return app.test_client(use_cookies=use_cookies)


class _Client(FlaskClient):
    """Its requests go to http://127.0.0.1:PORT."""

    def open(self, *args: Any, **more: Any) -> TestResponse:
        return super().open(*args, **{"base_url": BASE, "buffered": True, **more})


@contextmanager
def serving(app: Flask) -> Iterator[int]:
    """Run the real server on a port of the system's choice."""
    server = Server(app)
    try:
        yield server.start()
    finally:
        server.stop()


def raw(port: int, request: bytes, *, timeout: float = 5.0) -> tuple[int, dict[str, str], bytes]:
    """Send bytes to the server and return status, headers (lower case) and body of its first answer."""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout) as connection:
        connection.sendall(request)
        received = b""
        while chunk := connection.recv(65_536):
            received += chunk
    head, _, body = received.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines[1:])
    return int(lines[0].split()[1]), {name.lower(): value for name, value in headers.items()}, body
