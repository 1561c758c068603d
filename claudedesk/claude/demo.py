"""The offline demo: a transport under the real SDK; every reply says that it is a demo and not Claude."""

from __future__ import annotations

import itertools
import json
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import httpx2

from claudedesk.claude import transport
from claudedesk.claude.demo_texts import CHARS_PER_TOKEN, Script, choose

Sleep = Callable[[float], None]
Event = Mapping[str, Any]

TOKENS_PER_SECOND: Final = 70
_SLICE_S: Final = 0.05
_RHYTHM: Final = (0.7, 1.3, 0.8, 1.2, 1.0, 0.6, 1.4)
"""The pauses between words, as shares of the usual one; their mean is 1."""


def _can(supported: bool) -> dict[str, bool]:
    return {"supported": supported}


def _abilities() -> dict[str, Any]:
    levels = dict.fromkeys(("low", "medium", "high", "xhigh", "max"), _can(False))
    edits = dict.fromkeys(
        ("clear_thinking_20251015", "clear_tool_uses_20250919", "compact_20260112"), _can(False)
    )
    thinking = {"adaptive": True, "disabled": True, "enabled": False, "between_tools": False}
    return {
        **dict.fromkeys(("batch", "citations", "code_execution", "structured_outputs"), _can(False)),
        **dict.fromkeys(("image_input", "pdf_input"), _can(True)),
        "context_management": {"supported": False, **edits},
        "effort": {"supported": False, **levels},
        "server_tools": {"supported": False, "code_execution": _can(False), "web_search": _can(False)},
        "thinking": {"supported": True, "types": {kind: _can(yes) for kind, yes in thinking.items()}},
    }


MODELS: Final[tuple[Mapping[str, Any], ...]] = (
    {
        "type": "model",
        "id": "demo-1",
        "display_name": "Demo (offline)",
        "created_at": "2026-01-01T00:00:00Z",
        "lifecycle": "active",
        "deprecated_at": None,
        "retires_at": None,
        "line": None,
        "max_input_tokens": 200_000,
        "max_tokens": 32_000,
        "capabilities": _abilities(),
    },
)
"""What the demo answers to `GET /v1/models`; the id cannot be one of Anthropic's."""


class DemoTransport(httpx2.BaseTransport):
    """Answers POST /v1/messages, /v1/messages/count_tokens and GET /v1/models without any network.

    `clock_sleep` paces the words. A reading thread ends within 50 ms when the response is closed, or when the
    handle under which it called (`transport.track`) is aborted.
    """

    def __init__(self, clock_sleep: Sleep = time.sleep) -> None:
        self._sleep = clock_sleep
        self._numbers = itertools.count(1)

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Answer one request in the API's shapes; an unknown place or model gets its 404."""
        number = next(self._numbers)
        path = request.url.path
        if request.method == "GET" and path == "/v1/models":
            ids = [model["id"] for model in MODELS]
            page = {"data": list(MODELS), "has_more": False, "first_id": ids[0], "last_id": ids[-1]}
            return _json(number, 200, page)
        if request.method == "GET" and path.startswith("/v1/models/"):
            return self._model(number, path.removeprefix("/v1/models/"))
        body = json.loads(request.read() or b"{}")
        if request.method == "POST" and path == "/v1/messages/count_tokens":
            return _json(number, 200, {"input_tokens": estimate_prompt(body)})
        if request.method == "POST" and path == "/v1/messages":
            return self._message(number, request, body)
        return _error(number, 404, "not_found_error", f"The demo has nothing at {path}.")

    def _model(self, number: int, name: str) -> httpx2.Response:
        found = next((model for model in MODELS if model["id"] == name), None)
        return (
            _json(number, 200, found) if found else _error(number, 404, "not_found_error", f"model: {name}")
        )

    def _message(self, number: int, request: httpx2.Request, body: Mapping[str, Any]) -> httpx2.Response:
        if body.get("model") not in [model["id"] for model in MODELS]:
            return _error(number, 404, "not_found_error", f"model: {body.get('model')}")
        script = choose(body)
        whole = script.cut(int(body.get("max_tokens", 1024)))
        reason = "end_turn" if whole == script else "max_tokens"
        events = _events(number, body, whole, reason)
        if not body.get("stream"):
            return _json(number, 200, _assembled(list(events)))
        stream = _Paced(request, events, whole.slowness, self._sleep)
        headers = {"content-type": "text/event-stream; charset=utf-8", "request-id": f"req_demo_{number}"}
        return httpx2.Response(200, headers=headers, stream=stream)


