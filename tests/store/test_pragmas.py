"""The settings of every SQLite connection (TRUST B2), read back, and what they are for."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, event

from claudedesk.errors import StoreBusy, StoreError, StoreFull
from claudedesk.paths import Paths
from claudedesk.store import database, schema
from claudedesk.store.database import Database, parse_url, prepare_sqlite, sqlite_url

EXPECTED = {
    "journal_mode": "wal",
    "synchronous": 2,
    "busy_timeout": 5_000,
    "foreign_keys": 1,
    "secure_delete": 1,
    "trusted_schema": 0,
    "cell_size_check": 1,
    "wal_autocheckpoint": 1_000,
    "journal_size_limit": 8 * 2**20,
    "application_id": schema.APPLICATION_ID,
    "user_version": int(schema.HEAD),
}
SOURCES = sorted(Path(database.__file__).parent.rglob("*.py"))
HOLDER = """
import sqlite3, sys, time
other = sqlite3.connect(sys.argv[1], isolation_level=None)
other.execute("BEGIN IMMEDIATE")
print("held", flush=True)
time.sleep(float(sys.argv[2]))
other.execute("COMMIT")
"""


@pytest.fixture
def store(paths: Paths, sqlite_template: Path) -> Iterator[Database]:
    """A fresh store in a folder of its own, on SQLite."""
    paths.make()
    shutil.copy(sqlite_template, paths.database)
    made = Database(sqlite_url(paths.database))
    yield made
    made.close()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Set the time to wait for a lock, in milliseconds; call it before the store is first used."""

    def wait(milliseconds: int) -> None:
        monkeypatch.setattr(database, "BUSY_MS", milliseconds)
        monkeypatch.setitem(database.PRAGMAS, "busy_timeout", milliseconds)

    return wait


def settings_of(connection: Connection) -> dict[str, object]:
    return {name: connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in EXPECTED}


def put(connection: Connection, name: str) -> None:
    connection.exec_driver_sql("INSERT INTO settings VALUES (?, '1', 1)", (name,))


def names(connection: Connection) -> list[str]:
    return list(connection.exec_driver_sql("SELECT name FROM settings ORDER BY name").scalars())


def test_every_connection_has_every_setting(store: Database) -> None:
    """DAT-10, SEC-07: the writer, many readers at once, and all again after the pools were dropped."""
    for _ in range(2):
        with ExitStack() as opened:
            connections = [opened.enter_context(store.read()) for _ in range(12)]
            connections.append(opened.enter_context(store.write()))
            for connection in connections:
                assert settings_of(connection) == EXPECTED
            query_only = [
                connection.exec_driver_sql("PRAGMA query_only").scalar() for connection in connections
            ]
            assert query_only == [1] * 12 + [0]
        store.dispose()


def test_a_refused_write_ahead_log_is_noticed() -> None:
    """SQLite answers with the mode it has; no error is raised by itself (network folders, DAT-18)."""
    with (
        closing(sqlite3.connect(":memory:")) as raw,
        pytest.raises(sqlite3.OperationalError, match="is memory"),
    ):
        prepare_sqlite(raw, read_only=False)
    with pytest.raises(StoreError), Database(parse_url("sqlite://")).write():
        pass


def test_a_reading_connection_refuses_to_write(store: Database) -> None:
    with pytest.raises(StoreError), store.read() as tx:
        put(tx, "a")
    with store.read() as tx:
        assert names(tx) == []


def test_a_failed_write_is_rolled_back_and_the_next_one_works(store: Database) -> None:
    """The driver is in autocommit mode, for which SQLAlchemy can skip the rollback: here it must not."""
    for _ in range(2):
        with pytest.raises(ZeroDivisionError), store.write() as tx:
            put(tx, "lost")
            raise ZeroDivisionError
    with store.write() as tx:
        put(tx, "kept")
    with pytest.raises(ZeroDivisionError), store.read() as tx:
        raise ZeroDivisionError
    with store.read() as tx:
        assert names(tx) == ["kept"]


def test_a_reader_sees_one_moment_while_a_writer_goes_on(store: Database) -> None:
    with store.read() as reader:
        assert names(reader) == []
        with store.write() as tx:
            put(tx, "a")
        assert names(reader) == []
    with store.read() as reader:
        assert names(reader) == ["a"]


def test_every_write_begins_immediately_and_every_read_deferred(store: Database) -> None:
    """DAT-10: a read that is upgraded to a write fails at once, whatever the time-out."""
    seen: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        seen.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        with store.write() as tx:
            put(tx, "a")
        with store.read() as tx:
            names(tx)
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    assert [statement.split()[0:2] for statement in seen if statement.startswith("BEGIN")] == [
        ["BEGIN", "IMMEDIATE"],
        ["BEGIN"],
    ]
    assert seen[0] == "BEGIN IMMEDIATE"


