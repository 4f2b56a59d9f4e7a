"""What a run's events say about it: the fold that resumes, forks and restarts begin from."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from concertino.budgets import Amounts
from concertino.budgets.amounts import usage
from concertino.contracts.budget import Dimension, Usage
from concertino.contracts.discovery import Discovery
from concertino.contracts.event import Event
from concertino.contracts.gate import read_answer
from concertino.contracts.json import JsonObject
from concertino.contracts.limits import Limits
from concertino.contracts.plan import Plan
from concertino.contracts.specialist import Cards
from concertino.graph.runs.discoveries import KEPT
from concertino.graph.runs.edits import Edits, input_schemas
from concertino.graph.runs.gates import GateBook, Question, review_gate, taker_of
from concertino.graph.runs.handover import Handover

_UNKNOWN = frozenset({"DeadlineExceeded", "ChildFailed"})
"""Errors of a body that was stopped or died: it may have acted."""


@dataclass(slots=True)
class Charge:
    """One reservation of the past: what it holds until settled, then what was used."""

    path: str
    """The account's path from the run's own on, e.g. `run/work/financial`."""
    amounts: dict[str, int]
    settled: bool = False


@dataclass(slots=True)
class History:
    """Everything a run must know about its own past."""

    plan: JsonObject | None = None
    """The plan in force: the newest on record."""
    replans: list[JsonObject] = field(default_factory=list)
    """How the plan was changed for what stayed failed."""
    policy: JsonObject | None = None
    complexity: JsonObject | None = None
    models: JsonObject = field(default_factory=dict)
    """What models were known when it was planned."""
    records: dict[str, JsonObject] = field(default_factory=dict)
    """Finished subtasks."""
    started: dict[str, int] = field(default_factory=dict)
    """Attempts that were started, per subtask."""
    begun: dict[str, set[str]] = field(default_factory=dict)
    """Which specialists these attempts were, per subtask, since a person last sent it out again."""
    unheard: dict[str, set[str]] = field(default_factory=dict)
    """Which of these were not heard of since: what they did nobody knows."""
    handed: dict[str, Handover] = field(default_factory=dict)
    """Subtasks that are not over and whose specialist has failed."""
    suspended: dict[str, str] = field(default_factory=dict)
    """Subtasks that deferred, with the dispatch in which they did."""
    dispatch: JsonObject = field(default_factory=dict)
    """The newest dispatch: `id` and `subtasks`."""
    worth: dict[str, JsonObject] = field(default_factory=dict)
    """What hearing one more specialist was found to be worth, by subtask that was weighed."""
    gates: GateBook = field(default_factory=GateBook)
    charges: dict[str, Charge] = field(default_factory=dict)
    alerts: set[tuple[Dimension, int]] = field(default_factory=set)
    active_s: float = 0.0
    """Active seconds so far; the time between a crash and its resume is not active."""
    discoveries: deque[Discovery] = field(default_factory=lambda: deque(maxlen=KEPT))
    """The newest of what was published."""
    cancel_reason: str | None = None
    result: JsonObject | None = None
    schemas: JsonObject = field(default_factory=dict)
    """Input schemas of the plan's specialists, by name."""

    def suspend(self, subtask_id: str, dispatch: str, *, attempts: int) -> None:
        """Note that a live run's subtask defers, after so many attempts in its dispatch."""
        self.started[subtask_id] = self.started.get(subtask_id, 0) + attempts
        self.suspended[subtask_id] = dispatch

    def usage(self) -> Usage:
        """Return what was used, open reservations in full."""
        sums = [sum(charge.amounts.get(name, 0) for charge in self.charges.values()) for name in Amounts._fields]
        return usage(Amounts(*sums)).model_copy(update={"seconds": round(self.active_s, 6)})

    def edits(self, cards: Cards, limits: Limits) -> Edits:
        """Return what an answer is held to; whoever reads it may not know the run's specialists."""
        plan = Plan.model_validate(self.plan) if self.plan else None
        own = input_schemas(plan, cards) if plan else {}
        return Edits.of(plan, self.records, {**own, **self.schemas}, limits)


