"""Declaring a specialist: what its options become, and what is refused."""

from __future__ import annotations

import functools
from typing import Any

import pytest

from concertino import BreakerPolicy, Brief, SetupError, create_planner, specialist


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


class Nameless:
    def __call__(self, brief: Brief) -> int:
        return 1


@pytest.mark.parametrize(
    "given", [lambda b: 1, functools.partial(body), Nameless()], ids=["lambda", "partial", "object"]
)
def test_what_has_no_name_is_refused_by_its_place(given: Any) -> None:
    """The refusal names the index and says how to give a name."""
    with pytest.raises(SetupError) as caught:
        create_planner(specialists=[specialist("s")(body), given])
    assert caught.value.field == "specialists[1]"
    assert '@specialist("name")' in caught.value.rule
    assert caught.value.value != "None"
