"""Stores for the tests of this folder: `database` gives a fresh one, on SQLite and on PostgreSQL."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from pg import Server, postgres_server  # noqa: F401 (a fixture)
from sqlalchemy import Connection, insert, select

from claudedesk.paths import Paths, standard
from claudedesk.store import schema, search
from claudedesk.store.database import Database, parse_url, sqlite_url
from claudedesk.store.opening import open_store

BOTH = ["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]
Say = Callable[..., int]


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    """The folders of an installation, not made yet."""
    return standard(str(tmp_path / "home"))


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh SQLite store, closed, to be copied."""
    paths = standard(str(tmp_path_factory.mktemp("template")))
    open_store(paths).close()
    return paths.database


@pytest.fixture(scope="session")
def postgres_template(postgres_server: Server, tmp_path_factory: pytest.TempPathFactory) -> str:  # noqa: F811
    """The name of a PostgreSQL database that holds a fresh store, to be copied."""
    postgres_server.run("CREATE DATABASE fresh")
    open_store(standard(str(tmp_path_factory.mktemp("postgres"))), postgres_server.url("fresh")).close()
    return "fresh"


@pytest.fixture(scope="session")
def new_store(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], AbstractContextManager[Database]]:
    """A function of "sqlite" or "postgres" that gives a fresh store in a `with`."""

    @contextmanager
    def opened(kind: str) -> Iterator[Database]:
        if kind == "sqlite":
            path = tmp_path_factory.mktemp("store") / "claudedesk.db"
            shutil.copy(request.getfixturevalue("sqlite_template"), path)
            store = Database(sqlite_url(path))
            yield store
            store.close()
        else:
            template = request.getfixturevalue("postgres_template")
            with request.getfixturevalue("postgres_server").database(template) as url:
                store = Database(parse_url(url))
                yield store
                store.close()

    return opened


@pytest.fixture(params=BOTH)
def database(
    request: pytest.FixtureRequest, new_store: Callable[[str], AbstractContextManager[Database]]
) -> Iterator[Database]:
    """A freshly created store, once on each database."""
    with new_store(request.param) as store:
        yield store


@pytest.fixture(scope="session")
def say() -> Say:
    """A function that stores a message as a conversation would, makes it findable and returns its `seq`."""
    return _say


def _say(
    connection: Connection, text: str, *, conversation: str = "c_1", role: str = "user", message: str = ""
) -> int:
    c, m = schema.conversations, schema.messages
    if not connection.execute(select(c.c.id).where(c.c.id == conversation)).first():
        blank = {"instructions": None, "model": None, "leaf": None, "demo": False}
        times = {"activity": 1, "created": 1, "updated": 1}
        row = {"id": conversation, "title": f"About {conversation}", "title_by": "auto", **blank, **times}
        connection.execute(insert(c).values(**row))
    count = len(connection.execute(select(m.c.seq)).all())
    message = message or f"m_{count + 1}"
    content = [{"type": "thinking", "thinking": "secretly"}, {"type": "text", "text": text}]
    row = {"id": message, "conversation": conversation, "role": role, "content": json.dumps(content)}
    more = {"status": "complete", "demo": False, "created": 1_000 + count}
    seq: int = connection.execute(insert(m).values(**row, **more).returning(m.c.seq)).scalar_one()
    search.put(connection, seq=seq, message=message, conversation=conversation, text=text)
    return seq
