"""What may reach the page: cleaned input, checked URLs, and the one allow-list that all text passes."""

from __future__ import annotations

import functools
import re
import secrets
import threading
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlsplit

if TYPE_CHECKING:
    import nh3

SLOT_OPEN: Final = "\ue000"
SLOT_CLOSE: Final = "\ue001"
"""Private-use marks around the number of a slot: our own HTML (maths, code) that is put in after nh3."""

_BAD_INPUT = re.compile("\r\n?|[\x00\ue000\ue001\ud800-\udfff]")
_WORD = secrets.token_hex(8)
_SLOT = re.compile(f"{SLOT_OPEN}([0-9a-f]+):([0-9]{{1,9}}){SLOT_CLOSE}")
_FOOTNOTE_ID = re.compile(r"fn(?:ref)?[A-Za-z0-9_-]*-\d+(?:-\d+)?")
_CODE_CLASS = re.compile(r"[a-z][a-z0-9]{0,2}(?: [a-z][a-z0-9]{0,2})?")
_NUMBER = re.compile(r"\d{1,9}")

_INLINE_TAGS = {"a", "br", "code", "em", "input", "kbd", "label", "mark", "s", "span", "strong", "sub", "sup"}
_BLOCK_TAGS = {"blockquote", "div", "hr", "li", "ol", "p", "section", "ul"} | {f"h{n}" for n in range(1, 7)}
_TABLE_TAGS = {"table", "tbody", "td", "th", "thead", "tr"}
TAGS: Final = frozenset(_INLINE_TAGS | _BLOCK_TAGS | _TABLE_TAGS)

# Each attribute with the values it may have; the ones that vary are checked in `_allow`.
_VALUES: dict[str, dict[str, set[str]]] = {
    "a": {
        "class": {"image-link", "footnote-backref"},
        "rel": {"noopener noreferrer"},
        "target": {"_blank"},
    },
    "div": {"class": {"table"}, "tabindex": {"0"}, "role": {"region"}, "aria-label": {"Table"}},
    "input": {"type": {"checkbox"}, "disabled": {""}, "checked": {""}},
    "li": {"class": {"task"}},
    "p": {"class": {"plain"}},
    "section": {"class": {"footnotes"}, "aria-label": {"Footnotes"}},
    "span": {"class": {"host", "url"}},
    "sup": {"class": {"footnote-ref"}},
    "th": {"scope": {"col"}},
}
_VARYING: dict[str, set[str]] = {
    "a": {"aria-label", "href", "id", "title"},
    "li": {"id", "value"},
    "ol": {"start"},
    "td": {"style"},
    "th": {"style"},
}
_STYLES = {"text-align:left", "text-align:right", "text-align:center"}

_lock = threading.Lock()
_cleaners: tuple[nh3.Cleaner, nh3.Cleaner] | None = None


def prepare(text: str) -> str:
    """Return `text` with one kind of line end and without NUL, lone surrogates and the marks of our slots."""
    if not _BAD_INPUT.search(text):
        return text
    return _BAD_INPUT.sub(_repair, text)


def _repair(match: re.Match[str]) -> str:
    found = match[0]
    if found[0] == "\r":
        return "\n"
    return "" if found in (SLOT_OPEN, SLOT_CLOSE) else "\ufffd"


