"""Code blocks: the language's name, Pygments highlighting as CSS classes, and the figure around it."""

from __future__ import annotations

import functools
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from claudedesk.render.sanitize import clean_code, escape

if TYPE_CHECKING:
    from pygments.lexer import Lexer

MAX_CODE: Final = 50_000
MAX_LINE: Final = 5_000
"""Longer code, or code with a longer line, is shown plain: lexers are regexes, some of them quadratic."""
MAX_SECONDS: Final = 0.5

_LANGUAGE = re.compile(r"[A-Za-z0-9+#._-]{1,30}")
_clock = time.perf_counter
_lock = threading.Lock()
_pygments: _Pygments | None = None


class _TooSlow(Exception):
    """A lexer used up its time."""


def language(info: str) -> str:
    """Return the language that a fence's info string names, or "" when its first word is no plain name."""
    word = info.split(maxsplit=1)[0] if info.strip() else ""
    return word if _LANGUAGE.fullmatch(word) else ""


def is_closed(content: str, lines: int) -> bool:
    """Say whether a fence of `lines` source lines with this `content` has its closing line."""
    inner = content.count("\n") + (0 if not content or content.endswith("\n") else 1)
    return lines == inner + 2


class _Pygments(NamedTuple):
    """What we use of Pygments: lexers' names by alias, the finder, and a formatter that is never changed."""

    names: dict[str, str]
    find: Callable[[str], type[Lexer] | None]
    formatter: Any


def _load() -> _Pygments:
    """Import Pygments, once: its packages replace themselves in `sys.modules` while another thread imports."""
    global _pygments
    with _lock:
        if _pygments is None:
            from pygments.formatters import HtmlFormatter
            from pygments.lexers import find_lexer_class, get_all_lexers

            # Aliases are looked up here, so that an unknown one never makes Pygments search for plugins.
            names = {
                alias.lower(): name for name, found, _, _ in get_all_lexers(plugins=False) for alias in found
            }
            del names["text"]
            _pygments = _Pygments(names, functools.lru_cache(find_lexer_class), HtmlFormatter(nowrap=True))
    return _pygments


def highlight(code: str, name: str, memo: dict[tuple[str, str], str] | None = None) -> str:
    """Return `code` as escaped HTML, with `<span class>` for tokens when `name` is a language that Pygments
    knows.

    `memo` keeps results between the live and the final rendering of one reply.
    """
    if memo is not None and (name, code) in memo:
        return memo[name, code]
    html = _highlight(code, name)
    if memo is not None:
        memo[name, code] = html
    return html


def _highlight(code: str, name: str) -> str:
    if not name or len(code) > MAX_CODE or max(map(len, code.split("\n"))) > MAX_LINE:
        return escape(code)
    pygments = _pygments or _load()
    known = pygments.names.get(name.lower())
    lexer_class = pygments.find(known) if known else None
    if lexer_class is None:
        return escape(code)
    # A lexer for each call: some keep state on themselves, and several threads render.
    tokens = lexer_class(stripnl=False, ensurenl=False).get_tokens(code)
    try:
        html = "".join(_lines(pygments.formatter, _within_time(tokens)))
    except _TooSlow:
        return escape(code)
    if not code.endswith("\n"):
        html = html.removesuffix("\n")  # the formatter ends every line
    return clean_code(html)


def _within_time(tokens: Iterable[Any]) -> Iterator[Any]:
    end = _clock() + MAX_SECONDS
    for number, token in enumerate(tokens):
        if not number & 255 and _clock() > end:
            raise _TooSlow
        yield token


def _lines(formatter: Any, tokens: Iterator[Any]) -> Iterator[str]:
    """Yield a formatter's lines. `_format_lines` is what `format` calls with `nowrap`, less a file object."""
    for _, line in formatter._format_lines(tokens):
        yield line


def figure(name: str, inner: str) -> str:
    """Return the markup of one code block; `inner` is escaped or highlighted code.

    The buttons exist only here: the sanitiser knows no `button`, so that the model's text can never make one.
    """
    label = escape(name or "text")
    css = f' class="language-{label}"' if name else ""
    return (
        f'<figure class="code"><figcaption><span class="lang">{label}</span>'
        '<button type="button" data-action="wrap" aria-pressed="false">Wrap</button>'
        '<button type="button" data-action="copy-code">Copy</button></figcaption>'
        f'<pre tabindex="0"><code{css}>{inner}</code></pre></figure>'
    )
