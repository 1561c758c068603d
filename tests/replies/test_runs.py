"""The way of one prompt: committed first, run by nobody's window, ended exactly once."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from apprun import until
from fakeapi import FAULTS, FakeAPI, FakeModel

from claudedesk.desk import Desk
from claudedesk.errors import BadInput, NoKey
from claudedesk.store import journal, usage
from claudedesk.types import Message, new_id


def ended(desk: Desk, reply: str, timeout: float = 10) -> Message:
    """Wait for a reply's end."""
    message = desk.replies.wait(reply, timeout)
    assert not message.open, f"still {message.status}"
    return message


def test_a_prompt_gets_its_answer_and_both_turns_are_stored(desk: Desk, fake: FakeAPI, send: Any) -> None:
    fake.reply(text="Paris.")
    started = send("What is the capital of France?")
    reply = ended(desk, started.reply)
    assert (reply.text, reply.status, reply.stop_reason) == ("Paris.", "complete", "end_turn")
    turns, _ = desk.turns.of_conversation(started.conversation)
    assert [turn.role for turn in turns] == ["user", "assistant"]
    kept = desk.conversation(started.conversation)
    assert kept is not None and kept.title == "What is the capital of France?"
    assert fake.posts == 1


def test_the_call_is_booked_with_its_usage_times_and_request_id(desk: Desk, fake: FakeAPI, send: Any) -> None:
    fake.reply(text="Yes.")
    reply = ended(desk, send("Is it?").reply)
    [call] = desk.calls_of(reply.id)
    assert call.outcome == "complete" and call.request_id == fake.last.request_id
    assert call.usage and call.usage.output > 0 and call.usage.prompt > 0 and not call.estimated
    assert call.first_event and call.first_word and call.finished
    assert call.started <= call.first_event <= call.first_word <= call.finished
    with desk.database.read() as tx:
        assert usage.reservations(tx) == [] and journal.read(tx, reply.id) == []


def test_a_price_that_is_not_known_is_unknown_and_not_zero(desk: Desk, send: Any) -> None:
    started = send("Hello there")
    ended(desk, started.reply)
    [call] = desk.calls_of(started.reply)
    assert call.cost and call.cost.nanos is None
    [_, turn] = desk.turns.of_conversation(started.conversation)[0]
    assert turn.cost == "—"


def test_a_known_model_has_a_cost_in_whole_nano_dollars(desk: Desk, fake: FakeAPI, send: Any) -> None:
    known = next(iter(_priced_ids()))
    fake.install_models([FakeModel(known)])
    reply = ended(desk, send("Hello there").reply)
    [call] = desk.calls_of(reply.id)
    assert reply.model == known
    assert call.cost and isinstance(call.cost.nanos, int) and call.cost.nanos > 0
    assert call.cost.source.startswith("genai-prices") and "input_mtok" in call.cost.rates


def _priced_ids() -> list[str]:
    """Return model ids that the installed price book knows; none is written here."""
    from typing import get_args

    from anthropic.types import Model

    from claudedesk.claude.pricing import output_rate

    return [one for part in get_args(Model) for one in get_args(part) if output_rate(one) is not None]


def test_one_client_id_sent_twice_is_one_post(desk: Desk, fake: FakeAPI, send: Any) -> None:
    """UP-23"""
    conversation, mine = new_id("c"), new_id("x")
    first = send("Once", conversation, mine)
    second = send("Once", conversation, mine)
    ended(desk, first.reply)
    assert second.again and (second.message, second.reply) == (first.message, first.reply)
    assert fake.posts == 1


