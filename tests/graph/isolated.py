"""Specialists that run in child processes, which import them from here."""

from __future__ import annotations

import os
from typing import Any

from concertino import Brief, specialist

PID = os.getpid()


@specialist("spender", isolation="process", max_attempts=1)
def spender(brief: Brief) -> dict[str, Any]:
    tokens: Any = brief.inputs["tokens"]
    brief.spend(tokens=tokens)
    return {"sum": brief.tools.add(a=2, b=3), "pid": os.getpid()}
