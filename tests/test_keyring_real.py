"""The key in a real Secret Service: gnome-keyring in a private D-Bus session."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from secretservice import SecretService, require, secret_service

from claudedesk import keystore

pytestmark = pytest.mark.keyring

KEY = "sk-ant-test-0123456789-canary-in-the-keyring"
ROOT = Path(__file__).parent.parent
# Reads commands, one JSON list a line, and answers each with a line: what a process with `Keys` would see.
CHILD = """
import dataclasses, json, os, sys
from claudedesk import config, errors, keystore
keys = keystore.Keys(config.load(os.environ), patience=60)
for line in sys.stdin:
    name, *arguments = json.loads(line)
    try:
        value = getattr(keys, name)(*arguments)
    except errors.KeyringError as error:
        value = {"error": error.user_message}
    answer = dataclasses.asdict(value) if dataclasses.is_dataclass(value) else value
    print(json.dumps(answer), flush=True)
"""


class Child:
    """Another process that holds a `Keys`."""

    def __init__(self, env: dict[str, str]) -> None:
        pipe = subprocess.PIPE
        command = [sys.executable, "-c", CHILD]
        self.process = subprocess.Popen(command, env=env, stdin=pipe, stdout=pipe, text=True, cwd=ROOT)

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *error: object) -> None:
        self.process.communicate(timeout=20)

    def ask(self, name: str, *arguments: str) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps([name, *arguments]) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


@pytest.fixture
def service() -> Iterator[SecretService]:
    require()
    with secret_service() as running:
        yield running


def test_a_key_set_in_one_process_is_read_and_removed_in_another(service: SecretService) -> None:
    """SEC-16, SEC-19"""
    env = service.child_env()
    with Child(env) as first, Child(env) as second:
        told = first.ask("set", f" {KEY}\n")
        assert (told["source"], told["last4"], told["keyring_problem"]) == ("keyring", KEY[-4:], "")
        assert "Removed from the key: spaces or line breaks." in told["sentence"]
        assert not service.holds(KEY), "the keyring's file must not hold it readably"
        assert second.ask("get") == KEY
        told = second.ask("state")
        assert told["keyring_class"] == "keyring.backends.SecretService.Keyring"
        assert told["sentence"] == "The key ending in ring is kept in the system keyring (Secret Service)."
        assert second.ask("remove")["sentence"] == "The key was removed."
        assert second.ask("remove")["sentence"] == "There was no saved key."
        first.ask("forget")
        assert first.ask("get") is None


def test_setting_again_replaces_and_leaves_one_entry(service: SecretService) -> None:
    """SEC-16"""
    with Child(service.child_env()) as child:
        child.ask("set", KEY)
        child.ask("set", f"{KEY}-second")
        child.ask("forget")
        assert child.ask("get") == f"{KEY}-second"
        child.ask("remove")
        child.ask("forget")
        assert child.ask("get") is None


def test_the_environments_key_is_not_written_to_the_keyring(service: SecretService) -> None:
    """SEC-16, FEATURES §4 row 2"""
    with Child(service.child_env(ANTHROPIC_API_KEY=KEY)) as with_one, Child(service.child_env()) as without:
        assert with_one.ask("get") == KEY
        assert with_one.ask("state")["source"] == "environment"
        assert without.ask("get") is None


def test_when_the_daemon_goes_away_the_words_say_so_and_the_key_goes_on(service: SecretService) -> None:
    """SEC-16"""
    with Child(service.child_env()) as child:
        child.ask("set", KEY)
        service.stop_daemon()
        assert child.ask("get") == KEY, "what was read once is still known"
        child.ask("forget")
        problem = child.ask("get")["error"]
        assert problem == "The system keyring cannot be opened. Check that it is running.", problem
        assert child.ask("state")["sentence"] == problem
        assert problem in child.ask("remove")["error"]
        told = child.ask("set", KEY)
        assert told["source"] == "memory"
        assert "in memory only" in told["sentence"]
    with Child(service.child_env()) as late:
        told = late.ask("state")
        assert (told["set"], told["source"], told["keyring_name"]) == (False, None, None)
        assert told["sentence"].startswith("No key is saved. This system offers no keyring.")


def test_a_locked_keyring_is_named_and_nothing_hangs(service: SecretService) -> None:
    """SEC-16"""
    with Child(service.child_env()) as child:
        child.ask("set", KEY)
        service.lock()
        child.ask("forget")
        assert child.ask("get")["error"] == "The system keyring is locked. Unlock it and try again."
        assert child.ask("set", KEY)["source"] == "memory"


def test_with_no_bus_at_all_the_key_stays_in_memory() -> None:
    """SEC-16"""
    require()
    with secret_service() as service:
        env = service.child_env()
    with Child(env) as child:
        told = child.ask("set", KEY)
        assert told["source"] == "memory"
        assert "This system offers no keyring." in told["sentence"]
        assert child.ask("get") == KEY


def test_nothing_is_left_running() -> None:
    require()
    with secret_service() as service:
        folder = service.folder
    assert not folder.exists()
    assert service.daemon.returncode is not None
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            assert str(folder).encode() not in process.read_bytes()
        except OSError:
            continue  # it ended meanwhile


@pytest.fixture
def plaintext(tmp_path: Path) -> tuple[Path, Path]:
    """Stand in for keyrings.alt: same module path, announced to keyring, writes a file in the clear."""
    site, written = tmp_path / "site", tmp_path / "plain.txt"
    (site / "keyrings" / "alt").mkdir(parents=True)
    (site / "keyrings" / "alt" / "file.py").write_text(
        "from keyring.backend import KeyringBackend\n"
        "class PlaintextKeyring(KeyringBackend):\n"
        "    priority = 9\n"
        "    def get_password(self, service, user): return open(WRITTEN).read()\n"
        "    def set_password(self, service, user, password): open(WRITTEN, 'w').write(password)\n"
        f"WRITTEN = {str(written)!r}\n"
    )
    about = site / "stand_in-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: stand-in\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[keyring.backends]\nfile = keyrings.alt.file\n")
    return site, written


@pytest.mark.parametrize(
    "choice",
    [
        {"PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring"},
        {"PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring"},
        {"PYTHON_KEYRING_BACKEND": "keyring.backends.chainer.ChainerBackend"},
        {"PYTHON_KEYRING_BACKEND": "keyrings.alt.file.PlaintextKeyring"},
        {},
    ],
    ids=lambda choice: choice.get("PYTHON_KEYRING_BACKEND", "found by itself"),
)
def test_the_library_may_pick_an_unsafe_backend_but_we_do_not_use_it(
    tmp_path: Path, plaintext: tuple[Path, Path], choice: dict[str, str]
) -> None:
    """SEC-16"""
    require()  # elsewhere than on Linux the chain would find the real keyring
    site, written = plaintext
    with Child({"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "PYTHONPATH": str(site), **choice}) as child:
        told = child.ask("set", KEY)
        assert (told["source"], told["keyring_name"]) == ("memory", None)
        assert told["keyring_problem"]
        assert child.ask("get") == KEY
        assert child.ask("remove")["set"] is False
    assert not written.exists()
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and KEY.encode() in path.read_bytes()]


def test_of_a_chain_that_begins_with_a_plain_file_the_secret_service_is_used(
    service: SecretService, plaintext: tuple[Path, Path]
) -> None:
    """SEC-16: with two backends keyring itself picks the chain, and its best member is the file."""
    site, written = plaintext
    with Child(service.child_env(PYTHONPATH=str(site))) as child:
        told = child.ask("set", KEY)
        assert (told["source"], told["keyring_class"]) == (
            "keyring",
            "keyring.backends.SecretService.Keyring",
        )
        child.ask("forget")
        assert child.ask("get") == KEY
    assert not written.exists()


def test_the_library_has_every_backend_of_our_list() -> None:
    """SEC-16: a renamed backend would silently cost a platform its keyring."""
    import importlib

    for path in keystore.SAFE:
        module, _, name = path.rpartition(".")
        assert hasattr(importlib.import_module(module), name), path
