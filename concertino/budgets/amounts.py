"""Amounts: what a ledger counts in, as four whole numbers. Money is nano-dollars inside, dollars outside."""

from __future__ import annotations

from typing import NamedTuple

from concertino.contracts.budget import DIMENSIONS, Budget, Dimension, Usage

UNBOUNDED = 1 << 62
"""Stands for "no limit"; four orders of magnitude above the largest budget, so sums never reach it."""

NANO = 1_000_000_000


class Amounts(NamedTuple):
    """A sum in every dimension, in the order of `DIMENSIONS`; all ≥ 0."""

    tokens: int = 0
    calls: int = 0
    nano_usd: int = 0
    """Billionths of a US dollar."""
    documents: int = 0

    def plus(self, other: Amounts) -> Amounts:
        """Return the sum in every dimension."""
        return Amounts(self[0] + other[0], self[1] + other[1], self[2] + other[2], self[3] + other[3])

    def shown(self) -> dict[str, float]:
        """Return what is not 0, by dimension, money in dollars."""
        return {name: shown(name, n) for name, n in zip(DIMENSIONS, self, strict=True) if n}


NOTHING = Amounts()


def amounts(*, tokens: int = 0, calls: int = 0, usd: float = 0.0, documents: int = 0) -> Amounts:
    """Return amounts with money given in dollars, rounded to the nearest billionth.

    Raises:
        ValueError: one of them is negative or not finite.
    """
    made = Amounts(tokens, calls, nano(usd), documents)
    check(made)
    return made


def check(given: Amounts) -> None:
    """Raise ValueError when an amount is negative."""
    if min(given) < 0:
        raise ValueError(f"amounts must be ≥ 0: {given}")


def nano(usd: float) -> int:
    """Return dollars as nano-dollars, rounded to the nearest."""
    try:
        return round(usd * NANO)
    except OverflowError as error:
        raise ValueError("dollars must be finite") from error


def shown(dimension: Dimension, n: int) -> float:
    """Return an inside number as people read it: dollars for money, else itself."""
    return n / NANO if dimension == "usd" else n


def bounds(budget: Budget) -> tuple[int | None, int | None, int | None, int | None]:
    """Return a budget's four sums as inside numbers; `None` where it sets no bound."""
    return (budget.tokens, budget.calls, None if budget.usd is None else nano(budget.usd), budget.documents)


def usage(spent: Amounts) -> Usage:
    """Return amounts as a usage, without seconds."""
    return Usage(tokens=spent.tokens, calls=spent.calls, usd=spent.nano_usd / NANO, documents=spent.documents)
