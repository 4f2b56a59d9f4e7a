"""Breakers: nothing passes an open one, and a half-open one lets exactly the permitted probes through.

Read from what each process told, in the order in which it told it: a reservation of a tool call is told when its breaker
has let it pass.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from concertino.evals.simulator.invariants import Break
from concertino.evals.simulator.scenario import Scenario, ToolSetup
from concertino.evals.simulator.traces import Told, Trace


@dataclass(slots=True)
class _Seen:
    """One tool's breaker in one process, as it must be."""

    state: str = "CLOSED"
    number: int = 0
    opened_at: float = 0.0
    running: set[str] = field(default_factory=set)
    succeeded: int = 0


def breakers(scenario: Scenario, trace: Trace) -> list[Break]:
    """Check every breaker of every process."""
    tools = {tool.name: tool for tool in scenario.tools}
    seen: dict[tuple[int, str], _Seen] = {}
    found: list[Break] = []
    for told in trace.told:
        payload: Any = told.event.payload
        match told.event.type:
            case "RESERVED":
                name = payload["path"].rpartition("/")[2]
            case "BREAKER_CHANGED" | "TOOL_CALLED":
                name = payload["tool"]
            case _:
                continue
        if name in tools:
            breaker = seen.setdefault((told.process, name), _Seen())
            found += _follow(told, payload, breaker, tools[name])
    return found


def _follow(told: Told, payload: Any, breaker: _Seen, tool: ToolSetup) -> Iterator[Break]:
    place = f"{tool.name} in process {told.process} at {told.at:g} s"
    probes = int(tool.breaker.get("probes", 1))
    match told.event.type:
        case "RESERVED":
            if breaker.state == "OPEN":
                yield Break("breakers", "no call passes an open breaker", f"{place}: {payload['key']}")
            elif breaker.state == "HALF_OPEN":
                breaker.running.add(payload["key"])
                if len(breaker.running) + breaker.succeeded > probes:
                    yield Break(
                        "breakers", "half-open lets the permitted probes through",
                        f"{place}: {len(breaker.running)} run, {breaker.succeeded} succeeded, {probes} are permitted",
                    )  # fmt: skip
        case "TOOL_CALLED":
            if payload["key"] in breaker.running:
                breaker.running.discard(payload["key"])
                breaker.succeeded += payload["outcome"] == "ok"
        case _:
            yield from _change(told, payload, breaker, tool, place)


def _change(told: Told, payload: Any, breaker: _Seen, tool: ToolSetup, place: str) -> Iterator[Break]:
    if payload["from"] != breaker.state or payload["number"] != breaker.number + 1:
        yield Break(
            "breakers", "changes follow one another",
            f"{place}: {payload['from']} to {payload['to']} as number {payload['number']}, was {breaker.state}",
        )  # fmt: skip
    waited_s = told.at - breaker.opened_at
    if payload["to"] == "HALF_OPEN" and waited_s < float(tool.breaker["reset_timeout_s"]) - 1e-9:
        yield Break("breakers", "an open breaker waits for its reset", f"{place}: tried after {waited_s:g} s")
    breaker.state, breaker.number = payload["to"], payload["number"]
    breaker.running, breaker.succeeded = set(), 0
    if breaker.state == "OPEN":
        breaker.opened_at = told.at
