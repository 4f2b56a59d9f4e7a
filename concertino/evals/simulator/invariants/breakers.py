"""Breakers: nothing passes an open one, a half-open one lets exactly the permitted probes through, and each opens and closes
when it has to.

Read from what each process told, in the order in which it told it: a reservation of a tool call is told when its breaker
has let it pass, its outcome when the breaker has heard of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from concertino.evals.simulator.invariants import Break
from concertino.evals.simulator.scenario import Scenario, ToolSetup
from concertino.evals.simulator.traces import Told, Trace

Verdict = Literal["success", "failure", "unknown"]
SAME_S = 1e-9


@dataclass(slots=True)
class _Seen:
    """One tool's breaker in one process, as it must be."""

    tool: ToolSetup
    state: str = "CLOSED"
    number: int = 0
    opened_at: float = 0.0
    entered: dict[tuple[str, str], int] = field(default_factory=dict)
    """Calls under way by run and key, with the change after which they were let pass."""
    succeeded: int = 0
    """Probes of this period that did."""
    failures: int = 0
    """In a row."""
    due: str | None = None
    """Where it has to go next, now."""

    @property
    def probing(self) -> int:
        """How many probes of this period run."""
        return sum(number == self.number for number in self.entered.values())

    @property
    def probes(self) -> int:
        """How many are permitted."""
        return int(self.tool.breaker.get("probes", 1))

    @property
    def only_counts(self) -> bool:
        """Whether failures in a row are all that opens it."""
        return not {"failure_rate", "slow_rate"} & set(self.tool.breaker)


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
            breaker = seen.setdefault((told.process, name), _Seen(tools[name]))
            found += (
                Break("breakers", rule, f"{name} in process {told.process} at {told.at:g} s: {detail}")
                for rule, detail in _follow(told, payload, breaker)
            )
    return found


def _follow(told: Told, payload: Any, breaker: _Seen) -> Iterator[tuple[str, str]]:
    if told.event.type == "BREAKER_CHANGED":
        yield from _change(told, payload, breaker)
        return
    if breaker.due is not None:
        yield "a breaker changes when it has to", f"it is {breaker.state}, not {breaker.due}"
        breaker.due = None
    if told.event.type == "RESERVED":
        breaker.entered[told.event.run_id, payload["key"]] = breaker.number
        if breaker.state == "OPEN":
            yield "no call passes an open breaker", payload["key"]
        elif breaker.state == "HALF_OPEN" and breaker.probing + breaker.succeeded > breaker.probes:
            yield (
                "half-open lets the permitted probes through",
                f"{breaker.probing} run, {breaker.probes} are permitted",
            )
    elif payload["outcome"] == "breaker_open":
        yield from _refusal(told, breaker)
    elif (key := (told.event.run_id, payload["key"])) in breaker.entered:
        _outcome(payload, breaker, is_now=breaker.entered.pop(key) == breaker.number)


def _refusal(told: Told, breaker: _Seen) -> Iterator[tuple[str, str]]:
    if breaker.state == "CLOSED":
        yield "a closed breaker refuses nobody", ""
    elif breaker.state == "HALF_OPEN" and breaker.probing + breaker.succeeded < breaker.probes:
        yield "half-open lets the permitted probes through", f"refused while {breaker.probing} of {breaker.probes} run"
    elif (
        breaker.state == "OPEN"
        and told.at - breaker.opened_at > float(breaker.tool.breaker["reset_timeout_s"]) + SAME_S
    ):
        yield "an open breaker is tried after its reset", f"refused after {told.at - breaker.opened_at:g} s"


def _outcome(payload: Any, breaker: _Seen, *, is_now: bool) -> None:
    verdict = _verdict(payload)
    if not is_now or verdict == "unknown":
        return
    if breaker.state == "HALF_OPEN":
        slow = "slow_rate" in breaker.tool.breaker and payload["duration_s"] >= breaker.tool.breaker["slow_s"] - SAME_S
        breaker.succeeded += verdict == "success" and not slow
        failed = verdict == "failure" or slow
        breaker.due = "OPEN" if failed else "CLOSED" if breaker.succeeded >= breaker.probes else None
    else:
        breaker.failures = breaker.failures + 1 if verdict == "failure" else 0
        threshold = breaker.tool.breaker.get("failure_threshold")
        breaker.due = "OPEN" if threshold is not None and breaker.failures >= threshold else None


def _verdict(payload: Any) -> Verdict:
    """Return what a call's end says of its endpoint; a request that was wrong says that it works."""
    match payload["outcome"]:
        case "ok":
            return "success"
        case "failed" if str(payload.get("error")).endswith("HTTP 400"):
            return "success"
        case "failed" | "timeout":
            return "failure"
        case _:
            return "unknown"


def _change(told: Told, payload: Any, breaker: _Seen) -> Iterator[tuple[str, str]]:
    old, new, due = payload["from"], payload["to"], breaker.due
    if old != breaker.state or payload["number"] != breaker.number + 1:
        yield "changes follow one another", f"{old} to {new} as number {payload['number']}, was {breaker.state}"
    waited_s = told.at - breaker.opened_at
    if new == "HALF_OPEN" and waited_s < float(breaker.tool.breaker["reset_timeout_s"]) - SAME_S:
        yield "an open breaker waits for its reset", f"tried after {waited_s:g} s"
    is_by_rate = old == "CLOSED" and not breaker.only_counts
    if new != "HALF_OPEN" and new != due and not is_by_rate:
        yield "a breaker changes when it has to", f"{old} to {new}, due was {due}"
    breaker.state, breaker.number, breaker.due = new, payload["number"], None
    breaker.succeeded = breaker.failures = 0
    if new == "OPEN":
        breaker.opened_at = told.at
