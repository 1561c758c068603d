"""Snippets: cut from what was written, marked where it was found."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claudedesk.store.snippets import CLOSE, LENGTH, OPEN, snippet
from claudedesk.store.words import phrases, segment, visible_text


def marked(text: str, query: str) -> str:
    return snippet(text, phrases(query)).replace(OPEN, "[").replace(CLOSE, "]")


@pytest.mark.parametrize(
    ("text", "query", "shown"),
    [
        ("The Quick fox", "quick", "The [Quick] fox"),
        ("Un Café crème", "cafe", "Un [Café] crème"),
        ("Un Cafe\u0301 creme", "café", "Un [Café] creme"),
        ("n\u0323\u0301x n\u0323\u0301", "n", "[\u1e47\u0301]x [\u1e47\u0301]"),
        ("Straße, ﬁn, ½", "strasse", "[Straße], ﬁn, ½"),
        ("Straße, ﬁn, ½", "fi", "Straße, [ﬁ]n, ½"),
        ("機械学習は楽しい", "学習", "機械[学習]は楽しい"),
        ("機械学習は楽しい", "械", "機[械]学習は楽しい"),
        ("AI学习!", "ai学", "[AI学]习!"),
        ("fo\u00adx and foxes", "fox", "[fo\u00adx] and [fox]es"),
        ("fox foxes", '"fox"', "[fox] foxes"),
        ("fox, foxes outfox", "fox dog", "[fox], foxes outfox"),
        ("one-two, one\n two", '"one two"', "[one-two], [one two]"),
        ("a one b two", "two one", "a [one] b [two]"),
        ("lots   of\n\n\tspace", "space", "lots of [space]"),
        ("a \ue000fox\ue001 \ud800 \x00", "fox", "a \ufffd[fox]\ufffd \ufffd \ufffd"),
        ("nothing here", "zebra", "nothing here"),
        ("", "zebra", ""),
    ],
)
def test_the_matched_part_of_the_text_as_it_was_written_is_marked(text: str, query: str, shown: str) -> None:
    assert marked(text, query) == shown


def test_a_snippet_is_the_part_that_shows_most_of_the_query() -> None:
    text = "fox " + "x " * 300 + "the brown fox and the lazy dog " + "y " * 300
    shown = marked(text, "fox dog")
    assert "brown [fox] and the lazy [dog]" in shown
    assert shown.startswith("… ") and shown.endswith(" …")
    assert len(shown) <= LENGTH + 12


@pytest.mark.parametrize("before", ["ñ ", "ﬃ ", "學", "e\u0301 "])
def test_a_match_far_inside_a_long_text_is_found_whatever_stands_before_it(before: str) -> None:
    text = before * 40_000 + " needle " + "z " * 400
    assert "[needle] z z" in marked(text, "needle")


def test_words_at_the_edges_are_not_cut_where_white_space_is_near() -> None:
    text = "alpha bravo charlie delta echo foxtrot " * 20
    inner = marked(text, "zebra").removesuffix(" …").split(" ")
    assert set(inner) <= set(text.split())


@given(st.text(max_size=400), st.text(max_size=20))
def test_without_its_marks_a_snippet_is_a_part_of_the_text(text: str, query: str) -> None:
    shown = snippet(text, phrases(query))
    assert re.fullmatch(
        f"[^{OPEN}{CLOSE}]*({OPEN}[^{OPEN}{CLOSE}]+{CLOSE}[^{OPEN}{CLOSE}]*)*", shown, re.DOTALL
    )
    shown.encode()
    plain = re.sub(f"[{OPEN}{CLOSE}]", "", shown).removeprefix("… ").removesuffix(" …").strip()
    whole = re.sub("[\ue000\ue001\ud800-\udfff\x00]", "\ufffd", unicodedata.normalize("NFC", text))
    if not re.search("[\uff61-\uffdc]", text):
        assert plain in re.sub(r"\s+", " ", whole)


@given(st.text(alphabet="abc é機械\n", max_size=600))
def test_a_text_that_holds_a_word_shows_it_marked(text: str) -> None:
    for word in text.split()[:3]:
        if len(word) < LENGTH // 2:
            assert OPEN in snippet(text, phrases(f'"{word}"'))


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ('[{"type":"text","text":"a"},{"type":"text","text":"b"}]', "ab"),
        ('[{"type":"thinking","thinking":"secret","signature":"x"},{"type":"text","text":"said"}]', "said"),
        (
            '[{"type":"image","source":{"data":"AAAA"}},{"type":"text"},{"type":"text","text":null},7,null]',
            "",
        ),
        ("[]", ""),
        ('{"type":"text","text":"no list"}', ""),
    ],
)
def test_only_the_text_blocks_of_a_message_are_visible(content: str, text: str) -> None:
    assert visible_text(content) == text


def test_joined_scripts_are_cut_into_pairs_and_their_end() -> None:
    assert segment("機械学習") == "機械 械学 学習 習"
    assert segment("機") == "機"
    assert segment("AI学习v2") == "ai 学习 习 v2"
    assert segment("\u1100\u1161\u11a8" * 2) == "각각 각"
