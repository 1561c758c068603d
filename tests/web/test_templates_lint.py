"""Laws of the pages that can be read from their sources: TRUST SEC-10, SEC-15, UX §2 and our habits."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
STATIC = ROOT / "claudedesk" / "static"


def sources(*globs: str) -> list[Path]:
    return sorted(path for glob in globs for path in ROOT.glob(glob))


TEMPLATES = sources("claudedesk/templates/**/*.html", "blueprints/*/templates/**/*.html")
SCRIPTS = sources("claudedesk/static/**/*.js", "blueprints/*/static/**/*.js")
STYLES = sources("claudedesk/static/**/*.css", "blueprints/*/static/**/*.css")
RULED_STYLES = [path for path in STYLES if path.name not in ("tokens.css", "code.css")]

JINJA = re.compile(r"\{#.*?#\}|\{%.*?%\}", re.DOTALL)
EXPRESSION = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
MAX_LINES = 150
MAKES_HTML = re.compile(
    r"\.(inner|outer)HTML\s*=(?!=)|insertAdjacentHTML|document\.write|createContextualFragment|parseFromString"
    r"|setHTMLUnsafe|\beval\s*\(|new Function\b|createPolicy|srcdoc"
)
KEEPS = re.compile(
    r"localStorage|sessionStorage|indexedDB|document\.cookie|cookieStore|\bcaches\b|serviceWorker"
)
COLOUR = re.compile(
    r"#[0-9a-f]{3,8}\b|\b(?:rgba?|hsla?|hwb|lab|lch|oklab|oklch|color|light-dark)\("
    r"|:[^;{}]*(?<![-\w])(?:white|black|red|green|blue|gr[ea]y|yellow|orange|transparent)(?![-\w])",
    re.IGNORECASE,
)
"""The system's own names of forced colours may stand anywhere."""


def ident(path: Path) -> str:
    return str(path.relative_to(ROOT))


