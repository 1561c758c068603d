"""What a dead process left is mended once, and what a living one works on is left alone."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from apprun import until
from fakeapi import FakeAPI, FakeModel

from claudedesk.claude.client import Claude
from claudedesk.claude.events import fold
from claudedesk.desk import Desk
from claudedesk.errors import BadInput
from claudedesk.replies.service import Replies
from claudedesk.store import conversations, journal, usage
from claudedesk.types import Conversation, Message, new_id, utc_now

WORDS = "The zeppelin had just left the"


def ended(desk: Desk, reply: str, timeout: float = 10) -> Message:
    """Wait for a reply's end."""
    message = desk.replies.wait(reply, timeout)
    assert not message.open, f"still {message.status}"
    return message


def ops_of(words: str) -> list[list[Any]]:
    """Return the journal's ops of a reply that has said so much."""
    opened = {"id": "msg_1", "model": "test-large-1", "usage": {"input_tokens": 11, "output_tokens": 1}}
    return [["open", opened], ["start", 0, {"type": "text", "text": ""}], ["text", 0, words]]


def turn(conversation: str, parent: str | None, role: Any, text: str, **more: Any) -> Message:
    """Return a message as a row by hand."""
    content = ({"type": "text", "text": text},) if text else ()
    fields = {"status": "complete", "created": utc_now()} | more
    return Message(0, new_id("m"), conversation, parent, role, content, **fields)


def orphan(desk: Desk, ops: Sequence[Any] | None = None, owner: str | None = None) -> Message:
    """Write what a process leaves that dies while a reply streams."""
    name, owner, now = new_id("c"), owner or str(uuid4()), utc_now()
    asked = turn(name, None, "user", "Where is it?")
    reply = turn(name, asked.id, "assistant", "", status="streaming", owner=owner, model="test-large-1")
    with desk.database.write() as tx:
        conversations.add(tx, Conversation(name, "Orphan", "auto", None, None, None, False, 0, now, now))
        conversations.add_message(tx, asked)
        conversations.add_message(tx, reply)
        conversations.touch(tx, name, leaf=reply.id, now=now)
        journal.append(tx, [(reply.id, ops_of(WORDS) if ops is None else ops)])
        usage.reserve(tx, usage.Reservation(new_id("r"), owner, reply.id, name, new_id("k"), 5, now))
    return reply


def kept_of(desk: Desk, reply: str) -> tuple[Any, ...]:
    """Return all that the store holds of a running reply."""
    with desk.database.read() as tx:
        return conversations.message(tx, reply), journal.read(tx, reply), usage.reservations(tx)


def journalled(desk: Desk, reply: str) -> Any:
    """Tell whether a tick has written text of a reply."""
    with desk.database.read() as tx:
        return [op for op in journal.read(tx, reply) if op[0] == "text"]


@pytest.fixture
def two(make_app: Callable[..., Any]) -> tuple[Desk, Desk]:
    """Two engines over one home: each has an owner's lock of its own, as two processes have."""
    first, second = (make_app().extensions["claudedesk"] for _ in range(2))
    assert first.owner.uuid != second.owner.uuid
    return first, second


def test_a_reply_that_another_process_streams_is_left_alone(two: tuple[Desk, Desk], fake: FakeAPI) -> None:
    """DAT-01"""
    ours, theirs = two
    held = fake.reply(text="Half an answer, then the rest", delta_chars=4, hold=8)
    started = ours.replies.start(new_id("c"), "Go", new_id("x"))
    until(lambda: journalled(ours, started.reply))
    before = kept_of(ours, started.reply)
    assert before[0].status == "streaming" and before[1] and len(before[2]) == 1
    assert theirs.replies.recover() == 0
    assert theirs.replies.stop(started.reply) is False
    assert kept_of(theirs, started.reply) == before
    held.release()
    reply = ended(ours, started.reply)
    assert (reply.status, reply.text) == ("complete", "Half an answer, then the rest")
    [call] = theirs.calls_of(reply.id)
    assert not call.estimated and kept_of(theirs, reply.id)[1:] == ([], []) and fake.posts == 1


