"""Every hook on one page: a plugin returns data, core acts."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Final

import pluggy

from claudedesk.types import Call, Command, Conversation, Manifest, NavItem, Setting

if TYPE_CHECKING:
    from flask import Blueprint

PROJECT: Final = "claudedesk"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def manifest() -> Manifest:  # type: ignore[empty-body]
    """Return the plugin's name, version and the API version it was written for."""


@hookspec
def flask_blueprints() -> list[Blueprint]:  # type: ignore[empty-body]
    """Return the blueprints to mount; each is named after the plugin and lives below `/<name>/`."""


@hookspec
def nav_items() -> list[NavItem]:  # type: ignore[empty-body]
    """Return links for the main navigation."""


@hookspec
def settings() -> list[Setting]:  # type: ignore[empty-body]
    """Return settings; their names begin with the plugin's name and a dot."""


@hookspec
def commands() -> list[Command]:  # type: ignore[empty-body]
    """Return rows for the palette, the help and the shortcuts."""


@hookspec
def around_claude_call(call: Call) -> AbstractContextManager[object]:  # type: ignore[empty-body]
    """Return a context manager that spans the call's stream; its value is ignored, its errors become a row."""


@hookspec
def conversation_saved(conversation: Conversation) -> None:
    """Hear that a conversation has changed in the store, after the commit."""


@hookspec
def settings_changed(changed: Mapping[str, Any]) -> None:
    """Hear which settings have new values, after the commit."""
