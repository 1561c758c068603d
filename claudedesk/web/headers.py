"""The outermost layer: no request for another Host gets in, no response goes out without its headers."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from flask import Flask

from claudedesk.web.session import own_host

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

CSP: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "style-src-attr 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
        "object-src 'none'",
        # One policy, made by static/js, for HTML that our own server rendered.
        "require-trusted-types-for 'script'",
        "trusted-types claudedesk",
    )
)
"""TRUST SEC-15. A view may send a policy of its own too: browsers enforce both, so it can only tighten."""
DOWNLOAD_CSP: Final = "sandbox; default-src 'none'"
PERMISSIONS: Final = (
    *("accelerometer", "camera", "clipboard-read", "display-capture", "encrypted-media", "geolocation"),
    *("gyroscope", "hid", "idle-detection", "magnetometer", "microphone", "midi", "payment"),
    *("publickey-credentials-get", "screen-wake-lock", "serial", "usb", "xr-spatial-tracking"),
)
SECURE: Final = (
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Permissions-Policy", ", ".join(f"{name}=()" for name in PERMISSIONS)),
    ("Referrer-Policy", "no-referrer"),
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
)
STATIC: Final = "claudedesk.static"
NOT_KEPT: Final = "no-store"
ASKED_EACH_TIME: Final = "no-cache"
NEVER_CHANGES: Final = "private, max-age=31536000, immutable"
"""For files whose address holds the digest of their content."""
"""Set in the environ by the guard when Flask itself serves a file."""
_OURS: Final = frozenset({name.lower() for name, _ in SECURE} | {"server", "cache-control", "x-powered-by"})
Headers = list[tuple[str, str]]


class Shell:
    """Wrap the whole WSGI app, so that neither a plugin's hook nor an error page can go round it."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._inner: WSGIApplication = app.wsgi_app

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Refuse a foreign Host before anything else sees the request; add the headers to every answer."""
        environ.pop(STATIC, None)
        refusal = refuse(environ, bound_port(self._app, environ))
        if refusal is not None:
            status, words = refusal
            # Plain text: a person who typed another address reads it; no script of ours ever does.
            body = words.encode()
            headers = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))]
            start_response(status, secured(headers))
            return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]

        def start(status: str, headers: Headers, exc_info: object = None) -> object:
            kept = str(environ.get(STATIC) or NOT_KEPT) if status[:3] in ("200", "206", "304") else NOT_KEPT
            return start_response(status, secured(headers, kept), exc_info)  # type: ignore[arg-type]

        return self._inner(environ, start)  # type: ignore[arg-type]


def bound_port(app: Flask, environ: WSGIEnvironment) -> int:
    """Return the port we listen on: what our server wrote down, else the WSGI server's own word (tests)."""
    return int(app.config.get("CLAUDEDESK_PORT") or environ["SERVER_PORT"])


def refuse(environ: WSGIEnvironment, port: int) -> tuple[str, str] | None:
    """Return status and words for a request that was not meant for us, or None.

    Waitress joins two Host headers with a comma and takes the path out of an absolute target: the first
    fails the comparison, the second shows in REQUEST_URI.
    """
    host = environ.get("HTTP_HOST", "")
    if not host or not environ.get("REQUEST_URI", "/").startswith("/"):
        return "400 Bad Request", "This request names no address of claudedesk."
    if host == own_host(port):
        return None
    if host == f"localhost:{port}":
        return "403 Forbidden", f"claudedesk answers at http://{own_host(port)}/ only. Open it there."
    return "403 Forbidden", "This is not an address of claudedesk."


def secured(headers: Headers, kept_for: str = NOT_KEPT) -> Headers:
    """Return a response's headers with ours put in, and without any that would open it to other origins.

    Everything is `no-store`, except static files, which hold nothing private: `kept_for` is what the guard
    wrote down for them.
    """
    kept = [
        (name, value)
        for name, value in headers
        if name.lower() not in _OURS and not name.lower().startswith("access-control-")
    ]
    disposition = next((value for name, value in kept if name.lower() == "content-disposition"), "")
    download = disposition.lower().startswith("attachment")
    kept += SECURE
    kept.append(("Content-Security-Policy", DOWNLOAD_CSP if download else CSP))
    kept.append(("Cache-Control", kept_for))
    return kept


def error_body(words: str, kind: str) -> bytes:
    """Return the JSON of an error, in the one shape that all of them have."""
    return json.dumps({"error": {"message": words, "kind": kind}}).encode()
