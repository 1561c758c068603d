"""Kill a migration with SIGKILL after many a statement and around each step; report what is left.

Run by test_migrate.py: killed_migration.py HOME LOCATION HEAD. Prints a JSON object for each kill.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any

from alembic import command  # noqa: F401 (imported once, so that each child need not)
from sqlalchemy import Engine, event

from claudedesk.paths import Paths, standard
from claudedesk.store import backup
from claudedesk.store.migrate import History
from claudedesk.store.opening import open_store

EVERY = 6  # statements; test_migrate.py raises after each one, which is quicker
STEPS = ("copy_database", "sync", "keep_old", "replace", "thin")


def die(*_args: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def around(step: str, *, before: bool) -> None:
    """Die before or after a step of the migration."""
    work: Callable[..., Any] = getattr(backup, step)

    def dying(*args: Any) -> None:
        if not before:
            work(*args)
        die()

    setattr(backup, step, dying)


def after_statement(place: int) -> None:
    """Die after the statement of this number on the working copy."""
    numbers = count()

    def ran(connection: Any, *_args: object) -> None:
        if str(connection.engine.url.database).endswith(".migrating") and next(numbers) == place:
            die()

    event.listen(Engine, "after_cursor_execute", ran)


def forked(prepare: Callable[[], None], paths: Paths, history: History) -> bool:
    """Migrate in a child and tell whether it was killed."""
    child = os.fork()
    if not child:
        prepare()
        open_store(paths, history=history).close()
        os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def value(path: Path, query: str) -> Any:
    with closing(sqlite3.connect(path)) as raw:
        return raw.execute(query).fetchone()[0]


def report(point: str, prepare: Callable[[], None], paths: Paths, history: History, original: bytes) -> bool:
    """Kill at one point, look, start again, look again, and put the old store back."""
    killed = forked(prepare, paths, history)
    if not killed and point.isdigit():
        return False
    held = paths.database.read_bytes()
    revision = value(paths.database, "SELECT version_num FROM alembic_version")
    open_store(paths, history=history).close()
    row = {
        "point": point,
        "killed": killed,
        "same_bytes": held == original,
        "revision": revision,
        "next_start": value(paths.database, "SELECT version_num FROM alembic_version"),
        "messages": value(paths.database, "SELECT count(*) FROM messages"),
        "backups_whole": [kept.read_bytes() for kept in paths.backups.iterdir()] == [original],
        "left": sorted(path.name for path in paths.data.iterdir()),
    }
    print(json.dumps(row))
    shutil.rmtree(paths.backups)
    paths.database.write_bytes(original)
    return True


def main() -> None:
    home, location, head = sys.argv[1:]
    paths, history = standard(home), History(Path(location), head)
    original = paths.database.read_bytes()
    for step in STEPS:
        for before in (True, False):
            word = "before" if before else "after"
            report(f"{word} {step}", lambda s=step, b=before: around(s, before=b), paths, history, original)
    for place in count(0, EVERY):
        if not report(str(place), lambda p=place: after_statement(p), paths, history, original):
            return


main()
