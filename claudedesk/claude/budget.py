"""Money held before a call and settled after it, each in one transaction."""

from __future__ import annotations

from claudedesk.claude import pricing
from claudedesk.claude.request import Request
from claudedesk.store.usage import Reservation
from claudedesk.types import Call, Model, Usage, new_id


def reservation(request: Request, *, model: Model, call: Call, owner: str) -> Reservation:
    """Return what holds the call's worst case; the caller stores it in the transaction that begins the call."""
    worst = pricing.worst_case(
        model.id, prompt_bytes=request.size, max_tokens=request.body["max_tokens"], demo=model.demo
    )
    return Reservation(new_id("r"), owner, call.message, call.conversation, call.id, worst, call.started)


def estimate(request_bytes: int, text: str) -> Usage:
    """Guess the usage of a call that was cut before it told its own: four bytes a token."""
    return Usage(input=-(-request_bytes // 4), output=-(-len(text.encode("utf-8", "replace")) // 4))
