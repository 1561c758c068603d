"""Small values by name: settings, drafts, plugin data, the list of models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Table, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from claudedesk.store import schema
from claudedesk.store.rows import dumps, loads


def _upsert(tx: Connection, table: Table, row: Mapping[str, Any]) -> None:
    insert = sqlite.insert if tx.dialect.name == "sqlite" else postgresql.insert
    keys = [column.name for column in table.primary_key]
    changed = {name: value for name, value in row.items() if name not in keys}
    tx.execute(insert(table).values(**row).on_conflict_do_update(index_elements=keys, set_=changed))


def settings(tx: Connection) -> dict[str, Any]:
    """Return all stored settings; a name that no one knows any more is kept."""
    table = schema.settings
    return {name: loads(value) for name, value in tx.execute(select(table.c.name, table.c.value))}


def set_setting(tx: Connection, name: str, value: Any, *, now: int) -> None:
    """Store one setting."""
    _upsert(tx, schema.settings, {"name": name, "value": dumps(value), "updated": now})


def draft(tx: Connection, scope: str) -> str:
    """Return the unsent text of a conversation, or an empty string."""
    table = schema.drafts
    return tx.execute(select(table.c.text).where(table.c.scope == scope)).scalar() or ""


def set_draft(tx: Connection, scope: str, text: str, *, now: int) -> None:
    """Keep (or, when empty, forget) the unsent text of a conversation."""
    if text:
        _upsert(tx, schema.drafts, {"scope": scope, "text": text, "updated": now})
    else:
        tx.execute(delete(schema.drafts).where(schema.drafts.c.scope == scope))


def newest_draft_without_conversation(tx: Connection) -> tuple[str, str] | None:
    """Return (scope, text) of the newest draft whose conversation was never begun."""
    table = schema.drafts
    begun = select(schema.conversations.c.id)
    query = (
        select(table.c.scope, table.c.text)
        .where(table.c.scope.not_in(begun))
        .order_by(table.c.updated.desc())
    )
    row = tx.execute(query.limit(1)).first()
    return (row[0], row[1]) if row else None


def plugin_get(tx: Connection, plugin: str, key: str) -> Any:
    """Return a plugin's value, or None."""
    table = schema.plugin_data
    return loads(
        tx.execute(select(table.c.value).where(table.c.plugin == plugin, table.c.key == key)).scalar()
    )


def plugin_set(tx: Connection, plugin: str, key: str, value: Any, *, now: int) -> None:
    """Store a plugin's value; None forgets it."""
    table = schema.plugin_data
    if value is None:
        tx.execute(delete(table).where(table.c.plugin == plugin, table.c.key == key))
    else:
        _upsert(tx, table, {"plugin": plugin, "key": key, "value": dumps(value), "updated": now})


def models(tx: Connection, origin: str) -> tuple[list[dict[str, Any]], int]:
    """Return the models of one API address as they were told, and when (0: never)."""
    table = schema.models
    query = select(table.c.data, table.c.fetched).where(table.c.origin == origin).order_by(table.c.position)
    rows = tx.execute(query).all()
    return [loads(row[0]) for row in rows], max((row[1] for row in rows), default=0)


def set_models(tx: Connection, origin: str, models_raw: Sequence[Mapping[str, Any]], *, now: int) -> None:
    """Replace the models of one API address."""
    table = schema.models
    tx.execute(delete(table).where(table.c.origin == origin))
    rows = [
        {"origin": origin, "id": raw["id"], "position": place, "data": dumps(dict(raw)), "fetched": now}
        for place, raw in enumerate(models_raw)
    ]
    if rows:
        tx.execute(table.insert(), rows)
