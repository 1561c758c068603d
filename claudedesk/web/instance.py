"""The loopback road for our own commands: prove who we are, then do what the holder of the secret asks."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, current_app, request

from claudedesk import marks
from claudedesk.errors import BadInput, Forbidden
from claudedesk.marks import instance_only
from claudedesk.web import headers
from claudedesk.web.session import door_of, proof

blueprint = Blueprint("instance", __name__, url_prefix="/instance")


@blueprint.post("/hello")
@marks.access("hello")
def hello() -> dict[str, str]:
    """Prove to a command that we hold the secret of the instance file, before it sends anything (SEC-08)."""
    given = request.get_json(silent=True)
    nonce = given.get("nonce") if isinstance(given, dict) else None
    if not isinstance(nonce, str) or not 32 <= len(nonce) <= 128:
        raise Forbidden("This address is for claudedesk's own commands.")
    secret = door_of(current_app).instance_secret
    return {"proof": proof(secret, headers.bound_port(current_app, request.environ), nonce)}


@blueprint.post("/open")
@instance_only
def open_() -> dict[str, str]:
    """Return an address with a fresh code, for a browser that the command opens."""
    return {"url": door_of(current_app).url(headers.bound_port(current_app, request.environ))}


@blueprint.post("/entered")
@instance_only
def entered() -> dict[str, bool]:
    """Tell the command whether the browser that it opened has used its code."""
    url = text_field("url")
    return {"entered": door_of(current_app).was_entered(url)}


def text_field(name: str) -> str:
    """Return a field of the request's JSON object. Raises BadInput unless it is text."""
    given: Any = request.get_json(silent=True)
    value = given.get(name) if isinstance(given, dict) else None
    if not isinstance(value, str):
        raise BadInput(f"The request must hold the text {name!r}.")
    return value
