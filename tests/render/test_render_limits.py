"""Texts made to be expensive: ten times the text takes at most about ten times the work."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest
from render.dom import faults

from claudedesk.render import Live, render

HOSTILE: dict[str, Callable[[int], str]] = {
    "brackets": lambda n: "[" * n,
    "image brackets": lambda n: "![" * (n // 2),
    "open links": lambda n: "[a](b" * (n // 5),
    "link labels": lambda n: "[a](" * (n // 4),
    "stars": lambda n: "*" * n,
    "unmatched emphasis": lambda n: "*a _b **c " * (n // 10),
    "quotes on a line": lambda n: ">" * n,
    "quotes on lines": lambda n: (">" * 50 + "a\n") * (n // 52),
    "nested list": lambda n: "".join(" " * (2 * i) + "- a\n" for i in range(int(n**0.5))),
    "backticks": lambda n: "".join("`" * i + " " for i in range(int((2 * n) ** 0.5))),
    "angles": lambda n: "<" * n,
    "bare tags": lambda n: "<sub>" * (n // 5),
    "dollars": lambda n: "$a " * (n // 3),
    "double dollars": lambda n: "$$\n" * (n // 3),
    "brackets of maths": lambda n: "\\[a\n" * (n // 4),
    "schemes": lambda n: "http://" * (n // 7),
    "at signs": lambda n: "a@" * (n // 2),
    "definitions": lambda n: "[a]: http://x\n" * (n // 14),
    "footnotes": lambda n: "[^1]: x\n\n" + "[^1]" * (n // 4),
    "wide table": lambda n: "|a" * (n // 8) + "|\n" + "|-" * (n // 8) + "|\n" + "|x\n" * (n // 16),
    "one line": lambda n: "a" * n,
    "line of code": lambda n: "```python\n" + "x" * n,
    "lexer": lambda n: "```html\n" + "<!-- " * (n // 5),
}


def work(run: Callable[[], object]) -> int:
    """Count the Python calls that `run` makes: unlike seconds, the same on every machine."""
    count = 0

    def step(frame: object, event: str, argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(step)
    try:
        run()
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize("name", HOSTILE)
def test_work_grows_with_the_text_only(name: str) -> None:
    """SEC-31: 10 times the input, at most 15 times the work."""
    small, large = HOSTILE[name](1_000), HOSTILE[name](10_000)
    render(small)
    assert work(lambda: render(large)) <= 15 * work(lambda: render(small)) + 5_000
    assert faults(render(large)) == []


# Streams of the others are held by GROWTH, whose bound shows only in texts too long for a test.
@pytest.mark.parametrize(
    "name", ["brackets", "stars", "quotes on a line", "bare tags", "schemes", "one line"]
)
def test_work_of_a_stream_grows_with_the_text_only(name: str) -> None:
    """SEC-31."""

    def stream(text: str) -> None:
        live = Live()
        for at in range(0, len(text), 400):
            live.feed(text[at : at + 400])
        live.finish()

    small, large = HOSTILE[name](2_000), HOSTILE[name](20_000)
    stream(small)
    assert work(lambda: stream(large)) <= 15 * work(lambda: stream(small)) + 5_000


def test_a_megabyte_in_one_line_is_shown() -> None:
    """SEC-31."""
    assert len(render("x" * 1_000_000)) > 1_000_000
    assert len(render("```\n" + "x" * 999_000)) > 999_000
    live = Live()
    for _ in range(100):
        live.feed("x" * 10_000)
    live.finish()
    assert live.snapshot()[0].html.count("x") == 1_000_000
