"""Our Markdown dialect: markdown-it's GFM without HTML, and rules so that no word of a reply gets lost.

Imported lazily, by `markdown.parser()`: this is the module that loads markdown-it.
"""

from __future__ import annotations

import re
from typing import Any, Final

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock
from markdown_it.rules_block import reference as _reference
from markdown_it.rules_block import table as _table
from markdown_it.rules_block.table import escapedSplit
from markdown_it.rules_inline import StateInline
from markdown_it.rules_inline.state_inline import Scanned
from markdown_it.token import Token
from mdit_py_plugins.footnote.index import footnote_def, footnote_ref

from claudedesk.render import math
from claudedesk.render.links import url_at

MAX_NESTING: Final = 18
"""Lists (two levels each) and quotes deeper than this are shown as text; markdown-it, whose own limit is just
above it, would drop them."""
MAX_CELLS: Final = 20_000

_BARE = re.compile(r"<(/?)(sub|sup|kbd|mark)>|<br ?/?>", re.IGNORECASE)
_SCHEME = re.compile(r"(?<![A-Za-z0-9+.-])https?$", re.IGNORECASE)


def build() -> MarkdownIt:
    """Return the parser. It keeps no state between calls, so one serves all threads."""
    md = MarkdownIt(
        "gfm-like",
        {
            "html": False,
            "linkify": False,
            "tasklists": True,
            "store_labels": True,
            "inline_definitions": True,
            "maxNesting": MAX_NESTING + 2,
        },
    )
    md.disable(["linkify", "html_block", "html_inline"])
    md.linkify = None
    # URLs are judged where they are written (markdown.py), so that a refused one can be shown.
    md.validateLink = lambda url: True  # type: ignore[method-assign]
    md.normalizeLink = lambda url: url  # type: ignore[method-assign]
    md.normalizeLinkText = lambda link: link  # type: ignore[method-assign]

    md.block.ruler.at("table", table_rule, {"alt": ["paragraph", "reference"]})
    md.block.ruler.at("reference", reference_rule)
    md.block.ruler.before("reference", "footnote_def", footnote_def, {"alt": ["paragraph", "reference"]})
    md.block.ruler.before("table", "deep", deep_rule)
    math.install(md)
    md.inline.ruler.after("image", "footnote_ref", footnote_ref_rule)
    md.inline.ruler.before("autolink", "bare_tag", bare_tag_rule)
    md.inline.ruler.before("newline", "bare_url", bare_url_rule)
    md.inline.ruler2.push("bare_tag_pairs", pair_bare_tags)
    md.parse("a\n\n- b\n\n|c|\n|-|\n", {})  # compiles the rule chains, once, under the caller's lock
    return md


