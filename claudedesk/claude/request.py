"""From stored turns to the body of a Messages request, byte-stable: turn n's prefix is a prefix of turn n+1's."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Literal

from claudedesk.types import Block, Message, Model

Thinking = Literal["auto", "on", "off"]

_THINKING: Final = ("thinking", "redacted_thinking")
_TOOLS: Final = ("tool_use", "server_tool_use")


@dataclass(frozen=True)
class Request:
    """The body of one call, without `stream`. Never holds the key. Long bodies are written out once."""

    body: Mapping[str, Any]

    @cached_property
    def canonical(self) -> bytes:
        """The body as bytes that equal requests share."""
        text = json.dumps(self.body, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return text.encode("utf-8", "surrogatepass")

    @property
    def size(self) -> int:
        """The body's bytes."""
        return len(self.canonical)

    @cached_property
    def digest(self) -> str:
        """The SHA-256 of the canonical body: the answer cache's key."""
        return hashlib.sha256(self.canonical).hexdigest()

    @property
    def plain(self) -> bool:
        """Whether no tool is offered, so that an answer depends on nothing but the request."""
        return not self.body.get("tools")


def build(
    messages: Sequence[Message],
    *,
    model: Model,
    instructions: str,
    max_tokens: int,
    thinking: Thinking = "auto",
) -> Request:
    """Build the request whose last turn is the user's. Parameters the model does not list are left out.

    Raw blocks go back as they came (a re-serialised thinking block is refused), except that thinking of
    another model, cut thinking without its signature and empty texts are left out.
    """
    body: dict[str, Any] = {
        "model": model.id,
        "max_tokens": min(max_tokens, model.max_tokens or max_tokens),
        "messages": turns(messages, model.id),
        "cache_control": {"type": "ephemeral"},
    }
    if instructions.strip():
        body["system"] = instructions
    chosen = _thinking(model, thinking)
    if chosen:
        body["thinking"] = chosen
    return Request(body)


def turns(messages: Iterable[Message], model_id: str) -> list[dict[str, Any]]:
    """Return the `messages` parameter. A refused or empty turn is left out; the API joins turns of one role."""
    found = []
    for message in messages:
        if message.status == "refused":
            continue
        content = [_sendable(block) for block in message.content if _fit(block, message, model_id)]
        if any(block.get("type") not in _THINKING for block in content):
            found.append({"role": message.role, "content": content})
    return found


def _sendable(value: Any) -> Any:
    """Return a block as it came, but for lone surrogates in its texts, which no request can carry."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, Mapping):
        return {name: _sendable(inner) for name, inner in value.items()}
    return [_sendable(inner) for inner in value] if isinstance(value, list) else value


def _fit(block: Block, message: Message, model_id: str) -> bool:
    kind = block.get("type")
    if kind == "text":
        return bool(block.get("text", "").strip())
    if kind in _THINKING:
        whole = bool(block.get("signature") or block.get("data"))
        whole = whole and _sendable(block) == block  # changed, its signature would not fit any more
        return whole and message.model == model_id and message.status == "complete"
    # A tool block of a reply that was cut has half its JSON and no result; the API refuses it.
    return kind not in _TOOLS or message.status == "complete"


def _thinking(model: Model, wish: Thinking) -> dict[str, Any] | None:
    if wish == "on" and model.can("thinking", "types", "adaptive"):
        return {"type": "adaptive", "display": "summarized"}
    if wish == "off" and model.can("thinking") and model.can("thinking", "types", "disabled"):
        return {"type": "disabled"}
    return None
