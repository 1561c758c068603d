"""The pages and routes over a real server in this process."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from apprun import Client, until
from fakeapi import FakeAPI

from claudedesk.config import Config
from claudedesk.types import new_id


class NoKeys:
    """A keystore that has nothing."""

    generation = 0

    def get(self) -> None:
        return None

    def peek(self) -> bool:
        return False


def send(site: Any, text: str, conversation: str | None = None, **more: Any) -> Any:
    """Send a message and return the answer's JSON."""
    body = {"client_id": new_id("x"), "text": text, "model": None} | more
    status, told = site.json("POST", f"/chat/{conversation or new_id('c')}/messages", body)
    assert status == 202, told
    return told


def done(site: Any, reply: str) -> Any:
    """Wait for a reply's end."""
    return site.desk.replies.wait(reply, 10)


def test_a_message_is_stored_when_the_202_arrives(site: Any, fake: FakeAPI) -> None:
    held = fake.reply(text="Later", hold="headers")
    told = send(site, "First words")
    assert site.desk.message(told["message"]).text == "First words"
    assert site.desk.message(told["reply"]).open
    assert "First words" in told["html"] and told["url"] == f"/chat/{told['conversation']}"
    held.release()
    done(site, told["reply"])


def test_a_watcher_gets_hello_the_turns_patches_and_done(site: Any, fake: FakeAPI) -> None:
    conversation = new_id("c")
    stream = site.events(f"/events?conversation={conversation}")
    assert next(stream) == ("hello", {"conversation": conversation, "leaf": None, "running": []})
    fake.reply(text="One **two** three", delta_chars=4)
    told = send(site, "Count", conversation)
    seen: list[Any] = []
    for name, data in stream:
        seen.append((name, data))
        if name == "done":
            break
    names = [name for name, _ in seen]
    assert "turns" in names and "conversation" in names and names[-1] == "done"
    assert "block" in names or "snapshot" in names
    last = seen[-1][1]
    assert last["reply"] == told["reply"] and last["status"] == "complete" and "<footer" in last["foot"]
    stream.close()


def test_a_late_watcher_gets_a_snapshot_of_what_has_come(site: Any, fake: FakeAPI) -> None:
    held = fake.reply(text="Half of it is here already", delta_chars=5, hold=10)
    told = send(site, "Go")
    live = site.desk.hub.live(told["reply"])
    until(lambda: len("".join(live.said)) >= 10)
    stream = site.events(f"/events?conversation={told['conversation']}")
    name, hello = next(stream)
    assert (name, hello["running"], hello["leaf"]) == ("hello", [told["reply"]], told["reply"])
    name, snapshot = next(stream)
    assert name == "snapshot" and "Half of it" in snapshot["html"] and snapshot["phase"]["text"] == "Writing"
    held.release()
    assert any(name == "done" for name, _ in stream)


def test_the_25th_stream_ends_the_oldest(site: Any) -> None:
    streams = [site.events("/events") for _ in range(25)]
    assert all(next(stream)[0] == "hello" for stream in streams)
    assert next(streams[0])[0] == "superseded" and list(streams[0]) == []
    assert site.request("GET", "/chat/")[0] == 200, "plain pages still find a thread"
    for stream in streams:
        stream.close()


def test_sends_beyond_a_persons_pace_are_refused_with_a_clear_429(site: Any, fake: FakeAPI) -> None:
    answers = [
        site.json("POST", f"/chat/{new_id('c')}/messages", {"client_id": "same-client-id", "text": "x"})
        for _ in range(31)
    ]
    status, told = answers[-1]
    assert status == 429 and told["error"]["kind"] == "too_many" and len(told["error"]["message"]) > 20
    assert fake.posts <= 1


def test_bad_bodies_are_refused_in_words(site: Any) -> None:
    path = f"/chat/{new_id('c')}/messages"
    for body in ({}, {"text": 7}, {"text": ""}, {"text": "x"}, {"text": "x", "client_id": "../x"}, [1]):
        status, told = site.json("POST", path, body)
        assert status == 400 and len(told["error"]["message"]) > 15, (body, told)
    assert site.json("POST", "/chat/not-an-id/messages", {"text": "x", "client_id": "client-01"})[0] == 404
    assert site.json("PUT", "/settings/values/no.such", {"value": 1})[0] == 404
    assert site.json("PUT", "/settings/values/appearance.theme", {"value": "pink"})[0] == 400
    assert site.request("GET", "/chat/c_0000000000000000000000")[0] == 404
    assert site.json("POST", "/chat/replies/m_none/stop")[0] == 404


def test_drafts_titles_and_instructions_are_kept(site: Any, fake: FakeAPI) -> None:
    unbegun = new_id("c")
    assert site.request("PUT", f"/chat/{unbegun}/draft", {"text": "half a thought"})[0] == 204
    page = site.request("GET", "/chat/")[2]
    assert "half a thought" in page and unbegun in page
    told = send(site, "Go", unbegun)
    done(site, told["reply"])
    assert "half a thought" not in site.request("GET", "/chat/")[2]
    status, changed = site.json(
        "PATCH", f"/chat/{unbegun}", {"title": "<b>Mine</b>", "instructions": "Be brief"}
    )
    assert status == 200 and changed["title"] == "<b>Mine</b>"
    page = site.request("GET", f"/chat/{unbegun}")[2]
    assert "&lt;b&gt;Mine&lt;/b&gt;" in page and "<b>Mine</b>" not in page and "Be brief" in page
    assert site.json("PATCH", f"/chat/{new_id('c')}", {"title": "x"})[0] == 404


