"""Lossless JSON: every conversation with every message of every branch, raw blocks as they are; written as a stream."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from claudedesk import __version__
from claudedesk.store import conversations
from claudedesk.store.database import Database
from claudedesk.store.tx import Tx
from claudedesk.types import Conversation, Message

FORMAT: Final = 1
_LEFT_OUT: Final = ("seq", "conversation", "owner")
"""Places in our tables, not facts of the conversation."""


def export(database: Database, only: str | None = None) -> Iterator[str]:
    """Yield one JSON object in pieces: `{"claudedesk": {…}, "conversations": [{…, "messages": […]}, …]}`.

    Conversations come oldest first, messages in the order they were written; no memory grows with the history.
    """
    head = {"format": FORMAT, "version": __version__}
    yield f'{{"claudedesk":{_dumps(head)},"conversations":['
    for number, (tx, kept) in enumerate(each(database, only)):
        yield ("," if number else "") + "\n" + _dumps(conversation_row(tx, kept))
    yield "\n]}\n"


def each(database: Database, only: str | None = None) -> Iterator[tuple[Tx, Conversation]]:
    """Yield (transaction, conversation), oldest first, or the one that is asked for; each as of one moment.

    The list is taken at the beginning: a conversation that is used meanwhile comes once.
    """
    with database.read() as tx:
        names = [only] if only is not None else conversations.names(tx)
    for name in names:
        with database.read() as tx:
            kept = conversations.get(tx, name)
            if kept is not None:
                yield tx, kept


def conversation_row(tx: Tx, kept: Conversation) -> dict[str, Any]:
    """Return a conversation with all its messages."""
    row = {name: getattr(kept, name) for name in Conversation.__dataclass_fields__ if name != "activity"}
    return row | {"messages": [message_row(m) for m in conversations.all_messages(tx, kept.id)]}


def message_row(message: Message) -> dict[str, Any]:
    """Return a message; what it does not have is left out."""
    row = {name: getattr(message, name) for name in Message.__dataclass_fields__ if name not in _LEFT_OUT}
    return {
        name: list(value) if name == "content" else value for name, value in row.items() if value is not None
    }


def _dumps(value: Any) -> str:
    # ASCII, so that lone surrogates and every other character survive any file and pipe.
    return json.dumps(value, ensure_ascii=True, separators=(",", ":"))
