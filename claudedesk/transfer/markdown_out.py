"""Markdown for people: the active branch of a conversation, one document each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from claudedesk.store import conversations
from claudedesk.store.database import Database
from claudedesk.transfer.json_out import each
from claudedesk.types import Conversation, Message

_UNFIT: Final = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f]+')
_RESERVED: Final = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
LONGEST_NAME: Final = 120
"""Bytes of UTF-8; file systems take 255 in all."""


def documents(database: Database, only: str | None = None) -> Iterator[tuple[str, str]]:
    """Yield (file name, Markdown) for each conversation, oldest first."""
    for tx, kept in each(database, only):
        yield file_name(kept), document(kept, conversations.branch(tx, kept.leaf))


def document(kept: Conversation, messages: list[Message]) -> str:
    """Return one conversation as Markdown. What Claude did not say is set in italics, never as Claude's words."""
    head = f"# {kept.title}\n\n*{_when(kept.created)}*\n"
    if kept.demo:
        head += "\n*These answers are of the offline demo, not of Claude.*\n"
    return head + "".join(_turn(message) for message in messages)


def _turn(message: Message) -> str:
    if message.role == "user":
        return f"\n## You\n\n{message.text}\n"
    told = f"\n## {'Demo' if message.demo else 'Claude'}\n\n"
    for block in message.content:
        if block.get("type") == "text":
            told += f"{block.get('text', '')}\n"
        elif block.get("type") == "thinking" and block.get("thinking"):
            lines = str(block["thinking"]).splitlines()
            told += "> *Thinking*\n>\n" + "".join(f"> {line}\n" for line in lines) + "\n"
    if message.status != "complete":
        told += f"\n*This reply is {message.status}.*\n"
    return told


def file_name(kept: Conversation) -> str:
    """Return a name that every file system takes: the date, the title's fit characters, the id's end."""
    fit = " ".join(_UNFIT.sub(" ", kept.title).split()).encode("utf-8", "replace")[:LONGEST_NAME]
    words = fit.decode("utf-8", "ignore").strip(" .") or "conversation"
    if _RESERVED.fullmatch(words):
        words = f"_{words}"
    return f"{_when(kept.created)[:10]} {words} {kept.id[-6:]}.md"


def _when(microseconds: int) -> str:
    return datetime.fromtimestamp(microseconds / 1e6, UTC).strftime("%Y-%m-%d %H:%M UTC")
