"""The offline demo, through the real SDK: honest, varied, paced and stoppable."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import anthropic
import httpx2
import pytest

from claudedesk.claude.demo import MODELS, TOKENS_PER_SECOND, DemoTransport
from claudedesk.claude.demo_texts import KEYWORDS, SCRIPTS
from claudedesk.claude.transport import Handle, track

QUESTION = "What do you know about lighthouses?"


class Naps:
    """Sleeps no time and remembers for how long it should have."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def __call__(self, seconds: float) -> None:
        self.seconds.append(seconds)


@pytest.fixture
def naps() -> Naps:
    """Return a sleep that takes no time."""
    return Naps()


@pytest.fixture
def client(naps: Naps) -> Iterator[anthropic.Anthropic]:
    """Yield the real SDK over the demo."""
    with build(DemoTransport(naps)) as made:
        yield made


def build(transport: DemoTransport) -> anthropic.Anthropic:
    http = httpx2.Client(transport=transport)
    return anthropic.Anthropic(
        api_key="none", base_url="http://demo.invalid", max_retries=0, http_client=http
    )


def ask(client: anthropic.Anthropic, *turns: str, **changes: Any) -> list[Any]:
    """Stream a reply to the last of the user's turns; return the events."""
    messages: list[Any] = []
    for turn in turns:
        messages += [{"role": "user", "content": turn}, {"role": "assistant", "content": "Hm."}]
    body: dict[str, Any] = {"model": "demo-1", "max_tokens": 16_000, "messages": messages[:-1], **changes}
    return list(client.messages.create(**body, stream=True))


def said(events: list[Any], kind: str = "text") -> str:
    """Join the deltas of a kind."""
    deltas = [e.delta for e in events if e.type == "content_block_delta"]
    return "".join(getattr(delta, kind) for delta in deltas if delta.type == f"{kind}_delta")


@pytest.mark.parametrize("kind", SCRIPTS)
def test_every_reply_says_that_it_is_a_demo_and_quotes_the_question(
    client: anthropic.Anthropic, kind: str
) -> None:
    """Honesty: nobody shall take the demo's words for Claude's."""
    turn = list(SCRIPTS).index(kind)
    events = ask(client, *["More."] * turn, QUESTION)
    text = said(events)
    assert "demo" in text and "not Claude" in text
    assert "What do you know about lighthouses?" in text
    assert events[-1].type == "message_stop"
    assert events[-2].delta.stop_reason == "end_turn"


@pytest.mark.parametrize(
    ("question", "mark"),
    [
        ("Show me a table of planets", "|:---"),
        ("Some code, please", "```python"),
        ("An equation would be nice", "$$"),
        ("Write a long essay", "## Chapter 18"),
        ("Go slowly", "takes its time"),
        ("Please think first", "only pretended"),
    ],
)
def test_a_question_gets_the_kind_of_reply_that_it_names(
    client: anthropic.Anthropic, question: str, mark: str
) -> None:
    """The demo shows what the page can do, on demand, whatever the turn."""
    assert mark in said(ask(client, "Hello", "And now?", question))
    assert {kind for kind, _ in KEYWORDS} == set(SCRIPTS) - {"prose"}


def test_questions_that_name_nothing_get_one_kind_after_the_other(client: anthropic.Anthropic) -> None:
    """A visitor who only says "more" sees it all, then it begins anew."""
    replies = [said(ask(client, *["More."] * (turn + 1))) for turn in range(len(SCRIPTS) + 1)]
    assert len(set(replies)) == len(SCRIPTS)
    assert replies[0] == replies[-1]


def test_the_long_reply_is_about_20_kb(client: anthropic.Anthropic) -> None:
    """Long enough to scroll, to stop and to search."""
    assert 18_000 < len(said(ask(client, "a long one"))) < 22_000


def test_a_quoted_question_cannot_change_the_page(client: anthropic.Anthropic) -> None:
    """The question's Markdown is quoted as words, and a long question is cut."""
    text = said(ask(client, "# **Bold** <b>x</b> ```js [a](b) $x$ " + "and so on " * 50))
    assert r"\# \*\*Bold\*\* \<b\>x\</b\> \`\`\`js \[a\]\(b\) \$x\$" in text
    assert "and so on and so on" not in text and "…" in text


def test_a_question_without_words_is_answered_too(client: anthropic.Anthropic) -> None:
    """A picture alone, for instance."""
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}
    events = ask(client, "", messages=[{"role": "user", "content": [image]}])
    assert "nothing in words" in said(events)


def test_thinking_comes_first_and_is_left_out_when_it_is_disabled(client: anthropic.Anthropic) -> None:
    """The demo obeys the setting as a model does."""
    events = ask(client, "think!", thinking={"type": "adaptive"})
    starts = [e.content_block.type for e in events if e.type == "content_block_start"]
    assert starts == ["thinking", "text"]
    assert "Nothing was really thought" in said(events, "thinking")
    assert said(events, "signature")
    assert events[-2].usage.output_tokens_details.thinking_tokens > 20
    events = ask(client, "think!", thinking={"type": "disabled"})
    assert [e.content_block.type for e in events if e.type == "content_block_start"] == ["text"]


