"""Time: deadlines are kept, no slot is idle while something could run, and the makespan stays under Graham's bound.

Source of the bound: Graham, "Bounds on multiprocessing timing anomalies", 1969: a list schedule of work W with critical
path C on m slots takes at most W/m + (1 - 1/m)·C. Virtual time has no overhead, so the bound holds exactly.
"""

from __future__ import annotations

from collections.abc import Iterator

from concertino.evals.simulator.invariants import Break
from concertino.evals.simulator.invariants.plans import Course, courses
from concertino.evals.simulator.scenario import Scenario, TaskSetup
from concertino.evals.simulator.traces import Trace

LATE_S = 0.06
"""Seconds after its deadline by which a run must have ended: what stopping a specialist may take, and rounding."""
SAME_S = 1e-6
"""Times this near to one another are the same."""


def times(scenario: Scenario, trace: Trace) -> list[Break]:
    """Check the time that runs took."""
    known = courses(trace)
    found: list[Break] = []
    for task in scenario.tasks:
        own = [course for course in known.values() if course.task_id == task.id]
        found += _deadline(scenario, task, trace)
        if len(own) == 1 and _is_plain(scenario, task, own[0], trace):
            found += _idle(task, own[0])
            found += _makespan(task, own[0])
    return found


def _deadline(scenario: Scenario, task: TaskSetup, trace: Trace) -> Iterator[Break]:
    seconds = task.budget.get("seconds")
    if (
        seconds is None
        or trace.died
        or trace.jumps
        or any(f.kind in ("partition", "resubmit") for f in scenario.faults)
    ):
        return
    entries = [entry for entry in trace.entries if entry.task_id == task.id]
    active_s = sum(entry.ended - entry.began for entry in entries)
    if active_s > seconds + LATE_S * len(entries):
        yield Break(
            "times", "deadlines are kept", f"{task.id}: {active_s:g} s of {seconds:g} s in {len(entries)} invocations"
        )


def _is_plain(scenario: Scenario, task: TaskSetup, course: Course, trace: Trace) -> bool:
    """Say whether slots are all that a subtask of this run may have waited for, and whether all ended by itself."""
    return not (
        trace.died
        or scenario.faults
        or any(one.stage or one.gate or one.budget for one in task.work)
        or any(one.max_concurrency is not None for one in scenario.specialists)
        or course.kinds & {"TASK_LEAKED", "RUN_REPLANNED", "RUN_RESUMED", "TASK_SUSPENDED"}
        or "seconds" in task.budget
        or not set(course.started) <= set(course.ended)
    )


def _spans(course: Course) -> dict[str, tuple[float, float]]:
    """Return from when to when each subtask held a slot."""
    return {sid: (began, course.ended[sid].at) for sid, began in course.started.items()}


def _idle(task: TaskSetup, course: Course) -> Iterator[Break]:
    spans = _spans(course)
    for sid, (began, _) in spans.items():
        needs = course.subtasks[sid]["needs"]
        ready = max([course.dispatched[sid], *(course.ended[need].at for need in needs)])
        moments = sorted({ready, *(at for span in spans.values() for at in span if ready < at < began)})
        for at in moments:
            if began - at <= SAME_S:
                break
            busy = sum(one <= at + SAME_S and end > at + SAME_S for one, end in spans.values())
            if task.concurrency is None or busy < task.concurrency:
                yield Break(
                    "times", "no slot is idle while something could run",
                    f"{course.run_id}: {sid} could start at {at:g} s, started at {began:g} s, {busy} of {task.concurrency} ran",
                )  # fmt: skip
                break


def _makespan(task: TaskSetup, course: Course) -> Iterator[Break]:
    spans = _spans(course)
    if not spans:
        return
    lasted = {sid: end - began for sid, (began, end) in spans.items()}
    longest: dict[str, float] = {}
    for sid, subtask in course.subtasks.items():  # in topological order
        longest[sid] = lasted.get(sid, 0.0) + max((longest.get(need, 0.0) for need in subtask["needs"]), default=0.0)
    path_s, work_s = max(longest.values()), sum(lasted.values())
    slots = task.concurrency
    bound = path_s if slots is None else work_s / slots + (1 - 1 / slots) * path_s
    took_s = max(end for _, end in spans.values()) - min(course.dispatched.values())
    if took_s > bound + SAME_S * (1 + len(spans)):
        yield Break("times", "the makespan stays under the bound", f"{course.run_id}: {took_s:g} s, bound {bound:g} s")
