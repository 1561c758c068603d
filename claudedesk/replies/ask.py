"""One turn as `claudedesk ask` wants it: the text while it comes, then everything about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from claudedesk import wording
from claudedesk.errors import NotFound
from claudedesk.replies.service import Replies
from claudedesk.store import conversations, usage
from claudedesk.types import Call, Message, Model, new_id

POLL_S: Final = 0.03


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked; `conversation` None begins a new one."""

    text: str
    conversation: str | None = None
    model: str | None = None
    instructions: str | None = None
    answers: bool = True


def ask(replies: Replies, asked: Asked) -> Iterator[dict[str, Any]]:
    """Yield `{"text": …}` while the reply comes, `{}` while it is silent, then `{"end": …}`.

    Whoever lets go of the iterator early has the reply stopped: nobody would read what it costs.
    Raises what `Replies.start` raises.
    """
    if asked.conversation is not None:
        with replies.engine.database.read() as tx:
            if conversations.get(tx, asked.conversation) is None:
                raise NotFound(f"There is no conversation {asked.conversation}.")
    started = replies.start(
        asked.conversation or new_id("c"),
        asked.text,
        new_id("x"),
        model=asked.model,
        instructions=asked.instructions,
        answers=asked.answers,
    )
    live = replies.engine.hub.live(started.reply)
    ended = False
    try:
        told = 0
        while live is not None and not ended:
            ended = live.ended.wait(POLL_S)
            pieces = live.said[told:]
            told += len(pieces)
            yield {"text": "".join(pieces)} if pieces else {}
        ended = True
        end = outcome(replies, started.reply)
        if live is None:
            yield {"text": end["text"]}  # it was over before we could look on
        yield {"end": end}
    finally:
        if not ended:
            replies.stop(started.reply)


def outcome(replies: Replies, reply: str) -> dict[str, Any]:
    """Return the one object of `ask --json`."""
    message = replies.wait(reply)
    with replies.engine.database.read() as tx:
        calls = usage.calls_of(tx, reply)
    return as_json(message, calls[0] if calls else None)


def as_json(message: Message, call: Call | None) -> dict[str, Any]:
    """Return a reply as scripts read it; `cost_usd` is a decimal text, null when unknown."""
    cached = message.from_answer_cache is not None
    cost = "0" if cached or message.demo else wording.dollars(call.cost.nanos if call and call.cost else None)
    found: dict[str, Any] = {
        "conversation": message.conversation,
        "message": message.id,
        "text": message.text,
        "model": message.model,
        "status": message.status,
        "stop_reason": message.stop_reason,
        "usage": _usage(call),
        "cost_usd": cost,
        "from_answer_cache": cached,
        "request_id": call.request_id if call else None,
    }
    return found | ({"error": dict(message.error)} if message.error else {})


def model_row(model: Model) -> dict[str, Any]:
    """Return a model as `claudedesk models --json` lists it."""
    return {
        "id": model.id,
        "name": model.name,
        "lifecycle": model.lifecycle,
        "retires_at": model.retires,
        "max_input_tokens": model.max_input_tokens,
        "max_tokens": model.max_tokens,
        "demo": model.demo,
    }


def _usage(call: Call | None) -> Mapping[str, int] | None:
    return asdict(call.usage) if call and call.usage else None
