"""Bringing an older SQLite file up to date without ever losing a row or a byte."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine, event
from store.histories import PARENT_REBUILT, ROWS_CHANGED, history, one

from claudedesk.errors import MigrationFailed, StoreBusy, StoreDamaged, StoreError, StoreFull, StoreTooNew
from claudedesk.paths import Paths, standard
from claudedesk.store import backup, migrate, schema, search
from claudedesk.store.database import Database, sqlite_url
from claudedesk.store.migrate import History, own_history
from claudedesk.store.opening import open_store

Say = Callable[..., int]
MESSAGES = 40
ROOT = str(Path(__file__).parents[2])


@pytest.fixture
def old(paths: Paths, sqlite_template: Path, say: Say) -> Path:
    """A closed store of schema 0001 with rows in it."""
    paths.make()
    shutil.copy(sqlite_template, paths.database)
    store = Database(sqlite_url(paths.database))
    with store.write() as tx:
        for number in range(MESSAGES):
            say(tx, f"apple {number}", conversation=f"c_{number % 4}")
        tx.exec_driver_sql("INSERT INTO drafts VALUES ('c_1', 'unsent', 1)")
        tx.exec_driver_sql(
            "INSERT INTO attachments VALUES ('a_1', 'm_1', 0, 'a.txt', 'text/plain', '', x'00', 1)"
        )
    store.close()
    return paths.database


@pytest.fixture
def newer(tmp_path: Path) -> History:
    return history(tmp_path / "newer", PARENT_REBUILT, ROWS_CHANGED)


def files(paths: Paths) -> dict[str, str]:
    """The hash of every file of the data folder."""
    found = (path for path in paths.data.rglob("*") if path.is_file())
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in found}


def rows(path: Path, table: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as raw:
        return raw.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall()


def revision(path: Path) -> object:
    return rows(path, "alembic_version")[0][0]


@contextmanager
def on_each_statement(act: Callable[[int, str], None]) -> Iterator[None]:
    """Call `act` with the number of each statement that was run on the working copy."""
    numbers = iter(range(10_000))

    def ran(connection: Connection, _cursor: object, statement: str, *_rest: object) -> None:
        if str(connection.engine.url.database).endswith(".migrating"):
            act(next(numbers), statement)

    event.listen(Engine, "after_cursor_execute", ran)
    try:
        yield
    finally:
        event.remove(Engine, "after_cursor_execute", ran)


def test_an_older_store_is_migrated_with_all_its_rows_and_stays_searchable(
    old: Path, paths: Paths, newer: History
) -> None:
    before = rows(old, "messages")
    store = open_store(paths, history=newer)
    with store.write() as tx:
        assert tx.exec_driver_sql("SELECT version_num FROM alembic_version").scalar() == "0003"
        assert tx.exec_driver_sql("PRAGMA user_version").scalar() == 3
        assert tx.exec_driver_sql("PRAGMA application_id").scalar() == schema.APPLICATION_ID
        assert tx.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert tx.exec_driver_sql("SELECT count(*) FROM tags").scalar() == 4
        assert tx.exec_driver_sql("SELECT name, pinned FROM conversations WHERE id = 'c_1'").all() == [
            ("About c_1", 0)
        ]
        assert search.check(tx)
    store.close()
    assert [row[: len(before[0])] for row in rows(old, "messages")] == before
    assert rows(old, "drafts") == []
    open_store(paths, history=newer).close()


def test_the_rebuild_of_a_parent_table_keeps_every_child_row(old: Path, paths: Paths, tmp_path: Path) -> None:
    """DAT-11: with foreign keys on, the rebuild's DROP TABLE deletes all messages without an error."""
    open_store(paths, history=history(tmp_path / "h", PARENT_REBUILT)).close()
    assert len(rows(old, "messages")) == MESSAGES
    assert len(rows(old, "attachments")) == 1
    assert len(rows(old, "conversations")) == 4
    with closing(sqlite3.connect(old)) as raw:
        raw.execute("PRAGMA foreign_keys=ON")
        raw.execute("DELETE FROM conversations WHERE id = 'c_1'")
        assert raw.execute("SELECT count(*) FROM messages").fetchone() == (MESSAGES * 3 // 4,)


def test_the_old_file_becomes_the_backup_with_its_very_bytes(old: Path, paths: Paths, newer: History) -> None:
    """DAT-14"""
    before = old.read_bytes()
    open_store(paths, history=newer).close()
    (kept,) = paths.backups.iterdir()
    assert kept.read_bytes() == before
    assert kept.name.endswith("Z-schema-0001.db")
    assert stat.S_IMODE(kept.stat().st_mode) == stat.S_IMODE(old.stat().st_mode) == 0o600
    assert stat.S_IMODE(paths.backups.stat().st_mode) == 0o700
    assert not kept.samefile(old)
    assert sorted(path.name for path in paths.data.iterdir()) == ["backups", "claudedesk.db"]


def test_where_no_hard_link_can_be_made_the_old_file_is_copied(
    old: Path, paths: Paths, newer: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DAT-14"""
    before = old.read_bytes()
    monkeypatch.setattr(os, "link", _refuse)
    open_store(paths, history=newer).close()
    (kept,) = paths.backups.iterdir()
    assert kept.read_bytes() == before
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert revision(old) == "0003"


def _refuse(*_args: object, **_more: object) -> None:
    raise OSError(95, "Operation not supported")


def test_the_last_three_backups_are_kept_and_none_that_is_newer(
    old: Path, paths: Paths, newer: History
) -> None:
    """DAT-14: after a clock set back, files from the future stay."""
    paths.backups.mkdir()
    stamps = ["20200101", "20200102", "20200103", "20200104", "20990101"]
    for stamp in stamps:
        (paths.backups / f"{stamp}T000000.000000Z-schema-0000.db").write_text("old")
    (paths.backups / "mine.db").write_text("not ours")
    open_store(paths, history=newer).close()
    left = sorted(path.name[:8] for path in paths.backups.iterdir())
    assert [*left[:2], left[3], left[4]] == ["20200103", "20200104", "20990101", "mine.db"]
    assert len(left) == 5


@pytest.mark.slow
def test_a_failure_after_any_statement_leaves_the_bytes_as_they_were(
    old: Path, paths: Paths, newer: History
) -> None:
    """DAT-11: every statement of every migration, and those around them."""
    before = files(paths)
    shutil.copy(old, paths.data.parent / "copy.db")
    statements: list[str] = []
    with on_each_statement(lambda _number, statement: statements.append(statement)):
        open_store(paths, history=newer).close()
    assert len(statements) > 40
    os.replace(paths.data.parent / "copy.db", old)
    shutil.rmtree(paths.backups)
    assert files(paths) == before
    for place in range(len(statements)):

        def fail(number: int, statement: str, place: int = place) -> None:
            if number == place:
                raise RuntimeError("the power of the unexpected")

        with on_each_statement(fail), pytest.raises(MigrationFailed, match="Nothing was changed"):
            open_store(paths, history=newer)
        assert files(paths) == before, statements[place]
    open_store(paths, history=newer).close()
    assert revision(old) == "0003"


@pytest.mark.parametrize("step", ["sync", "keep_old", "log_size", "replace"])
def test_a_failure_of_any_step_around_the_swap_leaves_the_bytes_as_they_were(
    old: Path, paths: Paths, newer: History, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """DAT-11"""
    before = files(paths)
    with monkeypatch.context() as broken, pytest.raises(StoreError):
        broken.setattr(backup, step, _refuse)
        open_store(paths, history=newer)
    assert files(paths) == before
    open_store(paths, history=newer).close()


@pytest.mark.kill
@pytest.mark.slow
def test_a_kill_at_any_moment_leaves_the_old_store_or_the_new_one_whole(
    old: Path, paths: Paths, newer: History
) -> None:
    """DAT-11: kill -9 after many a statement and around each step; the next start goes on from there."""
    script = Path(__file__).with_name("killed_migration.py")
    command = [
        sys.executable,
        "-W",
        "error",
        str(script),
        str(paths.data.parent),
        str(newer.location),
        newer.head,
    ]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=100, env=os.environ | {"PYTHONPATH": ROOT}
    )
    assert done.returncode == 0, done.stderr
    reports = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(reports) > 16
    for report in reports:
        after = report["point"] in ("after replace", "before thin", "after thin")
        assert report["killed"], report
        assert report["same_bytes"] == (not after), report
        assert report["revision"] == (newer.head if after else "0001"), report
        assert report["next_start"] == newer.head, report
        assert report["messages"] == MESSAGES, report
        assert report["backups_whole"], report
        assert report["left"] == ["backups", "claudedesk.db"], report


def test_a_migration_that_loses_rows_it_did_not_name_is_refused(
    old: Path, paths: Paths, tmp_path: Path
) -> None:
    """DAT-11"""
    before = files(paths)
    careless = history(tmp_path / "h", one('op.execute("DELETE FROM drafts")'))
    with pytest.raises(MigrationFailed, match="drafts had 1 rows and would have 0"):
        open_store(paths, history=careless)
    assert files(paths) == before


def test_a_migration_that_orphans_rows_is_refused(old: Path, paths: Paths, tmp_path: Path) -> None:
    """DAT-11"""
    before = files(paths)
    script = (
        one("op.execute(\"DELETE FROM conversations WHERE id = 'c_1'\")")
        + 'ROWS_CHANGE = ("conversations",)\n'
    )
    with pytest.raises(MigrationFailed, match="rows would have lost the rows that they belong to"):
        open_store(paths, history=history(tmp_path / "h", script))
    assert files(paths) == before


def test_orphans_from_before_do_not_stop_a_migration(old: Path, paths: Paths, tmp_path: Path) -> None:
    with closing(sqlite3.connect(old)) as raw:
        raw.execute("DELETE FROM conversations WHERE id = 'c_1'")
        raw.commit()
    open_store(paths, history=history(tmp_path / "h", PARENT_REBUILT)).close()
    assert len(rows(old, "messages")) == MESSAGES


def test_the_words_of_a_failure_hold_nothing_that_the_user_wrote(
    old: Path, paths: Paths, tmp_path: Path
) -> None:
    script = one(
        "statement = sa.text('INSERT INTO drafts (scope, text) VALUES (:a, :b)')\n"
        "    op.execute(statement.bindparams(a='x', b='secret'))"
    )
    with pytest.raises(MigrationFailed, match=r"NOT NULL constraint failed: drafts\.updated") as caught:
        open_store(paths, history=history(tmp_path / "h", script))
    assert "secret" not in caught.value.user_message


def test_an_unknown_revision_is_refused_in_words_and_the_bytes_stay(old: Path, paths: Paths) -> None:
    """DAT-13"""
    with closing(sqlite3.connect(old)) as raw:
        raw.execute("UPDATE alembic_version SET version_num = '9999'")
        raw.commit()
    before = files(paths)
    assert list(before) == ["claudedesk.db"]
    with pytest.raises(
        StoreTooNew, match="newer version of claudedesk: its schema is 9999, this version knows 0001"
    ):
        open_store(paths)
    assert files(paths) == before


def test_a_store_of_a_newer_version_is_refused_by_the_version_before_it(
    old: Path, paths: Paths, newer: History
) -> None:
    """DAT-13"""
    open_store(paths, history=newer).close()
    before = files(paths)
    with pytest.raises(StoreTooNew, match="restore the backup"):
        open_store(paths)
    assert files(paths) == before


@pytest.mark.parametrize("rooms", [0, 1, 1.9])
def test_without_twice_the_room_nothing_is_begun(
    old: Path, paths: Paths, newer: History, monkeypatch: pytest.MonkeyPatch, rooms: float
) -> None:
    """DAT-14"""
    before, size = files(paths), old.stat().st_size
    monkeypatch.setattr(backup, "free_bytes", lambda _folder: int(rooms * size))
    with pytest.raises(StoreFull, match=r"needs 1 MB of free room"):
        open_store(paths, history=newer)
    assert files(paths) == before
    monkeypatch.setattr(backup, "free_bytes", lambda _folder: 2 * size)
    open_store(paths, history=newer).close()


@pytest.mark.parametrize("check", [True, False])
def test_a_disk_that_is_really_full_is_said_and_changes_nothing(
    paths: Paths, sqlite_template: Path, newer: History, monkeypatch: pytest.MonkeyPatch, check: bool
) -> None:
    """DAT-14: a tmpfs between once and twice the file's size, with and without our own look at the room."""
    size = sqlite_template.stat().st_size
    paths.data.mkdir(parents=True)
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size * 3 // 2}", "tmpfs", paths.data], capture_output=True
    ).returncode:
        pytest.skip("a tmpfs can be mounted by root only")
    try:
        shutil.copy(sqlite_template, paths.database)
        before = files(paths)
        if not check:
            monkeypatch.setattr(backup, "free_bytes", lambda _folder: 2**40)
        with pytest.raises(StoreFull):
            open_store(paths, history=newer)
        assert files(paths) == before
    finally:
        subprocess.run(["umount", paths.data], check=True)


def test_a_store_that_another_process_has_open_is_not_migrated(
    old: Path, paths: Paths, newer: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("claudedesk.store.database.BUSY_MS", 100)
    monkeypatch.setitem(migrate.lone_engine.__globals__["PRAGMAS"], "busy_timeout", 100)
    code = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]);"
        "c.execute('SELECT * FROM settings').fetchall();"
        "print('open', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(old)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout
        other.stdout.readline()
        before = old.read_bytes()
        with pytest.raises(StoreBusy, match=r"another claudedesk has it open\. Close that one"):
            open_store(paths, history=newer)
        assert old.read_bytes() == before
        other.communicate()
    open_store(paths, history=newer).close()


