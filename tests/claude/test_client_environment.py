"""Our client takes address, key and headers from the config alone, and lets no key out through an error."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from fakeapi import FakeAPI

from claudedesk.claude.client import MAX_BODY, Claude, Stopper
from claudedesk.config import Config
from claudedesk.errors import BadInput, UpstreamError

HOSTILE = {
    "ANTHROPIC_BASE_URL": "http://127.0.0.1:9",
    "ANTHROPIC_API_KEY": "sk-ant-from-the-environment",
    "ANTHROPIC_AUTH_TOKEN": "token-from-the-environment",
    "ANTHROPIC_CUSTOM_HEADERS": "x-from: the environment\nAuthorization: Bearer somebody-elses",
    "ANTHROPIC_LOG": "debug",
    "ANTHROPIC_PROFILE": "nobody",
    "ANTHROPIC_OPEN_TELEMETRY_TRACES_CONTENT_MODE": "content",
}
BODY: dict[str, Any] = {
    "model": "test-large-1",
    "max_tokens": 100,
    "messages": [{"role": "user", "content": "hi"}],
}


class OneKey:
    """A keystore with one key, uncleaned."""

    def __init__(self, key: str) -> None:
        self.key, self.generation = key, 0

    def get(self) -> str:
        return self.key


@pytest.fixture
def claude(config: Config, fake: FakeAPI) -> Iterator[Callable[..., Claude]]:
    """Make clients of the fake as the app does."""
    made: list[Claude] = []

    def make(key: str = "", **changes: Any) -> Claude:
        made.append(Claude(replace(config, **changes), OneKey(key or fake.key)))
        return made[-1]

    yield make
    for client in made:
        client.close()


@pytest.fixture
def hostile(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Set everything the SDK would read by itself; return the environment."""
    for name, value in HOSTILE.items():
        monkeypatch.setenv(name, value)
    return environment()


def environment() -> dict[str, str]:
    """Return the environment without what pytest writes there between two phases of a test."""
    return {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}


def read(client: Claude, **changes: Any) -> list[Any]:
    """Stream one answer and return its events."""
    return list(client.stream({**BODY, **changes}, Stopper()))


def behind(error: BaseException) -> list[BaseException]:
    """Return the error and all that hangs on it, shown in a traceback or not."""
    found, waiting = [], [error]
    while waiting:
        one = waiting.pop()
        if one not in found:
            found.append(one)
            waiting += [link for link in (one.__cause__, one.__context__) if link is not None]
    return found


def test_a_call_obeys_the_config_and_nothing_of_the_sdks_environment(
    claude: Callable[..., Claude], fake: FakeAPI, hostile: dict[str, str]
) -> None:
    """SEC-18, SEC-29"""
    assert read(claude())[-1] == ("done",)
    assert fake.posts == 1 and fake.last.key == fake.key
    sent = "\n".join(f"{name}: {value}" for name, value in fake.last.headers.items())
    assert "environment" not in sent and "somebody-elses" not in sent and "x-from" not in sent
    assert environment() == hostile, "what others may need of the environment is still there"


def test_the_list_of_models_obeys_the_config_too(
    claude: Callable[..., Claude], fake: FakeAPI, hostile: dict[str, str]
) -> None:
    """SEC-18"""
    assert claude().list_models()
    assert fake.last.path == "/v1/models" and fake.last.key == fake.key
    assert "x-from" not in fake.last.headers and environment() == hostile


def test_the_environment_is_intact_when_the_client_cannot_be_built(
    claude: Callable[..., Claude], hostile: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """SEC-18"""
    import anthropic

    def refuse(*_: Any, **__: Any) -> None:
        assert not [name for name in os.environ if name.startswith("ANTHROPIC_")]
        raise RuntimeError("no client today")

    monkeypatch.setattr(anthropic, "Anthropic", refuse)
    with pytest.raises(RuntimeError):
        read(claude())
    assert environment() == hostile


def test_no_trace_and_no_debug_log_of_a_call_goes_anywhere(
    claude: Callable[..., Claude], hostile: dict[str, str]
) -> None:
    """SEC-18, SEC-29"""
    client = claude()
    read(client)
    sdk: Any = client._client(demo=False)
    assert sdk.open_telemetry["traces"]["enabled"] is False and sdk.max_retries == 0
    assert all(logging.getLogger(name).level != logging.DEBUG for name in ("anthropic", "httpx", "httpx2"))


def test_a_redirect_is_not_followed(claude: Callable[..., Claude], fake: FakeAPI) -> None:
    """SEC-18, UP-21"""
    fake.fault("redirect_307")
    with pytest.raises(UpstreamError) as caught:
        read(claude())
    assert caught.value.kind == "redirect" and "not followed" in caught.value.user_message
    assert fake.posts == 1 and fake.strays == []


def test_a_redirect_of_the_list_of_models_is_not_followed(
    claude: Callable[..., Claude], fake: FakeAPI
) -> None:
    """SEC-18, UP-21"""
    fake.fault("redirect_307", path="/v1/models")
    with pytest.raises(UpstreamError) as caught:
        claude().list_models()
    assert caught.value.kind == "redirect" and len(fake.log) == 1 and fake.strays == []


@pytest.mark.parametrize("letter", ["x", "\u00e9", "\U0001f600", "\n", "\ud800"])
def test_a_body_beyond_32_mb_is_refused_before_it_is_sent(
    claude: Callable[..., Claude], fake: FakeAPI, letter: str
) -> None:
    """UP-07: the bytes that would go out count, not the characters."""
    size = len(letter.encode("utf-8", "replace")) * (2 if letter == "\n" else 1)
    long = letter * (MAX_BODY // size)
    with pytest.raises(BadInput) as caught:
        read(claude(), messages=[{"role": "user", "content": long}])
    assert "32 MB" in caught.value.user_message and fake.log == []


def test_a_body_just_below_the_limit_is_sent(claude: Callable[..., Claude], fake: FakeAPI) -> None:
    """UP-07"""
    fake.fault("invalid_400")
    with pytest.raises(UpstreamError):
        read(claude(), messages=[{"role": "user", "content": "x" * (MAX_BODY - 1_000)}])
    assert fake.posts == 1 and fake.last.size < MAX_BODY


@pytest.mark.parametrize("end", ["\n", "\r", "\0", "\nx: y", " ", "\u200b"])
def test_a_key_that_cannot_be_sent_hangs_on_no_error(
    claude: Callable[..., Claude], fake: FakeAPI, end: str, caplog: pytest.LogCaptureFixture
) -> None:
    """SEC-16, SEC-29: `logger.exception` writes the whole chain, with what is suppressed in a traceback."""
    for call in (read, Claude.list_models):
        with pytest.raises(UpstreamError) as caught:
            call(claude(key=fake.key + end))
        told = [f"{one} {one!r} {one.args}" for one in behind(caught.value)]
        assert not [words for words in told if fake.key in words]
        assert fake.key not in str(vars(caught.value))
        if end != "\u200b":
            assert caught.value.kind == "key_unusable" and fake.posts == 0
    assert fake.key not in caplog.text
