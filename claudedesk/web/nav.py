"""What every page shows around its own: navigation, sidebar, theme; injected into all templates."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from flask import Flask, has_request_context, request, url_for

from claudedesk import __version__
from claudedesk.api import desk
from claudedesk.desk import Desk
from claudedesk.types import Conversation
from claudedesk.web import guard
from claudedesk.web.security import page_token

SIDEBAR: Final = 200
"""Rows of the sidebar at once; the rest is in History."""


def install(app: Flask) -> None:
    """Give every template `desk_page`, empty of private things for a stranger."""
    app.context_processor(lambda: {"desk_page": _page()} if has_request_context() else {})


def _page() -> dict[str, Any]:
    at = desk()
    known = guard.session() is not None
    return {
        "nav": _nav(at) if known else [],
        "theme": at.settings.get("appearance.theme"),
        "sidebar_open": at.settings.get("appearance.sidebar"),
        "token": page_token(),
        "groups": _groups(at) if known else [],
        "demo_only": known and not at.key_likely(),
        "key_set": known and at.key_likely(),
        "commands": at.plugins.commands() if known else [],
        "send_with": at.settings.get("composer.send_with"),
        "version": __version__,
    }


def _nav(at: Desk) -> list[dict[str, Any]]:
    here = (request.blueprint or "").split(".")[0]
    return [
        {
            "label": item.label,
            "url": url_for(item.endpoint),
            "icon": item.icon,
            "current": item.endpoint.split(".")[0] == here,
        }
        for item in at.plugins.nav_items()
    ]


def _groups(at: Desk) -> list[dict[str, Any]]:
    running = {live.conversation for live in at.hub.all_live()}
    here = (request.view_args or {}).get("conversation")
    groups: list[dict[str, Any]] = []
    for kept in at.conversations(limit=SIDEBAR):
        label = group_label(kept, datetime.now().astimezone())
        if not groups or groups[-1]["label"] != label:
            groups.append({"label": label, "rows": []})
        groups[-1]["rows"].append(
            {
                "id": kept.id,
                "title": kept.title,
                "url": f"/chat/{kept.id}",
                "current": kept.id == here,
                "demo": kept.demo,
                "running": kept.id in running,
            }
        )
    return _merged(groups)


def _merged(groups: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Join groups of one label: order goes by activity, which a clock that was set back does not follow."""
    found: dict[str, dict[str, Any]] = {}
    for group in groups:
        found.setdefault(group["label"], {"label": group["label"], "rows": []})["rows"] += group["rows"]
    return list(found.values())


def group_label(kept: Conversation, now: datetime) -> str:
    """Return the heading under which a conversation stands: Today, Yesterday, This week, or its month."""
    when = datetime.fromtimestamp(kept.updated / 1e6, now.tzinfo)
    days = (now.date() - when.date()).days
    if days <= 0:
        return "Today"
    if days == 1:
        return "Yesterday"
    if when.date() > now.date() - timedelta(days=7):
        return "This week"
    return when.strftime("%B %Y")
