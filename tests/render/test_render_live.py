"""A text that grows: patches lead to the same page as rendering it whole; what is finished stays put."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from render.dom import Node, apply, tree
from render.texts import texts

from claudedesk.render import Live, Patch, render_blocks

MIXED = """# Title

A paragraph with **bold**, `code`, $x^2$ and [a link](https://a.b/c_d), over
two lines. It costs $5 and $10.

1. First:

   ```python
   def f(x):
       return x
   ```

2. Second with

   - nested one
   - nested two

| Name | Value |
|------|:-----:|
| `a`  | 1     |
| **b** | 2 \\| 3 |

```js
const a = "<b>";

// done
```

$$
\\int_0^1 x\\,dx
$$

> A quote
> of two lines.

- tight
- list
- [x] done

The end."""


def pieces_of(text: str, cuts: list[int]) -> list[str]:
    """Cut `text` at these places."""
    places = [0, *sorted({cut % (len(text) + 1) for cut in cuts}), len(text)]
    return [text[start:end] for start, end in pairwise(places)]


def stream(text: str, pieces: list[str]) -> tuple[Node, list[list[Patch]], list[Patch]]:
    """Feed the pieces, follow each patch on a page, and compare it with the snapshot after each."""
    live, page, sent = Live(), tree(""), []
    for piece in pieces:
        sent.append(live.feed(piece))
        for patch in sent[-1]:
            apply(page, patch)
        assert tree("".join(block.html for block in live.snapshot())).shape() == page.shape()
    assert live.text == text
    last = live.finish()
    for patch in last:
        apply(page, patch)
    assert live.snapshot() == render_blocks(text)
    return page, sent, last


def patches_of(text: str, size: int = 10) -> tuple[list[list[Patch]], list[Patch]]:
    """Return what each feed and the finish of a stream send."""
    live = Live()
    return [live.feed(text[at : at + size]) for at in range(0, len(text), size)], live.finish()


def whole(text: str) -> object:
    return tree("".join(block.html for block in render_blocks(text))).shape()


@settings(max_examples=150, deadline=None, database=None)
@given(texts(), st.lists(st.integers(0, 2_000), max_size=40))
@example(("- a\n- b\n\n- c", []), list(range(12)))
@example(("a\r\n\r\nb\r", []), [2, 3, 4, 5])
def test_patches_in_any_pieces_lead_to_the_whole_rendering(
    drawn: tuple[str, list[str]], cuts: list[int]
) -> None:
    text = drawn[0]
    page, _, _ = stream(text, pieces_of(text, cuts))
    assert page.shape() == whole(text)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 10, 50, 10_000])
def test_a_usual_reply_needs_no_change_at_its_end(size: int) -> None:
    """What is on screen at the end is already what history will show: nothing jumps."""
    page, _, last = stream(MIXED, [MIXED[at : at + size] for at in range(0, len(MIXED), size)])
    assert page.shape() == whole(MIXED)
    assert last == []


def test_frozen_items_and_rows_are_never_sent_again() -> None:
    items = "".join(f"- item **{n}** with words\n" for n in range(300))
    rows = "|a|b|\n|-|-|\n" + "".join(f"| row {n} | `{n}` |\n" for n in range(300))
    for text in (items, rows):
        sent, last = patches_of(text)
        highest = -1
        for patch in (patch for patches in sent for patch in patches if "." in patch.key):
            number = int(patch.key.partition(".")[2])
            assert number >= highest - 1, patch
            highest = max(highest, number)
        assert max(len(patch.html or "") for patches in sent[40:] for patch in patches) < 300
        assert last == []


def test_a_list_that_turns_out_spaced_is_sent_again_once() -> None:
    items = "".join(f"- item {n}\n" for n in range(50))
    sent, last = patches_of(items + "\n" + items)
    assert [len(patches) for patches in sent if len(patches) > 40] == [51]
    assert last == []


def test_items_are_numbered_as_written_while_they_stream() -> None:
    text = "2. a\n3. b\n7. c\n8. d\n2. e\n\nend"
    page, _, last = stream(text, list(text))
    assert last == []
    values = [node.attrs.get("value") for node in page.walk() if node.tag == "li"]
    assert values == [None, None, "7", None, None]


def test_an_open_fence_grows_by_pieces_and_is_highlighted_when_it_closes() -> None:
    code = "".join(f"value_{n} = compute({n})  # a note\n" for n in range(400))
    text = f"before\n\n```python\n{code}```\n\nafter"
    live = Live()
    sizes = []
    for at in range(0, len(text), 10):
        sizes += [len(patch.html or "") for patch in live.feed(text[at : at + 10])]
        if at in (3_000, 9_000):
            assert "<span class=" not in live.snapshot()[1].html.partition("<pre")[2]
    assert sorted(sizes)[-2] < 4_000 < sorted(sizes)[-1]
    assert '<span class="n">' in live.snapshot()[1].html
    assert live.finish() == []


def test_lines_in_a_fence_that_look_like_blocks_stay_in_it() -> None:
    text = "```\n# a\n- b\n| c |\n---\n``\n~~~\n   ```x\n\n1. d\n```` \n\nafter"
    page, _, last = stream(text, list(text))
    (pre,) = (node for node in page.walk() if node.tag == "pre")
    assert pre.text() == "# a\n- b\n| c |\n---\n``\n~~~\n   ```x\n\n1. d\n"
    assert last == []


def test_a_long_paragraph_is_sent_in_pieces_and_made_one_when_it_closes() -> None:
    text = "Some **bold** words, `code`, $x$ and more of them. " * 400
    live = Live()
    sizes = [
        len(patch.html or "") for at in range(0, len(text), 10) for patch in live.feed(text[at : at + 10])
    ]
    assert max(sizes) < 4_000
    assert len(live.snapshot()) == 1
    live.feed("\n\nNext.")
    assert "<span data-" not in live.snapshot()[0].html
    assert live.finish() == []


def test_an_open_end_that_is_large_is_parsed_seldom() -> None:
    text = "".join(f"> line {n} of **one** long quote\n" for n in range(300))
    live = Live()
    dear = sum(
        any(patch.key == "0" for patch in live.feed(text[at : at + 10])) for at in range(0, len(text), 10)
    )
    assert dear < len(text) / 10 / 2
    assert [block.html for block in live.snapshot()][-1].startswith("<p")
    live.finish()
    assert live.snapshot() == render_blocks(text)


def test_nothing_undecided_is_shown() -> None:
    """A marker alone may become anything; showing it would make the page jump."""
    for start, held in [
        ("a\n\n", "-"),
        ("a\n", "-"),
        ("a\n\n", "1."),
        ("- a\n", "- [ ]"),
        ("", "```py"),
        ("a\n\n", "| b |"),
    ]:
        live = Live()
        live.feed(start)
        before = live.snapshot()
        live.feed(held)
        assert live.snapshot() == before, held
        live.finish()
        assert live.snapshot() == render_blocks(start + held)


def test_words_appear_with_the_piece_that_brought_them() -> None:
    live = Live()
    for word in ["Every", "word", "is", "shown,", "**even**", "in", "`code`", "and", "*more*"]:
        live.feed(word + " ")
        assert word.strip("*`,") in tree(live.snapshot()[0].html).text()


def test_links_and_footnotes_that_need_the_whole_text_come_at_the_end() -> None:
    text = "See [a] and b[^1].\n\n[a]: http://x.y\n\n[^1]: note"
    page, _, last = stream(text, list(text))
    assert [patch.key for patch in last] == ["0", "1", "2"]
    assert page.shape() == whole(text)


def test_a_finished_text_takes_no_more() -> None:
    live = Live()
    live.feed("a")
    live.finish()
    assert live.finish() == []
    with pytest.raises(RuntimeError):
        live.feed("b")


def test_the_cost_of_each_step_is_told() -> None:
    live = Live()
    live.feed("**a** " * 50)
    assert 0 < live.cost < 10


def test_footnotes_take_the_prefix_of_their_reply() -> None:
    live = Live("r9")
    live.feed("a[^1]\n\n[^1]: b")
    live.finish()
    assert 'id="fnr9-1"' in live.snapshot()[-1].html


def test_a_failing_step_shows_the_open_end_plain_and_the_stream_goes_on(
    failing_on_purpose: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    live, page = Live(), tree("")
    for patch in live.feed("- a\n- b\n- **c** "):
        apply(page, patch)
    with monkeypatch.context() as patched:
        patched.setattr("claudedesk.render.blocks.parse", lambda text, env: 1 / 0)
        for patch in live.feed("\n- d <e>"):
            apply(page, patch)
    assert "- d <e>" in page.text()
    for patch in [*live.feed(" f\n- g"), *live.finish()]:
        apply(page, patch)
    assert page.shape() == whole("- a\n- b\n- **c** \n- d <e> f\n- g")
