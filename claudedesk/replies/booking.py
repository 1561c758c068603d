"""How a call ended: its one status, its usage and cost, the error's row."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from claudedesk.claude import budget, pricing
from claudedesk.claude.events import Content, usage_of
from claudedesk.claude.request import Request
from claudedesk.errors import ClaudeDeskError, UpstreamError
from claudedesk.types import Call, Cost, Status

CUT_KINDS: Final = frozenset(("silent", "stream_cut", "malformed", "timeout", "interrupted"))
"""Errors after which Claude may have worked, and billed, although no usage came."""


def booked(
    call: Call, content: Content, asked: Request, status: Status, error: ClaudeDeskError | None, now: int
) -> Call:
    """Book what the call used; a call that was cut before its usage came is booked as an estimate."""
    raw = content.usage_raw
    told = usage_of(raw) if raw else None
    estimated = False
    if call.outcome != "complete":
        sent = call.first_event is not None or status == "stopped" or kind_of(error) in CUT_KINDS
        refused = isinstance(error, UpstreamError) and error.http_status is not None
        guess = budget.estimate(asked.size, _all_text(content)) if sent and not refused else None
        if told is None:
            told, estimated = guess, guess is not None
        elif guess is not None and guess.output > told.output:
            told, estimated = replace(told, output=guess.output), True
    cost: Cost | None = None
    answered_by = str(content.opened.get("model") or call.model)
    if told is not None:
        cost = pricing.price(answered_by, told, demo=call.demo)
        if cost.nanos is None:
            cost = pricing.price(call.model, told, demo=call.demo)
    return replace(
        call,
        model=answered_by,
        finished=now,
        outcome=status,
        http_status=error.http_status if isinstance(error, UpstreamError) else None,
        error_type=kind_of(error),
        request_id=call.request_id or (error.request_id if isinstance(error, UpstreamError) else None),
        usage=told,
        usage_raw=raw or ({} if told else None),
        cost=cost,
        estimated=estimated,
    )


def status_of(
    whole: bool, stopped: bool, error: ClaudeDeskError | None, reason: str | None, came: bool
) -> Status:
    """Give a reply its one status: only `message_stop` completes (UP-15)."""
    if whole:
        return "refused" if reason == "refusal" else "complete"
    if stopped:
        return "stopped"
    if error is not None and not came:
        return "failed"
    return "truncated"


def kind_of(error: ClaudeDeskError | None) -> str | None:
    """Return one word for an error: the API's, ours for the wire, or the class of any other."""
    if error is None:
        return None
    return error.kind if isinstance(error, UpstreamError) else type(error).__name__


def error_row(error: ClaudeDeskError | None) -> dict[str, Any] | None:
    """Return what stands beside the reply in the store."""
    if error is None:
        return None
    if isinstance(error, UpstreamError):
        return dict(error.as_row())
    return {"message": error.user_message, "kind": type(error).__name__}


def _all_text(content: Any) -> str:
    return "".join(block.get("text") or block.get("thinking") or "" for block in content.blocks())
