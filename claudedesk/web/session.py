"""The session state of one process: codes that work once, cookies, page tokens, a count of wrong guesses."""

from __future__ import annotations

import hashlib
import hmac
import logging
import math
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final
from urllib.parse import parse_qs, urlsplit

from flask import Flask

log = logging.getLogger("claudedesk.web")

CODE_SECONDS: Final = 60.0
CODE_BYTES: Final = 24
"""192 bits; SEC-06 asks for at least 128."""
GUESSES: Final = 20
GUESS_SECONDS: Final = 60.0
EXTENSION: Final = "claudedesk_door"


def own_host(port: int) -> str:
    """Return the one Host a request may name. Never `localhost`: a neighbour may hold its [::1] (SEC-08)."""
    return "127.0.0.1" if port == 80 else f"127.0.0.1:{port}"


def cookie_name(port: int) -> str:
    """Return the cookie's name. Cookies ignore ports, so two instances need two names."""
    return f"claudedesk_{port}"


class Door:
    """Who may come in. Made once per app; nothing of it is stored, so every session dies with the process.

    `monotonic` gives seconds. A right code, cookie or token always passes: only wrong ones are counted and,
    past `GUESSES` a minute, answered with 429. Locking everybody out instead would let any web page shut the
    user out of their own app, and 128 bits do not fall to guessing in either case.
    """

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.instance_secret: Final = secrets.token_urlsafe(32)
        self._key: Final = secrets.token_bytes(32)
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._codes: dict[str, float] = {}
        self._entered: deque[str] = deque(maxlen=64)
        self._wrong: deque[float] = deque(maxlen=GUESSES)
        self._untold = 0
        self._told: float | None = None

    def mint_code(self) -> str:
        """Return a code that opens one session within `CODE_SECONDS`."""
        code = secrets.token_urlsafe(CODE_BYTES)
        with self._lock:
            self._forget_old_codes()
            self._codes[code] = self._monotonic() + CODE_SECONDS
        return code

    def url(self, port: int) -> str:
        """Return the address that lets a browser in once."""
        return f"http://{own_host(port)}/?c={self.mint_code()}"

    def redeem(self, code: str) -> str | None:
        """Swap a code for a new session's cookie value; None when it is unknown, used or too old."""
        with self._lock:
            self._forget_old_codes()
            # Every code is compared whole, so that the time taken tells nothing of how close a guess was.
            found = [known for known in self._codes if _same(known, code)]
            if not found:
                return None
            del self._codes[found[0]]
            self._entered.append(found[0])
        name = secrets.token_urlsafe(CODE_BYTES)
        return f"{name}.{self._sign('session', name)}"

    def was_entered(self, url: str) -> bool:
        """Tell whether the code in this address has been used."""
        code = parse_qs(urlsplit(url).query).get("c", [""])[0]
        with self._lock:
            return any(_same(known, code) for known in self._entered)

    def is_session(self, cookie: str) -> bool:
        """Tell whether a cookie's value is one that `redeem` gave."""
        name, _, signature = cookie.partition(".")
        return _same(self._sign("session", name), signature)

    def token(self, session: str) -> str:
        """Return the header token of a session, which its documents carry in a `<meta>`."""
        return self._sign("token", session)

    def is_token(self, session: str, token: str) -> bool:
        """Tell whether `token` belongs to `session`."""
        return _same(self.token(session), token)

    def is_instance_secret(self, secret: str) -> bool:
        """Tell whether a command of ours has read the 0600 instance file."""
        return _same(self.instance_secret, secret)

    def count_wrong(self) -> int:
        """Count a wrong code, cookie or token. Return 0, or past the limit the seconds to wait (SEC-09)."""
        with self._lock:
            now = self._monotonic()
            self._untold += 1
            if len(self._wrong) < GUESSES or now - self._wrong[0] >= GUESS_SECONDS:
                self._wrong.append(now)
                return 0
            if self._told is None or now - self._told >= GUESS_SECONDS:
                log.warning("%d wrong codes or tokens were sent to the front door", self._untold)
                self._told, self._untold = now, 0
            return max(1, math.ceil(GUESS_SECONDS - (now - self._wrong[0])))

    def _forget_old_codes(self) -> None:
        now = self._monotonic()
        self._codes = {code: until for code, until in self._codes.items() if until > now}

    def _sign(self, purpose: str, text: str) -> str:
        message = f"{purpose}\0{text}".encode("utf-8", "surrogatepass")
        return hmac.new(self._key, message, hashlib.sha256).hexdigest()


def proof(secret: str, port: int, nonce: str) -> str:
    """Return what only the holder of the secret that listens on `port` can answer to `nonce` (SEC-08)."""
    message = f"claudedesk-hello\0{port}\0{nonce}".encode("utf-8", "surrogatepass")
    return hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()


def door_of(app: Flask) -> Door:
    """Return the door that `security.install` gave to the app."""
    door: Door = app.extensions[EXTENSION]
    return door


def _same(known: str, given: str) -> bool:
    """Compare in a time that does not depend on where the two differ; any text may be given."""
    return hmac.compare_digest(known.encode(), given.encode("utf-8", "surrogatepass"))