def test_a_first_start_without_a_key_shows_three_ways_in_and_the_demo_works(
    serve: Callable[..., Client], config: Config
) -> None:
    site: Any = serve(replace(config, env_key=None))
    page = site.request("GET", "/chat/")[2]
    assert "Paste a key" in page and "offline demo" in page
    assert site.json("PUT", "/settings/demo", {"enabled": True})[0] == 200
    told = send(site, "Hello")
    assert done(site, told["reply"]).demo
    assert "Demo, not Claude" in site.request("GET", f"/chat/{told['conversation']}")[2]


def test_no_answer_of_any_page_or_route_holds_the_key(site: Any, fake: FakeAPI) -> None:
    """SEC-16, SEC-19: a canary through pages, JSON, events, database, cache and logs."""
    conversation = new_id("c")
    stream = site.events(f"/events?conversation={conversation}")
    assert next(stream)[0] == "hello"
    told = send(site, "Hello", conversation)
    heard = []
    for name, data in stream:
        heard.append(json.dumps(data))
        if name == "done":
            break
    stream.close()
    site.json("POST", "/settings/key/check")
    fake.fault("auth_401")
    done(site, send(site, "Again", conversation)["reply"])
    paths = ["/chat/", f"/chat/{conversation}", "/history/", "/history/?q=hello", "/usage/", "/settings/"]
    answers = [site.request("GET", path)[2] for path in paths]
    answers += [site.request("GET", f"/chat/{conversation}/turns")[2], json.dumps(told), *heard]
    assert not [answer for answer in answers if fake.key in answer]
    home = site.desk.config.paths.data.parent
    kept = [path for path in home.rglob("*") if path.is_file() and fake.key.encode() in path.read_bytes()]
    assert kept == []


def test_search_hits_and_titles_are_escaped(site: Any, fake: FakeAPI) -> None:
    """SEC-10"""
    fake.reply(text="<img src=x onerror=alert(1)> zeppelin <script>alert(2)</script>")
    told = send(site, "<script>alert(3)</script> zeppelin")
    done(site, told["reply"])
    page = site.request("GET", "/history/?q=zeppelin")[2]
    assert "<mark>zeppelin</mark>" in page
    assert not re.search(
        r"<script>|<img|onerror=alert\(1\)>", page.replace("&lt;img src=x onerror=alert(1)&gt;", "")
    )


def test_earlier_turns_are_fetched_by_the_page_of_fifty(site: Any) -> None:
    from claudedesk.store import conversations
    from claudedesk.types import Conversation, Message

    name, parent = new_id("c"), None
    with site.desk.database.write() as tx:
        conversations.add(tx, Conversation(name, "Long", "auto", None, None, None, False, 0, 1, 1))
        for number in range(120):
            role: Any = "user" if number % 2 == 0 else "assistant"
            text = ({"type": "text", "text": f"turn-{number}-here"},)
            made = Message(0, new_id("m"), name, parent, role, text, "complete", created=1)
            conversations.add_message(tx, made)
            parent = made.id
        conversations.touch(tx, name, leaf=parent, now=2)
    page = site.request("GET", f"/chat/{name}")[2]
    assert page.count("<article") == 50 and "turn-119-here" in page and "turn-69-here" not in page
    path = re.search(rf"/chat/{name}/turns\?before=[\w]+", page)
    assert path
    earlier = site.request("GET", path.group(0))[2]
    assert earlier.count("<article") == 50 and "turn-69-here" in earlier and "turn-19-here" not in earlier


def test_static_files_are_kept_for_good_at_an_address_that_changes_with_them(
    site: Any, tmp_path: Any
) -> None:
    from claudedesk.web.assets import address

    page = site.request("GET", "/chat/")[2]
    found = re.search(r"/static/[0-9a-f]{16}/css/tokens\.css", page)
    assert found
    status, headers, _ = site.request("GET", found.group(0))
    assert status == 200 and "immutable" in headers["Cache-Control"]
    assert site.request("GET", "/static/0000000000000000/css/tokens.css")[0] in (401, 404)
    (tmp_path / "a.css").write_text("a")
    before = address(tmp_path)
    (tmp_path / "a.css").write_text("b")
    assert address(tmp_path) != before


def test_a_send_makes_no_sidebar(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its fragments stand in a page that has one."""
    from claudedesk.web import nav

    made: list[int] = []
    monkeypatch.setattr(nav, "_groups", lambda _at: made.append(1) or [])
    told = send(site, "Hello")
    done(site, told["reply"])
    assert made == []
    site.request("GET", f"/chat/{told['conversation']}")
    assert made == [1]
