"""No text of a model can make anything but text on the page."""

from __future__ import annotations

import pytest
from render.corpus import PAYLOADS
from render.dom import apply, faults, tree

from claudedesk.render import Live, render, render_blocks, render_plain
from claudedesk.render.sanitize import clean, prepare

HARMLESS = """- [x] a

| a |
|:-|
| $x^2$ |

```py
x = 1
```

$$\\begin{cases}a&b\\end{cases}$$

5. [b](http://c.d)[^1]

[^1]: n"""


def test_the_corpus_is_large_enough() -> None:
    """SEC-10."""
    assert len(PAYLOADS) >= 60


def test_the_checker_lets_pass_what_a_reply_may_have() -> None:
    assert faults(render(HARMLESS, "r1")) == []
    assert {"<img>", "<p onclick='x'>", "<a href='javascript:x'>"} <= set(
        faults(
            '<p onclick="x"><img></img></p><a href="javascript:x" rel="noopener noreferrer" target="_blank">b</a>'
        )
    )


@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS.keys())
def test_a_payload_leaves_only_allowed_elements(payload: str) -> None:
    """SEC-10, SEC-11, SEC-12, SEC-15."""
    for html in (render(payload), render("- " + payload), render("> " + payload), render_plain(payload)):
        assert faults(html) == []


@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS.keys())
def test_a_payload_split_anywhere_in_the_stream_leaves_only_allowed_elements(payload: str) -> None:
    """SEC-10 (a): every character boundary, looked at after each piece, and as the patches themselves."""
    final = tree("".join(block.html for block in render_blocks(payload))).shape()
    for at in range(len(payload) + 1):
        live, page = Live(), tree("")
        for piece in (payload[:at], payload[at:], None):
            for patch in live.feed(piece) if piece is not None else live.finish():
                assert faults(patch.html or "") == []
                apply(page, patch)
        assert page.shape() == final


@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS.keys())
def test_a_payload_that_comes_by_the_character_leaves_only_allowed_elements(payload: str) -> None:
    """SEC-10 (a)."""
    live = Live()
    for character in payload:
        for patch in live.feed(character):
            assert faults(patch.html or "") == []
    assert faults("".join(block.html for block in live.snapshot())) == []


@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS.keys())
def test_no_payload_takes_a_key_or_a_button_of_ours(payload: str) -> None:
    """SEC-10: keys are unique, and buttons stand only in the captions of code blocks."""
    page = tree(render(payload))
    keys = [node.attrs["data-key"] for node in page.walk() if "data-key" in node.attrs]
    assert len(keys) == len(set(keys))
    figures = sum(node.tag == "figure" for node in page.walk())
    assert sum(node.tag == "button" for node in page.walk()) == 2 * figures


def test_the_sanitiser_holds_even_if_markup_got_through_the_parser() -> None:
    """SEC-10: the second wall by itself."""
    for payload in PAYLOADS.values():
        assert faults(clean(prepare(payload))) == []
    assert clean('<p class="x" id="y" data-key="1" style="color:red">a</p>') == "<p>a</p>"
    assert clean('<td style="text-align:left;position:fixed">a</td>') == "a"
    assert (
        clean('<a href="#fn-1" id="fnref-1">1</a><a href="#x">2</a>')
        == '<a href="#fn-1" id="fnref-1">1</a><a>2</a>'
    )
    assert clean("<button>a</button><figure>b</figure>") == "ab"


def test_an_image_is_a_link_that_names_its_host_and_is_never_fetched() -> None:
    """SEC-11."""
    html = render("![a cat](https://evil.example/?q=secret) ![](http://b.c)")
    assert "<img" not in html and "src=" not in html
    assert 'class="image-link"' in html and 'a cat <span class="host">(evil.example)</span>' in html
    assert 'Image <span class="host">(b.c)</span>' in html


def test_a_slot_mark_from_the_model_never_brings_our_html_into_an_attribute() -> None:
    """SEC-10: the marks that stand for formulas, by character, entity and percent code."""
    for mark in ("\ue0000\ue001", "&#xE000;0&#xE001;", "&#57344;0&#57345;", "%EE%80%800%EE%80%81"):
        page = tree(render(f"$\\text{{ onclick=x }}$ [a](http://x.y '{mark}') http://x.y/{mark}"))
        assert sum(node.tag == "math" for node in page.walk()) == 1
        assert all("math" not in str(value) for node in page.walk() for value in node.attrs.values())


def test_two_replies_on_a_page_share_no_id() -> None:
    """SEC-10: footnotes are the only ids, and each reply has a prefix of its own."""
    ids = [
        node.attrs["id"]
        for prefix in ("a", 'b" onclick="x', "")
        for node in tree(render("x[^1] y[^1] z[^2]\n\n[^1]: n\n[^2]: m", prefix)).walk()
        if "id" in node.attrs
    ]
    assert len(ids) == len(set(ids)) == 15
    assert all(str(one).startswith("fn") for one in ids)