def fold(events: Sequence[Event], *, alive_at: float = 0.0) -> History:
    """Return the history that `events`, in order and all of one run, tell.

    `alive_at` is when the process that left the run unfinished renewed its lease for the last time.
    """
    history = History()
    opened: float | None = None
    last = 0.0
    for event in events:
        payload = cast("dict[str, Any]", event.payload)
        match event.type:
            case "RUN_ADMITTED" | "RUN_RESUMED":
                if opened is not None:
                    history.active_s += max(0.0, last - opened)
                # A resume knows when the process before it was last alive; events alone say when it last did something.
                history.active_s = max(history.active_s, payload.get("active_s", 0.0))
                opened = event.timestamp
            case "RUN_PARKED":
                if opened is not None:
                    history.active_s += max(0.0, event.timestamp - opened)
                    opened = None
            case "RUN_PLANNED":
                history.plan, history.policy = payload["plan"], payload["policy"]
                history.complexity, history.schemas = payload.get("complexity"), payload.get("input_schemas") or {}
                history.models = payload.get("models") or {}
            case "RUN_REPLANNED":
                history.plan, history.schemas = payload["plan"], payload.get("input_schemas") or {}
                apart = ("plan", "input_schemas")
                history.replans.append({key: value for key, value in payload.items() if key not in apart})
            case "RUN_DISPATCHED":
                history.dispatch = {"id": payload["dispatch"], "subtasks": payload["subtasks"]}
                history.worth.update({one["subtask_id"]: one for one in payload.get("worth", ())})
            case "TASK_STARTED" | "TASK_RETRIED" if event.subtask_id:
                history.started[event.subtask_id] = history.started.get(event.subtask_id, 0) + 1
                for begun in (history.begun, history.unheard):
                    begun.setdefault(event.subtask_id, set()).add(event.agent_id)
                history.suspended.pop(event.subtask_id, None)
            case "TASK_COMPLETED" | "TASK_SKIPPED" | "TASK_BLOCKED" | "TASK_CANCELLED" | "TASK_KEPT" if (
                event.subtask_id
            ):
                history.records[event.subtask_id] = {**payload, "subtask_id": event.subtask_id}
                history.handed.pop(event.subtask_id, None)
                if event.type == "TASK_SKIPPED":
                    _hear(history, event)
            case "AGENT_FAILED" if event.subtask_id and payload.get("final"):
                history.records[event.subtask_id] = {**payload, "subtask_id": event.subtask_id}
                history.handed.pop(event.subtask_id, None)
            case "AGENT_FAILED" if event.subtask_id:
                _hear(history, event)
            case "TASK_REROUTED" if event.subtask_id:
                _hand(history, event.subtask_id, payload)
            case "TASK_SUSPENDED" if event.subtask_id:
                history.suspended[event.subtask_id] = payload["dispatch"]
            case "GATE_OPENED":
                history.gates.ask(
                    Question(payload["gate"], payload["question"], payload.get("subtask_id"), payload.get("details"))
                )
                if event.subtask_id and _holds_up(history, event.subtask_id, payload["gate"]):
                    _hand(history, event.subtask_id, payload["details"])
            case "GATE_ANSWERED":
                given = {key: value for key, value in payload.items() if key != "gate"}
                history.gates.answer(payload["gate"], read_answer(given))
                if (
                    event.subtask_id
                    and payload["gate"] == review_gate(event.subtask_id)
                    and given["decision"] == "edit"
                ):
                    for known in (history.handed, history.begun, history.unheard):
                        known.pop(event.subtask_id, None)  # it begins again
            case "GATE_WITHDRAWN":
                history.gates.withdraw(payload["gate"])
            case "RESERVED":
                history.charges[payload["key"]] = Charge(payload["path"], payload["amounts"])
            case "SETTLED":
                _settle(history, payload)
            case "BUDGET_ALERT":
                history.alerts.add((payload["dimension"], payload["percent"]))
            case "FINDING_DISCOVERED" if event.subtask_id:
                said = (payload["finding"], payload.get("data") or {})
                history.discoveries.append(Discovery(event.seq, event.agent_id, event.subtask_id, *said))
            case "CANCEL_REQUESTED":
                history.cancel_reason = payload.get("reason") or "cancelled"
            case "RUN_COMPLETED" | "RUN_FAILED" | "RUN_CANCELLED":
                history.result = payload.get("result")
            case _:
                pass
        if event.epoch:  # control events say nothing of whether the run was active
            last = event.timestamp
    if opened is not None:
        history.active_s += max(0.0, max(last, alive_at) - opened)
    return history


def _hear(history: History, event: Event) -> None:
    """Note that a specialist failed by its own word, or had no leave to go on."""
    error: Any = event.payload.get("error")
    if error is not None and error["type"] not in _UNKNOWN:
        history.unheard.get(str(event.subtask_id), set()).discard(event.agent_id)


def _holds_up(history: History, subtask_id: str, gate: str) -> bool:
    """Say whether a subtask that is not over waits for the answer to a question about who goes on with it."""
    return taker_of(gate) is not None or (gate == review_gate(subtask_id) and subtask_id not in history.records)


def _hand(history: History, subtask_id: str, told: dict[str, Any]) -> None:
    if (handed := Handover.of(told)) is not None:
        history.handed[subtask_id] = handed


def _settle(history: History, payload: dict[str, Any]) -> None:
    charge = history.charges.get(payload["key"])
    if charge is None:
        charge = history.charges[payload["key"]] = Charge(payload["path"], payload["used"])
    charge.amounts, charge.settled = payload["used"], True
