"""What a request costs: genai-prices' snapshot, as it was installed, or prices that a caller gives.

Money is whole nano-dollars. A bound takes the dearest rate that a request of that size can meet within a day; the bill is
what the snapshot makes of the usage that was reported.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import lru_cache
from importlib import metadata
from typing import Any

from concertino.contracts.errors import SetupError
from concertino.tools.breaker import is_number

NANO = 10**9
NANO_PER_MILLION = 1_000
"""Nano-dollars a token, for one dollar a million tokens."""
INPUT_RATES = ("input_mtok", "cache_write_mtok", "cache_write_5m_mtok", "cache_write_1h_mtok")
"""What an input token may cost. Not pictures and sounds: no request with them is bounded."""
OUTPUT_RATES = (
    "output_mtok", "output_reasoning_mtok", "output_audio_mtok", "output_image_mtok", "output_video_mtok",
    "output_citation_mtok",
)  # fmt: skip
TIERS = ("priority", "flex", "fast")
"""Service tiers with prices of their own. LangChain names the one that was used in the details of a usage."""
PLAIN = frozenset({"input_tokens", "output_tokens", "cache_read_tokens"})
"""What most usages tell of."""
SNAPSHOT_HOURS = range(49)
"""Hours from the beginning of a day at which prices are looked up for bounds made on it: some change with the hour."""
DAY_S = 86_400
KEPT = 256
"""Prices by model and day that are kept; chosen by hand."""


@lru_cache(maxsize=1)
def snapshot() -> str:
    """Return the id of the prices, for the run's record. Reads the package's metadata once, which takes 2 ms."""
    return f"genai-prices {metadata.version('genai-prices')}"


@dataclass(frozen=True, slots=True)
class Price:
    """Prices of one model."""

    source: str
    """Where they come from: the snapshot's id, or `caller`."""
    input_rate: Callable[[int], Fraction]
    """Dollars a million input tokens, the dearest for a request of that many."""
    output_rate: Callable[[int], Fraction]
    """Dollars a million output tokens, for a request of that many input tokens."""
    bill: Callable[[Mapping[str, Any], float], Fraction]
    """Dollars of a usage that was reported at a moment, in seconds since 1970-01-01 UTC."""
    request_usd: Fraction = Fraction(0)
    """Dollars of each request beside its tokens."""
    tiers: Mapping[str, Price] = field(default_factory=dict)
    """Prices of service tiers that have their own."""
    now: Callable[[], float] = time.time
    """Tells the moment, for bills."""

    def tier(self, name: object) -> Price:
        """Return the prices of the service tier that a request asks for; these, where it has none of its own."""
        own = self.tiers.get(name) if isinstance(name, str) else None
        return self if own is None else replace(own, now=self.now)

    def bound(self, input_tokens: int, output_tokens: int) -> int:
        """Return the most that a request of at most so many tokens can cost, in nano-dollars, rounded up."""
        into, out, each = self.input_rate(input_tokens), self.output_rate(input_tokens), self.request_usd
        # In whole numbers, as sums of fractions take ten times as long.
        below = into.denominator * out.denominator * each.denominator
        tokens = input_tokens * into.numerator * (below // into.denominator)
        tokens += output_tokens * out.numerator * (below // out.denominator)
        nano = tokens * NANO_PER_MILLION + each.numerator * (below // each.denominator) * NANO
        return -(-nano // below)

    def most_output(self, input_tokens: int, nano_usd: int) -> int:
        """Return how many output tokens so many nano-dollars pay for, after the input; below 0 where they do not."""
        left = nano_usd - self.bound(input_tokens, 0)
        rate = self.output_rate(input_tokens) * NANO_PER_MILLION
        return left if left < 0 else 10**15 if rate == 0 else math.floor(left / rate)

    def actual(self, usage: Mapping[str, Any]) -> int:
        """Return what a reported usage (LangChain's `usage_metadata`) costs, in nano-dollars, rounded up.

        A usage that contradicts itself is charged at the dearest rates.
        """
        details = usage.get("output_token_details") or {}
        used = next((self.tiers[name] for name in TIERS if details.get(name) and name in self.tiers), self)
        try:
            usd = used.bill(usage, self.now())
        except ValueError:
            return used.bound(usage.get("input_tokens") or 0, usage.get("output_tokens") or 0)
        total = usd + used.request_usd if used.request_usd else usd
        return -(-total.numerator * NANO // total.denominator)


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
    into, out = (Fraction(repr(given[name])) for name in ("input_usd_per_m", "output_usd_per_m"))

    def bill(usage: Mapping[str, Any], _: float) -> Fraction:
        return ((usage.get("input_tokens") or 0) * into + (usage.get("output_tokens") or 0) * out) / 10**6

    return Price("caller", lambda _: into, lambda _: out, bill)


def price_of(provider: str, model: str, *, now: Callable[[], float] = time.time) -> Price | None:
    """Return a model's price from the snapshot, `None` for one that is not in it. Costs 0.2 s once.

    `now` tells the moment, in seconds since 1970-01-01 UTC: prices change from day to day.
    """
    if not provider:  # the same name may be another model's elsewhere
        return None
    about = provider, model, int(now() // DAY_S)
    if about not in _prices:
        if len(_prices) >= KEPT:
            _prices.clear()
        _prices[about] = _price_of(*about)
    found = _prices[about]
    return None if found is None else replace(found, now=now)


def is_at_hand(provider: str, model: str, *, now: Callable[[], float] = time.time) -> bool:
    """Say whether `price_of` answers at once."""
    return not provider or (provider, model, int(now() // DAY_S)) in _prices


_prices: dict[tuple[str, str, int], Price | None] = {}


def _price_of(provider: str, model: str, day: int) -> Price | None:
    from genai_prices import data_snapshot

    try:
        _, info = data_snapshot.get_snapshot().find_provider_model(model, None, provider, None)
    except LookupError:
        return None
    standard = _priced(info, {}, day)
    if standard is None:
        return None
    tiers = {name: _priced(info, {"service_tier": name}, day) for name in TIERS}
    return replace(standard, tiers={name: price for name, price in tiers.items() if price is not None})


def _priced(info: Any, context: Mapping[str, str], day: int) -> Price | None:
    """Return a model's price in a context of the request on a day; `None` where input or output has none."""
    from datetime import UTC, datetime, timedelta

    begin = datetime.fromtimestamp(day * DAY_S, UTC)
    prices = [info.get_prices(begin + timedelta(hours=hours), context) for hours in SNAPSHOT_HOURS]
    into, out = (_rate(prices, names) for names in (INPUT_RATES, OUTPUT_RATES))
    if into is None or out is None:
        return None
    requests = [Fraction(price.requests_kcount or 0) / 1_000 for price in prices]

    def bill(usage: Mapping[str, Any], moment: float) -> Fraction:
        now_priced, known = info.get_prices(datetime.fromtimestamp(moment, UTC), context), _known(usage)
        if known.keys() <= PLAIN:
            tokens, requests = _plain(now_priced, **known), now_priced.requests_kcount
            return tokens + Fraction(requests) / 1_000 if requests else tokens
        from genai_prices import Usage

        return Fraction(now_priced.calc_price(Usage(**known))["total_price"])

    # `calc_price` counts the request itself, so it is only part of the bound.
    return Price(snapshot(), into, out, bill) if not any(requests) else _per_request(into, out, bill, max(requests))


def _plain(prices: Any, *, input_tokens: int, output_tokens: int, cache_read_tokens: int = 0) -> Fraction:
    """Return what `calc_price` does for most usages, in a tenth of its time.

    Raises:
        ValueError: more was read from a cache than was read.
    """
    if cache_read_tokens > input_tokens:
        raise ValueError("more tokens read from a cache than read")
    cached = prices.input_mtok if prices.cache_read_mtok is None else prices.cache_read_mtok
    shares = (
        (input_tokens - cache_read_tokens, prices.input_mtok),
        (cache_read_tokens, cached),
        (output_tokens, prices.output_mtok),
    )
    above, below = 0, 1
    for tokens, price in shares:
        if tokens:
            rate = _at(price, input_tokens)
            above = above * rate.denominator + tokens * rate.numerator * below
            below *= rate.denominator
    return Fraction(above, below * 10**6)


def _at(price: Any, input_tokens: int) -> Fraction:
    """Return a rate for a request of so many input tokens: a tier's holds above its start."""
    starts = [tier.price for tier in getattr(price, "tiers", ()) if input_tokens > tier.start]
    return _fraction(starts[-1] if starts else getattr(price, "base", price))


_fraction = lru_cache(maxsize=1_024)(Fraction)


def _per_request(
    into: Callable[[int], Fraction],
    out: Callable[[int], Fraction],
    bill: Callable[[Mapping[str, Any], float], Fraction],
    usd: Fraction,
) -> Price:
    return Price(snapshot(), into, out, lambda usage, moment: bill(usage, moment) - usd, usd)


def _known(usage: Mapping[str, Any]) -> dict[str, int]:
    """Return a usage under the snapshot's names; LangChain puts a service tier's name before those of its details."""
    into, out = usage.get("input_token_details") or {}, usage.get("output_token_details") or {}

    def total(details: Mapping[str, Any], name: str) -> int:
        return sum(value for key, value in details.items() if key.endswith(name) and isinstance(value, int))

    counts = {"input_tokens": usage.get("input_tokens") or 0, "output_tokens": usage.get("output_tokens") or 0}
    if any(into.values()):
        written_1h = total(into, "ephemeral_1h_input_tokens")
        counts |= {
            "cache_read_tokens": total(into, "cache_read"),
            # Those kept for an hour are a part of those written.
            "cache_write_tokens": total(into, "cache_creation") + total(into, "ephemeral_5m_input_tokens") + written_1h,
            "cache_write_1h_tokens": written_1h,
        }
    if any(out.values()):
        counts["output_audio_tokens"] = total(out, "audio")
    return {name: value for name, value in counts.items() if value or name in ("input_tokens", "output_tokens")}


def _rate(prices: list[Any], names: tuple[str, ...]) -> Callable[[int], Fraction] | None:
    """Return the dearest of the named rates by the input's size; `None` where the first is not priced."""
    steps: set[tuple[int, Fraction]] = set()
    for name in names:
        for price in prices:
            rate = getattr(price, name)
            if rate is not None:
                steps.add((0, Fraction(getattr(rate, "base", rate))))
                steps |= {(tier.start, Fraction(tier.price)) for tier in getattr(rate, "tiers", ())}
        if name == names[0] and not steps:
            return None
    ordered = sorted(steps)
    if len(ordered) == 1:
        ((_, only),) = ordered
        return lambda _: only
    return lambda tokens: max(rate for start, rate in ordered if start <= tokens)
