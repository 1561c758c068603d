"""Settings: the key, the model, how claudedesk looks and behaves."""

from __future__ import annotations

from flask import Blueprint

from blueprints.settings.routes import blueprint
from claudedesk.api import API_VERSION, Command, Manifest, NavItem, hookimpl


@hookimpl
def manifest() -> Manifest:
    return Manifest("settings", "1.0", API_VERSION)


@hookimpl
def flask_blueprints() -> list[Blueprint]:
    return [blueprint]


@hookimpl
def nav_items() -> list[NavItem]:
    return [NavItem("Settings", "settings.index", "settings", 40)]


@hookimpl
def commands() -> list[Command]:
    return [Command("settings", "Settings", "Mod+,", "Go to")]
