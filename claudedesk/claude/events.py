"""What a stream tells, as small tuples, and the accumulator that turns them back into raw content blocks.

    ("headers", {…})      the answer has begun
    ("open", {"id", "model", "usage"})     message_start
    ("start", i, block)   a content block begins, as received
    ("text", i, s)  ("thinking", i, s)  ("signature", i, s)  ("json", i, s)  ("citation", i, {…})   its deltas
    ("stop", i)           the block is whole
    ("end", stop_reason, stop_details, usage)    message_delta; its usage is cumulative: the last one holds
    ("done",)             message_stop: the only sign of a complete reply

Those of a block are also the journal's ops.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from claudedesk.types import Block, Usage

Event = tuple[Any, ...]
JOURNALLED = frozenset(("open", "start", "text", "thinking", "signature", "json", "citation", "end"))
_GROWS = {"text": "text", "thinking": "thinking", "signature": "signature", "json": "json"}


class Content:
    """The content blocks of one reply while they arrive. Long texts are joined only when asked for."""

    def __init__(self) -> None:
        self._blocks: list[dict[str, Any]] = []
        self._pieces: list[dict[str, list[str]]] = []
        self.opened: Mapping[str, Any] = {}
        self.usage_raw: dict[str, Any] = {}
        self.stop_reason: str | None = None
        self.stop_details: Mapping[str, Any] | None = None

    def apply(self, event: Sequence[Any]) -> None:
        """Take one event; unknown ones change nothing."""
        kind = event[0]
        if kind in _GROWS:
            if 0 <= event[1] < len(self._pieces):
                self._pieces[event[1]].setdefault(kind, []).append(event[2])
        elif kind == "start":
            self._start(event[1], event[2])
        elif kind == "citation":
            if 0 <= event[1] < len(self._blocks):
                block = self._blocks[event[1]]
                block["citations"] = [*(block.get("citations") or []), event[2]]
        elif kind == "open":
            self.opened = event[1]
            self.usage_raw = dict(event[1].get("usage") or {})
        elif kind == "end":
            self.stop_reason, self.stop_details = event[1], event[2]
            self.usage_raw.update({name: value for name, value in event[3].items() if value is not None})

    def _start(self, index: int, block: Mapping[str, Any]) -> None:
        # Blocks come in order; a gap would be a fault of the stream, filled so that indexes stay true.
        while len(self._blocks) < index:
            self._blocks.append({"type": "text", "text": ""})
            self._pieces.append({})
        self._blocks.append(dict(block))
        self._pieces.append({})

    def blocks(self) -> list[Block]:
        """Return the raw blocks as they are now."""
        return [self._joined(i) for i in range(len(self._blocks))]

    def _joined(self, index: int) -> Block:
        block = dict(self._blocks[index])
        for kind, pieces in self._pieces[index].items():
            grown = "".join(pieces)
            if kind == "json":
                block["input"] = _parsed(grown, block.get("input"))
            else:
                block[kind] = (block.get(kind) or "") + grown
        return block

    def kinds(self) -> list[str]:
        """Return the blocks' types, in order."""
        return [str(block.get("type")) for block in self._blocks]

    def words(self) -> int:
        """Return how many characters of text and thinking have come."""
        return sum(len(piece) for pieces in self._pieces for kind in pieces for piece in pieces[kind])

    @property
    def text(self) -> str:
        """The visible text so far."""
        return "".join(block.get("text", "") for block in self.blocks() if block.get("type") == "text")


def _parsed(text: str, before: Any) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return before


def fold(ops: Iterable[Sequence[Any]]) -> Content:
    """Return the content that a journal's ops add up to; one that cannot be read costs no other."""
    content = Content()
    for op in ops:
        with contextlib.suppress(IndexError, KeyError, TypeError, ValueError, AttributeError):
            content.apply(op)
    return content


def usage_of(raw: Mapping[str, Any]) -> Usage:
    """Read the API's usage; absent numbers are 0. The split by lifetime may be missing: then all is 5 minutes."""
    split = raw.get("cache_creation") or {}
    written = raw.get("cache_creation_input_tokens") or 0
    one_hour = split.get("ephemeral_1h_input_tokens") or 0
    return Usage(
        input=raw.get("input_tokens") or 0,
        output=raw.get("output_tokens") or 0,
        cache_read=raw.get("cache_read_input_tokens") or 0,
        cache_write_5m=max(written - one_hour, split.get("ephemeral_5m_input_tokens") or 0),
        cache_write_1h=one_hour,
        thinking=(raw.get("output_tokens_details") or {}).get("thinking_tokens") or 0,
        web_searches=(raw.get("server_tool_use") or {}).get("web_search_requests") or 0,
    )


def coalesce(events: Iterable[Sequence[Any]]) -> list[list[Any]]:
    """Join neighbouring deltas of one block, so that a tick writes one op for hundreds."""
    joined: list[list[Any]] = []
    for event in events:
        if joined and event[0] in _GROWS and joined[-1][:2] == [event[0], event[1]]:
            joined[-1][2].append(event[2])
        elif event[0] in _GROWS:
            joined.append([event[0], event[1], [event[2]]])
        else:
            joined.append(list(event))
    return [[op[0], op[1], "".join(op[2])] if op[0] in _GROWS else op for op in joined]
