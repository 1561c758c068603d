"""Markdown to HTML: a whole text, cut into keyed blocks; and the user's plain text."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from claudedesk.render import links
from claudedesk.render.page import Block, Parts
from claudedesk.render.sanitize import clean, escape, prepare
from claudedesk.render.writer import CodeMemo, Writer

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

log = logging.getLogger(__name__)

MAX_TEXT: Final = 1_000_000
"""A longer text is shown plain. (128k tokens, the longest reply there is, are about half of this.)"""
MAX_LINES: Final = 20_000
MAX_INLINE: Final = 200_000
"""A longer paragraph is shown plain."""

_lock = threading.Lock()
_parser: MarkdownIt | None = None


def render(text: str, id_prefix: str = "") -> str:
    """Return a Markdown text as sanitised HTML. `id_prefix` keeps the footnotes of several replies apart."""
    return "".join(block.html for block in render_blocks(text, id_prefix))


def render_blocks(text: str, id_prefix: str = "", code_memo: CodeMemo | None = None) -> list[Block]:
    """Return the same, cut into top-level blocks with the keys "0", "1", …

    Never raises: what cannot be rendered is shown as plain text.
    """
    text = prepare(text)
    if len(text) > MAX_TEXT or text.count("\n") > MAX_LINES:
        return [Block("0", plain_html(text, "0"))]
    try:
        return [Block(str(n), parts.html) for n, parts in enumerate(_all_parts(text, id_prefix, code_memo))]
    except Exception:
        log.exception("a text of %d characters could not be rendered", len(text))
        return [Block("0", plain_html(text, "0"))]


def _all_parts(text: str, id_prefix: str, code_memo: CodeMemo | None) -> Iterator[Parts]:
    env: dict[str, Any] = {}
    writer = Writer(env, id_prefix, code_memo)
    tokens = parse(text, env)
    for token in tokens:
        if token.type == "inline":
            token.children = parse_inline(token.content, env)
    if "references" in env:
        writer.used = set(_labels(tokens))
    tokens, notes = _take_footnotes(tokens, env)
    number = 0
    for group in top_level(tokens):
        number_items(group)
        parts = cut(writer, group, str(number))
        if parts.head:
            yield parts
            number += 1
    if notes:
        html = writer.finish(writer.footnotes(notes))
        yield Parts(_keyed(html, str(number)), None, "")


def parser() -> MarkdownIt:
    """Return the one parser; the first call imports markdown-it."""
    global _parser
    if _parser is None:
        with _lock:
            if _parser is None:
                from claudedesk.render.rules import build

                _parser = build()
    return _parser


def parse(text: str, env: dict[str, Any]) -> list[Token]:
    """Return the block tokens of a prepared text; inline text is left unparsed."""
    tokens: list[Token] = []
    md = parser()
    md.block.parse(text, md, env, tokens)
    return tokens


def parse_inline(text: str, env: dict[str, Any]) -> list[Token]:
    """Return the inline tokens of one line or paragraph; a single token of plain text when it is too much."""
    brackets = text.count("[")
    # Each `[` is a search for a link's end, within limits: text that is mostly brackets is shown plain.
    if len(text) > MAX_INLINE or brackets > max(100, len(text) // 6):
        from markdown_it.token import Token

        return [Token("text_special", "", 0, content=text)]
    from claudedesk.render.rules import inline_tokens

    return inline_tokens(parser(), text, env)


def top_level(tokens: Sequence[Token]) -> Iterator[list[Token]]:
    """Yield the tokens of each top-level block."""
    group: list[Token] = []
    depth = 0
    for token in tokens:
        group.append(token)
        depth += token.nesting
        if depth == 0:
            yield group
            group = []


def number_items(group: Sequence[Token], start: int | None = None, before: int = 0) -> list[int]:
    """Give `value` to the list items whose own number is not the next (Markdown would count on: 1. 3. → 1.
    2.).

    A list that repeats its first number is counted on. `start` and `before` (the number shown last) continue
    a list whose first items are not in the group. Returns the numbers of the outermost list's items.
    """
    shown: list[int] = []
    stack: list[list[int]] = []
    for token in group:
        if token.type.endswith("list_open"):
            stack.append([start, before] if start is not None and not stack else [])
        elif token.type.endswith("list_close"):
            stack.pop()
        elif token.type == "list_item_open" and token.info:
            number, list_state = int(token.info), stack[-1]
            if not list_state:
                list_state[:] = [number, number]
            elif number in (list_state[0], list_state[1] + 1):
                list_state[1] += 1
            else:
                token.attrs["value"] = list_state[1] = number
            if len(stack) == 1:
                shown.append(list_state[1])
    return shown


def _labels(tokens: Sequence[Token]) -> Iterator[str]:
    """Yield the labels of the definitions that links and images use."""
    for token in tokens:
        if token.children:
            yield from _labels(token.children)
        if token.type in ("link_open", "image") and token.meta.get("label"):
            yield token.meta["label"]


def _take_footnotes(tokens: list[Token], env: dict[str, Any]) -> tuple[list[Token], dict[str, list[Token]]]:
    """Take the bodies of the footnotes that are referred to out of the tokens; the others stay in place."""
    notes = env.get("footnotes", {}).get("list")
    if not notes:
        return tokens, {}
    wanted = {note["label"] for note in notes.values()}
    kept: list[Token] = []
    bodies: dict[str, list[Token]] = {}
    body: list[Token] | None = None
    depth = 0
    for token in tokens:
        if body is not None:
            depth += token.nesting
            if depth:
                body.append(token)
            else:
                body = None
        elif token.type == "footnote_reference_open" and token.meta["label"] in wanted - bodies.keys():
            body, depth = [], 1
            bodies[token.meta["label"]] = body
        else:
            kept.append(token)
    return kept, bodies


def cut(writer: Writer, group: Sequence[Token], key: str, first: int = 0) -> Parts:
    """Return one top-level block as clean, keyed HTML, its items counted from `first`; or nothing."""
    kind = group[0].type
    if kind in ("bullet_list_open", "ordered_list_open"):
        opened = writer.blocks(group[:1])
        items = [
            _keyed(writer.finish(writer.blocks(item)), f"{key}.{first + n}")
            for n, item in enumerate(top_level(group[1:-1]))
        ]
        return Parts(f'{opened[:-1]} data-key="{key}" data-items="{key}">', items, writer.blocks(group[-1:]))
    html = writer.finish(writer.blocks(group))
    if kind == "table_open":
        head, rows = html.split("<tbody>")
        rows, close, foot = rows.partition("</tbody>")
        # No cell can hold a table: each `<tr>` is one of ours.
        cut_rows = rows.split("<tr>")[1:]
        items = [f'<tr data-key="{key}.{first + n}">{row}' for n, row in enumerate(cut_rows)]
        return Parts(f'{_keyed(head, key)}<tbody data-items="{key}">', items, close + foot)
    return Parts(_keyed(html, key) if html else "", None, "")


_START_TAG = re.compile(r"<[a-z0-9]+")


def _keyed(html: str, key: str) -> str:
    """Put `data-key` on the outer element. After the sanitiser, which knows no such attribute."""
    match = _START_TAG.match(html)
    if not match:
        return plain_html(html, key)
    return f'{match[0]} data-key="{key}"{html[match.end() :]}'


def plain_html(text: str, key: str) -> str:
    """Return `text` as one block that shows it as it is."""
    return f'<p data-key="{key}" class="plain">{escape(text)}</p>'


def render_plain(text: str) -> str:
    """Return a user's text: escaped, with its paragraphs and line breaks, and bare URLs as links."""
    paragraphs = re.split(r"\n[ \t]*\n\s*", prepare(text).strip("\n"))
    lines = (map(links.autolink, paragraph.split("\n")) for paragraph in paragraphs if paragraph.strip())
    return clean("".join(f"<p>{'<br>'.join(line)}</p>" for line in lines))
