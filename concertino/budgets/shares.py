"""Allocation by shares: a workflow's budget divided among those who work on it. Source: document 004, `agent_allocation`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from pydantic import ValidationError

from concertino.budgets.amounts import NANO, nano
from concertino.contracts.budget import Budget
from concertino.contracts.errors import SetupError

SHARES = "agent_allocation"
"""Document 004's name of the shares."""
NAMES = {"total_tokens": "tokens", "max_cost": "usd"}
"""Document 004's names of a workflow's sums; those of an agent's are read by `Budget` itself."""


def allocate(budget: Budget, shares: Mapping[str, float], *, field: str = "shares") -> dict[str, Budget]:
    """Return what each name may use, in the order given: its share, 0-1, of every sum that is bounded.

    Shares are taken as they are written, so 0.3 of 100,000 is 30,000. Counts are rounded down, dollars to a billionth,
    so the parts never sum to more than the whole. Seconds are a deadline and the same for all.

    Raises:
        SetupError: a share is no number from 0 to 1, or together they are more than 1.
    """
    parts = {name: _part(share, field=f"{field}.{name}") for name, share in shares.items()}
    whole = sum(parts.values(), start=Fraction(0))
    if whole > 1:
        raise SetupError(field=field, value=float(whole), rule="shares must be at most 1 together")
    return {name: _of(budget, part) for name, part in parts.items()}


def allocation(given: object, *, field: str) -> tuple[Budget, dict[str, Budget]]:
    """Return a workflow's budget and its parts from document 004's form: `{"total_tokens": ..., "agent_allocation": ...}`.

    Any field of a `Budget` may stand beside the shares.

    Raises:
        SetupError: not of this form, an unknown field, a sum out of range, or bad shares.
    """
    if not isinstance(given, Mapping) or not isinstance(given.get(SHARES), Mapping):
        raise SetupError(field=field, value=given, rule=f"must be a budget with {SHARES!r}, shares by name")
    sums = {NAMES.get(str(name), str(name)): value for name, value in given.items() if name != SHARES}
    try:
        budget = Budget.model_validate(sums)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join((field, *(str(part) for part in first["loc"])))
        raise SetupError(field=place, value=first["input"], rule=first["msg"]) from error
    return budget, allocate(budget, given[SHARES], field=f"{field}.{SHARES}")


def _part(share: Any, *, field: str) -> Fraction:
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
        raise SetupError(field=field, value=share, rule="must be a share from 0 to 1")
    return Fraction(repr(share))


def _of(budget: Budget, part: Fraction) -> Budget:
    counts = {
        name: int(value * part)
        for name in ("tokens", "calls", "documents")
        if (value := getattr(budget, name)) is not None
    }
    usd = None if budget.usd is None else _dollars(int(nano(budget.usd) * part))
    return Budget(**counts, usd=usd, seconds=budget.seconds)


def _dollars(most: int) -> float:
    """Return the largest dollars that are no more than so many nano-dollars; above 9 million a float has gaps."""
    usd = most / NANO
    return math.nextafter(usd, 0.0) if nano(usd) > most else usd
