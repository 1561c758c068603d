"""The shared value types: frozen dataclasses and the literals of the product's words; imports nothing of ours."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Protocol

Role = Literal["user", "assistant"]
Status = Literal["queued", "waiting", "streaming", "complete", "truncated", "stopped", "refused", "failed"]
OPEN_STATUSES: Final = ("queued", "waiting", "streaming")
"""A reply in one of these is not finished: a run produces it, or it waits for a click after a restart."""

Block = dict[str, Any]
"""One raw API content block, exactly as sent or received."""

_ALPHABET: Final = "0123456789abcdefghjkmnpqrstvwxyz"


def new_id(prefix: str) -> str:
    """Mint an id such as `c_01jd…`: 48 bits of milliseconds, then 60 random bits, in Crockford's base 32."""
    number = (time.time_ns() // 1_000_000 << 60) | secrets.randbits(60)
    digits = ""
    while number:
        number, rest = divmod(number, 32)
        digits = _ALPHABET[rest] + digits
    return f"{prefix}_{digits.rjust(22, '0')}"


def utc_now() -> int:
    """Return the time as UTC microseconds since 1970, the store's only form of time."""
    return time.time_ns() // 1_000


class Clock(Protocol):
    """What waits and stamps: `now()` in UTC microseconds, `monotonic()` and `sleep()` in seconds."""

    def now(self) -> int: ...
    def monotonic(self) -> float: ...
    def sleep(self, seconds: float) -> None: ...


class SystemClock:
    """The real clock."""

    def now(self) -> int:
        return utc_now()

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one call. `input` is what was neither read from nor written to the prompt cache."""

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    thinking: int = 0
    web_searches: int = 0

    @property
    def prompt(self) -> int:
        """All tokens of the prompt: fresh, read from and written to the prompt cache."""
        return self.input + self.cache_read + self.cache_write_5m + self.cache_write_1h


@dataclass(frozen=True, slots=True)
class Cost:
    """Money of one call: integer nano-dollars (None = the price is unknown), with the price that gave it."""

    nanos: int | None
    source: str
    rates: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Model:
    """One model as `GET /v1/models` told it. `raw` is the whole answer, for the abilities."""

    id: str
    name: str
    lifecycle: str
    line: str | None
    created: str
    retires: str | None
    max_input_tokens: int | None
    max_tokens: int | None
    raw: Mapping[str, Any]
    demo: bool = False

    def can(self, *path: str) -> bool:
        """Tell whether `capabilities.<path>.supported` is true; unknown abilities are absent ones."""
        node: Any = self.raw.get("capabilities")
        for name in path:
            node = node.get(name) if isinstance(node, Mapping) else None
        return bool(isinstance(node, Mapping) and node.get("supported"))


@dataclass(frozen=True, slots=True)
class Conversation:
    """A tree of messages with one active branch, named by its last message `leaf`. Times are UTC microseconds."""

    id: str
    title: str
    title_by: Literal["auto", "user"]
    instructions: str | None
    model: str | None
    leaf: str | None
    demo: bool
    activity: int
    created: int
    updated: int


@dataclass(frozen=True, slots=True)
class Message:
    """One turn. `content` is the raw list of API content blocks; `error` stands beside it, never in it."""

    seq: int
    id: str
    conversation: str
    parent: str | None
    role: Role
    content: tuple[Block, ...]
    status: Status
    client_id: str | None = None
    model: str | None = None
    stop_reason: str | None = None
    error: Mapping[str, Any] | None = None
    owner: str | None = None
    demo: bool = False
    from_answer_cache: Mapping[str, Any] | None = None
    created: int = 0
    started: int | None = None
    finished: int | None = None

    @property
    def text(self) -> str:
        """The visible words: all text blocks joined."""
        return "".join(b.get("text", "") for b in self.content if b.get("type") == "text")

    @property
    def open(self) -> bool:
        """Whether the reply is not finished yet."""
        return self.status in OPEN_STATUSES


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP request to the Messages API, as the usage table keeps it. Times are UTC microseconds."""

    id: str
    message: str | None
    conversation: str | None
    kind: str
    model: str
    attempt: int
    started: int
    first_event: int | None = None
    first_word: int | None = None
    finished: int | None = None
    outcome: str = "running"
    http_status: int | None = None
    error_type: str | None = None
    request_id: str | None = None
    usage: Usage | None = None
    usage_raw: Mapping[str, Any] | None = None
    cost: Cost | None = None
    estimated: bool = False
    demo: bool = False


SettingKind = Literal["text", "secret", "bool", "int", "choice", "lines"]


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: its dotted name, its only default, the words around it and the rule its value obeys.

    A `hidden` one has no place on the page; an `internal` one is written by claudedesk alone.
    """

    name: str
    kind: SettingKind
    default: Any
    label: str
    help: str
    choices: tuple[tuple[str, str], ...] = ()
    minimum: int | None = None
    maximum: int | None = None
    max_length: int = 100_000
    check: Callable[[Any], str | None] | None = None
    hidden: bool = False
    internal: bool = False


@dataclass(frozen=True, slots=True)
class NavItem:
    """A link of the main navigation; `order` sorts (Chat 10, History 20, Usage 30, Settings 40)."""

    label: str
    endpoint: str
    icon: str
    order: int


@dataclass(frozen=True, slots=True)
class Command:
    """A row of the one table that feeds palette, help and menus; `action` is what static/js/actions.js runs."""

    action: str
    label: str
    keys: str = ""
    group: str = "General"


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a plugin says of itself; `requires_api` is the newest claudedesk.api.API_VERSION it was written for."""

    name: str
    version: str
    requires_api: int
