"""The plans that were in force in a run, and when its subtasks ended, read from its record."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from concertino.evals.simulator.traces import Trace

FINALS = {
    "TASK_COMPLETED": "completed",
    "TASK_SKIPPED": "skipped",
    "TASK_BLOCKED": "blocked",
    "TASK_CANCELLED": "cancelled",
    "AGENT_FAILED": "failed",
}


@dataclass(slots=True)
class Ended:
    """When a subtask ended, and how."""

    order: int
    at: float
    state: str
    is_early: bool
    reason: str


@dataclass(slots=True)
class Course:
    """One run as its record tells it; orders and times are those of the appends."""

    task_id: str
    run_id: str
    subtasks: dict[str, Any] = field(default_factory=dict)
    """By id, of every plan that was in force."""
    ended: dict[str, Ended] = field(default_factory=dict)
    started: dict[str, float] = field(default_factory=dict)
    """First attempts."""
    dispatched: dict[str, float] = field(default_factory=dict)
    """When a subtask was sent out first."""
    answers: dict[str, tuple[int, str]] = field(default_factory=dict)
    """Order and decision of the first answer to each gate."""
    kinds: set[str] = field(default_factory=set)
    """Types of events it has."""


def courses(trace: Trace) -> dict[str, Course]:
    """Return the runs by id."""
    found: dict[str, Course] = {}
    for append in trace.appends:
        for event in append.events if append.numbers else ():
            course = found.setdefault(event.run_id, Course(event.task_id, event.run_id))
            payload: Any = event.payload
            course.kinds.add(event.type)
            sid = event.subtask_id or ""
            match event.type:
                case "RUN_PLANNED" | "RUN_REPLANNED":
                    course.subtasks |= {one["id"]: one for one in payload["plan"]["subtasks"]}
                case "RUN_DISPATCHED":
                    for one in payload["subtasks"]:
                        course.dispatched.setdefault(one, append.at)
                case "TASK_STARTED":
                    course.started.setdefault(sid, append.at)
                case "GATE_ANSWERED":
                    course.answers.setdefault(payload["gate"], (append.order, payload["decision"]))
                case kind if kind in FINALS and (kind != "AGENT_FAILED" or payload.get("final")):
                    is_early = payload.get("ended_early") is not None
                    course.ended.setdefault(
                        sid, Ended(append.order, append.at, FINALS[kind], is_early, str(payload.get("reason")))
                    )
                case _:
                    pass
    return found
