"""One reply while it runs: what has come, what the journal still owes, what is on screen."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from claudedesk.claude.events import JOURNALLED, Content, Event
from claudedesk.render import Live
from claudedesk.render.parts import TEXT_KINDS, footnotes, frame, note
from claudedesk.types import Status

CADENCE_S: Final = 0.05
COST_FACTOR: Final = 5
"""A reply whose rendering is dear is painted less often: at most a sixth of a core goes to one reply."""


@dataclass(frozen=True, slots=True)
class Phase:
    """The words of "Reply status": `started` is monotonic seconds (None: no clock runs)."""

    status: Status
    text: str
    started: float | None = None
    until: float | None = None

    def as_data(self, now: float) -> dict[str, Any]:
        """Return the event's data; seconds are relative, since the page has another clock."""
        since = None if self.started is None else round(now - self.started, 1)
        until = None if self.until is None else round(self.until - now, 1)
        return {"status": self.status, "text": self.text, "since": since, "until": until}


@dataclass(slots=True)
class _Part:
    kind: str
    block: Mapping[str, Any]
    waiting: list[str] = field(default_factory=list)
    view: Live | None = None
    shown: bool = False


class LiveReply:
    """State shared by the run (which adds), the journal (which takes) and the painter (which shows)."""

    def __init__(self, reply: str, conversation: str, phase: Phase) -> None:
        self.id = reply
        self.conversation = conversation
        self.phase = phase
        self.content = Content()
        self.ended = threading.Event()
        self.painted = False
        self.dirty = False
        self.paint_at = 0.0
        self.cost = 0.0
        self.lock = threading.RLock()
        self.said: list[str] = []
        self._ops: list[Event] = []
        self._parts: list[_Part] = []

    def add(self, event: Event) -> None:
        """Take one event of the stream."""
        with self.lock:
            self.content.apply(event)
            if event[0] in JOURNALLED:
                self._ops.append(event)
            if event[0] == "start":
                block = event[2]
                kind = str(block.get("type", "unknown"))
                words = block.get(kind) or "" if kind in TEXT_KINDS else ""
                self._parts.append(_Part(kind, block, waiting=[words] if words else []))
                if kind == "text" and words:
                    self.said.append(words)
                self.dirty = True
            elif event[0] in TEXT_KINDS and 0 <= event[1] < len(self._parts):
                self._parts[event[1]].waiting.append(event[2])
                if event[0] == "text":
                    self.said.append(event[2])
                self.dirty = True

    def take_ops(self) -> list[Event]:
        """Hand over what the journal has not written yet."""
        with self.lock:
            ops, self._ops = self._ops, []
            return ops

    def give_back(self, ops: list[Event]) -> None:
        """Take back what could not be written."""
        with self.lock:
            self._ops = ops + self._ops

    def paint(self) -> list[dict[str, Any]]:
        """Render what is new and return the ops for those who have seen all before."""
        with self.lock:
            self.dirty, self.cost = False, 0.0
            return [op for index, part in enumerate(self._parts) for op in self._paint_part(index, part)]

    def _paint_part(self, index: int, part: _Part) -> list[dict[str, Any]]:
        ops: list[dict[str, Any]] = []
        if not part.shown:
            before, after = frame(index, part.kind)
            inner = "" if part.kind in TEXT_KINDS else note(part.block)
            ops.append({"part": index, "key": None, "parent": None, "html": before + inner + after})
            part.shown = True
        if part.waiting and part.kind in TEXT_KINDS:
            part.view = part.view or Live(footnotes(self.id, index))
            text, part.waiting = "".join(part.waiting), []
            ops += _ops(index, part.view.feed(text))
            self.cost += part.view.cost
        return ops

    def snapshot(self) -> str:
        """Return the whole body as the last `paint` showed it."""
        with self.lock:
            html = []
            for index, part in enumerate(self._parts):
                if part.shown:
                    before, after = frame(index, part.kind)
                    blocks = part.view.snapshot() if part.view else []
                    inner = (
                        "".join(block.html for block in blocks)
                        if part.kind in TEXT_KINDS
                        else note(part.block)
                    )
                    html.append(before + inner + after)
            return "".join(html)

    def finish(self) -> list[dict[str, Any]]:
        """Return the last ops: what is new, and the blocks that the whole rendering makes otherwise."""
        with self.lock:
            ops = self.paint()
            for index, part in enumerate(self._parts):
                if part.view is not None:
                    ops += _ops(index, part.view.finish())
            return ops


def _ops(index: int, patches: Sequence[Any]) -> list[dict[str, Any]]:
    return [{"part": index, "key": p.key, "parent": p.parent, "html": p.html} for p in patches]
