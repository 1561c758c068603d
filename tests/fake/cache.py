"""The prompt-cache rule as documented: longest cached prefix, floor, lifetime, per key and model."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fake.errors import ApiError
from fake.models import FakeModel
from fake.tokens import parts

LIFETIMES = {"5m": 300.0, "1h": 3600.0}
MAX_BREAKPOINTS = 4
LOOKBACK = 20
"""A breakpoint finds an earlier entry at most this many blocks before it."""


@dataclass
class Step:
    """The prompt up to and including one block."""

    digest: str
    tokens: int
    lifetime: str | None


@dataclass(frozen=True)
class Counted:
    """How the prompt's tokens are billed."""

    fresh: int
    read: int = 0
    write_5m: int = 0
    write_1h: int = 0

    @property
    def total(self) -> int:
        """All tokens of the prompt."""
        return self.fresh + self.read + self.write_5m + self.write_1h

    def usage(self) -> dict[str, Any]:
        """Return the input part of `usage` as message_start shows it."""
        return {
            "input_tokens": self.fresh,
            "cache_creation_input_tokens": self.write_5m + self.write_1h,
            "cache_read_input_tokens": self.read,
            "cache_creation": {
                "ephemeral_5m_input_tokens": self.write_5m,
                "ephemeral_1h_input_tokens": self.write_1h,
            },
        }


@dataclass
class PromptCache:
    """All entries: (key, model, digest) → (end of life, lifetime). The caller locks and tells the time."""

    entries: dict[tuple[str, str, str], tuple[float, str]] = field(default_factory=dict)

    def look(self, key: str, model: FakeModel, body: Mapping[str, Any], now: float) -> Counted:
        """Say how the prompt would be billed now, changing nothing."""
        steps = steps_of(body)
        total = steps[-1].tokens if steps else 0
        breaks = [i for i, s in enumerate(steps) if s.lifetime and s.tokens >= model.cache_floor]
        if not breaks:
            return Counted(total)
        done = read = self._longest(key, model, steps, breaks, now)
        written = {"5m": 0, "1h": 0}
        for index in breaks:
            step = steps[index]
            if step.tokens > done:
                written[step.lifetime or "5m"] += step.tokens - done
                done = step.tokens
        return Counted(total - done, read, written["5m"], written["1h"])

    def keep(self, key: str, model: FakeModel, body: Mapping[str, Any], now: float) -> Counted:
        """Bill the prompt: write its breakpoints and refresh what was read. Called when the answer begins."""
        counted = self.look(key, model, body, now)
        for step in steps_of(body):
            if step.lifetime and step.tokens >= model.cache_floor:
                end = now + LIFETIMES[step.lifetime]
                self.entries[(key, model.id, step.digest)] = (end, step.lifetime)
            elif (key, model.id, step.digest) in self.entries and step.tokens <= counted.read:
                _, lifetime = self.entries[(key, model.id, step.digest)]
                self.entries[(key, model.id, step.digest)] = (now + LIFETIMES[lifetime], lifetime)
        return counted

    def _longest(self, key: str, model: FakeModel, steps: list[Step], breaks: list[int], now: float) -> int:
        for last in reversed(breaks):
            for index in range(last, max(-1, last - LOOKBACK), -1):
                entry = self.entries.get((key, model.id, steps[index].digest))
                if entry and entry[0] > now:
                    return steps[index].tokens
        return 0


def steps_of(body: Mapping[str, Any]) -> list[Step]:
    """Return the running prefixes of a prompt, each with its lifetime when a breakpoint stands there.

    A top-level `cache_control` marks the last block that may carry one (thinking never does).
    Raises ApiError (400) for more than four breakpoints or an unknown lifetime.
    """
    steps: list[Step] = []
    digest, total, cacheable = "", 0, -1
    salt = json.dumps(body.get("thinking"), sort_keys=True)
    for place, block, tokens in parts(body):
        plain = {name: value for name, value in block.items() if name != "cache_control"}
        # Thinking settings end the reuse of messages, never that of tools and system.
        head = place.rpartition(".")[2] + (salt if place.startswith("messages") else "")
        digest = hashlib.sha256(f"{digest}|{head}|{json.dumps(plain, sort_keys=True)}".encode()).hexdigest()
        total += tokens
        steps.append(Step(digest, total, _lifetime(block.get("cache_control"))))
        if block.get("type") not in ("thinking", "redacted_thinking"):
            cacheable = len(steps) - 1
    if body.get("cache_control") and cacheable >= 0:
        steps[cacheable].lifetime = _lifetime(body["cache_control"])
    found = sum(1 for step in steps if step.lifetime)
    if found > MAX_BREAKPOINTS:
        raise ApiError(400, f"A maximum of 4 blocks with cache_control may be provided. Found {found}.")
    return steps


def _lifetime(control: Any) -> str | None:
    if not control:
        return None
    lifetime = str(control.get("ttl", "5m"))
    if control.get("type") != "ephemeral" or lifetime not in LIFETIMES:
        raise ApiError(400, f"cache_control: {control} is not supported")
    return lifetime
