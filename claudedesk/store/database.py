"""Connections: an engine that reads, one that writes, every SQLite connection's settings, errors in words."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final
from weakref import WeakSet

from sqlalchemy import URL, Connection, Engine, create_engine, event, exc, make_url, pool

from claudedesk import errors

BUSY_MS: Final = 5_000
CLOSE_MS: Final = 500
"""How long closing waits for readers of the log: quitting must take less than 2 s (P-12)."""
PRAGMAS: Final = {
    "synchronous": 2,  # FULL: chat text is precious and writes are rare
    "busy_timeout": BUSY_MS,
    "foreign_keys": 1,
    "secure_delete": 1,
    "trusted_schema": 0,
    "cell_size_check": 1,
    "wal_autocheckpoint": 1_000,
    "journal_size_limit": 8 * 2**20,
}
"""Set on every SQLite connection and read back by a test (TRUST B2)."""
_LIVE: Final[WeakSet[Database]] = WeakSet()


class Database:
    """The store's two engines. `read()` and `write()` give a transaction; nothing outlives them.

    SQLite: reads begin deferred with `query_only`, writes begin IMMEDIATE through a pool of one, since an
    upgraded read fails at once with SQLITE_BUSY_SNAPSHOT whatever the time-out (TRUST fact 11).
    PostgreSQL (tests, hosted): the same statements over one engine.
    """

    def __init__(self, url: URL) -> None:
        self.url = url
        self.sqlite = url.get_backend_name() == "sqlite"
        self.path = Path(url.database) if self.sqlite and url.database else None
        if self.sqlite:
            self._reader = _sqlite_engine(url, write=False)
            self._writer = _sqlite_engine(url, write=True)
        else:
            self._reader = self._writer = create_engine(url, pool_pre_ping=True, max_overflow=30)
        _LIVE.add(self)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Give a read transaction. Raises StoreError in words."""
        with in_words(self.path), self._reader.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Give a write transaction, committed (and synced) on leaving. Raises StoreError in words."""
        with in_words(self.path), self._writer.connect() as connection, connection.begin():
            yield connection

    def close(self) -> None:
        """Close all connections; the last SQLite one folds the log into the file, which then stands alone."""
        try:
            if self.sqlite and self.path and self.path.exists():
                with in_words(self.path), self._writer.connect() as connection:
                    raw: Any = connection.connection.driver_connection
                    raw.execute(f"PRAGMA busy_timeout={CLOSE_MS}")
                    with suppress(sqlite3.Error):  # another process still reads; its own close folds the log
                        raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            self.dispose()

    def dispose(self) -> None:
        """Drop all connections without a last write."""
        self._reader.dispose()
        self._writer.dispose()
        _LIVE.discard(self)


def held_here(path: Path) -> bool:
    """Tell whether this process has the file open: then no one else here may open and close it.

    POSIX drops all locks of a process on a file when it closes any handle on it, SQLite's locks as well
    (sqlite.org/howtocorrupt.html, 2.2).
    """
    return any(database.path == path for database in _LIVE)


def sqlite_url(path: Path) -> URL:
    """Return the URL of a database file; any character may stand in the path."""
    return URL.create("sqlite", database=str(path))


def parse_url(url: str) -> URL:
    """Return the parsed database URL. Raises BadInput without showing the URL, which may hold a password."""
    try:
        return make_url(url)
    except exc.ArgumentError as error:
        raise errors.BadInput("The database URL cannot be read.") from error


def _sqlite_engine(url: URL, *, write: bool) -> Engine:
    engine = create_engine(
        url,
        connect_args={"isolation_level": None, "timeout": BUSY_MS / 1000, "cached_statements": 256},
        poolclass=pool.QueuePool,
        pool_size=1 if write else 8,
        max_overflow=0 if write else 64,
        pool_timeout=BUSY_MS * 2 / 1000,
    )

    def connected(raw: sqlite3.Connection, _record: object) -> None:
        prepare_sqlite(raw, read_only=not write)

    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")

    event.listen(engine, "connect", connected)
    event.listen(engine, "begin", begin)
    return engine


def lone_engine(path: Path, *, exclusive: bool = False) -> Engine:
    """Return an engine of one connection at a time, for creating and migrating: no WAL, no foreign keys.

    Foreign keys are off before any transaction begins, since there the pragma is ignored and the rebuild of a
    parent table then cascades (TRUST B2). `exclusive` shuts out all other processes, readers too, until the
    connection closes; StoreBusy when one has the file open.
    """
    engine = create_engine(
        sqlite_url(path),
        connect_args={"isolation_level": None, "timeout": BUSY_MS / 1000},
        poolclass=pool.NullPool,
    )

    def connected(raw: sqlite3.Connection, _record: object) -> None:
        for name, value in (PRAGMAS | {"foreign_keys": 0}).items():
            raw.execute(f"PRAGMA {name}={value}")
        if exclusive:
            raw.execute("PRAGMA locking_mode=EXCLUSIVE")
            raw.execute("BEGIN EXCLUSIVE")
            raw.execute("COMMIT")  # the lock stays until the connection closes

    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN" if exclusive else "BEGIN IMMEDIATE")

    event.listen(engine, "connect", connected)
    event.listen(engine, "begin", begin)
    return engine


def prepare_sqlite(raw: sqlite3.Connection, *, read_only: bool) -> None:
    """Apply the settings of TRUST B2. Raises sqlite3.OperationalError when WAL is refused."""
    if not read_only:
        mode = raw.execute("PRAGMA journal_mode=wal").fetchone()[0]
        if mode.lower() != "wal":
            raise sqlite3.OperationalError(f"write-ahead log refused: journal_mode is {mode}")
    for name, value in PRAGMAS.items():
        raw.execute(f"PRAGMA {name}={value}")
    if read_only:
        raw.execute("PRAGMA query_only=1")


def create_private(path: Path) -> bool:
    """Create an empty file 0600 when there is none (SQLite would make it 0644); tell whether it was made."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        return False
    except OSError as error:
        raise errors.StoreReadOnly(
            f"The database {path} cannot be made: {error.strerror or error}."
        ) from error
    return True


@contextmanager
def in_words(path: Path | None) -> Iterator[None]:
    """Turn the driver's errors into ours."""
    try:
        yield
    except exc.TimeoutError as error:
        raise errors.StoreBusy("The database is busy with something long. Try again in a moment.") from error
    except exc.DBAPIError as error:
        raise translate(error.orig, path) from error


def translate(error: object, path: Path | None = None) -> errors.StoreError:
    """Return our error for a driver's: full disk, read-only, busy, damaged, or a plain store error."""
    code: Any = getattr(error, "sqlite_errorcode", 0) & 0xFF
    where = path or "the database"
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return errors.StoreBusy(
            "Another process holds the database. Nothing was lost; try again in a moment."
        )
    if code == sqlite3.SQLITE_FULL:
        return errors.StoreFull(f"The disk that holds {where} is full. Make room, then try again.")
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN):
        return errors.StoreReadOnly(f"{where} cannot be written. Check the folder's rights, then try again.")
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return errors.StoreDamaged(f"{where} is damaged. Nothing was changed; your backups lie beside it.")
    if code == sqlite3.SQLITE_IOERR:
        return errors.StoreError(f"The disk that holds {where} reported an error. Try again; check the disk.")
    return errors.StoreError("The database refused this. Nothing was changed.")
