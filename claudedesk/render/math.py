r"""Maths in Markdown: `$…$`, `$$…$$`, `\(…\)` and `\[…\]`, and the HTML around a formula."""

from __future__ import annotations

import re
from bisect import bisect_left
from typing import TYPE_CHECKING, Final

from claudedesk.render.mathml import MAX_TEX, mathml
from claudedesk.render.sanitize import escape

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.rules_block import StateBlock
    from markdown_it.rules_inline import StateInline

MAX_BLOCK_LINES: Final = 60

_CLOSER = {"$": "$", "$$": "$$", "\\(": "\\)", "\\[": "\\]"}
_CLOSERS = {
    "$": re.compile(r"(?<![\s\\$])\$(?![0-9A-Za-z$])"),
    "$$": re.compile(r"(?<!\\)\$\$"),
    "\\(": re.compile(r"(?<!\\)\\\)"),
    "\\[": re.compile(r"(?<!\\)\\\]"),
}
_OPEN_DOLLAR = re.compile(r"(?<![0-9A-Za-z\\$])\$(?![\s$])")


def install(md: MarkdownIt) -> None:
    """Add our rules: inline before `escape` (which would eat the backslash), block before `fence`."""
    md.inline.ruler.before("escape", "math_inline", inline_rule)
    md.block.ruler.before(
        "fence", "math_block", block_rule, {"alt": ["paragraph", "reference", "blockquote", "list"]}
    )


def inline_rule(state: StateInline, silent: bool) -> bool:
    """Match one formula in a line. `$` counts only where it is no money, shell variable or lone sign."""
    src, pos = state.src, state.pos
    if src[pos] == "$":
        mark = "$$" if src.startswith("$$", pos) else "$"
        if mark == "$" and not _OPEN_DOLLAR.match(src, pos):
            return False
    elif src[pos] == "\\" and src[pos + 1 : pos + 2] in ("(", "["):
        mark = src[pos : pos + 2]
    else:
        return False
    start = pos + len(mark)
    end = _closing(state, mark, start)
    tex = src[start:end]
    if end < 0 or end - start > MAX_TEX or not tex.strip() or (mark == "$" and "`" in tex):
        return False
    if not silent:
        token = state.push("math_inline", "math", 0)
        token.content, token.markup = tex, mark
    state.pos = end + len(mark)
    return True


def _closing(state: StateInline, mark: str, start: int) -> int:
    """Return where the formula that starts at `start` ends, or -1.

    All closers of a text are found once and kept with its state, so that many openers stay linear.
    """
    known: dict[str, list[int]] = vars(state).setdefault("math_closers", {})
    if mark not in known:
        known[mark] = [match.start() for match in _CLOSERS[mark].finditer(state.src)]
    index = bisect_left(known[mark], start + (1 if mark == "$" else 0))
    found = known[mark][index] if index < len(known[mark]) else -1
    return found if found + len(mark) <= state.posMax else -1


def block_rule(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    r"""Match `$$…$$` or `\[…\]` that stands on lines of its own.

    While a reply is streaming (`env["live"]`) a formula that is still open at the end of the text counts,
    too, if no empty line is in it: it shows as TeX until its end arrives, like a fence.
    """
    pos = state.bMarks[start] + state.tShift[start]
    mark = state.src[pos : pos + 2]
    if mark not in ("$$", "\\[") or state.is_code_block(start):
        return False
    found = _block_end(state, start, end, mark)
    if found is None:
        return False
    if silent:
        return True
    last, closed = found
    tex = state.getLines(start, last + 1, state.blkIndent, False).strip()[2:]
    token = state.push("math_block", "math", 0)
    token.content = tex[:-2] if closed else tex
    token.markup, token.map, token.info = mark, [start, last + 1], "" if closed else "open"
    state.line = last + 1
    return True


def _block_end(state: StateBlock, start: int, end: int, mark: str) -> tuple[int, bool] | None:
    """Return the last line of a block formula and whether it is closed there, or None when there is none."""
    closer = _CLOSER[mark]
    for line in range(start, min(end, start + MAX_BLOCK_LINES)):
        if line > start and state.sCount[line] < state.blkIndent and not state.isEmpty(line):
            return None
        first = state.bMarks[line] + state.tShift[line] + (2 if line == start else 0)
        text = state.src[first : state.eMarks[line]].rstrip()
        if closer in text:
            whole = text.endswith(closer) and text.count(closer) == 1
            return (line, True) if whole and (line > start or len(text) > 2) else None
    if (
        state.env.get("live")
        and end - start <= MAX_BLOCK_LINES
        and not any(map(state.isEmpty, range(start, end)))
    ):
        return end - 1, False
    return None


def inline_html(tex: str, mark: str) -> str:
    """Return one formula inside a line; `$$` and `\\[` there are drawn large on a line of their own."""
    display = mark in ("$$", "\\[")
    drawn = mathml(tex, display) or tex_html(tex)
    return f'<span class="math" tabindex="0">{drawn}</span>' if display else drawn


def block_html(tex: str, is_open: bool = False) -> str:
    """Return one formula as a block that scrolls inside itself; an open one is not drawn yet."""
    drawn = None if is_open else mathml(tex, True)
    return f'<div class="math" tabindex="0">{drawn or tex_html(tex)}</div>'


def tex_html(tex: str) -> str:
    """Return TeX that cannot be drawn, as code."""
    return f'<code class="tex">{escape(tex.strip())}</code>'
