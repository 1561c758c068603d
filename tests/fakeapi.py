"""A loopback Messages API with every fault of TRUST C2; the real SDK talks to it over a real socket.

In a test:
    with FakeAPI() as fake:
        fake.reply(text="Hello", delta_chars=3)
        fake.fault("overloaded_529", times=2)
        client = anthropic.Anthropic(api_key=fake.key, base_url=fake.url, max_retries=0)
        ...
        assert fake.posts == 3

As a process, steered over HTTP: `python tests/fakeapi.py --port 0` prints its URL as one line;
`POST /_fake/script` takes JSON (see `FakeAPI.script`), `GET /_fake/log` tells what was seen.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import ssl
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, replace
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from fake import play, replies
from fake.cache import PromptCache
from fake.checks import COUNT, CREATE, MAX_BODY, check_body, check_key, check_model, check_version, parse
from fake.errors import ApiError
from fake.faults import FAULTS, Fault, Phase
from fake.limits import DEFAULT, Limits
from fake.models import MODELS, FakeModel, as_model, page
from fake.play import Cut, Planned, Sent
from fake.replies import Reply, sse
from fake.seen import Seen
from fake.server import Server
from fake.tokens import count, count_prompt
from fake.wire import Gone, Wire, blackhole

__all__ = [
    "FAULTS",
    "KEY",
    "ApiError",
    "FakeAPI",
    "FakeModel",
    "Fault",
    "Reply",
    "Seen",
    "blackhole",
    "count",
]

KEY = "sk-ant-test-fake-0001"
FOREVER = 1_000_000_000
Responder = Callable[[dict[str, Any]], "Reply | str | None"]


class FakeAPI(Server):
    """The server. Use it as a context manager, or call `close()`."""

    def __init__(
        self,
        *,
        port: int = 0,
        keys: Iterable[str] = (KEY,),
        models: Iterable[str | FakeModel | Mapping[str, Any]] = MODELS,
        clock: Callable[[], float] = time.monotonic,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(tls)
        self.keys = list(keys)
        self.key = self.keys[0]
        self.responder: Responder = replies.default_reply
        self.log: list[Seen] = []
        self.strays: list[str] = []
        """What arrived at the other host that `redirect_307` points to: method, target, authorization."""
        self.organization = "org_fake_0001"
        self._clock, self._skew = clock, 0.0
        self._other: int | None = None
        self.models: dict[str, FakeModel] = {}
        self._clear()
        self.install_models(models)
        self.port = self.listen(port, self._serve)
        self.url = f"{'https' if tls else 'http'}://{'localhost' if tls else '127.0.0.1'}:{self.port}"

    # What a test scripts

    def reply(self, text: str | None = None, **fields: Any) -> Reply:
        """Queue one reply (FIFO over all POSTs); the fields are those of Reply. Returns it, for release."""
        reply = Reply(text, **fields)
        with self.condition:
            self._replies.append(reply)
        return reply

    def fault(
        self,
        name: str,
        *,
        phase: Phase | None = None,
        times: int | None = 1,
        after_chars: int = 1,
        path: str = "/v1/messages",
        **changes: Any,
    ) -> None:
        """Plan a fault for the next `times` requests to `path` (None: for all).

        `changes` replace fields of the table's row (`headers={"retry-after": "1"}`, `message=…`). A fault
        before the headers leaves the queued replies alone; a later one breaks the next reply off after
        `after_chars` characters.
        Raises ValueError for a phase in which the fault cannot happen.
        """
        fault = replace(FAULTS[name], **changes)
        if phase is not None and phase not in fault.phases:
            raise ValueError(f"{name} cannot happen {phase}")
        with self.condition:
            planned = Planned(
                fault, phase or fault.phase, FOREVER if times is None else times, after_chars, path
            )
            self._faults.append(planned)

    def limits(self, **per_minute: int) -> None:
        """Set `requests`, `input_tokens`, `output_tokens` a minute and fill the buckets."""
        with self.condition:
            self._limits.set(**per_minute)

    def install_models(self, models: Iterable[str | FakeModel | Mapping[str, Any]]) -> None:
        """Replace the models: ids, FakeModel objects or their keywords."""
        chosen = [as_model(one) for one in models]
        with self.condition:
            self.models = {model.id: model for model in chosen}

    def advance(self, seconds: float) -> None:
        """Let time pass for the prompt cache and the rate limits."""
        with self.condition:
            self._skew += seconds

    def release(self) -> None:
        """Let every held reply go on."""
        with self.condition:
            for reply in self._given:
                reply.release()

    def reset(self) -> None:
        """Forget the log, the scripts, the prompt cache and the limits; keys, models and responder stay."""
        with self.condition:
            self._clear()

    # What a test reads

    @property
    def posts(self) -> int:
        """How many POST /v1/messages arrived: the money test."""
        return sum(1 for seen in self.log if seen.method == "POST" and seen.path == "/v1/messages")

    @property
    def last(self) -> Seen:
        """The newest request."""
        return self.log[-1]

    @property
    def open_calls(self) -> int:
        """How many answers are neither finished nor left by their client."""
        return sum(1 for seen in self.log if not seen.finished and not seen.closed_early)

    def wait_until(self, true: Callable[[Self], object], timeout: float = 5.0) -> bool:
        """Wait until `true(fake)`, checked when a request arrives, ends or is left. Tells whether it came."""
        with self.condition:
            return self.condition.wait_for(lambda: bool(true(self)), timeout)

    def _clear(self) -> None:
        self.log.clear()
        self.strays.clear()
        self._replies: deque[Reply] = deque()
        self._given: list[Reply] = []
        self._faults: deque[Planned] = deque()
        self._cache = PromptCache()
        self._limits = Limits(dict(DEFAULT))
        self.default: Reply | None = None

    def _now(self) -> float:
        return self._clock() + self._skew

    # One connection, request by request

    def _serve(self, wire: Wire) -> None:
        while (head := wire.read_head()) is not None:
            method, target, headers = head
            length = int(headers.get("content-length", "0"))
            raw = wire.read_body(min(length, MAX_BODY + 1))
            left = length - len(raw)
            while left > 0:  # read on, or the 413 is lost in an RST
                left -= len(wire.read_body(min(1 << 20, left)))
            parts = urlsplit(target)
            if parts.path.startswith("/_fake/"):
                self._control(wire, parts.path, raw)
                continue
            seen = self._arrived(wire, method, parts.path, parse_qs(parts.query), headers, length)
            try:
                self._route(wire, seen, raw)
                self._note(seen, finished=True)
            except ApiError as error:
                self._send_error(wire, seen, error)
            except Gone:
                self._left(seen)
                raise
            except Cut:
                self._note(seen, finished=True)
                return

    def _arrived(
        self,
        wire: Wire,
        method: str,
        path: str,
        query: dict[str, list[str]],
        headers: dict[str, str],
        size: int,
    ) -> Seen:
        with self.condition:
            number = len(self.log) + 1
            seen = Seen(number, wire.number, method, path, query, headers, time.monotonic(), size=size)
            seen.request_id = f"req_fake_{number:06d}"
            bearer = headers.get("authorization", "")
            seen.key = bearer[7:] if bearer.startswith("Bearer ") else headers.get("x-api-key")
            self.log.append(seen)
            self.condition.notify_all()
        return seen

    def _note(self, seen: Seen, **facts: Any) -> None:
        with self.condition:
            for name, value in facts.items():
                setattr(seen, name, value)
            self.condition.notify_all()

    def _left(self, seen: Seen) -> None:
        self._note(seen, finished=False, closed_early=not self.closing, closed_at=time.monotonic())

    def _route(self, wire: Wire, seen: Seen, raw: bytes) -> None:
        try:
            seen.body = json.loads(raw) if raw else None
        except ValueError:
            seen.body = None
        planned = self._planned(seen.path)
        if planned is not None:
            seen.fault = planned.fault.name
            if planned.phase == "before" and planned.fault.kind != "drip":
                status = play.before(
                    wire, planned.fault, self._headers(seen), lambda: self.other_host() + seen.path
                )
                self._note(seen, answered=status)
                return
        key = check_key(seen.headers, set(self.keys))
        check_version(seen.headers)
        if seen.method == "POST" and seen.path == "/v1/messages":
            self._messages(wire, seen, key, parse(raw), planned)
        elif seen.method == "POST" and seen.path == "/v1/messages/count_tokens":
            body = parse(raw)
            check_body(body, check_model(body, self.models), COUNT)
            self._send_json(wire, seen, {"input_tokens": count_prompt(body)})
        elif seen.method == "GET" and seen.path == "/v1/models":
            self._send_json(wire, seen, page(self.models.values(), seen.query))
        elif seen.method == "GET" and seen.path.startswith("/v1/models/"):
            name = seen.path.removeprefix("/v1/models/")
            if name not in self.models:
                raise ApiError(404, f"model: {name}")
            self._send_json(wire, seen, self.models[name].info())
        else:
            raise ApiError(404, f"Not found: {seen.method} {seen.path}")

    def _planned(self, path: str) -> Planned | None:
        with self.condition:
            for planned in self._faults:
                if planned.left > 0 and planned.path in (path, "*"):
                    planned.left -= 1
                    return planned
        return None

    def _next_reply(self, body: dict[str, Any]) -> Reply:
        with self.condition:
            found: Reply | str | None = self._replies.popleft() if self._replies else self.default
        if found is None:
            found = self.responder(body)
        if found is None:
            found = replies.default_reply(body)
        reply = Reply(found) if isinstance(found, str) else found
        with self.condition:
            if reply.hold is not None:
                self._given.append(reply)
        return reply

    def _messages(
        self, wire: Wire, seen: Seen, key: str, body: dict[str, Any], planned: Planned | None
    ) -> None:
        model = check_model(body, self.models)
        check_body(body, model, CREATE)
        family = model.line or model.id
        with self.condition:
            now = self._now()
            counted = self._cache.look(key, model, body, now)
            limits = self._limits.take(key, family, counted.total - counted.read, now)
        reply = self._next_reply(body)
        finished = replies.finish(reply, body, model)
        if reply.wait:
            wire.wait(reply.wait)
        if reply.hold == "headers":
            wire.wait(600, reply.released)
        with self.condition:
            self._cache.keep(key, model, body, self._now())
        sent = Sent()
        try:
            if body.get("stream"):
                self._note(seen, answered=200)
                kind = {"content-type": "text/event-stream; charset=utf-8"}
                wire.start(200, {**self._headers(seen), **limits, **kind})
                events = replies.events(finished, reply, seen.number, model, counted)
                self._stream(wire, seen, reply, events, planned, sent)
            else:
                sent.tokens = finished.output_tokens
                whole = replies.message(finished, reply, seen.number, model, counted)
                self._send_json(wire, seen, whole, limits)
        finally:
            with self.condition:
                self._limits.spend(key, family, sent.tokens, self._now())

    def _stream(
        self,
        wire: Wire,
        seen: Seen,
        reply: Reply,
        events: Iterable[dict[str, Any]],
        planned: Planned | None,
        sent: Sent,
    ) -> None:
        fault = planned.fault if planned is not None else None
        first = True
        for event in events:
            if event["type"] == "content_block_delta":
                self._pause(wire, reply, reply.delay + (reply.first_delay if first else 0.0), sent)
                first = False
            if fault is not None and fault.kind == "drip":
                play.drip(wire, sse(event))
            else:
                wire.check()
                wire.chunk(sse(event))
            seen.events.append(event["type"])
            sent.chars += len(replies.text_of(event))
            sent.tokens += replies.tokens_of(event)
            if planned is not None and play.is_due(planned, event, sent):
                play.inside(wire, planned.fault, seen.request_id)
                return
        self._note(seen, finished=True)
        wire.end()

    def _pause(self, wire: Wire, reply: Reply, seconds: float, sent: Sent) -> None:
        held = isinstance(reply.hold, int) and sent.chars >= reply.hold and not reply.released.is_set()
        left = 600.0 if held else seconds
        until = reply.released if held else None
        while reply.ping_every and left > reply.ping_every and not (until and until.is_set()):
            wire.wait(reply.ping_every, until)
            wire.chunk(sse({"type": "ping"}))
            left -= reply.ping_every
        if left > 0:
            wire.wait(left, until)

    # Answers

    def _headers(self, seen: Seen) -> dict[str, str]:
        return {"request-id": seen.request_id, "anthropic-organization-id": self.organization}

    def _send_json(
        self, wire: Wire, seen: Seen, value: Any, headers: Mapping[str, str] | None = None
    ) -> None:
        wire.check()
        every = {**self._headers(seen), **(headers or {}), "content-type": "application/json"}
        self._note(seen, answered=200, finished=True)
        wire.start(200, every, json.dumps(value).encode())

    def _send_error(self, wire: Wire, seen: Seen, error: ApiError) -> None:
        body = json.dumps(error.body(seen.request_id)).encode()
        headers = {**self._headers(seen), **error.headers, "content-type": "application/json"}
        self._note(seen, answered=error.status, finished=True)
        try:
            wire.start(error.status, headers, body)
        except Gone:
            self._left(seen)
            raise

    def other_host(self) -> str:
        """Return the URL of a second listener under another name; what arrives there lands in `strays`."""
        with self.condition:
            if self._other is None:
                self._other = self.listen(0, self._stray)
        return f"http://localhost:{self._other}"

    def _stray(self, wire: Wire) -> None:
        while (head := wire.read_head()) is not None:
            method, target, headers = head
            with self.condition:
                self.strays.append(f"{method} {target} {headers.get('authorization', '')}".strip())
            wire.read_body(int(headers.get("content-length", "0")))
            wire.start(200, {"content-type": "application/json"}, b"{}")

    # Steering from another process

    def script(self, order: Mapping[str, Any]) -> dict[str, Any]:
        """Do what a JSON order says, in this sequence, and return counters.

        Keys: `reset` (true), `models` (ids or keywords), `keys`, `limits`, `default` (a Reply for every call
        without a queued one; null restores the echo), `reply` or `replies`, `fault` or `faults` ({name,
        phase, times, …}), `advance` (seconds), `release` (true).
        """
        if order.get("reset"):
            self.reset()
        if "models" in order:
            self.install_models(order["models"])
        if "keys" in order:
            self.keys = list(order["keys"])
            self.key = self.keys[0]
        if "limits" in order:
            self.limits(**order["limits"])
        if "default" in order:
            self.default = Reply(**order["default"]) if order["default"] else None
        for reply in [*order.get("replies", []), *([order["reply"]] if "reply" in order else [])]:
            self.reply(**reply)
        for fault in [*order.get("faults", []), *([order["fault"]] if "fault" in order else [])]:
            self.fault(**fault)
        self.advance(float(order.get("advance", 0)))
        if order.get("release"):
            self.release()
        return {"posts": self.posts, "open_calls": self.open_calls}

    def _control(self, wire: Wire, path: str, raw: bytes) -> None:
        status = 200
        try:
            if path == "/_fake/script":
                answer: Any = self.script(json.loads(raw or b"{}"))
            elif path == "/_fake/log":
                with self.condition:
                    answer = {
                        "posts": self.posts,
                        "open_calls": self.open_calls,
                        "now": time.monotonic(),
                        "log": [asdict(seen) for seen in self.log],
                    }
            else:
                status, answer = 404, {"error": f"no such control: {path}"}
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            status, answer = 400, {"error": f"{type(error).__name__}: {error}"}
        wire.start(status, {"content-type": "application/json"}, json.dumps(answer).encode())


def main(argv: list[str] | None = None) -> None:
    """Run as a process: print the URL, then serve until the process is stopped."""
    parser = argparse.ArgumentParser(description="A loopback Messages API for tests and benchmarks.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--end-with-stdin", action="store_true", help="stop when stdin is closed")
    options = parser.parse_args(argv)
    with FakeAPI(port=options.port) as fake:
        print(fake.url, flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            if options.end_with_stdin:
                sys.stdin.read()
            else:
                threading.Event().wait()


if __name__ == "__main__":
    main()