class Page(HTMLParser):
    """One template as tags: Jinja's own words are out, an expression reads as the letter x."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.nameless: list[str] = []
        self._buttons: list[tuple[str, bool]] = []
        self.words_in_script = ""
        self._in_script = False
        # What draws an icon is no word; every other expression may be one.
        shown = EXPRESSION.sub(lambda found: "" if "icon(" in found[1] else "x", JINJA.sub("", text))
        self.feed(shown)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {key: value or "" for key, value in attrs}
        self.tags.append((tag, given))
        self._in_script = tag == "script"
        if tag in ("button", "a"):
            label = given.get("aria-label", "").strip()
            self._buttons.append((f"<{tag} {given}>", bool(label)))

    def handle_endtag(self, tag: str) -> None:
        self._in_script = False
        if tag in ("button", "a") and self._buttons:
            shown, named = self._buttons.pop()
            if not named:
                self.nameless.append(shown)

    def handle_data(self, data: str) -> None:
        if self._in_script:
            self.words_in_script += data.strip()
        if data.strip() and self._buttons:
            shown, _ = self._buttons[-1]
            self._buttons[-1] = (shown, True)


@pytest.fixture(params=TEMPLATES, ids=ident)
def page(request: pytest.FixtureRequest) -> Page:
    return Page(request.param.read_text("utf-8"))


def test_there_is_something_to_check_and_the_checks_find_it() -> None:
    assert len(TEMPLATES) > 10 and len(SCRIPTS) > 20 and len(STYLES) > 8
    bad = Page('<button>{{ icon("x") }}</button><a href="/"><svg></svg></a><script>alert(1)</script>')
    assert len(bad.nameless) == 2 and bad.words_in_script
    assert Page("<button>{{ icon('x') }}{{ name }}</button><a aria-label=\"Up\"></a>").nameless == []
    assert (
        COLOUR.search("color: white;")
        and COLOUR.search("--a: #FFF;")
        and not COLOUR.search("--a: var(--red);")
    )
    assert MAKES_HTML.search("box.innerHTML = x") and not MAKES_HTML.search("if (box.innerHTML === x)")


def test_no_template_holds_a_script_a_style_or_an_event_handler_of_its_own(page: Page) -> None:
    assert page.words_in_script == ""
    for tag, attrs in page.tags:
        assert tag != "style"
        assert tag != "script" or ("src" in attrs and attrs.get("type") == "module")
        assert not {"style", "srcdoc", "formaction"} & set(attrs)
        assert not [attr for attr in attrs if attr.startswith("on")]


def test_nothing_is_loaded_from_elsewhere_and_no_form_posts(page: Page) -> None:
    for tag, attrs in page.tags:
        for attr in ("src", "href", "action", "data", "poster"):
            elsewhere = re.match(r"(?i)\s*(https?:)?//", attrs.get(attr, ""))
            assert not elsewhere or (tag == "a" and attr == "href"), (tag, attrs)
            assert not re.match(r"(?i)\s*(javascript|data):", attrs.get(attr, ""))
        assert tag not in ("iframe", "object", "embed", "base")
        assert tag != "form" or attrs.get("method", "get") in ("get", "dialog")


def test_every_button_and_link_has_a_name(page: Page) -> None:
    """UX §2: icons alone say nothing to a screen reader."""
    assert page.nameless == []


def test_every_button_says_what_kind_it_is_and_every_field_has_a_name(page: Page) -> None:
    labelled = {attrs["for"] for tag, attrs in page.tags if tag == "label" and "for" in attrs}
    depth = [index for index, (tag, _) in enumerate(page.tags) if tag == "label"]
    for index, (tag, attrs) in enumerate(page.tags):
        if tag == "button":
            assert attrs.get("type") in ("button", "submit"), attrs
        if tag in ("input", "select", "textarea") and attrs.get("type") != "hidden":
            inside = any(index - before == 1 for before in depth)
            assert "aria-label" in attrs or inside or attrs.get("id") in labelled, attrs


@pytest.mark.parametrize("path", TEMPLATES, ids=ident)
def test_no_template_switches_escaping_off(path: Path) -> None:
    """Safe HTML arrives as Markup from render/; a template adds none."""
    assert not re.search(r"\|\s*safe\b|autoescape\s+false", path.read_text("utf-8"))


@pytest.mark.parametrize("path", SCRIPTS, ids=ident)
def test_scripts_are_short_modules_that_import_each_other_only(path: Path) -> None:
    text = path.read_text("utf-8")
    assert len(text.splitlines()) <= MAX_LINES
    for target in re.findall(r"(?:\bfrom|\bimport)\s*\(?\s*[\"']([^\"']+)[\"']", text):
        assert target.startswith("./") and (path.parent / target).is_file(), target
    assert "importScripts" not in text and not re.search(r"\bimport\s*\((?!\s*[\"'])", text)


@pytest.mark.parametrize("path", SCRIPTS, ids=ident)
def test_html_becomes_nodes_in_one_place_and_nothing_is_kept_in_the_web_view(path: Path) -> None:
    text = re.sub(r"/\*.*?\*/|^\s*//.*$", "", path.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    assert path.name == "dom.js" or not MAKES_HTML.search(text)
    assert not KEEPS.search(text)
    assert not re.search(r"[\"'`]https?://(?!www\.w3\.org/2000/svg)", text)


def test_dom_js_makes_html_once_and_through_the_policy() -> None:
    text = (STATIC / "js" / "dom.js").read_text("utf-8")
    assert len(MAKES_HTML.findall(text)) == 2
    assert "template.innerHTML = policy.createHTML(html)" in text and 'createPolicy("claudedesk"' in text


def declarations(path: Path) -> Iterator[str]:
    text = re.sub(r"/\*.*?\*/", "", path.read_text("utf-8"), flags=re.DOTALL)
    yield from re.findall(r"[-\w]+\s*:[^;{}]+;", text)


@pytest.mark.parametrize("path", RULED_STYLES, ids=ident)
def test_colours_are_named_in_tokens_css_only(path: Path) -> None:
    for declaration in declarations(path):
        assert not COLOUR.search(declaration), declaration


@pytest.mark.parametrize("path", STYLES, ids=ident)
def test_styles_load_nothing_and_are_written_for_both_directions(path: Path) -> None:
    text = path.read_text("utf-8")
    assert "@import" not in text and "url(" not in text and "expression(" not in text
    for declaration in declarations(path):
        found = re.match(r"(?:margin|padding|border)-(?:left|right)|^(?:left|right|float)\s*:", declaration)
        assert not found, declaration


def test_every_custom_property_that_is_used_is_defined() -> None:
    texts = [path.read_text("utf-8") for path in STYLES]
    defined = {found for text in texts for found in re.findall(r"(--[\w-]+)\s*:", text)}
    for path, text in zip(STYLES, texts, strict=True):
        for used, fallback in re.findall(r"var\((--[\w-]+)(\s*,)?", text):
            assert fallback or used in defined, (path.name, used)


def test_every_icon_that_is_asked_for_is_drawn() -> None:
    drawn = set(re.findall(r'<symbol id="([\w-]+)"', (STATIC / "icons.svg").read_text("utf-8")))
    texts = [path.read_text("utf-8") for path in (*TEMPLATES, *SCRIPTS)]
    asked = {icon for text in texts for icon in re.findall(r"\bicon\(\"([\w-]+)\"", text)}
    assert asked and asked <= drawn


def test_every_script_is_reached_from_a_page() -> None:
    pages = "".join(path.read_text("utf-8") for path in TEMPLATES)
    reached, waiting = set(), re.findall(r"static\('js/([\w-]+\.js)'\)", pages)
    while waiting:
        script = waiting.pop()
        if script not in reached:
            reached.add(script)
            text = (STATIC / "js" / script).read_text("utf-8")
            waiting += re.findall(r"from \"\./([\w-]+\.js)\"", text)
    assert reached == {path.name for path in STATIC.glob("js/*.js")}


def test_a_form_that_holds_a_key_or_a_message_never_travels_in_an_address() -> None:
    """SEC-06: a submit before the script has run would be a GET; `method=dialog` outside a dialog goes nowhere."""
    for path in TEMPLATES:
        for form in re.findall(r"<form\b[^>]*>", path.read_text("utf-8")):
            assert 'action="/history/"' in form or 'method="dialog"' in form, f"{path.name}: {form}"