def test_what_a_dead_process_left_is_kept_found_and_booked_once(desk: Desk) -> None:
    """DAT-01"""
    left = orphan(desk)
    assert desk.replies.recover() == 1
    reply = desk.message(left.id)
    assert (reply.status, reply.text) == ("truncated", WORDS)
    assert reply.error and reply.error["kind"] == "interrupted"
    assert [hit.message for hit in desk.find("zeppelin")] == [left.id]
    [call] = desk.calls_of(left.id)
    assert call.estimated and call.outcome == "truncated" and call.usage and call.usage.input == 11
    assert call.usage.output > 1 and kept_of(desk, left.id)[1:] == ([], [])
    assert desk.replies.recover() == 0
    assert desk.calls_of(left.id) == [call] and desk.message(left.id) == reply
    assert desk.total(0).calls == 1


def test_an_orphan_that_said_nothing_is_mended_too(desk: Desk) -> None:
    left = orphan(desk, [])
    assert desk.replies.recover() == 1
    reply = desk.message(left.id)
    assert (reply.status, reply.text) == ("truncated", "") and len(desk.calls_of(left.id)) == 1


def test_a_reservation_alone_of_a_dead_process_is_settled(desk: Desk) -> None:
    """DAT-01"""
    call = new_id("k")
    with desk.database.write() as tx:
        usage.reserve(tx, usage.Reservation(new_id("r"), str(uuid4()), None, None, call, 5, utc_now()))
    desk.replies.recover()
    with desk.database.read() as tx:
        assert usage.reservations(tx) == [] and [one.id for one in usage.recent(tx, limit=5)] == [call]


def test_two_processes_that_recover_the_same_orphans_at_once_book_each_once(two: tuple[Desk, Desk]) -> None:
    """DAT-01"""
    owner = str(uuid4())
    left = [orphan(two[0], owner=owner).id for _ in range(20)]
    together, mended, raised = threading.Barrier(2), [], []

    def recover(desk: Desk) -> None:
        together.wait(5)
        try:
            mended.append(desk.replies.recover())
        except Exception as error:
            raised.append(error)

    threads = [threading.Thread(target=recover, args=(desk,)) for desk in two]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert raised == [] and sum(mended) == 20
    for name in left:
        assert two[0].message(name).status == "truncated" and two[0].message(name).text == WORDS
        assert len(two[0].calls_of(name)) == 1
    with two[0].database.read() as tx:
        assert usage.reservations(tx) == []


def test_stopping_a_reply_of_a_dead_process_keeps_its_text(desk: Desk) -> None:
    left = orphan(desk)
    assert desk.replies.stop(left.id) is True
    reply = desk.message(left.id)
    assert (reply.status, reply.text) == ("truncated", WORDS)
    assert len(desk.calls_of(left.id)) == 1 and kept_of(desk, left.id)[1:] == ([], [])
    assert desk.replies.stop(left.id) is False and desk.replies.recover() == 0


def test_the_owner_of_a_reply_that_was_taken_for_dead_has_the_last_word(
    two: tuple[Desk, Desk], fake: FakeAPI
) -> None:
    """DAT-01"""
    ours, theirs = two
    held = fake.reply(text="Half an answer, then the rest", delta_chars=4, hold=8)
    started = ours.replies.start(new_id("c"), "Go", new_id("x"))
    until(lambda: journalled(ours, started.reply))
    assert Replies(theirs.replies.engine, alive=lambda _: False).recover() == 1
    cut = theirs.message(started.reply)
    assert cut.status == "truncated" and theirs.calls_of(cut.id)[0].estimated
    held.release()
    until(lambda: theirs.message(started.reply).status == "complete")
    reply = ended(ours, started.reply)
    assert reply.text == "Half an answer, then the rest" and reply.error is None
    [call] = theirs.calls_of(reply.id)
    assert call.outcome == "complete" and not call.estimated and call.request_id == fake.last.request_id
    assert kept_of(theirs, reply.id)[1:] == ([], []) and theirs.total(0).calls == 1
    assert [hit.message for hit in theirs.find("rest")] == [reply.id]


