"""Specialists that spend: each asks its model, or reads documents, as its objective says."""

from __future__ import annotations

import asyncio
from typing import Any

from concertino import Brief, Budget, BudgetExceeded, Finding, create_planner, specialist


@specialist("writer", capabilities={"writing"})
async def writer(brief: Brief) -> Finding:
    """Ask the model once; the objective says how many tokens it answers with."""
    said = await brief.model.ainvoke(brief.objective)
    return Finding(output={"chars": len(said.text), "ended": said.response_metadata["finish_reason"]}, confidence=0.8)


@specialist("digger", capabilities={"digging"}, max_attempts=1)
async def digger(brief: Brief) -> Finding:
    """Ask again and again, until the budget has no room for more: what was found so far is the answer."""
    found = 0
    try:
        for turn in range(1, 21):
            await brief.model.ainvoke(f"{brief.objective}, turn {turn}")
            found = turn
    except BudgetExceeded:
        pass
    return Finding(output={"turns": found}, confidence=0.05 * found)


@specialist("frugal", capabilities={"writing"}, budget=Budget(tokens=600), max_attempts=1)
async def frugal(brief: Brief) -> Finding:
    """Ask once within a budget of its own."""
    said = await brief.model.ainvoke(brief.objective)
    return Finding(output={"chars": len(said.text)}, confidence=0.7)


@specialist("reader", capabilities={"reading"}, max_attempts=1)
async def reader(brief: Brief) -> Finding:
    """Read as many documents as asked, half a second each."""
    wanted = int(brief.inputs.get("documents", 1))
    for _ in range(wanted):
        await brief.spend(documents=1)
        await asyncio.sleep(0.5)
    return Finding(output={"read": wanted}, confidence=0.9)


def create(model: Any = None, *, shares: dict[str, float] | None = None, **budget: Any) -> Any:
    """Return the planner under a budget that the case gives."""
    return create_planner(
        specialists=[writer, digger, frugal, reader],
        model=model,
        budget=Budget(**budget),
        shares=shares,
        reallocate="nothing",
    )
