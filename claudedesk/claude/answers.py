"""The answer cache: a finished, tool-free answer to the identical request, kept as JSON bytes in Flask-Caching."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from claudedesk.claude.request import Request
from claudedesk.types import Block, Clock, SystemClock

log = logging.getLogger(__name__)


class Backend(Protocol):
    """What Flask-Caching's backends offer of use here."""

    def get(self, key: str) -> Any: ...
    def set(self, key: str, value: Any, timeout: int | None = None) -> Any: ...
    def delete(self, key: str) -> Any: ...


@dataclass(frozen=True, slots=True)
class Answer:
    """A kept answer: raw content, what it cost then (nano-dollars or None) and when (UTC microseconds)."""

    content: Sequence[Block]
    model: str
    stop_reason: str | None
    cost_nanos: int | None
    kept: int


def _read(raw: bytes) -> Answer:
    """Read a kept answer. Raises for anything that has another shape."""
    answer = Answer(**json.loads(raw))
    if not all(isinstance(block["type"], str) for block in answer.content):
        raise ValueError("not content blocks")
    return answer


class Answers:
    """Look up and keep answers. The key is the whole canonical request, never the API key."""

    def __init__(
        self,
        backend: Backend,
        *,
        enabled: Callable[[], bool],
        lifetime_s: Callable[[], int],
        clock: Clock | None = None,
    ) -> None:
        self._backend = backend
        self._enabled = enabled
        self._lifetime_s = lifetime_s
        self._clock = clock or SystemClock()
        self._guard = threading.Lock()
        self._busy: dict[str, threading.Lock] = {}
        self._waiting: dict[str, int] = {}

    def usable(self, request: Request) -> bool:
        """Tell whether this request may be answered from or kept in the cache."""
        return self._enabled() and request.plain

    def look(self, request: Request) -> Answer | None:
        """Return the kept answer, or None; a damaged entry is dropped (DAT-24)."""
        try:
            raw = self._backend.get(request.digest)
            if raw is None:
                return None
            answer = _read(raw)
        except Exception:
            # Whatever lies there is not an answer: the backend's own framing may be what is damaged.
            log.warning("a damaged entry of the answer cache was dropped")
            self._backend.delete(request.digest)
            return None
        age_s = (self._clock.now() - answer.kept) / 1_000_000
        return answer if age_s < self._lifetime_s() else None

    def keep(self, request: Request, answer: Answer) -> None:
        """Keep a complete answer for its lifetime."""
        raw = json.dumps(asdict(answer), separators=(",", ":")).encode()
        self._backend.set(request.digest, raw, timeout=self._lifetime_s())

    def now(self) -> int:
        """Return the time a kept answer is stamped with (UTC microseconds)."""
        return self._clock.now()

    @contextmanager
    def one_at_a_time(self, request: Request, stopped: Callable[[], bool]) -> Iterator[None]:
        """Let one run per request through; the others wait, looking every 50 ms whether they were stopped."""
        key = request.digest
        with self._guard:
            lock = self._busy.setdefault(key, threading.Lock())
            self._waiting[key] = self._waiting.get(key, 0) + 1
        held = False
        try:
            while not held and not stopped():
                held = lock.acquire(timeout=0.05)
            yield
        finally:
            if held:
                lock.release()
            with self._guard:
                self._waiting[key] -= 1
                if not self._waiting[key]:
                    del self._waiting[key], self._busy[key]
