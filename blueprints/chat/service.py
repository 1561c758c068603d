"""What the chat's pages and answers hold."""

from __future__ import annotations

from typing import Any

from flask import render_template, request, url_for

from claudedesk.api import BadInput, Conversation, desk


def welcome() -> dict[str, Any]:
    """Return the first-run page's context."""
    config, state = desk().config, desk().keys.state()
    return {"env_key": bool(config.env_key), "keyring": _place(state), "api_url": config.api_url}


def _place(state: Any) -> str:
    if state.keyring_name:
        return f"The key is kept in {state.keyring_name}, never in a file."
    return f"{state.keyring_problem} Until then a key stays in memory only and is gone when claudedesk is closed."


def page(name: str, kept: Conversation | None, draft: str) -> dict[str, Any]:
    """Return the chat page's context; `kept` is None for a conversation that has not begun."""
    models = desk().models.all()
    default = desk().default_model()
    chosen = kept.model if kept and kept.model else (default.id if default else "")
    instructions = kept.instructions if kept else desk().settings.get("chat.instructions")
    shown, earlier = desk().turns.of_conversation(name) if kept else ([], None)
    return {
        "conversation": {
            "id": name,
            "title": kept.title if kept else "New chat",
            "exists": kept is not None,
            "instructions": instructions or "",
            "demo": kept.demo if kept else bool(default and default.demo),
        },
        "turns": shown,
        "earlier_url": earlier and url_for("chat.turns", conversation=name, before=earlier),
        "models": models,
        "model": chosen,
        "model_gone": bool(chosen) and all(model.id != chosen for model in models),
        "draft": draft,
    }


def turns(name: str) -> dict[str, Any]:
    """Return the fragment's context."""
    shown, earlier = desk().turns.of_conversation(name, before=request.args.get("before"))
    return {
        "turns": shown,
        "earlier_url": earlier and url_for("chat.turns", conversation=name, before=earlier),
    }


def send(name: str, body: dict[str, Any]) -> dict[str, Any]:
    """Start a reply to what the composer sent. Raises BadInput."""
    text, model, words = body.get("text"), body.get("model"), body.get("instructions")
    if not isinstance(text, str) or not isinstance(model, str | None) or not isinstance(words, str | None):
        raise BadInput("The message must be text.")
    client_id = str(body.get("client_id", ""))
    return started(desk().replies.start(name, text, client_id, model=model or None, instructions=words))


def retry(reply: str, body: dict[str, Any]) -> dict[str, Any]:
    """Ask again, the model that is chosen in the composer. Raises BadInput."""
    model = body.get("model")
    if not isinstance(model, str | None):
        raise BadInput("The model must be named by its id.")
    fresh = body.get("fresh") is True
    return started(
        desk().replies.retry(reply, str(body.get("client_id", "")), fresh=fresh, model=model or None)
    )


def started(begun: Any) -> dict[str, Any]:
    """Return what the page goes on with: the ids and the HTML of the new turns."""
    shown = desk().turns.of_messages(begun.conversation, [begun.message, begun.reply])
    return {
        "conversation": begun.conversation,
        "message": begun.message,
        "reply": begun.reply,
        "title": begun.title,
        "url": url_for("chat.show", conversation=begun.conversation),
        "html": "".join(render_template("chat/_turn.html", turn=turn) for turn in shown),
    }


def show_version(message: str) -> dict[str, Any]:
    """Switch the branch; return the turns that follow the fork."""
    found = desk().replies.show(message)
    shown = desk().turns.after(found.conversation, found.parent)
    html = "".join(render_template("chat/_turn.html", turn=turn) for turn in shown)
    return {"after": found.parent, "html": html}
