"""Outside calls: no more attempts than a tool allows, none longer than its time, none after the run's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from concertino.evals.simulator.invariants import Break
from concertino.evals.simulator.scenario import Scenario
from concertino.evals.simulator.traces import Told, Trace

SAME_S = 1e-5
"""Durations are told to the microsecond."""


def calls(scenario: Scenario, trace: Trace) -> list[Break]:
    """Check every call that was told of, and every one that arrived."""
    found: list[Break] = []
    for told in trace.told:
        if told.event.type == "TOOL_CALLED":
            found += _call(told, scenario)
    found += _late(scenario, trace)
    return found


def _call(told: Told, scenario: Scenario) -> Iterator[Break]:
    payload: Any = told.event.payload
    tool = next(tool for tool in scenario.tools if tool.name == payload["tool"])
    place = f"{payload['key']} at {told.at:g} s"
    if payload["attempt"] > tool.attempts:
        yield Break("calls", "no more attempts than a tool allows", f"{place}: {payload['attempt']} of {tool.attempts}")
    if tool.timeout_s is not None and payload["duration_s"] > tool.timeout_s + SAME_S:
        yield Break(
            "calls", "no call takes longer than it may", f"{place}: {payload['duration_s']:g} s of {tool.timeout_s:g} s"
        )


def _late(scenario: Scenario, trace: Trace) -> Iterator[Break]:
    """Nothing leaves after the deadline of the invocation that it is made in."""
    seconds = {task.id: task.budget.get("seconds") for task in scenario.tasks}
    whose = {body.run_id: body.task_id for body in trace.bodies}
    for call in trace.calls:
        limit_s = seconds[whose[call.run_id]]
        began = [
            entry.began for entry in trace.entries
            if entry.task_id == whose[call.run_id] and entry.process == call.process and entry.began <= call.began
        ]  # fmt: skip
        if limit_s is not None and began and call.began > max(began) + limit_s + SAME_S:
            yield Break(
                "calls", "nothing leaves after the deadline", f"{call.subtask_id}: {call.tool} at {call.began:g} s"
            )
