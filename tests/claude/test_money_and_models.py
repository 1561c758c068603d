"""Prices summed exactly and rounded up once; a default model without any id in our logic; kept answers; the breaker."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, get_args

import pytest

from claudedesk.claude import pricing
from claudedesk.claude.answers import Answer, Answers
from claudedesk.claude.models import FRESH_S, Models, choose, parse
from claudedesk.claude.policy import Breaker, month_end
from claudedesk.claude.request import Request
from claudedesk.errors import UpstreamError
from claudedesk.types import Usage


class StillClock:
    """A clock that stands until it is moved."""

    def __init__(self, now: int = 0) -> None:
        self.at = now

    def now(self) -> int:
        return self.at

    def monotonic(self) -> float:
        return self.at / 1e6

    def sleep(self, seconds: float) -> None:
        self.at += int(seconds * 1e6)


def _flat_priced() -> str:
    """Return a model id that the book prices without bands; none is written here."""
    from anthropic.types import Model

    for part in get_args(Model):
        for one in get_args(part):
            rates = pricing.price(one, Usage(input=1)).rates
            if (
                rates
                and not any("above" in rate for rate in rates.values())
                and "cache_write_1h_mtok" in rates
            ):
                return str(one)
    raise AssertionError("the price book has changed its shape")


def test_cached_tokens_are_counted_once_and_at_their_own_rates() -> None:
    """ECOSYSTEM §6: the book's input includes them, Anthropic's does not."""
    used = Usage(
        input=1_003, output=77, cache_read=8_001, cache_write_5m=997, cache_write_1h=501, web_searches=2
    )
    cost = pricing.price(_flat_priced(), used)
    rate = {name: Decimal(value) for name, value in cost.rates.items()}
    exact = (
        rate["input_mtok"] * used.input
        + rate["output_mtok"] * used.output
        + rate["cache_read_mtok"] * used.cache_read
        + rate["cache_write_mtok"] * used.cache_write_5m
        + rate["cache_write_1h_mtok"] * used.cache_write_1h
    ) / 1_000_000 + rate["web_searches_kcount"] * used.web_searches / 1_000
    assert cost.nanos == pricing.round_up(exact)


def test_a_fraction_of_a_nano_dollar_is_rounded_up_once() -> None:
    assert pricing.round_up(Decimal("0.0000000001")) == 1
    assert pricing.round_up(Decimal("0.000000003")) == 3
    assert pricing.round_up(Decimal(0)) == 0


def test_an_unknown_model_has_no_price_and_the_demo_is_free() -> None:
    assert pricing.price("no-such-model", Usage(input=5)).nanos is None
    assert pricing.price("demo-1", Usage(input=5), demo=True).nanos == 0


def test_the_worst_case_is_dearer_than_any_real_end() -> None:
    name = _flat_priced()
    worst = pricing.worst_case(name, prompt_bytes=4_000, max_tokens=500, demo=False)
    real = pricing.price(name, Usage(input=1_000, output=500)).nanos
    assert worst and real and worst >= real


def _model(name: str, created: str, line: str | None = None, lifecycle: str = "active") -> Any:
    return parse({"id": name, "created_at": created, "line": line, "lifecycle": lifecycle})


def test_the_default_is_the_newest_of_the_middle_line_by_price() -> None:
    models = [
        _model("cheap-1", "2026-01", "cheap"), _model("mid-1", "2026-01", "mid"), _model("mid-2", "2026-05", "mid"),
        _model("dear-1", "2026-09", "dear"), _model("old-9", "2027-01", "mid", "deprecated"),
    ]  # fmt: skip
    prices = {"cheap-1": Decimal(1), "mid-1": Decimal(9), "mid-2": Decimal(10), "dear-1": Decimal(50)}
    assert choose(models, prices.get).id == "mid-2"
    assert choose(models, lambda _id: None).id == "dear-1", "without prices the newest active one"
    assert choose(models[-1:], prices.get).id == "old-9", "better a deprecated one than none"


class _Source:
    """A client that tells models and counts how often it is asked."""

    origin = "https://api.test"
    has_key = True

    def __init__(self) -> None:
        self.asked = 0

    def list_models(self, *, demo: bool = False) -> list[dict[str, Any]]:
        self.asked += 1
        return [{"id": "a", "display_name": "A"}, {"id": "gone", "lifecycle": "retired"}]


def test_models_are_kept_with_their_time_refreshed_when_stale_and_usable_offline(database_here: Any) -> None:
    clock, source = StillClock(10**15), _Source()

    def made() -> Models:
        return Models(database_here, source, demo_on=lambda: False, demo_models=lambda: [], clock=clock)

    assert made().all() == [] and made().refresh_if_stale() and source.asked == 1
    assert [m.id for m in made().all()] == ["a"] and made().fetched() == 10**15
    assert not made().refresh_if_stale() and source.asked == 1
    clock.sleep(FRESH_S + 1)
    source.has_key = False
    assert not made().refresh_if_stale() and [m.name for m in made().all()] == ["A"]
    source.has_key = True
    assert made().refresh_if_stale() and source.asked == 2


@pytest.fixture
def database_here(tmp_path: Any) -> Any:
    """A fresh SQLite store."""
    from claudedesk.paths import standard
    from claudedesk.store.opening import open_store

    made = open_store(standard(str(tmp_path)))
    yield made
    made.close()


class _Backend(dict[str, Any]):
    """Flask-Caching's backend, in memory."""

    def set(self, key: str, value: Any, timeout: int | None = None) -> None:
        self[key] = value

    def delete(self, key: str) -> None:
        self.pop(key, None)


