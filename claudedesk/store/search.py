"""Full-text search over what was said, newest first: FTS5 on SQLite, a `simple` tsvector on PostgreSQL.

`search_text` holds each message's words as `words.segment` cut them, so that both databases find the same.
These functions keep the index in the caller's transaction. Ranking is left out: on a common word it takes
2,000 times as long as newest-first (PERFORMANCE §2).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, exc
from sqlalchemy import text as sql
from sqlalchemy.sql.elements import TextClause

from claudedesk.store.snippets import CLOSE, OPEN, snippet
from claudedesk.store.words import Phrase, phrases, segment, visible_text
from claudedesk.types import Role

__all__ = [
    "CLOSE",
    "OPEN",
    "Hit",
    "check",
    "create_index",
    "drop",
    "drop_conversation",
    "find",
    "put",
    "put_new",
    "rebuild",
    "scrub",
    "segment",
    "visible_text",
]

_MOST_BYTES: Final = 400_000
"""PostgreSQL refuses a tsvector over 1 MB; of a longer message only the beginning is searched there."""
_BATCH: Final = 500

# The tokenizer `ascii` cuts at our spaces only; `unicode61` knows no letter younger than Unicode 6.1 and cuts
# Hindi at its vowel signs. Sizes of columns would serve ranking alone. The index of first letters takes 12 MB
# of 155 per 100,000 messages and answers one letter, which every search begins with, in 5 ms instead of 85.
_FTS5: Final = (
    "CREATE VIRTUAL TABLE search_index USING fts5"
    "(body, content='search_text', content_rowid='seq', tokenize='ascii', columnsize=0, prefix='1')"
)
# A generated column, not an index over the expression: phrases and newest-first look at many rows' vectors.
_TSVECTOR: Final = (
    "ALTER TABLE search_text ADD COLUMN words tsvector"
    " GENERATED ALWAYS AS (to_tsvector('simple', body)) STORED",
    "CREATE INDEX ix_search_text_words ON search_text USING gin (words)",
)

_OLD = sql("SELECT seq, body FROM search_text WHERE seq = :seq")
_OLD_OF_MESSAGE = sql("SELECT seq, body FROM search_text WHERE message = :message")
_OLD_OF_CONVERSATION = sql("SELECT seq, body FROM search_text WHERE conversation = :conversation")
_ADD = sql(
    "INSERT INTO search_text (seq, message, conversation, body) VALUES (:seq, :message, :conversation, :body)"
    " ON CONFLICT (seq) DO NOTHING"
)
_DROP = sql("DELETE FROM search_text WHERE seq = :seq")
_INDEX = sql("INSERT INTO search_index (rowid, body) VALUES (:seq, :body)")
_UNINDEX = sql("INSERT INTO search_index (search_index, rowid, body) VALUES ('delete', :seq, :body)")

_WANTED: Final = "SELECT m.id, m.conversation, m.role, m.created, c.title, m.content"
# CROSS JOIN keeps SQLite from starting anywhere but at the index, which gives its rows in order.
_FIND_SQLITE = sql(
    f"{_WANTED} FROM search_index AS s CROSS JOIN messages AS m ON m.seq = s.rowid"
    " JOIN conversations AS c ON c.id = m.conversation"
    " WHERE s.search_index MATCH :query ORDER BY s.rowid DESC LIMIT :limit OFFSET :offset"
)
_FIND_POSTGRES = sql(
    f"{_WANTED} FROM search_text AS s JOIN messages AS m ON m.seq = s.seq"
    " JOIN conversations AS c ON c.id = m.conversation"
    " WHERE s.words @@ to_tsquery('simple', :query) ORDER BY s.seq DESC LIMIT :limit OFFSET :offset"
)
_MISPLACED = sql(
    "SELECT count(*) FROM search_text AS s LEFT JOIN messages AS m ON m.seq = s.seq"
    " WHERE m.id IS NULL OR m.id <> s.message OR m.conversation <> s.conversation"
)
_MESSAGES = sql(
    "SELECT seq, id, conversation, content FROM messages WHERE seq > :seq ORDER BY seq LIMIT :limit"
)


@dataclass(frozen=True, slots=True)
class Hit:
    """A message that was found; `snippet` is plain text with the matched parts between OPEN and CLOSE."""

    message: str
    conversation: str
    role: Role
    created: int
    title: str
    snippet: str


def create_index(connection: Connection) -> None:
    """Create the index over `search_text`, which exists already; creation and migration both call this."""
    for statement in [_FTS5] if _sqlite(connection) else _TSVECTOR:
        connection.exec_driver_sql(statement)


def put(connection: Connection, *, seq: int, message: str, conversation: str, text: str) -> None:
    """Make a message findable by its visible `text`, in place of what it said before; no words, no entry."""
    row = _row(connection, seq, message, conversation, text)
    if row and connection.execute(_ADD, row).rowcount:
        if _sqlite(connection):
            connection.execute(_INDEX, row)
        return
    _forget(connection, _OLD, {"seq": seq})
    if row:
        put_new(connection, [(seq, message, conversation, text)])


def put_new(connection: Connection, messages: Iterable[tuple[int, str, str, str]]) -> None:
    """Make many messages findable that were not so far, each (seq, id, conversation, visible text)."""
    rows = [row for message in messages if (row := _row(connection, *message))]
    if not rows:
        return
    connection.execute(_ADD, rows)
    if _sqlite(connection):
        connection.execute(_INDEX, rows)


def _row(
    connection: Connection, seq: int, message: str, conversation: str, text: str
) -> dict[str, int | str] | None:
    body = segment(text)
    if not _sqlite(connection):
        body = body.encode()[:_MOST_BYTES].decode(errors="ignore")
    return {"seq": seq, "message": message, "conversation": conversation, "body": body} if body else None


def drop(connection: Connection, message: str) -> None:
    """Forget a message. Call it before the message is deleted: the cascade leaves the index as it is."""
    _forget(connection, _OLD_OF_MESSAGE, {"message": message})


def drop_conversation(connection: Connection, conversation: str) -> None:
    """Forget all messages of a conversation. Call it before the conversation is deleted, see `drop`."""
    _forget(connection, _OLD_OF_CONVERSATION, {"conversation": conversation})


def _forget(connection: Connection, which: TextClause, values: dict[str, int] | dict[str, str]) -> None:
    rows = [{"seq": row.seq, "body": row.body} for row in connection.execute(which, values)]
    if not rows:
        return
    if _sqlite(connection):
        connection.execute(_UNINDEX, rows)
    connection.execute(_DROP, [{"seq": row["seq"]} for row in rows])


def find(connection: Connection, query: str, *, limit: int = 20, offset: int = 0) -> list[Hit]:
    """Return the messages that hold every word and "phrase" of `query`, newest first.

    The last word may go on. No query is wrong: signs count as spaces. One without a letter or digit finds
    nothing.
    """
    wanted = phrases(query)
    if not wanted:
        return []
    sqlite = _sqlite(connection)
    expression = _match(wanted) if sqlite else _tsquery(wanted)
    rows = connection.execute(
        _FIND_SQLITE if sqlite else _FIND_POSTGRES, {"query": expression, "limit": limit, "offset": offset}
    )
    return [
        Hit(
            row.id,
            row.conversation,
            row.role,
            row.created,
            row.title,
            snippet(visible_text(row.content), wanted),
        )
        for row in rows
    ]


def _match(wanted: list[Phrase]) -> str:
    """Write a query for FTS5; the words hold letters and digits only, so nothing needs escaping."""
    return " AND ".join(f'"{" ".join(phrase.words)}"{"*" if phrase.prefix else ""}' for phrase in wanted)


def _tsquery(wanted: list[Phrase]) -> str:
    """Write a query for `to_tsquery`; its own parser reads each quoted word, as it read them in the body."""
    operands = (" <-> ".join(f"'{word}'" for word in p.words) + (":*" if p.prefix else "") for p in wanted)
    return " & ".join(f"({operand})" for operand in operands)


def rebuild(connection: Connection) -> None:
    """Index all messages anew, in the caller's write transaction."""
    connection.execute(sql("DELETE FROM search_text"))
    if _sqlite(connection):
        connection.execute(sql("INSERT INTO search_index (search_index) VALUES ('delete-all')"))
    seq = -1
    while rows := connection.execute(_MESSAGES, {"seq": seq, "limit": _BATCH}).all():
        put_new(connection, ((row.seq, row.id, row.conversation, visible_text(row.content)) for row in rows))
        seq = rows[-1].seq


def check(connection: Connection) -> bool:
    """Tell whether index, `search_text` and messages agree. Needs a write transaction, reads everything."""
    if connection.execute(_MISPLACED).scalar_one():
        return False
    if _sqlite(connection):
        try:
            connection.execute(
                sql("INSERT INTO search_index (search_index, rank) VALUES ('integrity-check', 1)")
            )
        except exc.DatabaseError as error:
            if getattr(error.orig, "sqlite_errorcode", 0) & 0xFF != sqlite3.SQLITE_CORRUPT:
                raise
            return False
    return True


def scrub(connection: Connection) -> None:
    """Take the words of dropped messages out of the index file too; call it once after deleting for good.

    FTS5 only notes a deletion until segments are merged, which this does; it takes about as long as writing
    the index anew. The option `secure-delete` of SQLite 3.42 would do without, but then 3.40 cannot read the
    file.
    """
    if _sqlite(connection):
        connection.execute(sql("INSERT INTO search_index (search_index) VALUES ('optimize')"))


def _sqlite(connection: Connection) -> bool:
    return connection.dialect.name == "sqlite"
