"""Random Markdown made of pieces as models write them, well-formed and broken."""

from __future__ import annotations

from hypothesis import strategies as st

PIECES = (
    *(
        "%s %s.",
        "**%s** and *%s*",
        "`%s` ~~%s~~",
        "_%s_ __%s__",
        "%s_%s",
        "%s*%s",
        "\\*%s\\* &amp; %s",
        "%s  \n%s\\\n%s",
    ),
    *(
        "**%s",
        "`%s",
        "*%s** %s",
        "[%s",
        "%s](",
        "![%s",
        "~~%s",
        "$%s",
        "\\(%s",
        "\\[%s",
        "$$%s",
        "<%s",
        "</%s>",
        "&%s",
    ),
    *(
        "<b>%s</b>",
        "<%s>",
        "<!-- %s -->",
        "<kbd>%s</kbd>",
        "<sub>%s",
        "<script>%s</script>",
        "a<br>%s",
        "<std:%s>",
    ),
    *(
        "$%s$",
        "\\(%s\\)",
        "$$%s$$",
        "\\[ %s \\] %s",
        "$5 and $10 %s",
        "\n$$\n%s\n$$\n",
        "\n\\[\n%s\n\\]\n",
        "$%s% %s$",
    ),
    *(
        "[%s](http://a.b/%s)",
        "[%s](javascript:%s)",
        "[%s](./%s '%s')",
        "![%s](http://a.b/x)",
        "![%s](data:%s)",
    ),
    *("https://a.b/%s", "%s@a.bc", "<https://a.b/%s>", "[%s](%s %s)", "[%s][%s]", "http://%s@evil"),
    *(
        "\n\n[%s]: %s\n",
        "\n\n[%s]: http://a.b/x\n\n",
        "%s[^1]",
        "\n\n[^1]: %s\n",
        "\n\n[^%s]: %s\n\n    %s\n",
    ),
    *(
        "\n# %s\n",
        "\n## %s ##\n",
        "\n%s\n===\n",
        "\n%s\n---\n",
        "\n---\n",
        "\n> %s\n",
        "\n> %s\n>\n> - %s\n",
        "\n>>> %s\n",
    ),
    *(
        "\n- %s\n- %s\n",
        "\n- %s\n\n- %s\n",
        "\n1. %s\n2. %s\n",
        "\n7. %s\n9. %s\n",
        "\n- %s\n  - %s\n    - %s\n",
        "\n* %s\n",
    ),
    *(
        "\n- [ ] %s\n- [x] %s\n",
        "\n- %s\n\n  %s\n",
        "\n1. %s\n\n   ```\n   %s\n   ```\n",
        "\n- > %s\n",
        "\n-\n",
        "\n1) %s\n",
    ),
    *(
        "\n| %s | %s |\n|---|---|\n| %s | %s |\n",
        "\n|%s|\n|-|\n|%s|%s|%s|\n%s\n",
        "| %s |",
        "\n|%s|%s|\n|-|\n",
        "\n| %s |\n",
    ),
    *(
        "\n```py\n%s\n```\n",
        "\n~~~\n%s\n\n%s\n~~~\n",
        "\n```\n%s",
        "\n````\n```\n%s\n````\n",
        "\n    %s\n",
        "\n\t%s\n",
    ),
    *(
        "%s\r\n%s\r%s",
        "%s\n\n\n%s",
        "  %s",
        "%s\t%s",
        "漢字%s**：**%s",
        "😀%s\u202e%s",
        "%s\x00\ud800",
        "\ue000%s\ue001",
    ),
)
LETTERS = "bcdfghjkmnpqrtvwxyz"


def word(number: int) -> str:
    """Return the number-th word: letters only, none a part of another."""
    digits = ""
    for _ in range(3):
        number, rest = divmod(number, len(LETTERS))
        digits += LETTERS[rest]
    return f"Z{digits}Q"


@st.composite
def texts(draw: st.DrawFn, most: int = 14) -> tuple[str, list[str]]:
    """Draw a text and the words that it was made with."""
    pieces = draw(
        st.lists(st.tuples(st.sampled_from(PIECES), st.sampled_from(["", " ", "\n", "\n\n"])), max_size=most)
    )
    text, count = "", 0
    for piece, between in pieces:
        slots = piece.replace("% ", "").count("%s")
        filled = piece.replace("% %s", "%% %s") % tuple(word(count + n) for n in range(slots))
        if "```" in filled or "~~~" in filled or text.endswith(("`", "~")):
            between = "\n"  # so that no word gets into a fence's info string
        text += between + filled
        count += slots
    return text, [word(n) for n in range(count)]
