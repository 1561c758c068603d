"""What the fake remembers of each request."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Seen:
    """One request that arrived. Times are `time.monotonic()`: one clock for all processes on Linux."""

    number: int
    connection: int
    method: str
    path: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    time: float
    key: str | None = None
    body: dict[str, Any] | None = None
    size: int = 0
    request_id: str = ""
    fault: str | None = None
    answered: int | None = None
    """The HTTP status that went out, None while or when there was none."""
    finished: bool = False
    """The answer is over: it went out whole, or a fault of the fake's own ended it."""
    closed_early: bool = False
    """The client left before the answer was over."""
    closed_at: float | None = None
    events: list[str] = field(default_factory=list)
    """The types of the stream's events that went out."""
