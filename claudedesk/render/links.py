"""Links in running text: where a bare URL or address begins and ends, and the HTML of a link."""

from __future__ import annotations

import re
from collections.abc import Iterator

from claudedesk.render.sanitize import escape, escape_attribute, safe_url

# A URL runs up to white space, quotes and brackets, and the punctuation of scripts that write without spaces.
# The host comes first, so that `http://user@evil` and a run of `http://http://` end the match at once.
_HOST = r"(?:[\w.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?(?![\w@-]|:[^\s/]{0,64}@|://)"
_REST = r"(?:[/?#][^\s<>\[\]`\\\"|\u2026\u3000-\u303f\uff01-\uff0f\uff1a-\uff20\u2018-\u201f]{0,4096})?"
_URL = re.compile("https?://" + _HOST + _REST, re.IGNORECASE)
_FOUND = re.compile(
    rf"(?<![\w@/.+-])(?:(?P<url>https?://|www\.){_HOST}{_REST}"
    r"|(?P<mail>(?:mailto:)?[\w.+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8}))",
    re.IGNORECASE,
)
_TRAILING = "?!.,:;*_~'\""


def _trim(url: str) -> str:
    """Cut what belongs to the sentence: trailing punctuation, and a `)` that the URL did not open."""
    end = len(url)
    surplus = url.count(")") - url.count("(")
    while end:
        last = url[end - 1]
        if last == ")" and surplus > 0:
            surplus -= 1
        elif last not in _TRAILING:
            break
        end -= 1
    return url[:end]


def url_at(text: str, start: int, end: int) -> str:
    """Return the http(s) URL that begins at `start` (up to `end`), or "" when it may not be a link."""
    match = _URL.match(text, start, end)
    url = _trim(match[0]) if match else ""
    return url if safe_url(url) else ""


def find(text: str) -> Iterator[tuple[int, int, str]]:
    """Yield start, end and target of each bare URL, `www.` name and mail address in `text`."""
    if "@" not in text and "://" not in text and "www." not in text.lower():
        return
    for match in _FOUND.finditer(text):
        shown = _trim(match[0]) if match["url"] else match[0].rstrip("-.")
        target = shown
        if match["mail"] and not shown.lower().startswith("mailto:"):
            target = "mailto:" + shown
        elif match["url"] and match["url"].lower() == "www.":
            target = "http://" + shown
        safe = safe_url(target)
        if safe and ("://" in shown or "@" in shown or "." in shown[4:]):
            yield match.start(), match.start() + len(shown), safe


def autolink(text: str) -> str:
    """Return `text` escaped, with the links that `find` sees in it."""
    html: list[str] = []
    done = 0
    for start, end, target in find(text):
        html += escape(text[done:start]), open_tag(target), escape(text[start:end]), "</a>"
        done = end
    return "".join(html) + escape(text[done:])


def open_tag(url: str, title: str = "", css: str = "") -> str:
    """Return the start tag of a link to `url`, which `safe_url` has passed."""
    more = f' class="{css}"' if css else ""
    if title:
        more += f' title="{escape_attribute(title)}"'
    return f'<a href="{escape_attribute(url)}"{more} target="_blank" rel="noopener noreferrer">'


def shown_url(url: str, title: str = "") -> str:
    """Return a target that may not be a link as visible text, cut where it is long (`data:`)."""
    shown = url if len(url) <= 200 else url[:200] + "…"
    more = f" “{title}”" if title else ""
    return f'<span class="url">({escape(shown + more)})</span>'
