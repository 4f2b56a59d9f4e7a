"""Money: no limit is passed at any level at any time, everything reserved is settled once, nothing billed is missing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from concertino.contracts.event import Event
from concertino.evals.simulator.invariants import Break
from concertino.evals.simulator.scenario import Amounts, Scenario, TaskSetup
from concertino.evals.simulator.traces import Trace

NANO = 1_000_000_000
Level = tuple[str, ...]
"""`()` is the run; `("work",)`, `("specialist", name)`, `("subtask", id)`, `("tool", name, specialist, subtask)`."""
Sums = defaultdict[Level, defaultdict[str, int]]


def money(scenario: Scenario, trace: Trace) -> list[Break]:
    """Check the other side's bill, the record of reservations, and what results say was used."""
    found: list[Break] = []
    for task in scenario.tasks:
        events = trace.records.get(task.id, [])
        runs = dict.fromkeys(event.run_id for event in events)
        for run_id in runs:
            own = [event for event in events if event.run_id == run_id]
            bill = _bill(trace, run_id)
            limits = _limits(scenario, task)
            found += _within(bill, limits, run_id, "what is billed stays within every limit", floor=scenario.floor)
            found += _reserved(own, limits, run_id)
            found += _unreserved(trace, run_id)
            found += _alerts(own, run_id)
        result = trace.results.get(task.id)
        if result is not None and "budget" in result:
            own = [event for event in events if event.run_id == result["run_id"]]
            found += _told(result, own, _bill(trace, str(result["run_id"])))
    return found


def counted(amounts: Amounts) -> dict[str, int]:
    """Return amounts as whole numbers, money in billionths of a dollar."""
    return {name: round(n * NANO) if name == "usd" else int(n) for name, n in amounts.items() if name != "seconds"}


def _limits(scenario: Scenario, task: TaskSetup) -> dict[Level, dict[str, int]]:
    limits: dict[Level, dict[str, int]] = {(): counted(task.budget), ("work",): counted(scenario.work)}
    for one in scenario.specialists:
        limits["specialist", one.name] = counted(one.budget or {})
    for work in task.work:
        limits["subtask", work.id] = counted(work.budget or {})
        for tool in scenario.tools:
            for one in scenario.specialists:
                limits["tool", tool.name, one.name, work.id] = counted(tool.budget or {})
    return {level: limit for level, limit in limits.items() if limit}


def _levels(specialist: str, subtask_id: str, tool: str | None) -> Iterator[Level]:
    yield from ((), ("work",), ("specialist", specialist), ("subtask", subtask_id))
    if tool is not None:
        yield ("tool", tool, specialist, subtask_id)


def _bill(trace: Trace, run_id: str) -> Sums:
    sums: Sums = defaultdict(lambda: defaultdict(int))
    for call in trace.calls:
        if call.run_id == run_id:
            for level in _levels(call.specialist, call.subtask_id, call.tool):
                _add(sums[level], counted(call.billed))
    for _, run, subtask_id, specialist, amounts in trace.spent:
        if run == run_id:
            for level in _levels(specialist, subtask_id, None):
                _add(sums[level], counted(amounts))
    return sums


def _add(sums: defaultdict[str, int], amounts: Mapping[str, int], *, sign: int = 1) -> None:
    for name, n in amounts.items():
        sums[name] += sign * n


def _within(
    sums: Sums, limits: Mapping[Level, Mapping[str, int]], run_id: str, rule: str, *, floor: Amounts
) -> Iterator[Break]:
    kept = counted(floor)
    for level, limit in limits.items():
        for name, most in limit.items():
            allowed = most - kept.get(name, 0) if not level else most
            if sums[level][name] > allowed:
                yield Break(
                    "money", rule, f"{run_id} {'/'.join(level) or 'run'}: {sums[level][name]} {name} of {allowed}"
                )


