"""What a view says of itself: who may call it and which bodies it takes. Imports nothing of ours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Literal, TypeVar

from flask import Blueprint, Flask

Access = Literal["public", "entrance", "document", "token", "hello", "instance"]
"""Who may call a view.

public     anyone, GET only: static files and /healthz
entrance   `/`: the code of `/?c=` or the cookie
document   the default: GET for the cookie, everything that writes for cookie and header token
token      GET, too, needs the header token: JSON, fragments, /events
hello      a command that has not proved itself yet
instance   a command of ours that has read the instance file
"""
PUBLIC: Final = frozenset({"door.enter", "door.healthz", "static", "instance.hello"})
"""All that answers a stranger: `door.enter` only to a code, `instance.hello` only to a command's nonce. The
static files of blueprints are public as well (`is_static`). A mark on any other view opens nothing."""
JSON_ONLY: Final = ("application/json",)
_ACCESS: Final = "claudedesk_access"
_ACCEPTS: Final = "claudedesk_accepts"
View = TypeVar("View", bound=Callable[..., Any])


def access(kind: Access) -> Callable[[View], View]:
    """Mark a view of the core."""

    def mark(view: View) -> View:
        setattr(view, _ACCESS, kind)
        return view

    return mark


def needs_token(view: View) -> View:
    """Mark a view whose GET answers JSON, a fragment or a stream: it needs the header `X-Claudedesk-Token`.

    A GET without this mark must answer a whole HTML document, an image or a download; anything else is
    refused with 500, so that the mark cannot be forgotten. Views that write need the token unmarked.
    """
    return access("token")(view)


def instance_only(view: View) -> View:
    """Mark a view for our own commands: `Authorization: Claudedesk <secret>`, and never from a browser."""
    return access("instance")(view)


def accepts(*mimetypes: str) -> Callable[[View], View]:
    """Let a view take bodies of these types (`image/*` means any image) instead of JSON alone."""

    def mark(view: View) -> View:
        setattr(view, _ACCEPTS, mimetypes)
        return view

    return mark


def access_of(app: Flask, endpoint: str | None) -> Access:
    """Return who may call an endpoint. Unknown addresses count as documents, so strangers cannot probe."""
    if is_static(app, endpoint):
        return "public"
    kind: Access = getattr(_view(app, endpoint), _ACCESS, "document")
    if kind in ("public", "entrance", "hello") and endpoint not in PUBLIC:
        return "document"
    return kind


def accepted_by(app: Flask, endpoint: str | None) -> tuple[str, ...]:
    """Return the body types that an endpoint takes."""
    mimetypes: tuple[str, ...] = getattr(_view(app, endpoint), _ACCEPTS, JSON_ONLY)
    return mimetypes


def is_static(app: Flask, endpoint: str | None) -> bool:
    """Tell whether Flask itself serves files here; a view that is only named so does not count."""
    return endpoint == "static" or (
        getattr(_view(app, endpoint), "__func__", None) is Blueprint.send_static_file
    )


def _view(app: Flask, endpoint: str | None) -> Callable[..., Any] | None:
    return app.view_functions.get(endpoint or "")
