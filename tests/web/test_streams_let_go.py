"""A window that goes away leaves nothing behind, and nothing that upstream says becomes markup."""

from __future__ import annotations

import json
import re
import socket
import struct
import time
from html import unescape
from typing import Any

import pytest
from apprun import until
from fakeapi import FakeAPI

from claudedesk.types import new_id
from claudedesk.web import events

HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the heart beat fast: only a write shows that a client has left."""
    monkeypatch.setattr(events, "HEARTBEAT_S", 0.1)


def watching(site: Any) -> int:
    """Return how many watchers the hub has."""
    return len(site.desk.hub._watchers)


def raw_stream(site: Any, path: str, method: str = "GET") -> socket.socket:
    """Ask for a stream over a bare socket and wait for the headers of the answer."""
    wire = socket.create_connection(("127.0.0.1", site.port), timeout=5)
    lines = [f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{site.port}", f"Cookie: {site.cookie}"]
    lines += [f"X-Claudedesk-Token: {site.token}", "", ""]
    wire.sendall("\r\n".join(lines).encode())
    head = b""
    while b"\r\n\r\n" not in head:
        piece = wire.recv(4096)
        assert piece, head
        head += piece
    assert head.startswith(b"HTTP/1.1 200"), head
    return wire


def cut(wire: socket.socket) -> None:
    """Close without a word of goodbye: a reset, as when a browser is killed."""
    wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    wire.close()


def send(site: Any, text: str, conversation: str) -> Any:
    """Send a message and return the answer's JSON."""
    body = {"client_id": new_id("x"), "text": text, "model": None}
    status, told = site.json("POST", f"/chat/{conversation}/messages", body)
    assert status == 202, told
    return told


@pytest.mark.parametrize("end", [cut, socket.socket.close], ids=["reset", "closed"])
def test_a_window_that_goes_away_in_mid_reply_is_let_go_and_the_reply_goes_on(
    site: Any, fake: FakeAPI, end: Any
) -> None:
    """UP-18"""
    conversation = new_id("c")
    wire = raw_stream(site, f"/events?conversation={conversation}")
    until(lambda: watching(site) == 1, 3)
    held = fake.reply(text="Half of it, and the rest", delta_chars=4, hold=8)
    told = send(site, "Go", conversation)
    live = site.desk.hub.live(told["reply"])
    until(lambda: len("".join(live.said)) >= 8)
    left = time.monotonic()
    end(wire)
    until(lambda: watching(site) == 0, 3)
    assert time.monotonic() - left < 3
    assert not live.ended.is_set() and fake.open_calls == 1
    held.release()
    reply = site.desk.replies.wait(told["reply"], 10)
    assert (reply.status, reply.text) == ("complete", "Half of it, and the rest")
    stream = site.events(f"/events?conversation={conversation}")
    assert next(stream) == ("hello", {"conversation": conversation, "leaf": reply.id, "running": []})
    stream.close()
    until(lambda: watching(site) == 0, 3)


def test_a_window_that_is_idle_is_let_go_too(site: Any) -> None:
    """UP-18"""
    wires = [raw_stream(site, "/events") for _ in range(5)]
    until(lambda: watching(site) == 5, 3)
    for wire in wires:
        cut(wire)
    until(lambda: watching(site) == 0, 3)
    assert site.request("GET", "/chat/")[0] == 200


def test_24_head_requests_leave_no_watcher_behind(site: Any) -> None:
    """UP-18"""
    stream = site.events("/events")
    assert next(stream)[0] == "hello"
    for _ in range(24):
        status, headers, text = site.request("HEAD", "/events")
        assert (status, text) == (200, "") and headers["Content-Type"].startswith("text/event-stream")
    until(lambda: watching(site) == 1, 3)
    site.desk.hub.tell("still", {"there": True})
    assert next(stream) == ("still", {"there": True}), "none of them has ended the stream of a window"
    stream.close()
    until(lambda: watching(site) == 0, 3)


def test_a_stream_without_session_or_token_adds_no_watcher(site: Any) -> None:
    """UP-18"""
    kept, site.token = site.token, ""
    assert site.request("GET", "/events")[0] in (401, 403)
    site.token, site.cookie = kept, ""
    assert site.request("GET", "/events")[0] in (401, 403)
    assert watching(site) == 0


def test_a_hostile_error_message_is_escaped_on_the_page_and_in_the_stream(site: Any, fake: FakeAPI) -> None:
    """SEC-10"""
    conversation = new_id("c")
    stream = site.events(f"/events?conversation={conversation}")
    assert next(stream)[0] == "hello"
    fake.fault("invalid_400", message=HOSTILE)
    told = send(site, "Go", conversation)
    heard = []
    for name, data in stream:
        heard.append(json.dumps(data))
        if name == "done":
            break
    stream.close()
    foot = data["foot"]
    page = site.request("GET", f"/chat/{conversation}")[2]
    fragment = site.request("GET", f"/chat/messages/{told['reply']}/turn")[2]
    for html in (foot, page, fragment):
        assert "&lt;img src=x onerror=alert(1)&gt;" in html and HOSTILE in unescape(html)
        assert not re.search(r"<img[^>]*onerror", html)
    assert not [data for data in heard if HOSTILE in data]
    assert data["status"] == "failed" and "alert" in site.desk.message(told["reply"]).error["message"]


def test_a_hostile_error_inside_a_stream_is_escaped_as_well(site: Any, fake: FakeAPI) -> None:
    """SEC-10"""
    conversation = new_id("c")
    fake.reply(text="Some words before it")
    fake.fault("event_unheard_of_error", phase="after_first_word", message=HOSTILE, type=HOSTILE)
    told = send(site, "Go", conversation)
    assert site.desk.replies.wait(told["reply"], 10).status == "truncated"
    page = site.request("GET", f"/chat/{conversation}")[2]
    assert not re.search(r"<img[^>]*onerror", page) and "onerror=alert(1)&gt;" in page
