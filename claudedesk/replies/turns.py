"""Messages as the page, the events and the exports show them: one view for all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from markupsafe import Markup

from claudedesk import wording
from claudedesk.render.parts import Bodies
from claudedesk.replies.hub import Hub
from claudedesk.store import conversations, usage
from claudedesk.store.database import Database
from claudedesk.store.tx import Tx
from claudedesk.types import Call, Message

PAGE: Final = 50
"""Turns rendered at once at most (ARCHITECTURE §4)."""
_STATUS_WORDS: Final = {
    "queued": "Queued",
    "waiting": "Waiting",
    "streaming": "Sent",
    "complete": "Complete",
    "truncated": "Cut off",
    "stopped": "Stopped",
    "refused": "Refused",
    "failed": "Failed",
}
_STOP_WORDS: Final = {
    "max_tokens": "The reply reached its longest length and ends here. The limit can be raised in Settings.",
    "model_context_window_exceeded": "The conversation has filled what the model can take in. Begin a new one.",
    "pause_turn": "Claude paused here. Send a message to let it go on.",
    "tool_use": "Claude asked for a tool, which this version does not offer.",
    "stop_sequence": "",
    "end_turn": "",
}
_ENDINGS: Final = {
    "truncated": "This reply was cut off. What had come is kept.",
    "stopped": "You stopped this reply.",
    "refused": "Claude declined to answer this.",
    "failed": "There is no answer.",
}


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn, ready for a template. `body` is safe HTML, all else is text."""

    id: str
    role: str
    status: str
    body: Markup
    phase: str
    running: bool
    resumable: bool
    ending: str
    error: Mapping[str, Any] | None
    cost: str
    tokens: str
    seconds: str
    cached: str
    model_name: str
    demo: bool
    versions: Mapping[str, Any] | None
    created: str


class Turns:
    """Makes turns out of messages."""

    def __init__(self, database: Database, hub: Hub, bodies: Bodies) -> None:
        self._database = database
        self._hub = hub
        self._bodies = bodies

    def of_conversation(
        self, conversation: str, *, before: str | None = None
    ) -> tuple[list[Turn], str | None]:
        """Return the last turns of the active branch (or those before a message), and whom to ask for earlier ones."""
        with self._database.read() as tx:
            if before is None:
                kept = conversations.get(tx, conversation)
                leaf = kept.leaf if kept else None
            else:
                later = conversations.message(tx, before)
                leaf = later.parent if later and later.conversation == conversation else None
            messages = conversations.branch(tx, leaf, last=PAGE + 1)
            earlier = len(messages) > PAGE
            messages = messages[-PAGE:]
            return self._make(tx, conversation, messages), messages[0].id if earlier else None

    def of_messages(self, conversation: str, ids: Sequence[str]) -> list[Turn]:
        """Return single turns by id, in the order given; unknown ones are left out."""
        with self._database.read() as tx:
            found = [conversations.message(tx, one) for one in ids]
            return self._make(tx, conversation, [m for m in found if m and m.conversation == conversation])

    def after(self, conversation: str, parent: str | None) -> list[Turn]:
        """Return the turns of the active branch that follow `parent` (None: all of the last page)."""
        turns, _earlier = self.of_conversation(conversation)
        ids = [turn.id for turn in turns]
        return turns[ids.index(parent) + 1 :] if parent in ids else turns

    def _make(self, tx: Tx, conversation: str, messages: Sequence[Message]) -> list[Turn]:
        replies = [m.id for m in messages if m.role == "assistant"]
        calls = usage.calls_for(tx, replies) if replies else {}
        siblings = (
            conversations.siblings(tx, conversation, list({m.parent for m in messages})) if messages else {}
        )
        return [self._turn(m, calls.get(m.id, []), siblings.get(m.parent, [m.id])) for m in messages]

    def _turn(self, message: Message, calls: Sequence[Call], siblings: Sequence[str]) -> Turn:
        live = self._hub.live(message.id) if message.open else None
        reply = message.role == "assistant"
        body = (
            self._bodies.reply(message.content, message.id) if reply else self._bodies.prompt(message.content)
        )
        return Turn(
            id=message.id,
            role=message.role,
            status=message.status,
            body=Markup(body),  # noqa: S704 - what `render` made, which is its only way here
            phase=(live.phase.text if live else _STATUS_WORDS[message.status]) if reply else "",
            running=live is not None,
            resumable=message.status in ("queued", "waiting") and live is None,
            ending=_ending(message) if reply else "",
            error=message.error if message.error and message.error.get("message") else None,
            cost=_cost(message, calls),
            tokens=_tokens(calls),
            seconds=_seconds(calls),
            cached=_cached(message),
            model_name=message.model or "",
            demo=message.demo,
            versions=_versions(message.id, siblings),
            created=iso(message.created),
        )


def iso(microseconds: int) -> str:
    """Return a stored time as ISO 8601 in UTC."""
    return datetime.fromtimestamp(microseconds / 1e6, UTC).isoformat(timespec="seconds")


def _ending(message: Message) -> str:
    if message.status == "complete":
        reason = message.stop_reason or ""
        return _STOP_WORDS.get(reason, f"The reply ended for the reason “{reason}”." if reason else "")
    return _ENDINGS.get(message.status, "")


def _cost(message: Message, calls: Sequence[Call]) -> str:
    if message.from_answer_cache is not None or message.demo:
        return "free" if not message.open else ""
    priced = [call for call in calls if call.usage]
    if not priced:
        return ""
    known = [call.cost.nanos for call in priced if call.cost and call.cost.nanos is not None]
    if len(known) < len(priced):
        return "—"
    return ("≈ " if any(call.estimated for call in priced) else "") + wording.money(sum(known))


def _tokens(calls: Sequence[Call]) -> str:
    used = [call.usage for call in calls if call.usage]
    if not used:
        return ""
    told = (
        f"{wording.tokens(sum(u.prompt for u in used))} in, {wording.tokens(sum(u.output for u in used))} out"
    )
    cached = sum(u.cache_read for u in used)
    return f"{told}, {wording.tokens(cached)} from the prompt cache" if cached else told


def _seconds(calls: Sequence[Call]) -> str:
    if not calls or calls[-1].finished is None:
        return ""
    last = calls[-1]
    whole = wording.seconds(((last.finished or 0) - last.started) / 1e6)
    if last.first_word is None:
        return f"{whole} in all"
    return f"{wording.seconds((last.first_word - last.started) / 1e6)} to the first word, {whole} in all"


def _cached(message: Message) -> str:
    label = message.from_answer_cache
    if label is None:
        return ""
    old = wording.age((message.created - label.get("kept", message.created)) / 1e6)
    saved = label.get("saved_nanos")
    return f"From the answer cache, {old} old" + (f"; saved {wording.money(saved)}" if saved else "")


def _versions(message: str, siblings: Sequence[str]) -> Mapping[str, Any] | None:
    if len(siblings) < 2 or message not in siblings:
        return None
    at = siblings.index(message)
    return {
        "index": at + 1,
        "count": len(siblings),
        "previous": siblings[at - 1] if at else None,
        "next": siblings[at + 1] if at + 1 < len(siblings) else None,
    }
