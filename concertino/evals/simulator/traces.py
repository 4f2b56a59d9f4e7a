"""What happened, as seen from outside the planner, in order."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from concertino.contracts.event import Event
from concertino.contracts.json import JsonObject
from concertino.evals.simulator.scenario import Amounts


@dataclass(slots=True)
class Body:
    """One execution of a specialist, from its first step to its last."""

    process: int
    run_id: str
    task_id: str
    subtask_id: str
    specialist: str
    attempt: int
    began: float
    order: int
    """Position among everything that is seen."""
    ended: float | None = None
    ended_order: int | None = None
    effects: list[tuple[str, str]] = field(default_factory=list)
    """Names and the keys they had."""
    answered: bool = False


@dataclass(slots=True)
class Call:
    """One request that reached a tool."""

    process: int
    run_id: str
    subtask_id: str
    specialist: str
    tool: str
    began: float
    order: int
    billed: Amounts
    answer: str
    ended: float | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """An event as its process told it, before it was written."""

    process: int
    at: float
    order: int
    event: Event


@dataclass(frozen=True, slots=True)
class Append:
    """What a process wrote to the journal, or was refused."""

    process: int
    """-1 for people outside."""
    at: float
    order: int
    epoch: int
    numbers: tuple[int, ...]
    """Of the events; empty where they were refused."""
    events: tuple[Event, ...]
    refusal: str | None


@dataclass(frozen=True, slots=True)
class Acquired:
    """A lease that a process got, or, without an epoch, did not get."""

    process: int
    at: float
    order: int
    run_id: str
    epoch: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One invocation of a task, from the caller's side."""

    task_id: str
    process: int
    began: float
    ended: float
    outcome: str
    """The result's status, or the class of what was raised."""


@dataclass(slots=True)
class Trace:
    """Everything that was seen of one scenario."""

    bodies: list[Body] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    spent: list[tuple[float, str, str, str, Amounts]] = field(default_factory=list)
    """Spends that were granted: when, run, subtask, specialist, what."""
    told: list[Told] = field(default_factory=list)
    appends: list[Append] = field(default_factory=list)
    acquired: list[Acquired] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    died: dict[int, float] = field(default_factory=dict)
    """When processes died."""
    jumps: int = 0
    """How often the wall clock was set."""
    results: dict[str, JsonObject] = field(default_factory=dict)
    """By task; those that ended."""
    records: dict[str, list[Event]] = field(default_factory=dict)
    """By task, as the journal has them in the end."""
    ended: float = 0.0
    fault: tuple[Literal["stalled", "endless", "raised", "known"], str] | None = None
    """Why it did not come to its end."""
