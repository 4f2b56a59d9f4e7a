"""What a request costs: genai-prices' snapshot, as it was installed, or prices that a caller gives.

Money is whole nano-dollars. A bound takes the dearest rate that a request of that size can meet; the bill is what
the snapshot makes of the usage that was reported.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import metadata
from typing import Any

from concertino.contracts.errors import SetupError
from concertino.tools.breaker import is_number

NANO_PER_MILLION = 1_000
"""Nano-dollars a token, for one dollar a million tokens."""
INPUT_RATES = ("input_mtok", "cache_write_mtok", "cache_write_1h_mtok")
OUTPUT_RATES = ("output_mtok", "output_reasoning_mtok")


def snapshot() -> str:
    """Return the id of the prices, for the run's record."""
    return f"genai-prices {metadata.version('genai-prices')}"


@dataclass(frozen=True, slots=True)
class Price:
    """Prices of one model."""

    source: str
    """Where they come from: the snapshot's id, or `caller`."""
    input_rate: Callable[[int], float]
    """Dollars a million input tokens, the dearest for a request of that many."""
    output_rate: Callable[[int], float]
    """Dollars a million output tokens, for a request of that many input tokens."""
    bill: Callable[[Mapping[str, Any]], float]
    """Dollars of a reported usage."""
    request_usd: float = 0.0
    """Dollars of each request beside its tokens."""

    def bound(self, input_tokens: int, output_tokens: int) -> int:
        """Return the most that a request of at most so many tokens can cost, in nano-dollars, rounded up."""
        tokens = input_tokens * self.input_rate(input_tokens) + output_tokens * self.output_rate(input_tokens)
        return math.ceil(tokens * NANO_PER_MILLION + self.request_usd * 1e9)

    def most_output(self, input_tokens: int, nano_usd: int) -> int:
        """Return how many output tokens so many nano-dollars pay for, after the input; below 0 where they do not."""
        left = nano_usd - self.bound(input_tokens, 0)
        rate = self.output_rate(input_tokens) * NANO_PER_MILLION
        return left if left < 0 else 10**15 if rate == 0 else math.floor(left / rate)

    def actual(self, usage: Mapping[str, Any]) -> int:
        """Return what a reported usage (LangChain's `usage_metadata`) costs, in nano-dollars, rounded up."""
        return math.ceil(round((self.bill(usage) + self.request_usd) * 1e9, 3))


def given_price(given: object, *, field: str) -> Price:
    """Return a price from a caller: `{"input_usd_per_m": ..., "output_usd_per_m": ...}`, dollars a million tokens from 0.

    Raises:
        SetupError: not of this form.
    """
    names = {"input_usd_per_m", "output_usd_per_m"}
    if isinstance(given, Price):
        return given
    if not isinstance(given, Mapping) or set(given) != names:
        raise SetupError(field=field, value=given, rule=f"must be a mapping of {' and '.join(sorted(names))}")
    for name in sorted(names):
        if not is_number(given[name]) or not 0 <= given[name] <= 1e6:
            raise SetupError(field=f"{field}.{name}", value=given[name], rule="must be dollars from 0 to 1,000,000")
    into, out = float(given["input_usd_per_m"]), float(given["output_usd_per_m"])

    def bill(usage: Mapping[str, Any]) -> float:
        return float(usage.get("input_tokens", 0) * into + usage.get("output_tokens", 0) * out) / 1e6

    return Price("caller", lambda _: into, lambda _: out, bill)


@lru_cache(maxsize=256)
def price_of(provider: str, model: str) -> Price | None:
    """Return a model's price from the snapshot, `None` for one that is not in it. Costs 0.2 s once."""
    if not provider:
        return None  # the same name may be another model's elsewhere
    from datetime import UTC, datetime

    from genai_prices import Usage, data_snapshot

    try:
        _, info = data_snapshot.get_snapshot().find_provider_model(model, None, provider or None, None)
        prices = info.get_prices(datetime.now(UTC))
    except LookupError:
        return None
    into, out = (_rate(prices, names) for names in (INPUT_RATES, OUTPUT_RATES))
    if into is None or out is None:
        return None
    per_thousand = getattr(prices, "requests_kcount", None)

    def bill(usage: Mapping[str, Any]) -> float:
        details = usage.get("input_token_details") or {}
        known = {
            "input_tokens": usage.get("input_tokens", 0),
            "output_tokens": usage.get("output_tokens", 0),
            "cache_read_tokens": details.get("cache_read") or None,
            "cache_write_tokens": details.get("cache_creation") or None,
        }
        return float(prices.calc_price(Usage(**known))["total_price"])

    return Price(snapshot(), into, out, bill, float(per_thousand) / 1_000 if per_thousand else 0.0)


def _rate(prices: Any, names: tuple[str, ...]) -> Callable[[int], float] | None:
    """Return the dearest of the named rates by the input's size; `None` where the first is not priced."""
    steps: list[tuple[int, float]] = []
    for name in names:
        price = getattr(prices, name, None)
        if price is None:
            if name == names[0]:
                return None
            continue
        steps.append((0, float(getattr(price, "base", price))))
        steps += [(tier.start, float(tier.price)) for tier in getattr(price, "tiers", ())]
    return lambda tokens: max(rate for start, rate in steps if start <= tokens)
