"""Makespan against what no schedule can beat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Any, NamedTuple, cast

from concertino.contracts.json import JsonObject
from concertino.evals.cases import MakespanExpected
from concertino.evals.judging.verdict import Verdict


class Bound(NamedTuple):
    """How long a plan took, and the least it could have taken with the subtasks as long as they were."""

    makespan_s: float
    """From the first start to the last end, less the time in which the run was parked."""
    critical_path: tuple[str, ...]
    critical_path_s: float
    """The longest chain of subtasks, retries and waits for outside included."""
    work_s: float
    slots: int | None

    @property
    def bound_s(self) -> float:
        """Return max(critical path, work / slots). Source: Graham 1969, "Bounds on Multiprocessing Timing Anomalies"."""
        return max(self.critical_path_s, self.work_s / self.slots if self.slots else 0.0)

    @property
    def ratio(self) -> float | None:
        """Return makespan over bound, from 1; `None` where nothing took any time."""
        return self.makespan_s / self.bound_s if self.bound_s > 0 else None

    def as_json(self) -> JsonObject:
        return cast(
            "JsonObject",
            {
                "makespan_s": self.makespan_s, "bound_s": self.bound_s, "ratio": self.ratio, "work_s": self.work_s,
                "critical_path_s": self.critical_path_s, "critical_path": list(self.critical_path), "slots": self.slots,
            },
        )  # fmt: skip


def bound_of(
    subtasks: Sequence[Mapping[str, Any]], *, slots: int | None, parked: Sequence[tuple[float, float]] = ()
) -> Bound:
    """Return the bound for subtasks as a view of a run has them: `id`, `needs`, `start` and `end` in seconds, or `None`.

    Args:
        subtasks: Those that never started take no time.
        slots: How many may run at once; `None` is unlimited.
        parked: Spans in which the run waited for people, and nobody worked.
    """
    ran = {str(one["id"]): one for one in subtasks if one.get("start") is not None and one.get("end") is not None}
    if not ran:
        return Bound(0.0, (), 0.0, 0.0, slots)
    begin, end = min(one["start"] for one in ran.values()), max(one["end"] for one in ran.values())
    took = {
        sid: max(0.0, one["end"] - one["start"] - _within(parked, one["start"], one["end"])) for sid, one in ran.items()
    }
    path = _longest({sid: [need for need in one.get("needs", ()) if need in ran] for sid, one in ran.items()}, took)
    work = sum(took.values())
    whole = max(0.0, end - begin - _within(parked, begin, end))
    return Bound(whole, path, sum(took[sid] for sid in path), work, slots)


def makespan_verdict(expected: MakespanExpected, bound: Bound, *, makespan_s: float) -> Verdict:
    """Judge how long a run took: its plan against the bound, the whole of it in seconds."""
    ratio = bound.ratio
    slow = expected.max_ratio is not None and ratio is not None and ratio > expected.max_ratio
    late = expected.max_s is not None and makespan_s > expected.max_s
    score = 1.0 if ratio is None else min(1.0, 1 / ratio) if ratio else 1.0
    detail: JsonObject = {"max_ratio": expected.max_ratio, "max_s": expected.max_s, "seconds": makespan_s}
    return Verdict("makespan", not slow and not late, score, detail | bound.as_json())


def _within(spans: Sequence[tuple[float, float]], begin: float, end: float) -> float:
    return sum(max(0.0, min(end, later) - max(begin, earlier)) for earlier, later in spans)


def _longest(needs: Mapping[str, Sequence[str]], took: Mapping[str, float]) -> tuple[str, ...]:
    """Return the chain of subtasks that takes longest, the earliest named of equals."""
    done: dict[str, float] = {}
    via: dict[str, str | None] = {}
    try:
        order = list(TopologicalSorter(needs).static_order())
    except CycleError:  # no plan of ours, but a journal is what somebody hands in
        return ()
    for sid in order:
        last = max(sorted(needs[sid]), key=lambda need: done[need], default=None)
        via[sid], done[sid] = last, took[sid] + (done[last] if last is not None else 0.0)
    at: str | None = max(sorted(done), key=lambda sid: done[sid], default=None)
    path: list[str] = []
    while at is not None:
        path.append(at)
        at = via[at]
    return tuple(reversed(path))
