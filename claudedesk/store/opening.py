"""Opening the store: a fresh one is made, an older one brought up to date, a foreign one left alone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from sqlalchemy import (
    Column,
    Connection,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    insert,
    inspect,
    select,
)

from claudedesk import errors
from claudedesk.paths import Paths, private_folder
from claudedesk.store import backup, migrate, schema, search
from claudedesk.store.database import (
    Database,
    create_private,
    held_here,
    in_words,
    lone_engine,
    parse_url,
    sqlite_url,
)
from claudedesk.store.migrate import History, own_history

LOCK_S: Final = 300.0
"""How long another process may take to create or migrate."""
_LONGEST: Final = 490
"""SQLite takes paths of 512 bytes, and a migration's journal has 18 more than the database."""

# As Alembic makes it (alembic/ddl/impl.py, version_table_impl); a test compares the two.
_version = Table(
    "alembic_version",
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)


def open_store(paths: Paths, url: str | None = None, *, history: History | None = None) -> Database:
    """Open the database of `paths`, or the one at `url` (PostgreSQL), creating or migrating it first.

    `history` is for tests of migrations. Raises StoreTooNew, StoreDamaged, StoreBusy, StoreFull,
    StoreReadOnly, MigrationFailed or BadInput (a folder that cannot be used); whenever it raises, the file is
    as it was.
    """
    history = history or own_history()
    if url is None:
        private_folder(paths.data)
        return _open_file(paths.database, paths, history)
    parsed = parse_url(url)
    if parsed.get_backend_name() == "sqlite" and parsed.database:
        # Its folder is the user's business: tightening it might shut others out of theirs.
        return _open_file(Path(parsed.database).absolute(), paths, history)
    if parsed.get_backend_name() != "postgresql":
        raise errors.BadInput("The database URL must begin with sqlite:/// or postgresql://.")
    return _open_server(Database(parsed), history)


def _open_file(path: Path, paths: Paths, history: History) -> Database:
    if len(os.fsencode(path)) > _LONGEST:
        raise errors.BadInput(f"The path {path} is too long for a database. Choose a shorter folder.")
    database = _open_ready(path, history)
    if database is None:
        with _alone(paths):
            _create_or_migrate(path, paths, history)
        database = Database(sqlite_url(path))
    return database


def _open_ready(path: Path, history: History) -> Database | None:
    """Open a file that needs nothing done; None when it does: all else is looked at behind the lock."""
    database = None
    try:
        if _is_ours(path):
            database = Database(sqlite_url(path))
            with database.read() as connection:
                if _revision(connection) == history.head:
                    return database
    except errors.StoreError:
        pass
    if database:
        database.dispose()
    return None


def _create_or_migrate(path: Path, paths: Paths, history: History) -> None:
    _roll_back(path)
    if not _is_ours(path):
        with in_words(path):
            _create(path)
    with in_words(path), lone_engine(path).connect() as connection:
        revision = _revision(connection)
    if revision == history.head:
        return
    if revision is None:
        raise errors.StoreDamaged(
            f"{path} does not say which schema it has. Nothing was changed; restore a backup."
        )
    migrate.check_known(revision, history)
    migrate.migrate_file(path, paths.backups, history)


def _is_ours(path: Path) -> bool:
    """Tell whether the file is a database of ours; False when it is new or empty.

    Reads the file's header only, so that a foreign file keeps its bytes and gets no neighbours.
    Raises StoreDamaged for any other file, StoreReadOnly when it cannot be read.
    """
    if held_here(path):
        return True
    try:
        with open(path, "rb") as file:
            header = file.read(108)
    except FileNotFoundError:
        header = b""
    except OSError as error:
        raise errors.StoreReadOnly(
            f"The database {path} cannot be read: {error.strerror or error}."
        ) from error
    if not header and not backup.log_size(path):
        return False
    if not header.startswith(b"SQLite format 3\0") or len(header) < 108:
        raise errors.StoreDamaged(
            f"{path} is not a database, or a damaged one. Nothing was changed."
            " Restore a backup, or move the file away."
        )
    owner = int.from_bytes(header[68:72], "big")
    empty = owner == 0 and header[103:105] == b"\0\0" and not backup.log_size(path)
    if owner != schema.APPLICATION_ID and not empty:
        raise errors.StoreDamaged(
            f"{path} belongs to another program. Nothing was changed. Move the file away, then start again."
        )
    return not empty


def _roll_back(path: Path) -> None:
    """Let SQLite undo what a killed process left half-written, such as a creation."""
    journal = path.with_name(path.name + "-journal")
    if path.exists() and journal.exists() and not held_here(path):
        with in_words(path), lone_engine(path).connect() as connection:
            connection.exec_driver_sql("SELECT 1 FROM sqlite_master")


def _create(path: Path) -> None:
    """Make the whole schema in one transaction, without Alembic."""
    create_private(path)
    with lone_engine(path).connect() as connection:
        connection.exec_driver_sql(f"PRAGMA application_id={schema.APPLICATION_ID}")
        connection.exec_driver_sql(f"PRAGMA user_version={int(schema.HEAD)}")
        _populate(connection)
        connection.commit()
        migrate.switch_on_log(connection)
    backup.sync_folder(path.parent)


def _populate(connection: Connection) -> None:
    schema.metadata.create_all(connection, checkfirst=False)
    search.create_index(connection)
    _version.create(connection, checkfirst=False)
    connection.execute(insert(_version).values(version_num=schema.HEAD))


def _revision(connection: Connection) -> str | None:
    """Return the schema's revision, or None where nothing says it."""
    if not inspect(connection).has_table(_version.name):
        return None
    found = connection.execute(select(_version.c.version_num)).scalars().all()
    return ", ".join(found) or None


@contextmanager
def _alone(paths: Paths) -> Iterator[None]:
    """Hold the lock under which databases are created and migrated. Raises StoreBusy."""
    from filelock import FileLock, Timeout

    private_folder(paths.runtime)
    try:
        with FileLock(paths.runtime / "store.lock", timeout=LOCK_S, mode=0o600):
            yield
    except Timeout as error:
        raise errors.StoreBusy(
            "Another claudedesk is still preparing the database. Wait until it is done, then start again."
        ) from error


def _open_server(database: Database, history: History) -> Database:
    """Create or migrate a PostgreSQL schema in one transaction; a lock of the server keeps others out."""
    try:
        with database.read() as connection:
            ready = _revision(connection) == history.head
        if not ready:
            with database.write() as connection:
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({schema.APPLICATION_ID})")
                _create_or_migrate_server(connection, history)
    except BaseException:
        database.dispose()
        raise
    return database


def _create_or_migrate_server(connection: Connection, history: History) -> None:
    revision = _revision(connection)
    if revision is None:
        if set(inspect(connection).get_table_names()) & set(schema.metadata.tables):
            raise errors.StoreDamaged("This database belongs to another program. Choose an empty one.")
        _populate(connection)
        revision = schema.HEAD
    if revision != history.head:
        migrate.check_known(revision, history)
        migrate.migrate_connection(connection, history)
