"""The real program as a child process: `claudedesk …` with a home of its own, and the app while it serves."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


def environment(home: Path, fake: Any = None, **more: str) -> dict[str, str]:
    """Return a child's environment: its own home, the fake's address and key, no keyring."""
    kept = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT", "LANG", "TMPDIR") if name in os.environ}
    found = {
        **kept,
        "HOME": str(home),
        "CLAUDEDESK_HOME": str(home / "desk"),
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
        "BROWSER": "true",
    }
    if fake is not None:
        found |= {"CLAUDEDESK_API_URL": fake.url, "ANTHROPIC_API_KEY": fake.key}
    return found | more


def claudedesk(*args: str, env: Mapping[str, str], stdin: str = "", timeout: float = 60) -> Any:
    """Run one command to its end."""
    command = [sys.executable, "-m", "claudedesk", *args]
    return subprocess.run(
        command,
        env=dict(env),
        input=stdin,
        capture_output=True,
        text=True,
        timeout=timeout,
        cwd=ROOT,
        check=False,
    )


class Client:
    """What a browser has of a session, at an address that `?c=` opens."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.port = int(re.search(r":(\d+)/", url).group(1))  # type: ignore[union-attr]
        self.cookie = ""
        self.token = ""

    @property
    def base(self) -> str:
        """The address without the code."""
        return f"http://127.0.0.1:{self.port}"

    def enter(self) -> None:
        """Swap the code for a session, as the browser does."""
        status, headers, _ = self.request("GET", self.url.removeprefix(self.base))
        assert status == 200
        self.cookie = headers["Set-Cookie"].split(";")[0]
        page = self.request("GET", "/chat/")[2]
        self.token = re.search(r'name="claudedesk-token" content="([^"]+)"', page).group(1)  # type: ignore[union-attr]

    def request(
        self, method: str, path: str, body: Any = None, timeout: float = 20
    ) -> tuple[int, Mapping[str, str], str]:
        """Send one request with what we have of a session."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        headers = {"Cookie": self.cookie, "X-Claudedesk-Token": self.token}
        raw = None
        if body is not None:
            raw, headers["Content-Type"] = json.dumps(body), "application/json"
        try:
            connection.request(method, path, raw, {name: value for name, value in headers.items() if value})
            response = connection.getresponse()
            return response.status, dict(response.headers), response.read().decode()
        finally:
            connection.close()

    def json(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Send JSON and read JSON."""
        status, _, text = self.request(method, path, body)
        return status, json.loads(text) if text else None

    def events(self, path: str, timeout: float = 10) -> Iterator[tuple[str, Any]]:
        """Yield (event, data) of a stream until it is closed."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request("GET", path, headers={"Cookie": self.cookie, "X-Claudedesk-Token": self.token})
            response = connection.getresponse()
            assert response.status == 200, response.read()
            name = ""
            while line := response.readline().decode():
                if line.startswith("event: "):
                    name = line[7:].strip()
                elif line.startswith("data: "):
                    yield name, json.loads(line[6:])
        finally:
            connection.close()


class App(Client):
    """A serving app: its process and a client at its address."""

    def __init__(self, process: subprocess.Popen[str], url: str, env: Mapping[str, str]) -> None:
        super().__init__(url)
        self.process = process
        self.env = env

    def code(self) -> str:
        """Return a fresh single-use code, as `claudedesk open` gets one."""
        from claudedesk.desktop.instance import find_running
        from claudedesk.paths import standard

        running = find_running(standard(self.env["CLAUDEDESK_HOME"]))
        assert running is not None
        return str(running.post("/instance/open", {})["url"]).partition("c=")[2]

    def stop(self, timeout: float = 10) -> int:
        """End in good order (SIGTERM) and return the exit code."""
        self.process.terminate()
        return self.process.wait(timeout)


@contextlib.contextmanager
def serving(env: Mapping[str, str], *args: str, enter: bool = True) -> Iterator[App]:
    """Run `claudedesk serve` until the block ends; it is always ended, by its own id."""
    command = [sys.executable, "-m", "claudedesk", *args, "serve"]
    process = subprocess.Popen(
        command, env=dict(env), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
    )
    try:
        assert process.stdout is not None and process.stderr is not None
        line = process.stdout.readline()
        if not line.startswith("claudedesk: http://127.0.0.1:"):
            process.kill()
            raise AssertionError(f"no address: {line!r} {process.stderr.read()}")
        app = App(process, line.split(" ", 1)[1].strip(), env)
        if enter:
            app.enter()
        yield app
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()


def until(true: Any, timeout: float = 10) -> Any:
    """Wait until something is true, and return it."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        found = true()
        if found:
            return found
        time.sleep(0.005)
    raise AssertionError("it did not come")
