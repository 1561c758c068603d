"""Opening: what is made, what is left alone, and what is said when it cannot be done."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import inspect

from claudedesk.errors import BadInput, StoreBusy, StoreDamaged, StoreFull, StoreReadOnly
from claudedesk.paths import Paths, standard
from claudedesk.store import opening, schema, search
from claudedesk.store.database import lone_engine
from claudedesk.store.migrate import own_history, run_migrations
from claudedesk.store.opening import open_store

ROOT = str(Path(__file__).parents[2])


def everything(path: Path) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as raw:
        return raw.execute("SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY name").fetchall()


def digest(folder: Path) -> dict[str, str]:
    found = (path for path in folder.rglob("*") if path.is_file())
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in found}


def python(code: str, *arguments: str) -> subprocess.Popen[str]:
    """Start a Python that sees this checkout."""
    environment = os.environ | {"PYTHONPATH": ROOT}
    command = [sys.executable, "-W", "error", "-c", code, *arguments]
    return subprocess.Popen(
        command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def test_a_fresh_store_is_private_and_says_whose_it_is(paths: Paths) -> None:
    """SEC-07"""
    old_mask = os.umask(0o022)
    try:
        store = open_store(paths)
        with store.write() as tx:
            tx.exec_driver_sql("INSERT INTO settings VALUES ('a', '1', 1)")
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in paths.data.iterdir()}
        store.close()
    finally:
        os.umask(old_mask)
    assert modes == dict.fromkeys(["claudedesk.db", "claudedesk.db-wal", "claudedesk.db-shm"], 0o600)
    assert stat.S_IMODE(paths.data.stat().st_mode) == stat.S_IMODE(paths.runtime.stat().st_mode) == 0o700
    assert stat.S_IMODE((paths.runtime / "store.lock").stat().st_mode) == 0o600
    with closing(sqlite3.connect(paths.database)) as raw:
        assert raw.execute("PRAGMA application_id").fetchone() == (schema.APPLICATION_ID,)
        assert raw.execute("PRAGMA user_version").fetchone() == (int(schema.HEAD),)
        assert raw.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert raw.execute("SELECT version_num FROM alembic_version").fetchall() == [(schema.HEAD,)]


def test_the_tables_made_at_once_are_those_that_the_migrations_make(paths: Paths, tmp_path: Path) -> None:
    open_store(paths).close()
    migrated = tmp_path / "migrated.db"
    with lone_engine(migrated).connect() as connection:
        run_migrations(connection, own_history())
        connection.commit()
    assert everything(paths.database) == everything(migrated)


def test_alembic_sees_no_difference_between_a_fresh_store_and_the_schema(paths: Paths) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.runtime.migration import MigrationContext

    open_store(paths).close()
    options = {
        "include_name": lambda name, kind, _parents: not (kind == "table" and name.startswith("search_index"))
    }
    with lone_engine(paths.database).connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection, opts=options), schema.metadata) == []
        assert set(schema.metadata.tables) < set(inspect(connection).get_table_names())


def test_a_store_with_nothing_to_do_opens_without_alembic_and_without_a_lock(paths: Paths) -> None:
    """ECOSYSTEM §1: 440 ms of imports stay out of every start; creating does without Alembic too."""
    code = (
        "import sys; from claudedesk.paths import standard; from claudedesk.store.opening import open_store\n"
        "store = open_store(standard(sys.argv[1])); store.close()\n"
        "print(*sorted({'alembic', 'mako', 'filelock', 'sqlalchemy.orm'} & set(sys.modules)))"
    )
    for expected in ("filelock", ""):
        out, err = python(code, str(paths.data.parent)).communicate(timeout=60)
        assert (out.strip(), err) == (expected, "")


def test_creating_is_one_transaction(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    """A creation that fails half-way leaves an empty file, which counts as none."""

    def fail(_connection: object) -> None:
        raise RuntimeError

    with monkeypatch.context() as broken, pytest.raises(RuntimeError):
        broken.setattr(search, "create_index", fail)
        open_store(paths)
    assert paths.database.stat().st_size == 0
    open_store(paths).close()


def test_a_creation_killed_half_way_is_begun_again(paths: Paths) -> None:
    code = (
        "import os, sys; from claudedesk.paths import standard\n"
        "from claudedesk.store import opening, search\n"
        "search.create_index = lambda c: (c.exec_driver_sql('PRAGMA cache_spill=1'), os._exit(9))\n"
        "opening.open_store(standard(sys.argv[1]))"
    )
    started = python(code, str(paths.data.parent))
    started.communicate(timeout=60)
    assert started.returncode == 9
    assert paths.database.exists()
    store = open_store(paths)
    with store.read() as tx:
        assert tx.exec_driver_sql("SELECT count(*) FROM search_index").scalar() == 0
    store.close()


@pytest.mark.parametrize("content", [b"", None])
def test_an_empty_file_and_an_empty_database_count_as_none(paths: Paths, content: bytes | None) -> None:
    paths.make()
    if content is None:
        with closing(sqlite3.connect(paths.database)) as raw:
            raw.execute("VACUUM")
            raw.execute("PRAGMA user_version=0")
            raw.execute("CREATE TABLE t (x)")
            raw.execute("DROP TABLE t")
        assert paths.database.stat().st_size
    else:
        paths.database.write_bytes(content)
    store = open_store(paths)
    with store.read() as tx:
        assert tx.exec_driver_sql("SELECT version_num FROM alembic_version").scalar() == schema.HEAD
    store.close()


def test_processes_that_open_a_fresh_store_at_once_all_succeed(paths: Paths) -> None:
    code = (
        "import sys; from claudedesk.paths import standard; from claudedesk.store.opening import open_store\n"
        "sys.stdin.readline(); store = open_store(standard(sys.argv[1]))\n"
        "with store.write() as tx:\n"
        "    tx.exec_driver_sql('INSERT INTO settings VALUES (?, 1, 1)', (sys.argv[2],))\n"
        "store.close()"
    )
    environment = os.environ | {"PYTHONPATH": ROOT}
    started = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", code, str(paths.data.parent), str(number)],
            env=environment,
            text=True,
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for number in range(4)
    ]
    for process in started:
        assert process.stdin
        process.stdin.write("\n")
        process.stdin.flush()
    for process in started:
        assert process.communicate(timeout=60)[1] == ""
    with closing(sqlite3.connect(paths.database)) as raw:
        assert raw.execute("SELECT count(*) FROM settings").fetchone() == (4,)


def test_a_start_waits_for_one_that_prepares_the_store_but_not_for_ever(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    from filelock import FileLock

    paths.make()
    monkeypatch.setattr(opening, "LOCK_S", 0.1)
    with (
        FileLock(paths.runtime / "store.lock"),
        pytest.raises(StoreBusy, match="still preparing the database"),
    ):
        open_store(paths)
    open_store(paths).close()


def _foreign(path: Path) -> None:
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("PRAGMA application_id=42")
        raw.execute("CREATE TABLE notes (x)")


def _nameless(path: Path) -> None:
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("PRAGMA journal_mode=wal")
        raw.execute("CREATE TABLE conversations (x)")


def _text(path: Path) -> None:
    path.write_text("Dear diary, " * 100)


def _header_cut(path: Path) -> None:
    path.write_bytes(b"SQLite format 3\0")


def _zeros(path: Path) -> None:
    path.write_bytes(bytes(8192))


def _log_without_file(path: Path) -> None:
    path.write_bytes(b"")
    path.with_name(path.name + "-wal").write_bytes(b"all that was said")


@pytest.mark.parametrize("make", [_foreign, _nameless, _text, _header_cut, _zeros, _log_without_file])
def test_a_file_that_is_not_ours_is_refused_in_words_and_keeps_its_bytes(paths: Paths, make: object) -> None:
    """DAT-06, DAT-13"""
    paths.make()
    assert callable(make)
    make(paths.database)
    before = digest(paths.data)
    with pytest.raises(StoreDamaged, match="Nothing was changed"):
        open_store(paths)
    assert digest(paths.data) == before


def test_a_store_without_a_revision_is_refused(paths: Paths) -> None:
    open_store(paths).close()
    with closing(sqlite3.connect(paths.database)) as raw:
        raw.execute("DROP TABLE alembic_version")
    before = digest(paths.data)
    with pytest.raises(StoreDamaged, match="does not say which schema it has"):
        open_store(paths)
    assert digest(paths.data) == before


def test_a_store_cut_short_is_called_damaged(paths: Paths) -> None:
    """DAT-06"""
    open_store(paths).close()
    os.truncate(paths.database, 5000)
    with pytest.raises(StoreDamaged):
        open_store(paths)


def test_looking_at_a_file_that_this_process_has_open_does_not_drop_its_locks(paths: Paths) -> None:
    """On POSIX closing any handle of a file drops the locks that the process holds on it."""
    store = open_store(paths)
    with store.read() as tx:
        tx.exec_driver_sql("SELECT * FROM settings").all()
        open_store(paths).dispose()
        code = (
            "import sqlite3, sys; other = sqlite3.connect(sys.argv[1], timeout=0);"
            "other.execute('PRAGMA journal_mode=delete')"
        )
        assert "database is locked" in python(code, str(paths.database)).communicate(timeout=60)[1]
    store.close()


FOLDERS = (
    """two words|100 %|why?|#1|50%20off?mode=ro&x=#y|Ünïcödé 会話 😀|file:x|-rf|a'b"c|:memory:|tab\tline\n"""
)


