"""What can be said of a text that still grows: what of it is decided, what is closed, where items begin."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from claudedesk.render import code

if TYPE_CHECKING:
    from markdown_it.token import Token

# A line of which only markers have arrived may still become anything: it waits for its next characters. So
# does the first line of a fence.
_UNDECIDED = re.compile(r"[\s\-+*_=#>|~:`.)\d$\\\[]*(?:\[[ xX]?\]?\s*)?|\s*(?:```|~~~).*")


def visible(tail: str, in_table: bool) -> tuple[int, bool]:
    """Return how much of an unfrozen text is decided, and whether its last line has ended."""
    end = tail.rfind("\n") + 1
    complete = bool(_UNDECIDED.fullmatch(tail, end))
    if not complete:
        end = len(tail)
    end = len(tail[:end].rstrip("\n"))
    # One line in bars may be a table's header: it waits for the next line.
    begin = tail.rfind("\n", 0, end) + 1
    first = tail.endswith("\n\n", 0, begin) or (begin == 0 and not in_table)
    if first and tail.startswith("|", begin, end):
        return len(tail[:begin].rstrip("\n")), True
    return end, complete


def line(token: Token) -> int:
    """Return the number of the line that a block begins in."""
    return token.map[0] if token.map else 0


def offset(source: str, line: int) -> int:
    """Return where line number `line` begins."""
    position = 0
    for _ in range(line):
        position = source.index("\n", position) + 1
    return position


def items(group: list[Token]) -> list[Token]:
    """Return the tokens that open a list's items or the rows of a table's body."""
    if group[0].type == "table_open":
        return [token for token in group if token.type == "tr_open"][1:]
    return [token for token in group if token.type == "list_item_open" and token.level == 1]


def is_loose(group: list[Token]) -> bool:
    """Say whether a list's items hold visible paragraphs (a blank line between items makes them)."""
    if not group[0].type.endswith("list_open"):
        return False
    return any(token.level == 2 and token.type == "paragraph_open" and not token.hidden for token in group)


def is_closed(group: list[Token]) -> bool:
    """Say whether a block whose last line has ended cannot go on."""
    token = group[0]
    if token.type == "fence":
        start, end = token.map or (0, 0)
        return code.is_closed(token.content, end - start)
    return token.type in ("heading_open", "hr") or (token.type == "math_block" and not token.info)
