"""From table rows to value types and back: JSON is written here, so its bytes stay as they were."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import RowMapping

from claudedesk.types import Conversation, Message


def dumps(value: Any) -> str:
    """Write compact JSON that keeps every character (lone surrogates are escaped, NUL becomes \\u0000)."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return json.dumps(value, separators=(",", ":"))
    return text


def loads(text: str | None) -> Any:
    """Read JSON; None stays None."""
    return None if text is None else json.loads(text)


def content_of(blocks: Sequence[Mapping[str, Any]]) -> str:
    """Write a message's raw content blocks."""
    return dumps(list(blocks))


def conversation_of(row: RowMapping) -> Conversation:
    """Read a row of `conversations`."""
    return Conversation(**{name: row[name] for name in Conversation.__dataclass_fields__})


def message_of(row: RowMapping) -> Message:
    """Read a row of `messages`."""
    return Message(
        seq=row["seq"],
        id=row["id"],
        conversation=row["conversation"],
        parent=row["parent"],
        role=row["role"],
        content=tuple(loads(row["content"])),
        status=row["status"],
        client_id=row["client_id"],
        model=row["model"],
        stop_reason=row["stop_reason"],
        error=loads(row["error"]),
        owner=row["owner"],
        demo=row["demo"],
        from_answer_cache=loads(row["from_answer_cache"]),
        created=row["created"],
        started=row["started"],
        finished=row["finished"],
    )
