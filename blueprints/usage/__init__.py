"""Usage: what the calls took and what they cost."""

from __future__ import annotations

from flask import Blueprint

from blueprints.usage.routes import blueprint
from claudedesk.api import API_VERSION, Manifest, NavItem, hookimpl


@hookimpl
def manifest() -> Manifest:
    return Manifest("usage", "1.0", API_VERSION)


@hookimpl
def flask_blueprints() -> list[Blueprint]:
    return [blueprint]


@hookimpl
def nav_items() -> list[NavItem]:
    return [NavItem("Usage", "usage.index", "usage", 30)]
