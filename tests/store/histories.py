"""Throw-away migrations behind the real ones, for what a first schema cannot show yet."""

from __future__ import annotations

import shutil
from pathlib import Path

from claudedesk.store.migrate import History, own_history

PARENT_REBUILT = """
import sqlalchemy as sa
from alembic import op

revision, down_revision = "0002", "0001"


def upgrade():
    rebuild = "always" if op.get_bind().dialect.name == "sqlite" else "never"
    with op.batch_alter_table("conversations", recreate=rebuild) as batch:
        batch.add_column(sa.Column("pinned", sa.Boolean(), nullable=False, server_default=sa.false()))
        batch.alter_column("title", existing_type=sa.Text(), new_column_name="name")
"""
ROWS_CHANGED = """
import sqlalchemy as sa
from alembic import op

revision, down_revision = "0003", "0002"
ROWS_CHANGE = ("drafts",)


def upgrade():
    op.create_table("tags", sa.Column("name", sa.Text(), primary_key=True))
    op.execute("INSERT INTO tags SELECT DISTINCT id FROM conversations")
    op.execute("DELETE FROM drafts")
    rebuild = "always" if op.get_bind().dialect.name == "sqlite" else "never"
    with op.batch_alter_table("messages", recreate=rebuild) as batch:
        batch.add_column(sa.Column("note", sa.Text()))
    op.create_index("ix_messages_note", "messages", ["note"])
"""


def one(body: str) -> str:
    """Return a migration 0002 of the given statements."""
    head = 'import sqlalchemy as sa\nfrom alembic import op\nrevision, down_revision = "0002", "0001"\n'
    return f"{head}\n\ndef upgrade():\n    {body}\n"


def history(folder: Path, *scripts: str) -> History:
    """Return a history in `folder` of the real migrations and `scripts`, the first of which is 0002."""
    shutil.copytree(own_history().location, folder, ignore=shutil.ignore_patterns("__pycache__"))
    for number, script in enumerate(scripts, 2):
        (folder / "versions" / f"{number:04}_added.py").write_text(script)
    return History(folder, f"{len(scripts) + 1:04}")
