"""Allocation by shares: part of a run's budget for each specialist. Source: document 004, token budget allocation."""

from __future__ import annotations

import math
from collections.abc import Mapping

from concertino.contracts.budget import Budget
from concertino.contracts.errors import SetupError

SLACK = 1e-9
"""How much the sum of shares may pass 1, for shares such as three thirds."""


def check_shares(shares: object, *, field: str) -> dict[str, float]:
    """Return shares by name, each within 0 and 1 and at most 1 together.

    Raises:
        SetupError: they are not.
    """
    if not isinstance(shares, Mapping):
        raise SetupError(field=field, value=shares, rule="must be shares by name")
    for name, share in shares.items():
        if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
            raise SetupError(field=f"{field}.{name}", value=share, rule="must be within 0 and 1")
    total = math.fsum(shares.values())
    if total > 1 + SLACK:
        raise SetupError(field=field, value=total, rule="must be at most 1 together")
    return {str(name): float(share) for name, share in shares.items()}


def allocate(budget: Budget, shares: Mapping[str, float]) -> dict[str, Budget]:
    """Return each name's part of the sums of a budget, rounded down; time is nobody's part.

    A part is a cap, not a reservation: what one leaves unused, others may use up to their own.
    """

    def part(share: float) -> Budget:
        counts = {name: getattr(budget, name) for name in ("tokens", "calls", "documents")}
        made: dict[str, int | float | None] = {
            name: None if count is None else math.floor(count * share + SLACK) for name, count in counts.items()
        }
        made["usd"] = None if budget.usd is None else budget.usd * share
        return Budget.model_validate(made)

    return {name: part(share) for name, share in shares.items()}
