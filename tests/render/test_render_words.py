"""Nothing that a model wrote is lost on its way to the page."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from render.dom import Node, faults, tree
from render.texts import texts, word

from claudedesk.render import Live, render, render_plain

QUICK = settings(max_examples=150, deadline=None, database=None)


def seen(page: Node) -> str:
    """Return the page's text without white space (a formula has a letter an element), and what its links say."""
    said = [page.text()]
    said += [
        str(value) for node in page.walk() for name, value in node.attrs.items() if name in ("href", "title")
    ]
    return re.sub(r"\s", "", "\n".join(said))


@QUICK
@given(texts())
@example(("[Speaker]: ZbcQ", ["ZbcQ"]))
@example(("|a|\n|-|\n|x|ZbcQ|", ["ZbcQ"]))
@example(("> " * 50 + "ZbcQ", ["ZbcQ"]))
@example(("[^a]: ZbcQ\n\n[^a]: ZcdQ\n\nx[^a]", ["ZbcQ", "ZcdQ"]))
@example(("$ZbcQ %ZcdQ$", ["ZbcQ", "ZcdQ"]))
def test_every_word_is_on_the_page(drawn: tuple[str, list[str]]) -> None:
    """Labels of footnotes and link definitions that are in use are not words; URLs and titles count where they are."""
    text, words = drawn
    page = seen(tree(render(text)))
    assert [one for one in words if one not in page] == []


@QUICK
@given(texts())
def test_a_users_words_are_all_on_the_page(drawn: tuple[str, list[str]]) -> None:
    text, words = drawn
    html = render_plain(text)
    assert faults(html) == []
    page = seen(tree(html))
    assert [one for one in words if one not in page] == []


@QUICK
@given(texts(8), st.integers(0, 400))
def test_any_prefix_of_a_reply_can_be_rendered_and_is_safe(drawn: tuple[str, list[str]], size: int) -> None:
    text = drawn[0][:size]
    assert faults(render(text)) == []
    live = Live()
    live.feed(text)
    assert faults("".join(block.html for block in live.snapshot())) == []


@settings(max_examples=150, deadline=None, database=None)
@given(st.text(max_size=60) | st.text("[]()<>!*_`~$\\|#-+=.:/&;^\"' \n\t1ax", max_size=60))
def test_any_text_whatever_can_be_rendered_and_is_safe(text: str) -> None:
    assert faults(render(text)) == []
    assert faults(render_plain(text)) == []


@pytest.mark.parametrize("length", [1, 100, 1_500])
def test_a_long_paragraph_keeps_its_words_while_it_streams(length: int) -> None:
    words = [word(n) for n in range(length)]
    live = Live()
    for number, one in enumerate(words):
        live.feed(one + (" *" if number % 7 == 3 else " **b** " if number % 5 == 2 else " "))
    page = seen(tree(live.snapshot()[0].html))
    assert [one for one in words if one not in page] == []
