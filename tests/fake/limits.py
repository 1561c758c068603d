"""Real token buckets behind the `anthropic-ratelimit-*` headers."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from fake.errors import ApiError

KINDS = ("requests", "input_tokens", "output_tokens")
DEFAULT = {"requests": 4_000, "input_tokens": 4_000_000, "output_tokens": 800_000}


@dataclass
class Bucket:
    """`limit` a minute, refilled evenly; `level` may go below zero by one long answer."""

    limit: int
    level: float
    at: float

    def refill(self, now: float) -> None:
        """Add what has come in since the last look."""
        self.level = min(float(self.limit), self.level + (now - self.at) * self.limit / 60)
        self.at = now

    def seconds_until(self, amount: float) -> float:
        """Say how long until `amount` is there; never more than the whole bucket is waited for."""
        missing = min(amount, float(self.limit)) - self.level
        return max(0.0, missing * 60 / self.limit)


@dataclass
class Limits:
    """The buckets per (key, model family). The caller holds the lock and tells the time."""

    per_minute: dict[str, int] = field(default_factory=lambda: dict(DEFAULT))
    buckets: dict[tuple[str, str], dict[str, Bucket]] = field(default_factory=dict)

    def set(self, **per_minute: int) -> None:
        """Set the limits a minute and fill every bucket anew."""
        unknown = set(per_minute) - set(KINDS)
        if unknown:
            raise ValueError(f"no such limit: {sorted(unknown)}")
        self.per_minute.update(per_minute)
        self.buckets.clear()

    def of(self, key: str, family: str, now: float) -> dict[str, Bucket]:
        """Return the three buckets of a key and family, refilled."""
        known = self.buckets.setdefault(
            (key, family), {kind: Bucket(n, float(n), now) for kind, n in self.per_minute.items()}
        )
        for bucket in known.values():
            bucket.refill(now)
        return known

    def take(self, key: str, family: str, input_tokens: int, now: float) -> dict[str, str]:
        """Admit one request, or raise ApiError 429 with `retry-after`. Returns the headers.

        Output is charged when it is made (`spend`): a request is refused only while that bucket is empty.
        """
        buckets = self.of(key, family, now)
        wanted = {"requests": 1.0, "input_tokens": float(input_tokens), "output_tokens": 1.0}
        for kind, amount in wanted.items():
            wait = buckets[kind].seconds_until(amount)
            if wait > 0:
                words = f"{buckets[kind].limit:,} {kind.replace('_', ' ')} per minute"
                headers = {**self.headers(buckets, now), "retry-after": str(math.ceil(wait))}
                raise ApiError(
                    429,
                    f"This request would exceed your organization's rate limit of {words}.",
                    headers=headers,
                )
        buckets["requests"].level -= 1
        buckets["input_tokens"].level -= input_tokens
        return self.headers(buckets, now)

    def spend(self, key: str, family: str, output_tokens: int, now: float) -> None:
        """Charge an answer's tokens."""
        self.of(key, family, now)["output_tokens"].level -= output_tokens

    def headers(self, buckets: dict[str, Bucket], now: float) -> dict[str, str]:
        """Return limit, remaining and the RFC 3339 time at which each bucket is full again."""
        found: dict[str, str] = {}
        for kind, bucket in buckets.items():
            name = f"anthropic-ratelimit-{kind.replace('_', '-')}"
            full = datetime.now(UTC) + timedelta(seconds=bucket.seconds_until(bucket.limit))
            found[f"{name}-limit"] = str(bucket.limit)
            found[f"{name}-remaining"] = str(max(0, math.floor(bucket.level)))
            found[f"{name}-reset"] = full.strftime("%Y-%m-%dT%H:%M:%SZ")
        return found
