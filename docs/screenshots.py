"""Retake the README's pictures: `python docs/screenshots.py` (needs Chromium, and the test extra for Playwright).

The offline demo answers, so the pictures need no key and no network.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from apprun import App, environment, serving  # noqa: E402

IMAGES = ROOT / "docs" / "images"
PROMPT = "Show me code, a table and some maths"
TALL = 1_900
"""Pixels that show a whole answer with code, table and maths."""
SIZES = {"": (1280, 800), "-narrow": (480, 800)}


def take(browser: Any, app: App, theme: str, ending: str) -> None:
    """Take first run, an answer and the settings in one theme and width."""
    width, height = SIZES[ending]
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=theme)
    page = context.new_page()
    page.goto(f"{app.base}/?c=" + app.code())
    page.wait_for_url(f"{app.base}/chat/**")
    page.wait_for_timeout(400)
    app.json("PUT", "/settings/demo", {"enabled": False})
    page.goto(f"{app.base}/chat/")
    shot(page, f"first-run-{theme}{ending}")
    app.json("PUT", "/settings/demo", {"enabled": True})
    page.goto(f"{app.base}/chat/")
    page.wait_for_timeout(400)
    page.get_by_role("textbox", name="Message").fill(PROMPT)
    page.get_by_role("button", name="Send").click()
    page.wait_for_selector("article[data-status=complete][data-role=assistant]", timeout=60_000)
    page.set_viewport_size({"width": width, "height": height if ending else TALL})
    shot(page, f"answer-{theme}{ending}")
    page.set_viewport_size({"width": width, "height": height})
    for name in ("settings", "history", "usage"):
        page.goto(f"{app.base}/{name}/")
        shot(page, f"{name}-{theme}{ending}")
    context.close()


def shot(page: Any, name: str) -> None:
    """Save what is on the screen."""
    page.wait_for_timeout(300)
    page.screenshot(path=IMAGES / f"{name}.png")
    print(f"docs/images/{name}.png")


def main() -> None:
    """Take all pictures."""
    from playwright.sync_api import sync_playwright

    IMAGES.mkdir(exist_ok=True)
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    with tempfile.TemporaryDirectory() as home, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        with serving(environment(Path(home))) as app:
            for theme in ("light", "dark"):
                for ending in SIZES:
                    take(browser, app, theme, ending)
        browser.close()


if __name__ == "__main__":
    main()
