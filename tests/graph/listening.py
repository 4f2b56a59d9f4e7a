"""Specialists in child processes that read what others publish."""

from __future__ import annotations

from typing import Any

from concertino import Brief, specialist


@specialist("listener", isolation="process", max_attempts=1)
def listener(brief: Brief) -> dict[str, Any]:
    first = brief.sync(wait_s=30)
    brief.publish("heard", count=len(first))
    return {
        "first": [one.finding for one in first],
        "all": [one.data for one in brief.discoveries],
        "rest": len(brief.sync()),
    }


@specialist("alistener", isolation="process", max_attempts=1)
async def alistener(brief: Brief) -> dict[str, Any]:
    first = await brief.sync(wait_s=30)
    await brief.publish("heard", count=len(first))
    rest = await brief.sync()
    return {"first": [one.finding for one in first], "all": [one.data for one in brief.discoveries], "rest": len(rest)}


@specialist("impatient", isolation="process", max_attempts=1)
def impatient(brief: Brief) -> int:
    brief.sync(wait_s=-1)
    return 1
