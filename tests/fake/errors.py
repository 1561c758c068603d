"""The API's error answers as one exception."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    499: "api_error",
    500: "api_error",
    503: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}


class ApiError(Exception):
    """An answer with status ≥ 400 in the API's own shape."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        type: str | None = None,
        error_code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.type = type or TYPES.get(status, "api_error")
        self.error_code = error_code
        self.headers = dict(headers or {})

    def body(self, request_id: str) -> dict[str, Any]:
        """Return the JSON body: `{"type": "error", "error": {type, message, details?}, "request_id"}`."""
        error: dict[str, Any] = {"type": self.type, "message": self.message}
        if self.error_code:
            error["details"] = {"error_code": self.error_code}
        return {"type": "error", "error": error, "request_id": request_id}
