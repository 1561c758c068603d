"""Code blocks: language, highlighting, buttons, and colours that can be read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from render.dom import tree

from claudedesk.render import code, render

CSS = Path(__file__).resolve().parents[2] / "claudedesk" / "static" / "css"


def test_a_code_block_has_its_language_and_two_buttons() -> None:
    assert render("```python title\nx\n```") == (
        '<figure data-key="0" class="code"><figcaption><span class="lang">python</span>'
        '<button type="button" data-action="wrap" aria-pressed="false">Wrap</button>'
        '<button type="button" data-action="copy-code">Copy</button></figcaption>'
        '<pre tabindex="0"><code class="language-python"><span class="n">x</span>\n</code></pre></figure>'
    )


@pytest.mark.parametrize(
    ("info", "name"),
    [
        ("python", "python"),
        ("c++ x", "c++"),
        ("C#", "C#"),
        ("objective-c", "objective-c"),
        ("", ""),
        ("  ", ""),
        ('x" onclick="y', ""),
        ("{.python}", ""),
        ("a" * 31, ""),
        ("<b>", ""),
    ],
)
def test_a_language_is_a_plain_name_or_none(info: str, name: str) -> None:
    """SEC-10."""
    assert code.language(info) == name


def test_the_code_itself_is_never_changed() -> None:
    source = 'def f(a: int) -> "<b>":\n\treturn  a & 1  # é 😀\n\n\n    \n'
    for name in ("python", "nosuchlanguage", "html", "text", ""):
        page = tree(render(f"```{name}\n{source}```"))
        (pre,) = (node for node in page.walk() if node.tag == "pre")
        assert pre.text() == source


def test_code_without_a_last_line_end_gets_none() -> None:
    (pre,) = (node for node in tree(render("```python\nx = 1")).walk() if node.tag == "pre")
    assert pre.text() == "x = 1"


def test_an_unknown_language_is_shown_plain_and_loads_no_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pygments.plugin.find_plugin_lexers", lambda: 1 / 0)
    assert code.highlight("a < b", "nosuchlanguage") == "a &lt; b"


def test_long_code_and_long_lines_are_shown_plain() -> None:
    """SEC-31."""
    assert "<span" not in code.highlight("x = 1\n" * 10_000, "python")
    assert "<span" not in code.highlight("x" * 6_000, "python")
    assert "<span" in code.highlight("x = 1\n" * 1_000, "python")


def test_a_lexer_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """SEC-31."""
    ticks = iter(range(10_000))
    monkeypatch.setattr(code, "_clock", lambda: next(ticks))
    assert code.highlight("x = 1\n" * 500, "python") == "x = 1\n" * 500


def test_a_memo_saves_the_second_highlighting(monkeypatch: pytest.MonkeyPatch) -> None:
    memo: dict[tuple[str, str], str] = {}
    first = code.highlight("x = 1", "python", memo)
    monkeypatch.setattr(code, "_highlight", lambda *_: 1 / 0)
    assert code.highlight("x = 1", "python", memo) == first


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def pairs(file: str, name: str) -> list[tuple[str, str, str]]:
    text = (CSS / file).read_text("utf-8")
    return re.findall(rf"--({name}): light-dark\((#[0-9a-f]{{6}}), (#[0-9a-f]{{6}})\)", text)


def test_every_colour_of_code_reads_well_in_both_themes() -> None:
    """UX §1: contrast of at least 4.5:1, on the surface of code blocks and on what lies nearest to it."""
    surfaces = pairs("tokens.css", "neutral-[0-3]")
    colours = pairs("code.css", r"code-[a-z]+")
    assert len(surfaces) == 4 and len(colours) >= 10
    for name, *shades in colours:
        for surface, *grounds in surfaces:
            for shade, ground in zip(shades, grounds, strict=True):
                high, low = sorted((luminance(shade), luminance(ground)), reverse=True)
                assert (high + 0.05) / (low + 0.05) >= 4.5, (name, surface)


def test_every_class_in_the_stylesheet_is_one_that_highlighting_can_give() -> None:
    from pygments.token import STANDARD_TYPES

    classes = re.findall(r"\.([a-z][a-z0-9]{0,2})(?=[,) ])", (CSS / "code.css").read_text("utf-8"))
    assert len(classes) > 50
    assert set(classes) <= {*STANDARD_TYPES.values(), "tex"}
