"""A conversation's title from its first words, made here and for nothing."""

from __future__ import annotations

import re
from typing import Final

LONGEST: Final = 60
_MARKS: Final = re.compile(r"^[\s#>*\-`|~]+|[`*]+")
UNTITLED: Final = "New conversation"


def title_of(text: str) -> str:
    """Return the first line that has words, without Markdown signs, cut at a word within 60 characters."""
    for line in text.splitlines():
        words = " ".join(_MARKS.sub("", line).split())
        if any(character.isalnum() for character in words):
            return _cut(words)
    return UNTITLED


def _cut(words: str) -> str:
    if len(words) <= LONGEST:
        return words
    head = words[: LONGEST - 1]
    # Scripts without spaces have no word to cut at.
    space = head.rfind(" ")
    return (head[:space] if space > LONGEST // 2 else head).rstrip(" ,.;:") + "…"
