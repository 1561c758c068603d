"""The open end of a growing block: a line of text or a code block that takes characters without parsing."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from claudedesk.render.markdown import parse_inline
from claudedesk.render.page import Patch
from claudedesk.render.sanitize import escape
from claudedesk.render.writer import LEAF, Writer

if TYPE_CHECKING:
    from markdown_it.token import Token

MIN_PIECE: Final = 200
MAX_PIECE: Final = 1_000
"""Characters of a line that are parsed again with each change; a finished piece before them is left alone."""
MAX_WHOLE: Final = 2_000
"""Characters of HTML up to which a change sends the whole block; after that it sends single pieces."""

# What may change the meaning of the text around it. Everything else is only appended.
_SPECIAL = re.compile(r"[*_`\[\]<>~$\\&^/@|\n]")
_CLOSES_LINK = re.compile(r"[)\"']")
_UNMATCHED = re.compile(r"[*_`\[<$\\~]")


class Leaf:
    """What both kinds share: the element that holds the leaf, and finished pieces before the open one."""

    many_lines = False

    def __init__(self, key: str, html: str) -> None:
        self.key = key
        self._parent = key.rpartition(".")[0] or None
        self._head, self._foot = html.split(LEAF)
        self._done: list[str] = []
        self._open = ""
        self._size = 0
        self._sent = -1  # pieces that are on the page as elements of their own; -1: not in pieces yet

    def html(self) -> str:
        """Return the whole element as it is on the page."""
        if self._sent < 0:
            return f"{self._head}{''.join(self._done)}{self._open}".rstrip(" \t") + self._foot
        pieces = (self._piece(n, html) for n, html in enumerate([*self._done, self._open]))
        return f'{self._head}<span data-items="{self.key}">{"".join(pieces)}</span>{self._foot}'

    def patches(self) -> list[Patch]:
        """Return what brings the page up to date."""
        if self._sent < 0:
            if self._size > MAX_WHOLE:
                self._sent = len(self._done)
            return [Patch(self.key, self.html(), self._parent)]
        changed = [*self._done[self._sent :], self._open]
        first, self._sent = self._sent, len(self._done)
        return [
            Patch(f"{self.key}.{first + n}", self._piece(first + n, html), self.key)
            for n, html in enumerate(changed)
        ]

    def grow(self, added: str) -> bool:
        """Take text (one line unless `many_lines`). False, and nothing done: it has to be parsed."""
        raise NotImplementedError

    def _keep(self, html: str) -> None:
        self._done.append(html)
        self._size += len(html)

    def _piece(self, number: int, html: str) -> str:
        return f'<span data-key="{self.key}.{number}">{html}</span>'


class Line(Leaf):
    """Inline text at the end of a paragraph, item, heading or cell."""

    def __init__(self, key: str, html: str, text: str, stops: str) -> None:
        """Begin with `text`; a character of `stops` (`|` in a table) needs the block parser."""
        super().__init__(key, html)
        self._stops = stops
        self._text = text
        self._parse()

    def grow(self, added: str) -> bool:
        if any(stop in added for stop in self._stops):
            return False
        word = self._text.rpartition(" ")[2]
        self._text += added
        if (
            len(self._text) > MAX_PIECE
            or _SPECIAL.search(added)
            or _SPECIAL.search(word)
            or word[:3] == "www"
            or ("[" in self._text and _CLOSES_LINK.search(added))
        ):
            self._parse()
        else:
            self._open += escape(added)
        return True

    def _parse(self) -> None:
        tokens = parse_inline(self._text, {"live": True})
        end = self._end_of_piece(tokens)
        if end:
            self._keep(_inline(parse_inline(self._text[:end], {"live": True})))
            self._text = self._text[end:]
            tokens = parse_inline(self._text, {"live": True})
        self._open = _inline(tokens)

    def _end_of_piece(self, tokens: list[Token]) -> int:
        """Return where a finished piece of the text ends, or 0.

        Cutting before the last word is safe when no delimiter is left over that a later one could pair with.
        A long text is cut anyway; what that gets wrong lasts until the block is closed and rendered whole.
        """
        text = self._text
        if len(text) <= MIN_PIECE:
            return 0
        last = tokens[-1]
        if last.type == "text" and not any(t.type == "text" and _UNMATCHED.search(t.content) for t in tokens):
            space = last.content.rfind(" ")
            if space >= 0:
                return len(text) - (len(last.content) - space - 1)
        return (text.rfind(" ", MIN_PIECE, -MIN_PIECE) + 1 or len(text)) if len(text) > MAX_PIECE else 0


def _inline(tokens: list[Token]) -> str:
    writer = Writer({"live": True})
    return writer.finish(writer.children(tokens))


class Code(Leaf):
    """The lines of a fence that is still open; highlighting waits for its end."""

    many_lines = True

    def __init__(self, key: str, html: str, content: str, opener: str) -> None:
        """Begin with the content so far (its last line incomplete); `opener` is the fence's first line."""
        super().__init__(key, html)
        marks = opener.lstrip(" ")
        self._indent = len(opener) - len(marks)
        run = len(marks) - len(marks.lstrip(marks[0]))
        self._closing = re.compile(rf" {{0,{self._indent + 3}}}{re.escape(marks[0])}{{{run},}}[ \t]*")
        self._may_close = re.compile(rf" *{re.escape(marks[0])}*[ \t]*")
        self._lines = ""
        self._rest = ""
        self._in_line = False
        whole, newline, rest = content.rpartition("\n")
        self._add_lines(escape(whole + newline))
        self._rest = " " * self._indent + rest if rest else ""
        self._show()

    def grow(self, added: str) -> bool:
        *whole, rest = (self._rest + added).split("\n")
        for n, line in enumerate([*whole, rest]):
            if not (self._in_line and n == 0) and self._ends(line, n < len(whole)):
                return False
        for line in whole:
            self._add_lines(escape(self._inner(line)) + "\n")
            self._in_line = False
        self._rest = rest
        self._show()
        return True

    def _ends(self, line: str, complete: bool) -> bool:
        """Say whether a line closes the fence, or may end the list item around it."""
        margin = line[: self._indent]
        outside = "\t" in margin or (line.strip() and margin.strip())
        return bool(outside) or (complete and bool(self._closing.fullmatch(line)))

    def _inner(self, line: str) -> str:
        return line if self._in_line else line[self._indent :]

    def _add_lines(self, html: str) -> None:
        self._lines += html
        while len(self._lines) > MAX_PIECE:
            end = self._lines.rfind("\n", 0, MAX_PIECE) + 1 or self._lines.find("\n") + 1
            self._keep(self._lines[:end])
            self._lines = self._lines[end:]

    def _show(self) -> None:
        if len(self._rest) > MAX_PIECE:  # one endless line
            self._keep(self._lines + escape(self._inner(self._rest)))
            self._lines, self._rest, self._in_line = "", "", True
        held = not self._in_line and self._may_close.fullmatch(self._rest)
        self._open = self._lines + ("" if held else escape(self._inner(self._rest)))


