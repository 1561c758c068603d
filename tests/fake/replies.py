"""What the fake answers: a scripted reply, and the exact events it becomes."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from fake.cache import Counted
from fake.checks import redact, sign
from fake.models import FakeModel
from fake.tokens import as_blocks, count, count_block, cut

Block = dict[str, Any]
THINKS = ("adaptive", "enabled")


@dataclass
class Reply:
    """One scripted answer.

    `blocks` replaces `thinking` and `text`: raw content blocks; thinking is signed, redacted thinking minted.
    `delta_chars` characters go into one delta, `delay` seconds pass before each; `wait` seconds before the
    headers, `first_delay` before the first delta. `hold` stops the reply before the headers ("headers") or
    after so many characters of text, until `release()`. `ping_every` seconds of silence bring a ping.
    `unknown` mixes in an event, a delta and a block that nobody knows. `usage` overrides both usage objects.
    """

    text: str | None = None
    thinking: str | None = None
    blocks: list[Block] | None = None
    delta_chars: int = 20
    delay: float = 0.0
    wait: float = 0.0
    first_delay: float = 0.0
    hold: Literal["headers"] | int | None = None
    ping_every: float | None = None
    stop_reason: str = "end_turn"
    stop_sequence: str | None = None
    stop_details: Mapping[str, Any] | None = None
    unknown: bool = False
    usage: Mapping[str, Any] = field(default_factory=dict)
    released: threading.Event = field(default_factory=threading.Event)

    def release(self) -> None:
        """Let a held reply go on."""
        self.released.set()


def default_reply(body: Mapping[str, Any]) -> Reply:
    """Return deterministic text about the prompt; it thinks when the request asks for thinking."""
    asked = last_words(body)
    thinks = (body.get("thinking") or {}).get("type") in THINKS
    turns = sum(1 for m in body["messages"] if m["role"] == "user")
    text = f"The fake heard {len(asked.split())} words in turn {turns}: {asked[:200]}"
    return Reply(text=text, thinking=f"Turn {turns}, {len(asked)} characters." if thinks else None)


def last_words(body: Mapping[str, Any]) -> str:
    """Return the text of the last user message."""
    users = [m for m in body["messages"] if m["role"] == "user"]
    return " ".join(
        b.get("text", "") for b in as_blocks(users[-1]["content"]) if b.get("type") == "text"
    ).strip()


@dataclass
class Finished:
    """A reply as it will be sent: whole blocks, why it ends, and its output tokens."""

    blocks: list[Block]
    stop_reason: str
    stop_sequence: str | None
    stop_details: Mapping[str, Any] | None
    output_tokens: int
    thinking_tokens: int


def finish(reply: Reply, body: Mapping[str, Any], model: FakeModel) -> Finished:
    """Apply thinking settings, stop sequences and max_tokens, sign thoughts, and count."""
    blocks = [_minted(block, body, model) for block in _raw_blocks(reply, body)]
    reason, sequence = reply.stop_reason, reply.stop_sequence
    for stop in body.get("stop_sequences") or []:
        for position, block in enumerate(blocks):
            if block["type"] == "text" and stop in block["text"]:
                block["text"] = block["text"].partition(stop)[0]
                blocks, reason, sequence = blocks[: position + 1], "stop_sequence", stop
                break
    left = body["max_tokens"]
    kept: list[Block] = []
    for block in blocks:
        tokens = count_block(block)
        if tokens > left:
            reason, sequence = "max_tokens", None
            if block["type"] == "text" and left:
                kept.append({**block, "text": cut(block["text"], left)})
            break
        kept.append(block)
        left -= tokens
    thought = sum(count_block(b) for b in kept if b["type"] in ("thinking", "redacted_thinking"))
    made = sum(count_block(b) for b in kept)
    return Finished(kept, reason, sequence, reply.stop_details, max(made, 1), thought)


def _raw_blocks(reply: Reply, body: Mapping[str, Any]) -> list[Block]:
    if reply.blocks is not None:
        return [dict(block) for block in reply.blocks]
    blocks: list[Block] = []
    if reply.thinking is not None and (body.get("thinking") or {}).get("type") != "disabled":
        blocks.append({"type": "thinking", "thinking": reply.thinking})
    if reply.text is not None:
        blocks.append({"type": "text", "text": reply.text})
    return blocks


def _minted(block: Block, body: Mapping[str, Any], model: FakeModel) -> Block:
    if block["type"] == "thinking":
        shown = "" if (body.get("thinking") or {}).get("display") == "omitted" else block["thinking"]
        return {"type": "thinking", "thinking": shown, "signature": sign(model.id, shown)}
    if block["type"] == "redacted_thinking":
        return {"type": "redacted_thinking", "data": redact(model.id, str(block.get("data", "hidden")))}
    return block


def message(
    finished: Finished, reply: Reply, number: int, model: FakeModel, counted: Counted
) -> dict[str, Any]:
    """Return the whole Message of a call without `stream`."""
    start = _message_start(number, model, counted, reply)["message"]
    usage = {**start["usage"], **_out_usage(finished), **reply.usage}
    ending = {"stop_reason": finished.stop_reason, "stop_sequence": finished.stop_sequence}
    details = dict(finished.stop_details) if finished.stop_details else None
    return {**start, "content": finished.blocks, **ending, "stop_details": details, "usage": usage}


def events(
    finished: Finished, reply: Reply, number: int, model: FakeModel, counted: Counted
) -> Iterator[dict[str, Any]]:
    """Yield the events of a stream in the API's shapes and order."""
    yield _message_start(number, model, counted, reply)
    pinged = False
    for index, block in enumerate(finished.blocks):
        yield {"type": "content_block_start", "index": index, "content_block": _opened(block)}
        if not pinged:
            yield {"type": "ping"}
            pinged = True
        for delta in _deltas(block, reply):
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    if reply.unknown:
        yield from _unknown_block(len(finished.blocks))
    yield _message_delta(finished, reply, counted)
    yield {"type": "message_stop"}