class _Paced(httpx2.SyncByteStream):
    """Events as bytes, at the pace of a person who reads fast; ends early when nobody wants it any more."""

    def __init__(
        self, request: httpx2.Request, events: Iterator[Event], slowness: float, sleep: Sleep
    ) -> None:
        self._request, self._events = request, events
        self._slowness, self._sleep = slowness, sleep
        self._closed = threading.Event()
        self._handle = transport.current()

    def __iter__(self) -> Iterator[bytes]:
        rhythm = itertools.cycle(_RHYTHM)
        for event in self._events:
            if event["type"] == "content_block_delta":
                self._pause(next(rhythm) * self._slowness / TOKENS_PER_SECOND)
            if self._closed.is_set():
                return
            if self._handle is not None and self._handle.aborted:
                raise httpx2.ReadError("the demo was stopped", request=self._request)
            data = json.dumps(event, ensure_ascii=False, separators=(",", ":"))
            yield f"event: {event['type']}\ndata: {data}\n\n".encode()

    def _pause(self, seconds: float) -> None:
        while seconds > 0 and not self._closed.is_set() and not (self._handle and self._handle.aborted):
            self._sleep(min(seconds, _SLICE_S))
            seconds -= _SLICE_S

    def close(self) -> None:
        self._closed.set()


# Answers in the API's shapes


def _json(number: int, status: int, value: Any) -> httpx2.Response:
    return httpx2.Response(status, headers={"request-id": f"req_demo_{number}"}, json=value)


def _error(number: int, status: int, kind: str, message: str) -> httpx2.Response:
    return _json(number, status, {"type": "error", "error": {"type": kind, "message": message}})


def estimate(text: str) -> int:
    """Estimate tokens plainly: four characters each."""
    return -(-len(text) // CHARS_PER_TOKEN)


def estimate_prompt(body: Mapping[str, Any]) -> int:
    """Estimate a request's tokens from its instructions and messages."""
    return estimate(json.dumps([body.get("system"), body.get("messages")], ensure_ascii=False))


def _events(number: int, body: Mapping[str, Any], script: Script, reason: str) -> Iterator[Event]:
    asked = {
        "input_tokens": estimate_prompt(body),
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
    }
    message = {
        "id": f"msg_demo_{number}",
        "type": "message",
        "role": "assistant",
        "model": body["model"],
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {**asked, "output_tokens": 1},
    }
    yield {"type": "message_start", "message": message}
    index = 0
    if script.thinking:
        yield from _block(0, "thinking", script.thinking)
        index = 1
    if script.text:
        yield from _block(index, "text", script.text)
    thought = estimate(script.thinking)
    usage: dict[str, Any] = {**asked, "output_tokens": max(1, thought + estimate(script.text))}
    if thought:
        usage["output_tokens_details"] = {"thinking_tokens": thought}
    yield {"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": None}, "usage": usage}
    yield {"type": "message_stop"}


def _block(index: int, kind: str, text: str) -> Iterator[Event]:
    signed = {"signature": ""} if kind == "thinking" else {}
    yield {"type": "content_block_start", "index": index, "content_block": {"type": kind, kind: "", **signed}}
    yield {"type": "ping"}
    for piece in _pieces(text):
        yield {"type": "content_block_delta", "index": index, "delta": {"type": f"{kind}_delta", kind: piece}}
    if signed:
        delta = {"type": "signature_delta", "signature": "the-demo-signs-nothing"}
        yield {"type": "content_block_delta", "index": index, "delta": delta}
    yield {"type": "content_block_stop", "index": index}


def _pieces(text: str) -> Iterator[str]:
    """Cut a text into pieces of about a token: short words with the blanks before them."""
    for match in re.finditer(r"\s*\S{1,4}|\s+$", text):
        yield match.group()


def _assembled(events: list[Event]) -> Mapping[str, Any]:
    """Return the Message that a stream's events add up to, for a call without `stream`."""
    message = dict(events[0]["message"])
    blocks: list[dict[str, Any]] = []
    for event in events:
        if event["type"] == "content_block_start":
            blocks.append(dict(event["content_block"]))
        elif event["type"] == "content_block_delta":
            field = event["delta"]["type"].removesuffix("_delta")
            blocks[event["index"]][field] += event["delta"][field]
        elif event["type"] == "message_delta":
            message |= event["delta"]
            message["usage"] = event["usage"]
    return {**message, "content": blocks}
