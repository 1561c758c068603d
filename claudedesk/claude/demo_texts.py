"""What the offline demo says: a text of each kind; each says that it is a demo and quotes the question."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

CHARS_PER_TOKEN: Final = 4
SLOW: Final = 10.0


@dataclass(frozen=True, slots=True)
class Script:
    """One reply: its text, the thinking before it, and how much slower than usual it comes."""

    text: str
    thinking: str = ""
    slowness: float = 1.0

    def cut(self, tokens: int) -> Script:
        """Return what fits into `tokens`; thinking counts too."""
        room = tokens * CHARS_PER_TOKEN
        thinking = self.thinking[:room]
        return Script(self.text[: room - len(thinking)], thinking, self.slowness)


def choose(body: Mapping[str, Any]) -> Script:
    """Choose the reply by all that the last question asks for, else by the number of the turn."""
    users = [message for message in body.get("messages", []) if message.get("role") == "user"]
    question = _words_of(users[-1]) if users else ""
    said = question.lower()
    turn = max(0, len(users) - 1)
    kinds = list(SCRIPTS)
    asked_for = [kind for kind, keywords in KEYWORDS if re.search(keywords, said)] or [
        kinds[turn % len(kinds)]
    ]
    script = _joined([SCRIPTS[kind](_quoted(question)) for kind in asked_for])
    if (body.get("thinking") or {}).get("type") == "disabled":
        return Script(script.text, "", script.slowness)
    return script


def _joined(scripts: list[Script]) -> Script:
    """Return one reply that holds several, one after the other."""
    text = "\n\n".join(script.text for script in scripts)
    thinking = "\n\n".join(script.thinking for script in scripts if script.thinking)
    return Script(text, thinking, max(script.slowness for script in scripts))


def _words_of(message: Mapping[str, Any]) -> str:
    content = message.get("content")
    if isinstance(content, str):
        return content.strip()
    return " ".join(b.get("text", "") for b in content or [] if b.get("type") == "text").strip()


def _quoted(question: str) -> str:
    """Return the question's first words, harmless in Markdown."""
    words = question.split()
    short = " ".join(words[:9])[:80]
    tail = "…" if len(short) < len(" ".join(words)) else ""
    return re.sub(r"([\\`*_{}\[\]()<>#+\-.!|~$:&])", r"\\\1", short) + tail if short else "(nothing in words)"


def _prose(asked: str) -> Script:
    return Script(
        f"""This is the **offline demo** of claudedesk, not Claude. You wrote: “{asked}”. Nobody has thought \
about that; this text was written beforehand, costs nothing, and never left your computer.

With a key of your own, Claude would answer here, word by word, as this text does. A few things to try:

- **Stop** the reply while it runs; what has come so far stays.
- Ask for *a table*, *some code*, *maths*, *a long answer*, *a slow answer*, or ask it to *think*.
- **Retry** it: the old version is kept beside the new one.
- Search for a word of this text in **History**.

> Every conversation with the demo is marked as one, so that you never mistake it for the real thing.

When you are ready, add your key under **Settings**."""
    )


def _table(asked: str) -> Script:
    return Script(
        f"""You asked: “{asked}”. I am a demo and not Claude, so here is a table that I know by heart:

| Planet | Diameter (km) | Distance (million km) | Day (hours) |
|:-------|--------------:|----------------------:|------------:|
| Mercury | 4,879 | 57.9 | 4,222.6 |
| Venus | 12,104 | 108.2 | 2,802.0 |
| Earth | 12,756 | 149.6 | 24.0 |
| Mars | 6,792 | 228.0 | 24.7 |
| Jupiter | 142,984 | 778.5 | 9.9 |
| Saturn | 120,536 | 1,432.0 | 10.7 |
| Uranus | 51,118 | 2,867.0 | 17.2 |
| Neptune | 49,528 | 4,515.0 | 16.1 |

The columns of numbers stand right-aligned, and a wide table scrolls by itself."""
    )


def _code(asked: str) -> Script:
    return Script(
        f"""“{asked}” is what you wrote. This is the demo, not Claude: the program below was here before that.

```python
from collections import Counter
from pathlib import Path


def most_common_words(path: Path, count: int = 10) -> list[tuple[str, int]]:
    \"\"\"Return the most frequent words of a text file.\"\"\"
    words = path.read_text(encoding="utf-8").lower().split()
    return Counter(word.strip(".,;:!?") for word in words).most_common(count)


if __name__ == "__main__":
    for word, times in most_common_words(Path("README.md")):
        print(f"{{times:5d}}  {{word}}")
```

Run it like this:

```console
$ python words.py
   42  the
   23  and
```

It reads the file once, and `Counter` does the work. The button at the block’s corner copies it."""
    )