def _message_start(number: int, model: FakeModel, counted: Counted, reply: Reply) -> dict[str, Any]:
    usage = {
        **counted.usage(),
        "output_tokens": 1,
        "service_tier": "standard",
        "inference_geo": "global",
        "server_tool_use": None,
        **reply.usage,
    }
    return {
        "type": "message_start",
        "message": {
            "id": f"msg_fake_{number:06d}",
            "type": "message",
            "role": "assistant",
            "model": model.id,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "stop_details": None,
            "usage": usage,
        },
    }


def _out_usage(finished: Finished) -> dict[str, Any]:
    usage: dict[str, Any] = {"output_tokens": finished.output_tokens}
    if finished.thinking_tokens:
        usage["output_tokens_details"] = {"thinking_tokens": finished.thinking_tokens}
    return usage


def _message_delta(finished: Finished, reply: Reply, counted: Counted) -> dict[str, Any]:
    # Cumulative, and without the split by lifetime: that stands in message_start only.
    usage = {name: value for name, value in counted.usage().items() if name != "cache_creation"}
    return {
        "type": "message_delta",
        "delta": {
            "stop_reason": finished.stop_reason,
            "stop_sequence": finished.stop_sequence,
            "stop_details": dict(finished.stop_details) if finished.stop_details else None,
        },
        "usage": {**usage, **_out_usage(finished), **reply.usage},
    }


def _opened(block: Block) -> Block:
    kind = block["type"]
    if kind == "text":
        return {"type": "text", "text": "", **({"citations": []} if block.get("citations") else {})}
    if kind == "thinking":
        return {"type": "thinking", "thinking": "", "signature": ""}
    if kind in ("tool_use", "server_tool_use"):
        return {**block, "input": {}}
    return block


def _deltas(block: Block, reply: Reply) -> Iterator[dict[str, Any]]:
    kind = block["type"]
    if kind == "text":
        for piece in _pieces(block["text"], reply.delta_chars):
            yield {"type": "text_delta", "text": piece}
            if reply.unknown:
                yield {"type": "future_delta", "future": "nobody knows this delta"}
        for citation in block.get("citations") or []:
            yield {"type": "citations_delta", "citation": citation}
    elif kind == "thinking":
        for piece in _pieces(block["thinking"], reply.delta_chars):
            yield {"type": "thinking_delta", "thinking": piece}
        yield {"type": "signature_delta", "signature": block["signature"]}
    elif kind in ("tool_use", "server_tool_use"):
        yield {"type": "input_json_delta", "partial_json": ""}
        for piece in _pieces(json.dumps(block["input"]), reply.delta_chars):
            yield {"type": "input_json_delta", "partial_json": piece}


def _pieces(text: str, size: int) -> Iterator[str]:
    for start in range(0, len(text), max(1, size)):
        yield text[start : start + max(1, size)]


def _unknown_block(index: int) -> Iterator[dict[str, Any]]:
    yield {"type": "future_event", "future": {"nobody": "knows this event"}}
    yield {"type": "content_block_start", "index": index, "content_block": {"type": "future_block", "x": 1}}
    yield {"type": "content_block_delta", "index": index, "delta": {"type": "future_delta", "future": "?"}}
    yield {"type": "content_block_stop", "index": index}


def sse(event: Mapping[str, Any]) -> bytes:
    """Return one event as it goes over the wire."""
    data = json.dumps(event, ensure_ascii=False, separators=(",", ":"))
    return f"event: {event['type']}\ndata: {data}\n\n".encode()


def text_of(event: Mapping[str, Any]) -> str:
    """Return the visible words that an event brings."""
    delta = event.get("delta") or {}
    return str(delta.get("text", "")) if delta.get("type") == "text_delta" else ""


def tokens_of(event: Mapping[str, Any]) -> int:
    """Count the output tokens that an event brings (for a stream that breaks off)."""
    delta = event.get("delta") or {}
    return count(str(delta.get("text") or delta.get("thinking") or delta.get("partial_json") or ""))


def words(amount: int, seed: int = 1) -> str:
    """Return `amount` deterministic English-looking words, for long scripted replies."""
    stock = re.findall(
        r"\w+", "the quick brown fox jumps over a lazy dog while seven wizards quietly vex bold queens"
    )
    return " ".join(stock[(seed * 7 + i * (i % 5 + 1)) % len(stock)] for i in range(amount))
