"""Breakers and calls: how a run's outside world looked to it, and how often it was asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from concertino.contracts.json import JsonObject
from concertino.evals.judging.verdict import Verdict

UNSENT = frozenset({"breaker_open", "over_budget", "deadline", "not_sent"})
"""Outcomes of calls that never left; see `tools.outcome.Label`."""
MODEL = "model"
"""What the tool of every chat model is called."""


def breakers_verdict(
    expected: Mapping[str, str], result: Mapping[str, Any], events: Sequence[Mapping[str, Any]]
) -> Verdict:
    """Judge breakers by the state they ended in, or by whether they were `opened` at some time.

    A name is a tool's, or `tool@endpoint`; a tool without an endpoint named stands for all of its endpoints. What was called
    and has no breaker is closed; a name that nobody called is in no state, and fails.
    """
    ended: dict[str, set[str]] = {}
    opened: set[str] = set()
    known: set[str] = set()
    for breaker in result.get("breakers") or ():
        for name in _names(breaker):
            ended.setdefault(name, set()).add(str(breaker["state"]).lower())
            opened |= {name} if breaker.get("opened") else set()
    for event in events:
        if event["type"] == "BREAKER_CHANGED" and event["payload"].get("to") == "OPEN":
            opened.update(_names(event["payload"]))
        if event["type"] == "TOOL_CALLED":
            known.update(_names(event["payload"]))
    wrong: list[JsonObject] = []
    for name, state in expected.items():
        if name not in known | ended.keys() | opened:
            wrong.append({"breaker": name, "expected": state, "found": [], "error": "nothing of this name was called"})
            continue
        states = sorted(ended.get(name, {"closed"}))
        if not (name in opened if state.lower() == "opened" else states == [state.lower()]):
            wrong.append({"breaker": name, "expected": state, "found": cast("Any", states), "opened": name in opened})
    score = 1 - len(wrong) / len(expected) if expected else 1.0
    return Verdict("breakers", not wrong, score, {"asked": len(expected), "wrong": cast("Any", wrong)})


def calls_verdict(expected: Mapping[str, int], events: Sequence[Mapping[str, Any]]) -> Verdict:
    """Judge how many outside calls were made, every attempt counted; calls that a breaker refused were none."""
    made: dict[str, int] = {}
    for event in events:
        if event["type"] == "TOOL_CALLED" and event["payload"].get("outcome") not in UNSENT:
            name = str(event["payload"].get("tool"))
            made[name] = made.get(name, 0) + 1
    wrong: list[JsonObject] = [
        {"name": name, "expected": count, "found": made.get(name, 0)}
        for name, count in expected.items()
        if made.get(name, 0) != count
    ]
    score = 1 - len(wrong) / len(expected) if expected else 1.0
    return Verdict("calls", not wrong, score, {"wrong": cast("Any", wrong), "made": cast("Any", made)})


def _names(breaker: Mapping[str, Any]) -> tuple[str, ...]:
    tool, endpoint = str(breaker.get("tool")), str(breaker.get("endpoint") or "")
    return (tool, f"{tool}@{endpoint}") if endpoint else (tool,)
