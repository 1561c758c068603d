"""A real browser at the real program: every page it shows is watched for errors and foreign requests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from apprun import App, environment, serving
from fakeapi import FakeAPI


@pytest.fixture
def app(tmp_path: Path, fake: FakeAPI) -> Iterator[App]:
    """A serving app with the fake's address and key in its environment."""
    with serving(environment(tmp_path, fake), enter=False) as running:
        yield running


@pytest.fixture
def keyless(tmp_path: Path, fake: FakeAPI) -> Iterator[App]:
    """A serving app that knows no key; what is set stays in its memory."""
    with serving(environment(tmp_path, CLAUDEDESK_API_URL=fake.url), enter=False) as running:
        yield running


@pytest.fixture
def opened(chromium: Any) -> Iterator[Callable[..., Any]]:
    """Open an app in a fresh profile; at the end no script error and no foreign request may have come."""
    contexts: list[Any] = []
    faults: list[str] = []

    def open_(app: App, **options: Any) -> Any:
        context = chromium.new_context(**{"viewport": {"width": 1280, "height": 800}, **options})
        contexts.append(context)
        context.on("request", lambda request: _note_foreign(request.url, app, faults))
        context.on("weberror", lambda error: faults.append(str(error.error)))
        page = context.new_page()
        page.on(
            "console",
            lambda said: faults.append(said.text) if "Content Security Policy" in said.text else None,
        )
        page.goto(app.url)
        page.wait_for_url(f"{app.base}/chat/**")
        page.set_default_timeout(20_000)
        return page

    yield open_
    for context in contexts:
        context.close()
    assert not faults


def _note_foreign(url: str, app: App, faults: list[str]) -> None:
    parts = urlsplit(url)
    if parts.scheme in ("http", "https", "ws", "wss") and parts.netloc != f"127.0.0.1:{app.port}":
        faults.append(f"a request left for {url}")