def _maths(asked: str) -> Script:
    return Script(
        f"""A demo cannot work out “{asked}”, for it is not Claude. But it can show how formulas look.

The solutions of $ax^2 + bx + c = 0$ are

$$x_{{1,2}} = \\frac{{-b \\pm \\sqrt{{b^2 - 4ac}}}}{{2a}}$$

and the bell curve encloses a finite area:

$$\\int_{{-\\infty}}^{{\\infty}} e^{{-x^2}} \\, dx = \\sqrt{{\\pi}}$$

Inside a sentence, $e^{{i\\pi}} + 1 = 0$ keeps to the line."""
    )


def _slow(asked: str) -> Script:
    return Script(
        f"""Slowly, then: “{asked}”. This is a demo, not Claude, and it takes its time on purpose. Go to \
another conversation meanwhile, or load the page again: the reply goes on without you, and when you come \
back, it is whole. Or press **Stop**, and it ends here.""",
        slowness=SLOW,
    )


def _thinking(asked: str) -> Script:
    return Script(
        f"""You asked “{asked}”. The lines above show where Claude’s thinking would stand; being a demo \
and not Claude, I have only pretended.

1. Thinking is folded away when the reply is done.
2. It is kept with the conversation, since Claude needs it back unchanged.
3. In **Settings** you can turn it off.""",
        thinking="""This is what thinking looks like in the demo, which is not Claude. It is a fixed text: \
first the question is read, then two ways to answer it are weighed, and the simpler one is taken. Nothing \
was really thought.""",
    )


_CHAPTERS: Final = 18
_SUBJECTS: Final = ("The lighthouse", "A ferry", "The old library", "Every gardener", "The night train")
_DEEDS: Final = ("keeps a record of", "patiently waits for", "seldom mentions", "cannot do without")
_OBJECTS: Final = (
    "the first snow",
    "quiet mornings",
    "letters from abroad",
    "a good map",
    "the west wind",
    "tea",
)


def _long(asked: str) -> Script:
    opening = f"""# A long reply

You wrote “{asked}”. This is the offline demo, not Claude; the {_CHAPTERS} chapters below only fill the \
page, so that you can see how a long reply scrolls, how it can be stopped, and how it is found again.
"""
    return Script(opening + "".join(_chapter(number) for number in range(1, _CHAPTERS + 1)))


def _chapter(number: int) -> str:
    first = number * 31
    parts = [" ".join(_sentence(first + 7 * line + n) for n in range(7)) for line in range(3)]
    if number % 3 == 0:
        parts.append("\n".join(f"- {_sentence(first + 50 + n)}" for n in range(4)))
    if number % 4 == 0:
        parts.append(
            f"```python\nchapter = {number}\nprint(f'This is chapter {{chapter}} of the demo.')\n```"
        )
    return f"\n## Chapter {number}\n\n" + "\n\n".join(parts) + "\n"


def _sentence(number: int) -> str:
    # Five, four and six have no common step, so neighbouring sentences differ.
    return f"{_SUBJECTS[number % 5]} {_DEEDS[number * 3 % 4]} {_OBJECTS[(number + number // 5) % 6]}."


SCRIPTS: Final[Mapping[str, Callable[[str], Script]]] = {
    "prose": _prose,
    "table": _table,
    "code": _code,
    "maths": _maths,
    "long": _long,
    "slow": _slow,
    "thinking": _thinking,
}
"""In this order the replies come when a question names none of them."""
KEYWORDS: Final = (
    ("table", r"\btables?\b"),
    ("code", r"\bcode\b|\bprograms?\b|\bpython\b|\bscript\b|\bfunction\b"),
    ("maths", r"\bmaths?\b|\bmathematics\b|\bformulas?\b|\bequations?\b|\blatex\b|\bintegral\b"),
    ("long", r"\blong(er)?\b|\bessay\b"),
    ("slow", r"\bslow(ly)?\b"),
    ("thinking", r"\bthink(ing)?\b|\breason(ing)?\b"),
)
