"""What anybody may put on a task's record without holding its run: an answer to a gate, a request to stop.

The live process that works on the run sees it within moments; where there is none, the command takes the run up itself.
"""

from __future__ import annotations

from pydantic import JsonValue

from concertino.contracts.clock import Clock
from concertino.contracts.errors import InputError, RunNotFound, RunStateError
from concertino.contracts.event import TERMINAL, Event, EventType, message_type
from concertino.contracts.gate import Answer
from concertino.contracts.journal import Journal, RunRow
from concertino.contracts.json import JsonObject
from concertino.journal import is_dead, views


def newest(journal: Journal, task_id: str) -> RunRow:
    """Return a task's newest run.

    Raises:
        RunNotFound: the journal does not know the task.
    """
    row = journal.latest(task_id).result()
    if row is None:
        raise RunNotFound(task_id=task_id)
    return row


def is_live(row: RunRow, *, now: float) -> bool:
    """Say whether a process works on the run, as far as can be told from here."""
    return row.owner is not None and row.lease_until > now and not is_dead(row.owner)


def put_answer(journal: Journal, row: RunRow, gate: str, answer: Answer, *, clock: Clock) -> None:
    """Record an answer to a gate of a run that is not over.

    Raises:
        RunStateError: the run is over.
        InputError: no such gate is open or to come, or edited inputs are for a subtask that the plan does not have.
    """
    _must_go_on(row, asked=f"answer gate {gate}")
    view = views.status(journal.events(row.task_id, run_id=row.run_id).result())
    _check_gate(view, gate, answer)
    _put(journal, row, "GATE_ANSWERED", {"gate": gate, "answer": answer.model_dump(exclude_none=True)}, clock=clock)


def put_cancel(journal: Journal, row: RunRow, reason: str, *, clock: Clock) -> None:
    """Record that a run is to be stopped.

    Raises:
        RunStateError: the run is over.
    """
    _must_go_on(row, asked="cancel it")
    _put(journal, row, "CANCEL_REQUESTED", {"reason": reason}, clock=clock)


def _must_go_on(row: RunRow, *, asked: str) -> None:
    if row.state in TERMINAL:
        raise RunStateError(task_id=row.task_id, state=row.state, asked=asked)


def _check_gate(view: JsonObject, gate: str, answer: Answer) -> None:
    subtasks = _names(view["subtasks"], "subtask_id")
    gates = view["gates"]
    assert isinstance(gates, dict)
    if gate in _names(gates["answered"], "gate"):
        raise InputError(field="GATE", value=gate, rule="was answered before; the first answer holds")
    waiting = _names(gates["open"], "gate")
    # An answer may come before its question: the plan's gate, or that of a subtask that is not ready yet.
    if gate not in {*waiting, *subtasks, "plan"}:
        rule = f"must be an open gate: {', '.join(waiting) or 'none is open'}"
        raise InputError(field="GATE", value=gate, rule=rule)
    if gate == "plan" and answer.decision == "edit":
        for name, inputs in (answer.inputs or {}).items():
            if name not in subtasks or not isinstance(inputs, dict):
                raise InputError(field=f"--inputs.{name}", value=inputs, rule="must be inputs of a subtask of the plan")


def _names(entries: JsonValue, key: str) -> list[str]:
    listed = entries if isinstance(entries, list) else []
    return [str(entry[key]) for entry in listed if isinstance(entry, dict)]


def _put(journal: Journal, row: RunRow, kind: EventType, payload: JsonObject, *, clock: Clock) -> None:
    event = Event(
        task_id=row.task_id,
        run_id=row.run_id,
        type=kind,
        message_type=message_type(kind),
        payload=payload,
        timestamp=clock.now(),
    )
    journal.append([event], lease=None).result()
