"""What is sent: raw blocks as they came, only what the model's abilities allow, a prefix that never changes."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from claudedesk.claude.events import Content, coalesce, fold, usage_of
from claudedesk.claude.models import parse
from claudedesk.claude.request import build, turns
from claudedesk.types import Message, Usage


def model(**abilities: bool) -> Any:
    """A model whose thinking types are as given."""
    types = {name: {"supported": on} for name, on in abilities.items()}
    raw = {
        "id": "test-1",
        "max_tokens": 4_000,
        "capabilities": {"thinking": {"supported": True, "types": types}},
    }
    return parse(raw)


def message(role: Any, *blocks: dict[str, Any], **changes: Any) -> Message:
    """A finished message of the model test-1."""
    made = Message(
        0, "m", "c", None, role, blocks, "complete", model="test-1" if role == "assistant" else None
    )
    return replace(made, **changes)


def text(words: str) -> dict[str, Any]:
    """A text block."""
    return {"type": "text", "text": words}


ASK = message("user", text("Hello"))


def test_the_body_holds_what_was_asked_and_no_refused_parameter() -> None:
    body = build([ASK], model=model(), instructions=" ", max_tokens=9_000).body
    assert body == {
        "model": "test-1",
        "max_tokens": 4_000,
        "messages": [{"role": "user", "content": [text("Hello")]}],
        "cache_control": {"type": "ephemeral"},
    }


def test_thinking_is_asked_for_only_where_the_model_lists_it() -> None:
    def asked(wish: Any, **abilities: bool) -> Any:
        made = build([ASK], model=model(**abilities), instructions="", max_tokens=9, thinking=wish)
        return made.body.get("thinking")

    assert asked("on", adaptive=True) == {"type": "adaptive", "display": "summarized"}
    assert asked("off", disabled=True) == {"type": "disabled"}
    assert (
        asked("on") is None and asked("off") is None and asked("auto", adaptive=True, disabled=True) is None
    )


def test_thinking_goes_back_untouched_to_its_own_model_and_to_no_other() -> None:
    thought = {"type": "thinking", "thinking": "hm", "signature": "s+/="}
    reply = message("assistant", thought, text("Yes"))
    assert turns([reply], "test-1")[0]["content"] == [thought, text("Yes")]
    assert turns([reply], "test-2")[0]["content"] == [text("Yes")]
    cut = replace(reply, status="truncated")
    assert turns([cut], "test-1")[0]["content"] == [text("Yes")]


def test_empty_refused_and_half_turns_are_left_out() -> None:
    empty = message("assistant", text(" \n"))
    refused = message("assistant", text("I will not"), status="refused")
    half_tool = message(
        "assistant", {"type": "tool_use", "id": "t", "name": "n", "input": {}}, status="stopped"
    )
    only_thought = message("assistant", {"type": "thinking", "thinking": "hm", "signature": "s"})
    assert turns([empty, refused, half_tool, only_thought], "test-1") == []


@given(st.lists(st.text(min_size=1, max_size=50).filter(str.strip), min_size=1, max_size=8))
def test_each_turns_prefix_is_a_prefix_of_the_next_ones(words: list[str]) -> None:
    messages: list[Message] = []
    before: list[Any] = []
    for said in words:
        messages.append(message("user", text(said)))
        sent = list(build(messages, model=model(), instructions="Be brief", max_tokens=9).body["messages"])
        assert json.dumps(sent[: len(before)]) == json.dumps(before)
        before = sent
        messages.append(message("assistant", text(said[::-1])))


@given(st.text(max_size=20), st.text(max_size=20))
def test_any_changed_character_is_another_request(one: str, other: str) -> None:
    def digest(words: str) -> str:
        return build(
            [message("user", text("x" + words))], model=model(), instructions="", max_tokens=9
        ).digest

    assert (digest(one) == digest(other)) == (one == other)


pieces = st.lists(st.text(max_size=6), max_size=12)


@given(pieces, pieces, st.integers(1, 5))
def test_a_journal_of_joined_ticks_folds_to_what_came(thought: list[str], said: list[str], tick: int) -> None:
    events: list[Any] = [("open", {"id": "x", "model": "m", "usage": {"input_tokens": 3}})]
    events += [("start", 0, {"type": "thinking", "thinking": "", "signature": ""})]
    events += [("thinking", 0, piece) for piece in thought] + [("signature", 0, "sig"), ("stop", 0)]
    events += [("start", 1, {"type": "text", "text": ""})] + [("text", 1, piece) for piece in said]
    events += [("stop", 1), ("end", "end_turn", None, {"output_tokens": 5})]
    direct = Content()
    for event in events:
        direct.apply(event)
    ticks = [coalesce(events[at : at + tick]) for at in range(0, len(events), tick)]
    through_json = json.loads(json.dumps([op for ops in ticks for op in ops]))
    folded = fold(through_json)
    assert folded.blocks() == direct.blocks() and folded.text == "".join(said)
    assert folded.blocks()[0] == {"type": "thinking", "thinking": "".join(thought), "signature": "sig"}
    assert usage_of(folded.usage_raw) == Usage(input=3, output=5) and folded.stop_reason == "end_turn"


def test_a_stream_with_a_gap_or_a_stray_delta_harms_nothing() -> None:
    content = fold([("text", 3, "stray"), ("start", 1, {"type": "text", "text": "late"}), ("nonsense",)])
    assert [block["text"] for block in content.blocks()] == ["", "late"]


def test_the_split_of_cache_writes_by_lifetime_is_read_and_may_be_missing() -> None:
    split = {"cache_creation": {"ephemeral_5m_input_tokens": 2, "ephemeral_1h_input_tokens": 5}}
    assert usage_of({"cache_creation_input_tokens": 7, **split}) == Usage(cache_write_5m=2, cache_write_1h=5)
    assert usage_of({"cache_creation_input_tokens": 7}) == Usage(cache_write_5m=7)
    assert usage_of({}) == Usage()
