"""The first schema."""

import sqlalchemy as sa
from alembic import op

from claudedesk.store import search

revision = "0001"
down_revision = None

_serial = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "conversations",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("title_by", sa.Text(), nullable=False),
        sa.Column("instructions", sa.Text()),
        sa.Column("model", sa.Text()),
        sa.Column("leaf", sa.Text()),
        sa.Column("demo", sa.Boolean(), nullable=False),
        sa.Column("activity", sa.BigInteger(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("updated", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("title_by IN ('auto', 'user')", name=op.f("ck_conversations_title_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_conversations")),
    )
    op.create_index(op.f("ix_conversations_activity"), "conversations", ["activity"])
    op.create_table(
        "messages",
        sa.Column("seq", _serial, autoincrement=True, nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("conversation", sa.Text(), nullable=False),
        sa.Column("parent", sa.Text()),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("client_id", sa.Text()),
        sa.Column("model", sa.Text()),
        sa.Column("stop_reason", sa.Text()),
        sa.Column("error", sa.Text()),
        sa.Column("owner", sa.Text()),
        sa.Column("demo", sa.Boolean(), nullable=False),
        sa.Column("from_answer_cache", sa.Text()),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("started", sa.BigInteger()),
        sa.Column("finished", sa.BigInteger()),
        sa.CheckConstraint("role IN ('user', 'assistant')", name=op.f("ck_messages_role")),
        sa.CheckConstraint(
            "status IN ('queued', 'waiting', 'streaming',"
            " 'complete', 'truncated', 'stopped', 'refused', 'failed')",
            name=op.f("ck_messages_status"),
        ),
        sa.UniqueConstraint("id", name=op.f("uq_messages_id")),
        sa.ForeignKeyConstraint(
            ["conversation"],
            ["conversations.id"],
            name=op.f("fk_messages_conversation_conversations"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_messages")),
        sa.UniqueConstraint("client_id", name=op.f("uq_messages_client_id")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_messages_conversation_seq"), "messages", ["conversation", "seq"])
    op.create_index(op.f("ix_messages_parent"), "messages", ["parent"])
    op.create_index(op.f("ix_messages_status"), "messages", ["status"])
    op.create_table(
        "reply_journal",
        sa.Column("seq", _serial, autoincrement=True, nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("ops", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["message"], ["messages.id"], name=op.f("fk_reply_journal_message_messages"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_reply_journal")),
    )
    op.create_index(op.f("ix_reply_journal_message_seq"), "reply_journal", ["message", "seq"])
    op.create_table(
        "calls",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("message", sa.Text()),
        sa.Column("conversation", sa.Text()),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("model", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("started", sa.BigInteger(), nullable=False),
        sa.Column("first_event", sa.BigInteger()),
        sa.Column("first_word", sa.BigInteger()),
        sa.Column("finished", sa.BigInteger()),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("http_status", sa.Integer()),
        sa.Column("error_type", sa.Text()),
        sa.Column("request_id", sa.Text()),
        sa.Column("input_tokens", sa.BigInteger()),
        sa.Column("output_tokens", sa.BigInteger()),
        sa.Column("cache_read_tokens", sa.BigInteger()),
        sa.Column("cache_write_5m_tokens", sa.BigInteger()),
        sa.Column("cache_write_1h_tokens", sa.BigInteger()),
        sa.Column("thinking_tokens", sa.BigInteger()),
        sa.Column("web_searches", sa.BigInteger()),
        sa.Column("usage_raw", sa.Text()),
        sa.Column("cost_nanos", sa.BigInteger()),
        sa.Column("cost_source", sa.Text()),
        sa.Column("cost_rates", sa.Text()),
        sa.Column("estimated", sa.Boolean(), nullable=False),
        sa.Column("demo", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_calls")),
    )
    op.create_index(op.f("ix_calls_conversation"), "calls", ["conversation"])
    op.create_index(op.f("ix_calls_message"), "calls", ["message"])
    op.create_index(op.f("ix_calls_started"), "calls", ["started"])
    op.create_table(
        "reservations",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("message", sa.Text()),
        sa.Column("conversation", sa.Text()),
        sa.Column("call", sa.Text(), nullable=False),
        sa.Column("amount_nanos", sa.BigInteger()),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reservations")),
    )
    op.create_index(op.f("ix_reservations_owner"), "reservations", ["owner"])
    op.create_table(
        "attachments",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["message"], ["messages.id"], name=op.f("fk_attachments_message_messages"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attachments")),
    )
    op.create_index(op.f("ix_attachments_message"), "attachments", ["message"])
    op.create_table(
        "settings",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("updated", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_settings")),
    )
    op.create_table(
        "drafts",
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("updated", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("scope", name=op.f("pk_drafts")),
    )
    op.create_table(
        "plugin_data",
        sa.Column("plugin", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("updated", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("plugin", "key", name=op.f("pk_plugin_data")),
    )
    op.create_table(
        "models",
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.Column("fetched", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("origin", "id", name=op.f("pk_models")),
    )
    op.create_table(
        "search_text",
        sa.Column("seq", _serial, autoincrement=False, nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("conversation", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.UniqueConstraint("message", name=op.f("uq_search_text_message")),
        sa.ForeignKeyConstraint(
            ["message"], ["messages.id"], name=op.f("fk_search_text_message_messages"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_search_text")),
    )
    op.create_index(op.f("ix_search_text_conversation"), "search_text", ["conversation"])
    search.create_index(op.get_bind())
