"""An upstream fault in plain words: what happened, then what to do."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from claudedesk.claude.policy import SPEND_PREFIX, month_end

_BY_TYPE: Final = {
    "authentication_error": "This key was refused. Check it in Settings, or paste another.",
    "billing_error": "There is a problem with the billing of this key's account. See Billing in the Console.",
    "permission_error": "This key may not do that. Its workspace may not have access to the model; pick another.",
    "not_found_error": "The model is not there (any more). Pick another one; your message is kept.",
    "request_too_large": "The conversation is too large to send (32 MB at most). Leave something out.",
    "rate_limit_error": "The rate limit of your key is reached. Wait a moment, then retry.",
    "timeout_error": "Claude took too long. Retry, or ask for less at once.",
    "api_error": "Claude had a problem. Retry in a moment.",
    "overloaded_error": "Claude is overloaded. Retry in a moment.",
    "conflict_error": "Claude was asked twice at once. Retry.",
}
NO_END: Final = (
    "Claude takes no further calls with this key and does not say until when; a spent monthly cap is the usual reason."
    " Retry asks again."
)
_BY_STATUS: Final = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
OURS: Final = {
    "connection": "Claude could not be reached. Check the network, then retry.",
    "dns": "The address of Claude's server was not found. Are you offline? Retry when you are back.",
    "refused": "Claude's server did not accept the connection. Retry in a moment.",
    "tls": "The secure connection to Claude failed. A proxy may be reading along, or this computer's clock is wrong.",
    "proxy": "The proxy did not let the request through. Check the proxy's settings.",
    "timeout": "Claude did not answer in time. Retry.",
    "silent": "Claude fell silent for too long. What had come is kept; retry to ask again.",
    "stream_cut": "The connection broke off before the answer was whole. What had come is kept.",
    "malformed": "What came back was not an answer of Claude's. A login page of the network may be in the way.",
    "redirect": "The server sent the request elsewhere, which is not followed, so that your words and key stay here.",
    "too_large": "What came back was far too large and was cut off.",
    "key_unusable": "The key holds a character that cannot be sent. Paste it again in Settings.",
}


def kind_of(error_type: str | None, http_status: int | None) -> str:
    """Return one word for the case: the API's own type, or the one its status stands for."""
    if error_type:
        return error_type
    if http_status is None:
        return "connection"
    if 300 <= http_status < 400:
        return "redirect"
    return _BY_STATUS.get(http_status, "api_error" if http_status >= 500 else "invalid_request_error")


def sentence(
    kind: str,
    *,
    error_code: str | None = None,
    told: str = "",
    wait: float | None = None,
    now: datetime | None = None,
) -> str:
    """Return the sentence for a case.

    `told` is the API's own message, quoted where it says what is wrong; `wait` its `retry-after` in seconds.
    """
    code = error_code or ""
    if code.endswith("spend_limit_reached"):
        until = month_end(now or datetime.now(UTC)).strftime("%-d %B %Y" if _has_dash() else "%d %B %Y")
        return f"The monthly limit of your API account is reached; it begins anew on {until} (UTC)."
    if told.startswith(SPEND_PREFIX):
        return f"Your own spend limit in the Console is reached. Claude said: “{told}”"
    if code == "ramp_limit_exceeded":
        return "Your use has grown faster than your account's limit allows. Wait a little, then retry."
    if kind == "rate_limit_error" and wait is None:
        return NO_END
    if kind in _BY_TYPE:
        return _BY_TYPE[kind]
    if kind in OURS:
        return OURS[kind]
    return f"Claude refused the request: “{told}”" if told else "Claude refused the request."


def _has_dash() -> bool:
    import os

    return os.name == "posix"  # Windows' strftime knows no %-d
