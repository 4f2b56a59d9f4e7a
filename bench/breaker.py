"""Measures the breaker half-open under 1,000 callers, and what the guard adds to healthy calls at once.

`python bench/breaker.py`.
"""

from __future__ import annotations

import asyncio
import json
import random
import threading
import time
from typing import Any

from concertino.budgets import Account, Ledger
from concertino.contracts.budget import Budget
from concertino.contracts.clock import SystemClock
from concertino.contracts.errors import BreakerOpen
from concertino.tools.attempt import Desk, Order
from concertino.tools.breaker import Breaker, BreakerPolicy, Breakers
from concertino.tools.guard import Guard
from concertino.tools.registry import Cost, Tool, as_tool
from concertino.tools.retry import RetryBudget

CALLERS = 1_000
PROBES = 5
HEALTHY = 32
CALL_S = 0.05


def measure() -> dict[str, Any]:
    """Return, for coroutines and threads, how many callers passed half-open and the seconds 32 healthy calls took."""
    return {
        "callers": CALLERS,
        "permitted": PROBES,
        "passed_coroutines": asyncio.run(_half_open()),
        "passed_threads": _half_open_threads(),
        "healthy_calls": HEALTHY,
        "healthy_async_s": round(asyncio.run(_healthy(_async_tool())), 4),
        "healthy_plain_s": round(asyncio.run(_healthy(_plain_tool())), 4),
        "healthy_threads_s": round(_healthy_threads(), 4),
        "at_most_s": 0.1,
        "overhead_us": round(asyncio.run(_overhead()) * 1e6, 1),
    }


def _guard(breakers: Breakers) -> Guard:
    desk = Desk(breakers=breakers, clock=SystemClock(), emit=lambda kind, payload: None)
    return Guard(desk, retries=RetryBudget(), random=random.random)


def _account() -> Account:
    limit = Budget(calls=10**6, tokens=10**9)
    return Ledger(limit).account(("work", "searcher", "searcher::t::1", "search"), limit=limit)


def _async_tool(seconds: float = CALL_S) -> Tool:
    async def search() -> str:
        await asyncio.sleep(seconds)
        return "found"

    return as_tool(search, cost=Cost(tokens=100))


def _plain_tool() -> Tool:
    def search() -> str:
        time.sleep(CALL_S)
        return "found"

    return as_tool(search, cost=Cost(tokens=100))


def _tripped(tool: Tool, policy: BreakerPolicy) -> tuple[Breakers, Breaker]:
    """Return a breaker that is open and may be probed now."""
    breakers = Breakers()
    breaker = breakers.get(tool.name, tool.endpoint, policy=policy)
    for _ in range(3):
        breaker.enter().failure(0.1)
    time.sleep(policy.reset_timeout_s)
    return breakers, breaker


async def _half_open() -> int:
    """Send 1,000 guarded calls at once at a breaker that may be probed; count at the tool who arrives meanwhile."""
    arrived = 0
    go = asyncio.Event()

    async def search() -> None:
        nonlocal arrived
        arrived += 1
        await go.wait()

    tool = as_tool(search, breaker=BreakerPolicy(probes=PROBES, reset_timeout_s=0.01))
    breakers, _ = _tripped(tool, tool.breaker)
    guard, account = _guard(breakers), _account()
    calls = [
        asyncio.ensure_future(guard.call(Order(tool=tool, account=account, key=f"k{n}"), (), {}))
        for n in range(CALLERS)
    ]
    while sum(call.done() for call in calls) < CALLERS - PROBES:
        await asyncio.sleep(0.001)
    go.set()
    ended = await asyncio.gather(*calls, return_exceptions=True)
    assert sum(isinstance(error, BreakerOpen) for error in ended) == CALLERS - arrived
    return arrived


def _half_open_threads() -> int:
    tool = _plain_tool()
    policy = BreakerPolicy(probes=PROBES, reset_timeout_s=0.01)
    _, breaker = _tripped(tool, policy)
    passed: list[object] = []
    start = threading.Barrier(100)

    def enter() -> None:
        start.wait()
        for _ in range(CALLERS // 100):
            try:
                passed.append(breaker.enter())
            except BreakerOpen:
                continue

    threads = [threading.Thread(target=enter) for _ in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(passed)


async def _healthy(tool: Tool) -> float:
    guard, account = _guard(Breakers()), _account()
    began = time.perf_counter()
    await asyncio.gather(*(guard.call(Order(tool=tool, account=account, key=f"k{n}"), (), {}) for n in range(HEALTHY)))
    return time.perf_counter() - began


def _healthy_threads() -> float:
    tool, guard, account = _plain_tool(), _guard(Breakers()), _account()
    threads = [
        threading.Thread(target=guard.call_blocking, args=(Order(tool=tool, account=account, key=f"k{n}"), (), {}))
        for n in range(HEALTHY)
    ]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - began


async def _overhead(rounds: int = 2_000) -> float:
    """Return seconds that the guard adds to one call of a tool that does nothing, journal not counted."""
    tool, guard, account = _async_tool(0), _guard(Breakers()), _account()
    assert tool.afn is not None
    began = time.perf_counter()
    for n in range(rounds):
        await guard.call(Order(tool=tool, account=account, key=f"k{n}"), (), {})
    guarded = time.perf_counter() - began
    began = time.perf_counter()
    for _ in range(rounds):
        await tool.afn()
    return (guarded - (time.perf_counter() - began)) / rounds


if __name__ == "__main__":
    print(json.dumps(measure(), indent=2))