def test_a_broken_journal_row_of_one_orphan_does_not_keep_the_others_from_recovery(desk: Desk) -> None:
    """DAT-01"""
    broken = orphan(desk, [["start"], ["text"], ["end"]])
    whole = orphan(desk)
    desk.replies.recover()
    assert desk.message(whole.id).text == WORDS and desk.message(whole.id).status == "truncated"
    assert desk.message(broken.id).status == "truncated"


def test_the_third_of_three_sends_waits_for_the_first_when_the_second_is_stopped(
    desk: Desk, fake: FakeAPI, send: Any
) -> None:
    held = fake.reply(text="Answer one", delta_chars=5, hold=5)
    fake.reply(text="Answer three")
    first = send("One")
    second = send("Two", first.conversation)
    third = send("Three", first.conversation)
    until(lambda: fake.posts == 1)
    assert desk.replies.stop(second.reply)
    assert ended(desk, second.reply).status == "stopped"
    assert desk.message(third.reply).status == "queued" and fake.posts == 1
    held.release()
    assert ended(desk, third.reply).text == "Answer three"
    assert ended(desk, first.reply).text == "Answer one" and fake.posts == 2
    said = [block["text"] for one in fake.last.body["messages"] for block in one["content"]]
    assert said == ["One", "Answer one", "Two", "Three"]


def test_tool_input_of_200_000_brackets_is_kept_as_text_that_is_no_json(desk: Desk) -> None:
    """UP-22"""
    block = {"type": "tool_use", "id": "t1", "name": "deep", "input": {}}
    ops = [["start", 0, block], ["json", 0, "[" * 200_000]]
    assert fold(ops).blocks() == [block]
    assert fold([ops[0], *[["json", 0, "["]] * 200_000]).blocks() == [block]
    left = orphan(desk, ops)
    assert desk.replies.recover() == 1
    assert desk.message(left.id).content == (block,)


BLOCK = {"type": "text", "text": ""}


@pytest.mark.parametrize(
    "broken",
    [
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": None}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta"}},
        {"type": "content_block_delta", "index": None, "delta": {"type": "text_delta", "text": "x"}},
        {"type": "content_block_start", "index": None, "content_block": BLOCK},
        {"type": "content_block_start", "index": 200_000, "content_block": BLOCK},
        {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": None}},
    ],
    ids=["null-text", "no-text", "delta-nowhere", "start-nowhere", "start-far-away", "null-start"],
)
def test_an_event_of_a_wrong_shape_ends_the_reply_and_no_other(
    make_app: Callable[..., Any], broken: Any
) -> None:
    """UP-22: it must neither hang the reply, nor end the journal's thread, nor fill the memory."""
    import httpx2

    message = {"id": "m", "type": "message", "role": "assistant", "model": "m", "content": [], "usage": {}}
    events = [
        {"type": "message_start", "message": message},
        {"type": "content_block_start", "index": 0, "content_block": BLOCK},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Words"}},
        broken,
        {"type": "message_stop"},
    ]
    body = "".join(f"event: {one['type']}\ndata: {json.dumps(one)}\n\n" for one in events)

    def answer(request: Any) -> Any:
        if request.method == "GET":
            return httpx2.Response(200, json={"data": [FakeModel("test-large-1").info()], "has_more": False})
        return httpx2.Response(200, text=body, headers={"content-type": "text/event-stream"})

    wire = httpx2.MockTransport(answer)
    desk = make_app(claude=lambda at, keys: Claude(at, keys, transport=lambda: wire)).extensions["claudedesk"]
    started = desk.replies.start(new_id("c"), "Go", new_id("x"))
    reply = ended(desk, started.reply, 5)
    assert reply.text == "Words" and reply.status in ("truncated", "complete") and len(reply.content) < 3
    assert len(desk.calls_of(reply.id)) == 1 and kept_of(desk, reply.id)[1:] == ([], [])