def escape(text: str) -> str:
    """Escape `text` as element content exactly as nh3 writes it, so that both roads give equal bytes."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\xa0", "&nbsp;")
    # Entities such as `&#xE000;` are decoded after the input was stripped: no text may hold a slot mark.
    return (
        text.replace(SLOT_OPEN, "").replace(SLOT_CLOSE, "")
        if SLOT_OPEN in text or SLOT_CLOSE in text
        else text
    )


def escape_attribute(text: str) -> str:
    """Escape `text` for a double-quoted attribute value."""
    return escape(text).replace('"', "&quot;")


_URL_CHARS = re.compile(r"[\x00-\x20\x7f-\xa0\\<>\"\u2028\u2029\ufff9-\uffff]")
_INVISIBLE = re.compile(r"[\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff]")
_HOST = re.compile(r"(?:[\w.-]+|\[[0-9A-Fa-f:.]+\])(?::\d{1,5})?")
_MAIL = re.compile(r"mailto:([\w.!#$%&'*+/=^`{|}~-]+@[\w-]+(?:\.[\w-]+)*)(\?.*)?", re.I)
_MAIL_FIELDS = re.compile(r"\?(?:(?:subject|body|cc)=[^&]*(?:&(?!$)|$))+", re.I)
_SAFE = "%/:?#[]@!$&()*+,;=~-._|"


@functools.lru_cache(maxsize=512)
def safe_url(url: str) -> str | None:
    """Return `url` in the form that may be a link, or None when it must stay text.

    Only http, https and mailto pass. Refused: user info before the host (`http://user@evil`), control
    characters, white space inside, backslashes, invisible or direction-changing characters in the host, and
    anything over 4,096 characters. Applying it twice changes nothing. Entities are not decoded: an encoded
    scheme is no scheme.
    """
    url = url.strip(" ")
    if len(url) > 4096 or _URL_CHARS.search(url.replace(" ", "")):
        return None
    try:
        if url[:7].lower() == "mailto:":
            return _safe_mail(url)
        return _safe_web(url)
    except ValueError:
        return None


def _safe_web(url: str) -> str | None:
    scheme, colon, rest = url.partition(":")
    scheme = scheme.lower()
    if scheme not in ("http", "https") or not colon or not rest.startswith("//"):
        return None
    netloc = urlsplit(f"{scheme}:{rest}").netloc
    if not rest.startswith("//" + netloc) or not _HOST.fullmatch(netloc) or _INVISIBLE.search(netloc):
        return None
    if not netloc.isascii():
        name, separator, port = netloc.partition(":")
        host = name.encode("idna").decode("ascii") + separator + port
    else:
        host = netloc
    return f"{scheme}://{host}{quote(rest[2 + len(netloc) :], safe=_SAFE, errors='replace')}"


def _safe_mail(url: str) -> str | None:
    match = _MAIL.fullmatch(url)
    if not match or _INVISIBLE.search(match[1]):
        return None
    if match[2] and not _MAIL_FIELDS.fullmatch(match[2]):
        return None
    return "mailto:" + quote(url[7:], safe=_SAFE, errors="replace")


def host_of(url: str) -> str:
    """Return what names the other side of a URL that `safe_url` passed: its host, or the mail address."""
    return urlsplit(url).netloc or url.partition(":")[2].partition("?")[0]


def _allow(tag: str, name: str, value: str) -> str | None:
    """Check the attributes whose values vary; nh3 calls it for each that its lists let through."""
    if name == "href":
        ours = value.startswith("#") and _FOOTNOTE_ID.fullmatch(value, 1)
        return value if ours or safe_url(value) == value else None
    if name == "id":
        return value if _FOOTNOTE_ID.fullmatch(value) else None
    if name == "style":
        return value if value in _STYLES else None
    if name in ("start", "value"):
        return value if _NUMBER.fullmatch(value) else None
    return value


def _allow_code(tag: str, name: str, value: str) -> str | None:
    return value if _CODE_CLASS.fullmatch(value) else None


def _load() -> tuple[nh3.Cleaner, nh3.Cleaner]:
    global _cleaners
    with _lock:
        if _cleaners is None:
            import nh3

            page = nh3.Cleaner(
                tags=set(TAGS),
                clean_content_tags=set(),
                attributes=_VARYING,
                tag_attribute_values=_VALUES,
                attribute_filter=_allow,
                url_schemes={"http", "https", "mailto"},
                url_relative="pass_through",  # only our `#fn…` is left of them, see _allow
                link_rel=None,
            )
            code = nh3.Cleaner(
                tags={"span"},
                clean_content_tags=set(),
                attributes={"span": {"class"}},
                attribute_filter=_allow_code,
                link_rel=None,
            )
            _cleaners = page, code
    return _cleaners


def clean(html: str) -> str:
    """Return `html` reduced to the elements, attributes and values that a reply may have."""
    if "<" not in html:
        return html  # text that `escape` has written is what nh3 would return
    return (_cleaners or _load())[0].clean(html)


def clean_code(html: str) -> str:
    """Return highlighted code reduced to `<span class>` with Pygments' short classes."""
    return (_cleaners or _load())[1].clean(html)


class Slots:
    """Our own HTML, kept aside while the text around it is sanitised.

    The marks carry a word that is random in each process, so that no text of the model can name a slot even
    if it got a mark past the filters (percent-encoding, entities): a slot inside an attribute would break out
    of it.
    """

    def __init__(self) -> None:
        self._html: list[str] = []

    def __len__(self) -> int:
        return len(self._html)

    def put(self, html: str) -> str:
        """Keep `html` and return the mark that stands for it."""
        self._html.append(html)
        return f"{SLOT_OPEN}{_WORD}:{len(self._html) - 1}{SLOT_CLOSE}"

    def fill(self, html: str) -> str:
        """Return `html` with every mark replaced by what it stands for."""
        if SLOT_OPEN not in html:
            return html
        return _SLOT.sub(lambda match: self._html[int(match[2])] if match[1] == _WORD else "", html)
