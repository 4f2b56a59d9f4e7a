"""Results: what a run says of itself is what happened."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from concertino.evals.simulator.invariants import Break
from concertino.evals.simulator.invariants.plans import Course, courses
from concertino.evals.simulator.scenario import Scenario
from concertino.evals.simulator.traces import Trace

FINAL = frozenset({"completed", "failed", "blocked", "skipped", "cancelled"})


def results(scenario: Scenario, trace: Trace) -> list[Break]:
    """Check the result of every task that ended."""
    known = courses(trace)
    found: list[Break] = []
    for task in scenario.tasks:
        result = trace.results.get(task.id)
        if result is None:
            if trace.fault is None:
                found.append(Break("results", "every task ends with a result", task.id))
            continue
        course = known[str(result["run_id"])]
        found += _subtasks(result, course, trace)
        found += _status(result, course)
        told = {entry.outcome for entry in trace.entries if entry.task_id == task.id} & {
            "success", "partial_success", "failed", "cancelled",
        }  # fmt: skip
        if told - {str(result["status"])}:
            found.append(Break("results", "a task has one outcome", f"{task.id}: {sorted(told)}"))
    return found


def _subtasks(result: Mapping[str, Any], course: Course, trace: Trace) -> Iterator[Break]:
    answered = {body.subtask_id for body in trace.bodies if body.run_id == course.run_id and body.answered}
    states = {one["subtask_id"]: one["state"] for one in result["subtasks"]}
    for sid, state in states.items():
        place = f"{course.run_id}: {sid}"
        if state not in FINAL:
            yield Break("results", "every subtask ends", f"{place} is {state}")
        recorded = course.ended.get(sid)
        if recorded is None or recorded.state != state:
            yield Break("results", "states are those on record", f"{place} is {state}, on record {recorded}")
        if state == "completed" and sid not in answered:
            yield Break("results", "what completed was answered", place)
        needs = course.subtasks[sid]["needs"]
        lost = [
            need for need in needs
            if states.get(need) != "completed" and not (need in course.ended and course.ended[need].is_early)
        ]  # fmt: skip
        if state == "completed" and lost:
            yield Break("results", "nothing completes without what it needs", f"{place} without {', '.join(lost)}")


def _status(result: Mapping[str, Any], course: Course) -> Iterator[Break]:
    states = [one["state"] for one in result["subtasks"]]
    required = [one["state"] for one in result["subtasks"] if one["required"]]
    status = result["status"]
    if status == "cancelled":
        if "CANCEL_REQUESTED" not in course.kinds:
            yield Break("results", "only who is cancelled says so", course.run_id)
        return
    completed = states.count("completed")
    expected = "failed" if not completed else "success" if set(required) <= {"completed"} else "partial_success"
    # A subtask that a condition left out on purpose counts as done; these plans have none.
    if status != expected:
        yield Break("results", "the status follows from the subtasks", f"{course.run_id} is {status}: {states}")
