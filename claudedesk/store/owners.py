"""Which processes are alive: each holds an OS lock on a file named by its uuid, and the lock dies with it."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from typing import Final
from uuid import uuid4

from filelock import FileLock, Timeout

from claudedesk.paths import Paths, private_folder

PROBE_SECONDS: Final = 0.1
"""Two processes that ask about the same owner at once hold its lock for an instant each."""
_NAME: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class OwnerLock:
    """This process's name on its replies and reservations, held from creation to `release` or death."""

    def __init__(self, paths: Paths) -> None:
        private_folder(paths.owners)
        self.uuid: Final = str(uuid4())
        self._lock = _lock(paths.owners / self.uuid)
        self._lock.acquire()

    def release(self) -> None:
        """Let go; rows that still bear the name may then be recovered by another process."""
        self._lock.release()
        _remove(Path(self._lock.lock_file))


def is_alive(paths: Paths, uuid: str) -> bool:
    """Tell whether the owner's lock is held. The lock is not kept, and a dead owner's file is removed."""
    path = paths.owners / uuid
    if not _NAME.fullmatch(uuid) or not path.exists():
        return False
    lock = _lock(path)
    try:
        lock.acquire(timeout=PROBE_SECONDS, poll_interval=0.01)
    except Timeout:
        return True
    lock.release()
    _remove(path)
    return False


def _remove(path: Path) -> None:
    with suppress(OSError):  # Windows: another process asks about it; whoever asks next removes it
        path.unlink(missing_ok=True)


def _lock(path: Path) -> FileLock:
    # Not bound to the thread that took it: the app's last thread releases it.
    return FileLock(path, mode=0o600, thread_local=False)
