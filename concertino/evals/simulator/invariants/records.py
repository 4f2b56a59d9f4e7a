"""The journal: one order, one writer an epoch, nothing written by whoever lost the run, nothing finished twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from concertino.contracts.event import CONTROL, Event
from concertino.evals.simulator.invariants import Break
from concertino.evals.simulator.scenario import Scenario
from concertino.evals.simulator.traces import Trace

ENDS = frozenset({"RUN_COMPLETED", "RUN_FAILED", "RUN_CANCELLED"})
ONCE = frozenset({"TASK_COMPLETED", *ENDS})
"""Events that a run, or a subtask of it, has once at most."""


def records(scenario: Scenario, trace: Trace) -> list[Break]:
    """Check the journal as it is in the end, and who wrote it when."""
    return [*_order(trace), *_same(trace), *_writers(trace), *_once(trace)]


def _order(trace: Trace) -> Iterator[Break]:
    for task_id, events in trace.records.items():
        numbers = [event.seq for event in events]
        if numbers != list(range(1, len(numbers) + 1)):
            yield Break("records", "numbers of events grow by one", f"{task_id}: {numbers[:40]}")
        newest: dict[str, int] = {}
        for event in events:
            if event.epoch and event.epoch < newest.get(event.run_id, 0):
                yield Break(
                    "records", "epochs never fall",
                    f"{event.run_id}: event {event.seq} {event.type} of epoch {event.epoch} after {newest[event.run_id]}",
                )  # fmt: skip
            newest[event.run_id] = max(newest.get(event.run_id, 0), event.epoch)


def _same(trace: Trace) -> Iterator[Break]:
    """What was acknowledged is what is there."""
    for append in trace.appends:
        for number, event in zip(append.numbers, append.events, strict=False):
            known = trace.records.get(event.task_id, [])
            there = known[number - 1] if 0 < number <= len(known) else None
            if there is None or (there.type, there.run_id, there.subtask_id) != (
                event.type, event.run_id, event.subtask_id,
            ):  # fmt: skip
                yield Break("records", "what was acknowledged is there", f"{event.task_id} {number}: {event.type}")


def _writers(trace: Trace) -> Iterator[Break]:
    acquired = sorted(trace.acquired, key=lambda one: one.order)
    epochs: dict[str, list[tuple[int, int, int]]] = {}
    for one in acquired:
        known = epochs.setdefault(one.run_id, [])
        if known and one.epoch <= known[-1][1]:
            yield Break("records", "epochs grow at every takeover", f"{one.run_id}: {one.epoch} after {known[-1][1]}")
        known.append((one.order, one.epoch, one.process))
    for append in trace.appends:
        if append.refusal is not None or not append.epoch or not append.events:
            continue
        run_id = append.events[0].run_id
        holder = next((one for one in reversed(epochs.get(run_id, [])) if one[0] < append.order), None)
        if holder is None or holder[1:] != (append.epoch, append.process):
            yield Break(
                "records", "only the holder of the newest epoch writes",
                f"{run_id}: process {append.process} wrote {append.events[0].type} with epoch {append.epoch}, held is {holder}",
            )  # fmt: skip


def _once(trace: Trace) -> Iterator[Break]:
    for task_id, events in trace.records.items():
        seen: Counter[tuple[str, str, str | None]] = Counter()
        ended: dict[str, Event] = {}
        for event in events:
            kind: str = "end" if event.type in ENDS else event.type
            if event.type in ONCE:
                seen[event.run_id, kind, event.subtask_id] += 1
            if event.run_id in ended and event.type not in CONTROL:
                yield Break(
                    "records", "nothing comes after a run's end",
                    f"{task_id}: {event.type} {event.subtask_id or ''} after {ended[event.run_id].type}",
                )  # fmt: skip
            if event.type in ENDS:
                ended[event.run_id] = event
        for (run_id, kind, subtask_id), count in seen.items():
            if count > 1:
                yield Break("records", "nothing ends twice", f"{run_id}: {kind} {subtask_id or ''} {count} times")
