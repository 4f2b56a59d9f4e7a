"""Review: after a dispatch has come to rest, what comes next. Decides, does nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from concertino.contracts.plan import Plan, Subtask

FINAL: frozenset[str] = frozenset({"completed", "failed", "blocked", "skipped", "cancelled"})
MAX_IDLE = 3
"""Dispatches in a row that may bring nothing, before the run gives up; chosen by hand."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Where the run goes from here."""

    next: Literal["dispatch", "approve", "synthesize"]
    reason: str
    drop: tuple[str, ...] = ()
    """Subtasks that will not be done."""
    drop_reason: str = ""
    drop_is_failure: bool = False
    ask_about: tuple[str, ...] = ()
    """Failed subtasks that a person is asked about."""


def review(
    plan: Plan,
    states: Mapping[str, str],
    *,
    open_gates: int,
    cancelled: bool,
    rejected: bool,
    out_of_time: bool,
    idle: int,
    unreviewed: Sequence[str],
    stops: Callable[[str], bool],
) -> Verdict:
    """Decide what comes next.

    Args:
        plan: The whole plan.
        states: State of each subtask that is over.
        open_gates: Questions that wait for an answer.
        cancelled: Whether the run was cancelled.
        rejected: Whether the plan's gate was rejected.
        out_of_time: Whether the work deadline has passed.
        idle: Dispatches in a row that brought nothing: no end, no question and no answer.
        unreviewed: Failed subtasks that a person has still to be asked about.
        stops: Says whether a stage's condition ends the run early.
    """
    left = tuple(subtask.id for subtask in plan.subtasks if states.get(subtask.id) not in FINAL)
    if cancelled:
        return Verdict("synthesize", "the run was cancelled", left, "the run was cancelled")
    if rejected:
        return Verdict("synthesize", "the plan was rejected", left, "the plan was rejected", drop_is_failure=True)
    if out_of_time and left:
        return Verdict("synthesize", "the time is used up", left, "the run's deadline passed", drop_is_failure=True)
    if unreviewed:
        return Verdict("approve", "failed subtasks need a person", ask_about=tuple(unreviewed))
    stage = ended_stage(plan, states)
    if stage is not None and left and stops(stage):
        return Verdict("synthesize", f"stage {stage} ended the run early", left, f"stage {stage} ended the run early")
    if not left:
        return Verdict("synthesize", "everything is done")
    if idle >= MAX_IDLE:
        reason = f"nothing came to an end in {idle} dispatches"
        return Verdict("synthesize", reason, left, reason, drop_is_failure=True)
    if open_gates:
        return Verdict("approve", f"{open_gates} question(s) wait for an answer")
    return Verdict("dispatch", f"{len(left)} subtask(s) are left")


def next_stage(plan: Plan, states: Mapping[str, str]) -> list[Subtask]:
    """Return the subtasks to dispatch now: the unfinished ones of the first stage that has any."""
    left = [subtask for subtask in plan.subtasks if states.get(subtask.id) not in FINAL]
    first = min((order for subtask in left if (order := _order(plan, subtask)) is not None), default=None)
    return [subtask for subtask in left if first is None or _order(plan, subtask) in (first, None)]


def ended_stage(plan: Plan, states: Mapping[str, str]) -> str | None:
    """Return the stage that has just ended: all of it over, the next one not begun."""
    stages = list(dict.fromkeys(subtask.stage for subtask in plan.subtasks if subtask.stage is not None))
    ended = None
    for stage in stages:
        own = [states.get(subtask.id) for subtask in plan.subtasks if subtask.stage == stage]
        if any(state not in FINAL for state in own):
            return ended
        ended = stage
    return ended


def _order(plan: Plan, subtask: Subtask) -> int | None:
    if subtask.stage is None:
        return None
    stages = list(dict.fromkeys(other.stage for other in plan.subtasks if other.stage is not None))
    return stages.index(subtask.stage)
