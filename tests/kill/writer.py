"""A parent that lets child after child write to one store and kills each at a random moment.

Run as `python writer.py HOME KILLS SEED`; prints one JSON line a kill: {"acked": [message ids], "checked": "ok"}.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import sys
import time
from pathlib import Path

from claudedesk.paths import Paths, standard
from claudedesk.replies.titles import title_of
from claudedesk.store import conversations, journal, search
from claudedesk.store.opening import open_store
from claudedesk.types import Conversation, Message, new_id, utc_now


def write(paths: Paths, acks: int, seed: int) -> None:
    """Send, journal and finish turns for ever, acknowledging each send once it is committed."""
    dice = random.Random(seed)
    store = open_store(paths)
    while True:
        now, name = utc_now(), new_id("c")
        text = " ".join(dice.choices(["alpha", "beta", "gamma", "delta"], k=dice.randint(1, 400)))
        kept = Conversation(name, title_of(text), "auto", None, "demo-1", None, False, 0, now, now)
        asked = Message(
            0, new_id("m"), name, None, "user", ({"type": "text", "text": text},), "complete", created=now
        )
        reply = Message(
            0, new_id("m"), name, asked.id, "assistant", (), "streaming", owner="dead", created=now
        )
        with store.write() as tx:
            conversations.add(tx, kept)
            seq = conversations.add_message(tx, asked)
            search.put(tx, seq=seq, message=asked.id, conversation=name, text=text)
            conversations.add_message(tx, reply)
            conversations.touch(tx, name, leaf=reply.id, now=now)
        os.write(acks, f"{asked.id} {len(text)}\n".encode())
        with store.write() as tx:
            journal.append(tx, [(reply.id, [["start", 0, {"type": "text", "text": ""}], ["text", 0, text]])])
        with store.write() as tx:
            conversations.finish(
                tx, reply.id, status="complete", content=[{"type": "text", "text": text}], model="demo-1",
                stop_reason="end_turn", error=None, from_answer_cache=None, now=now,
            )  # fmt: skip
            journal.clear(tx, reply.id)


def kill_one(paths: Paths, dice: random.Random, seed: int) -> list[str]:
    """Let one child write, kill it, and return what it had acknowledged."""
    out, acks = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(out)
        write(paths, acks, seed)
        os._exit(1)
    os.close(acks)
    time.sleep(dice.uniform(0.005, 0.25))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    told = b""
    while piece := os.read(out, 65536):
        told += piece
    os.close(out)
    # A line that the kill cut was not acknowledged.
    return [line for line in told.decode().split("\n")[:-1] if line]


def check(path: Path, acked: dict[str, int]) -> str:
    """Open the file as it lies there and look for every acknowledged message."""
    raw = sqlite3.connect(path)
    try:
        [answer] = raw.execute("PRAGMA integrity_check").fetchone()
        if answer != "ok":
            return str(answer)
        found = {name: len(json.loads(text)[0]["text"]) for name, text in raw.execute(_USERS)}
        lost = [name for name, length in acked.items() if found.get(name) != length]
        broken = raw.execute(_BROKEN).fetchone()[0]
        return "ok" if not lost and not broken else f"lost {lost}, broken {broken}"
    finally:
        raw.close()


_USERS = "SELECT id, content FROM messages WHERE role = 'user'"
_BROKEN = (
    "SELECT count(*) FROM messages m WHERE status = 'streaming' AND content <> '[]'"
    " OR (status = 'complete' AND EXISTS (SELECT 1 FROM reply_journal j WHERE j.message = m.id))"
)


def main() -> None:
    home, kills, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    paths = standard(home)
    open_store(paths).close()
    dice = random.Random(seed)
    acked: dict[str, int] = {}
    for number in range(kills):
        new = dict(line.split(" ") for line in kill_one(paths, dice, seed + number))
        acked |= {name: int(length) for name, length in new.items()}
        print(json.dumps({"acked": len(acked), "checked": check(paths.database, acked)}), flush=True)


if __name__ == "__main__":
    main()
