"""Measures one reservation's way through the ledger against one uncontended `asyncio.Lock` round trip, in one run."""

from __future__ import annotations

import asyncio
import json
import time

from concertino.budgets import Amounts, Ledger
from concertino.contracts.budget import Budget

PATH = ("work", "financial", "financial::t-1::1", "search")
ROUNDS = 20_000
SERIES = 7


def measure(*, rounds: int = ROUNDS, series: int = SERIES) -> dict[str, float]:
    """Return microseconds of a lock round trip and of reserve + settle, and their ratio.

    Five accounts deep, each bounded in two dimensions; a reservation asks for both and gives half of one back. The
    two take turns, and the best series of each counts. `ratio_granted` is the same below an account with a grant.
    """
    plain, granted, lock = [], [], []
    for number in range(series):
        lock.append(_lock(rounds))
        plain.append(_ledger(rounds, number, grant=False))
        granted.append(_ledger(rounds, number, grant=True))
    base = min(lock)
    return {
        "lock_us": round(base * 1e6, 3),
        "reserve_settle_us": round(min(plain) * 1e6, 3),
        "ratio": round(min(plain) / base, 2),
        "ratio_granted": round(min(granted) / base, 2),
        "at_most": 20.0,
    }


def _lock(rounds: int) -> float:
    async def turn() -> float:
        lock = asyncio.Lock()
        start = time.perf_counter()
        for _ in range(rounds):
            async with lock:
                pass
        return (time.perf_counter() - start) / rounds

    return asyncio.run(turn())


def _ledger(rounds: int, number: int, *, grant: bool) -> float:
    bound = Budget(tokens=10**12, calls=10**9)
    ledger = Ledger(bound)
    for depth in range(1, len(PATH)):
        ledger.account(PATH[:depth], limit=bound)
    account = ledger.account(PATH, limit=bound)
    if grant:
        ledger.account(PATH[:3]).grant(Amounts(tokens=10**8, calls=10**6))
    keys = [f"{number}:{i}" for i in range(rounds)]
    asked, used = Amounts(tokens=1_000, calls=1), Amounts(tokens=500, calls=1)
    start = time.perf_counter()
    for key in keys:
        account.reserve(asked, key=key).settle(used)
    spent = (time.perf_counter() - start) / rounds
    ledger.account(PATH[:3]).close()
    assert ledger.usage().tokens == 500 * rounds
    assert ledger.open_holds() == 0
    return spent


if __name__ == "__main__":
    print(json.dumps(measure(), indent=2))
