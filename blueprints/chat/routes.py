"""The chat's routes; docs/architecture.md lists them with their bodies."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, abort, render_template

from blueprints.chat import service
from claudedesk.api import SENDS, desk, json_body, limiter, needs_token, new_id

blueprint = Blueprint("chat", __name__, template_folder="templates")


@blueprint.get("/")
def new() -> str:
    """Show an empty conversation under a fresh id, or the first-run page while nothing can answer."""
    if not desk().can_answer():
        return render_template("chat/welcome.html", **service.welcome())
    unbegun = desk().unbegun()
    name, draft = unbegun or (new_id("c"), "")
    return render_template("chat/conversation.html", **service.page(name, None, draft))


@blueprint.get("/<conversation>")
def show(conversation: str) -> str | tuple[str, int]:
    """Show a conversation with its last turns."""
    kept = desk().conversation(conversation)
    if kept is None:
        abort(404)
    return render_template(
        "chat/conversation.html", **service.page(conversation, kept, desk().draft(conversation))
    )


@blueprint.get("/<conversation>/turns")
@needs_token
def turns(conversation: str) -> str:
    """Return the turns as a fragment, the last ones or those before a message."""
    return render_template("chat/_turns.html", **service.turns(conversation))


@blueprint.get("/messages/<message>/turn")
@needs_token
def turn(message: str) -> str:
    """Return one turn as a fragment."""
    found = desk().message(message)
    made = desk().turns.of_messages(found.conversation, [message])
    return render_template("chat/_turn.html", turn=made[0])


@blueprint.get("/messages/<message>/text")
@needs_token
def text(message: str) -> dict[str, str]:
    """Return a message's text as it was written, for Copy."""
    return {"text": desk().message(message).text}


@blueprint.post("/<conversation>/messages")
@limiter.limit(SENDS)
def send(conversation: str) -> tuple[dict[str, Any], int]:
    """Commit a message and start its reply; answers as soon as both are in the store."""
    return service.send(conversation, json_body()), 202


@blueprint.post("/replies/<reply>/retry")
@limiter.limit(SENDS)
def retry(reply: str) -> tuple[dict[str, Any], int]:
    """Ask again: a new version beside the old."""
    return service.retry(reply, json_body()), 202


@blueprint.post("/replies/<reply>/stop")
def stop(reply: str) -> tuple[dict[str, Any], int]:
    """Stop a reply; harmless when it has ended."""
    return {"stopped": desk().replies.stop(reply)}, 202


@blueprint.post("/replies/<reply>/resume")
@limiter.limit(SENDS)
def resume(reply: str) -> tuple[dict[str, Any], int]:
    """Let a reply go on that a restart left waiting."""
    desk().replies.resume(reply)
    return {"reply": reply}, 202


@blueprint.post("/messages/<message>/show")
def show_version(message: str) -> dict[str, Any]:
    """Make a version the active branch."""
    return service.show_version(message)


@blueprint.put("/<conversation>/draft")
def draft(conversation: str) -> Response:
    """Keep what is typed but not sent."""
    desk().set_draft(conversation, str(json_body().get("text") or ""))
    return Response(status=204)


@blueprint.patch("/<conversation>")
def change(conversation: str) -> dict[str, Any]:
    """Rename, or set the model or the instructions."""
    kept = desk().change_conversation(conversation, json_body())
    return {"id": kept.id, "title": kept.title, "model": kept.model, "instructions": kept.instructions or ""}
