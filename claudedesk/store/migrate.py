"""Bringing an older schema up to date: on a checked copy that then replaces the file, or in one transaction.

Imports Alembic inside its functions only: a normal start does without (ECOSYSTEM §1).
"""

from __future__ import annotations

import importlib.resources
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, exc

from claudedesk import errors
from claudedesk.store import backup, schema
from claudedesk.store.database import lone_engine, translate
from claudedesk.types import utc_now

if TYPE_CHECKING:
    from alembic.config import Config


@dataclass(frozen=True, slots=True)
class History:
    """The migrations that this version knows: the folder they lie in and the newest one's revision."""

    location: Path
    head: str


def own_history() -> History:
    """Return the migrations of this package; they are plain files, also in a frozen bundle."""
    location = Path(str(importlib.resources.files("claudedesk.store") / "migrations"))
    return History(location.absolute(), schema.HEAD)


def check_known(revision: str, history: History) -> None:
    """Raise StoreTooNew when a newer version made this schema."""
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory.from_config(_config(history))
    if revision not in {script.revision for script in scripts.walk_revisions("base", history.head)}:
        raise errors.StoreTooNew(
            f"The database was made by a newer version of claudedesk: its schema is {revision}, this version"
            f" knows {history.head}. Nothing was changed. Start the newer version, or restore the backup that"
            " it made before it changed the schema."
        )


def migrate_file(path: Path, folder: Path, history: History) -> Path:
    """Bring the SQLite file `path` up to date and return the old file's new name in `folder`.

    Works on a copy; the original keeps its bytes until the finished copy replaces it. The caller holds the
    store's lock. Raises StoreBusy when a process has the file open, StoreFull, MigrationFailed; then nothing
    was changed.
    """
    real = path.resolve()
    work = real.with_name(real.name + ".migrating")
    with _explained(real):
        try:
            backup.remove_database(work)
            backup.forget_unfinished(real, folder)
            revision = _work_on_copy(real, work, history)
            return _put_in_place(real, work, folder, revision)
        finally:
            backup.remove_database(work)


def _work_on_copy(real: Path, work: Path, history: History) -> str:
    """Make the copy and migrate it while no other process can open the original; return the old revision."""
    with _held(real) as source:
        _need_room(real)
        before = backup.row_counts(source)
        revision: str = source.exec_driver_sql("SELECT version_num FROM alembic_version").scalar_one()
        source.rollback()
        backup.copy_database(source, work)
        _migrate_copy(work, before, history)
    return revision


def _migrate_copy(work: Path, before: Mapping[str, int], history: History) -> None:
    with lone_engine(work).connect() as connection:
        if not backup.is_sound(connection) or backup.row_counts(connection) != before:
            raise errors.StoreDamaged(
                "The database is damaged, so it was not changed. Restore a backup first."
            )
        broken = _broken_links(connection)
        declared = run_migrations(connection, history)
        if history.head.isdigit():
            connection.exec_driver_sql(f"PRAGMA user_version={int(history.head)}")
        if _broken_links(connection) - broken:
            raise _failed("rows would have lost the rows that they belong to")
        _compare(before, backup.row_counts(connection), declared)
        if not backup.is_sound(connection):
            raise _failed("the result did not pass SQLite's own check")
        connection.commit()
        switch_on_log(connection)


def switch_on_log(connection: Connection) -> None:
    """Leave the file in WAL mode, so that readers need not wait for the first writer to switch it on."""
    raw: Any = connection.connection.driver_connection
    raw.execute("PRAGMA journal_mode=wal")


def _put_in_place(real: Path, work: Path, folder: Path, revision: str) -> Path:
    backup.sync(work)
    kept = backup.keep_old(real, folder, revision, utc_now())
    try:
        if backup.log_size(real):
            raise errors.StoreBusy("Another program uses the database. Close it, then start again.")
        backup.replace(work, real)
    except BaseException:
        kept.unlink(missing_ok=True)
        raise
    backup.sync_folder(real.parent)
    with suppress(OSError):  # an old backup too many is no failure
        backup.thin(folder, kept)
    return kept


def migrate_connection(connection: Connection, history: History) -> None:
    """Bring a PostgreSQL schema up to date in the caller's transaction. Raises MigrationFailed."""
    with _explained(None):
        before = backup.row_counts(connection)
        declared = run_migrations(connection, history)
        _compare(before, backup.row_counts(connection), declared)


def run_migrations(connection: Connection, history: History) -> set[str]:
    """Run the missing migrations in the connection's transaction; return the tables they may change rows of.

    A migration names those tables in `ROWS_CHANGE`; all other tables must keep their number of rows.
    """
    from alembic import command
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory

    config = _config(history)
    scripts = ScriptDirectory.from_config(config)
    current = MigrationContext.configure(connection).get_current_revision()
    missing = list(scripts.iterate_revisions(history.head, current or "base"))
    config.attributes["connection"] = connection
    command.upgrade(config, history.head)
    return {table for script in missing for table in getattr(script.module, "ROWS_CHANGE", ())}


def _config(history: History) -> Config:
    from alembic.config import Config

    config = Config()
    # A ConfigParser reads this, for which % is special.
    config.set_main_option("script_location", str(history.location).replace("%", "%%"))
    return config


def _need_room(real: Path) -> None:
    """The copy takes the file's size, rebuilding its largest table up to as much again (DAT-14)."""
    need = 2 * (real.stat().st_size + backup.log_size(real))
    if backup.free_bytes(real.parent) < need:
        raise errors.StoreFull(
            f"The database must be brought to this version's form, which needs {need // 2**20 + 1} MB of"
            f" free room on the disk that holds {real}. Nothing was changed. Make room, then start again."
        )


def _broken_links(connection: Connection) -> Counter[tuple[str, str]]:
    """Count rows whose parent row is missing, by table and parent table; old wrongs must not grow."""
    return Counter((row[0], row[2]) for row in connection.exec_driver_sql("PRAGMA foreign_key_check"))


def _compare(before: Mapping[str, int], after: Mapping[str, int], declared: Iterable[str]) -> None:
    for table, rows in before.items():
        if table not in declared and after.get(table) != rows:
            raise _failed(f"{table} had {rows} rows and would have {after.get(table, 'none')}")


@contextmanager
def _held(real: Path) -> Iterator[Connection]:
    """Give the only connection to the original. Raises StoreBusy when any process has it open."""
    try:
        connection = lone_engine(real, exclusive=True).connect()
    except exc.DBAPIError as error:
        reason = translate(error.orig, real)
        if isinstance(reason, errors.StoreBusy):
            reason = errors.StoreBusy(
                "The database must be brought to this version's form, but another claudedesk has it open."
                " Close that one, then start again. Nothing was changed."
            )
        raise reason from error
    with connection:
        yield connection


@contextmanager
def _explained(path: Path | None) -> Iterator[None]:
    """Turn whatever goes wrong into an error that says that nothing was changed."""
    try:
        yield
    except errors.ClaudeDeskError:
        raise
    except (exc.DBAPIError, sqlite3.Error) as error:
        driver = error.orig if isinstance(error, exc.DBAPIError) else error
        reason = translate(driver, path)
        if type(reason) is errors.StoreError:
            # The driver says more; its first line shows names only, no values that the user wrote.
            reason = _failed(str(driver).partition("\n")[0])
        raise reason from error
    except Exception as error:
        raise _failed(f"{type(error).__name__}: {error}") from error


def _failed(reason: str) -> errors.MigrationFailed:
    return errors.MigrationFailed(
        f"The database could not be brought to this version's form: {reason}. Nothing was changed; the"
        " version that made it can go on with it."
    )
