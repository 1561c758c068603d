"""Every error that a person may see, as one tree:

ClaudeDeskError                 user_message, status
├── BadInput              400   what was sent cannot be used; says why
│   └── UnknownSetting    404
├── NotFound              404   no such conversation, reply, page
├── Forbidden             403   the front door stays shut
├── TooMany               429   our own limit, with retry_after
├── StoreError            500   the database cannot do it
│   ├── StoreBusy         503   another process holds it too long
│   ├── StoreFull         507   no room on the disk
│   ├── StoreReadOnly     503   the file or medium cannot be written
│   ├── StoreDamaged      500   not a database, or a damaged one
│   ├── StoreTooNew       409   written by a newer version
│   └── MigrationFailed   500   the old file is untouched
├── KeyringError          500   the keyring cannot hold the key
├── NoKey                 409   no API key is known
└── UpstreamError         502   Claude could not answer: kind, http_status, request_id, retry_after
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class ClaudeDeskError(Exception):
    """The root: `user_message` may be shown to the user as it stands; `status` is the HTTP status."""

    status = 500

    def __init__(self, user_message: str, *, status: int | None = None) -> None:
        super().__init__(user_message)
        self.user_message = user_message
        if status is not None:
            self.status = status


class BadInput(ClaudeDeskError):
    """What was sent cannot be used."""

    status = 400


class UnknownSetting(BadInput):
    """There is no setting of that name."""

    status = 404


class NotFound(ClaudeDeskError):
    """The thing asked for does not exist (or does not belong to the asker)."""

    status = 404


class Forbidden(ClaudeDeskError):
    """The request did not come from our own page or commands."""

    status = 403


class TooMany(ClaudeDeskError):
    """Our own limit was passed; `retry_after` in seconds."""

    status = 429

    def __init__(self, user_message: str, *, retry_after: int) -> None:
        super().__init__(user_message)
        self.retry_after = retry_after


class StoreError(ClaudeDeskError):
    """The database cannot do what was asked."""


class StoreBusy(StoreError):
    """Another process holds the database too long."""

    status = 503


class StoreFull(StoreError):
    """There is no room on the disk."""

    status = 507


class StoreReadOnly(StoreError):
    """The database file or its medium cannot be written."""

    status = 503


class StoreDamaged(StoreError):
    """The file is no database, or a damaged one."""


class StoreTooNew(StoreError):
    """The database was written by a newer version of claudedesk."""

    status = 409


class MigrationFailed(StoreError):
    """The schema could not be brought up to date; the old file is untouched."""


class KeyringError(ClaudeDeskError):
    """The system's keyring cannot hold or give the key."""


class NoKey(ClaudeDeskError):
    """No API key is known."""

    status = 409


class UpstreamError(ClaudeDeskError):
    """Claude could not answer.

    `kind` is one word for the case, taken from the API's own `error.type` where there is one
    (`rate_limit_error`, `overloaded_error`, …) or ours (`connection`, `stream_cut`, `malformed`, `redirect`, …).
    """

    status = 502

    def __init__(
        self,
        user_message: str,
        *,
        kind: str,
        http_status: int | None = None,
        request_id: str | None = None,
        error_code: str | None = None,
        retry_after: float | None = None,
        detail: str = "",
    ) -> None:
        super().__init__(user_message)
        self.kind = kind
        self.http_status = http_status
        self.request_id = request_id
        self.error_code = error_code
        self.retry_after = retry_after
        self.detail = detail

    def as_row(self) -> Mapping[str, Any]:
        """Return the JSON that stands beside the reply in the store."""
        row = {
            "message": self.user_message,
            "kind": self.kind,
            "http_status": self.http_status,
            "request_id": self.request_id,
            "error_code": self.error_code,
            "detail": self.detail,
        }
        return {name: value for name, value in row.items() if value not in (None, "")}
