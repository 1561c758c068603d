"""What an upstream error means for the next call, and the breaker that stops hopeless ones."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Final

from claudedesk.errors import UpstreamError
from claudedesk.types import Clock, SystemClock

SPEND_CODES: Final = ("enforced_spend_limit_reached", "contract_spend_limit_reached")
"""`error_code` of a 429 that no waiting mends: a monthly cap is spent (TRUST UP-09)."""
RAMP_CODE: Final = "ramp_limit_exceeded"
SPEND_PREFIX: Final = "You have reached your specified"
"""How a 400 begins when the user's own limit in the Console is spent (UP-02); it carries no code."""


def hopeless(error: UpstreamError) -> bool:
    """Tell whether every further call of this key would fail the same way until a date or a payment."""
    code = error.error_code or ""
    if error.http_status == 429 and error.retry_after is None and code != RAMP_CODE:
        return True  # a rate limit says when it frees; a spent cap does not (UP-09)
    return code in SPEND_CODES or code.startswith("contract_") or error.detail.startswith(SPEND_PREFIX)


def month_end(now: datetime) -> datetime:
    """Return the first instant of the next month in UTC, when the API's monthly caps begin anew."""
    first = now.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return (first + timedelta(days=32)).replace(day=1)


class Breaker:
    """Refuses calls after a hopeless error, until the month ends, the key changes or the user asks to try anyway."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._error: UpstreamError | None = None
        self._until = 0

    def note(self, error: UpstreamError) -> None:
        """Open after a hopeless error; any other leaves things as they are."""
        if not hopeless(error):
            return
        now = datetime.fromtimestamp(self._clock.now() / 1e6, UTC)
        with self._lock:
            self._error = error
            self._until = int(month_end(now).timestamp() * 1e6)

    def reset(self) -> None:
        """Close: a call succeeded, or the key is another one."""
        with self._lock:
            self._error = None

    def check(self) -> None:
        """Raise the error that opened the breaker while it is open."""
        with self._lock:
            if self._error is None:
                return
            if self._clock.now() >= self._until:
                self._error = None
                return
            raise self._error
