"""Budget, deadline and cost: what a run was allowed, and what it used."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from concertino.contracts.json import JsonObject
from concertino.evals.cases import CostExpected
from concertino.evals.judging.verdict import Verdict, yes_or_no

DUST = 1e-9
"""Differences below are rounding: money is counted in billionths of a dollar, and time in microseconds at best."""
STOPPED = "DeadlineExceeded"


def budget_verdict(result: Mapping[str, Any], events: Sequence[Mapping[str, Any]]) -> Verdict:
    """Judge that settled and held stayed within the limit at every level of the ledger, and no call overran its reservation.

    `used` in the detail is the used part of the tightest limit: it tells a budget that was nearly all used from one that was
    hardly touched.
    """
    over = [*_over_usage(result), *_over_ledger(result.get("budget") or {})]
    breaches = [event["payload"] for event in events if event["type"] == "BUDGET_BREACH"]
    held = {path: amount for path, amount in _held(result.get("budget") or {}) if amount}
    kept = not over and not breaches and not held
    used, limits = result.get("usage") or {}, result.get("limits") or {}
    shares = [used.get(name, 0) / limit for name, limit in limits.items() if limit]
    detail = {"over": over, "breaches": breaches, "held_at_end": held, "used": max(shares, default=None)}
    return Verdict("budget", kept, 1.0 if kept else 0.0, cast("JsonObject", detail))


def deadline_verdict(result: Mapping[str, Any], events: Sequence[Mapping[str, Any]]) -> Verdict:
    """Judge that the run's active seconds stayed within its limit, nothing was stopped by it, and no SLA was missed."""
    seconds, limit = (result.get("usage") or {}).get("seconds", 0.0), (result.get("limits") or {}).get("seconds")
    late = sorted({str(event["subtask_id"]) for event in events if event["type"] == "SLA_MISSED"})
    stopped = sorted(
        str(subtask["subtask_id"])
        for subtask in result.get("subtasks") or ()
        if (subtask.get("error") or {}).get("type") == STOPPED
    )
    kept = not late and not stopped and (limit is None or seconds <= limit + DUST)
    detail = {"seconds": seconds, "limit": limit, "sla_missed": late, "stopped": stopped}
    return yes_or_no("deadline", kept, cast("JsonObject", detail))


def cost_verdict(expected: CostExpected, result: Mapping[str, Any]) -> Verdict:
    """Judge what a run cost; the score is the allowed part of the dimension that is furthest over."""
    used = result.get("usage") or {}
    asked = {"usd": expected.max_usd, "tokens": expected.max_tokens, "calls": expected.max_calls}
    over = {
        name: used.get(name, 0) for name, most in asked.items() if most is not None and used.get(name, 0) > most + DUST
    }
    scores = [(asked[name] or 0) / amount for name, amount in over.items()]
    detail = {"most": {k: v for k, v in asked.items() if v is not None}, "used": {k: used.get(k, 0) for k in asked}}
    return Verdict("cost", not over, min(scores, default=1.0), cast("JsonObject", detail))


def _over_usage(result: Mapping[str, Any]) -> Iterator[JsonObject]:
    used = result.get("usage") or {}
    for name, limit in (result.get("limits") or {}).items():
        # Active seconds are the deadline's matter: what is stopped by it ends a moment after it.
        if name != "seconds" and used.get(name, 0) > limit + DUST:
            yield {"path": "run", "dimension": name, "used": used.get(name, 0), "limit": limit}


def _over_ledger(account: Mapping[str, Any]) -> Iterator[JsonObject]:
    settled, held = account.get("settled") or {}, account.get("held") or {}
    for name, limit in (account.get("limit") or {}).items():
        amount = settled.get(name, 0) + held.get(name, 0)
        if limit is not None and amount > limit + DUST:
            yield {"path": account.get("path"), "dimension": name, "used": amount, "limit": limit}
    for below in (account.get("children") or {}).values():
        yield from _over_ledger(below)


def _held(account: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    yield str(account.get("path", "run")), sum((account.get("held") or {}).values())
    for below in (account.get("children") or {}).values():
        yield from _held(below)
