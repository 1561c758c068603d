"""Conversations, journal, usage, settings and small values: the same on both databases."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from claudedesk.config import CORE_SETTINGS
from claudedesk.errors import BadInput, UnknownSetting
from claudedesk.store import conversations, journal, usage, values
from claudedesk.store.database import Database
from claudedesk.store.settings import Settings
from claudedesk.types import Call, Conversation, Cost, Message, Usage, new_id


def conversation(**changes: Any) -> Conversation:
    """A conversation that is not stored yet."""
    made = Conversation(new_id("c"), "Title", "auto", None, "demo-1", None, False, 0, 5, 5)
    return replace(made, **changes)


def message(kept: Conversation, parent: str | None, role: Any = "user", **changes: Any) -> Message:
    """A message that is not stored yet."""
    status = "complete" if role == "user" else "queued"
    made = Message(
        0, new_id("m"), kept.id, parent, role, ({"type": "text", "text": "Hi"},), status, created=5
    )
    return replace(made, **changes)


@pytest.fixture
def kept(database: Database) -> Conversation:
    """A stored conversation."""
    made = conversation()
    with database.write() as tx:
        conversations.add(tx, made)
    return made


def chain(database: Database, kept: Conversation, count: int) -> list[Message]:
    """Store a conversation of so many turns and return them."""
    made: list[Message] = []
    with database.write() as tx:
        for number in range(count):
            role = "user" if number % 2 == 0 else "assistant"
            parent = made[-1].id if made else None
            made.append(message(kept, parent, role, status="complete"))
            conversations.add_message(tx, made[-1])
        conversations.touch(tx, kept.id, leaf=made[-1].id, now=9)
    return made


def test_a_message_comes_back_as_it_went_in(database: Database, kept: Conversation) -> None:
    raw = (
        {"type": "thinking", "thinking": "hm", "signature": "a+b/c=="},
        {"type": "text", "text": 'q" \\ \n \x00 \U0001f600 \u202e \ud800', "citations": None},
    )
    mine = message(kept, None, "assistant", content=raw, error={"kind": "x"}, from_answer_cache={"kept": 1})
    with database.write() as tx:
        seq = conversations.add_message(tx, mine)
    with database.read() as tx:
        assert conversations.message(tx, mine.id) == replace(mine, seq=seq)


def test_the_newest_conversation_is_the_one_touched_last_whatever_the_clock_says(database: Database) -> None:
    """DAT-17"""
    first, second = conversation(updated=10), conversation(updated=99)
    with database.write() as tx:
        conversations.add(tx, first)
        conversations.add(tx, second)
        conversations.touch(tx, first.id, leaf=None, now=-1)
    with database.read() as tx:
        assert [c.id for c in conversations.page(tx, limit=9)] == [first.id, second.id]
        newest = conversations.page(tx, limit=1)
        assert [c.id for c in conversations.page(tx, limit=9, before=newest[0].activity)] == [second.id]


def test_a_branch_is_read_from_root_to_leaf_or_its_end_only(database: Database, kept: Conversation) -> None:
    made = chain(database, kept, 7)
    with database.read() as tx:
        assert [m.id for m in conversations.branch(tx, made[-1].id)] == [m.id for m in made]
        assert [m.id for m in conversations.branch(tx, made[-1].id, last=3)] == [m.id for m in made[-3:]]
        assert conversations.branch(tx, None) == []


def test_versions_stand_beside_each_other_in_the_order_they_came(
    database: Database, kept: Conversation
) -> None:
    made = chain(database, kept, 2)
    other = message(kept, made[0].id, "assistant")
    with database.write() as tx:
        conversations.add_message(tx, other)
    with database.read() as tx:
        assert conversations.siblings(tx, kept.id, [made[0].id, None]) == {
            None: [made[0].id],
            made[0].id: [made[1].id, other.id],
        }
        assert [m.id for m in conversations.children(tx, kept.id, made[0].id)] == [made[1].id, other.id]
        assert conversations.newest_leaf(tx, made[0].id) == other.id


def test_a_client_id_is_found_again(database: Database, kept: Conversation) -> None:
    """UP-23"""
    mine = message(kept, None, client_id="client-1")
    with database.write() as tx:
        conversations.add_message(tx, mine)
        found = conversations.by_client_id(tx, "client-1")
        assert found and found.id == mine.id and conversations.by_client_id(tx, "client-2") is None


def test_a_reply_ends_exactly_once(database: Database, kept: Conversation) -> None:
    mine = message(kept, None, "assistant", content=())
    end: dict[str, Any] = {
        "model": "demo-1",
        "stop_reason": None,
        "error": None,
        "from_answer_cache": None,
        "now": 7,
    }
    with database.write() as tx:
        conversations.add_message(tx, mine)
        assert conversations.mark(tx, mine, "streaming", owner="me", started=6)
        assert [m.id for m in conversations.open_replies(tx)] == [mine.id]
        assert conversations.finish(tx, mine.id, status="complete", content=[], **end)
        assert not conversations.finish(tx, mine.id, status="failed", content=[], **end)
        assert not conversations.mark(tx, mine, "streaming", owner="me", started=6)
        assert conversations.open_replies(tx) == []
    with database.read() as tx:
        found = conversations.message(tx, mine.id)
        assert found and (found.status, found.owner, found.finished) == ("complete", "me", 7)


def test_a_conversation_is_changed_listed_and_read_whole(database: Database, kept: Conversation) -> None:
    made = chain(database, kept, 3)
    other = conversation(title="Second")
    with database.write() as tx:
        conversations.add(tx, other)
        conversations.change(tx, kept.id, {"title": "New", "title_by": "user", "instructions": "Be brief"})
    with database.read() as tx:
        found = conversations.get(tx, kept.id)
        assert found and (found.title, found.instructions) == ("New", "Be brief")
        assert [m.id for m in conversations.all_messages(tx, kept.id)] == [m.id for m in made]
        assert conversations.names(tx) == [kept.id, other.id] and conversations.get(tx, "c_none") is None


def test_a_model_chosen_by_the_run_is_written_down_for_reply_and_conversation(database: Database) -> None:
    bare = conversation(model=None)
    waiting = message(bare, None, "assistant", content=(), model=None)
    with database.write() as tx:
        conversations.add(tx, bare)
        conversations.add_message(tx, waiting)
        chosen = replace(waiting, model="chosen-1")
        assert conversations.mark(tx, chosen, "streaming", owner="me", started=6)
        found, reply = conversations.get(tx, bare.id), conversations.message(tx, waiting.id)
    assert found and reply and (found.model, reply.model) == ("chosen-1", "chosen-1")


def test_a_call_is_booked_once_and_a_real_usage_beats_an_estimate(database: Database) -> None:
    guess = Call("k_1", "m_1", None, "reply", "x", 1, 5, usage=Usage(9, 9), usage_raw={}, estimated=True)
    real = replace(guess, usage=Usage(1, 2), estimated=False)
    with database.write() as tx:
        for call in (guess, real, guess):
            usage.add_call(tx, call)
        assert [call.usage for call in usage.calls_of(tx, "m_1")] == [Usage(1, 2)]


def test_only_one_process_can_claim_an_orphan(database: Database, kept: Conversation) -> None:
    mine = message(kept, None, "assistant", owner="dead")
    with database.write() as tx:
        conversations.add_message(tx, mine)
        assert conversations.claim(tx, mine, "one")
        assert not conversations.claim(tx, mine, "two")


def test_the_journal_gives_back_what_was_appended_in_order(database: Database, kept: Conversation) -> None:
    mine = message(kept, None, "assistant")
    with database.write() as tx:
        conversations.add_message(tx, mine)
        journal.append(tx, [(mine.id, [["start", 0, {"type": "text", "text": ""}], ["text", 0, "a\x00"]])])
        journal.append(tx, [(mine.id, [["text", 0, "b"]])])
        journal.append(tx, [])
    with database.write() as tx:
        assert [op[-1] for op in journal.read(tx, mine.id)][1:] == ["a\x00", "b"]
        journal.clear(tx, mine.id)
        assert journal.read(tx, mine.id) == []


def test_a_call_is_booked_and_its_reservation_given_back(database: Database, kept: Conversation) -> None:
    used = Usage(10, 20, 30, 40, 50, 6, 7)
    cost = Cost(123_456_789_012, "book 1", {"input_mtok": "0.1"})
    call = Call("k_1", "m_1", kept.id, "reply", "demo-1", 1, 5, usage=used, usage_raw={"a": 1}, cost=cost)
    with database.write() as tx:
        usage.reserve(tx, usage.Reservation("r_1", "me", "m_1", kept.id, "k_1", 5, 1))
        assert [r.call for r in usage.reservations(tx, "me")] == ["k_1"]
        usage.add_call(tx, call)
        assert usage.reservations(tx) == []
    with database.read() as tx:
        assert usage.calls_of(tx, "m_1") == [call] == usage.recent(tx, limit=5)
        assert usage.calls_for(tx, ["m_1"]) == {"m_1": [call]}
        assert usage.total(tx) == usage.Total(1, 150, 123_456_789_012, 0)
        assert usage.total(tx, since=6) == usage.Total(0, 0, 0, 0)


def test_a_call_of_unknown_price_is_counted_apart(database: Database) -> None:
    call = Call(
        "k_1", None, None, "reply", "x", 1, 5, usage=Usage(1, 1), usage_raw={}, cost=Cost(None, "unknown")
    )
    with database.write() as tx:
        usage.add_call(tx, call)
        assert usage.total(tx) == usage.Total(1, 2, 0, 1)


def test_drafts_are_kept_before_their_conversation_exists(database: Database, kept: Conversation) -> None:
    with database.write() as tx:
        values.set_draft(tx, kept.id, "begun", now=1)
        values.set_draft(tx, "c_new", "first", now=2)
        values.set_draft(tx, "c_new", "unsent", now=3)
        assert values.draft(tx, kept.id) == "begun"
        assert values.newest_draft_without_conversation(tx) == ("c_new", "unsent")
        values.set_draft(tx, "c_new", "", now=4)
        assert values.newest_draft_without_conversation(tx) is None and values.draft(tx, "c_new") == ""


def test_plugin_data_and_models_are_kept_by_name(database: Database) -> None:
    with database.write() as tx:
        values.plugin_set(tx, "mine", "k", {"a": [1]}, now=1)
        values.plugin_set(tx, "mine", "k", 2, now=2)
        assert values.plugin_get(tx, "mine", "k") == 2 and values.plugin_get(tx, "yours", "k") is None
        values.plugin_set(tx, "mine", "k", None, now=3)
        assert values.plugin_get(tx, "mine", "k") is None
        values.set_models(tx, "https://a", [{"id": "b"}, {"id": "a"}], now=7)
        values.set_models(tx, "https://b", [{"id": "c"}], now=8)
        values.set_models(tx, "https://a", [{"id": "z"}, {"id": "b"}], now=9)
        assert values.models(tx, "https://a") == ([{"id": "z"}, {"id": "b"}], 9)
        assert values.models(tx, "https://c") == ([], 0)


def test_a_setting_has_its_default_until_it_is_set(database: Database) -> None:
    settings = Settings(database, CORE_SETTINGS)
    heard: list[Any] = []
    settings.on_change(heard.append)
    assert settings.get("reply.max_tokens") == 16_384
    assert settings.set("reply.max_tokens", "2,000") == 2_000
    assert settings.set("answers.enabled", "off") is False
    assert Settings(database, CORE_SETTINGS).all()["reply.max_tokens"] == 2_000
    assert heard == [{"reply.max_tokens": 2_000}, {"answers.enabled": False}]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("reply.max_tokens", "many"),
        ("reply.max_tokens", 100),
        ("reply.max_tokens", True),
        ("answers.enabled", "perhaps"),
        ("appearance.theme", "pink"),
        ("model.default", 7),
        ("model.default", "x" * 1_000),
    ],
)
def test_a_value_that_breaks_its_rule_is_refused_in_words(database: Database, name: str, value: Any) -> None:
    settings = Settings(database, CORE_SETTINGS)
    with pytest.raises(BadInput) as refused:
        settings.set(name, value)
    assert len(refused.value.user_message) > 15 and settings.get(name) == settings.spec(name).default


def test_a_stored_value_that_no_longer_fits_gives_way_to_the_default_and_unknown_ones_stay(
    database: Database,
) -> None:
    with database.write() as tx:
        values.set_setting(tx, "appearance.theme", "pink", now=1)
        values.set_setting(tx, "from.the.future", [1], now=1)
    settings = Settings(database, CORE_SETTINGS)
    assert settings.get("appearance.theme") == "system"
    settings.set("answers.enabled", False)
    with database.read() as tx:
        assert values.settings(tx)["from.the.future"] == [1]
    with pytest.raises(UnknownSetting):
        settings.get("from.the.future")
