"""One run as a report has it: everything that the page shows of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from concertino.contracts.json import JsonObject
from concertino.evals.judging.makespan import Bound, bound_of
from concertino.evals.reports.calls import shown
from concertino.evals.view import View

DIGITS = 12
"""Significant digits that a report keeps of a number: what is behind them is the noise of sums."""

HEAD = ("task_id", "run_id", "parent_run_id", "status", "reason", "answer", "share", "confidence", "calibration", "abstain",
        "abstain_reason", "usage", "limits", "costs", "recommendations", "needs_review", "leaked")  # fmt: skip
SYNTHESIS = ("method", "fallback", "weights", "provenance", "dissent", "missing", "vetoes", "track_record", "worth")


def run_of(
    view: View,
    *,
    result: Mapping[str, Any] | None,
    events: Sequence[Mapping[str, Any]],
    calls: Sequence[Mapping[str, Any]],
    started: float | None = None,
) -> tuple[JsonObject, Bound]:
    """Return a run's part of a report, and its bound; numbers are not rounded yet.

    `started` is when the calls' own time begins, in seconds since 1970-01-01 UTC; with the events where left out.
    """
    offset_s = 0.0 if started is None else started - view.zero
    known = result or {}
    bound = bound_of(view.subtasks, slots=view.slots, parked=view.parked)
    told: dict[str, Any] = {
        **{key: known[key] for key in HEAD if known.get(key) not in (None, [], {})},
        "title": next((e["payload"].get("title") for e in events if e["type"] == "RUN_ADMITTED"), None),
        "seconds": view.end,
        "plan": view.plan,
        "subtasks": [_lean(subtask) for subtask in view.subtasks],
        "dispatched": view.dispatched,
        "parked": [list(span) for span in view.parked],
        "bound": bound.as_json(),
        "alerts": [
            {"at": round(e["timestamp"] - view.zero, 6), **e["payload"]} for e in events if e["type"] == "BUDGET_ALERT"
        ],
        "breaches": [e["payload"] for e in events if e["type"] == "BUDGET_BREACH"],
        "specialists": _specialists(known.get("budget") or {}),
        "breakers": view.breakers,
        "tools": view.tools,
        "gates": view.gates,
        "steps": view.steps,
        "synthesis": {key: known[key] for key in SYNTHESIS if known.get(key)},
        "models": {key: value for key, value in (known.get("models") or {}).items() if value},
        "calls": [shown(call, offset_s=offset_s) for call in calls],
    }
    told["status"] = known.get("status") or _status(events)
    return cast("JsonObject", {key: value for key, value in told.items() if value not in (None, [], {})}), bound


def tidy(value: Any) -> Any:
    """Return JSON with keys sorted at every level, every float rounded to `DIGITS`, and no negative zero."""
    kind = type(value)
    if kind is str or kind is int or value is None:
        return value
    if kind is float:
        return float(f"{value:.{DIGITS}g}") + 0.0
    if kind is dict:
        return {key: tidy(value[key]) for key in sorted(value)}
    if kind is list or kind is tuple:
        return [tidy(one) for one in value]
    return value


def _lean(subtask: Mapping[str, Any]) -> JsonObject:
    """Return a subtask without what says nothing."""
    told = {key: value for key, value in subtask.items() if value is not False and value not in (None, [], {}, "")}
    told["state"] = subtask["state"]
    if subtask.get("required") is False:
        told["required"] = False
    else:
        told.pop("required", None)
    if told.get("name") == told["id"]:
        del told["name"]
    if "usage" in told:
        told["usage"] = {key: amount for key, amount in told["usage"].items() if amount and key != "seconds"}
    return cast("JsonObject", {key: value for key, value in told.items() if value != {}})


def _specialists(ledger: Mapping[str, Any]) -> list[JsonObject]:
    """Return the accounts that stand directly below the run and below its work: nodes and specialists, with their limits."""
    found: list[JsonObject] = []
    for node, account in sorted((ledger.get("children") or {}).items()):
        below = account.get("children") or {}
        named = [(node, account)] if node != "work" else [*sorted(below.items())]
        for name, one in named:
            if one.get("settled") or one.get("limit"):
                found.append({"name": name, "used": one.get("settled") or {}, "limit": one.get("limit") or {}})
    return found


def _status(events: Sequence[Mapping[str, Any]]) -> str:
    """Return where a run without a result stands."""
    last = {"RUN_PARKED": "waiting", "RUN_FAILED": "failed", "RUN_CANCELLED": "cancelled"}
    states = [last[event["type"]] for event in events if event["type"] in last]
    return states[-1] if states else "running" if events else "unknown"
