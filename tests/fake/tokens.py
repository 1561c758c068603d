"""A small deterministic tokenizer of our own; it feeds count_tokens, usage, limits and the prompt cache."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

_TOKEN = re.compile(r"[A-Za-z0-9]{1,4}|\n|[^\sA-Za-z0-9]")
"""A token: up to four ASCII letters or digits, a newline, or one other visible character. Blanks are free."""

MESSAGE_OVERHEAD = 3
IMAGE_TOKENS = 1_200
PDF_TOKENS = 3_000


@lru_cache(maxsize=1024)
def count(text: str) -> int:
    """Count the tokens of a text."""
    return sum(1 for _ in _TOKEN.finditer(text))


def cut(text: str, tokens: int) -> str:
    """Return the beginning of `text` that has at most `tokens` tokens."""
    if tokens <= 0:
        return ""
    for number, match in enumerate(_TOKEN.finditer(text), start=1):
        if number > tokens:
            return text[: match.start()]
    return text


def count_block(block: Mapping[str, Any]) -> int:
    """Count one content block; pictures and PDFs have a flat price."""
    kind = block.get("type")
    if kind == "text":
        return count(str(block.get("text", "")))
    if kind == "thinking":
        return count(str(block.get("thinking", "")))
    if kind == "image":
        return IMAGE_TOKENS
    if kind == "document":
        source = block.get("source", {})
        return count(str(source.get("data", ""))) if source.get("type") == "text" else PDF_TOKENS
    plain = {name: value for name, value in block.items() if name != "cache_control"}
    return count(json.dumps(plain, sort_keys=True))


def as_blocks(content: Any) -> list[dict[str, Any]]:
    """Return content as a list of blocks; a string is one text block."""
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(content or [])


def parts(body: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any], int]]:
    """Walk the prompt in the order that the prompt cache hashes it: tools, system, messages.

    Yields (place, block, tokens); the first block of a message carries the message's overhead.
    """
    for tool in body.get("tools") or []:
        yield "tools", tool, count_block(tool)
    for block in as_blocks(body.get("system")):
        yield "system", block, count_block(block)
    for number, message in enumerate(body.get("messages") or []):
        for index, block in enumerate(as_blocks(message.get("content"))):
            extra = 0 if index else MESSAGE_OVERHEAD
            yield f"messages.{number}.{message.get('role')}", block, count_block(block) + extra


def count_prompt(body: Mapping[str, Any]) -> int:
    """Count the whole prompt: what count_tokens answers."""
    return sum(tokens for _, _, tokens in parts(body))
