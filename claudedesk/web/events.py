"""`GET /events`: one stream a window; what the hub tells, with the HTML that templates make of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from flask import Blueprint, Flask, Response, current_app, render_template, request

from claudedesk.api import desk
from claudedesk.desk import Desk
from claudedesk.marks import needs_token
from claudedesk.replies.hub import Watcher

HEARTBEAT_S: Final = 5.0
"""A client that left is noticed only by writing to it (TRUST UP-18)."""
blueprint = Blueprint("events", __name__)


@blueprint.get("/events")
@needs_token
def events() -> Response:
    """Stream the app's events and the blocks of one conversation."""
    at = desk()
    conversation = request.args.get("conversation")
    # What the generator needs is taken here: no request context may live as long as a stream.
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    watcher = at.hub.watch(conversation)
    stream = _stream(app, at, watcher, conversation)
    response = Response(stream, mimetype="text/event-stream")
    # Also for a HEAD, whose stream never begins and so never ends.
    response.call_on_close(lambda: at.hub.leave(watcher))
    response.headers["Cache-Control"] = "no-store, no-transform"
    response.headers["X-Accel-Buffering"] = "no"
    return response


def _stream(app: Flask, at: Desk, watcher: Watcher, conversation: str | None) -> Iterator[str]:
    try:
        yield _frame("hello", _hello(at, conversation))
        while (told := watcher.take(HEARTBEAT_S)) is not None:
            if not told:
                yield ": still here\n\n"
            for event, data in told:
                with app.app_context():
                    filled = _fill(at, event, data)
                if filled is not None:
                    yield _frame(event, filled)
    finally:
        at.hub.leave(watcher)


def _hello(at: Desk, conversation: str | None) -> dict[str, Any]:
    kept = at.conversation(conversation) if conversation else None
    running = [live.id for live in at.hub.all_live() if live.conversation == conversation]
    return {"conversation": conversation, "leaf": kept.leaf if kept else None, "running": running}


def _fill(at: Desk, event: str, data: dict[str, Any]) -> dict[str, Any] | None:
    """Add the HTML; None drops an event whose subject has gone meanwhile."""
    if event == "done":
        return _done(at, data)
    if event == "turns":
        turns = at.turns.of_messages(data["conversation"], data["ids"])
        html = "".join(render_template("chat/_turn.html", turn=turn) for turn in turns)
        return {"conversation": data["conversation"], "after": data["after"], "html": html}
    if event == "conversation":
        return conversation_row(at, data["id"])
    return data


def _done(at: Desk, data: dict[str, Any]) -> dict[str, Any] | None:
    reply = at.message(data["reply"])
    turns = at.turns.of_messages(reply.conversation, [reply.id])
    return {**data, "foot": render_template("chat/_foot.html", turn=turns[0])} if turns else None


def conversation_row(at: Desk, name: str) -> dict[str, Any] | None:
    """Return what the sidebar shows of a conversation."""
    kept = at.conversation(name)
    if kept is None:
        return None
    running = any(live.conversation == name for live in at.hub.all_live())
    return {"id": name, "title": kept.title, "url": f"/chat/{name}", "demo": kept.demo, "running": running}


def _frame(event: str, data: dict[str, Any]) -> str:
    return f"event: {event}\ndata: {json.dumps(data, ensure_ascii=True, separators=(',', ':'))}\n\n"
