"""The only module that a plugin imports from us. Its `__all__` is the contract, pinned by a test."""

from __future__ import annotations

from typing import Any, cast

from flask import current_app, request

from claudedesk import wording
from claudedesk.desk import Desk
from claudedesk.errors import BadInput, ClaudeDeskError, NoKey, NotFound, TooMany
from claudedesk.extensions import SENDS, limiter
from claudedesk.hookspecs import hookimpl
from claudedesk.marks import accepts, needs_token
from claudedesk.plugins import API_VERSION
from claudedesk.replies.turns import iso
from claudedesk.types import (
    Call,
    Command,
    Conversation,
    Manifest,
    Message,
    Model,
    NavItem,
    Setting,
    new_id,
    utc_now,
)

__all__ = [
    "API_VERSION",
    "SENDS",
    "BadInput",
    "Call",
    "ClaudeDeskError",
    "Command",
    "Conversation",
    "Desk",
    "Manifest",
    "Message",
    "Model",
    "NavItem",
    "NoKey",
    "NotFound",
    "Setting",
    "TooMany",
    "accepts",
    "desk",
    "hookimpl",
    "iso",
    "json_body",
    "limiter",
    "needs_token",
    "new_id",
    "plugin_data",
    "utc_now",
    "wording",
]
EXTENSION = "claudedesk"


def desk() -> Desk:
    """Return the desk of the app that answers this request."""
    return cast(Desk, current_app.extensions[EXTENSION])


def json_body() -> dict[str, Any]:
    """Return the request's JSON object. Raises BadInput when it holds something else."""
    body = request.get_json(silent=True)
    if not isinstance(body, dict):
        raise BadInput("The request must hold a JSON object.")
    return body


class plugin_data:
    """JSON values by key in our database, for one plugin: `plugin_data("mine").set("count", 3)`."""

    def __init__(self, name: str) -> None:
        self._name = name

    def get(self, key: str) -> Any:
        """Return the value, or None."""
        from claudedesk.store import values

        with desk().database.read() as tx:
            return values.plugin_get(tx, self._name, key)

    def set(self, key: str, value: Any) -> None:
        """Store a JSON value; None forgets it."""
        from claudedesk.store import values

        with desk().database.write() as tx:
            values.plugin_set(tx, self._name, key, value, now=utc_now())
