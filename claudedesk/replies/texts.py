"""What a person typed, made fit for every database, and the ids that travel with it."""

from __future__ import annotations

import re
from typing import Final

from claudedesk.errors import BadInput, NotFound

LONGEST_TEXT: Final = 10_000_000
"""Characters of one message; the API takes 32 MB in all."""
LONGEST_INSTRUCTIONS: Final = 100_000
_ID: Final = re.compile(r"[a-z]_[0-9a-z]{22}")
_CLIENT_ID: Final = re.compile(r"[0-9A-Za-z_-]{8,80}")


def clean_text(text: str) -> str:
    """Return text that every database can hold: no NUL, lone surrogates replaced. Raises BadInput when it is empty."""
    clean = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\x00", "")
    if not clean.strip():
        raise BadInput("There is nothing to send yet.")
    if len(clean) > LONGEST_TEXT:
        raise BadInput(f"The message has {len(clean):,} characters; {LONGEST_TEXT:,} are possible.")
    return clean


def clean_instructions(text: str | None) -> str | None:
    """Return instructions that a database can hold; None stays None. Raises BadInput when they are too long."""
    if text is None or not text.strip():
        return text
    clean = clean_text(text)
    if len(clean) > LONGEST_INSTRUCTIONS:
        raise BadInput(f"Instructions may have {LONGEST_INSTRUCTIONS:,} characters at most.")
    return clean


def check_conversation_id(name: str) -> None:
    """Raise NotFound unless `name` could be a conversation's id."""
    if not _ID.fullmatch(name):
        raise NotFound("There is no such conversation.")


def check_ids(conversation: str, client_id: str) -> None:
    """Raise NotFound or BadInput unless both have the form that we mint."""
    check_conversation_id(conversation)
    if not _CLIENT_ID.fullmatch(client_id):
        raise BadInput("The message carries no usable id of its own.")
