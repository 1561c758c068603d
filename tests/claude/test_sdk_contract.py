"""What the installed SDK really does: the facts that our client, policy and words are built on.

A failure here after an upgrade is no bug of ours yet: it says which assumption to look at again.
"""

from __future__ import annotations

import contextlib
import inspect
import json
import logging
import socket
import ssl
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from typing import Any

import anthropic
import fakeapi
import httpcore2
import httpx2
import pytest
from anthropic import _base_client
from anthropic.resources.messages.messages import DEPRECATED_MODELS
from fakeapi import FAULTS, KEY, FakeAPI, FakeModel, Reply

from claudedesk.claude.transport import Handle, stoppable_client, track

AT_ONCE = 1.0
ASK: dict[str, Any] = {
    "model": "test-large-1",
    "max_tokens": 1000,
    "messages": [{"role": "user", "content": "hi"}],
}


@pytest.fixture
def fake() -> Iterator[FakeAPI]:
    """Yield a fresh fake API."""
    with FakeAPI() as api:
        yield api


@contextlib.contextmanager
def sdk(
    fake: FakeAPI, *, key: str | None = None, read: float = 10, **options: Any
) -> Iterator[anthropic.Anthropic]:
    """Yield the SDK's client as ours is built (no retries, no redirects), unless told otherwise."""
    # All is plain HTTP; an empty TLS context spares each test the system's certificates.
    empty = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    http = httpx2.Client(timeout=httpx2.Timeout(10, read=read), follow_redirects=False, verify=empty)
    chosen: dict[str, Any] = {"max_retries": 0, "http_client": http, **options}
    with anthropic.Anthropic(api_key=key or fake.key, base_url=fake.url, **chosen) as client:
        yield client


@pytest.fixture
def client(fake: FakeAPI) -> Iterator[anthropic.Anthropic]:
    """Yield a client of the fake without retries."""
    with sdk(fake) as made:
        yield made


