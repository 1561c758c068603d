"""What a dead owner left: its replies keep the text that came, its calls are settled as estimates."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from claudedesk.claude import budget, pricing
from claudedesk.claude.events import Content, fold, usage_of
from claudedesk.replies.run import INTERRUPTED
from claudedesk.store import conversations, journal, search, usage
from claudedesk.store.database import Database
from claudedesk.store.tx import Tx
from claudedesk.types import Call, Clock, Message

log = logging.getLogger(__name__)


class Recovery:
    """Mends replies whose owner's lock is free; `alive` tells, by an owner's uuid, whether it is held."""

    def __init__(self, database: Database, clock: Clock, alive: Callable[[str], bool]) -> None:
        self._database = database
        self._clock = clock
        self._alive = alive

    def recover(self) -> list[Message]:
        """Mend what dead owners left: `streaming` → `truncated` with its text; queued ones stay, paused.

        Returns the replies that were mended.
        """
        with self._database.read() as tx:
            if not self._orphans(tx) and not self._held(tx):
                return []
        with self._database.write() as tx:
            # Looked at again: another process may have been quicker, or an owner has just ended in good order.
            orphans = self._orphans(tx)
            self.mend(tx, orphans)
            for reservation in self._held(tx):
                self._settle(tx, reservation, Content())
        return orphans

    def _orphans(self, tx: Tx) -> list[Message]:
        found = conversations.open_replies(tx)
        return [m for m in found if m.status == "streaming" and not (m.owner and self._alive(m.owner))]

    def _held(self, tx: Tx) -> list[usage.Reservation]:
        return [held for held in usage.reservations(tx) if not self._alive(held.owner)]

    def mend(self, tx: Tx, orphans: list[Message]) -> None:
        """Fold what the journal holds of replies whose owner died, and settle their calls."""
        cut = {orphan.id: self._truncate(tx, orphan) for orphan in orphans}
        for held in usage.reservations(tx):
            if held.message in cut:
                self._settle(tx, held, cut[held.message])

    def _truncate(self, tx: Tx, orphan: Message) -> Content:
        content, whole = _come(tx, orphan.id)
        error = {"kind": "interrupted", "message": INTERRUPTED}
        now = self._clock.now()
        if finish(tx, orphan, "truncated", tuple(content.blocks()), now=now, error=error):
            if whole:
                journal.clear(tx, orphan.id)
            if content.text:
                search.put(
                    tx, seq=orphan.seq, message=orphan.id, conversation=orphan.conversation, text=content.text
                )
        return content

    def _settle(self, tx: Tx, held: usage.Reservation, content: Content) -> None:
        """Book the call of a dead owner as an estimate: what it told, and what its text must have cost."""
        reply = conversations.message(tx, held.message) if held.message else None
        asked = conversations.branch(tx, reply.parent) if reply else []
        told = usage_of(content.usage_raw)
        guess = budget.estimate(sum(len(m.text) for m in asked), content.text)
        booked = replace(told, input=told.input or guess.input, output=max(guess.output, told.output))
        demo = bool(reply and reply.demo)
        model = (reply.model if reply else None) or "unknown"
        call = Call(
            held.call,
            held.message,
            held.conversation,
            "reply",
            model,
            1,
            held.created,
            finished=self._clock.now(),
            outcome="truncated",
            error_type="interrupted",
            usage=booked,
            usage_raw=content.usage_raw,
            cost=pricing.price(model, booked, demo=demo),
            estimated=True,
            demo=demo,
        )
        usage.add_call(tx, call)


def _come(tx: Tx, reply: str) -> tuple[Content, bool]:
    """Return what a reply had said, and whether that could be read: damage costs no other reply its recovery."""
    try:
        content = fold(journal.read(tx, reply))
        content.blocks()
        return content, True
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError):
        log.exception("the journal of a reply could not be read")
        return Content(), False


def finish(
    tx: Tx,
    reply: Message,
    status: Any,
    content: tuple[dict[str, Any], ...],
    *,
    now: int,
    error: dict[str, Any] | None = None,
) -> bool:
    """Give a reply that no run holds its end."""
    return conversations.finish(
        tx,
        reply.id,
        status=status,
        content=content,
        model=reply.model,
        stop_reason=None,
        error=error,
        from_answer_cache=None,
        now=now,
    )
