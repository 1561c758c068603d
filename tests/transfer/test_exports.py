"""What goes out: everything once, as of one moment, under names that any system takes."""

from __future__ import annotations

import json
from typing import Any

from claudedesk.desk import Desk
from claudedesk.store import conversations
from claudedesk.transfer import json_out, markdown_out
from claudedesk.types import Conversation, Message, new_id


def store(desk: Desk, title: str, text: str = "Hello", status: Any = "complete") -> str:
    """Store a conversation of two turns and return its id."""
    name = new_id("c")
    asked = Message(
        0, new_id("m"), name, None, "user", ({"type": "text", "text": text},), "complete", created=1
    )
    thought = {"type": "thinking", "thinking": "hm", "signature": "s"}
    said = (thought, {"type": "text", "text": text[::-1]})
    reply = Message(0, new_id("m"), name, asked.id, "assistant", said, status, created=2, model="m-1")
    with desk.database.write() as tx:
        conversations.add(tx, Conversation(name, title, "user", None, "m-1", None, False, 0, 1, 1))
        for message in (asked, reply):
            conversations.add_message(tx, message)
        conversations.touch(tx, name, leaf=reply.id, now=3)
    return name


def test_json_holds_raw_blocks_of_every_branch_and_nothing_of_our_tables(desk: Desk) -> None:
    name = store(desk, "T", "q\ud800 \x00 \U0001f600")
    told = json.loads("".join(json_out.export(desk.database)))
    [kept] = told["conversations"]
    assert told["claudedesk"]["format"] == json_out.FORMAT and kept["id"] == name
    assert kept["messages"][1]["content"][0] == {"type": "thinking", "thinking": "hm", "signature": "s"}
    assert kept["messages"][0]["content"][0]["text"] == "q\ud800 \x00 \U0001f600"
    assert not {"seq", "owner", "activity"} & (set(kept) | set(kept["messages"][1]))


def test_a_conversation_that_is_used_meanwhile_comes_once(desk: Desk) -> None:
    made = [store(desk, f"T{number}") for number in range(4)]
    pieces = json_out.export(desk.database)
    text = next(pieces) + next(pieces)
    with desk.database.write() as tx:
        conversations.touch(tx, made[0], leaf=None, now=9)
    told = json.loads(text + "".join(pieces))
    assert [kept["id"] for kept in told["conversations"]] == made


def test_markdown_names_fit_and_what_claude_did_not_say_is_marked(desk: Desk) -> None:
    store(desk, "𠮷" * 200, status="truncated")
    store(desk, "con")
    documents = dict(markdown_out.documents(desk.database))
    assert len(documents) == 2 and all(len(name.encode()) < 200 for name in documents)
    cut = next(text for name, text in documents.items() if "𠮷" in name)
    assert "*This reply is truncated.*" in cut and "> hm" in cut and "olleH" in cut


def test_a_demo_is_never_exported_as_claudes_words(desk: Desk) -> None:
    kept = Conversation("c", "T", "auto", None, None, None, True, 0, 0, 0)
    said = Message(0, "m", "c", None, "assistant", ({"type": "text", "text": "x"},), "complete", demo=True)
    text = markdown_out.document(kept, [said])
    assert "## Demo" in text and "## Claude" not in text