@pytest.fixture
def naps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Let the SDK sleep no longer than it takes to write the seconds down."""
    slept: list[float] = []
    monkeypatch.setattr(_base_client.time, "sleep", slept.append)
    return slept


def read(client: anthropic.Anthropic, **changes: Any) -> list[Any]:
    """Stream one answer and return its events."""
    return list(client.messages.create(**{**ASK, **changes}, stream=True))


def text(events: list[Any]) -> str:
    """Join the text deltas."""
    return "".join(
        e.delta.text for e in events if e.type == "content_block_delta" and e.delta.type == "text_delta"
    )


def causes(error: BaseException | None) -> list[BaseException]:
    """Return the error and what stands behind it."""
    found = []
    while error is not None:
        found.append(error)
        error = error.__cause__ or error.__context__
    return found


# The wire


def test_the_key_is_sent_as_a_bearer_token_with_the_version_of_the_api(
    fake: FakeAPI, client: anthropic.Anthropic
) -> None:
    """2.12 sends no X-Api-Key any more; a leaked header is `Authorization`."""
    read(client)
    headers = fake.last.headers
    assert headers["authorization"] == f"Bearer {fake.key}"
    assert "x-api-key" not in headers
    assert headers["anthropic-version"] == "2026-10-21"
    assert not [name for name in headers if "idempotency" in name]


def test_no_idempotency_key_goes_out_even_between_retries(fake: FakeAPI, naps: list[float]) -> None:
    """UP-23: it is made, but 2.12 names no header for it. Only our own id protects from a second charge."""
    fake.fault("server_500", times=2)
    with sdk(fake, max_retries=2) as client:
        read(client)
    assert fake.posts == 3
    assert not [name for seen in fake.log for name in seen.headers if "idempotency" in name]


def test_a_stream_has_the_documented_events_in_their_order(
    fake: FakeAPI, client: anthropic.Anthropic
) -> None:
    """The shapes that claude/events.py reads; pings are swallowed (TRUST C1)."""
    fake.reply(text="Hello world", thinking="Hm.", delta_chars=100)
    kinds = [event.type for event in read(client, thinking={"type": "adaptive"})]
    block = ["content_block_start", "content_block_delta", "content_block_stop"]
    thinking = ["content_block_start", "content_block_delta", "content_block_delta", "content_block_stop"]
    assert kinds == ["message_start", *thinking, *block, "message_delta", "message_stop"]
    assert "ping" in fake.last.events


def test_every_delta_kind_arrives_with_its_own_field(fake: FakeAPI, client: anthropic.Anthropic) -> None:
    """Text, thinking, signature, tool input and citations."""
    citation = {
        "type": "char_location",
        "cited_text": "grass is green",
        "document_index": 0,
        "document_title": None,
        "start_char_index": 0,
        "end_char_index": 14,
        "file_id": None,
    }
    blocks = [
        {"type": "thinking", "thinking": "let me see"},
        {"type": "redacted_thinking"},
        {"type": "text", "text": "grass is green", "citations": [citation]},
        {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"city": "Bern"}},
    ]
    fake.reply(blocks=blocks, stop_reason="tool_use")
    deltas = [e.delta for e in read(client) if e.type == "content_block_delta"]
    by_kind = {delta.type: delta for delta in deltas}
    assert by_kind["thinking_delta"].thinking == "let me see"
    assert by_kind["signature_delta"].signature
    assert by_kind["text_delta"].text == "grass is green"
    assert by_kind["citations_delta"].citation.to_dict() == citation
    pieces = [delta.partial_json for delta in deltas if delta.type == "input_json_delta"]
    assert json.loads("".join(pieces)) == {"city": "Bern"}


def test_usage_in_message_delta_is_cumulative_and_lacks_the_split_by_lifetime(
    fake: FakeAPI, client: anthropic.Anthropic
) -> None:
    """P-16 and cost: overwrite, do not add; the 5m/1h split stands in message_start only."""
    fake.reply(text="one two three", thinking="hm")
    long = "word " * 2_000
    events = read(client, system=long, cache_control={"type": "ephemeral"}, thinking={"type": "adaptive"})
    start = events[0].message.usage
    end = next(e.usage for e in events if e.type == "message_delta")
    assert start.cache_creation.ephemeral_5m_input_tokens == start.cache_creation_input_tokens > 1_900
    assert end.cache_creation_input_tokens == start.cache_creation_input_tokens
    assert end.output_tokens > start.output_tokens
    assert end.output_tokens_details.thinking_tokens == 1
    assert not hasattr(end, "cache_creation")


def test_models_come_newest_first_page_by_page_without_the_retired(
    fake: FakeAPI, client: anthropic.Anthropic
) -> None:
    """UP-26: lifecycle and retires_at come from the list; retired models only when asked for."""
    ids = [model.id for model in client.models.list(limit=2)]
    assert ids == ["test-large-1", "test-medium-1", "test-small-1", "test-old-1"]
    assert [seen.query.get("after_id") for seen in fake.log] == [None, ["test-medium-1"]]
    old = client.models.retrieve("test-old-1")
    assert old.lifecycle == "deprecated" and old.retires_at is not None
    gone = client.models.list(lifecycle=["retired"])
    assert [model.id for model in gone] == ["test-gone-1"]
    assert old.to_dict(mode="json")["capabilities"]["thinking"]["types"]["adaptive"] == {"supported": False}


def test_counting_tokens_costs_no_message(fake: FakeAPI, client: anthropic.Anthropic) -> None:
    """It takes the request without max_tokens."""
    ask = {name: value for name, value in ASK.items() if name != "max_tokens"}
    assert client.messages.count_tokens(**ask).input_tokens == 4
    assert fake.posts == 0


def test_there_is_no_temperature_any_more(fake: FakeAPI, client: anthropic.Anthropic) -> None:
    """FEATURES, platform fact 4: the parameter is gone from the SDK, and the API refuses it."""
    with pytest.raises(TypeError):
        client.messages.create(**ASK, temperature=0.5)
    assert not {"temperature", "top_p", "top_k"} & set(inspect.signature(client.messages.create).parameters)
    with pytest.raises(anthropic.BadRequestError, match="temperature: Extra inputs"):
        client.messages.create(**ASK, extra_body={"temperature": 0.5})


def test_the_sdk_warns_of_models_it_knows_to_be_deprecated(client: anthropic.Anthropic) -> None:
    """UP-26: a DeprecationWarning is all; our notice comes from the models list."""
    with pytest.warns(DeprecationWarning, match="end-of-life"), pytest.raises(anthropic.NotFoundError):
        read(client, model=next(iter(DEPRECATED_MODELS)))


def test_a_long_answer_without_a_stream_is_refused_by_the_sdk_itself(fake: FakeAPI) -> None:
    """TRUST C1: only while the client has the default timeout; so we always stream."""
    refused = pytest.raises(ValueError, match="Streaming is required")
    with anthropic.Anthropic(api_key=fake.key, base_url=fake.url) as client, refused:
        client.messages.create(**{**ASK, "max_tokens": 64_000})
    with sdk(fake) as ours:
        ours.messages.create(**{**ASK, "max_tokens": 64_000})
    assert fake.posts == 1


# What is unknown


def test_unknown_events_deltas_and_blocks_change_nothing_but_come_in_foreign_classes(
    fake: FakeAPI, client: anthropic.Anthropic
) -> None:
    """TRUST C1 says "harmless": true only for readers that go by `type`.

    An unknown event is a RawMessageStartEvent whose message is None, an unknown delta a TextDelta whose text
    is None, and `to_dict` on them warns; `isinstance` would be fooled.
    """
    fake.reply(text="Hello world", delta_chars=4, unknown=True)
    events = read(client)
    assert text(events) == "Hello world"
    event = next(e for e in events if e.type == "future_event")
    assert isinstance(event, anthropic.types.RawMessageStartEvent)
    assert event.message is None
    delta = next(
        e.delta for e in events if e.type == "content_block_delta" and e.delta.type == "future_delta"
    )
    assert isinstance(delta, anthropic.types.TextDelta)
    assert delta.text is None
    block = next(
        e for e in events if e.type == "content_block_start" and e.content_block.type == "future_block"
    )
    assert block.content_block.to_dict(warnings=False) == {"type": "future_block", "x": 1}
    with pytest.warns(UserWarning, match="Pydantic"):
        block.to_dict()


def test_the_raw_events_of_a_stream_can_be_read_without_the_sdks_classes(
    fake: FakeAPI, client: anthropic.Anthropic
) -> None:
    """`Stream.raw_events` gives name and JSON as sent; pings and errors too, which are not raised then."""
    fake.reply(text="Hello world", unknown=True)
    fake.fault("event_overloaded_error", phase="after_first_word")
    with client.messages.with_streaming_response.create(**ASK, stream=True) as response:
        raw = [
            (sse.event, json.loads(sse.data)) for sse in anthropic.Stream.raw_events(response.http_response)
        ]
    assert [name for name, _ in raw] == [*fake.last.events, "error"]
    assert raw[-1][1]["error"]["type"] == "overloaded_error"


# Faults with one try

CLASSES = {
    "invalid_400": "BadRequestError",
    "too_long_400": "BadRequestError",
    "spend_limit_400": "BadRequestError",
    "credit_400": "BadRequestError",
    "auth_401": "AuthenticationError",
    "billing_402": "PaymentRequiredError",
    "permission_403": "PermissionDeniedError",
    "not_found_404": "NotFoundError",
    "proxy_407": "APIStatusError",
    "timeout_408": "RequestTimeoutError",
    "conflict_409": "ConflictError",
    "too_large_413": "ContentTooLargeError",
    "rate_limit_429": "RateLimitError",
    "rate_limit_429_long": "RateLimitError",
    "no_retry_after_429": "RateLimitError",
    "spend_cap_429": "EnforcedSpendLimitReachedError",
    "contract_cap_429": "ContractSpendLimitReachedError",
    "ramp_429": "RampLimitExceededError",
    "cancelled_499": "ClientClosedRequestError",
    "server_500": "InternalServerError",
    "bad_gateway_502_html": "InternalServerError",
    "unavailable_503": "ServiceUnavailableError",
    "gateway_504": "GatewayTimeoutError",
    "overloaded_529": "OverloadedError",
    "redirect_307": "APIStatusError",
}


@pytest.mark.parametrize("name", CLASSES)
def test_an_error_answer_is_one_post_and_a_typed_error(
    fake: FakeAPI, client: anthropic.Anthropic, name: str
) -> None:
    """UP-01 to UP-12: with max_retries=0 each costs one POST, and tells status, type, code and request id."""
    fault = FAULTS[name]
    fake.fault(name)
    with pytest.raises(anthropic.APIStatusError) as caught:
        read(client)
    error = caught.value
    assert type(error).__name__ == CLASSES[name]
    assert error.status_code == fault.status
    assert fake.posts == 1
    if fault.kind == "error":
        assert (error.type, error.error_code) == (fault.error().type, fault.error_code)
        assert error.api_message == fault.message
        assert error.request_id == fake.last.request_id
        assert error.response.headers.get("retry-after") == fault.headers.get("retry-after")
    else:
        assert (error.type, error.error_code, error.api_message) == (None, None, None)


def test_every_fault_that_answers_with_an_error_has_its_class_here() -> None:
    """A fault added to the table must be looked at with the SDK."""
    kinds = ("error", "bad_error", "redirect")
    assert set(CLASSES) == {f.name for f in FAULTS.values() if f.kind in kinds and f.phase == "before"}


@pytest.mark.parametrize("phase", ["during", "after_first_word"])
@pytest.mark.parametrize("name", [f.name for f in FAULTS.values() if f.name.startswith("event_")])
def test_an_error_event_is_a_plain_status_error_200_that_only_its_type_explains(
    fake: FakeAPI, name: str, phase: Any, naps: list[float]
) -> None:
    """UP-13, TRUST C1: classify by `type`, never by class or status. It is never retried."""
    fake.fault(name, phase=phase)
    with sdk(fake, max_retries=2) as client, pytest.raises(anthropic.APIStatusError) as caught:
        read(client)
    assert type(caught.value) is anthropic.APIStatusError
    assert caught.value.status_code == 200
    assert caught.value.type == FAULTS[name].type
    assert fake.posts == 1 and naps == []


MID_STREAM = {
    "cut_rst": httpx2.ReadError,
    "cut_fin": httpx2.RemoteProtocolError,
    "silent_stream": httpx2.ReadTimeout,
    "malformed_json": json.JSONDecodeError,
    "truncated_utf8": UnicodeDecodeError,
}


@pytest.mark.parametrize("phase", ["during", "after_first_word"])
@pytest.mark.parametrize("name", MID_STREAM)
def test_a_failure_in_mid_stream_is_the_wires_own_error_and_never_retried(
    fake: FakeAPI, name: str, phase: Any, naps: list[float]
) -> None:
    """UP-14, UP-16, UP-22, TRUST fact 8: no anthropic.APIError; the last two are ValueErrors."""
    fake.fault(name, phase=phase)
    with sdk(fake, max_retries=2, read=0.3) as client, pytest.raises(MID_STREAM[name]) as caught:
        read(client)
    assert not isinstance(caught.value, anthropic.AnthropicError)
    assert isinstance(caught.value, (httpx2.HTTPError, ValueError))
    assert fake.posts == 1 and naps == []


@pytest.mark.parametrize("name", ["cut_rst", "cut_fin", "silent_headers"])
def test_a_failure_before_the_headers_is_a_connection_error(fake: FakeAPI, name: str) -> None:
    """UP-14, UP-16: here, and only here, the SDK wraps; the timeout has a subclass."""
    fake.fault(name, phase="before")
    expected = anthropic.APITimeoutError if name == "silent_headers" else anthropic.APIConnectionError
    with sdk(fake, read=0.3) as client, pytest.raises(expected) as caught:
        read(client)
    assert any(isinstance(error, httpx2.TransportError) for error in causes(caught.value))
    assert fake.posts == 1


@pytest.mark.parametrize("phase", ["before", "during", "after_first_word"])
def test_a_stream_that_ends_cleanly_but_unfinished_raises_nothing(
    fake: FakeAPI, client: anthropic.Anthropic, phase: Any
) -> None:
    """UP-15, TRUST fact 8: message_stop seen is the only "complete"."""
    fake.fault("clean_end", phase=phase)
    assert "message_stop" not in [event.type for event in read(client)]


def test_the_final_message_of_an_unfinished_stream_has_no_stop_reason(
    fake: FakeAPI, client: anthropic.Anthropic
) -> None:
    """UP-15: the convenience layer does not notice either."""
    fake.reply(text="Hello world")
    fake.fault("clean_end", after_chars=11)
    with client.messages.stream(**ASK) as stream:
        message = stream.get_final_message()
    assert message.stop_reason is None
    assert message.content[0].to_dict(warnings=False)["text"] == "Hello world"


@pytest.mark.parametrize("name", ["captive_portal", "no_content_204", "gzip_bomb", "huge_line"])
def test_nonsense_with_a_good_status_passes_as_a_short_stream(
    fake: FakeAPI, client: anthropic.Anthropic, name: str
) -> None:
    """UP-21, UP-22: neither the content type, nor emptiness, nor size is checked; only message_stop tells."""
    fake.fault(name)
    events = read(client)
    assert "message_stop" not in [event.type for event in events]
    assert len(text(events)) in (0, 20 + 10 * 1024 * 1024)
    assert fake.posts == 1


def test_an_answer_that_drips_in_three_bytes_at_a_time_is_read_right(
    fake: FakeAPI, client: anthropic.Anthropic
) -> None:
    """UP-22: lines and characters may be split anywhere."""
    fake.fault("slow_drip")
    fake.reply(text="Zürich – 東京 🎉")
    assert text(read(client)) == "Zürich – 東京 🎉"


def test_pings_keep_the_read_timeout_away(fake: FakeAPI) -> None:
    """UP-16: so a read timeout of 75 s means a dead stream, not a thoughtful model."""
    fake.reply(text="at last", first_delay=0.9, ping_every=0.1)
    with sdk(fake, read=0.5) as client:
        assert text(read(client)) == "at last"


# Retries


@pytest.mark.parametrize(
    ("name", "posts"),
    [
        *(
            (name, 1)
            for name in ("invalid_400", "auth_401", "billing_402", "permission_403", "not_found_404")
        ),
        *((name, 1) for name in ("proxy_407", "too_large_413", "cancelled_499")),
        *((name, 3) for name in ("timeout_408", "conflict_409", "no_retry_after_429", "spend_cap_429")),
        *((name, 3) for name in ("server_500", "bad_gateway_502_html", "unavailable_503", "gateway_504")),
        *((name, 3) for name in ("overloaded_529", "cut_rst", "cut_fin")),
    ],
)
def test_left_to_itself_the_sdk_retries_these(
    fake: FakeAPI, naps: list[float], name: str, posts: int
) -> None:
    """TRUST C1, UP-09: two more tries, also for a spent cap, where they are hopeless."""
    fake.fault(name, phase="before", times=None)
    with sdk(fake, max_retries=2) as client, pytest.raises(anthropic.APIError):
        read(client)
    assert fake.posts == posts
    assert len(naps) == posts - 1
    if naps:
        assert 0.375 <= naps[0] <= 0.5 and 0.75 <= naps[1] <= 1.0


@pytest.mark.parametrize(("name", "word", "posts"), [("server_500", "false", 1), ("invalid_400", "true", 3)])
def test_x_should_retry_overrules_the_status(
    fake: FakeAPI, naps: list[float], name: str, word: str, posts: int
) -> None:
    """TRUST C1."""
    fake.fault(name, times=None, headers={"x-should-retry": word})
    with sdk(fake, max_retries=2) as client, pytest.raises(anthropic.APIStatusError):
        read(client)
    assert fake.posts == posts


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "3600"}, 3600.0),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after": "99999999999"}, 4_294_967.0),
    ],
)
def test_retry_after_is_obeyed_for_up_to_fifty_days(
    fake: FakeAPI, naps: list[float], headers: dict[str, str], seconds: float
) -> None:
    """UP-08, TRUST fact 9 says "without limit": 2.12 has one, 2**32 milliseconds, what Windows can sleep."""
    fake.fault("rate_limit_429", headers=headers)
    with sdk(fake, max_retries=2) as client:
        read(client)
    assert naps == [seconds]
    assert fake.posts == 2


def test_without_retries_a_fault_never_sleeps(fake: FakeAPI, naps: list[float]) -> None:
    """All waiting is ours: max_retries=0."""
    fake.fault("rate_limit_429_long")
    with sdk(fake) as client, pytest.raises(anthropic.RateLimitError):
        read(client)
    assert naps == [] and fake.posts == 1


# Redirects


def test_left_to_itself_the_sdk_carries_the_prompt_to_another_host(fake: FakeAPI) -> None:
    """SEC-18, UP-21: Authorization is dropped on the way, the body is not."""
    fake.fault("redirect_307")
    with anthropic.Anthropic(api_key=fake.key, base_url=fake.url, max_retries=0) as client:
        read(client)
    assert fake.strays == ["POST /v1/messages"]


def test_a_redirect_that_is_not_followed_is_one_post_and_an_error(fake: FakeAPI) -> None:
    """SEC-18, UP-21."""
    fake.fault("redirect_307")
    with sdk(fake) as client, pytest.raises(anthropic.APIStatusError) as caught:
        read(client)
    assert caught.value.status_code == 307
    assert fake.posts == 1 and fake.strays == []


# The key


@pytest.mark.parametrize("end", ["\n", " ", "\t", "\r", "\0", "\nx: y"])
def test_a_key_with_white_space_at_its_end_stands_in_the_errors_cause(fake: FakeAPI, end: str) -> None:
    """TRUST fact 6: nothing is sent, and `logger.exception` would write the key to the log."""
    with sdk(fake, key=fake.key + end) as client, pytest.raises(anthropic.APIConnectionError) as caught:
        read(client)
    assert KEY not in str(caught.value)
    quoting = [e for e in causes(caught.value) if KEY in str(e)]
    assert quoting and all(type(e).__name__ == "LocalProtocolError" for e in quoting)
    assert fake.posts == 0


@pytest.mark.parametrize("key", [f" {KEY}", f"{KEY}\u200b", f"\ufeff{KEY}", f"{KEY}é"])
def test_a_key_with_an_invisible_stranger_is_sent_and_refused(fake: FakeAPI, key: str) -> None:
    """TRUST fact 6: a puzzling 401, so we clean keys and check them before we store them."""
    with sdk(fake, key=key) as client, pytest.raises(anthropic.AuthenticationError):
        read(client)
    assert fake.posts == 1


def test_debug_logging_writes_the_prompt_but_not_the_key(
    client: anthropic.Anthropic, caplog: pytest.LogCaptureFixture
) -> None:
    """TRUST C1: so logs.py holds these loggers at WARNING."""
    with caplog.at_level(logging.DEBUG):
        read(client, messages=[{"role": "user", "content": "my darkest secret"}])
    assert "my darkest secret" in caplog.text
    assert KEY not in caplog.text


# The environment


def test_an_explicit_key_and_url_beat_the_environment_but_custom_headers_still_come_from_it(
    fake: FakeAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SEC-18: no argument overrules ANTHROPIC_CUSTOM_HEADERS, and it can replace the key itself."""
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-from-the-environment")
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "token-from-the-environment")
    monkeypatch.setenv("ANTHROPIC_PROFILE", "nobody")
    monkeypatch.setenv("ANTHROPIC_CUSTOM_HEADERS", "x-from: the environment")
    with sdk(fake) as client:
        read(client)
    assert fake.last.key == fake.key
    assert fake.last.headers["x-from"] == "the environment"
    monkeypatch.setenv("ANTHROPIC_CUSTOM_HEADERS", "Authorization: Bearer somebody-elses")
    with sdk(fake) as client, pytest.raises(anthropic.AuthenticationError):
        read(client)
    assert fake.last.key == "somebody-elses"


