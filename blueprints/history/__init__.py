"""History: every conversation, and a search through all of their words."""

from __future__ import annotations

from flask import Blueprint

from blueprints.history.routes import blueprint
from claudedesk.api import API_VERSION, Command, Manifest, NavItem, hookimpl


@hookimpl
def manifest() -> Manifest:
    return Manifest("history", "1.0", API_VERSION)


@hookimpl
def flask_blueprints() -> list[Blueprint]:
    return [blueprint]


@hookimpl
def nav_items() -> list[NavItem]:
    return [NavItem("History", "history.index", "history", 20)]


@hookimpl
def commands() -> list[Command]:
    return [Command("search-history", "Search history", "Mod+Shift+F", "Go to")]
