"""A message's content blocks as the parts of one body: the frame around what `render` makes of each text."""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from html import escape
from threading import Lock
from typing import Any, Final

from claudedesk.render import render_blocks, render_plain

VERSION: Final = 1
"""Raise it when the same text would give other HTML: the memory cache is keyed by it."""
KEEP: Final = 400
TEXT_KINDS: Final = ("text", "thinking")


def frame(index: int, kind: str) -> tuple[str, str]:
    """Return the HTML before and after the blocks of a part."""
    if kind == "thinking":
        head = (
            f'<details class="thinking" data-part="{index}" data-kind="thinking"><summary>Thinking</summary>'
        )
        return head + '<div data-items="">', "</div></details>"
    shown = "text" if kind == "text" else "other"
    return f'<div class="part" data-part="{index}" data-kind="{shown}" data-items="">', "</div>"


def note(block: Mapping[str, Any]) -> str:
    """Return what stands for a block that has no text of its own; nothing of the content is silently missing."""
    kind = str(block.get("type", "unknown"))
    if kind == "redacted_thinking":
        words = "Claude kept a part of its thinking to itself."
    else:
        words = f"A block of the kind “{kind}” is kept here; this version cannot show it."
    return f'<p class="note" data-key="0">{escape(words)}</p>'


def footnotes(message: str, index: int) -> str:
    """Return the prefix that keeps the footnotes of a page's replies, and of a reply's parts, apart."""
    return f"{message[-10:]}-{index}-"


def part_html(index: int, block: Mapping[str, Any], message: str = "") -> str:
    """Return one part whole."""
    kind = str(block.get("type", "unknown"))
    before, after = frame(index, kind)
    if kind in TEXT_KINDS:
        inner = "".join(
            piece.html for piece in render_blocks(block.get(kind) or "", footnotes(message, index))
        )
    else:
        inner = note(block)
    return before + inner + after


class Bodies:
    """Whole bodies, remembered by content and renderer version; HTML is never stored on disk."""

    def __init__(self, keep: int = KEEP) -> None:
        self._keep = keep
        self._lock = Lock()
        self._made: OrderedDict[str, str] = OrderedDict()

    def reply(self, content: Sequence[Mapping[str, Any]], message: str) -> str:
        """Return the body of the assistant's message of that id."""
        return self._cached(
            f"a{message}",
            content,
            lambda: "".join(part_html(i, block, message) for i, block in enumerate(content)),
        )

    def prompt(self, content: Sequence[Mapping[str, Any]]) -> str:
        """Return the body of a user's message: their words as they typed them."""
        text = "".join(block.get("text", "") for block in content if block.get("type") == "text")
        return self._cached("u", content, lambda: render_plain(text))

    def _cached(self, kind: str, content: Sequence[Mapping[str, Any]], make: Callable[[], str]) -> str:
        raw = json.dumps(list(content), sort_keys=True).encode()
        key = f"{kind}{VERSION}{hashlib.blake2b(raw, digest_size=16).hexdigest()}"
        with self._lock:
            if key in self._made:
                self._made.move_to_end(key)
                return self._made[key]
        html = make()
        with self._lock:
            self._made[key] = html
            while len(self._made) > self._keep:
                self._made.popitem(last=False)
        return html
