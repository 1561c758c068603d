"""The command line as scripts use it: real processes, a real SDK, a fake API."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from apprun import claudedesk, environment, serving, until
from fakeapi import FakeAPI

pytestmark = pytest.mark.slow  # a process for each command


@pytest.fixture
def env(tmp_path: Path, fake: FakeAPI) -> dict[str, str]:
    """A fresh home with the fake's address and key."""
    return environment(tmp_path, fake)


def test_ask_prints_the_answer_that_the_fake_sent_and_export_holds_both_turns(
    env: dict[str, str], fake: FakeAPI
) -> None:
    fake.reply(text="Paris, of course.")
    asked = claudedesk("ask", "Which city?", "--json", env=env)
    assert asked.returncode == 0, asked.stderr
    told = json.loads(asked.stdout)
    assert told["text"] == "Paris, of course." and told["status"] == "complete"
    assert set(told) == {
        "conversation", "message", "text", "model", "status", "stop_reason", "usage", "cost_usd",
        "from_answer_cache", "request_id",
    }  # fmt: skip
    assert told["request_id"] == fake.last.request_id and told["usage"]["output"] > 0
    exported = json.loads(claudedesk("export", "--format", "json", env=env).stdout)
    [kept] = exported["conversations"]
    assert [m["content"][0]["text"] for m in kept["messages"]] == ["Which city?", "Paris, of course."]
    assert kept["id"] == told["conversation"]


def test_ask_goes_on_in_a_conversation_reads_stdin_and_streams_plain_text(
    env: dict[str, str], fake: FakeAPI
) -> None:
    fake.reply(text="First.")
    fake.reply(text="Second.")
    first = json.loads(claudedesk("ask", "One", "--json", "--system", "Be brief.", env=env).stdout)
    second = claudedesk("ask", "-", "--conversation", first["conversation"], env=env, stdin="Two\n")
    assert second.stdout == "Second.\n" and second.returncode == 0
    body = [seen.body for seen in fake.log if seen.path == "/v1/messages"][-1]
    assert [m["role"] for m in body["messages"]] == ["user", "assistant", "user"] and body[
        "system"
    ] == "Be brief."


def test_exit_codes_tell_failed_usage_and_no_key_apart(
    env: dict[str, str], fake: FakeAPI, tmp_path: Path
) -> None:
    fake.fault("overloaded_529")
    failed = claudedesk("ask", "One", env=env)
    assert failed.returncode == 1 and "overloaded" in failed.stderr and failed.stdout == ""
    assert claudedesk("ask", "  ", env=env).returncode == 2
    assert claudedesk("ask", "x", "--model", "no-such-model", env=env).returncode == 2
    assert claudedesk("ask", env=env).returncode == 2
    assert claudedesk("settings", "set", "appearance.theme", "pink", env=env).returncode == 2
    none = claudedesk("ask", "One", env=environment(tmp_path / "other"))
    assert none.returncode == 3 and "key" in none.stderr


def test_the_answer_cache_is_shared_by_commands_and_can_be_passed_by(
    env: dict[str, str], fake: FakeAPI
) -> None:
    fake.reply(text="Once.")
    claudedesk("ask", "Same", env=env)
    again = json.loads(claudedesk("ask", "Same", "--json", env=env).stdout)
    assert again["from_answer_cache"] is True and again["cost_usd"] == "0" and fake.posts == 1
    claudedesk("ask", "Same", "--no-answer-cache", env=env)
    assert fake.posts == 2


def test_models_settings_and_search_read_what_is_kept(env: dict[str, str], fake: FakeAPI) -> None:
    listed = json.loads(claudedesk("models", "--json", env=env).stdout)
    assert {row["id"] for row in listed} <= set(fake.models) and listed
    assert claudedesk("settings", "set", "reply.max_tokens", "1000", env=env).returncode == 0
    assert claudedesk("settings", "get", "reply.max_tokens", env=env).stdout == "1000\n"
    assert "appearance.theme = system" in claudedesk("settings", env=env).stdout
    assert claudedesk("settings", "get", "no.such", env=env).returncode == 2
    fake.reply(text="The zeppelin landed in Friedrichshafen.")
    claudedesk("ask", "Tell me", env=env)
    [hit] = json.loads(claudedesk("search", "zeppelin", "--json", env=env).stdout)
    assert hit["role"] == "assistant" and "zeppelin" in hit["snippet"]
    assert {"conversation", "message", "role", "created", "snippet"} <= set(hit)
    assert fake.last.body["max_tokens"] == 1000


def test_markdown_goes_to_a_folder_with_names_that_any_system_takes(
    env: dict[str, str], fake: FakeAPI, tmp_path: Path
) -> None:
    fake.reply(text="An *answer*.")
    claudedesk("ask", "What is a/b: <c>?", env=env)
    out = tmp_path / "out"
    assert claudedesk("export", "--format", "markdown", "--out", str(out), env=env).returncode == 0
    [document] = out.iterdir()
    assert not set(document.name) & set('<>:"/\\|?*')
    text = document.read_text("utf-8")
    assert "What is a/b: <c>?" in text and "An *answer*." in text and "## Claude" in text
    assert stat.S_IMODE(document.stat().st_mode) == 0o600


