"""Hidden tabs give their streams back, all but one, and are up to date when they are shown again."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from apprun import App
from fakeapi import FakeAPI

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

SWITCH = """
(() => {
  let hidden = false;
  Object.defineProperty(Document.prototype, "hidden", { configurable: true, get: () => hidden });
  const state = () => (hidden ? "hidden" : "visible");
  Object.defineProperty(Document.prototype, "visibilityState", { configurable: true, get: state });
  window.hideIt = (now) => {
    hidden = now;
    document.dispatchEvent(new Event("visibilitychange"));
  };
  const later = window.setTimeout;
  window.setTimeout = (what, wait, ...more) => later(what, wait === 5000 ? 50 : wait, ...more);
})();
"""
"""Headless pages are never hidden: a switch of our own, and 50 ms instead of 5 s."""


class Tab:
    """One page and its open requests to /events."""

    def __init__(self, page: Any) -> None:
        self.page = page
        self.open: set[Any] = set()
        self.begun = 0
        page.on("request", self._begin)
        page.on("requestfinished", self._end)
        page.on("requestfailed", self._end)

    def _begin(self, request: Any) -> None:
        if urlsplit(request.url).path == "/events":
            self.begun += 1
            self.open.add(request)

    def _end(self, request: Any) -> None:
        self.open.discard(request)

    def hide(self, hidden: bool = True) -> None:
        """Hide or show the page, as far as its scripts can tell."""
        self.page.evaluate("now => window.hideIt(now)", hidden)


@pytest.fixture
def tabs(app: App, opened: Any) -> Callable[[int], list[Tab]]:
    """Open so many tabs of one browser, each with its stream."""

    def open_(count: int) -> list[Tab]:
        first = opened(app)
        first.context.add_init_script(SWITCH)
        pages = [first, *(first.context.new_page() for _ in range(count - 1))]
        made = [Tab(page) for page in pages]
        for page in pages:
            page.set_default_timeout(8_000)
            page.goto(f"{app.base}/chat/")
        reach(made, [1] * count)
        return made

    return open_


def reach(tabs: list[Tab], wished: list[int], timeout: float = 5) -> None:
    """Wait until so many streams of each tab, or of all in sum, are open."""
    wait_for(tabs, lambda: [len(tab.open) for tab in tabs] == wished, timeout)


def wait_for(tabs: list[Tab], true: Callable[[], Any], timeout: float = 5) -> None:
    """Poll, and let the browser's events come in meanwhile."""
    deadline = time.monotonic() + timeout
    while not true():
        assert time.monotonic() < deadline, [len(tab.open) for tab in tabs]
        tabs[0].page.wait_for_timeout(20)


def say(page: Any, text: str) -> None:
    """Type a message and send it by keyboard."""
    page.get_by_role("textbox", name="Message").fill(text)
    page.keyboard.press("Enter")


def status(tab: Tab) -> Any:
    """Return the status that the last turn of Claude's shows."""
    return tab.page.evaluate(
        "() => [...document.querySelectorAll('article[data-role=assistant]')].at(-1)?.dataset.status"
    )


def test_of_all_hidden_tabs_one_keeps_its_stream_and_all_have_one_when_shown(tabs: Any) -> None:
    three = tabs(3)
    for tab in three:
        tab.hide()
    wait_for(three, lambda: sum(len(tab.open) for tab in three) == 1)
    three[0].page.wait_for_timeout(300)
    assert sum(len(tab.open) for tab in three) == 1, "the last one stays"
    [kept] = [tab for tab in three if tab.open]
    for tab in three:
        tab.hide(False)
    reach(three, [1, 1, 1])
    assert kept.begun == 1 and sorted(tab.begun for tab in three) == [1, 2, 2]


def test_a_tab_that_is_shown_lets_another_hidden_one_keep_its_stream(tabs: Any) -> None:
    first, second = tabs(2)
    first.hide()
    first.page.wait_for_timeout(200)
    assert len(first.open) == 1, "one hidden tab keeps its stream"
    first.hide(False)
    second.hide()
    second.page.wait_for_timeout(200)
    reach([first, second], [1, 1])
    assert (first.begun, second.begun) == (1, 1)


def test_a_glance_aside_costs_no_new_stream(tabs: Any) -> None:
    first, second = tabs(2)
    first.hide()
    for _ in range(3):
        second.page.evaluate("() => { window.hideIt(true); window.hideIt(false); }")
    second.page.wait_for_timeout(200)
    assert len(second.open) == 1 and second.begun == 1


def test_a_reply_that_ended_while_the_tab_was_hidden_is_there_when_it_is_shown(
    tabs: Any, fake: FakeAPI
) -> None:
    """UP-18"""
    first, second = tabs(2)
    first.hide()  # it keeps its stream, so that the second one has to give its own back
    first.page.wait_for_timeout(200)
    held = fake.reply(text="Half of it, and then the rest of it", delta_chars=4, hold=8)
    say(second.page, "Go")
    second.page.wait_for_selector("text=Half of")
    second.hide()
    reach([first, second], [1, 0])
    held.release()
    assert fake.wait_until(lambda api: api.last.finished, 5)
    second.page.wait_for_timeout(300)
    assert status(second) == "streaming", "nothing comes to a tab that has no stream"
    second.hide(False)
    reach([first, second], [1, 1])
    second.page.wait_for_selector("article[data-role=assistant][data-status=complete]")
    body = second.page.get_by_role("article", name="Claude").locator("[data-body]")
    assert body.inner_text().strip() == "Half of it, and then the rest of it"
    assert second.page.get_by_role("article", name="Claude").count() == 1 and fake.posts == 1


def test_a_reply_that_still_runs_goes_on_when_the_tab_is_shown_again(tabs: Any, fake: FakeAPI) -> None:
    """UP-18"""
    first, second = tabs(2)
    first.hide()
    first.page.wait_for_timeout(200)
    held = fake.reply(text="Half of it, and then the rest of it", delta_chars=4, hold=8)
    say(second.page, "Go")
    second.page.wait_for_selector("text=Half of")
    second.hide()
    reach([first, second], [1, 0])
    second.hide(False)
    reach([first, second], [1, 1])
    assert status(second) == "streaming"
    held.release()
    second.page.wait_for_selector("article[data-role=assistant][data-status=complete]")
    body = second.page.get_by_role("article", name="Claude").locator("[data-body]")
    assert body.inner_text().strip() == "Half of it, and then the rest of it"
