"""Every fault of TRUST C2 as a named mode, in one table that tests can parametrise over."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from fake.errors import ApiError

Phase = Literal["before", "during", "after_first_word"]
"""before: instead of the headers; during: after message_start; after_first_word: after a first text delta."""

Kind = str
"""error, cut_rst, cut_fin, clean_end, silence, huge_line, malformed, utf8, html, bad_error, no_content,
gzip_bomb, redirect or drip: how fake/play.py plays it."""
ANYWHERE: tuple[Phase, ...] = ("before", "during", "after_first_word")
BEFORE: tuple[Phase, ...] = ("before",)
INSIDE: tuple[Phase, ...] = ("during", "after_first_word")

HUGE_LINE = 10 * 1024 * 1024
BOMB_SIZE = 16 * 1024 * 1024
PORTAL = b"<!doctype html><html><title>Hotel Wi-Fi</title><body><h1>Please sign in</h1></body></html>"


@dataclass(frozen=True)
class Fault:
    """One fault. An `error` is an HTTP answer before the headers and an `event: error` after them."""

    name: str
    up: str
    kind: Kind = "error"
    status: int = 200
    message: str = "The fake says no."
    type: str | None = None
    error_code: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    phase: Phase = "before"
    phases: tuple[Phase, ...] = ANYWHERE

    def error(self) -> ApiError:
        """Return the fault as the API's error answer."""
        return ApiError(
            self.status, self.message, type=self.type, error_code=self.error_code, headers=self.headers
        )


_CAP = (
    "You have reached your API usage limit for this month. You will regain access on 2026-12-01 at 00:00 UTC."
)
_SPEND = (
    "You have reached your specified API usage limits. You will regain access on 2026-12-01 at 00:00 UTC."
)
_CREDIT = "Your credit balance is too low to access the Anthropic API."
_RATE = "This request would exceed your organization's rate limit of 50 requests per minute."

_ALL = (
    Fault("invalid_400", "UP-01", status=400, message="messages: something in this request is not valid"),
    Fault("too_long_400", "UP-01", status=400, message="prompt is too long: 210000 tokens > 200000 maximum"),
    Fault("spend_limit_400", "UP-02", status=400, message=_SPEND),
    Fault("credit_400", "UP-04", status=400, message=_CREDIT),
    Fault("auth_401", "UP-03", status=401, message="invalid x-api-key"),
    Fault("billing_402", "UP-04", status=402, message=_CREDIT),
    Fault("permission_403", "UP-05", status=403, message="Your API key may not use this model."),
    Fault("not_found_404", "UP-06", status=404, message="model: test-large-1"),
    Fault("timeout_408", "UP-11", status=408, message="The request took too long."),
    Fault("conflict_409", "UP-11", status=409, message="Another request holds this resource."),
    Fault("too_large_413", "UP-07", status=413, message="Request exceeds the maximum size"),
    Fault("rate_limit_429", "UP-08", status=429, message=_RATE, headers={"retry-after": "2"}),
    Fault("rate_limit_429_long", "UP-08", status=429, message=_RATE, headers={"retry-after": "3600"}),
    Fault("no_retry_after_429", "UP-09", status=429, message="Too many requests."),
    Fault("spend_cap_429", "UP-09", status=429, message=_CAP, error_code="enforced_spend_limit_reached"),
    Fault("contract_cap_429", "UP-09", status=429, message=_CAP, error_code="contract_spend_limit_reached"),
    Fault(
        "ramp_429",
        "UP-10",
        status=429,
        message="Your usage grows too fast. Please slow down.",
        error_code="ramp_limit_exceeded",
        headers={"retry-after": "1"},
    ),
    Fault("cancelled_499", "UP-11", status=499, message="The request was cancelled."),
    Fault("server_500", "UP-11", status=500, message="Internal server error"),
    Fault("unavailable_503", "UP-11", status=503, message="Service unavailable"),
    Fault("gateway_504", "UP-11", status=504, message="Gateway timeout"),
    Fault("overloaded_529", "UP-12", status=529, message="Overloaded"),
    *(
        Fault(
            f"event_{kind}",
            "UP-13",
            message=f"This stream ends with {kind}.",
            type=kind,
            phase="during",
            phases=INSIDE,
        )
        for kind in (
            *("invalid_request_error", "authentication_error", "billing_error", "permission_error"),
            *("not_found_error", "rate_limit_error", "timeout_error", "api_error", "overloaded_error"),
            "unheard_of_error",
        )
    ),
    Fault("cut_rst", "UP-14", "cut_rst", phase="after_first_word"),
    Fault("cut_fin", "UP-14", "cut_fin", phase="after_first_word"),
    Fault("clean_end", "UP-15", "clean_end", phase="after_first_word"),
    Fault("silent_headers", "UP-16", "silence", phases=BEFORE),
    Fault("silent_stream", "UP-16", "silence", phase="after_first_word", phases=INSIDE),
    Fault("captive_portal", "UP-21", "html", phases=BEFORE),
    Fault("redirect_307", "UP-21", "redirect", status=307, phases=BEFORE),
    Fault("bad_gateway_502_html", "UP-21", "bad_error", status=502, phases=BEFORE),
    Fault("proxy_407", "UP-21", "bad_error", status=407, phases=BEFORE),
    Fault("no_content_204", "UP-22", "no_content", status=204, phases=BEFORE),
    Fault("gzip_bomb", "UP-22", "gzip_bomb", phases=BEFORE),
    Fault("huge_line", "UP-22", "huge_line", phase="after_first_word", phases=INSIDE),
    Fault("malformed_json", "UP-22", "malformed", phase="after_first_word", phases=INSIDE),
    Fault("truncated_utf8", "UP-22", "utf8", phase="after_first_word", phases=INSIDE),
    Fault("slow_drip", "UP-22", "drip", phases=BEFORE),
)
FAULTS: dict[str, Fault] = {fault.name: fault for fault in _ALL}
"""All faults by name."""


def bomb() -> bytes:
    """Return a gzip body of about 16 KB that unpacks to 16 MB: one endless SSE data line."""
    return gzip.compress(b"event: content_block_delta\ndata: " + b"a" * BOMB_SIZE, compresslevel=9)
