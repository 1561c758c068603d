"""Copies of a database file that can be trusted: made by SQLite, checked, synced, private, well named."""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from sqlalchemy import Connection

from claudedesk import errors
from claudedesk.paths import private_folder
from claudedesk.store.database import create_private

KEPT: Final = 3
"""How many files from before a migration are kept at least (DAT-14)."""
_MARK: Final = "-schema-"
_TRIES: Final = 10
_PAUSE_S: Final = 0.2

_TABLES: Final = (
    "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table'"
    " AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name <> 'alembic_version' ORDER BY name"
)
_POSTGRES_TABLES: Final = (
    "SELECT tablename FROM pg_tables WHERE schemaname = current_schema() AND tablename <> 'alembic_version'"
)


def copy_database(source: Connection, target: Path) -> None:
    """Copy an open SQLite database into the new file `target` (0600), which needs no write-ahead log."""
    remove_database(target)
    if not create_private(target):
        raise errors.StoreError(f"{target} cannot be written: it is there already.")
    copy = sqlite3.connect(target, isolation_level=None)
    try:
        _raw(source).backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")
    finally:
        copy.close()


def remove_database(path: Path) -> None:
    """Delete a scratch database with all that SQLite put beside it."""
    for tail in ("-journal", "-wal", "-shm", ""):
        path.with_name(path.name + tail).unlink(missing_ok=True)


def log_size(path: Path) -> int:
    """Return the size of the write-ahead log beside a database; 0 where all is in the file itself."""
    log = path.with_name(path.name + "-wal")
    return log.stat().st_size if log.exists() else 0


def row_counts(connection: Connection) -> dict[str, int]:
    """Return the number of rows of every table of data; the search index and Alembic's own table are none."""
    tables = connection.exec_driver_sql(_TABLES if connection.dialect.name == "sqlite" else _POSTGRES_TABLES)
    quote = connection.dialect.identifier_preparer.quote_identifier
    return {
        name: connection.exec_driver_sql(f"SELECT count(*) FROM {quote(name)}").scalar_one()  # noqa: S608 (quoted)
        for name in tables.scalars().all()
    }


def is_sound(connection: Connection) -> bool:
    """Tell whether SQLite's `quick_check` finds nothing wrong."""
    return connection.exec_driver_sql("PRAGMA quick_check(1)").scalar() == "ok"


def free_bytes(folder: Path) -> int:
    """Return the free room on the folder's disk."""
    return shutil.disk_usage(folder).free


def sync(path: Path) -> None:
    """Wait until a file has reached the disk."""
    with open(path, "rb+") as file:
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder have reached the disk; Windows has no way to ask for it."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def replace(source: Path, target: Path) -> None:
    """Rename over `target`; a scanner that holds the file on Windows is waited for, 2 s at most (DAT-21)."""
    for left in reversed(range(_TRIES)):
        try:
            os.replace(source, target)
            return
        except PermissionError:
            if not left:
                raise
            time.sleep(_PAUSE_S)


def keep_old(database: Path, folder: Path, revision: str, now: int) -> Path:
    """Give the closed file `database` a second name in `folder`, from before a migration, and return it.

    The name is made of the UTC time (`now` in microseconds) and the schema's revision. A hard link costs no
    room; where there is none the file is copied.
    """
    private_folder(folder)
    stamp = datetime.fromtimestamp(now / 1_000_000, UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    kept = folder / f"{stamp}{_MARK}{revision}.db"
    try:
        os.link(database, kept)
    except OSError:
        _copy_file(database, kept)
    kept.chmod(0o600)
    sync_folder(folder)
    return kept


def _copy_file(database: Path, kept: Path) -> None:
    if not create_private(kept):
        raise errors.StoreError(f"{kept} cannot be written: it is there already.")
    try:
        shutil.copyfile(database, kept)
        sync(kept)
    except OSError:
        kept.unlink(missing_ok=True)
        raise


def forget_unfinished(database: Path, folder: Path) -> None:
    """Take away the second name that a migration killed between keeping and replacing left behind."""
    for kept in folder.glob(f"*{_MARK}*.db"):
        if database.exists() and kept.samefile(database):
            kept.unlink()


def thin(folder: Path, newest: Path) -> None:
    """Delete all but the last KEPT files from before a migration, and none that is newer than `newest`.

    A file is newer by its name: with a clock set back, files from the future are left alone.
    """
    older = sorted(kept for kept in folder.glob(f"*{_MARK}*.db") if kept.name <= newest.name)
    for kept in older[:-KEPT]:
        kept.unlink()


def _raw(connection: Connection) -> sqlite3.Connection:
    raw: sqlite3.Connection = connection.connection.driver_connection  # type: ignore[assignment]
    return raw