def test_usage_is_a_plain_estimate_of_four_characters_a_token(client: anthropic.Anthropic) -> None:
    """The figures grow with the conversation, as they would in earnest."""
    events = ask(client, QUESTION)
    assert events[-2].usage.output_tokens == -(-len(said(events)) // 4)
    short = events[0].message.usage.input_tokens
    assert ask(client, QUESTION, QUESTION)[0].message.usage.input_tokens > short > 10
    counted = client.messages.count_tokens(model="demo-1", messages=[{"role": "user", "content": QUESTION}])
    assert counted.input_tokens == short


def test_a_reply_ends_at_max_tokens(client: anthropic.Anthropic) -> None:
    """UP-20: the banner and Continue can be tried offline."""
    events = ask(client, "a long one", max_tokens=600)
    assert events[-2].delta.stop_reason == "max_tokens"
    assert len(said(events)) == 2_400


def test_the_words_come_at_a_readers_pace_and_the_first_at_once(
    client: anthropic.Anthropic, naps: Naps
) -> None:
    """About 70 tokens a second, with uneven pauses; the slow reply comes much slower."""
    events = ask(client, QUESTION)
    words = sum(1 for e in events if e.type == "content_block_delta")
    assert 60 < words / sum(naps.seconds) < 80
    assert len(set(naps.seconds)) > 3
    assert naps.seconds[0] < 0.05
    usual, naps.seconds = sum(naps.seconds) / words, []
    words = sum(1 for e in ask(client, "slow, please") if e.type == "content_block_delta")
    assert sum(naps.seconds) / words > 5 * usual
    assert max(naps.seconds) <= 0.05, "a stop must not wait for the end of a nap"


def test_it_really_streams(naps: Naps) -> None:
    """The first word is there before the second is slept for."""
    with build(DemoTransport(naps)) as client:
        stream = client.messages.create(
            model="demo-1", max_tokens=1000, messages=[{"role": "user", "content": "hi"}], stream=True
        )
        for event in stream:
            if event.type == "content_block_delta":
                break
        assert len(naps.seconds) == 1 and naps.seconds[0] < 2 / TOKENS_PER_SECOND
        stream.close()


@pytest.mark.parametrize("how", ["close", "abort"])
def test_a_reply_ends_within_a_moment_when_it_is_stopped(how: str) -> None:
    """UP-17: closing is enough here, and the stopper's handle works as on a socket."""
    with build(DemoTransport()) as client:
        handle, found = Handle(), list[Any]()
        under_way = threading.Event()
        streams: list[Any] = []

        def work() -> None:
            with track(handle):
                streams.append(
                    client.messages.create(
                        model="demo-1",
                        max_tokens=1000,
                        messages=[{"role": "user", "content": "slowly"}],
                        stream=True,
                    )
                )
                try:
                    for event in streams[0]:
                        found.append(event.type)
                        if event.type == "content_block_delta":
                            under_way.set()
                except Exception as error:
                    found.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        assert under_way.wait(5)
        begun = time.monotonic()
        if how == "close":
            streams[0].response.close()
        else:
            handle.abort()
        thread.join(5)
        assert time.monotonic() - begun < 0.5
        assert "message_stop" not in found
        assert isinstance(found[-1], httpx2.ReadError) is (how == "abort")


def test_without_a_stream_the_whole_message_comes_at_once(client: anthropic.Anthropic, naps: Naps) -> None:
    """`claudedesk ask` and the like."""
    message = client.messages.create(
        model="demo-1", max_tokens=1000, messages=[{"role": "user", "content": "think"}]
    )
    assert [block.type for block in message.content] == ["thinking", "text"]
    assert message.stop_reason == "end_turn" and message.usage.output_tokens > 50
    assert naps.seconds == []


def test_the_models_are_listed_with_their_abilities_under_ids_that_cannot_exist(
    client: anthropic.Anthropic,
) -> None:
    """ARCHITECTURE §4: the demo uses ids that cannot be Anthropic's, and says what it is in the name."""
    told = list(client.models.list())
    assert [model.id for model in told] == ["demo-1"]
    assert told[0].display_name == "Demo (offline)"
    assert told[0].to_dict(mode="json") == MODELS[0]
    assert told[0].capabilities is not None and told[0].capabilities.thinking.types.adaptive.supported
    assert client.models.retrieve("demo-1").lifecycle == "active"


def test_what_is_unknown_gets_the_apis_own_404(client: anthropic.Anthropic) -> None:
    """UP-06: an old conversation may name a model that is not the demo's."""
    with pytest.raises(anthropic.NotFoundError) as caught:
        ask(client, "hi", model="test-large-1")
    assert caught.value.type == "not_found_error"
    with pytest.raises(anthropic.NotFoundError):
        client.models.retrieve("demo-2")
    with pytest.raises(anthropic.NotFoundError):
        client.files.list()
