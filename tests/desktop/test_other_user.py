"""What another user of this machine can read: nothing (as nobody, through setpriv)."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from web.doorkit import serving, small_app

from claudedesk.desktop.browser import open_browser
from claudedesk.desktop.instance import claim
from claudedesk.paths import Paths, standard
from claudedesk.store.owners import OwnerLock
from claudedesk.web.session import door_of

AS_NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
POSSIBLE = hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("setpriv") is not None


@pytest.fixture
def home() -> Iterator[Paths]:
    """Folders in a place that everybody may enter, so that only our own modes protect them."""
    if not POSSIBLE:
        if os.environ.get("CI") == "true" and os.name == "posix":
            pytest.fail("CI must run this as root with setpriv")
        pytest.skip("needs root and setpriv, to become another user")
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        os.chmod(folder, 0o755)
        yield standard(folder)


def nobody(*command: str) -> str:
    """Return what a command prints for another user; that it may fail is the point."""
    done = subprocess.run([*AS_NOBODY, *command], capture_output=True, text=True, errors="replace")
    return done.stdout


def test_another_user_reads_no_file_of_the_runtime_folder(home: Paths) -> None:
    """SEC-07: instance file, locks, redirect file; by the folder's mode, and by their own if it were open."""
    app = small_app()
    held, owner = claim(home), OwnerLock(home)
    assert held is not None
    seen: list[str] = []

    def look(seconds: float) -> None:
        for opened in (0o700, 0o755):
            home.runtime.chmod(opened)
            home.owners.chmod(opened)
            files = [path for path in home.runtime.rglob("*") if path.is_file()]
            seen.extend(path.name.split(".")[0].split("-")[0] for path in files)
            for path in files:
                command = ("sh", "-c", 'cat "$1" && echo read', "sh", str(path))
                assert nobody(*command) == "", path
            listed = nobody("ls", str(home.runtime))
            assert bool(listed) is (opened == 0o755)
        home.runtime.chmod(0o700)
        home.owners.chmod(0o700)
        raise TimeoutError

    with serving(app) as port:
        door = door_of(app)
        held.announce(port, door.instance_secret, "serve")
        with suppress(TimeoutError):
            open_browser(home, lambda: door.url(port), door.was_entered, lambda url: True, look)
    owner.release()
    held.release()
    assert {"instance", "open", owner.uuid.split("-")[0]} <= set(seen)


def test_another_user_finds_no_code_and_no_secret_in_any_process(home: Paths) -> None:
    """SEC-06: argv and environment of every process, while the app runs and the browser is being opened."""
    app = small_app()
    held = claim(home)
    assert held is not None
    urls: list[str] = []
    browsers: list[subprocess.Popen[bytes]] = []
    readable: list[str] = []

    def mint() -> str:
        urls.append(door_of(app).url(port))
        return urls[-1]

    def browser(url: str) -> bool:
        browsers.append(subprocess.Popen(["sh", "-c", "sleep 60", url]))
        return True

    def look(seconds: float) -> None:
        readable.append(nobody("sh", "-c", "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null"))
        raise TimeoutError

    with serving(app) as port:
        held.announce(port, door_of(app).instance_secret, "serve")
        with suppress(TimeoutError):
            open_browser(home, mint, door_of(app).was_entered, browser, look)
        secrets = [urls[0].rpartition("c=")[2], door_of(app).instance_secret]
    held.release()
    for process in browsers:
        process.terminate()
        process.wait()
    assert (home.runtime / "open-").as_uri() in readable[0], "the browser's own argv was seen"
    for secret in secrets:
        assert secret not in readable[0]
    assert not Path(home.instance).exists()
