"""What a command hands over to the running app, so that one engine owns calls and writes (ARCHITECTURE §4)."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import fields
from threading import BoundedSemaphore
from typing import Any, Final

from flask import Blueprint, Response

from claudedesk.api import desk, json_body
from claudedesk.errors import BadInput, ClaudeDeskError, TooMany
from claudedesk.marks import instance_only
from claudedesk.replies.ask import Asked, ask, model_row
from claudedesk.web.errors import as_row

MAX_ASKS: Final = 12
"""Each holds a thread of the server while it lasts; pages and Stop need some, too."""
_slots = BoundedSemaphore(MAX_ASKS)
blueprint = Blueprint("commands", __name__, url_prefix="/instance")


@blueprint.post("/ask")
@instance_only
def ask_() -> Response:
    """Answer one turn as lines of JSON."""
    body = json_body()
    known = {field.name for field in fields(Asked)}
    if set(body) - known or not isinstance(body.get("text"), str):
        raise BadInput("This command comes from another version of claudedesk.")
    if not _slots.acquire(blocking=False):
        raise TooMany(f"{MAX_ASKS} commands are asking already. Try again in a moment.", retry_after=5)
    try:
        told = ask(desk().replies, Asked(**body))
        # The first step commits or refuses, so that a refusal still has its status.
        response = Response(
            _lines(itertools.chain([next(told)], told), told), mimetype="application/x-ndjson"
        )
    except BaseException:
        _slots.release()
        raise
    response.call_on_close(_slots.release)
    return response


def _lines(rows: Iterator[dict[str, Any]], told: Iterator[dict[str, Any]]) -> Iterator[str]:
    try:
        for row in rows:
            yield json.dumps(row) + "\n"
    except ClaudeDeskError as error:
        yield json.dumps({"error": {"status": error.status, **as_row(error)}}) + "\n"
    finally:
        told.close()  # type: ignore[attr-defined]


@blueprint.post("/settings")
@instance_only
def settings() -> dict[str, Any]:
    """Store one setting."""
    body = json_body()
    name = str(body.get("name"))
    value = desk().settings.set(name, body.get("value"))
    if name == "appearance.theme":
        desk().hub.tell("settings", {"theme": value})
    return {"name": name, "value": value}


@blueprint.post("/key")
@instance_only
def key() -> dict[str, Any]:
    """Keep or (without one) forget the key."""
    raw = json_body().get("key")
    state = desk().set_key(raw) if isinstance(raw, str) else desk().remove_key()
    return {"sentence": state.sentence, "set": state.set}


@blueprint.post("/key/status")
@instance_only
def key_status() -> dict[str, Any]:
    """Say what is known of the key, which may live in this process's memory only."""
    state = desk().keys.state()
    return {"sentence": state.sentence, "set": state.set, "last4": state.last4, "source": state.source}


@blueprint.post("/models")
@instance_only
def models() -> dict[str, Any]:
    """Return the models that this app offers."""
    known = desk().models_known(refresh=json_body().get("refresh") is True)
    return {"models": [model_row(model) for model in known]}
