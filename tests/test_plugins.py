"""The built-in plugins use the same hooks as anybody's: that proves the contract."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from claudedesk import api, hookspecs, plugins
from claudedesk.types import Call, Manifest


def test_the_four_built_in_plugins_are_found_and_on() -> None:
    rows = plugins.load().rows
    assert [(row.name, row.state) for row in rows] == [
        ("chat", "on"),
        ("history", "on"),
        ("settings", "on"),
        ("usage", "on"),
    ]


def test_the_contract_for_plugins_is_pinned() -> None:
    assert sorted(api.__all__) == sorted(
        [
            "API_VERSION",
            "SENDS",
            "BadInput",
            "Call",
            "ClaudeDeskError",
            "Command",
            "Conversation",
            "Desk",
            "Manifest",
            "Message",
            "Model",
            "NavItem",
            "NoKey",
            "NotFound",
            "Setting",
            "TooMany",
            "accepts",
            "desk",
            "hookimpl",
            "iso",
            "json_body",
            "limiter",
            "needs_token",
            "new_id",
            "plugin_data",
            "utc_now",
            "wording",
        ]
    )
    assert all(hasattr(api, name) for name in api.__all__)


def test_the_main_navigation_has_its_order() -> None:
    assert [item.label for item in plugins.load().nav_items()] == ["Chat", "History", "Usage", "Settings"]


def test_a_foreign_blueprints_package_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    foreign = SimpleNamespace(__file__="/elsewhere/blueprints/__init__.py", __path__=[])
    monkeypatch.setattr("importlib.import_module", lambda _name: foreign)
    with pytest.raises(ImportError, match="/elsewhere"):
        plugins.load()


def _plugin(**hooks: Any) -> Any:
    marked = {name: hookspecs.hookimpl(hook) for name, hook in hooks.items()}
    return SimpleNamespace(manifest=hookspecs.hookimpl(lambda: Manifest("bad", "1", 1)), **marked)


def test_a_plugin_that_needs_a_newer_api_is_refused_in_words() -> None:
    found = plugins.load()
    newer = SimpleNamespace(manifest=lambda: Manifest("newer", "1", 99))
    with pytest.raises(ValueError, match="needs version 99"):
        plugins._register(found.manager, newer, "test")


def test_a_second_plugin_of_a_name_never_evicts_the_first() -> None:
    found = plugins.load()
    twin = SimpleNamespace(manifest=lambda: Manifest("chat", "9", 1))
    with pytest.raises(ValueError, match="two plugins"):
        plugins._register(found.manager, twin, "test")
    assert found.manager.has_plugin("chat")


def test_a_plugin_that_fails_around_a_call_becomes_a_row_and_the_call_goes_on() -> None:
    found = plugins.load()

    def around_claude_call(call: Call) -> Any:
        raise RuntimeError("broken on purpose")

    found.rows.append(
        plugins._register(found.manager, _plugin(around_claude_call=around_claude_call), "test")
    )
    done = False
    with found.around_call(Call("k", None, None, "reply", "demo-1", 1, 0)):
        done = True
    assert done and found.rows[-1].state == "failing" and "RuntimeError" in found.rows[-1].problem


def test_conversation_saved_reaches_a_plugin_after_the_commit(make_app: Any) -> None:
    desk = make_app().extensions["claudedesk"]
    heard: list[str] = []

    def conversation_saved(conversation: Any) -> None:
        assert desk.conversation(conversation.id) is not None
        heard.append(conversation.title)

    plugins._register(desk.plugins.manager, _plugin(conversation_saved=conversation_saved), "test")
    started = desk.replies.start(api.new_id("c"), "Hello you", api.new_id("x"))
    desk.replies.wait(started.reply, 10)
    assert "Hello you" in heard