def deep_rule(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """Take what is nested too deep as plain lines."""
    if state.level < MAX_NESTING:
        return False
    if not silent:
        last = start + 1
        while last < end and (state.isEmpty(last) or state.sCount[last] >= state.blkIndent):
            last += 1
        _push_plain(state, state.getLines(start, last, state.blkIndent, False), start, last)
        state.line = last
    return True


def _push_plain(state: StateBlock, text: str, start: int, end: int) -> None:
    token = state.push("plain", "p", 0)
    token.content, token.map = text.strip("\n"), [start, end]


def table_rule(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """Match a table as markdown-it does, but keep cells beyond the header's columns (GFM drops them)."""
    if not _table(state, start, end, True):
        return False
    if silent:
        return True
    columns = state.src.count("|", state.bMarks[start + 1], state.eMarks[start + 1]) + 1
    last = start + 2
    while last < end and not state.isEmpty(last) and state.sCount[last] >= state.blkIndent:
        last += 1
    if columns * (last - start) > MAX_CELLS:
        _push_plain(state, state.getLines(start, last, state.blkIndent, False), start, last)
        state.line = last
        return True
    first = len(state.tokens)
    _table(state, start, end, False)
    columns = sum(token.type == "th_open" for token in state.tokens[first:])
    last_cell: Token | None = None
    line = 0
    for token in state.tokens[first:]:
        if token.type == "tr_open" and token.map:
            line = token.map[0]
        elif token.type == "inline":
            last_cell = token
        elif token.type == "tr_close" and last_cell is not None and line > start:
            _keep_extra_cells(state, line, columns, last_cell)
    return True


def _keep_extra_cells(state: StateBlock, line: int, columns: int, last_cell: Token) -> None:
    text = state.src[state.bMarks[line] + state.tShift[line] : state.eMarks[line]]
    if text.count("|") >= columns:
        last_cell.content = _cells(text, columns)[-1]


def _cells(row: str, columns: int) -> list[str]:
    """Return the cells of a row; the last one holds what is more than the header has."""
    cells = [cell.strip() for cell in escapedSplit(row.strip())]
    if cells and not cells[0]:
        cells.pop(0)
    extra = [cell for cell in cells[columns:] if cell]
    cells = (cells + [""] * columns)[:columns]
    cells[-1] = " | ".join([cells[-1], *extra])
    return cells


def row_tokens(table: list[Token], row: str) -> list[Token]:
    """Return a table's tokens with `row` as its only row and an empty header.

    For the row that is being written: parsing it with the table's header each time would cost three times as
    much.
    """
    headers = [token for token in table if token.type == "th_open"]
    end = next(n for n, token in enumerate(table) if token.type == "tr_open") + 1
    tokens = [
        *table[:end],
        Token("tr_close", "tr", -1),
        Token("thead_close", "thead", -1),
        Token("tr_open", "tr", 1),
    ]
    for header, text in zip(headers, _cells(row, len(headers)), strict=True):
        tokens += [
            Token("td_open", "td", 1, attrs=header.attrs),
            Token("inline", "", 0, content=text),
            Token("td_close", "td", -1),
        ]
    return [*tokens, Token("tr_close", "tr", -1), table[-1]]


def reference_rule(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """Match a link definition and keep its lines: one that nothing uses is shown (`[Speaker 1]: Hello`)."""
    if not _reference(state, start, end, silent):
        return False
    if not silent:
        token = state.tokens[-1]  # the `definition` token that the option inline_definitions makes
        token.content = state.getLines(start, state.line, state.blkIndent, False)
        first = state.env["references"][token.meta["id"]]["map"] == token.map
        token.info = "" if first else "again"
    return True


# Chinese, Japanese and Korean letters and punctuation.
_CJK = re.compile(
    r"[\u1100-\u11ff\u2e80-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\ufe30-\ufe4f\uff00-\uffef]"
)


class _State(StateInline):
    """Lets `**` begin and end beside CJK letters, which stand without spaces (commonmark-spec #650)."""

    def scanDelims(self, start: int, canSplitWord: bool) -> Scanned:
        scanned = super().scanDelims(start, canSplitWord)
        before, after = (
            self.src[start - 1 : start],
            self.src[start + scanned.length : start + scanned.length + 1],
        )
        if (
            not canSplitWord
            or scanned.can_open == scanned.can_close
            or not before.strip()
            or not after.strip()
        ):
            return scanned
        return Scanned(True, True, scanned.length) if _CJK.match(before) or _CJK.match(after) else scanned


def inline_tokens(md: MarkdownIt, text: str, env: dict[str, Any]) -> list[Token]:
    """Return the inline tokens of `text`: `md.inline.parse` with our state."""
    state = _State(text, md, env, [])
    md.inline.tokenize(state)
    for rule in md.inline.ruler2.getRules(""):
        rule(state)
    return state.tokens


def footnote_ref_rule(state: StateInline, silent: bool) -> bool:
    """Match `[^1]`, but not while streaming, when the footnotes' section has no place yet."""
    return not state.env.get("live") and footnote_ref(state, silent)


def bare_tag_rule(state: StateInline, silent: bool) -> bool:
    """Let through `<sub> <sup> <kbd> <mark> <br>` without attributes; all other tags stay text."""
    match = _BARE.match(state.src, state.pos, state.posMax) if state.src[state.pos] == "<" else None
    if not match:
        return False
    if not silent:
        if match[2] is None:
            state.push("hardbreak", "br", 0)
        else:
            token = state.push("bare_tag", match[2].lower(), 0)
            token.content, token.markup = match[0], match[1]
    state.pos = match.end()
    return True


def pair_bare_tags(state: StateInline) -> None:
    """Turn bare tags without a partner, or crossing other markup, back into text."""
    if "<" not in state.src:
        return
    open_tokens: list[Token] = []
    for token in state.tokens:
        if token.type == "bare_tag" and token.markup:
            partner = open_tokens[-1] if open_tokens else None
            if partner is not None and partner.type == "bare_tag" and partner.tag == token.tag:
                open_tokens.pop()
            else:
                token.type = "text"
        elif token.type == "bare_tag" or token.nesting > 0:
            open_tokens.append(token)
        elif token.nesting < 0:
            while open_tokens and open_tokens[-1].type == "bare_tag":
                open_tokens.pop().type = "text"
            if open_tokens:
                open_tokens.pop()
    for token in open_tokens:
        if token.type == "bare_tag":
            token.type = "text"


def bare_url_rule(state: StateInline, silent: bool) -> bool:
    """Link `https://…` in running text: here, not afterwards, so that `_` and `*` in URLs stay."""
    if state.src[state.pos] != ":" or state.linkLevel > 0 or not state.src.startswith("://", state.pos):
        return False
    scheme = _SCHEME.search(state.src, max(0, state.pos - 6), state.pos)
    if not scheme or not state.pending.endswith(scheme[0]):
        return False
    url = url_at(state.src, scheme.start(), state.posMax)
    if not url:
        return False
    if not silent:
        state.pending = state.pending[: -len(scheme[0])]
        token = state.push("link_open", "a", 1)
        token.attrs, token.markup = {"href": url}, "bare"
        state.push("text", "", 0).content = url
        state.push("link_close", "a", -1).markup = "bare"
    state.pos = scheme.start() + len(url)
    return True
