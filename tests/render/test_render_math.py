"""Formulas: what is one, what is money, and what happens when one cannot be drawn."""

from __future__ import annotations

import subprocess
import sys

import pytest
from render.dom import Node, faults, tree

from claudedesk.render import Live, render
from claudedesk.render import mathml as tex


def formulas(text: str) -> list[str]:
    return [node.text() for node in tree(render(text)).walk() if node.tag == "math"]


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("$x$ and \\(y\\)", 2),
        ("$$x$$ and \\[y\\] in a line", 2),
        ("$$\nx\n$$", 1),
        ("$$x$$", 1),
        ("\\[\nx\n\\]", 1),
        ("text:\n\\[ x^2 \\]\nmore", 1),
        ("\\[ x^2 \\] and \\( y \\) tail text", 2),
        ("- item $x$\n\n  $$\n  y\n  $$\n> $z$", 3),
        ("|$a$|\n|-|\n|\\(b\\)|", 2),
        ("$a$ is 10", 1),
        ("$$x$$ (1)", 1),
        ("设$x$为 ($y$)", 2),
        ("# $x$", 1),
        ("**$x$**", 1),
        ("costs $5 and $10", 0),
        ("$5-$10, $5/$10, US$5 and US$6", 0),
        ("$HOME and $PATH, $HOME/$USER", 0),
        ("a $ b $ c, $x $ y, $ x$", 0),
        ("`$x$` and ``\\(y\\)``", 0),
        ("```\n$x$\n```", 0),
        ("\\$x\\$ \\\\(x\\\\)", 0),
        ("$x and \\(y and $$z and \\[w", 0),
        ("$$ $$ \\(\\) $$$$", 0),
        ("between `$a` and `$b`", 0),
    ],
)
def test_a_text_holds_this_many_formulas(text: str, count: int) -> None:
    assert len(formulas(text)) == count


def test_the_words_around_formulas_stay() -> None:
    page = tree(render("before \\[ x \\] and \\( y \\) tail text\n\nnext $z$ end"))
    for word in ("before", "and", "tail text", "next", "end"):
        assert word in page.text(" ")


def test_a_block_formula_scrolls_inside_itself() -> None:
    assert render("$$\nx\n$$") == (
        '<div data-key="0" class="math" tabindex="0"><math display="block"><mi>x</mi></math></div>'
    )
    assert '<p data-key="0">a <span class="math" tabindex="0"><math display="block">' in render("a $$x$$")


def test_a_formula_that_cannot_be_drawn_shows_its_tex() -> None:
    assert render("$\\nope{x} < 1$") == '<p data-key="0"><code class="tex">\\nope{x} &lt; 1</code></p>'
    assert '<code class="tex">\\ce{H2O}</code>' in render("$$\\ce{H2O}$$")


@pytest.mark.parametrize(
    "formula",
    [
        "{" * 20_000 + "x" + "}" * 20_000,
        "\\frac{" * 600 + "x" + "}{y}" * 600,
        "x^{" * 900 + "y" + "}" * 900,
        "\\sqrt " * 600 + "x",
        "\\frac1" * 600 + "x",
        "\\left(" * 400 + "x" + "\\right)" * 400,
        "\\begin{matrix}" * 100 + "x" + "\\end{matrix}" * 100,
        "}" * 500 + "{" * 500,
        "\\newcommand{\\a}{\\sqrt{\\sqrt{\\a}}}\\a",
        "\\def\\a{" + "x" * 100 + "}" + "\\a" * 300,
        "x" * 5_000,
    ],
)
def test_a_formula_that_could_exhaust_the_converter_is_not_given_to_it(formula: str) -> None:
    """SEC-31: math-core recurses without a limit and would end the process."""
    assert tex.mathml(formula, True) is None


def test_formulas_as_people_write_them_are_drawn() -> None:
    """The limits against exhaustion stay out of the way."""
    long = " \\\\ ".join(
        f"x_{{{n}}} &= \\frac{{a_{{{n}}}}}{{\\sqrt{{b_{{{n}}}}}}} + \\alpha\\beta" for n in range(25)
    )
    for formula in (
        f"\\begin{{aligned}} {long} \\end{{aligned}}",
        "\\begin{cases} a & b \\\\ c & d \\end{cases}",
        "\\pmod{n} \\textcolor{red}{x} \\boxed{42}",
        "\\left(\\frac{1}{1+\\frac{1}{1+\\frac{1}{x}}}\\right)",
        "\\begin{array}{|c|c|}\\hline a&b\\\\ \\hline\\end{array}",
        "\\int_0^\\infty e^{-x^2}\\,dx = \\frac{\\sqrt{\\pi}}{2}\\!",
    ):
        drawn = tex.mathml(formula, True)
        assert drawn is not None and faults(drawn) == [], formula


def test_what_the_converter_gives_is_checked_again() -> None:
    """SEC-15: formulas do not pass nh3."""
    labelled = tex.mathml("\\begin{align}a\\label{chat-form}\\end{align}", True)
    assert labelled is not None and "id=" not in labelled
    assert (
        tex._checked('<math><mi onclick="x" style="position:fixed">a</mi></math>')
        == "<math><mi>a</mi></math>"
    )
    assert tex._checked("<math><script>a</script></math>") is None
    assert tex._checked("<math><mi>a</mi><img src=x></math>") is None
    for shift in (
        "\\hspace{-99em}x",
        "\\hspace{-5em}\\hspace{-5em}x",
        "\\raisebox{50em}{x}",
        "\\hspace{999em}x",
    ):
        assert tex.mathml(shift, False) is None


def test_a_comment_in_tex_does_not_swallow_words() -> None:
    assert "half" in tree(render("$50% of half$")).text()


def test_without_math_core_formulas_are_shown_as_tex() -> None:
    code = (
        "import sys; sys.modules['math_core'] = None\n"
        "from claudedesk.render import render\n"
        "print(render('$x^2$ and $$y$$'))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert '<code class="tex">x^2</code>' in done.stdout and "<math" not in done.stdout


def test_a_block_formula_shows_as_tex_until_its_end_arrives() -> None:
    live = Live()
    live.feed("$$\nx_1 + x_2")
    (block,) = live.snapshot()
    assert '<code class="tex">x_1 + x_2</code>' in block.html
    live.feed("\n$$\n")
    (block,) = live.snapshot()
    assert "<math" in block.html
    assert live.finish() == []


def test_two_equal_formulas_are_two_elements() -> None:
    page = tree(render("$x$ $x$"))
    assert sum(isinstance(node, Node) and node.tag == "math" for node in page.walk()) == 2
