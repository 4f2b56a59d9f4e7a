"""What a task's events add up to. Pure folds: the same events give the same view, anywhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from pydantic import JsonValue

from concertino.contracts.event import TERMINAL, Event
from concertino.contracts.json import JsonObject
from concertino.journal.usage import totals, usage_by_key

_STATUS = {
    "RUN_ADMITTED": "admitted",
    "RUN_PLANNED": "planned",
    "RUN_DISPATCHED": "running",
    "RUN_RESUMED": "running",
    "RUN_PARKED": "waiting",
    "RUN_FAILED": "failed",
    "RUN_CANCELLED": "cancelled",
}

_ENDS = {"TASK_SKIPPED": "skipped", "TASK_BLOCKED": "blocked", "TASK_CANCELLED": "cancelled"}
_SETTLED = frozenset({"completed", "failed", "skipped", "blocked", "cancelled"})


@dataclass(slots=True)
class _Subtask:
    subtask_id: str
    specialist: str | None = None
    state: str = "pending"
    outputs: JsonValue = None
    attempts: int = 0
    started_at: float | None = None
    finished_at: float | None = None
    usage: JsonValue = None
    error: JsonValue = None
    needs: list[JsonValue] = field(default_factory=list)

    def as_json(self) -> JsonObject:
        return {
            "subtask_id": self.subtask_id,
            "agent": self.specialist,
            "specialist": self.specialist,
            "state": self.state,
            "outputs": self.outputs,
            "attempts": self.attempts,
            "started_at": self.started_at,
            "finished_at": self.finished_at,
            "usage": self.usage,
            "error": self.error,
        }


def run_events(events: Iterable[Event], run_id: str | None = None) -> list[Event]:
    """Return the events of one run; of the run that began last, when none is named."""
    listed = list(events)
    if run_id is None and listed:
        run_id = list(dict.fromkeys(event.run_id for event in listed))[-1]
    return [event for event in listed if event.run_id == run_id]


def status(events: Iterable[Event], *, run_id: str | None = None, now: float | None = None) -> JsonObject:
    """Return a run's status in document 002's shape; of the task's newest run, unless one is named.

    `metrics.elapsed_seconds` is wall clock from the first event to the end, or to `now` (to the last event without
    it) while the run goes on; `metrics.on_time` is false once an SLA was missed. Without any event the status is
    `unknown`. `budget` counts open reservations in full.
    """
    own = run_events(events, run_id)
    subtasks: dict[str, _Subtask] = {}
    state, history = "unknown", list[JsonValue]()
    for event in own:
        following = _run_state(event)
        if following is not None and following != state:
            state = following
            history.append({"status": state, "at": event.timestamp})
        _advance(subtasks, event)
    first = own[0] if own else None
    end = own[-1].timestamp if own else 0.0
    if now is not None and state not in TERMINAL:
        end = max(end, now)
    gates = _gates(own)
    return {
        "task_id": first.task_id if first else None,
        "status": state,
        "run_id": first.run_id if first else run_id,
        "subtasks": [subtask.as_json() for subtask in subtasks.values()],
        "metrics": {
            "elapsed_seconds": max(0.0, end - first.timestamp) if first else 0.0,
            "on_time": not any(event.type == "SLA_MISSED" for event in own),
        },
        "gates": {
            "open": [gate for gate in gates if gate["state"] == "open"],
            "answered": [gate for gate in gates if gate["state"] == "answered"],
        },
        "budget": totals(usage_by_key(own)),
        "dependencies": {subtask.subtask_id: subtask.needs for subtask in subtasks.values()},
        "artifacts": [dict(event.payload) for event in own if event.type == "ARTIFACT_WRITTEN"],
        "status_history": history,
    }


def open_gates(events: Iterable[Event], *, run_id: str | None = None) -> list[JsonObject]:
    """Return the questions nobody answered yet, oldest first: `{gate, question, subtask, ..., opened_at}`."""
    return [gate for gate in _gates(run_events(events, run_id)) if gate["state"] == "open"]


def _gates(events: Sequence[Event]) -> list[JsonObject]:
    """Return every gate with its newest question. The first answer holds, also when it came before its question."""
    gates: dict[str, JsonObject] = {}
    for event in events:
        name = event.payload.get("gate")
        if not isinstance(name, str):
            continue
        known = gates.get(name, {"state": "open"})
        if event.type == "GATE_OPENED":
            subtask = event.payload.get("subtask", event.payload.get("subtask_id", event.subtask_id))
            known = {"state": "open"} if known["state"] == "withdrawn" else known
            gates[name] = {"opened_at": event.timestamp, **event.payload, **known, "subtask": subtask}
        elif event.type == "GATE_ANSWERED" and known["state"] != "answered":
            gates[name] = {**known, **event.payload, "state": "answered", "answered_at": event.timestamp}
        elif event.type == "GATE_WITHDRAWN" and known["state"] == "open":
            gates[name] = {**known, "state": "withdrawn"}
    return list(gates.values())


def _run_state(event: Event) -> str | None:
    if event.type != "RUN_COMPLETED":
        return _STATUS.get(event.type)
    result = event.payload.get("result")
    outcome = result.get("status") if isinstance(result, dict) else None
    return outcome if isinstance(outcome, str) and outcome in TERMINAL else "success"


def _advance(subtasks: dict[str, _Subtask], event: Event) -> None:
    if event.type in {"RUN_PLANNED", "RUN_REPLANNED"}:
        _plan(subtasks, event.payload.get("plan"))
    elif event.type == "RUN_DISPATCHED":
        listed = event.payload.get("subtasks")
        for name in listed if isinstance(listed, list) else ():
            known = subtasks.setdefault(str(name), _Subtask(str(name)))
            if known.state != "completed":
                known.state = "pending"
    elif event.type == "RUN_RESUMED":
        # Whoever was at work when the process died is not any more.
        for known in subtasks.values():
            if known.state == "running":
                known.state = "pending"
    elif event.type == "RUN_CANCELLED":
        for known in subtasks.values():
            if known.state not in _SETTLED:
                known.state = "cancelled"
    else:
        name = event.subtask_id or event.payload.get("subtask")
        if isinstance(name, str) and (name in subtasks or event.type.startswith(("TASK_", "AGENT_"))):
            _turn(subtasks.setdefault(name, _Subtask(name)), event)


def _plan(subtasks: dict[str, _Subtask], plan: JsonValue) -> None:
    listed = plan.get("subtasks") if isinstance(plan, dict) else None
    planned: dict[str, _Subtask] = {}
    for entry in listed if isinstance(listed, list) else ():
        if not isinstance(entry, dict) or not isinstance(entry.get("id"), str):
            continue
        name = str(entry["id"])
        known = planned[name] = subtasks.get(name, _Subtask(name))
        known.specialist = known.specialist or _text(entry.get("specialist"))
        needs = entry.get("needs")
        known.needs = list(needs) if isinstance(needs, list) else []
    rest = {name: known for name, known in subtasks.items() if name not in planned}
    subtasks.clear()
    subtasks.update(planned | rest)


def _turn(subtask: _Subtask, event: Event) -> None:
    payload = event.payload
    if event.type == "TASK_STARTED":
        subtask.state = "running"
        subtask.attempts += 1
        subtask.specialist = _text(payload.get("specialist")) or subtask.specialist
        subtask.started_at = event.timestamp if subtask.started_at is None else subtask.started_at
    elif event.type == "TASK_REROUTED":
        subtask.specialist = _text(payload.get("specialist")) or _text(payload.get("to")) or subtask.specialist
    elif event.type in {"TASK_SUSPENDED", "GATE_OPENED"} and subtask.state not in _SETTLED:
        subtask.state = "waiting"
    elif event.type in {"GATE_ANSWERED", "GATE_WITHDRAWN"} and subtask.state == "waiting":
        subtask.state = "pending"
    elif event.type in {"TASK_COMPLETED", "TASK_KEPT"}:
        finding = payload.get("finding")
        subtask.state, subtask.error = _text(payload.get("state")) or "completed", payload.get("error")
        subtask.outputs = finding.get("output") if isinstance(finding, dict) else None
        _measures(subtask, event)
    elif event.type == "AGENT_FAILED":
        subtask.error = payload.get("error")
        if payload.get("final") is True:
            subtask.state = "failed"
            _measures(subtask, event)
    elif event.type in _ENDS:
        subtask.state = _ENDS[event.type]
        subtask.finished_at = event.timestamp
        reason = payload.get("reason")
        subtask.error = {"type": subtask.state, "message": reason} if reason is not None else subtask.error


def _measures(subtask: _Subtask, event: Event) -> None:
    payload = event.payload
    subtask.specialist = _text(payload.get("specialist")) or subtask.specialist
    attempts = payload.get("attempts")
    subtask.attempts = attempts if isinstance(attempts, int) else max(1, subtask.attempts)
    subtask.started_at = _number(payload.get("started_at"), subtask.started_at)
    subtask.finished_at = _number(payload.get("finished_at"), event.timestamp)
    subtask.usage = payload.get("usage", subtask.usage)


def _text(value: JsonValue) -> str | None:
    return value if isinstance(value, str) else None


def _number(value: JsonValue, otherwise: float | None) -> float | None:
    return float(value) if isinstance(value, int | float) else otherwise