def open_leaf(token: Token, group: list[Token], key: str, html: str, source: str, held: str) -> Leaf | None:
    """Return the leaf for `token`, or None when it cannot grow after all.

    `html` is its element, with the leaf's mark, which stands on the page under `key`. `source` is what was
    parsed, `held` the text after it that is not shown yet.
    """
    if token.type == "inline":
        stops = {"table_open": "|", "heading_open": "#"}.get(group[0].type, "")
        return Line(key, html, token.content + source[len(source.rstrip(" \t")) :], stops)
    start, end = token.map or (0, 0)
    leaf = Code(key, html, token.content, source.split("\n", start + 1)[start])
    if end - start == 1:  # only the fence's own first line was parsed
        held = held[1:]
    return leaf if leaf.grow(held) else None


def find_leaf(group: list[Token], source: str, complete: bool) -> Token | None:
    """Return the token at the open end of a block when it can grow without parsing.

    `source` is the text that the tokens came from, `complete` says whether its last line has ended.
    """
    for token in reversed(group):
        if token.type == "fence":
            return token if _is_open_fence(token, source) else None
        if token.type == "inline" and token.content:
            last = token.content.rpartition("\n")[2]
            fits = source.rstrip(" \t").endswith(last) and not token.content.startswith(("$$", "\\["))
            return token if fits and not complete else None
        if token.type not in ("inline", "td_open", "th_open") and token.nesting >= 0:
            return None
    return None


_OPENER = re.compile(r" *(?:```|~~~)")


def _is_open_fence(token: Token, source: str) -> bool:
    start, end = token.map or (0, 0)
    inner = token.content.count("\n") + (0 if not token.content or token.content.endswith("\n") else 1)
    return end - start == inner + 1 and bool(_OPENER.match(source.split("\n", start + 1)[start]))
