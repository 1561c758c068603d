"""Opening and migrating on PostgreSQL: one transaction, the same tables, the same refusals."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from pg import Server
from sqlalchemy import Engine, create_engine, event, inspect, text
from store.histories import PARENT_REBUILT, ROWS_CHANGED, history, one

from claudedesk.errors import MigrationFailed, StoreDamaged, StoreError, StoreTooNew
from claudedesk.paths import Paths
from claudedesk.store import schema
from claudedesk.store.migrate import History, own_history, run_migrations
from claudedesk.store.opening import open_store

pytestmark = pytest.mark.postgres

_SHAPE = """
    SELECT 'column', table_name || '.' || column_name,
           concat_ws(' ', data_type, is_nullable, column_default, is_identity, generation_expression)
    FROM information_schema.columns WHERE table_schema = 'public'
    UNION ALL SELECT 'index', indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'
    UNION ALL SELECT 'constraint', conrelid::regclass || '.' || conname, pg_get_constraintdef(oid)
    FROM pg_constraint WHERE connamespace = 'public'::regnamespace
    ORDER BY 1, 2
"""


@pytest.fixture
def empty(postgres_server: Server) -> Iterator[str]:
    """The URL of an empty database."""
    with postgres_server.database() as url:
        yield url


@pytest.fixture
def fresh(postgres_server: Server, postgres_template: str) -> Iterator[str]:
    """The URL of a database that holds a fresh store."""
    with postgres_server.database(postgres_template) as url:
        yield url


def look(url: str, query: str) -> list[tuple[object, ...]]:
    engine = create_engine(url)
    try:
        with engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(query))]
    finally:
        engine.dispose()


def change(url: str, *statements: str) -> None:
    engine = create_engine(url)
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


def test_the_tables_made_at_once_are_those_that_the_migrations_make(fresh: str, empty: str) -> None:
    engine = create_engine(empty)
    with engine.begin() as connection:
        run_migrations(connection, own_history())
    engine.dispose()
    made = look(fresh, _SHAPE)
    assert len(made) > 100
    assert made == look(empty, _SHAPE)
    assert look(fresh, "SELECT * FROM alembic_version") == [(schema.HEAD,)]


def test_alembic_sees_no_difference_between_a_fresh_store_and_the_schema(fresh: str) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.runtime.migration import MigrationContext

    ours = {"words", "ix_search_text_words"}
    options = {"include_name": lambda name, _kind, _parents: name not in ours}
    engine = create_engine(fresh)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection, opts=options), schema.metadata) == []
        assert set(inspect(connection).get_table_names()) == {*schema.metadata.tables, "alembic_version"}
    engine.dispose()


def test_an_older_store_is_migrated_with_all_its_rows(fresh: str, paths: Paths, tmp_path: Path) -> None:
    change(
        fresh,
        "INSERT INTO conversations (id, title, title_by, demo, activity, created, updated)"
        " VALUES ('c', 't', 'auto', false, 1, 1, 1)",
        "INSERT INTO messages (id, conversation, role, content, status, demo, created)"
        " SELECT 'm' || n, 'c', 'user', '[]', 'complete', false, 1 FROM generate_series(1, 30) AS n",
    )
    open_store(paths, fresh, history=history(tmp_path / "h", PARENT_REBUILT, ROWS_CHANGED)).close()
    assert look(fresh, "SELECT version_num FROM alembic_version") == [("0003",)]
    assert look(fresh, "SELECT count(*) FROM messages") == [(30,)]
    assert look(fresh, "SELECT name, pinned FROM conversations") == [("t", False)]


def test_a_failure_after_any_statement_rolls_everything_back(
    fresh: str, paths: Paths, tmp_path: Path
) -> None:
    """DAT-11"""
    newer = history(tmp_path / "h", PARENT_REBUILT, ROWS_CHANGED)
    before = look(fresh, _SHAPE)
    for place in range(0, 1_000, 5):
        if _opens_with_a_failure_after(place, fresh, paths, newer):
            break
        assert look(fresh, _SHAPE) == before
        assert look(fresh, "SELECT version_num FROM alembic_version") == [("0001",)]
    assert place > 40
    assert look(fresh, "SELECT version_num FROM alembic_version") == [("0003",)]


def _opens_with_a_failure_after(place: int, url: str, paths: Paths, newer: History) -> bool:
    numbers = iter(range(10_000))

    def ran(*_args: object) -> None:
        if next(numbers) == place:
            raise RuntimeError("the power of the unexpected")

    event.listen(Engine, "after_cursor_execute", ran)
    try:
        open_store(paths, url, history=newer).close()
    except (MigrationFailed, RuntimeError):
        return False
    finally:
        event.remove(Engine, "after_cursor_execute", ran)
    return True


def test_a_migration_that_loses_rows_it_did_not_name_is_refused(
    fresh: str, paths: Paths, tmp_path: Path
) -> None:
    """DAT-11"""
    change(fresh, "INSERT INTO drafts VALUES ('c', 'unsent', 1)")
    with pytest.raises(MigrationFailed, match="drafts had 1 rows and would have 0"):
        open_store(paths, fresh, history=history(tmp_path / "h", one('op.execute("DELETE FROM drafts")')))
    assert look(fresh, "SELECT count(*) FROM drafts") == [(1,)]


def test_an_unknown_revision_is_refused(fresh: str, paths: Paths) -> None:
    """DAT-13"""
    change(fresh, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreTooNew, match="its schema is 9999"):
        open_store(paths, fresh)


def test_a_database_with_tables_of_another_program_is_refused(empty: str, paths: Paths) -> None:
    change(empty, "CREATE TABLE messages (x integer)")
    with pytest.raises(StoreDamaged, match="belongs to another program"):
        open_store(paths, empty)
    assert look(empty, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == [(1,)]


def test_processes_that_open_an_empty_database_at_once_all_succeed(empty: str, paths: Paths) -> None:
    failures: list[BaseException] = []

    def start() -> None:
        try:
            open_store(paths, empty).close()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert look(empty, "SELECT * FROM alembic_version") == [(schema.HEAD,)]


def test_a_server_that_is_not_there_is_an_error_in_words_without_the_password(
    paths: Paths, tmp_path: Path
) -> None:
    """DAT-25"""
    with pytest.raises(StoreError) as caught:
        open_store(paths, f"postgresql://u:secret@/x?host={tmp_path}")
    assert "secret" not in caught.value.user_message
