"""A private Secret Service for tests: gnome-keyring-daemon on a D-Bus of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

PROGRAMS = ("dbus-daemon", "dbus-send", "gnome-keyring-daemon")
# Without <servicedir>, so that nothing is started behind our back: neither a second daemon nor a prompter.
BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:path={socket}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
"""
# What would lead a child to another keyring, or past it.
MISLEADING = (
    "ANTHROPIC_API_KEY",
    "DISPLAY",
    "GNOME_KEYRING_CONTROL",
    "PYTHON_KEYRING_BACKEND",
    "WAYLAND_DISPLAY",
)
PLACES = {
    "HOME": "home",
    "XDG_RUNTIME_DIR": "run",
    "XDG_DATA_HOME": "home/data",
    "XDG_CONFIG_HOME": "home/config",
}


def missing() -> str:
    """Return why no private Secret Service can run here, or an empty text."""
    if sys.platform != "linux":
        return "the Secret Service is a Linux thing"
    absent = [program for program in PROGRAMS if shutil.which(program) is None]
    return f"not installed: {', '.join(absent)}" if absent else ""


def require() -> None:
    """Skip the test where the programs are absent; fail it under CI=true on Linux."""
    if reason := missing():
        if os.environ.get("CI") == "true" and sys.platform == "linux":
            pytest.fail(reason)
        pytest.skip(reason)


@dataclass
class SecretService:
    """`env` leads a child process to it: `subprocess.run(…, env=service.child_env())`."""

    env: dict[str, str]
    daemon: subprocess.Popen[bytes]
    folder: Path

    def child_env(self, **more: str) -> dict[str, str]:
        """Return our own environment, turned to this keyring, with `more` on top."""
        ours = {name: value for name, value in os.environ.items() if name not in MISLEADING}
        return {**ours, **self.env, **more}

    def lock(self) -> None:
        """Lock the keyring; with no prompter on the bus nobody can unlock it again."""
        collection = "array:objpath:/org/freedesktop/secrets/aliases/default"
        _send(self.env, "/org/freedesktop/secrets", "org.freedesktop.Secret.Service.Lock", collection)

    def stop_daemon(self) -> None:
        """End the keyring daemon and wait until it is gone; the bus stays."""
        _end(self.daemon)

    def holds(self, text: str) -> bool:
        """Tell whether any file of the private home holds `text` readably."""
        files = (path for path in self.folder.rglob("*") if path.is_file())
        return any(text.encode() in path.read_bytes() for path in files)


@contextmanager
def secret_service(password: str = "test-login") -> Iterator[SecretService]:
    """Run a bus and an unlocked keyring; at the end both are gone, by their own ids, and their folder too."""
    with ExitStack() as stack:
        # Not tmp_path: the path of a UNIX socket has at most 107 characters.
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="keyring-")))
        env = _environment(folder)
        config = folder / "bus.conf"
        config.write_text(BUS.format(socket=folder / "bus"))
        # The pipe stays open for reading: neither may die from SIGPIPE.
        bus = _start(stack, ["dbus-daemon", f"--config-file={config}", "--nofork", "--print-address=1"], env)
        assert bus.stdout is not None
        assert bus.stdout.readline(), "dbus-daemon did not start"
        keyring = ["gnome-keyring-daemon", "--foreground", "--unlock", "--components=secrets"]
        daemon = _start(stack, keyring, env)
        assert daemon.stdin is not None
        daemon.stdin.write(password.encode())
        daemon.stdin.close()
        _wait_until_unlocked(env)
        yield SecretService(env, daemon, folder)


def _environment(folder: Path) -> dict[str, str]:
    for place in PLACES.values():
        (folder / place).mkdir(mode=0o700, parents=True)
    env = {name: str(folder / place) for name, place in PLACES.items()}
    return {**env, "DBUS_SESSION_BUS_ADDRESS": f"unix:path={folder / 'bus'}"}


def _start(stack: ExitStack, command: list[str], env: dict[str, str]) -> subprocess.Popen[bytes]:
    path = {"PATH": os.environ["PATH"]}
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, env=path | env, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL)
    stack.callback(_end, process)
    return process


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()


def _wait_until_unlocked(env: dict[str, str]) -> None:
    """The alias appears with the login keyring, a moment after the daemon's name is on the bus."""
    ask = ("string:org.freedesktop.Secret.Collection", "string:Locked")
    give_up = time.monotonic() + 20
    while time.monotonic() < give_up:
        path, method = "/org/freedesktop/secrets/aliases/default", "org.freedesktop.DBus.Properties.Get"
        if b"boolean false" in _send(env, path, method, *ask):
            return
        time.sleep(0.02)
    raise AssertionError("gnome-keyring-daemon did not unlock its keyring")


def _send(env: dict[str, str], path: str, method: str, *arguments: str) -> bytes:
    command = ["dbus-send", "--session", "--print-reply", "--dest=org.freedesktop.secrets", path, method]
    path_env = {"PATH": os.environ["PATH"], **env}
    return subprocess.run([*command, *arguments], env=path_env, capture_output=True, timeout=20).stdout