def test_eight_threads_with_one_client_id_make_one_post(desk: Desk, fake: FakeAPI, send: Any) -> None:
    """UP-23"""
    conversation, mine = new_id("c"), new_id("x")
    found: list[str] = []

    def once() -> None:
        found.append(send("Once", conversation, mine).reply)

    threads = [threading.Thread(target=once) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ended(desk, found[0])
    assert len(set(found)) == 1 and len(found) == 8 and fake.posts == 1


def _cases() -> list[tuple[str, str]]:
    return [
        (fault.name, phase) for fault in FAULTS.values() for phase in fault.phases if fault.kind != "drip"
    ]


@pytest.mark.parametrize(("name", "phase"), _cases())
def test_a_fault_is_one_post_and_never_becomes_claudes_words(
    desk: Desk, fake: FakeAPI, send: Any, name: str, phase: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """UP-09, UP-13, UP-14, UP-15, UP-16: every fault ends the reply once, in words of its own beside what came."""
    monkeypatch.setattr("claudedesk.claude.client.READ_S", 0.3)
    words = "One two three four five six seven eight nine ten"
    fake.reply(text=words, delta_chars=8)
    fake.fault(name, phase=phase, after_chars=16)
    reply = ended(desk, send("Go").reply)
    came = reply.text
    assert fake.posts == 1, "the money test: nothing is retried behind the user's back"
    assert words.startswith(came), "only what the fake sent is Claude's"
    broke_off = came or (name == "clean_end" and phase == "during")
    assert reply.status == ("truncated" if broke_off else "failed")
    assert reply.error and len(str(reply.error["message"])) > 20
    if phase == "after_first_word":
        assert came
    [call] = desk.calls_of(reply.id)
    assert call.outcome == reply.status and call.error_type == reply.error["kind"]


def test_a_stream_that_ends_without_message_stop_is_truncated_and_booked(
    desk: Desk, fake: FakeAPI, send: Any
) -> None:
    """UP-15"""
    fake.reply(text="Half of it", delta_chars=4)
    fake.fault("clean_end", phase="after_first_word", after_chars=8)
    reply = ended(desk, send("Go").reply)
    assert reply.status == "truncated" and reply.text and reply.stop_reason is None
    [call] = desk.calls_of(reply.id)
    assert call.usage and call.usage.prompt > 0 and call.estimated


@pytest.mark.parametrize("hold", ["headers", 12])
def test_stop_ends_a_silent_call_at_once_and_keeps_what_came(
    desk: Desk, fake: FakeAPI, send: Any, hold: Any
) -> None:
    """UP-17"""
    fake.reply(text="Half an answer that never goes on", delta_chars=4, hold=hold)
    started = send("Go")
    until(lambda: fake.posts)
    if hold != "headers":
        live = desk.hub.live(started.reply)
        assert live
        until(lambda: len("".join(live.said)) >= 12)
    before = time.monotonic()
    assert desk.replies.stop(started.reply)
    reply = ended(desk, started.reply, 2)
    assert time.monotonic() - before < 1
    assert fake.wait_until(lambda api: api.last.closed_early, 1), "the upstream connection is closed"
    assert reply.status == "stopped" and reply.text == ("" if hold == "headers" else "Half an answ")
    assert desk.replies.stop(started.reply) is False


def test_the_next_prompt_waits_for_the_running_reply_and_sees_it(
    desk: Desk, fake: FakeAPI, send: Any
) -> None:
    held = fake.reply(text="First answer", hold=5)
    first = send("First")
    second = send("Second", first.conversation)
    until(lambda: fake.posts)
    assert desk.message(second.reply).status == "queued" and fake.posts == 1
    held.release()
    ended(desk, second.reply)
    bodies = [seen.body for seen in fake.log if seen.path == "/v1/messages"]
    assert [len(body["messages"]) for body in bodies] == [1, 3]
    assert bodies[1]["messages"][1]["content"][0]["text"] == "First answer"


def test_a_queued_prompt_can_be_taken_back(desk: Desk, fake: FakeAPI, send: Any) -> None:
    held = fake.reply(text="First answer", hold=5)
    first = send("First")
    second = send("Second", first.conversation)
    assert desk.replies.stop(second.reply)
    assert ended(desk, second.reply).status == "stopped"
    held.release()
    ended(desk, first.reply)
    assert fake.posts == 1


def test_retry_makes_a_version_beside_the_old_one(desk: Desk, fake: FakeAPI, send: Any) -> None:
    fake.reply(text="Old")
    fake.reply(text="New")
    first = send("Go")
    ended(desk, first.reply)
    again = desk.replies.retry(first.reply, new_id("x"))
    assert ended(desk, again.reply).text == "New" and desk.message(first.reply).text == "Old"
    [_, turn] = desk.turns.of_conversation(first.conversation)[0]
    assert turn.id == again.reply and turn.versions == {
        "index": 2,
        "count": 2,
        "previous": first.reply,
        "next": None,
    }
    desk.replies.show(first.reply)
    assert desk.turns.of_conversation(first.conversation)[0][1].id == first.reply


def test_thinking_is_kept_raw_and_sent_back_unchanged(desk: Desk, fake: FakeAPI, send: Any) -> None:
    fake.reply(text="Answer", thinking="Let me see")
    first = send("Go")
    reply = ended(desk, first.reply)
    assert [block["type"] for block in reply.content] == ["thinking", "text"]
    assert reply.text == "Answer" and reply.content[0]["signature"]
    assert ended(desk, send("More", first.conversation).reply).status == "complete"
    assert fake.last.body["messages"][1]["content"] == [dict(block) for block in reply.content]


def test_unknown_events_and_blocks_harm_nothing(desk: Desk, fake: FakeAPI, send: Any) -> None:
    fake.reply(text="Answer", unknown=True)
    reply = ended(desk, send("Go").reply)
    assert reply.status == "complete" and reply.text == "Answer"


def test_a_refusal_is_refused_and_not_complete(desk: Desk, fake: FakeAPI, send: Any) -> None:
    fake.reply(text="I would rather", stop_reason="refusal")
    assert ended(desk, send("Go").reply).status == "refused"


def test_an_identical_question_is_answered_from_the_cache_labelled_and_free(
    desk: Desk, fake: FakeAPI, send: Any
) -> None:
    fake.reply(text="Only once")
    ended(desk, send("Same question").reply)
    second = send("Same question")
    reply = ended(desk, second.reply)
    assert fake.posts == 1 and reply.text == "Only once" and reply.status == "complete"
    [_, turn] = desk.turns.of_conversation(second.conversation)[0]
    assert turn.cached.startswith("From the answer cache") and turn.cost == "free"
    afresh = desk.replies.retry(second.reply, new_id("x"), fresh=True)
    assert ended(desk, afresh.reply).from_answer_cache is None and fake.posts == 2


def test_the_same_question_asked_eight_times_at_once_is_one_post(
    desk: Desk, fake: FakeAPI, send: Any
) -> None:
    fake.reply(text="Only once", delay=0.02, delta_chars=2)
    replies = [send("Same question").reply for _ in range(8)]
    assert {ended(desk, reply).text for reply in replies} == {"Only once"}
    assert fake.posts == 1


def test_a_failure_is_never_kept(desk: Desk, fake: FakeAPI, send: Any) -> None:
    fake.fault("overloaded_529")
    assert ended(desk, send("Same question").reply).status == "failed"
    assert ended(desk, send("Same question").reply).status == "complete"
    assert fake.posts == 2


def test_a_spent_monthly_cap_stops_further_calls_until_the_user_asks(
    desk: Desk, fake: FakeAPI, send: Any
) -> None:
    """UP-09"""
    fake.fault("spend_cap_429", times=1)
    first = ended(desk, send("One").reply)
    second = ended(desk, send("Two").reply)
    assert (first.status, second.status) == ("failed", "failed") and fake.posts == 1
    assert "begins anew on" in str(second.error)
    again = desk.replies.retry(second.id, new_id("x"))
    assert ended(desk, again.reply).status == "complete" and fake.posts == 2


def test_an_empty_message_is_refused_and_nothing_is_stored(desk: Desk, send: Any) -> None:
    with pytest.raises(BadInput):
        send("  \n ")
    assert desk.conversations(limit=5) == []


def test_hostile_characters_are_kept_as_far_as_a_database_can(desk: Desk, fake: FakeAPI, send: Any) -> None:
    started = send("a\x00b \ud800 \U0001f600 \u202e end")
    assert desk.message(started.message).text == "ab \ufffd \U0001f600 \u202e end"
    assert ended(desk, started.reply).status == "complete"


def test_without_a_key_nothing_is_stored_and_the_words_say_why(make_app: Any, config: Any) -> None:
    from dataclasses import replace

    desk = make_app(replace(config, env_key=None), keys=_NoKeys()).extensions["claudedesk"]
    with pytest.raises(NoKey):
        desk.replies.start(new_id("c"), "Hello", new_id("x"))
    assert desk.conversations(limit=5) == []


class _NoKeys:
    generation = 0

    def peek(self) -> bool:
        return False

    def get(self) -> None:
        return None


def test_a_closed_app_cuts_what_runs_and_leaves_what_waits(make_app: Any, fake: FakeAPI) -> None:
    """DAT-26"""
    desk = make_app().extensions["claudedesk"]
    fake.reply(text="Half an answer", delta_chars=4, hold=8)
    first = desk.replies.start(new_id("c"), "First", new_id("x"))
    live = desk.hub.live(first.reply)
    until(lambda: len("".join(live.said)) >= 8)
    second = desk.replies.start(first.conversation, "Second", new_id("x"))
    desk.close()
    later = make_app().extensions["claudedesk"]
    later.replies.recover()
    assert later.message(first.reply).status == "truncated" and later.message(first.reply).text == "Half an "
    assert later.message(second.reply).status == "queued" and fake.posts == 1
    [_, cut, _, waiting] = later.turns.of_conversation(first.conversation)[0]
    assert waiting.resumable and not waiting.running and not cut.resumable
    later.replies.resume(second.reply)
    assert ended(later, second.reply).status == "complete"


def test_the_demo_runs_the_whole_pipeline_offline_and_costs_nothing(
    make_app: Any, config: Any, fake: FakeAPI
) -> None:
    from dataclasses import replace

    desk = make_app(replace(config, env_key=None, demo=True), keys=_NoKeys()).extensions["claudedesk"]
    started = desk.replies.start(new_id("c"), "Show me a table", new_id("x"))
    reply = ended(desk, started.reply, 30)
    assert reply.demo and reply.status == "complete" and "demo" in reply.text.lower()
    [call] = desk.calls_of(reply.id)
    assert call.cost.nanos == 0 and fake.log == []


def test_a_first_send_needs_no_list_of_models_and_waits_for_no_network(
    desk: Desk, fake: FakeAPI, send: Any
) -> None:
    """ARCHITECTURE §4: the words are committed first; the run asks for the models."""
    assert desk.models.all() == []
    fake.fault("server_500", path="/v1/models")
    started = send("Offline at first")
    first = ended(desk, started.reply)
    assert desk.message(started.message).text == "Offline at first"
    assert first.status == "failed" and first.model is None and fake.posts == 0
    again = desk.replies.retry(started.reply, new_id("x"))
    reply = ended(desk, again.reply)
    kept = desk.conversation(started.conversation)
    assert reply.status == "complete" and reply.model and kept and kept.model == reply.model


def test_a_model_that_is_gone_is_never_replaced_silently(desk: Desk, fake: FakeAPI, send: Any) -> None:
    """UP-06"""
    first = ended(desk, send("Go").reply)
    fake.install_models(["other-1"])
    desk.models.refresh()
    with pytest.raises(BadInput, match=str(first.model)):
        desk.replies.retry(first.id, new_id("x"))
    again = desk.replies.retry(first.id, new_id("x"), model="other-1")
    assert ended(desk, again.reply).model == "other-1"


def test_instructions_are_cleaned_and_bounded_like_any_text(desk: Desk, send: Any) -> None:
    started = send("Go", instructions="be\x00 brief \ud800")
    kept = desk.conversation(started.conversation)
    assert kept and kept.instructions == "be brief \ufffd"
    with pytest.raises(BadInput):
        send("Go", instructions="x" * 100_001)
    ended(desk, started.reply)


def test_a_damaged_answer_cache_costs_nothing_but_a_call(desk: Desk, fake: FakeAPI, send: Any) -> None:
    """DAT-24"""
    ended(desk, send("Same question").reply)
    for file in desk.config.paths.answers.iterdir():
        file.write_bytes(b"\x80\x04nonsense")
    assert ended(desk, send("Same question").reply).status == "complete" and fake.posts == 2
