"""Who is watching: every window's queue of events, and the one painter thread for all running replies.

With no watcher nothing is rendered; a newcomer gets a snapshot, rendered once on demand.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from typing import Any, Final

from claudedesk.replies.live import CADENCE_S, COST_FACTOR, LiveReply, Phase

MAX_STREAMS: Final = 24
"""Fewer than the server has threads, so that a plain page always finds one (PERFORMANCE §2)."""
MAX_QUEUE: Final = 5_000
"""A window that takes nothing for so long is let go; it comes back with a snapshot."""

log = logging.getLogger(__name__)
Told = tuple[str, dict[str, Any]]


class Watcher:
    """One window's stream. `conversation` may not exist yet."""

    def __init__(self, conversation: str | None) -> None:
        self.conversation = conversation
        self.seen: set[str] = set()
        self._told: deque[Told] = deque()
        self._wake = threading.Condition()
        self._closed = False

    def tell(self, event: str, data: dict[str, Any]) -> None:
        """Queue an event."""
        with self._wake:
            if self._closed:
                return
            if len(self._told) >= MAX_QUEUE:
                self._closed = True
            else:
                self._told.append((event, data))
            self._wake.notify()

    def close(self) -> None:
        """End the stream once what is queued has been taken."""
        with self._wake:
            self._closed = True
            self._wake.notify()

    def take(self, timeout: float) -> list[Told] | None:
        """Wait for events: a list (empty after `timeout` seconds), or None at the end."""
        with self._wake:
            if not self._told and not self._closed:
                self._wake.wait(timeout)
            told = list(self._told)
            self._told.clear()
            return told if told or not self._closed else None


class Hub:
    """The running replies and those who watch them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wake = threading.Condition(self._lock)
        self._watchers: list[Watcher] = []
        self._live: dict[str, LiveReply] = {}
        self._painter: threading.Thread | None = None
        self._closed = False

    def live(self, reply: str) -> LiveReply | None:
        """Return the running reply of that id, or None."""
        with self._lock:
            return self._live.get(reply)

    def all_live(self) -> list[LiveReply]:
        """Return all running replies."""
        with self._lock:
            return list(self._live.values())

    def watch(self, conversation: str | None) -> Watcher:
        """Add a watcher, with a snapshot of each running reply it may see; beyond the limit the oldest ends."""
        watcher = Watcher(conversation)
        with self._lock:
            self._watchers.append(watcher)
            ended = [self._watchers.pop(0) for _ in range(len(self._watchers) - MAX_STREAMS)]
            running = [live for live in self._live.values() if live.conversation == conversation]
        for old in ended:
            old.tell("superseded", {})
            old.close()
        for live in running:
            self._introduce(watcher, live)
        return watcher

    def leave(self, watcher: Watcher) -> None:
        """Remove a watcher."""
        with self._lock:
            if watcher in self._watchers:
                self._watchers.remove(watcher)

    def watchers(self, conversation: str) -> list[Watcher]:
        """Return those who watch a conversation."""
        with self._lock:
            return [watcher for watcher in self._watchers if watcher.conversation == conversation]

    def tell(self, event: str, data: dict[str, Any], conversation: str | None = None) -> None:
        """Tell everybody, or only those who watch one conversation."""
        with self._lock:
            told = [w for w in self._watchers if conversation is None or w.conversation == conversation]
        for watcher in told:
            watcher.tell(event, data)

    def begin(self, live: LiveReply) -> None:
        """Take in a reply that is about to run."""
        with self._lock:
            self._live[live.id] = live

    def introduce(self, live: LiveReply) -> None:
        """Show a new reply to those who already watch its conversation."""
        for watcher in self.watchers(live.conversation):
            self._introduce(watcher, live)

    def _introduce(self, watcher: Watcher, live: LiveReply) -> None:
        with live.lock:
            if live.ended.is_set() or live.id in watcher.seen:
                return
            self._paint(live)
            watcher.seen.add(live.id)
            phase = live.phase.as_data(time.monotonic())
            watcher.tell("snapshot", {"reply": live.id, "html": live.snapshot(), "phase": phase})

    def phase(self, live: LiveReply, phase: Phase) -> None:
        """Change the words of "Reply status"."""
        with live.lock:
            live.phase = phase
            self._tell_seen(live, "phase", {"reply": live.id, **phase.as_data(time.monotonic())})

    def grew(self, live: LiveReply) -> None:
        """Note that a reply has more; its first words are painted here and now, the rest at the painter's pace."""
        if not live.dirty:
            return
        if not live.painted:
            live.painted = True
            self._paint(live)
            return
        with self._wake:
            if self._painter is None and not self._closed:
                self._painter = threading.Thread(target=self._paint_all, name="painter", daemon=True)
                self._painter.start()
            self._wake.notify()

    def done(self, live: LiveReply, data: dict[str, Any]) -> None:
        """Show the end of a reply, after it is in the store."""
        try:
            with live.lock:
                ops = live.finish() if self.watchers(live.conversation) else []
                self.drop(live)
                self._tell_seen(live, "done", {"reply": live.id, "ops": ops, **data})
        finally:
            self.drop(live)

    def drop(self, live: LiveReply) -> None:
        """Let a reply go; who waits for it waits no longer."""
        with self._lock:
            self._live.pop(live.id, None)
        live.ended.set()

    def close(self) -> None:
        """End all streams and the painter."""
        with self._wake:
            self._closed = True
            watchers, self._watchers = self._watchers, []
            self._wake.notify()
        for watcher in watchers:
            watcher.close()

    def _tell_seen(self, live: LiveReply, event: str, data: dict[str, Any]) -> None:
        for watcher in self.watchers(live.conversation):
            if live.id in watcher.seen:
                watcher.tell(event, data)

    def _paint(self, live: LiveReply) -> None:
        with live.lock:
            seen = [w for w in self.watchers(live.conversation) if live.id in w.seen]
            ops = live.paint()
            live.paint_at = time.monotonic() + max(CADENCE_S, COST_FACTOR * live.cost)
            for watcher in seen if ops else ():
                watcher.tell("block", {"reply": live.id, "ops": ops})

    def _paint_all(self) -> None:
        while True:
            with self._wake:
                due = self._due()
                if self._closed:
                    return
                if not due:
                    # Idle for long: end, so that an idle app has no thread to wake.
                    if not self._wake.wait(self._pause()) and not self._live:
                        self._painter = None
                        return
                    continue
            for live in due:
                try:
                    self._paint(live)
                except Exception:
                    live.dirty = False
                    log.exception("a running reply could not be painted")

    def _watched(self) -> list[LiveReply]:
        conversations = {watcher.conversation for watcher in self._watchers}
        return [live for live in self._live.values() if live.dirty and live.conversation in conversations]

    def _due(self) -> list[LiveReply]:
        now = time.monotonic()
        return [live for live in self._watched() if live.paint_at <= now]

    def _pause(self) -> float:
        soonest = min((live.paint_at for live in self._watched()), default=None)
        return 5.0 if soonest is None else max(0.001, soonest - time.monotonic())