def test_while_the_app_runs_ask_and_settings_are_handed_to_it(env: dict[str, str], fake: FakeAPI) -> None:
    with serving(env) as app:
        fake.reply(text="From the app.")
        asked = claudedesk("ask", "Who?", "--json", env=env)
        assert asked.returncode == 0, asked.stderr
        told = json.loads(asked.stdout)
        assert told["text"] == "From the app."
        assert "From the app." in app.request("GET", f"/chat/{told['conversation']}")[2]
        claudedesk("settings", "set", "appearance.theme", "dark", env=env)
        assert 'data-theme="dark"' in app.request("GET", "/settings/")[2]
        refused = claudedesk("ask", " ", env=env)
        assert refused.returncode == 2 and "nothing to send" in refused.stderr
        assert app.stop() == 0


def test_a_handed_over_ask_that_is_interrupted_stops_the_reply(env: dict[str, str], fake: FakeAPI) -> None:
    import signal
    import subprocess
    import sys

    from apprun import ROOT

    with serving(env):
        fake.reply(text="A long answer that never goes on", delta_chars=4, hold=8)
        command = [sys.executable, "-m", "claudedesk", "ask", "Go"]
        child = subprocess.Popen(
            command, env=env, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        assert child.stdout is not None
        assert child.stdout.read(4) == b"A lo"
        child.send_signal(signal.SIGINT)
        child.wait(10)
        child.stdout.close()
        assert fake.wait_until(lambda api: api.last.closed_early, 5)


def test_serve_prints_one_line_and_the_address_works_once(env: dict[str, str], tmp_path: Path) -> None:
    """SEC-06"""
    with serving(env, enter=False) as app:
        assert app.request("GET", "/healthz")[2] == "ok"
        assert app.request("GET", "/chat/")[0] == 401
        app.enter()
        assert app.request("GET", "/chat/")[0] == 200
        app.cookie = ""
        assert app.request("GET", app.url.removeprefix(app.base))[0] == 403
        opened = claudedesk("open", env=env)
        # No desktop here, so the address is printed; a browser would be given it.
        assert opened.returncode == 0 and (not opened.stdout or "/?c=" in opened.stdout)


def test_a_second_start_finds_the_first(env: dict[str, str]) -> None:
    """DAT-09"""
    with serving(env):
        second = claudedesk("serve", env=env, timeout=30)
        assert second.returncode == 0 and "runs already" in second.stderr and "/?c=" in second.stdout


def test_a_key_in_memory_of_the_app_is_set_by_command_and_never_shown(tmp_path: Path, fake: FakeAPI) -> None:
    """SEC-06, SEC-16, SEC-19: the key goes in by stdin and comes out nowhere."""
    env = environment(tmp_path, CLAUDEDESK_API_URL=fake.url)
    with serving(env, "--demo") as app:
        told = claudedesk("key", "set", env=env, stdin=f"  {fake.key}\n")
        assert told.returncode == 0, told.stderr
        assert fake.key not in told.stdout + told.stderr
        status = claudedesk("key", "status", env=env)
        assert status.returncode == 0 and fake.key not in status.stdout
        checked = app.json("POST", "/settings/key/check")
        assert checked[0] == 200 and "works" in checked[1]["message"] and fake.key not in json.dumps(checked)
        claudedesk("key", "remove", env=env)
        assert claudedesk("key", "status", env=env).returncode == 3
    found = [p for p in tmp_path.rglob("*") if p.is_file() and fake.key.encode() in p.read_bytes()]
    assert found == []


def test_a_closed_pipe_ends_quietly(env: dict[str, str], fake: FakeAPI) -> None:
    import subprocess
    import sys

    from apprun import ROOT

    fake.reply(text="word " * 2_000)
    shell = f"{sys.executable} -m claudedesk ask Go | head -c 5"
    told = subprocess.run(["sh", "-c", shell], env=env, cwd=ROOT, capture_output=True, text=True, check=False)
    assert told.stdout == "word " and "Traceback" not in told.stderr


def test_wrong_environment_is_named(tmp_path: Path) -> None:
    """SEC-18"""
    for name, value in {"CLAUDEDESK_API_URL": "http://example.com", "CLAUDEDESK_LOG_LEVEL": "LOUD"}.items():
        told = claudedesk("settings", env=environment(tmp_path, **{name: value}))
        assert told.returncode == 2 and name in told.stderr


def test_version_and_help_read_well(env: dict[str, str]) -> None:
    from claudedesk import __version__

    assert claudedesk("--version", env=env).stdout.strip().endswith(__version__)
    told = claudedesk("--help", env=env).stdout
    for command in ("serve", "open", "ask", "key", "models", "settings", "search", "export"):
        assert f"  {command} " in told


def test_an_answer_that_is_cut_at_the_end_of_an_app_is_kept(env: dict[str, str], fake: FakeAPI) -> None:
    """DAT-26: SIGTERM while a reply streams."""
    with serving(env) as app:
        fake.reply(text="Half an answer that hangs", delta_chars=4, hold=12)
        conversation = "c_" + "0" * 22
        status, told = app.json(
            "POST",
            f"/chat/{conversation}/messages",
            {"client_id": "client-0001", "text": "Go", "model": None},
        )
        assert status == 202
        until(
            lambda: (
                "Half an answ" in app.request("GET", f"/chat/messages/{told['reply']}/turn")[2]
                or _grown(fake)
            )
        )
        assert app.stop() == 0
    exported: Any = json.loads(claudedesk("export", env=env).stdout)
    reply = exported["conversations"][0]["messages"][1]
    assert reply["status"] == "truncated" and reply["content"][0]["text"] == "Half an answ"


def _grown(fake: FakeAPI) -> bool:
    import time

    time.sleep(0.5)
    return fake.posts == 1
