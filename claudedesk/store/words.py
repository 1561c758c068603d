"""Text into search words: one folding for the index, the query and the marks in a snippet.

Both databases get words that are already cut, so that they find the same: accents and case are gone, runs of
scripts without spaces are pairs of characters plus the run's last one alone, signs are separators.
"""

from __future__ import annotations

import json
import re
import unicodedata
from dataclasses import dataclass
from typing import Any, Final

_LONGEST: Final = 100
"""Longer words (base64, hashes) are known by their beginning: PostgreSQL indexes none over 2 KB."""
_QUERY: Final = 500
_PHRASES: Final = 32

# Thai, Lao, Myanmar, Khmer, kana, bopomofo and ideographs run on without spaces; Hangul glues its particles
# on.
_CJK: Final = (
    "\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u3005-\u3007\u3021-\u3029\u3031-\u3035\u3038-\u303c"
    "\u3041-\u30ff\u3105-\u318e\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\ua960-\ua97c\uac00-\ud7fb"
    "\uf900-\ufaff\U0001aff0-\U0001b16f\U00020000-\U0003ffff"
)
_RUN: Final = re.compile(f"[{_CJK}]+|[^{_CJK} ]+")
_IS_CJK: Final = re.compile(f"[{_CJK}]")
_HALF_WIDTH: Final = re.compile("[\uff61-\uffdc]+")
_PIECE: Final = re.compile(r'"([^"]*)("?)|([^\s"]+)')
_QUOTES: Final = dict.fromkeys(map(ord, "“”„‟«»＂"), '"')
# Letters that Unicode does not take apart but people type without their stroke.
_STROKES: Final = str.maketrans(
    {"đ": "d", "ð": "d", "ħ": "h", "ı": "i", "ł": "l", "ø": "o", "æ": "ae", "œ": "oe"}
)


class _Fold(dict[int, str]):
    """What a character becomes: itself without case and accent, a space, or nothing; filled as needed."""

    def __missing__(self, code: int) -> str:
        kept = "".join(_part(part) for part in unicodedata.normalize("NFKD", chr(code)))
        folded = unicodedata.normalize("NFC", kept.casefold().translate(_STROKES))
        self[code] = folded
        return folded


_FOLD: Final = _Fold()


def _part(char: str) -> str:
    category = unicodedata.category(char)
    if category[0] in "LN":
        return char
    if category[0] == "M":
        # Accents, Hebrew and Arabic points and variation selectors go; the vowel signs of Indic scripts and
        # Thai and the voicing of kana, which make another word, stay.
        weight = unicodedata.combining(char)
        accent = weight == 1 or 10 <= weight <= 36 or weight >= 200 or category == "Me" or char == "\u034f"
        return "" if accent or unicodedata.name(char, "").startswith("VARIATION SELECTOR") else char
    return "" if category == "Cf" and char != "\u200b" else " "


def fold(text: str) -> str:
    """Fold composed text character by character: some become two or none."""
    return text.translate(_FOLD)


def is_cjk(run: str) -> bool:
    """Tell whether a run (or character) is of a script that runs on without spaces."""
    return _IS_CJK.match(run) is not None


def compose(text: str) -> str:
    """Join what is one letter, so that `fold` can go character by character."""
    text = unicodedata.normalize("NFC", text)
    if text.isascii() or not _HALF_WIDTH.search(text):
        return text
    return _HALF_WIDTH.sub(lambda found: unicodedata.normalize("NFKC", found[0]), text)


def segment(text: str) -> str:
    """Return the words to index, separated by spaces: letters, digits and their signs, nothing else."""
    folded = fold(compose(text))
    if folded.isascii():
        return " ".join([word[:_LONGEST] for word in folded.split()])
    words: list[str] = []
    for run in _RUN.findall(folded):
        words += _pairs(run) if is_cjk(run) else [run[:_LONGEST]]
    return " ".join(words)


def _pairs(run: str, *, ends: bool = True) -> list[str]:
    """Cut a run into overlapping pairs; its last character alone makes searches for one character hit."""
    pairs = [run[place : place + 2] for place in range(len(run) - 1)]
    return [*pairs, run[-1]] if ends or not pairs else pairs


def visible_text(content: str) -> str:
    """Return the words that a person sees of a message's stored JSON: its text blocks joined, no thinking."""
    blocks: Any = json.loads(content)
    if not isinstance(blocks, list):
        return ""
    texts = (block for block in blocks if isinstance(block, dict) and block.get("type") == "text")
    return "".join(str(block.get("text") or "") for block in texts)


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words that must follow each other, as the index knows them, and the `runs` of folded text behind them.

    With `prefix` the last word of the index may go on, with `open` the last run of the text.
    """

    words: tuple[str, ...]
    prefix: bool
    runs: tuple[str, ...]
    open: bool


def phrases(query: str) -> list[Phrase]:
    """Read a query: words, "phrases", the last word as a beginning. Nothing but the quotes is syntax."""
    pieces = list(_PIECE.finditer(query[:_QUERY].translate(_QUOTES)))
    found = []
    for piece in pieces[:_PHRASES]:
        runs = _RUN.findall(fold(compose(piece[1] or piece[3] or "")))
        if runs:
            found.append(_phrase(runs, typing=piece is pieces[-1] and not piece[2]))
    return found


def _phrase(runs: list[str], *, typing: bool) -> Phrase:
    words: list[str] = []
    for run in runs[:-1]:
        words += _pairs(run) if is_cjk(run) else [run[:_LONGEST]]
    last = runs[-1]
    joined = is_cjk(last)
    words += _pairs(last, ends=False) if joined else [last[:_LONGEST]]
    # One character of a run is the beginning of a pair.
    prefix = len(last) == 1 if joined else typing
    return Phrase(tuple(words), prefix, tuple(runs), joined or typing)