def test_only_the_database_module_begins_transactions_and_nothing_runs_scripts() -> None:
    """DAT-10, TRUST fact 11: `executescript` commits first, so half of a failed script stays."""
    begins = [path.name for path in SOURCES if re.search(r"[\"']BEGIN\b", path.read_text())]
    assert begins == ["database.py"]
    assert not [path.name for path in SOURCES if re.search(r"executescript|immutable=", path.read_text())]


def test_a_write_waits_for_another_process_that_holds_the_lock(store: Database) -> None:
    """DAT-10"""
    assert store.path
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(store.path), "0.7"], stdout=subprocess.PIPE
    ) as other:
        assert other.stdout
        other.stdout.readline()
        begun = time.monotonic()
        with store.write() as tx:
            put(tx, "a")
        assert time.monotonic() - begun > 0.3


def test_a_lock_held_too_long_is_said_in_words_and_the_next_try_works(
    paths: Paths, sqlite_template: Path, impatient: Callable[[int], None]
) -> None:
    """DAT-10"""
    impatient(100)
    paths.make()
    shutil.copy(sqlite_template, paths.database)
    store = Database(sqlite_url(paths.database))
    with closing(sqlite3.connect(paths.database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        for _ in range(2):
            with pytest.raises(StoreBusy, match="Another process holds the database"), store.write():
                pass
        with store.read() as tx:
            assert names(tx) == []
        other.execute("COMMIT")
    with store.write() as tx:
        put(tx, "a")
    store.close()


def test_a_thread_that_waits_too_long_for_the_writer_is_told_in_words(
    paths: Paths, sqlite_template: Path, impatient: Callable[[int], None]
) -> None:
    """DAT-10"""
    impatient(50)
    paths.make()
    shutil.copy(sqlite_template, paths.database)
    store = Database(sqlite_url(paths.database))
    with store.write(), pytest.raises(StoreBusy, match="busy with something long"), store.write():
        pass
    store.close()


def test_threads_that_write_at_once_lose_nothing(store: Database) -> None:
    """DAT-09"""

    def write(thread: int) -> None:
        for number in range(20):
            with store.write() as tx:
                put(tx, f"{thread}-{number}")

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with store.read() as tx:
        assert len(names(tx)) == 160


def test_all_files_of_the_store_are_private_under_a_usual_mask(store: Database) -> None:
    """SEC-07: the log and its index follow the file, which SQLite itself would have made 0644."""
    assert store.path
    store.path.chmod(0o600)
    old_mask = os.umask(0o022)
    try:
        with store.write() as tx:
            put(tx, "a")
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in store.path.parent.iterdir()}
    finally:
        os.umask(old_mask)
    assert modes == dict.fromkeys(["claudedesk.db", "claudedesk.db-wal", "claudedesk.db-shm"], 0o600)
    assert stat.S_IMODE(store.path.parent.stat().st_mode) == 0o700


def test_after_a_clean_close_the_single_file_holds_all_rows(store: Database, tmp_path: Path) -> None:
    """DAT-19"""
    assert store.path
    with store.read() as reader, store.write() as tx:
        names(reader)
        for number in range(100):
            put(tx, f"{number:03}")
    store.close()
    assert [path.name for path in store.path.parent.iterdir()] == ["claudedesk.db"]
    copied = shutil.copy(store.path, tmp_path / "copy.db")
    with closing(sqlite3.connect(copied)) as raw:
        assert raw.execute("SELECT count(*) FROM settings").fetchone() == (100,)


def test_a_full_disk_is_said_and_what_was_written_can_be_read(store: Database) -> None:
    """DAT-03, DAT-04"""
    with store.write() as tx:
        put(tx, "a")
    with pytest.raises(StoreFull, match="is full"), store.write() as tx:
        pages = tx.exec_driver_sql("PRAGMA page_count").scalar()
        tx.exec_driver_sql(f"PRAGMA max_page_count={pages}")
        for number in range(2_000):
            put(tx, f"{number}" * 20)
    with store.read() as tx:
        assert names(tx) == ["a"]


def test_closing_does_not_wait_long_for_one_who_still_reads(store: Database) -> None:
    """P-12: quitting takes less than 2 s; what is in the log stays there and is read at the next start."""
    assert store.path
    with closing(sqlite3.connect(store.path, isolation_level=None)) as other:
        other.execute("BEGIN")
        other.execute("SELECT * FROM settings").fetchall()
        with store.write() as tx:
            put(tx, "a")
        begun = time.monotonic()
        store.close()
        assert time.monotonic() - begun < 2
    with store.read() as tx:
        assert names(tx) == ["a"]
