"""DAT-01: whatever is killed whenever, no word of the user is lost and at most the last second of an answer."""

from __future__ import annotations

import json
import os
import random
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from apprun import ROOT, App, claudedesk, environment, serving
from fakeapi import FakeAPI, Reply

pytestmark = [
    pytest.mark.kill,
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL"),
]
WORDS = " ".join(f"w{number}" for number in range(400))


def test_a_writer_killed_at_200_random_moments_loses_no_acknowledged_word(tmp_path: Path) -> None:
    """DAT-01"""
    script = Path(__file__).with_name("writer.py")
    env = environment(tmp_path)
    command = [sys.executable, str(script), str(tmp_path / "home"), "200", "7"]
    told = subprocess.run(
        command, env=env, cwd=ROOT, capture_output=True, text=True, timeout=110, check=False
    )
    assert told.returncode == 0, told.stderr
    rows = [json.loads(line) for line in told.stdout.splitlines()]
    assert len(rows) == 200 and {row["checked"] for row in rows} == {"ok"}
    assert rows[-1]["acked"] > 60, "the children must have got to write"


@pytest.mark.timeout(400)
def test_the_app_killed_at_20_random_moments_keeps_every_prompt_and_all_but_the_last_second(
    tmp_path: Path,
) -> None:
    """DAT-01: beside it an `ask` starts and ends as an engine of its own, and is left alone by the recovery."""
    dice = random.Random(11)
    with FakeAPI() as fake:
        env = environment(tmp_path, fake)
        claudedesk("models", "--refresh", env=env)
        for number in range(20):
            _one_kill(env, fake, dice.uniform(0.05, 2.5), number)
        replies = _replies(env)
        assert [r["status"] for r in replies if r["client"].startswith("kill")].count("truncated") >= 10
        assert all(r["status"] == "complete" for r in replies if not r["client"].startswith("kill"))
        assert len(replies) == 40


def _one_kill(env: dict[str, str], fake: FakeAPI, moment: float, number: int) -> None:
    conversation = f"c_{number:022d}"
    fake.reset()
    fake.responder = _respond
    with serving(env) as app:
        status, told = _send(app, conversation, number)
        assert status == 202
        # The SDK is imported behind the first paint; the moment counts from the first word.
        fake.wait_until(lambda api: api.posts or None, moment)
        time.sleep(moment)
        app.process.kill()
        app.process.wait()
    sent = sum(6 for seen in fake.log for kind in seen.events if kind == "content_block_delta")
    beside: list[Any] = []
    asking = threading.Thread(
        target=lambda: beside.append(claudedesk("ask", f"Beside {number}", "--json", env=env))
    )
    asking.start()
    time.sleep(0.3)
    with serving(env) as app:
        page = _settled(app, conversation)
    asking.join()
    assert beside[0].returncode == 0, beside[0].stderr
    assert json.loads(beside[0].stdout)["text"] == WORDS[:600]
    assert f"Prompt {number} of the user, whole" in page
    _check(env, told["reply"], sent)


def _send(app: App, conversation: str, number: int) -> tuple[int, Any]:
    body = {"client_id": f"kill-{number:06d}", "text": f"Prompt {number} of the user, whole", "model": None}
    return app.json("POST", f"/chat/{conversation}/messages", body)


def _settled(app: App, conversation: str) -> str:
    """Return the page once the recovery, which runs behind the first paint, has been here."""
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        page = app.request("GET", f"/chat/{conversation}")[2]
        if 'data-status="streaming"' not in page:
            return page
        time.sleep(0.05)
    raise AssertionError("the cut reply was not recovered")


def _respond(body: dict[str, Any]) -> Reply:
    beside = str(body["messages"][-1]).find("Beside") >= 0
    return Reply(WORDS[:600] if beside else WORDS, delta_chars=6, delay=0.01)


def _check(env: dict[str, str], reply: str, sent: int) -> None:
    [row] = [r for r in _replies(env) if r["id"] == reply]
    assert row["status"] in ("truncated", "complete", "queued")
    assert WORDS.startswith(row["text"])
    # 6 characters every 10 ms at most: what is missing is the last second's.
    assert len(row["text"]) >= sent - 600, (len(row["text"]), sent)


def _replies(env: dict[str, str]) -> list[dict[str, Any]]:
    """Read every reply from the file itself, as it lies there."""
    raw = sqlite3.connect(Path(env["CLAUDEDESK_HOME"]) / "data" / "claudedesk.db")
    try:
        assert raw.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        rows = raw.execute(_REPLIES).fetchall()
    finally:
        raw.close()
    found = []
    for name, status, content, client in rows:
        text = "".join(block.get("text", "") for block in json.loads(content))
        found.append({"id": name, "status": status, "text": text, "client": client})
    return found


_REPLIES = (
    "SELECT r.id, r.status, r.content, u.client_id FROM messages r JOIN messages u ON u.id = r.parent"
    " WHERE r.role = 'assistant'"
)
