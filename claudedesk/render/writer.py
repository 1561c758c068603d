"""From Markdown tokens to HTML: what each token looks like before the sanitiser."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final

from claudedesk.render import code, links, math
from claudedesk.render.sanitize import Slots, clean, escape, host_of, safe_url

if TYPE_CHECKING:
    from markdown_it.token import Token

_FIXED = {
    "blockquote_open": "<blockquote>",
    "blockquote_close": "</blockquote>",
    "bullet_list_open": "<ul>",
    "bullet_list_close": "</ul>",
    "ordered_list_close": "</ol>",
    "list_item_close": "</li>",
    "hr": "<hr>",
    "table_open": '<div class="table" tabindex="0" role="region" aria-label="Table"><table>',
    "thead_open": "<thead>",
    "thead_close": "</thead><tbody>",
    "tbody_open": "",
    "tbody_close": "",
    "table_close": "</tbody></table></div>",
    "tr_open": "<tr>",
    "tr_close": "</tr>",
    "th_close": "</th>",
    "td_close": "</td>",
    "footnote_reference_close": "</div>",
    # A reply's own line breaks are kept: models break lines where they mean it (addresses, verse).
    "softbreak": "<br>",
    "hardbreak": "<br>",
    "em_open": "<em>",
    "em_close": "</em>",
    "strong_open": "<strong>",
    "strong_close": "</strong>",
    "s_open": "<s>",
    "s_close": "</s>",
}
CodeMemo = dict[tuple[str, str], str]
LEAF: Final = "\ue000leaf\ue001"
"""Where the open leaf of a growing block goes, in HTML that is already clean."""


class Writer:
    """Turns the tokens of one text into HTML, with marks for what comes after the sanitiser.

    With `inline_memo` it writes for a text that still grows: `parse_inline` is called when a line is met that
    the memo does not hold, and the token `leaf` is left open.
    """

    def __init__(self, env: dict[str, Any], prefix: str = "", code_memo: CodeMemo | None = None) -> None:
        self.env = env
        self.prefix = re.sub(r"[^A-Za-z0-9_-]", "", prefix)[:64]
        self.code_memo = code_memo
        self.inline_memo: dict[str, str] | None = None
        self.parse_inline: Callable[[str, dict[str, Any]], list[Token]] = lambda text, env: []
        self.leaf: Token | None = None
        self.used: set[str] = set()
        self.slots = Slots()
        self._links: list[tuple[Token, str | None]] = []
        self._lead = ""
        self._label = False

    def finish(self, html: str) -> str:
        """Sanitise what was written and put our own HTML in its places."""
        return self.slots.fill(clean(html))

    def blocks(self, tokens: Iterable[Token]) -> str:
        """Write block tokens, with marks for what comes after the sanitiser."""
        out: list[str] = []
        for token in tokens:
            kind = token.type
            if self._lead and kind not in ("inline", "paragraph_open", "heading_open"):
                out.append(self._take_lead() + ("</label>" if self._label else ""))
                self._label = False
            if kind == "inline":
                out.append(self._line(token))
            elif kind in _FIXED:
                out.append(_FIXED[kind])
            else:
                out.append(_BLOCK_RULES[kind](self, token))
        return "".join(out)

    def _line(self, token: Token) -> str:
        lead, label = self._take_lead(), self._label
        self._label = False
        return lead + self.inline(token) + ("</label>" if label else "")

    def _take_lead(self) -> str:
        lead, self._lead = self._lead, ""
        return lead

    def inline(self, token: Token) -> str:
        """Write one line's or paragraph's inline content."""
        if token is self.leaf:
            return self.slots.put(LEAF)
        if self.inline_memo is None:
            return self.children(token.children or ())
        html = self.inline_memo.get(token.content)
        if html is None:
            slots = len(self.slots)
            html = self.children(self.parse_inline(token.content, self.env))
            if len(self.slots) == slots:
                self.inline_memo[token.content] = html
        return html

    def children(self, tokens: Iterable[Token]) -> str:
        """Write inline tokens."""
        out: list[str] = []
        for token in tokens:
            kind = token.type
            if kind == "text":
                out.append(escape(token.content) if self._links else links.autolink(token.content))
            elif kind in _FIXED:
                out.append(_FIXED[kind])
            else:
                out.append(_INLINE_RULES[kind](self, token))
        return "".join(out)

    # block rules

    def paragraph(self, token: Token) -> str:
        return "" if token.hidden else "<p>" if token.nesting > 0 else "</p>"

    def heading(self, token: Token) -> str:
        return f"<{token.tag}>" if token.nesting > 0 else f"</{token.tag}>"

    def ordered_list(self, token: Token) -> str:
        start = token.attrs.get("start")
        return "<ol>" if start is None else f'<ol start="{start}">'

    def list_item(self, token: Token) -> str:
        value = f' value="{token.attrs["value"]}"' if "value" in token.attrs else ""
        checked = token.meta.get("checked") if token.meta else None
        if checked is None:
            return f"<li{value}>"
        self._label = True
        self._lead = f'<label><input type="checkbox" disabled{" checked" if checked else ""}> '
        return f'<li{value} class="task">'

    def cell(self, token: Token) -> str:
        style = f' style="{token.attrs["style"]}"' if "style" in token.attrs else ""
        scope = ' scope="col"' if token.tag == "th" else ""
        return f"<{token.tag}{scope}{style}>"

    def fence(self, token: Token) -> str:
        name = code.language(token.info) if token.type == "fence" else ""
        if token is self.leaf:
            return self.slots.put(code.figure(name, LEAF))
        start, end = token.map or (0, 0)
        if self.inline_memo is not None and not code.is_closed(token.content, end - start):
            name_now = ""  # still open: highlighting waits for the end
        else:
            name_now = name
        return self.slots.put(code.figure(name, code.highlight(token.content, name_now, self.code_memo)))

    def math_block(self, token: Token) -> str:
        return self.slots.put(math.block_html(token.content, token.info == "open"))

    def plain(self, token: Token) -> str:
        return f'<p class="plain">{escape(token.content)}</p>'

    def definition(self, token: Token) -> str:
        if token.meta["id"] in self.used and not token.info:
            return ""
        return f"<p>{'<br>'.join(links.autolink(line) for line in token.content.splitlines())}</p>"

    def unused_footnote(self, token: Token) -> str:
        self._lead = f"[^{escape(token.meta['label'])}]: "
        return "<div>"

    # inline rules

    def special(self, token: Token) -> str:
        return escape(token.content)

    def code_inline(self, token: Token) -> str:
        return f"<code>{escape(token.content)}</code>"

    def bare_tag(self, token: Token) -> str:
        return f"<{token.markup}{token.tag}>"

    def math_inline(self, token: Token) -> str:
        return self.slots.put(math.inline_html(token.content, token.markup))

    def link_open(self, token: Token) -> str:
        url = safe_url(str(token.attrs["href"]))
        self._links.append((token, url))
        if url:
            return links.open_tag(url, str(token.attrs.get("title", "")))
        return "&lt;" if token.markup == "autolink" else ""

    def link_close(self, token: Token) -> str:
        opened, url = self._links.pop()
        if url:
            return "</a>"
        if opened.markup:
            return "&gt;" if opened.markup == "autolink" else ""
        return " " + links.shown_url(str(opened.attrs["href"]), str(opened.attrs.get("title", "")))

    def image(self, token: Token) -> str:
        source, title = str(token.attrs["src"]), str(token.attrs.get("title", ""))
        alt = escape(plain_text(token.children or ()).strip() or "Image")
        url = safe_url(source)
        if not url:
            return f"{alt} {links.shown_url(source, title)}"
        shown = f'{alt} <span class="host">({escape(host_of(url))})</span>'
        return shown if self._links else f"{links.open_tag(url, title, 'image-link')}{shown}</a>"

    def footnote_ref(self, token: Token) -> str:
        number, again = token.meta["id"] + 1, token.meta["subId"]
        ident = f"{self.prefix}-{number}"
        back = _back(ident, again)
        return f'<sup class="footnote-ref"><a href="#fn{ident}" id="{back}">[{number}]</a></sup>'

    def footnotes(self, bodies: dict[str, list[Token]]) -> str:
        """Write the section at the end of a reply; `bodies` are the tokens of each footnote by its label."""
        items = []
        for index, note in self.env["footnotes"]["list"].items():
            ident = f"{self.prefix}-{index + 1}"
            body = self.blocks(bodies.get(note["label"], ())).removesuffix("</p>")
            backs = "".join(
                f' <a class="footnote-backref" href="#{_back(ident, n)}"'
                f' aria-label="Back to reference {index + 1}">\u21a9\ufe0e</a>'
                for n in range(note["count"])
            )
            items.append(f'<li id="fn{ident}">{body or "<p>"}{backs}</p></li>')
        return f'<section class="footnotes" aria-label="Footnotes"><ol>{"".join(items)}</ol></section>'


def _back(ident: str, again: int) -> str:
    """Return the id of the `again`-th place (from 0) that refers to a footnote."""
    return f"fnref{ident}-{again + 1}" if again else f"fnref{ident}"


def plain_text(tokens: Iterable[Token]) -> str:
    """Return the words of inline tokens, for an image's alternative text."""
    parts = []
    for token in tokens:
        if token.type in ("softbreak", "hardbreak"):
            parts.append(" ")
        elif token.children:
            parts.append(plain_text(token.children))
        else:
            parts.append(token.content if token.type != "bare_tag" else "")
    return "".join(parts)


_Rule = Callable[[Writer, Any], str]
_BLOCK_RULES: dict[str, _Rule] = {
    "paragraph_open": Writer.paragraph,
    "paragraph_close": Writer.paragraph,
    "heading_open": Writer.heading,
    "heading_close": Writer.heading,
    "ordered_list_open": Writer.ordered_list,
    "list_item_open": Writer.list_item,
    "th_open": Writer.cell,
    "td_open": Writer.cell,
    "fence": Writer.fence,
    "code_block": Writer.fence,
    "math_block": Writer.math_block,
    "plain": Writer.plain,
    "definition": Writer.definition,
    "footnote_reference_open": Writer.unused_footnote,
}
_INLINE_RULES: dict[str, _Rule] = {
    "text_special": Writer.special,
    "code_inline": Writer.code_inline,
    "bare_tag": Writer.bare_tag,
    "math_inline": Writer.math_inline,
    "link_open": Writer.link_open,
    "link_close": Writer.link_close,
    "image": Writer.image,
    "footnote_ref": Writer.footnote_ref,
}