@pytest.mark.parametrize("name", [*FOLDERS.split("|"), "d" * 120 + "/" + "e" * 130])
def test_any_folder_name_works(tmp_path: Path, name: str) -> None:
    """DAT-20: no database appears anywhere but in the folder that was asked for."""
    paths = standard(str(tmp_path / name))
    for _ in range(2):
        store = open_store(paths)
        with store.write() as tx:
            tx.exec_driver_sql("UPDATE settings SET updated = 1")
        store.close()
    assert [path for path in tmp_path.rglob("*.db*") if path.is_file()] == [paths.database]


def test_a_path_too_long_for_sqlite_is_said(tmp_path: Path) -> None:
    """DAT-20"""
    paths = standard(str(tmp_path.joinpath(*["d" * 200] * 3)))
    with pytest.raises(BadInput, match="too long"):
        open_store(paths)
    assert not list(tmp_path.rglob("*.db"))


def _is_file(paths: Paths) -> None:
    paths.data.parent.mkdir(parents=True)
    paths.data.write_text("x")


def _loops(paths: Paths) -> None:
    paths.data.parent.mkdir(parents=True)
    paths.data.symlink_to(paths.data)


def _database_is_folder(paths: Paths) -> None:
    paths.database.mkdir(parents=True)


def _database_loops(paths: Paths) -> None:
    paths.data.mkdir(parents=True)
    paths.database.symlink_to(paths.database)


