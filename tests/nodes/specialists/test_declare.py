"""Declaring a specialist: what its options become, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from concertino import BreakerPolicy, Brief, SetupError, specialist


def body(brief: Brief) -> int:
    return 1


def test_breaker_may_be_a_mapping() -> None:
    """A mapping of a policy's fields becomes the policy."""
    assert specialist("s", breaker={"probes": 2})(body).breaker == BreakerPolicy(probes=2)


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"breaker": {"failures": 2}}, "specialists.s.breaker.failures"),
        ({"breaker": {"probes": 0}}, "breaker.probes"),
        ({"breaker": True}, "specialists.s.breaker"),
        ({"tools": body}, "tools"),
        ({"tools": [body, body]}, "tools"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], field: str) -> None:
    """An option that no run could use is refused where the specialist is declared."""
    with pytest.raises(SetupError) as caught:
        specialist("s", **options)(body)
    assert caught.value.field == field
