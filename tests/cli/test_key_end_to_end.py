"""A key in a real keyring: set by command, used by the app, in nobody's argv, file, log or page."""

from __future__ import annotations

from pathlib import Path

import pytest
from apprun import ROOT, claudedesk, serving
from fakeapi import FakeAPI
from secretservice import require, secret_service

pytestmark = pytest.mark.keyring


def test_a_key_set_by_command_answers_after_a_restart_and_is_found_nowhere(
    tmp_path: Path, fake: FakeAPI
) -> None:
    """SEC-06, SEC-16, SEC-17: the canary key through set, ask, serve, a wrong key and remove."""
    require()
    with secret_service() as service:
        env = service.child_env(
            CLAUDEDESK_HOME=str(tmp_path / "desk"),
            CLAUDEDESK_API_URL=fake.url,
            PYTHONPATH=str(ROOT),
            BROWSER="true",
        )
        assert claudedesk("key", "status", env=env).returncode == 3
        told = claudedesk("key", "set", env=env, stdin=f"export ANTHROPIC_API_KEY='{fake.key}'\n")
        assert told.returncode == 0 and fake.key not in told.stdout + told.stderr, told.stderr
        assert not service.holds(fake.key), "encrypted on disk"
        fake.reply(text="With the keyring's key.")
        assert claudedesk("ask", "Who holds the key?", env=env).stdout == "With the keyring's key.\n"
        with serving(env) as app:
            assert "Message" in app.request("GET", "/chat/")[2]
            assert fake.key.encode() not in _command_lines()
            fake.fault("auth_401")
            asked = claudedesk("ask", "Refused?", env=env)
            assert asked.returncode == 1 and "refused" in asked.stderr
        assert claudedesk("key", "remove", env=env).returncode == 0
        assert claudedesk("key", "status", env=env).returncode == 3
    kept = [p for p in tmp_path.rglob("*") if p.is_file() and fake.key.encode() in p.read_bytes()]
    assert kept == []


def _command_lines() -> bytes:
    found = b""
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found += process.read_bytes()
        except OSError:
            continue
    return found