@pytest.mark.parametrize("make", [_is_file, _loops, _database_is_folder, _database_loops])
def test_a_place_that_cannot_hold_a_store_is_named(paths: Paths, make: object) -> None:
    """DAT-20"""
    assert callable(make)
    make(paths)
    with pytest.raises((BadInput, StoreReadOnly)) as caught:
        open_store(paths)
    assert str(paths.data) in caught.value.user_message


def test_a_folder_that_cannot_be_written_is_named(paths: Paths) -> None:
    """DAT-20: chmod does not bind root, an immutable folder does."""
    paths.make()
    if subprocess.run(["chattr", "+i", paths.data], capture_output=True).returncode:
        pytest.skip("chattr needs root and a file system that knows it")
    try:
        with pytest.raises(StoreReadOnly) as caught:
            open_store(paths)
    finally:
        subprocess.run(["chattr", "-i", paths.data], check=True)
    assert str(paths.database) in caught.value.user_message


def test_a_full_disk_is_said_when_a_store_is_made(paths: Paths) -> None:
    """DAT-03"""
    paths.data.mkdir(parents=True)
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", paths.data], capture_output=True
    ).returncode:
        pytest.skip("a tmpfs can be mounted by root only")
    try:
        with pytest.raises(StoreFull, match="is full"):
            open_store(paths)
        assert paths.database.stat().st_size == 0
    finally:
        subprocess.run(["umount", paths.data], check=True)


@pytest.mark.parametrize("url", ["mysql://u:secret@h/d", "no url", "sqlite://", "oracle:///x"])
def test_a_url_that_cannot_be_used_is_refused_without_being_shown(paths: Paths, url: str) -> None:
    with pytest.raises(BadInput) as caught:
        open_store(paths, url)
    assert "secret" not in caught.value.user_message


def test_a_sqlite_url_names_another_file_and_its_folder_is_left_alone(paths: Paths, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    open_store(paths, f"sqlite:///{tmp_path / 'other.db'}").close()
    assert (tmp_path / "other.db").exists()
    assert not paths.database.exists()
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755
    with pytest.raises(StoreReadOnly, match="cannot be made"):
        open_store(paths, f"sqlite:///{tmp_path / 'none' / 'other.db'}")
