"""Rendering a text while it grows: finished blocks and items freeze, only the open end is rendered again."""

from __future__ import annotations

import logging
import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from claudedesk.render.growth import is_closed, is_loose, items, line, offset, visible
from claudedesk.render.leaf import Leaf, find_leaf, open_leaf
from claudedesk.render.markdown import (
    cut,
    number_items,
    parse,
    parse_inline,
    plain_html,
    render_blocks,
    top_level,
)
from claudedesk.render.page import Block, Page, Parts, Patch
from claudedesk.render.sanitize import prepare
from claudedesk.render.writer import LEAF, CodeMemo, Writer

if TYPE_CHECKING:
    from markdown_it.token import Token

__all__ = ["Block", "Live", "Patch"]
log = logging.getLogger(__name__)

MAX_OPEN: Final = 4_000
GROWTH: Final = 0.1
"""An open end longer than MAX_OPEN is parsed again only when it has grown by this share; until then its new
text is shown plain. So all parsing together stays within 1 / GROWTH times the last."""
MAX_REST: Final = 2_000
MAX_MEMO: Final = 200

# Windows counts a thread's CPU time in steps of 16 ms: there the wall clock is the better measure.
_clock = time.thread_time if time.get_clock_info("thread_time").resolution < 1e-4 else time.perf_counter

_NEW_BLOCK = re.compile(r"\n\n\S")


@dataclass(slots=True)
class _Open:
    """The block that the tail begins in: how many items are frozen, and what it takes to go on with it."""

    index: int
    frozen: int = 0
    sources: list[str] = field(default_factory=list)
    """The source of the frozen items, for the case that they turn out to be spaced differently."""
    header: str = ""
    table: list[Token] = field(default_factory=list)
    """The two lines, and the tokens, that a table's further rows need to be parsed."""
    loose: bool = False
    start: int | None = None
    number: int = 0
    """A list's first number, and the number of its last frozen item."""