def test_a_stray_citation_harms_nothing() -> None:
    """UP-22"""
    told = ["citation", 7, {"type": "page_location"}]
    assert fold([told, *ops_of("Words"), told]).text == "Words"


@pytest.mark.parametrize("half", ["\ud800", "\udfff", "\udc00\ud800"])
def test_a_lone_surrogate_in_an_answer_does_not_block_the_conversation(
    desk: Desk, fake: FakeAPI, send: Any, half: str
) -> None:
    """DAT-21"""
    first = send("Begin")
    reply = ended(desk, first.reply)
    bad = turn(first.conversation, reply.id, "user", "Next")
    answer = turn(first.conversation, bad.id, "assistant", f"a{half}b", model=reply.model)
    with desk.database.write() as tx:
        conversations.add_message(tx, bad)
        conversations.add_message(tx, answer)
        conversations.touch(tx, first.conversation, leaf=answer.id, now=utc_now())
    then = ended(desk, send("And on", first.conversation).reply)
    assert then.status == "complete", then.error
    sent = fake.last.body["messages"][3]["content"][0]["text"]
    assert sent[0] == "a" and sent[-1] == "b" and set(sent[1:-1]) == {"\ufffd"}
    assert desk.message(answer.id).text == f"a{half}b", "what is stored stays as it came"


@pytest.mark.parametrize(
    "block",
    [
        {"type": "thinking", "thinking": "a\ud800b", "signature": "signed"},
        {"type": "web_search_tool_result", "tool_use_id": "t1", "content": [{"title": "a\ud800b"}]},
    ],
    ids=["thinking", "result"],
)
def test_a_lone_surrogate_elsewhere_in_an_answer_does_not_block_the_conversation_either(
    desk: Desk, fake: FakeAPI, send: Any, block: Any
) -> None:
    """DAT-21"""
    first = send("Begin")
    reply = ended(desk, first.reply)
    answer = replace(turn(first.conversation, reply.parent, "assistant", "Words"), model=reply.model)
    answer = replace(answer, content=(block, *answer.content))
    with desk.database.write() as tx:
        conversations.add_message(tx, answer)
        conversations.touch(tx, first.conversation, leaf=answer.id, now=utc_now())
    ended(desk, send("And on", first.conversation).reply)
    assert fake.posts == 2, "the request has left"
    assert desk.message(answer.id).content[0] == block


def test_an_orphan_with_half_a_character_at_its_end_is_recovered_and_goes_on(
    desk: Desk, fake: FakeAPI, send: Any
) -> None:
    left = orphan(desk, ops_of(f"{WORDS} \ud83d"))
    assert desk.replies.recover() == 1
    assert desk.message(left.id).text == f"{WORDS} \ud83d"
    assert [hit.message for hit in desk.find("zeppelin")] == [left.id]
    assert ended(desk, send("Go on", left.conversation).reply).status == "complete"


def test_a_send_empties_the_draft_of_its_conversation_and_no_other(desk: Desk, send: Any) -> None:
    mine, other = new_id("c"), new_id("c")
    desk.set_draft(mine, "half a thought")
    desk.set_draft(other, "another thought")
    started = send("half a thought, finished", mine)
    assert desk.draft(mine) == "" and desk.draft(other) == "another thought"
    ended(desk, started.reply)
    desk.set_draft(mine, "the next one")
    again = send("the next one", mine)
    assert desk.draft(mine) == ""
    ended(desk, again.reply)


def test_a_send_that_is_refused_leaves_the_draft(desk: Desk, send: Any) -> None:
    mine = new_id("c")
    desk.set_draft(mine, "precious")
    desk.models.refresh()
    with pytest.raises(BadInput):
        send("precious", mine, model="no-such-model-1")
    assert desk.draft(mine) == "precious"
