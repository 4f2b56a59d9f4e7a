"""Specialists that run in child processes, which import them from here."""

from __future__ import annotations

import os
from typing import Any

from concertino import Brief, Finding, specialist

PID = os.getpid()


@specialist("spender", isolation="process", max_attempts=1)
def spender(brief: Brief) -> dict[str, Any]:
    tokens: Any = brief.inputs["tokens"]
    brief.spend(tokens=tokens)
    return {"sum": brief.tools.add(a=2, b=3), "pid": os.getpid()}


@specialist("charger", isolation="process", max_attempts=1)
def charger(brief: Brief) -> int:
    amount: Any = brief.inputs["amount"]
    amounts: dict[str, Any] = {str(brief.inputs["name"]): float("nan") if amount == "nan" else amount}
    brief.spend(**amounts)
    return 1


@specialist("publisher", isolation="process", max_attempts=1)
def publisher(brief: Brief) -> int:
    brief.publish("price", {"amount": 1, "finding": 3}, amount=2)
    return 1


@specialist("adder", isolation="process")
def adder(brief: Brief) -> Any:
    return brief.tools.add(a=2, b=3)


@specialist("overconfident", isolation="process", max_attempts=1)
def overconfident(brief: Brief) -> Finding:
    return Finding(output=1, confidence=7)
