"""The Flask extensions, made once and bound in app.py: the limiter of our routes, the store of kept answers."""

from __future__ import annotations

from typing import Final

from flask import request
from flask_caching import Cache
from flask_limiter import Limiter

SENDS: Final = "30/minute;300/hour"
"""Sends and retries of one session: far above a person's pace, far below a runaway page's."""


def session_name() -> str:
    """Return whom a limit counts: the session, never the address, which is the same for all here."""
    port = request.environ.get("SERVER_PORT", "")
    return request.cookies.get(f"claudedesk_{port}") or request.headers.get("Authorization") or "nobody"


limiter = Limiter(key_func=session_name, storage_uri="memory://", headers_enabled=False)
cache = Cache()
