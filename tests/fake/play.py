"""How each fault is played on a connection."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fake import faults
from fake.faults import Fault, Phase
from fake.replies import sse
from fake.wire import Wire

SILENCE = 600.0


class Cut(Exception):
    """The fake itself has ended the connection."""


@dataclass
class Planned:
    """A fault that waits for its turn."""

    fault: Fault
    phase: Phase
    left: int
    after_chars: int
    path: str


@dataclass
class Sent:
    """What a stream has brought so far."""

    chars: int = 0
    tokens: int = 0


def is_due(planned: Planned, event: Mapping[str, Any], sent: Sent) -> bool:
    """Tell whether a stream breaks off after this event."""
    if planned.fault.kind == "drip" or planned.phase == "before":
        return False
    if planned.phase == "during":
        return bool(event["type"] == "message_start")
    return sent.chars >= planned.after_chars or event["type"] == "message_delta"


def before(wire: Wire, fault: Fault, headers: Mapping[str, str], elsewhere: Callable[[], str]) -> int:
    """Play a fault instead of an answer and return the HTTP status that went out.

    `elsewhere` names the place that a redirect points to. Raises ApiError for the API's own errors, and Cut
    when the connection ends.
    """
    stream = {**headers, "content-type": "text/event-stream; charset=utf-8"}
    page = {"content-type": "text/html; charset=utf-8"}
    match fault.kind:
        case "error":
            raise fault.error()
        case "silence":
            wire.wait(SILENCE)
            raise Cut
        case "cut_rst" | "cut_fin":
            _cut(wire, fault)
        case "clean_end":
            wire.start(200, stream)
            wire.end()
        case "html":
            wire.start(200, page, faults.PORTAL)
        case "bad_error":
            wire.start(fault.status, page, faults.PORTAL)
        case "no_content":
            wire.start(204, headers, b"")
        case "redirect":
            wire.start(307, {**headers, "location": fault.headers.get("location") or elsewhere()}, b"")
        case "gzip_bomb":
            wire.start(200, {**stream, "content-encoding": "gzip"}, faults.bomb())
        case _:
            raise AssertionError(f"{fault.kind} cannot happen before the headers")
    return fault.status


def inside(wire: Wire, fault: Fault, request_id: str) -> None:
    """Break a stream off. Raises Cut when the connection ends with it."""
    match fault.kind:
        case "error":
            wire.chunk(sse(fault.error().body(request_id)))
        case "cut_rst" | "cut_fin":
            _cut(wire, fault)
        case "silence":
            wire.wait(SILENCE)
        case "clean_end":
            pass
        case "huge_line":
            delta = {"type": "text_delta", "text": "a" * faults.HUGE_LINE}
            wire.chunk(sse({"type": "content_block_delta", "index": 0, "delta": delta}))
        case "malformed":
            wire.chunk(b'event: content_block_delta\ndata: {"type":"content_block_delta","delta":{"ty\n\n')
        case "utf8":
            wire.chunk('event: content_block_delta\ndata: {"type":"content_block_delta","x":"ü'.encode()[:-1])
        case _:
            raise AssertionError(f"{fault.kind} cannot happen inside a stream")
    wire.end()


def drip(wire: Wire, data: bytes) -> None:
    """Send an event in pieces of three bytes, which splits lines and characters."""
    for start in range(0, len(data), 3):
        wire.chunk(data[start : start + 3])
        wire.wait(0.0005)


def _cut(wire: Wire, fault: Fault) -> None:
    if fault.kind == "cut_rst":
        wire.reset()
    else:
        wire.close()
    raise Cut