def test_the_environment_is_read_when_the_client_is_built_and_not_again(
    fake: FakeAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SEC-18: hiding the variables for that moment is enough."""
    with sdk(fake) as client:
        monkeypatch.setenv("ANTHROPIC_CUSTOM_HEADERS", "x-from: the environment")
        monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://127.0.0.1:9")
        read(client)
    assert "x-from" not in fake.last.headers


def test_open_telemetry_is_off_when_it_is_told_so(fake: FakeAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    """SEC-18: the environment could otherwise send whole prompts to a collector."""
    monkeypatch.setenv("ANTHROPIC_OPEN_TELEMETRY_TRACES_CONTENT_MODE", "content")
    with sdk(fake) as client:
        assert client.open_telemetry["traces"]["content_mode"] == "content"
    with sdk(fake, open_telemetry=False) as client:
        assert client.open_telemetry["traces"]["enabled"] is False


def test_importing_the_sdk_obeys_anthropic_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """SEC-18: `ANTHROPIC_LOG=debug` at the moment of import writes prompts to stderr; hide it there too."""
    from anthropic._utils import _logs

    assert "_setup_logging()" in inspect.getsource(anthropic)
    monkeypatch.setenv("ANTHROPIC_LOG", "debug")
    monkeypatch.setattr(logging, "basicConfig", lambda **_: None)
    before = _logs.logger.level, _logs.httpx_logger.level
    try:
        _logs.setup_logging()
        assert _logs.logger.level == logging.DEBUG
    finally:
        _logs.logger.setLevel(before[0])
        _logs.httpx_logger.setLevel(before[1])


# Stopping


def start_reading(stream: Any) -> tuple[threading.Thread, list[Any]]:
    """Read a stream to its end in a thread; the list gets the events and the error."""
    found: list[Any] = []

    def work() -> None:
        try:
            found.extend(stream)
        except BaseException as error:
            found.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread, found


def test_closing_a_silent_stream_does_not_wake_its_reader_but_a_socket_shutdown_does(
    fake: FakeAPI, client: anthropic.Anthropic
) -> None:
    """UP-17, TRUST fact 7."""
    fake.fault("silent_stream")
    stream = client.messages.create(**ASK, stream=True)
    # Taken before the close: afterwards the socket object is closed while the reader still sits in recv().
    sock = stream.response.extensions["network_stream"].get_extra_info("socket")
    twin = sock.dup()
    thread, _ = start_reading(stream)
    assert fake.wait_until(lambda api: "content_block_delta" in api.last.events)
    time.sleep(0.1)
    stream.close()
    thread.join(0.7)
    assert thread.is_alive(), "close() woke the reader: the stopper could be simpler now"
    twin.shutdown(socket.SHUT_RDWR)
    thread.join(AT_ONCE)
    assert not thread.is_alive()
    twin.close()
    assert fake.wait_until(lambda api: api.last.closed_early)


def test_what_the_stopper_reaches_into_is_still_there() -> None:
    """The private paths of claude/transport.py: the pool's backend, the stock stream, the proxies' table."""
    from httpcore2._backends.sync import SyncStream
    from httpx2._utils import get_environment_proxies

    class Backend(httpcore2.NetworkBackend):
        def connect_tcp(self, *args: Any, **kwargs: Any) -> httpcore2.NetworkStream:
            raise httpcore2.ConnectError("it was asked")

    empty = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    for proxy in (None, "http://127.0.0.1:9"):
        with httpx2.HTTPTransport(verify=empty, proxy=proxy) as transport:
            assert isinstance(transport._pool._network_backend, httpcore2.SyncBackend)
            transport._pool._network_backend = Backend()
            with pytest.raises(httpx2.ConnectError, match="it was asked"):
                transport.handle_request(httpx2.Request("GET", "http://127.0.0.1:9/"))
    assert issubclass(SyncStream, httpcore2.NetworkStream)
    assert isinstance(get_environment_proxies(), dict)


@pytest.mark.parametrize("reused", [False, True], ids=["fresh", "reused"])
@pytest.mark.parametrize("fault", ["silent_headers", "silent_stream"])
def test_the_sdk_over_the_stoppable_client_ends_at_once(fake: FakeAPI, fault: str, reused: bool) -> None:
    """UP-17, PERFORMANCE §2: also while `create()` has not returned, on fresh and on reused connections."""
    empty = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    http = stoppable_client(timeout=httpx2.Timeout(30), verify=empty)
    with sdk(fake, http_client=http) as client:
        if reused:
            read(client)
        fake.fault(fault)
        handle, errors = Handle(), list[BaseException]()

        def work() -> None:
            with track(handle):
                try:
                    read(client)
                except Exception as error:
                    errors.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        posts = 1 + int(reused)
        assert fake.wait_until(lambda api: api.posts == posts and (api.last.answered or "headers" in fault))
        time.sleep(0.05)
        handle.abort()
        thread.join(AT_ONCE)
        assert not thread.is_alive()
        before = "headers" in fault
        assert isinstance(errors[0], anthropic.APIConnectionError if before else httpx2.ReadError)
        assert fake.wait_until(lambda api: api.last.closed_early)
        assert fake.last.connection == 1
        assert read(client)[-1].type == "message_stop"
        assert fake.posts == posts + 1


def test_the_cause_of_a_failed_connection_is_found_in_the_context(fake: FakeAPI) -> None:
    """UP-21: httpcore2 re-raises `from None`, so the OSError is in `__context__`, not in `__cause__`."""
    fake.close()
    with sdk(fake) as client, pytest.raises(anthropic.APIConnectionError) as caught:
        read(client)
    assert "ConnectionRefusedError" in {type(error).__name__ for error in causes(caught.value)}
    assert caught.value.__cause__ is not None and caught.value.__cause__.__cause__ is not None
    assert caught.value.__cause__.__cause__.__cause__ is None


# What the API refuses, as the fake has it


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"messages": [*ASK["messages"], {"role": "assistant", "content": "The"}]}, "prefill"),
        ({"messages": [{"role": "user", "content": ""}]}, "non-empty"),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": " "}]}]}, "non-whitespace"),
        ({"max_tokens": 200_000}, "max_tokens: 200000 > 128000"),
        ({"model": "test-small-1", "thinking": {"type": "adaptive"}}, "thinking.type"),
        ({"thinking": {"type": "enabled", "budget_tokens": 2_000}}, "thinking.type"),
        ({"model": "test-medium-1", "output_config": {"effort": "max"}}, "output_config.effort"),
    ],
)
def test_a_request_that_the_model_cannot_take_is_a_400_with_the_field_in_front(
    fake: FakeAPI, client: anthropic.Anthropic, changes: dict[str, Any], words: str
) -> None:
    """UP-01, FEATURES platform fact 4: parameters are refused, not ignored."""
    with pytest.raises(anthropic.BadRequestError, match=words):
        read(client, **changes)
    assert fake.posts == 1


@pytest.mark.parametrize("model", ["test-gone-1", "nobody-knows-it"])
def test_a_retired_or_unknown_model_is_a_404(client: anthropic.Anthropic, model: str) -> None:
    """UP-06: no 400 any more."""
    with pytest.raises(anthropic.NotFoundError, match=f"model: {model}"):
        read(client, model=model)


def test_a_thinking_block_goes_back_unchanged_to_its_own_model_only(
    fake: FakeAPI, client: anthropic.Anthropic
) -> None:
    """FEATURES platform fact 5: signatures hold for one model and for these very words."""
    fake.reply(text="Four.", thinking="2+2")
    message = client.messages.create(**ASK, thinking={"type": "adaptive"})
    block = message.content[0].to_dict()
    turns = [
        *ASK["messages"],
        {"role": "assistant", "content": [block]},
        {"role": "user", "content": "sure?"},
    ]
    read(client, messages=turns)
    for model, changed in (("test-medium-1", block), ("test-large-1", {**block, "thinking": "2+3"})):
        broken = [turns[0], {"role": "assistant", "content": [changed]}, turns[2]]
        with pytest.raises(anthropic.BadRequestError, match="signature"):
            read(client, model=model, messages=broken)


def test_a_body_beyond_32_mb_is_refused_after_its_upload(fake: FakeAPI, client: anthropic.Anthropic) -> None:
    """UP-07: so the size is checked before anything is sent."""
    with pytest.raises(anthropic.ContentTooLargeError) as caught:
        read(client, system="x" * (33 * 1024 * 1024))
    assert caught.value.type == "request_too_large"


def test_rate_limit_headers_fall_and_then_refuse_with_retry_after(
    fake: FakeAPI, client: anthropic.Anthropic
) -> None:
    """UP-08: pacing reads these names."""
    fake.limits(requests=2)
    left = []
    for _ in range(2):
        with client.messages.create(**ASK, stream=True) as stream:
            list(stream)
            left.append(stream.response.headers["anthropic-ratelimit-requests-remaining"])
    with pytest.raises(anthropic.RateLimitError) as caught:
        read(client)
    assert left == ["1", "0"]
    assert 1 <= int(caught.value.response.headers["retry-after"]) <= 30
    fake.advance(60)
    read(client)


def test_the_prompt_cache_reads_the_longest_prefix_and_forgets_after_five_minutes(
    fake: FakeAPI, client: anthropic.Anthropic
) -> None:
    """P-16: one top-level cache_control follows the growing chat; below the floor it does nothing."""

    def bill(*turns: str, model: str = "test-large-1") -> tuple[int, int, int]:
        messages = [{"role": "assistant" if i % 2 else "user", "content": t} for i, t in enumerate(turns)]
        start = read(client, model=model, messages=messages, cache_control={"type": "ephemeral"})[0]
        usage = start.message.usage
        return usage.cache_read_input_tokens, usage.cache_creation_input_tokens, usage.input_tokens

    long = "word " * 1_000
    assert bill("short") == (0, 0, 5)
    assert bill(long, model="test-small-1") == (0, 0, 1_003)
    assert bill(long) == (0, 1_003, 0)
    assert bill(long, "yes", "more") == (1_003, 8, 0)
    fake.advance(299)
    assert bill(long, "yes", "more") == (1_011, 0, 0)
    fake.advance(299)
    assert bill(long, "yes", "more") == (1_011, 0, 0)
    fake.advance(301)
    assert bill(long, "yes", "more") == (0, 1_011, 0)


def test_the_prompt_cache_is_split_by_lifetime(fake: FakeAPI, client: anthropic.Anthropic) -> None:
    """Cost: an hour's entry is dearer, and it outlives five minutes."""
    hour = {"type": "ephemeral", "ttl": "1h"}
    system = [{"type": "text", "text": "word " * 1_000, "cache_control": hour}]
    ask = {"system": system, "cache_control": {"type": "ephemeral"}}
    first = read(client, **ask)[0].message.usage
    assert first.cache_creation.ephemeral_1h_input_tokens == 1_000
    assert first.cache_creation.ephemeral_5m_input_tokens == 4
    fake.advance(600)
    later = read(client, **ask)[0].message.usage
    assert (later.cache_read_input_tokens, later.cache_creation_input_tokens) == (1_000, 4)


def test_an_answer_ends_at_max_tokens_or_at_a_stop_sequence(
    fake: FakeAPI, client: anthropic.Anthropic
) -> None:
    """UP-20: the reasons that a reply may end with."""
    fake.reply(text="one two three four five")
    events = read(client, max_tokens=3)
    assert text(events) == "one two thre"
    assert events[-2].delta.stop_reason == "max_tokens"
    fake.reply(text="one two STOP three")
    events = read(client, stop_sequences=["STOP"])
    assert (text(events), events[-2].delta.stop_sequence) == ("one two ", "STOP")
    fake.reply(text="I", stop_reason="refusal", stop_details={"type": "refusal", "category": "bio"})
    assert read(client)[-2].delta.stop_details.category == "bio"


def test_a_fake_can_serve_any_ids_and_answer_by_a_function(
    fake: FakeAPI, client: anthropic.Anthropic
) -> None:
    """Real ids are needed where a price must be known."""
    fake.install_models(["claude-opus-5-5", FakeModel("mine", "Mine", max_tokens=10)])
    fake.responder = lambda body: Reply(f"turns: {len(body['messages'])}")
    assert text(read(client, model="claude-opus-5-5")) == "turns: 1"
    assert [m.id for m in client.models.list()] == ["claude-opus-5-5", "mine"]


def test_the_fake_runs_as_a_process_and_is_steered_over_http() -> None:
    """Benchmarks and browser tests start it so."""
    with subprocess.Popen(
        [sys.executable, fakeapi.__file__, "--port", "0", "--end-with-stdin"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        url = process.stdout.readline().strip()
        order = {"reply": {"text": "from afar"}, "fault": {"name": "server_500"}, "models": ["m-1"]}
        assert httpx2.post(f"{url}/_fake/script", json=order).json() == {"posts": 0, "open_calls": 0}
        assert httpx2.post(f"{url}/_fake/script", json={"fault": {"name": "typo"}}).status_code == 400
        http = httpx2.Client()
        with anthropic.Anthropic(api_key=KEY, base_url=url, max_retries=0, http_client=http) as client:
            with pytest.raises(anthropic.InternalServerError):
                read(client, model="m-1")
            assert text(read(client, model="m-1")) == "from afar"
        log = httpx2.get(f"{url}/_fake/log").json()
        assert log["posts"] == 2 and [seen["answered"] for seen in log["log"]] == [500, 200]
        process.stdin.close()
        assert process.wait(10) == 0


def test_no_warning_is_hidden_by_the_sdk() -> None:
    """Our suite treats warnings as errors; a plain call must raise none."""
    with FakeAPI() as fake, sdk(fake) as client, warnings.catch_warnings():
        warnings.simplefilter("error")
        read(client)
