"""Small texts that people read: figures, titles, file names, dates in the sidebar."""

from __future__ import annotations

import doctest
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claudedesk import wording
from claudedesk.replies.titles import LONGEST, UNTITLED, title_of
from claudedesk.transfer.markdown_out import file_name
from claudedesk.types import Conversation, new_id
from claudedesk.web.nav import group_label


def test_the_examples_in_wording_are_true() -> None:
    assert doctest.testmod(wording).failed == 0


@pytest.mark.parametrize(
    ("value", "words"),
    [(0.84, "0.8 s"), (8.0, "8 s"), (59.6, "1 min"), (125, "2 min 5 s"), (12_000, "3 h 20 min")],
)
def test_spans_read_well(value: float, words: str) -> None:
    assert wording.seconds(value) == words


@pytest.mark.parametrize(
    ("count", "words"), [(0, "0"), (999, "999"), (12_400, "12.4k"), (1_000, "1k"), (1_250_000, "1.2M")]
)
def test_tokens_read_well(count: int, words: str) -> None:
    assert wording.tokens(count) == words


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("What is *the* capital?", "What is the capital?"),
        ("\n\n# Heading\nmore", "Heading"),
        ("```\n---\n", UNTITLED),
        ("机械学习" * 40, "机械学习" * 14 + "机械学…"),
        ("word " * 40, "word word word word word word word word word word word…"),
    ],
)
def test_a_title_is_made_of_the_first_words(text: str, title: str) -> None:
    assert title_of(text) == title


@given(st.text())
def test_a_title_is_short_and_never_empty(text: str) -> None:
    assert 0 < len(title_of(text)) <= LONGEST and "\n" not in title_of(text)


def conversation(title: str = "T", updated: int = 0) -> Conversation:
    """A conversation with a title and a time."""
    return Conversation(new_id("c"), title, "user", None, None, None, False, 0, 0, updated)


@given(st.text(max_size=300))
def test_a_file_name_fits_every_file_system(title: str) -> None:
    name = file_name(conversation(title))
    assert not set(name) & set('<>:"/\\|?*\x00') and name.endswith(".md") and len(name) < 120
    assert name.split(" ", 1)[1].split(".")[0].strip().upper() not in {"CON", "NUL", "AUX", "PRN"}


def test_conversations_stand_under_days_as_the_reader_counts_them() -> None:
    now = datetime(2026, 11, 22, 0, 30, tzinfo=UTC)

    def label(*when: int) -> str:
        return group_label(conversation(updated=int(datetime(*when, tzinfo=UTC).timestamp() * 1e6)), now)  # type: ignore[misc, arg-type]

    assert label(2026, 11, 22) == "Today" and label(2026, 11, 23) == "Today", "a clock that was set back"
    assert label(2026, 11, 21, 23, 59) == "Yesterday" and label(2026, 11, 17) == "This week"
    assert label(2026, 11, 1) == "November 2026"
