"""Who works when: prerequisites, gates, slots, attempts, and nothing that is finished done again."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from concertino.evals.simulator.invariants import Break
from concertino.evals.simulator.invariants.plans import Course, courses
from concertino.evals.simulator.scenario import Scenario, planned_id
from concertino.evals.simulator.traces import Body, Trace


def scheduling(scenario: Scenario, trace: Trace) -> list[Break]:
    """Check every execution of a specialist."""
    found: list[Break] = []
    known = courses(trace)
    for body in trace.bodies:
        course = known.get(body.run_id)
        if course is None or body.subtask_id not in course.subtasks:
            found.append(Break("scheduling", "only what is planned is done", f"{body.run_id}: {body.subtask_id}"))
            continue
        found += _allowed(body, course, is_holder=_holds(trace, body))
    for course in known.values():
        bodies = [body for body in trace.bodies if body.run_id == course.run_id]
        for own in _by_tenure(trace, bodies):
            found += _slots(scenario, course, own)
            found += _attempts(scenario, course, own)
        found += _answered(course)
        found += _once(scenario, course, bodies)
    return found


def _holds(trace: Trace, body: Body) -> bool:
    """Say whether a body's process was the last to take its run."""
    holder = [one for one in trace.acquired if one.run_id == body.run_id and one.order < body.order]
    return bool(holder) and holder[-1].process == body.process


def _by_tenure(trace: Trace, bodies: list[Body]) -> list[list[Body]]:
    """Return the bodies of a run apart by the lease they were begun under."""
    found: defaultdict[int, list[Body]] = defaultdict(list)
    for body in bodies:
        taken = (
            one.epoch
            for one in trace.acquired
            if (one.run_id, one.process) == (body.run_id, body.process) and one.order < body.order
        )
        found[max(taken, default=0)].append(body)
    return list(found.values())


def _allowed(body: Body, course: Course, *, is_holder: bool) -> Iterator[Break]:
    subtask = course.subtasks[body.subtask_id]
    place = f"{body.run_id}: {body.subtask_id} attempt {body.attempt} at {body.began:g} s"
    for need in subtask["needs"]:
        ended = course.ended.get(need)
        is_done = ended is not None and ended.order < body.order and (ended.state == "completed" or ended.is_early)
        if not is_done:
            state = "not ended" if ended is None or ended.order > body.order else ended.state
            yield Break("scheduling", "prerequisites first", f"{place} needs {need}, which is {state}")
    if subtask.get("gate") is not None:
        answer = course.answers.get(body.subtask_id)
        if answer is None or answer[0] > body.order or answer[1] == "reject":
            yield Break("scheduling", "no gate is passed without a yes", f"{place}: {answer}")
    own = course.ended.get(body.subtask_id)
    if own is not None and own.order < body.order and is_holder:
        yield Break("scheduling", "nothing finished is done again", f"{place}: it is {own.state}")


def _answered(course: Course) -> Iterator[Break]:
    """The first answer to a gate holds, whatever is said later."""
    for gate, (_, decision) in course.answers.items():
        ended = course.ended.get(gate)
        if decision == "accept" and ended is not None and ended.reason.startswith(f"gate {gate} rejected"):
            yield Break("scheduling", "the first answer to a gate holds", f"{course.run_id}: {gate} {ended.reason}")


def _slots(scenario: Scenario, course: Course, bodies: list[Body]) -> Iterator[Break]:
    most = next(task.concurrency for task in scenario.tasks if task.id == course.task_id)
    caps = {one.name: one.max_concurrency for one in scenario.specialists if one.max_concurrency is not None}
    changes: list[tuple[int, int, Body]] = []
    for body in bodies:
        changes.append((body.order, 1, body))
        if body.ended_order is not None:
            changes.append((body.ended_order, -1, body))
    total, of = 0, Counter[str]()
    for _, change, body in sorted(changes, key=lambda one: one[0]):
        planned = str(course.subtasks.get(body.subtask_id, {}).get("specialist"))
        total, of[planned] = total + change, of[planned] + change
        place = f"{course.run_id}: {body.subtask_id} at {body.began:g} s"
        if most is not None and total > most:
            yield Break("scheduling", "no more run than there are slots", f"{place}: {total} of {most}")
        if of[planned] > caps.get(planned, of[planned]):
            yield Break("scheduling", "no more of a specialist run than it allows", f"{place}: {of[planned]} {planned}")


def _attempts(scenario: Scenario, course: Course, bodies: list[Body]) -> Iterator[Break]:
    allowed = {one.id: one.max_attempts for task in scenario.tasks if task.id == course.task_id for one in task.work}
    made = Counter((body.subtask_id, body.specialist) for body in bodies)
    for (subtask_id, specialist), count in made.items():
        most = allowed[planned_id(subtask_id)]
        if count > most:
            yield Break(
                "scheduling", "no more attempts than allowed", f"{course.run_id}: {subtask_id} {count} of {most} by {specialist}"
            )  # fmt: skip


def _once(scenario: Scenario, course: Course, bodies: list[Body]) -> Iterator[Break]:
    once = {one.name for one in scenario.specialists if one.at_most_once}
    started = Counter((body.subtask_id, body.specialist) for body in bodies if body.specialist in once)
    for (subtask_id, specialist), count in started.items():
        if count > 1:
            yield Break(
                "scheduling", "at most once is once", f"{course.run_id}: {subtask_id} {count} times by {specialist}"
            )
