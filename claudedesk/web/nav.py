"""What every page shows around its own: navigation, sidebar, theme; injected into all templates."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, Final

from flask import Flask, has_request_context, request, url_for

from claudedesk import __version__
from claudedesk.api import desk
from claudedesk.desk import Desk
from claudedesk.types import Command, Conversation
from claudedesk.web import guard
from claudedesk.web.security import page_token

SIDEBAR: Final = 200
"""Rows of the sidebar at once; the rest is in History."""


def install(app: Flask) -> None:
    """Give every template `desk_page`, empty of private things for a stranger."""
    app.context_processor(lambda: {"desk_page": Page(desk())} if has_request_context() else {})


class Page:
    """What stands around a page, each part made when a template asks: a fragment, as of a send, asks for none."""

    version = __version__

    def __init__(self, at: Desk) -> None:
        self._at = at
        self._known = guard.session() is not None

    @cached_property
    def nav(self) -> list[dict[str, Any]]:
        """The main navigation."""
        return _nav(self._at) if self._known else []

    @cached_property
    def groups(self) -> list[dict[str, Any]]:
        """The sidebar's conversations, by day."""
        return _groups(self._at) if self._known else []

    @cached_property
    def commands(self) -> list[Command]:
        """The rows of palette, help and shortcuts."""
        return self._at.plugins.commands() if self._known else []

    @cached_property
    def key_set(self) -> bool:
        """Whether there is a key, as far as a first paint may ask."""
        return self._known and self._at.key_likely()

    @property
    def demo_only(self) -> bool:
        """Whether nothing but the demo can answer."""
        return self._known and not self.key_set

    @property
    def theme(self) -> str:
        """`system`, `light` or `dark`."""
        return str(self._at.settings.get("appearance.theme"))

    @property
    def sidebar_open(self) -> bool:
        """Whether the sidebar is open."""
        return bool(self._at.settings.get("appearance.sidebar"))

    @property
    def send_with(self) -> str:
        """`enter` or `ctrl-enter`."""
        return str(self._at.settings.get("composer.send_with"))

    @property
    def token(self) -> str:
        """The header token of the session."""
        return page_token()


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