class Live:
    """Renders one Markdown text that only grows.

    `feed` returns patches for what changed; they bring a page that shows `snapshot()` up to date. Not
    thread-safe.
    """

    def __init__(self, id_prefix: str = "") -> None:
        """`id_prefix` keeps the footnotes of several replies on a page apart."""
        self.cost = 0.0
        """Seconds of CPU that the last `feed` or `finish` took, for callers that pace their feeding by it."""
        self._id_prefix = id_prefix
        self._texts: list[str] = []
        self._held_return = ""
        self._page = Page()
        self._open = _Open(0)
        self._tail = ""  # the source that is not frozen
        # Three places in the tail: what was visible when it was last looked at, what was last parsed, and
        # where the text begins that the blocks on the page do not show yet.
        self._seen = self._parsed = self._rest = self._rest_shown = 0
        self._next = 0  # the block after the open end
        self._leaf: Leaf | None = None
        # What the leaf took; it joins the tail at once, since both may be large.
        self._grown: list[str] = []
        self._inline_memo: dict[str, str] = {}
        self._code_memo: CodeMemo = {}
        self._finished = False

    @property
    def text(self) -> str:
        """All text fed so far."""
        if len(self._texts) > 1:
            self._texts = ["".join(self._texts)]
        return self._texts[0] if self._texts else ""

    def feed(self, text: str) -> list[Patch]:
        """Append `text` and return patches for what changed. Raises RuntimeError after `finish`."""
        if self._finished:
            raise RuntimeError("this text is finished")
        start = _clock()
        self._texts.append(text)
        text = self._held_return + text
        self._held_return = "\r" if text.endswith("\r") else ""  # half of a line end, perhaps
        patches = self._advance(prepare(text.removesuffix("\r")))
        self.cost = _clock() - start
        return patches

    def snapshot(self) -> list[Block]:
        """Return all blocks as they are on the page now."""
        if self._leaf is not None:
            self._page.keep(self._leaf.key, self._leaf.html())
        return self._page.blocks()

    def finish(self) -> list[Patch]:
        """Render the whole text and return patches for the blocks that differ from the page's."""
        if self._finished:
            return []
        start = _clock()
        self._drop_leaf()
        patches = self._page.become(render_blocks(self.text, self._id_prefix, self._code_memo))
        self._finished, self._tail, self._open = True, "", _Open(0)
        self._inline_memo, self._code_memo = {}, {}
        self.cost = _clock() - start
        return patches

    def _advance(self, added: str) -> list[Patch]:
        patches: list[Patch] = []
        if self._leaf is None:
            self._tail += added
        else:
            taken, newline, _ = (added, "", "") if self._leaf.many_lines else added.partition("\n")
            grown = self._leaf.grow(taken)
            self._grown.append(added)
            if grown:
                patches = self._leaf.patches() if taken else []
                if not newline:
                    return patches
            self._drop_leaf()
            self._rest = len(self._tail) - len(added) + (len(taken) if grown else 0)
            self._rest_shown = self._rest
            self._seen = self._rest if grown else -1
        try:
            return patches + self._rebuild()
        except Exception:
            log.exception("the open end of a reply (%d characters) could not be rendered", len(self._tail))
            self._thaw()
            index = self._open.index
            patches += self._page.show(index, Parts(plain_html(self._tail, str(index)), None, ""))
            return patches + self._page.drop(index + 1)

    def _drop_leaf(self) -> None:
        if self._leaf is not None:
            self._page.keep(self._leaf.key, self._leaf.html())
            self._leaf = None
            self._tail += "".join(self._grown)
            self._grown = []

    def _rebuild(self) -> list[Patch]:
        """Parse the tail, show what changed, freeze what is finished."""
        end, complete = visible(self._tail, bool(self._open.header))
        if end == self._seen:
            return []
        self._seen = end
        if self._too_early(end):
            return self._show_rest(end)
        self._parsed = self._rest = self._rest_shown = end
        source = self._open.header + self._tail[:end]
        groups = self._parse(source, end)
        if not groups:
            return []
        if self._open.frozen and not self._goes_on(groups[0]):
            self._thaw()
            return self._rebuild()
        first, frozen, index = self._open, self._open.frozen, self._open.index
        numbers = [
            number_items(group, first.start if n == 0 else None, first.number)
            for n, group in enumerate(groups)
        ]
        parts, leaf = self._write(groups, source, complete)
        patches: list[Patch] = []
        for n, part in enumerate(parts):
            patches += self._page.show(index + n, part, 0 if n else frozen)
        self._next = index + len(parts)
        patches += self._page.drop(self._next)
        self._leaf = leaf
        self._freeze(groups, source, complete, numbers[-1])
        return patches

    def _parse(self, source: str, end: int) -> list[list[Token]]:
        if self._open.table and self._tail.startswith("|") and self._tail.find("\n", 0, end) < 0:
            from claudedesk.render.rules import row_tokens

            return [row_tokens(self._open.table, self._tail[:end])]
        return list(top_level(parse(source, {"live": True})))

    def _too_early(self, end: int) -> bool:
        if end <= MAX_OPEN or end - self._parsed >= GROWTH * end:
            return False
        return not _NEW_BLOCK.search(self._tail, max(0, self._rest - 2), end)

    def _show_rest(self, end: int) -> list[Patch]:
        """Show plain what came after the last parsing; a long rest is not sent again for a few characters."""
        size = end - self._rest
        if size > MAX_REST and size < (1 + GROWTH) * (self._rest_shown - self._rest):
            return []
        self._rest_shown = end
        html = plain_html(self._tail[self._rest : end].strip("\n"), str(self._next))
        return self._page.show(self._next, Parts(html, None, ""))

    def _goes_on(self, group: list[Token]) -> bool:
        """Say whether the tail's first block continues the frozen items; fit a list's spacing to theirs."""
        if self._open.header:
            return group[0].type == "table_open"
        if not group[0].type.endswith("list_open"):
            return False
        paragraphs = [token for token in group if token.level == 2 and token.type.startswith("paragraph")]
        if is_loose(group):
            return self._open.loose
        for token in paragraphs if self._open.loose else ():
            token.hidden = False
        return True

    def _thaw(self) -> None:
        """Take the frozen items of the open block back into the tail."""
        self._tail = "".join(self._open.sources) + self._tail
        self._open = _Open(self._open.index)
        self._seen = self._parsed = self._rest = self._rest_shown = -1

    def _write(self, groups: list[list[Token]], source: str, done: bool) -> tuple[list[Parts], Leaf | None]:
        """Write the tail's blocks. The leaf at the end of the last one is left open where it can be."""
        writer = Writer({"live": True}, self._id_prefix, self._code_memo)
        if len(self._inline_memo) > MAX_MEMO:
            self._inline_memo.clear()
        writer.inline_memo, writer.parse_inline = self._inline_memo, parse_inline
        writer.leaf = find_leaf(groups[-1], source, done)
        index, frozen = self._open.index, self._open.frozen
        parts = [cut(writer, group, str(index + n), 0 if n else frozen) for n, group in enumerate(groups)]
        if writer.leaf is None:
            return parts, None
        last, number, first = parts[-1], index + len(groups) - 1, frozen if len(groups) == 1 else 0
        key = f"{number}.{first + len(last.items) - 1}" if last.items else str(number)
        html = last.items[-1] if last.items else last.head
        leaf = None
        if LEAF in html:
            leaf = open_leaf(writer.leaf, groups[-1], key, html, source, self._tail[self._parsed :])
        if leaf is None:
            writer.leaf = None
            parts[-1] = cut(writer, groups[-1], str(number), first)
        elif last.items:
            last.items[-1] = leaf.html()
        else:
            parts[-1] = Parts(leaf.html(), None, "")
        return parts, leaf

    def _freeze(self, groups: list[list[Token]], source: str, complete: bool, numbers: list[int]) -> None:
        """Cut the tail before the last block, or before its last item, or after it when it is closed."""
        last, opened, header = groups[-1], self._open, len(self._open.header)
        if complete and is_closed(last):
            self._cut_tail(len(source) - header, _Open(opened.index + len(groups)))
            return
        begin = header
        if len(groups) > 1:
            begin = offset(source, line(last[0]))
            opened = _Open(opened.index + len(groups) - 1)
        opens = items(last)
        if len(opens) > 1:
            end = offset(source, line(opens[-1]))
            opened.frozen += len(opens) - 1
            opened.sources.append(source[begin:end])
            opened.loose = opened.loose or is_loose(last)
            if last[0].type == "table_open" and not opened.header:
                opened.header = source[begin : offset(source, line(last[0]) + 2)]
                opened.table = last
            if numbers:
                opened.start = int(opens[0].info) if opened.start is None else opened.start
                opened.number = numbers[-2]
            begin = end
        self._cut_tail(begin - header, opened)

    def _cut_tail(self, size: int, opened: _Open) -> None:
        self._tail = self._tail[size:]
        self._seen, self._parsed = self._seen - size, self._parsed - size
        self._rest, self._rest_shown = self._rest - size, self._rest_shown - size
        self._open = opened
