"""The one instance that runs: its lock, its 0600 file, and the road for commands to find and ask it."""

from __future__ import annotations

import hmac
import json
import os
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPResponse
from pathlib import Path
from typing import Any, Final, Literal

from filelock import FileLock, Timeout

from claudedesk.errors import ClaudeDeskError
from claudedesk.paths import Paths, private_folder
from claudedesk.types import utc_now
from claudedesk.web.errors import from_row
from claudedesk.web.session import proof

Role = Literal["window", "serve", "command"]
HELLO_SECONDS: Final = 3.0
START_SECONDS: Final = 10.0
GONE: Final = "claudedesk has just been closed. Try again."


@dataclass(frozen=True, slots=True)
class Running:
    """A running instance as its file tells it; `started` in UTC microseconds. Made by `find_running` only."""

    pid: int
    port: int
    role: Role
    started: int
    secret: str = field(repr=False)

    def post(self, path: str, given: Mapping[str, Any], *, timeout: float = 60.0) -> dict[str, Any]:
        """Send JSON to `/instance/…` and return the answer. Raises the error that the instance told."""
        with self._sent(path, given, timeout) as response:
            answer = json.loads(response.read() or b"{}")
        return dict(answer)

    def stream(
        self, path: str, given: Mapping[str, Any], *, timeout: float = 600.0
    ) -> Iterator[dict[str, Any]]:
        """Send JSON and yield the answer's lines of JSON. `timeout` is the longest silence in seconds."""
        with self._sent(path, given, timeout) as response:
            while line := response.readline():
                if line.strip():
                    row = dict(json.loads(line))
                    _raise_if_error(row, response.status)
                    yield row

    def is_genuine(self) -> bool:
        """Tell whether the program on our port holds the secret; nothing secret is sent to it (SEC-08)."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=HELLO_SECONDS)
        try:
            return self._proves(connection)
        except (OSError, HTTPException, ValueError):
            return False
        finally:
            connection.close()

    @contextmanager
    def _sent(self, path: str, given: Mapping[str, Any], timeout: float) -> Iterator[HTTPResponse]:
        """Prove the other side and send on the very same connection, so that nobody can step in between."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=HELLO_SECONDS)
        try:
            if not self._proves(connection):
                raise ClaudeDeskError(GONE, status=503)
            connection.sock.settimeout(timeout)
            # A dropped connection must not be opened anew by http.client: it would be unproven.
            connection.auto_open = 0
            headers = {"Authorization": f"Claudedesk {self.secret}", "Content-Type": "application/json"}
            connection.request("POST", path, json.dumps(given), headers)
            response = connection.getresponse()
            if response.status >= 400:
                _raise_if_error(_object(response.read()), response.status)
                raise ClaudeDeskError(f"claudedesk answered with status {response.status}.")
            yield response
        except TimeoutError as error:
            raise ClaudeDeskError("The running claudedesk did not answer in time.", status=504) from error
        except (OSError, HTTPException, json.JSONDecodeError) as error:
            raise ClaudeDeskError(GONE, status=503) from error
        finally:
            connection.close()

    def _proves(self, connection: HTTPConnection) -> bool:
        nonce = secrets.token_urlsafe(32)
        body = json.dumps({"nonce": nonce})
        connection.request("POST", "/instance/hello", body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        # A squatter may answer without end.
        given = str(_object(response.read(4096)).get("proof", ""))
        expected = proof(self.secret, self.port, nonce)
        kept_open = connection.sock is not None and response.isclosed()
        return hmac.compare_digest(expected.encode(), given.encode()) and kept_open


class Claim:
    """The right to be the one instance, from `claim` to `release` or death."""

    def __init__(self, paths: Paths, lock: FileLock) -> None:
        self._paths = paths
        self._lock = lock
        self._announced: Running | None = None

    def announce(self, port: int, secret: str, role: Role) -> Running:
        """Write the instance file, whole and 0600 from its first byte, once the server listens."""
        running = Running(os.getpid(), port, role, utc_now(), secret)
        target = self._paths.instance
        part = target.with_name(f"{target.name}.{secrets.token_hex(8)}")
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(asdict(running), file)
            _replace(part, target)
        except OSError:
            part.unlink(missing_ok=True)
            raise
        self._announced = running
        return running

    def release(self) -> None:
        """Remove the file if it is still ours, then let the next instance in."""
        if self._announced is not None and _read(self._paths) == self._announced:
            with suppress(OSError):  # Windows: somebody reads it; without our lock it is worth nothing
                self._paths.instance.unlink(missing_ok=True)
        self._announced = None
        self._lock.release()


def claim(paths: Paths) -> Claim | None:
    """Take the right to be the one instance; None when another living process has it."""
    private_folder(paths.runtime)
    lock = _lock(paths)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return None
    return Claim(paths, lock)


def find_running(paths: Paths) -> Running | None:
    """Return the running instance that has proved itself; None for a stale file or a squatter on its port."""
    running = _read(paths)
    if running is None or not _is_held(paths) or not running.is_genuine():
        return None
    return running


def claim_or_find(
    paths: Paths,
    *,
    monotonic: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Claim | Running:
    """Become the one instance or find it, waiting for one that is just starting or ending.

    Raises ClaudeDeskError when another process holds the lock and answers nothing for `START_SECONDS`.
    """
    deadline = monotonic() + START_SECONDS
    while True:
        found = claim(paths) or find_running(paths)
        if found is not None:
            return found
        if monotonic() >= deadline:
            words = "Another claudedesk holds this data folder but does not answer. End it, then try again."
            raise ClaudeDeskError(words, status=503)
        sleep(0.05)


def _replace(part: Path, target: Path) -> None:
    """Put the new file in place. On Windows that fails while another start is just reading the old one."""
    for _ in range(40):
        try:
            os.replace(part, target)
            return
        except PermissionError:
            time.sleep(0.05)
    os.replace(part, target)


def _lock(paths: Paths) -> FileLock:
    # Not bound to the thread that took it: the app's last thread releases it.
    return FileLock(paths.runtime / "instance.lock", mode=0o600, thread_local=False)


def _is_held(paths: Paths) -> bool:
    lock = _lock(paths)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return True
    lock.release()
    return False


def _read(paths: Paths) -> Running | None:
    """Return what the instance file says; None when there is none, or none that we could have written."""
    try:
        if not _is_ours(paths.instance):
            return None
        found = _object(paths.instance.read_bytes())
        if found["role"] not in ("window", "serve", "command"):
            return None
        pid, port, started = int(found["pid"]), int(found["port"]), int(found["started"])
        return Running(pid, port, found["role"], started, str(found["secret"]))
    except (OSError, KeyError, TypeError, ValueError):
        return None


def _is_ours(path: Path) -> bool:
    # A file that another user put there would lead our prompts to that user's program.
    return os.name != "posix" or path.lstat().st_uid == os.getuid()


def _object(text: bytes) -> dict[str, Any]:
    found = json.loads(text)
    return found if isinstance(found, dict) else {}


def _raise_if_error(row: Mapping[str, Any], status: int) -> None:
    told = row.get("error")
    if isinstance(told, dict):
        raise from_row(told, status if status >= 400 else int(told.get("status", 500)))
