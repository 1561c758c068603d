"""Opening the browser without a code in an argv that outlives the code."""

from __future__ import annotations

import os
import re
import stat
import webbrowser
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from web.doorkit import Clock

from claudedesk.desktop.browser import NO_BROWSER, open_browser, system_browser
from claudedesk.paths import Paths, standard
from claudedesk.web.session import Door


class Desktop:
    """A desktop whose browser notes what it is given, and reads redirect files if it can."""

    def __init__(self, door: Door, *, reads_files: bool = True, works: bool = True) -> None:
        self.door = door
        self.reads_files = reads_files
        self.works = works
        self.argv: list[str] = []
        self.modes: list[int] = []

    def open(self, url: str) -> bool:
        self.argv.append(url)
        if not self.works:
            return False
        if url.startswith("file:"):
            file = Path(unquote(urlsplit(url).path))
            self.modes.append(stat.S_IMODE(file.stat().st_mode))
            if self.reads_files:
                found = re.search(r'http-equiv="refresh" content="0;url=([^"]+)"', file.read_text())
                assert found
                self.visit(found[1])
        else:
            self.visit(url)
        return True

    def visit(self, url: str) -> None:
        assert self.door.redeem(url.rpartition("c=")[2])


@pytest.fixture
def home(tmp_path: Path) -> Paths:
    return standard(str(tmp_path / "höme & <co>"))


def launch(home: Paths, desktop: Desktop, clock: Clock) -> str | None:
    def mint() -> str:
        return desktop.door.url(4321)

    return open_browser(home, mint, desktop.door.was_entered, desktop.open, clock.sleep, clock)


def test_the_first_launch_goes_through_a_private_file_and_shows_no_code(home: Paths) -> None:
    """SEC-06, SEC-07."""
    clock = Clock()
    desktop = Desktop(Door(monotonic=clock))
    assert launch(home, desktop, clock) is None
    assert [urlsplit(url).scheme for url in desktop.argv] == ["file"]
    assert "c=" not in desktop.argv[0]
    assert desktop.modes == [0o600]
    assert clock.slept == []


def test_the_file_is_gone_afterwards(home: Paths) -> None:
    """SEC-06."""
    clock = Clock()
    for desktop in (Desktop(Door()), Desktop(Door(), reads_files=False), Desktop(Door(), works=False)):
        launch(home, desktop, clock)
        assert list(home.runtime.iterdir()) == []


def test_a_file_that_a_killed_start_left_is_removed_by_the_next_launch(home: Paths) -> None:
    """SEC-06: its code is dead, and a younger file belongs to a launch that is going on."""
    home.make()
    old, young = home.runtime / "open-old.html", home.runtime / "open-young.html"
    old.touch()
    young.touch()
    os.utime(old, (1.0, 1.0))
    launch(home, Desktop(Door()), Clock())
    assert [path for path in home.runtime.glob("*.html")] == [young]


def test_a_browser_that_cannot_read_the_file_gets_a_fresh_address_after_five_seconds(home: Paths) -> None:
    """SEC-06: snap and flatpak."""
    clock = Clock()
    desktop = Desktop(Door(monotonic=clock), reads_files=False)
    assert launch(home, desktop, clock) is None
    assert 4.9 < sum(clock.slept) < 5.2
    assert [urlsplit(url).scheme for url in desktop.argv] == ["file", "http"]
    assert desktop.door.redeem(desktop.argv[1].rpartition("c=")[2]) is None


def test_a_browser_that_comes_late_but_in_time_is_not_opened_twice(home: Paths) -> None:
    clock = Clock()
    desktop = Desktop(Door(monotonic=clock), reads_files=False)
    urls: list[str] = []

    def mint() -> str:
        urls.append(desktop.door.url(4321))
        return urls[-1]

    def sleep(seconds: float) -> None:
        clock.sleep(seconds)
        if sum(clock.slept) > 3 and not desktop.door.was_entered(urls[0]):
            desktop.visit(urls[0])

    assert open_browser(home, mint, desktop.door.was_entered, desktop.open, sleep, clock) is None
    assert len(desktop.argv) == len(urls) == 1


def test_without_a_browser_the_user_gets_a_sentence(home: Paths) -> None:
    """PKG-L06."""
    clock = Clock()
    desktop = Desktop(Door(), works=False)
    assert launch(home, desktop, clock) == NO_BROWSER
    assert "c=" not in NO_BROWSER
    assert clock.slept == []


@pytest.mark.parametrize(
    ("name", "opened"), [("firefox", True), ("xdg-open", True), ("w3m", False), ("lynx", False), ("", True)]
)
def test_a_text_browser_does_not_take_the_terminal_over(
    monkeypatch: pytest.MonkeyPatch, name: str, opened: bool
) -> None:
    """PKG-L06."""
    calls: list[str] = []

    def noted(url: str) -> bool:
        calls.append(url)
        return True

    monkeypatch.setattr(webbrowser, "get", lambda: webbrowser.GenericBrowser(name or "x"))
    monkeypatch.setattr(webbrowser, "open", noted)
    assert system_browser("file:///x") is opened
    assert calls == (["file:///x"] if opened else [])


def test_a_machine_without_any_browser_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> Callable[[str], bool]:
        raise webbrowser.Error("could not locate runnable browser")

    monkeypatch.setattr(webbrowser, "get", none)
    assert system_browser("file:///x") is False