def _reserved(events: list[Event], limits: Mapping[Level, Mapping[str, int]], run_id: str) -> Iterator[Break]:
    """Follow the record: settled and held within every limit after every event, every key settled once."""
    sums: Sums = defaultdict(lambda: defaultdict(int))
    held: dict[str, tuple[tuple[Level, ...], dict[str, int]]] = {}
    settled: set[str] = set()
    is_over = False
    for event in events:
        payload: Any = event.payload
        if event.type in ("RUN_COMPLETED", "RUN_FAILED", "RUN_CANCELLED"):
            is_over = True
        if event.type not in ("RESERVED", "SETTLED"):
            continue
        key, levels = payload["key"], _levels_of(payload["path"])
        if event.type == "RESERVED":
            if key in held or key in settled:
                yield Break("money", "every attempt reserves anew", f"{run_id}: {key} reserved again")
            held[key] = levels, _units(payload["amounts"])
            for level in levels:
                _add(sums[level], held[key][1])
        else:
            if key in settled:
                yield Break("money", "a reservation settles once", f"{run_id}: {key} settled again")
            settled.add(key)
            before = held.pop(key, None)
            used = _units(payload["used"])
            if before is not None and any(n > before[1].get(name, 0) for name, n in used.items()):
                yield Break("money", "no more is settled than was held", f"{run_id}: {key} {used} of {before[1]}")
            for level in levels:
                if before is not None:
                    _add(sums[level], before[1], sign=-1)
                _add(sums[level], used)
        rule = "settled and held stay within every limit"
        yield from _within(sums, {level: limits[level] for level in levels if level in limits}, run_id, rule, floor={})
    if is_over and held:
        yield Break("money", "nothing is held at the end", f"{run_id}: {sorted(held)[:5]}")


def _levels_of(path: str) -> tuple[Level, ...]:
    parts = path.split("/")
    if parts[:2] != ["run", "work"] or len(parts) < 4:
        return ((),)
    return tuple(_levels(parts[2], parts[3], parts[4] if len(parts) > 4 else None))


def _units(amounts: Mapping[str, int]) -> dict[str, int]:
    return {"usd" if name == "nano_usd" else name: n for name, n in amounts.items()}


def _unreserved(trace: Trace, run_id: str) -> Iterator[Break]:
    """No request leaves before its reservation is on the record."""
    reserved: list[tuple[int, tuple[str, str]]] = []
    for append in trace.appends:
        for event in append.events if append.numbers else ():
            if event.type == "RESERVED" and event.run_id == run_id:
                path = str(event.payload["path"]).split("/")
                reserved.append((append.order, (path[3], path[4])))
    calls = [(call.order, (call.subtask_id, call.tool)) for call in trace.calls if call.run_id == run_id]
    open_now: defaultdict[tuple[str, str], int] = defaultdict(int)
    for _, what, change in sorted([(*one, 1) for one in reserved] + [(*one, -1) for one in calls]):
        open_now[what] += change
        if open_now[what] < 0:
            yield Break("money", "no request leaves without a reservation on record", f"{run_id}: {'/'.join(what)}")


def _alerts(events: list[Event], run_id: str) -> Iterator[Break]:
    told: set[tuple[str, int]] = set()
    for event in events:
        if event.type == "BUDGET_ALERT":
            payload: Any = event.payload
            alert = payload["dimension"], payload["percent"]
            if alert in told:
                yield Break("money", "an alert is sent once", f"{run_id}: {alert}")
            told.add(alert)


def _told(result: Mapping[str, Any], events: list[Event], bill: Sums) -> Iterator[Break]:
    """What the result says was used is on the record, covers the bill, and adds up."""
    settled: defaultdict[str, int] = defaultdict(int)
    for event in events:
        if event.type == "SETTLED":
            payload: Any = event.payload
            _add(settled, _units(payload["used"]))
    used = counted({name: n for name, n in result["usage"].items() if name != "seconds"})
    for name, n in used.items():
        if n != settled[name]:
            yield Break(
                "money", "usage is what was settled", f"{result['run_id']}: {n} {name}, settled {settled[name]}"
            )
        if n < bill[()][name]:
            yield Break(
                "money", "what is billed is charged", f"{result['run_id']}: {n} {name}, billed {bill[()][name]}"
            )
    yield from _adds_up(result["budget"], depth=0)


def _adds_up(account: Mapping[str, Any], *, depth: int) -> Iterator[Break]:
    children: Mapping[str, Any] = account["children"]
    for name, n in counted(account["settled"]).items():
        below = sum(counted(child["settled"]).get(name, 0) for child in children.values())
        if below > n or (depth < 3 and children and below != n):
            yield Break("money", "a parent is the sum of its children", f"{account['path']}: {n} {name}, below {below}")
    for child in children.values():
        if child["path"] != "run/synthesize" and any(child["held"].values()):
            yield Break("money", "nothing is held at the end", f"{child['path']}: {child['held']}")
        yield from _adds_up(child, depth=depth + 1)