def test_a_kept_answer_lives_for_its_lifetime_and_a_damaged_one_is_dropped() -> None:
    """DAT-24"""
    clock, backend = StillClock(5), _Backend()
    answers = Answers(backend, enabled=lambda: True, lifetime_s=lambda: 60, clock=clock)
    asked, other = Request({"model": "m", "messages": []}), Request({"model": "n", "messages": []})
    answers.keep(asked, Answer([{"type": "text", "text": "x"}], "m", "end_turn", 7, answers.now()))
    found = answers.look(asked)
    assert found and found.cost_nanos == 7 and answers.look(other) is None
    clock.sleep(61)
    assert answers.look(asked) is None
    backend[asked.digest] = b"{not json"
    assert answers.look(asked) is None and asked.digest not in backend
    assert not Answers(backend, enabled=lambda: False, lifetime_s=lambda: 60).usable(asked)
    assert not answers.usable(Request({"tools": [{}]}))


def test_the_month_ends_at_the_first_instant_of_the_next_in_utc() -> None:
    assert month_end(datetime(2026, 12, 31, 23, 59, tzinfo=UTC)) == datetime(2027, 1, 1, tzinfo=UTC)
    assert month_end(datetime(2028, 2, 29, 1, tzinfo=UTC)) == datetime(2028, 3, 1, tzinfo=UTC)


def test_the_breaker_opens_for_what_no_waiting_mends_and_closes_with_the_month() -> None:
    """UP-09"""
    clock = StillClock(int(datetime(2026, 11, 22, tzinfo=UTC).timestamp() * 1e6))
    breaker = Breaker(clock)
    breaker.note(UpstreamError("busy", kind="overloaded_error"))
    breaker.check()
    breaker.note(UpstreamError("spent", kind="rate_limit_error", error_code="enforced_spend_limit_reached"))
    with pytest.raises(UpstreamError, match="spent"):
        breaker.check()
    clock.sleep(9 * 86_400)
    breaker.check()
    breaker.note(
        UpstreamError("own cap", kind="invalid_request_error", detail="You have reached your specified API")
    )
    with pytest.raises(UpstreamError, match="own cap"):
        breaker.check()
    breaker.reset()
    breaker.check()
