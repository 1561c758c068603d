"""A little DOM for tests: parse HTML, apply patches as the page does, name what must not be in a reply."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser

from claudedesk.render import Patch

VOID = {"br", "hr", "input", "mspace", "mprescripts", "none"}


class Node:
    """An element with its attributes and children (elements and texts)."""

    def __init__(self, tag: str, attrs: dict[str, str | None], parent: Node | None) -> None:
        self.tag, self.attrs, self.parent = tag, attrs, parent
        self.children: list[Node | str] = []

    def walk(self) -> Iterator[Node]:
        yield self
        for child in self.children:
            if isinstance(child, Node):
                yield from child.walk()

    def find(self, name: str, value: str) -> Node | None:
        return next((node for node in self.walk() if node.attrs.get(name) == value), None)

    def text(self, between: str = "") -> str:
        """Return the text; `between` stands where an element begins or ends."""
        parts = (
            child if isinstance(child, str) else between + child.text(between) + between
            for child in self.children
        )
        return "".join(parts)

    def shape(self) -> tuple[object, ...]:
        inner = tuple(child if isinstance(child, str) else child.shape() for child in self.children)
        return self.tag, tuple(sorted(self.attrs.items(), key=str)), inner


class _Builder(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = self.open = Node("body", {}, None)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        node = Node(tag, dict(attrs), self.open)
        assert len(node.attrs) == len(attrs), f"an attribute twice: {attrs}"
        self.open.children.append(node)
        if tag not in VOID:
            self.open = node

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open.children.append(Node(tag, dict(attrs), self.open))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.tag == tag, f"</{tag}> closes <{self.open.tag}>"
        assert self.open.parent is not None
        self.open = self.open.parent

    def handle_data(self, data: str) -> None:
        children = self.open.children
        if children and isinstance(children[-1], str):
            children[-1] += data
        else:
            children.append(data)

    def unknown_decl(self, data: str) -> None:
        raise AssertionError(f"a declaration: {data}")

    handle_decl = handle_pi = handle_comment = unknown_decl


def tree(html: str) -> Node:
    """Return the root of well-formed HTML; anything else fails."""
    builder = _Builder()
    builder.feed(html)
    builder.close()
    assert builder.open is builder.root, f"<{builder.open.tag}> is not closed"
    return builder.root


def apply(root: Node, patch: Patch) -> None:
    """Change the page as `Patch` says."""
    old = root.find("data-key", patch.key)
    if patch.html is None:
        assert old is not None and old.parent is not None, f"nothing to remove: {patch}"
        old.parent.children.remove(old)
        return
    (new,) = tree(patch.html).children
    assert isinstance(new, Node) and new.attrs["data-key"] == patch.key, patch
    if old is not None and old.parent is not None:
        new.parent = old.parent
        old.parent.children[old.parent.children.index(old)] = new
        return
    items = root if patch.parent is None else root.find("data-items", patch.parent)
    assert items is not None, f"no place for {patch}"
    new.parent = items
    items.children.append(new)


_NUMBER = r"\d+"
_KEY = r"\d+(?:\.\d+)*"
_KEYED = {"data-key": _KEY, "data-items": _KEY}
_URL = r"(?:https?://[^\s@/?#\"<>]+(?:[/?#][^\s\"<>]*)?|mailto:[^\s\"<>]+)"
_ID = r"fn(?:ref)?[\w-]*-\d+(?:-\d+)?"
_ALIGN = {"style": "text-align:(?:left|right|center)"}
_MATH = {"style": r"(?!.*(?:url|position|expression))[ a-zA-Z0-9:;.%#-]*"} | dict.fromkeys(
    [
        "accent",
        "accentunder",
        "columnalign",
        "columnlines",
        "columnspacing",
        "depth",
        "display",
        "displaystyle",
        "fence",
        "form",
        "height",
        "largeop",
        "linethickness",
        "lspace",
        "mathvariant",
        "maxsize",
        "minsize",
        "movablelimits",
        "notation",
        "rowlines",
        "rowspacing",
        "rspace",
        "scriptlevel",
        "separator",
        "stretchy",
        "symmetric",
        "voffset",
        "width",
    ],
    "[a-z0-9.% -]*",
)
ALLOWED: dict[str, dict[str, str]] = {
    **{tag: {} for tag in ["em", "strong", "s", "sub", "sup", "kbd", "mark", "br", "label", "thead"]},
    **{
        tag: _KEYED
        for tag in ["h1", "h2", "h3", "h4", "h5", "h6", "ul", "blockquote", "hr", "span", "tbody", "tr"]
    },
    **{
        tag: _MATH
        for tag in [
            "math",
            "menclose",
            "mfrac",
            "mi",
            "mmultiscripts",
            "mn",
            "mo",
            "mover",
            "mpadded",
            "mphantom",
            "mprescripts",
        ]
    },
    **{
        tag: _MATH
        for tag in [
            "mroot",
            "mrow",
            "mspace",
            "msqrt",
            "mstyle",
            "msub",
            "msubsup",
            "msup",
            "mtable",
            "mtd",
            "mtext",
            "mtr",
            "munder",
        ]
    },
    "munderover": _MATH,
    "table": {},
    "span": _KEYED
    | {"class": r"host|url|lang|math|[a-z][a-z0-9]{0,2}(?: [a-z][a-z0-9]{0,2})?", "tabindex": "0"},
    "p": _KEYED | {"class": "plain"},
    "ol": _KEYED | {"start": _NUMBER},
    "li": _KEYED | {"class": "task", "value": _NUMBER, "id": _ID},
    "td": _ALIGN,
    "th": _ALIGN | {"scope": "col"},
    "div": _KEYED | {"class": "table|math", "tabindex": "0", "role": "region", "aria-label": "Table"},
    "section": _KEYED | {"class": "footnotes", "aria-label": "Footnotes"},
    "sup": {"class": "footnote-ref"},
    "input": {"type": "checkbox", "disabled": "", "checked": ""},
    "figure": _KEYED | {"class": "code"},
    "figcaption": {},
    "button": {"type": "button", "data-action": "wrap|copy-code", "aria-pressed": "false"},
    "pre": {"tabindex": "0"},
    "code": {"class": r"tex|language-[A-Za-z0-9+#._-]{1,30}"},
    "a": {
        "href": f"{_URL}|#{_ID}",
        "id": _ID,
        "class": "image-link|footnote-backref",
        "title": r"(?s:.*)",
        "aria-label": r"Back to reference \d+",
        "rel": "noopener noreferrer",
        "target": "_blank",
    },
}


def faults(html: str) -> list[str]:
    """Return what in `html` is outside the allow-list above, which is written apart from the sanitiser's own."""
    found = []
    for node in tree(html).walk():
        if node.tag == "body" and node.parent is None:
            continue
        if node.tag not in ALLOWED:
            found.append(f"<{node.tag}>")
            continue
        for name, value in node.attrs.items():
            pattern = ALLOWED[node.tag].get(name)
            if pattern is None or not re.fullmatch(pattern, value or ""):
                found.append(f"<{node.tag} {name}={value!r}>")
        if node.tag == "button" and (node.parent is None or node.parent.tag != "figcaption"):
            found.append("a button outside a code block's caption")
        opens_outside = node.tag == "a" and not (node.attrs.get("href") or "#").startswith("#")
        if opens_outside and (node.attrs.get("rel"), node.attrs.get("target")) != (
            "noopener noreferrer",
            "_blank",
        ):
            found.append("a link without rel and target")
    return found
