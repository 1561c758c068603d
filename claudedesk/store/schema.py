"""The tables, as SQLAlchemy Core sees them; the migrations make the same ones (a test compares the two).

Times are UTC microseconds, money is nano-dollars, JSON is text written here so that its bytes stay as they were.
Order goes by `seq` and `activity`, which only ever rise, never by the clock.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
)

HEAD: Final = "0001"
"""The newest migration; a test compares it with Alembic's own head."""
APPLICATION_ID: Final = 0x636C6464
"""`cldd`, written into the SQLite header so that a file is known as ours."""

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)
# SQLite's INTEGER PRIMARY KEY is the rowid; PostgreSQL wants BIGINT.
_Serial = BigInteger().with_variant(Integer, "sqlite")

conversations = Table(
    "conversations",
    metadata,
    Column("id", Text, primary_key=True),
    Column("title", Text, nullable=False),
    Column("title_by", Text, nullable=False),
    Column("instructions", Text),
    Column("model", Text),
    Column("leaf", Text),
    Column("demo", Boolean, nullable=False),
    Column("activity", BigInteger, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("updated", BigInteger, nullable=False),
    CheckConstraint("title_by IN ('auto', 'user')", name="title_by"),
    Index(None, "activity"),
)
messages = Table(
    "messages",
    metadata,
    Column("seq", _Serial, primary_key=True, autoincrement=True),
    Column("id", Text, nullable=False, unique=True),
    Column("conversation", Text, ForeignKey("conversations.id", ondelete="CASCADE"), nullable=False),
    Column("parent", Text),
    Column("role", Text, nullable=False),
    Column("content", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("client_id", Text, unique=True),
    Column("model", Text),
    Column("stop_reason", Text),
    Column("error", Text),
    Column("owner", Text),
    Column("demo", Boolean, nullable=False),
    Column("from_answer_cache", Text),
    Column("created", BigInteger, nullable=False),
    Column("started", BigInteger),
    Column("finished", BigInteger),
    CheckConstraint("role IN ('user', 'assistant')", name="role"),
    CheckConstraint(
        "status IN ('queued', 'waiting', 'streaming', 'complete', 'truncated', 'stopped', 'refused', 'failed')",
        name="status",
    ),
    Index(None, "conversation", "seq"),
    Index(None, "parent"),
    Index(None, "status"),
    sqlite_autoincrement=True,
)
reply_journal = Table(
    "reply_journal",
    metadata,
    Column("seq", _Serial, primary_key=True, autoincrement=True),
    Column("message", Text, ForeignKey("messages.id", ondelete="CASCADE"), nullable=False),
    Column("ops", Text, nullable=False),
    Index(None, "message", "seq"),
)
calls = Table(
    "calls",
    metadata,
    Column("id", Text, primary_key=True),
    # No foreign keys: what a call cost stays true when its conversation is deleted.
    Column("message", Text),
    Column("conversation", Text),
    Column("kind", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("started", BigInteger, nullable=False),
    Column("first_event", BigInteger),
    Column("first_word", BigInteger),
    Column("finished", BigInteger),
    Column("outcome", Text, nullable=False),
    Column("http_status", Integer),
    Column("error_type", Text),
    Column("request_id", Text),
    Column("input_tokens", BigInteger),
    Column("output_tokens", BigInteger),
    Column("cache_read_tokens", BigInteger),
    Column("cache_write_5m_tokens", BigInteger),
    Column("cache_write_1h_tokens", BigInteger),
    Column("thinking_tokens", BigInteger),
    Column("web_searches", BigInteger),
    Column("usage_raw", Text),
    Column("cost_nanos", BigInteger),
    Column("cost_source", Text),
    Column("cost_rates", Text),
    Column("estimated", Boolean, nullable=False),
    Column("demo", Boolean, nullable=False),
    Index(None, "started"),
    Index(None, "message"),
    Index(None, "conversation"),
)
reservations = Table(
    "reservations",
    metadata,
    Column("id", Text, primary_key=True),
    Column("owner", Text, nullable=False),
    Column("message", Text),
    Column("conversation", Text),
    Column("call", Text, nullable=False),
    Column("amount_nanos", BigInteger),
    Column("created", BigInteger, nullable=False),
    Index(None, "owner"),
)
attachments = Table(
    "attachments",
    metadata,
    Column("id", Text, primary_key=True),
    Column("message", Text, ForeignKey("messages.id", ondelete="CASCADE"), nullable=False),
    Column("position", Integer, nullable=False),
    Column("name", Text, nullable=False),
    Column("media_type", Text, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("data", LargeBinary, nullable=False),
    Column("created", BigInteger, nullable=False),
    Index(None, "message"),
)
settings = Table(
    "settings",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
    Column("updated", BigInteger, nullable=False),
)
drafts = Table(
    "drafts",
    metadata,
    # A conversation's id, which need not exist yet: a draft is older than its first message.
    Column("scope", Text, primary_key=True),
    Column("text", Text, nullable=False),
    Column("updated", BigInteger, nullable=False),
)
plugin_data = Table(
    "plugin_data",
    metadata,
    Column("plugin", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
    Column("updated", BigInteger, nullable=False),
)
models = Table(
    "models",
    metadata,
    # The API's address: a list from one server is not another's.
    Column("origin", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("position", Integer, nullable=False),
    Column("data", Text, nullable=False),
    Column("fetched", BigInteger, nullable=False),
)
search_text = Table(
    "search_text",
    metadata,
    Column("seq", _Serial, primary_key=True, autoincrement=False),
    Column("message", Text, ForeignKey("messages.id", ondelete="CASCADE"), nullable=False, unique=True),
    Column("conversation", Text, nullable=False),
    Column("body", Text, nullable=False),
    Index(None, "conversation"),
)
