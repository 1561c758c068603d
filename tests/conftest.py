"""Fixtures that all tests share: private folders, a fake API, an engine that talks to it."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fakeapi import FakeAPI
from hypothesis import settings

from claudedesk.config import Config
from claudedesk.desk import Desk
from claudedesk.paths import Paths, standard
from claudedesk.types import new_id

settings.register_profile("desk", deadline=None)
settings.load_profile("desk")
SPECIAL = {"slow", "browser", "window", "wine", "postgres", "keyring", "kill"}


def pytest_configure() -> None:
    """Let children be interrupted also when we were started in the background, where Ctrl-C is ignored."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        with contextlib.suppress(ValueError):  # not in the main thread
            signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as `unit` what needs nothing but Python: `python run.py test -m unit`."""
    for item in items:
        if not SPECIAL & {mark.name for mark in item.iter_markers()}:
            item.add_marker(pytest.mark.unit)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Iterator[Any]:
    """Escape lone surrogates in captured output: a report that holds one cannot travel between processes."""
    report = yield
    report.sections = [
        (name, text.encode("utf-8", "backslashreplace").decode()) for name, text in report.sections
    ]
    return report


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """One Chromium for all browser tests of a process: Playwright allows no second one beside it."""
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if found is None:
        if os.environ.get("CI") == "true":
            pytest.fail("CI must have Chromium")
        pytest.skip("needs Chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        args = ["--no-sandbox", "--use-fake-device-for-media-stream", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=found, args=args)
        yield browser
        browser.close()


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    """The folders of a fresh installation."""
    made = standard(str(tmp_path / "home"))
    made.make()
    return made


@pytest.fixture
def fake() -> Iterator[FakeAPI]:
    """A fake API on loopback."""
    with FakeAPI() as running:
        yield running


@pytest.fixture
def config(paths: Paths, fake: FakeAPI) -> Config:
    """An environment that holds the fake's address and key."""
    return Config(paths, api_url=fake.url, api_url_from_env=True, env_key=fake.key)


@pytest.fixture
def make_app(config: Config) -> Iterator[Callable[..., Any]]:
    """Make apps over the config; each engine is closed at the end, and no thread of ours is left."""
    from claudedesk.api import EXTENSION
    from claudedesk.app import create_app

    made: list[Any] = []

    def make(at: Config = config, **options: Any) -> Any:
        app = create_app(at, **options)
        made.append(app)
        return app

    yield make
    for app in made:
        app.extensions[EXTENSION].close()
    left = [t.name for t in threading.enumerate() if t.name.startswith(("run-", "journal", "painter"))]
    for thread in threading.enumerate():
        if thread.name in left:
            thread.join(2)
    assert not [t.name for t in threading.enumerate() if t.name.startswith(("run-", "journal", "painter"))]


@pytest.fixture
def app(make_app: Callable[..., Any]) -> Any:
    """One app with its engine."""
    return make_app()


@pytest.fixture
def desk(app: Any) -> Desk:
    """The app's desk."""
    from claudedesk.api import EXTENSION

    found = app.extensions[EXTENSION]
    assert isinstance(found, Desk)
    return found


@pytest.fixture
def send(desk: Desk) -> Callable[..., Any]:
    """Send a prompt: `send("Hello")` begins a conversation, `send("More", conversation=…)` goes on."""

    def sending(text: str, conversation: str | None = None, client_id: str | None = None, **more: Any) -> Any:
        return desk.replies.start(conversation or new_id("c"), text, client_id or new_id("x"), **more)

    return sending
