"""Totals and the last calls."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, render_template, url_for

from claudedesk.api import Call, desk, iso, wording

LAST = 100
blueprint = Blueprint("usage", __name__, template_folder="templates")


@blueprint.get("/")
def index() -> str:
    """Show totals and the last calls."""
    at = desk()
    spans = (("Today", at.day_start()), ("This month", at.month_start()), ("In all", 0))
    totals = [_total(label, since) for label, since in spans]
    calls = [_call(call) for call in at.recent_calls(LAST)]
    return render_template("usage/index.html", totals=totals, calls=calls)


def _total(label: str, since: int) -> dict[str, Any]:
    total = desk().total(since)
    cost = wording.money(total.nanos)
    if total.unpriced:
        cost += f" and {total.unpriced} call{'s' if total.unpriced > 1 else ''} of unknown price"
    return {"label": label, "cost": cost, "calls": total.calls, "tokens": wording.tokens(total.tokens)}


def _call(call: Call) -> dict[str, Any]:
    kept = desk().conversation(call.conversation) if call.conversation else None
    used = call.usage
    spent = ("≈ " if call.estimated else "") + wording.money(call.cost.nanos) if call.cost else ""
    return {
        "time": iso(call.started),
        "model": call.model,
        "outcome": call.outcome,
        "tokens": f"{wording.tokens(used.prompt)} in, {wording.tokens(used.output)} out" if used else "",
        "cost": "free" if call.demo else spent,
        "seconds": wording.seconds((call.finished - call.started) / 1e6) if call.finished else "",
        "title": kept.title if kept else "",
        "url": url_for("chat.show", conversation=kept.id) if kept else None,
    }
