"""The part of a message that shows why a search found it, cut from the message as it was written."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final

from claudedesk.store.words import Phrase, compose, fold, is_cjk

OPEN: Final = "\ue000"
CLOSE: Final = "\ue001"
"""Around each matched part of a snippet. They occur nowhere else in one: a caller may escape, then mark."""
LENGTH: Final = 200
"""Characters of a snippet, marks not counted."""

_BEFORE: Final = 60
_MATCHES: Final = 200
_CHUNK: Final = 1024
_UNFIT: Final = re.compile("[\ue000\ue001\ud800-\udfff\x00]")


def snippet(text: str, wanted: Sequence[Phrase]) -> str:
    """Return the part of `text` that shows the most of the `wanted` phrases, each between OPEN and CLOSE."""
    text = compose(text)
    start, end = _window(text, _original(text, _best(fold(text), wanted)))
    # An ellipsis is no letter, so a word cut in two at the edge cannot pass for a whole one.
    return ("… " if start else "") + _marked(text[start:end], wanted) + (" …" if end < len(text) else "")


def _best(folded: str, wanted: Sequence[Phrase]) -> int:
    """Return the place in the folded text from where most phrases are near."""
    found = sorted(
        (start, which) for which, phrase in enumerate(wanted) for start, _ in _first(folded, phrase)
    )
    best, most = 0, 0
    for place, (start, _) in enumerate(found):
        near = {which for other, which in found[place : place + 50] if other < start + LENGTH - _BEFORE}
        if len(near) > most:
            best, most = start, len(near)
    return best


def _first(folded: str, phrase: Phrase) -> Iterator[tuple[int, int]]:
    return islice(_matches(folded, phrase), _MATCHES)


def _matches(folded: str, phrase: Phrase) -> Iterator[tuple[int, int]]:
    """Yield (start, end) of a phrase in folded text."""
    word = phrase.runs[0]
    start = folded.find(word)
    while start >= 0:
        end = _end(folded, start, phrase)
        if end:
            yield start, end
        start = folded.find(word, end or start + 1)


def _end(folded: str, start: int, phrase: Phrase) -> int:
    """Return where the phrase that may begin at `start` ends, or 0 when it does not stand there."""
    place = start
    for number, run in enumerate(phrase.runs):
        while number and folded.startswith(" ", place):
            place += 1
        free = number == 0 and is_cjk(run)
        if not folded.startswith(run, place) or not (free or _edge(folded, place)):
            return 0
        place += len(run)
        last = number == len(phrase.runs) - 1
        if not (last and phrase.open) and not _edge(folded, place):
            return 0
    return place


def _edge(folded: str, place: int) -> bool:
    """Tell whether a run begins or ends at this place."""
    if place in (0, len(folded)):
        return True
    left, right = folded[place - 1], folded[place]
    return left == " " or right == " " or is_cjk(left) != is_cjk(right)


def _original(text: str, place: int) -> int:
    """Return the place in `text` that was folded to `place`; long texts are counted in chunks."""
    if text.isascii():
        return place
    for chunk in range(0, len(text), _CHUNK):
        part = text[chunk : chunk + _CHUNK]
        width = len(fold(part))
        if place < width:
            return chunk + _places(part)[place]
        place -= width
    return 0


def _places(text: str) -> list[int]:
    """Return, for each folded character, the place in `text` that it came from."""
    return [place for place, char in enumerate(text) for _ in fold(char)]


def _window(text: str, match: int) -> tuple[int, int]:
    """Return the borders of a snippet around a match, at white space where some is near."""
    start = max(0, min(match - _BEFORE, len(text) - LENGTH))
    if start:
        space = re.search(r"\s", text[start:match])
        start += space.end() if space else 0
    end = min(len(text), start + LENGTH)
    if end < len(text):
        space = re.search(r"\s\S*$", text[start + LENGTH // 2 : end])
        end = start + LENGTH // 2 + space.start() if space else end
    return start, end


def _marked(text: str, wanted: Sequence[Phrase]) -> str:
    folded, places = fold(text), _places(text)
    shown, place = [], 0
    for first, last in sorted(match for phrase in wanted for match in _first(folded, phrase)):
        start, end = places[first], places[last - 1] + 1
        while end < len(text) and not fold(text[end]):
            end += 1  # the accents that follow
        if start >= place:
            shown += [_clean(text[place:start]), OPEN, _clean(text[start:end]), CLOSE]
            place = end
    return "".join([*shown, _clean(text[place:])]).strip()


def _clean(text: str) -> str:
    """Put white space together and take out what no page can show, and our marks."""
    return re.sub(r"\s+", " ", _UNFIT.sub("\ufffd", text))