def test_a_damaged_store_is_not_migrated(old: Path, paths: Paths, newer: History) -> None:
    with open(old, "rb+") as file:
        for page in range(3, old.stat().st_size // 4096):
            file.seek(page * 4096 + 8)
            file.write(b"\xff" * 300)
    before = files(paths)
    with pytest.raises((StoreDamaged, MigrationFailed)):
        open_store(paths, history=newer)
    assert files(paths) == before


def test_a_log_left_by_a_crash_is_part_of_what_is_migrated_and_kept(
    old: Path, paths: Paths, newer: History
) -> None:
    """A backup is one file: what stands in the write-ahead log must be folded in first (TRUST fact 10)."""
    code = (
        "import os, sqlite3, sys; c = sqlite3.connect(sys.argv[1]);"
        "c.execute(\"INSERT INTO settings VALUES ('a', '1', 1)\"); c.commit(); os._exit(1)"
    )
    subprocess.run([sys.executable, "-c", code, str(old)], check=False)
    assert old.with_name("claudedesk.db-wal").stat().st_size
    open_store(paths, history=newer).close()
    (kept,) = paths.backups.iterdir()
    assert rows(old, "settings") == rows(kept, "settings") == [("a", "1", 1)]


def test_a_database_behind_a_symbolic_link_is_migrated_where_it_lies(
    old: Path, paths: Paths, newer: History, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere.db"
    old.rename(elsewhere)
    old.symlink_to(elsewhere)
    open_store(paths, history=newer).close()
    assert old.is_symlink()
    assert revision(elsewhere) == "0003"


def test_migrations_are_found_in_a_folder_of_any_name(old: Path, paths: Paths, tmp_path: Path) -> None:
    """DAT-20: Alembic reads the folder's name through a ConfigParser, for which % is special."""
    open_store(paths, history=history(tmp_path / "100 %d ünï #1; a:b, c", PARENT_REBUILT)).close()
    assert revision(old) == "0002"


def test_the_longest_path_that_is_taken_can_be_migrated_too(
    old: Path, tmp_path: Path, newer: History
) -> None:
    """DAT-20"""
    room = 490 - len(os.fsencode(tmp_path)) - len("//data/claudedesk.db") - 1
    paths = standard(str(tmp_path / ("d" * 200) / ("e" * (room - 200))))
    assert len(os.fsencode(paths.database)) == 490
    paths.make()
    shutil.copy(old, paths.database)
    open_store(paths, history=newer).close()
    assert revision(paths.database) == "0003"


def test_a_rename_waits_for_a_scanner_that_holds_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DAT-21"""
    waits: list[float] = []
    refusals = iter([PermissionError(13, "held by another process")] * 5)
    rename = os.replace

    def held(source: Path, target: Path) -> None:
        for refusal in refusals:
            raise refusal
        rename(source, target)

    monkeypatch.setattr(os, "replace", held)
    monkeypatch.setattr(backup.time, "sleep", waits.append)
    (tmp_path / "a").write_text("new")
    backup.replace(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b").read_text() == "new"
    assert waits == [0.2] * 5


def test_the_constant_head_is_the_last_migration_of_the_package() -> None:
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory.from_config(migrate._config(own_history()))
    assert scripts.get_heads() == [schema.HEAD]
    assert own_history().location.is_absolute()
