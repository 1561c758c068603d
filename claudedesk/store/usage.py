"""Calls and what they cost; reservations that hold a call's worst case until it is settled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, case, delete, func, insert, select

from claudedesk.store import schema
from claudedesk.store.rows import dumps, loads
from claudedesk.types import Call, Cost, Usage

_k = schema.calls
_r = schema.reservations
_ADD_CALL = insert(_k)
_RESERVE = insert(_r)
_RELEASE = delete(_r).where(_r.c.call == bindparam("the_call"))
_OF_OWNER = select(_r).where(_r.c.owner == bindparam("owner"))
_LAST_CALL = (
    select(_k).where(_k.c.message == bindparam("message")).order_by(_k.c.started.desc(), _k.c.attempt.desc())
)


@dataclass(frozen=True, slots=True)
class Reservation:
    """Money held for a running call, in nano-dollars (None: its price is unknown)."""

    id: str
    owner: str
    message: str | None
    conversation: str | None
    call: str
    amount_nanos: int | None
    created: int


@dataclass(frozen=True, slots=True)
class Total:
    """A sum over calls. `unpriced` calls are missing from `nanos`."""

    calls: int
    tokens: int
    nanos: int
    unpriced: int


_BOOKED = select(_k.c.estimated).where(_k.c.id == bindparam("the_id"))
_FORGET = delete(_k).where(_k.c.id == bindparam("the_id"))


def add_call(tx: Connection, call: Call) -> None:
    """Book a finished call with its usage and cost, and give its reservation back.

    A call that was booked before (by a process that took its owner for dead) is booked once: the real usage wins.
    """
    booked = tx.execute(_BOOKED, {"the_id": call.id}).scalar()
    if booked is None or not call.estimated:
        tx.execute(_FORGET, {"the_id": call.id})
        _insert_call(tx, call)
    tx.execute(_RELEASE, {"the_call": call.id})


def _insert_call(tx: Connection, call: Call) -> None:
    usage, cost = call.usage, call.cost
    values = {
        "id": call.id,
        "message": call.message,
        "conversation": call.conversation,
        "kind": call.kind,
        "model": call.model,
        "attempt": call.attempt,
        "started": call.started,
        "first_event": call.first_event,
        "first_word": call.first_word,
        "finished": call.finished,
        "outcome": call.outcome,
        "http_status": call.http_status,
        "error_type": call.error_type,
        "request_id": call.request_id,
        "input_tokens": usage.input if usage else None,
        "output_tokens": usage.output if usage else None,
        "cache_read_tokens": usage.cache_read if usage else None,
        "cache_write_5m_tokens": usage.cache_write_5m if usage else None,
        "cache_write_1h_tokens": usage.cache_write_1h if usage else None,
        "thinking_tokens": usage.thinking if usage else None,
        "web_searches": usage.web_searches if usage else None,
        "usage_raw": None if call.usage_raw is None else dumps(call.usage_raw),
        "cost_nanos": cost.nanos if cost else None,
        "cost_source": cost.source if cost else None,
        "cost_rates": dumps(dict(cost.rates)) if cost else None,
        "estimated": call.estimated,
        "demo": call.demo,
    }
    tx.execute(_ADD_CALL, values)


def reserve(tx: Connection, reservation: Reservation) -> None:
    """Hold a call's worst case."""
    tx.execute(_RESERVE, {name: getattr(reservation, name) for name in Reservation.__dataclass_fields__})


def reservations(tx: Connection, owner: str | None = None) -> list[Reservation]:
    """Return the open reservations, of one owner or of all."""
    rows = tx.execute(_OF_OWNER, {"owner": owner}) if owner else tx.execute(select(_r))
    return [Reservation(**row) for row in rows.mappings()]


def calls_of(tx: Connection, message: str) -> list[Call]:
    """Return a reply's calls, newest first."""
    return [_call_of(row) for row in tx.execute(_LAST_CALL, {"message": message}).mappings()]


def calls_for(tx: Connection, messages: Sequence[str]) -> dict[str, list[Call]]:
    """Return the calls of several replies, oldest first."""
    query = select(_k).where(_k.c.message.in_(messages)).order_by(_k.c.started, _k.c.attempt)
    found: dict[str, list[Call]] = {}
    for row in tx.execute(query).mappings():
        found.setdefault(row["message"], []).append(_call_of(row))
    return found


def recent(tx: Connection, *, limit: int) -> list[Call]:
    """Return the last calls, newest first."""
    query = select(_k).order_by(_k.c.started.desc(), _k.c.id.desc()).limit(limit)
    return [_call_of(row) for row in tx.execute(query).mappings()]


def total(tx: Connection, *, since: int = 0) -> Total:
    """Sum the calls that started at or after `since` (UTC microseconds)."""
    tokens = sum(
        func.coalesce(column, 0)
        for column in (
            _k.c.input_tokens,
            _k.c.output_tokens,
            _k.c.cache_read_tokens,
            _k.c.cache_write_5m_tokens,
            _k.c.cache_write_1h_tokens,
        )
    )
    unpriced = func.sum(case((_k.c.usage_raw.is_not(None) & _k.c.cost_nanos.is_(None), 1), else_=0))
    query = select(
        func.count(),
        func.coalesce(func.sum(tokens), 0),
        func.coalesce(func.sum(_k.c.cost_nanos), 0),
        func.coalesce(unpriced, 0),
    ).where(_k.c.started >= since)
    return Total(*(int(value) for value in tx.execute(query).one()))


def _call_of(row: Any) -> Call:
    usage = None
    if row["input_tokens"] is not None or row["output_tokens"] is not None:
        usage = Usage(
            input=row["input_tokens"] or 0,
            output=row["output_tokens"] or 0,
            cache_read=row["cache_read_tokens"] or 0,
            cache_write_5m=row["cache_write_5m_tokens"] or 0,
            cache_write_1h=row["cache_write_1h_tokens"] or 0,
            thinking=row["thinking_tokens"] or 0,
            web_searches=row["web_searches"] or 0,
        )
    cost = None
    if row["cost_source"] is not None:
        cost = Cost(row["cost_nanos"], row["cost_source"], loads(row["cost_rates"]) or {})
    plain = (
        "id",
        "message",
        "conversation",
        "kind",
        "model",
        "attempt",
        "started",
        "first_event",
        "first_word",
    )
    more = ("finished", "outcome", "http_status", "error_type", "request_id", "estimated", "demo")
    values = {name: row[name] for name in plain + more}
    return Call(**values, usage=usage, usage_raw=loads(row["usage_raw"]), cost=cost)
