"""A process's name on its rows, and whether that process is alive."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from filelock import FileLock

from claudedesk.paths import Paths, standard
from claudedesk.store.owners import OwnerLock, is_alive

NOBODY = "00000000-0000-4000-8000-000000000000"


@pytest.fixture
def home(tmp_path: Path) -> Paths:
    return standard(str(tmp_path / "home"))


def test_an_owner_is_alive_until_it_lets_go(home: Paths) -> None:
    """DAT-01."""
    owner = OwnerLock(home)
    assert is_alive(home, owner.uuid)
    assert is_alive(home, owner.uuid), "asking did not take the lock away"
    owner.release()
    assert not is_alive(home, owner.uuid)
    assert list(home.owners.iterdir()) == []


def test_an_owner_that_was_killed_is_dead_and_its_file_is_removed(home: Paths) -> None:
    """DAT-01: kill -9, asked from another process."""
    script = (
        "import os, signal, sys; from claudedesk.paths import standard; "
        "from claudedesk.store.owners import OwnerLock; "
        "print(OwnerLock(standard(sys.argv[1])).uuid, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    command = [sys.executable, "-c", script, str(home.data.parent)]
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=30, check=False)
    uuid = done.stdout.strip()
    assert (home.owners / uuid).exists(), done.stderr
    assert not is_alive(home, uuid)
    assert not (home.owners / uuid).exists()


@pytest.mark.parametrize("name", [NOBODY, "", ".", "..", "../instance.lock", "x/y", f"{NOBODY}\n", "é"])
def test_who_was_never_there_is_dead_and_leaves_no_file(home: Paths, name: str) -> None:
    home.make()
    (home.runtime / "instance.lock").touch()
    assert not is_alive(home, name)
    assert list(home.owners.iterdir()) == []
    assert (home.runtime / "instance.lock").exists()


def test_another_process_that_is_just_asking_does_not_make_a_dead_owner_look_alive(home: Paths) -> None:
    home.make()
    asking = FileLock(home.owners / NOBODY, thread_local=False)
    asking.acquire()
    timer = threading.Timer(0.02, asking.release)
    timer.start()
    assert not is_alive(home, NOBODY)
    timer.join()


def test_another_thread_may_let_go(home: Paths) -> None:
    owner = OwnerLock(home)
    thread = threading.Thread(target=owner.release)
    thread.start()
    thread.join()
    assert not is_alive(home, owner.uuid)


def test_every_process_has_a_name_of_its_own(home: Paths) -> None:
    one, two = OwnerLock(home), OwnerLock(home)
    assert one.uuid != two.uuid
    one.release()
    assert is_alive(home, two.uuid)
    two.release()
