"""The main job in a real browser: ask, watch the answer come, find it again."""

from __future__ import annotations

import re
import threading
from typing import Any

import pytest
from apprun import App, claudedesk
from fakeapi import FakeAPI

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]


def say(page: Any, text: str) -> None:
    """Type a message and send it by keyboard."""
    page.get_by_role("textbox", name="Message").fill(text)
    page.keyboard.press("Enter")


def replies(page: Any) -> Any:
    """Return Claude's turns."""
    return page.get_by_role("article", name="Claude")


def complete(page: Any, count: int = 1, timeout: float = 15_000) -> None:
    """Wait until so many replies are whole."""
    page.wait_for_function(
        "n => document.querySelectorAll('article[data-role=assistant][data-status=complete]').length === n",
        arg=count,
        timeout=timeout,
    )


def test_a_newcomer_without_a_key_gets_an_answer_from_the_demo(
    keyless: App, opened: Any, fake: FakeAPI
) -> None:
    page = opened(keyless)
    page.get_by_role("button", name="Start the demo").click()
    page.get_by_role("textbox", name="Message").wait_for()
    say(page, "Show me a table")
    page.locator("article table").wait_for()
    complete(page)
    assert "demo" in replies(page).inner_text().lower()
    assert "Demo, not Claude" in replies(page).inner_text() and "free" in replies(page).inner_text()
    assert fake.log == []


def test_a_key_is_cleaned_checked_and_used_and_a_reload_in_mid_stream_shows_the_whole_answer(
    keyless: App, opened: Any, fake: FakeAPI
) -> None:
    page = opened(keyless)
    page.get_by_role("textbox", name="API key").fill(f"  {fake.key}\u200b ")
    page.get_by_role("button", name="Save key").click()
    page.wait_for_selector("text=/works/i")
    link = page.get_by_role("link", name="Go on with this key")
    if link.is_visible():
        link.click()
    page.get_by_role("textbox", name="Message").wait_for()
    words = "The answer has words. " * 40
    held = fake.reply(text=words, delta_chars=22, hold=440)
    say(page, "Tell me a lot")
    page.wait_for_function("() => document.querySelector('[data-body] .part')?.textContent.length > 200")
    page.reload()
    page.wait_for_function("() => document.querySelector('[data-body] .part')?.textContent.length > 200")
    held.release()
    complete(page)
    assert replies(page).locator("[data-body]").inner_text().strip() == words.strip()
    assert fake.posts == 1 and fake.key not in page.content()
    page.reload()
    assert replies(page).locator("[data-body]").inner_text().strip() == words.strip()


def test_a_wrong_key_is_refused_in_words_and_nothing_is_lost(keyless: App, opened: Any) -> None:
    page = opened(keyless)
    page.get_by_role("textbox", name="API key").fill("sk-ant-test-wrong-key")
    page.get_by_role("button", name="Save key").click()
    page.wait_for_selector("text=/refused/i")


def test_stop_works_while_claude_is_silent(app: App, opened: Any, fake: FakeAPI) -> None:
    """UP-17"""
    page = opened(app)
    fake.reply(text="Half an answer that never goes on", delta_chars=4, hold=12)
    say(page, "Go")
    page.wait_for_selector("text=Half an answ")
    page.get_by_role("button", name="Stop").click()
    page.wait_for_selector("article[data-status=stopped]")
    assert fake.wait_until(lambda api: api.last.closed_early, 2)
    assert "Half an answ" in replies(page).inner_text() and "stopped" in replies(page).inner_text()


def test_two_windows_stay_in_step(app: App, opened: Any, fake: FakeAPI) -> None:
    first = opened(app)
    fake.reply(text="One answer for two windows")
    say(first, "First question")
    complete(first)
    second = first.context.new_page()
    second.goto(first.url)
    complete(second)
    held = fake.reply(text="Second answer, seen by both", delta_chars=7, hold=14)
    say(second, "From the second window")
    for page in (first, second):
        page.wait_for_selector("text=Second answer")
    held.release()
    for page in (first, second):
        complete(page, 2)
        assert "Second answer, seen by both" in replies(page).nth(1).inner_text()
        assert page.get_by_role("article", name="You").count() == 2
    assert first.locator("[data-transcript]").inner_text() == second.locator("[data-transcript]").inner_text()


def test_send_works_in_each_of_eight_tabs(app: App, opened: Any, fake: FakeAPI) -> None:
    """Six connections to an origin are all that a browser has; hidden tabs hold none."""
    pages = [opened(app)]
    for _ in range(7):
        page = pages[0].context.new_page()
        page.goto(f"{app.base}/chat/")
        pages.append(page)
    for number, page in enumerate(pages):
        page.bring_to_front()
        page.goto(f"{app.base}/chat/c_{number:022d}") if False else None
        say(page, f"Question of tab {number}")
        complete(page)
        assert f"Question of tab {number}" in replies(page).inner_text()
    assert fake.posts == 8


def test_an_answer_of_200_kb_arrives_whole(app: App, opened: Any, fake: FakeAPI) -> None:
    claudedesk("settings", "set", "reply.max_tokens", "200000", env=app.env)
    page = opened(app)
    paragraph = "Lorem ipsum dolor sit amet, consetetur sadipscing elitr. " * 6
    text = "\n\n".join(f"Paragraph {number}. {paragraph}" for number in range(560))
    assert len(text) > 190_000
    fake.reply(text=text, delta_chars=400)
    say(page, "A long one")
    complete(page, timeout=60_000)
    shown = replies(page).locator("[data-body]").inner_text()
    assert re.sub(r"\s+", " ", shown).strip() == re.sub(r"\s+", " ", text).strip()


