"""Which URLs may be links, and how bare ones are found in running text."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from render.dom import tree

from claudedesk.render import render, render_plain, safe_url


def hrefs(html: str) -> list[str | None]:
    return [node.attrs["href"] for node in tree(html).walk() if node.tag == "a"]


@pytest.mark.parametrize(
    ("url", "safe"),
    [
        ("http://a.b", "http://a.b"),
        ("HTTPS://A.b/C?d=1&e=2#f", "https://A.b/C?d=1&e=2#f"),
        ("http://localhost:3000/x", "http://localhost:3000/x"),
        ("http://[::1]:80/", "http://[::1]:80/"),
        ("http://a.b/c d\u00e9", "http://a.b/c%20d%C3%A9"),
        ("http://b\u00fccher.de/", "http://xn--bcher-kva.de/"),
        ("http://a.b/100%", "http://a.b/100%"),
        ("mailto:a+b@c.de", "mailto:a+b@c.de"),
        ("mailto:a@c.de?subject=x&body=y", "mailto:a@c.de?subject=x&body=y"),
    ],
)
def test_a_web_or_mail_address_may_be_a_link(url: str, safe: str) -> None:
    """SEC-12."""
    assert safe_url(url) == safe


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "jAvA\tscript:alert(1)",
        "java\nscript:alert(1)",
        "\x01javascript:alert(1)",
        "javascript&#58;alert(1)",
        "javascript&colon;alert(1)",
        "vbscript:x",
        "data:text/html,x",
        "file:///etc/passwd",
        "\\\\host\\share",
        "//host/share",
        "/settings",
        "#fn1",
        "?c=CODE",
        "ms-msdt:/id",
        "smb://h/x",
        "ftp://h/x",
        "blob:http://a.b/x",
        "view-source:http://a.b",
        "http:a.b",
        "http:/a.b",
        "http:///a.b",
        "http://",
        "https://?x",
        "http://user@evil",
        "http://good.com:80@evil",
        "http://good.com\\@evil",
        "http://good.com%40evil@evil",
        "http://a.b:99999999",
        "http://a.b\u202e/",
        "http://a\u200bb.c/",
        "http://a.b/\x00",
        "http://a.b/\nx",
        "http://[::1",
        "http://a.b/" + "x" * 5000,
        "mailto:",
        "mailto:a@b.c?attach=/etc/passwd",
        "mailto:a@b.c\r\nBcc: d@e.f",
        "",
    ],
)
def test_anything_else_stays_text(url: str) -> None:
    """SEC-12."""
    assert safe_url(url) is None


@settings(database=None, deadline=None)
@given(st.text(max_size=40).map(lambda rest: "http://a.b/" + rest) | st.text(max_size=40))
def test_a_safe_url_is_safe_again_and_holds_nothing_that_ends_an_attribute(url: str) -> None:
    """SEC-12."""
    safe = safe_url(url)
    if safe is not None:
        assert safe_url(safe) == safe
        assert safe.isascii() and not set(safe) & set("\"'<>\\` \t\n\r\0")


@pytest.mark.parametrize(
    ("text", "links"),
    [
        ("See https://a.b/c_d_e, and (http://x.y/z_(w)).", ["https://a.b/c_d_e", "http://x.y/z_(w)"]),
        ("**https://a.b/*x** and https://a.b/__init__.py!", ["https://a.b/*x", "https://a.b/__init__.py"]),
        ("www.a.b/c and me@x.org.", ["http://www.a.b/c", "mailto:me@x.org"]),
        ("看https://a.b/c。然后", ["https://a.b/c"]),
        ("http://localhost:8000/x", ["http://localhost:8000/x"]),
        ("main.py README.md e.g. a@b http:// https://", []),
        ("http://user@evil http://a:b@evil xhttp://a.b", []),
        ("[https://a.b](https://c.d)", ["https://c.d"]),
        ("<https://a.b/c> <me@x.org>", ["https://a.b/c", "mailto:me@x.org"]),
        ("`https://a.b`", []),
        ("|a|\n|-|\n|https://a.b|", ["https://a.b"]),
    ],
)
def test_bare_addresses_become_links(text: str, links: list[str]) -> None:
    assert hrefs(render(text)) == links


def test_a_users_text_links_the_same_addresses() -> None:
    assert hrefs(render_plain("https://a.b/c_d_e, www.x.y and me@x.org; http://user@evil")) == [
        "https://a.b/c_d_e",
        "http://www.x.y",
        "mailto:me@x.org",
    ]


def test_a_refused_link_shows_its_text_and_its_target() -> None:
    """SEC-12."""
    page = tree(render('[**click**](javascript:alert(1)) [r](./a.md "t") ![i](data:image/png;base64,x)'))
    assert page.text() == "click (javascript:alert(1)) r (./a.md “t”) i (data:image/png;base64,x)"
    assert not [node for node in page.walk() if node.tag == "a"]


def test_a_link_opens_outside_and_sends_no_referrer() -> None:
    """SEC-12."""
    assert 'target="_blank" rel="noopener noreferrer"' in render("[a](http://b.c)")


def test_a_badge_is_one_link() -> None:
    page = tree(render("[![build](http://b.c/x.svg)](http://d.e)"))
    (link,) = (node for node in page.walk() if node.tag == "a")
    assert link.attrs["href"] == "http://d.e" and link.text() == "build (b.c)"
