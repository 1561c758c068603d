"""Chat: write, watch the answer come, stop it, ask again."""

from __future__ import annotations

from flask import Blueprint

from blueprints.chat.routes import blueprint
from claudedesk.api import API_VERSION, Command, Manifest, NavItem, hookimpl


@hookimpl
def manifest() -> Manifest:
    return Manifest("chat", "1.0", API_VERSION)


@hookimpl
def flask_blueprints() -> list[Blueprint]:
    return [blueprint]


@hookimpl
def nav_items() -> list[NavItem]:
    return [NavItem("Chat", "chat.new", "chat", 10)]


@hookimpl
def commands() -> list[Command]:
    return [
        Command("new-chat", "New chat", "Mod+N", "Chat"),
        Command("stop", "Stop the reply", "Escape", "Chat"),
        Command("copy-last", "Copy the last reply", "Mod+Shift+C", "Chat"),
        Command("previous-chat", "Previous conversation", "Alt+ArrowUp", "Chat"),
        Command("next-chat", "Next conversation", "Alt+ArrowDown", "Chat"),
        Command("sidebar", "Show or hide the sidebar", "Mod+B", "View"),
        Command("palette", "Command palette", "Mod+K", "View"),
        Command("shortcuts", "Keyboard shortcuts", "Mod+/", "View"),
    ]
