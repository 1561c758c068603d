"""What a call costs, by genai-prices: rates in Decimal dollars, the sum rounded up once to nano-dollars.

The price book's `input_tokens` include those read from and written to the prompt cache, Anthropic's exclude them.
"""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal
from functools import lru_cache
from typing import Any, Final

from claudedesk.types import Cost, Usage

NANOS: Final = Decimal(1_000_000_000)
UNKNOWN: Final = Cost(None, "unknown")
FREE: Final = Cost(0, "demo")


def price(model_id: str, usage: Usage, *, demo: bool = False) -> Cost:
    """Return the cost of a call; `nanos` is None when no price is known, never 0 by mistake."""
    if demo:
        return FREE
    import genai_prices

    tokens = genai_prices.Usage(
        input_tokens=usage.prompt,
        output_tokens=usage.output,
        cache_read_tokens=usage.cache_read,
        cache_write_tokens=usage.cache_write_5m + usage.cache_write_1h,
        cache_write_1h_tokens=usage.cache_write_1h,
        web_searches=usage.web_searches,
    )
    try:
        found = genai_prices.calc_price(tokens, model_id, provider_id="anthropic")
    except (LookupError, ValueError):
        return UNKNOWN
    rates = {name: _rate(value) for name, value in vars(found.model_price).items() if value is not None}
    return Cost(round_up(found.total_price), f"genai-prices {_version()}", rates)


def round_up(dollars: Decimal) -> int:
    """Return dollars as whole nano-dollars, any fraction counted as one more."""
    return int((dollars * NANOS).to_integral_value(rounding=ROUND_CEILING))


def output_rate(model_id: str) -> Decimal | None:
    """Return the dollars that a million output tokens cost after a short prompt, or None when unknown."""
    cost = price(model_id, Usage(output=1_000_000))
    return None if cost.nanos is None else Decimal(cost.nanos) / NANOS


def worst_case(model_id: str, *, prompt_bytes: int, max_tokens: int, demo: bool) -> int | None:
    """Return the most a call can cost in nano-dollars: a token a byte, all written to the prompt cache."""
    usage = Usage(cache_write_5m=prompt_bytes, output=max_tokens)
    return price(model_id, usage, demo=demo).nanos


def _rate(value: Any) -> str:
    tiers = getattr(value, "tiers", None)
    if tiers is None:
        return str(value)
    return "; ".join([str(value.base)] + [f"{tier.price} above {tier.start}" for tier in tiers])


@lru_cache(maxsize=1)
def _version() -> str:
    from importlib.metadata import version

    return version("genai-prices")
