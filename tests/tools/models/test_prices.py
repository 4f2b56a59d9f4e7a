"""A price's bound is never below its bill, whatever the usage and whichever model."""

from typing import Any

import pytest
from genai_prices import data_snapshot
from hypothesis import given
from hypothesis import strategies as st

from concertino.contracts.errors import SetupError
from concertino.tools.models.prices import Price, given_price, price_of, snapshot

MODELS = sorted(
    {
        (provider.id, model.id)
        for provider in data_snapshot.get_snapshot().providers
        if provider.id in {"openai", "anthropic", "google", "mistral", "groq", "deepseek", "x-ai", "perplexity"}
        for model in provider.models
    }
)


def priced() -> list[tuple[str, str]]:
    return [one for one in MODELS if price_of(*one) is not None]


@st.composite
def usages(draw: st.DrawFn) -> dict[str, Any]:
    into, out = draw(st.integers(0, 2_000_000)), draw(st.integers(0, 200_000))
    cached = draw(st.integers(0, into))
    written = draw(st.integers(0, into - cached))
    hourly = draw(st.integers(0, into - cached - written))
    return {
        "input_tokens": into,
        "output_tokens": out,
        "total_tokens": into + out,
        "input_token_details": {
            "cache_read": cached, "cache_creation": written, "ephemeral_1h_input_tokens": hourly
        },
        "output_token_details": {"audio": draw(st.integers(0, out)), "reasoning": draw(st.integers(0, out))},
    }  # fmt: skip


@given(model=st.sampled_from(priced()), usage=usages(), tier=st.sampled_from(["", "priority", "flex", "fast", "auto"]))
def test_no_bill_is_over_its_bound(model: tuple[str, str], usage: dict[str, Any], tier: str) -> None:
    """Cached, written to a cache, spoken or thought: what a usage costs is within the bound of its tokens."""
    found = price_of(*model)
    assert found is not None
    price = found.tier(tier)
    assert price.actual(usage) <= price.bound(usage["input_tokens"], usage["output_tokens"])


@given(
    model=st.sampled_from(priced()), into=st.integers(0, 10**6), out=st.integers(0, 10**6), more=st.integers(0, 10**6)
)
def test_a_bound_grows_with_its_tokens(model: tuple[str, str], into: int, out: int, more: int) -> None:
    """A request that uses less than its bound costs no more than it."""
    price = price_of(*model)
    assert price is not None
    assert price.bound(into, out) <= price.bound(into + more, out) <= price.bound(into + more, out + more)


@given(model=st.sampled_from(priced()), into=st.integers(0, 10**6), nano=st.integers(0, 10**12))
def test_what_is_left_pays_for_the_output_it_is_said_to(model: tuple[str, str], into: int, nano: int) -> None:
    """The largest output that fits does fit, and one token more does not."""
    price = price_of(*model)
    assert price is not None
    most = price.most_output(into, nano)
    if most >= 0:
        assert price.bound(into, most) <= nano
        assert most == 10**15 or price.bound(into, most + 1) > nano
    else:
        assert price.bound(into, 0) > nano


def test_a_known_model_is_priced_from_the_snapshot() -> None:
    """The record says which prices they are."""
    price = price_of("openai", "gpt-5-mini")
    assert price is not None
    assert price.source == snapshot()
    assert snapshot().startswith("genai-prices ")
    assert price.bound(1_000_000, 1_000_000) == 2_250_000_000
    usage = {"input_tokens": 1_000_000, "output_tokens": 0, "input_token_details": {"cache_read": 1_000_000}}
    assert price.actual(usage) == 25_000_000


def test_a_service_tier_has_its_own_price() -> None:
    """It is bounded by the tier that is asked for, and billed by the one that was used."""
    price = price_of("openai", "gpt-5-mini")
    assert price is not None
    assert price.tier("priority").bound(10**6, 10**6) == 4_050_000_000
    assert price.tier("auto") is price.tier(None) is price
    used = {"input_tokens": 10**6, "output_tokens": 10**6, "output_token_details": {"priority": 10**6}}
    assert price.actual(used) == 4_050_000_000


def test_a_usage_that_contradicts_itself_is_charged_at_the_dearest() -> None:
    """More read from a cache than was read at all."""
    price = price_of("openai", "gpt-5-mini")
    assert price is not None
    usage = {"input_tokens": 10, "output_tokens": 10, "input_token_details": {"cache_read": 500}}
    assert price.actual(usage) == price.bound(10, 10)


@pytest.mark.parametrize(("provider", "model"), [("", "gpt-5-mini"), ("openai", "no-such-model"), ("nobody", "gpt-5")])
def test_an_unknown_model_has_no_price(provider: str, model: str) -> None:
    """Nothing is guessed; the same name elsewhere may be another model."""
    assert price_of(provider, model) is None


def test_a_caller_may_give_a_price() -> None:
    """For a server of one's own, 0 allowed."""
    price = given_price({"input_usd_per_m": 0.1, "output_usd_per_m": 0}, field="price")
    assert isinstance(price, Price)
    assert price.bound(10, 1_000) == 1_000
    assert price.actual({"input_tokens": 10, "output_tokens": 5}) == 1_000
    assert price.most_output(0, 0) == 10**15
    assert given_price(price, field="price") is price


@pytest.mark.parametrize(
    ("given_", "field"),
    [
        ("free", "price"),
        ({"input_usd_per_m": 1}, "price"),
        ({"input_usd_per_m": 1, "output_usd_per_m": -1}, "price.output_usd_per_m"),
        ({"input_usd_per_m": "1", "output_usd_per_m": 1}, "price.input_usd_per_m"),
        ({"input_usd_per_m": float("nan"), "output_usd_per_m": 1}, "price.input_usd_per_m"),
    ],
)
def test_a_bad_price_is_refused_by_name(given_: Any, field: str) -> None:
    """With its field."""
    with pytest.raises(SetupError) as caught:
        given_price(given_, field=field.split(".")[0])
    assert caught.value.field == field