def test_one_click_or_three_are_one_post(app: App, opened: Any, fake: FakeAPI) -> None:
    """UP-23"""
    page = opened(app)
    page.get_by_role("textbox", name="Message").fill("Only once")
    page.evaluate("const s = document.querySelector('[aria-label=Send]'); s.click(); s.click(); s.click()")
    complete(page)
    assert fake.posts == 1 and page.get_by_role("article", name="You").count() == 1


def test_a_send_whose_answer_was_lost_is_sent_again_with_the_same_id(
    app: App, opened: Any, fake: FakeAPI
) -> None:
    """UP-23: the first POST reached the server, but its reply did not reach the page."""
    page = opened(app)
    lost = threading.Event()

    def lose_one(route: Any) -> None:
        if lost.is_set():
            route.continue_()
        else:
            lost.set()
            route.fetch()
            route.abort()

    page.route("**/messages", lose_one)
    say(page, "Just once, please")
    page.wait_for_selector("[role=alert]")
    box = page.get_by_role("textbox", name="Message")
    if box.input_value():
        page.get_by_role("button", name="Send").click()
    complete(page)
    assert fake.posts == 1 and page.get_by_role("article", name="You").count() == 1


def test_a_draft_survives_a_reload_and_a_failed_send_keeps_the_text(
    app: App, opened: Any, fake: FakeAPI
) -> None:
    page = opened(app)
    box = page.get_by_role("textbox", name="Message")
    box.fill("Not sent yet")
    page.wait_for_timeout(900)
    page.reload()
    assert page.get_by_role("textbox", name="Message").input_value() == "Not sent yet"
    page.route("**/messages", lambda route: route.abort())
    page.keyboard.press("Enter")
    page.wait_for_selector("[role=alert]")
    assert page.get_by_role("textbox", name="Message").input_value() == "Not sent yet"


def test_an_error_stands_beside_the_turn_with_its_request_id_and_retry_asks_again(
    app: App, opened: Any, fake: FakeAPI
) -> None:
    page = opened(app)
    fake.fault("overloaded_529")
    say(page, "Go")
    page.wait_for_selector("article[data-status=failed]")
    turn = replies(page)
    assert "Claude is overloaded" in turn.get_by_role("alert").inner_text()
    assert turn.locator("[data-body]").inner_text().strip() == ""
    fake.reply(text="Now it works")
    turn.get_by_role("button", name="Retry").click()
    complete(page)
    assert "Now it works" in replies(page).inner_text() and "2 / 2" in replies(page).inner_text()
    page.get_by_role("button", name="Previous version").click()
    page.wait_for_selector("article[data-status=failed]")


def test_the_answer_cache_is_labelled_and_ask_afresh_asks(app: App, opened: Any, fake: FakeAPI) -> None:
    page = opened(app)
    say(page, "Same question")
    complete(page)
    page.get_by_role("link", name="New chat").or_(page.get_by_role("button", name="New chat")).first.click()
    page.wait_for_selector("h2:has-text('What is on your mind?')")
    say(page, "Same question")
    complete(page)
    assert "From the answer cache" in replies(page).inner_text() and fake.posts == 1
    page.get_by_role("button", name="Ask afresh").click()
    page.wait_for_function("() => !document.body.innerText.includes('From the answer cache')")
    complete(page)
    assert fake.posts == 2


def test_thinking_is_shown_apart_and_collapsed(app: App, opened: Any, fake: FakeAPI) -> None:
    page = opened(app)
    fake.reply(text="The answer.", thinking="First I **consider**.", delta_chars=5)
    say(page, "Think")
    complete(page)
    details = page.locator("details.thinking")
    assert details.get_attribute("open") is None and "consider" in (details.text_content() or "")


def test_two_prompts_in_a_row_queue_and_both_are_answered(app: App, opened: Any, fake: FakeAPI) -> None:
    page = opened(app)
    held = fake.reply(text="First answer", hold=5)
    say(page, "First")
    page.wait_for_selector("text=First")
    say(page, "Second")
    page.wait_for_selector("[aria-label='Reply status']:has-text('Queued')")
    held.release()
    complete(page, 2)
    assert fake.posts == 2


def test_find_it_again_in_sidebar_history_and_search(app: App, opened: Any, fake: FakeAPI) -> None:
    page = opened(app)
    fake.reply(text="The zeppelin landed in Friedrichshafen.")
    say(page, "Where did it land?")
    complete(page)
    chat = page.url
    page.get_by_role("navigation", name="Main").get_by_role("link", name="History").click()
    page.get_by_role("link", name="Where did it land?").first.wait_for()
    page.get_by_role("searchbox", name="Search history").fill("zeppelin")
    page.keyboard.press("Enter")
    page.locator("mark", has_text="zeppelin").first.wait_for()
    page.get_by_role("list", name="Results").get_by_role("link").first.click()
    page.wait_for_url(f"{chat}**")
    assert "Friedrichshafen" in replies(page).inner_text()
    page.get_by_role("navigation", name="Conversations").get_by_role(
        "link", name="Where did it land?"
    ).wait_for()
    page.get_by_role("navigation", name="Main").get_by_role("link", name="Usage").click()
    assert "test-" in page.get_by_role("main").inner_text()
