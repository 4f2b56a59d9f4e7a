"""A case out of a run that was journalled: the task, what people answered, what every specialist came back with.

What its models and tools said is in no journal, so the specialists are played as wholes; what is tried by such a case is
planning by rules, dataflow, gates, budgets and synthesis.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import yaml

from concertino import __version__
from concertino.contracts.clock import SystemClock
from concertino.contracts.errors import FileInvalid, RunNotFound, RunStateError
from concertino.contracts.event import TERMINAL, Event
from concertino.contracts.ids import is_id
from concertino.contracts.journal import RunRow
from concertino.contracts.json import JsonObject
from concertino.evals.cases import Case
from concertino.evals.staging import seed_of
from concertino.evals.suites import Suite
from concertino.evals.transports import FINAL, transport_request
from concertino.journal.open import open_journal
from concertino.journal.views import run_events
from concertino.tools.tape.files import Tape, write_tape
from concertino.tools.tape.lines import Head, Line
from concertino.tools.tape.secrecy import refuse_secrets

EVENTS = 1_000_000
BEGINS = ("TASK_STARTED", "TASK_RETRIED")
ENDS = ("TASK_COMPLETED", "AGENT_FAILED")
DRAFTED = frozenset({"model", "cache", "fallback"})
"""Origins of plans that cannot be made again without the model."""
PLANNED = ("name", "objective", "inputs", "estimate_s", "required", "sla_s", "covers", "stage", "max_attempts", "gate")
"""What a ready plan keeps of a recorded subtask, beside id, specialist and needs."""
CONTEXT = ("tokens", "calls", "usd", "documents", "seconds")


def add_case(suite: Suite, task_id: str, *, database: str, case_id: str | None = None) -> Case:
    """Make a case with its tape of a task's newest run, write both into the suite's folder, and return the case.

    It expects what the run came to: status, plan, routing, states and answer; change that where the run was wrong.

    Args:
        suite: Where to.
        task_id: Which task.
        database: The journal that has it, as `sqlite:///file.db`.
        case_id: What the case is called; the task's id where left out.

    Raises:
        RunNotFound: no such task.
        RunStateError: its run is not over.
        FileInvalid: the suite has a case of this id.
        SecretFound: the run holds a secret. Nothing was written.
    """
    row, events = _run_of(task_id, database)
    named = case_id or task_id
    path = suite.folder / "cases" / f"{named}.yaml"
    taken = {one.id for one in suite.cases} | {one.id for one in suite.faulty}
    if not is_id(named) or named in taken or path.exists():
        raise FileInvalid(
            file=suite.shown(path), line=None, value=named, rule="needs an id that no case of the suite has"
        )
    made = _case(row, events, named, is_agent=":" not in suite.target)
    case = Case.model_validate(made)
    tape = Tape(_head(row, events, named), tuple(_lines(events, _renamed(events))))
    refuse_secrets(made, place=suite.shown(path), allowed=suite.file.allow)
    write_tape(suite.tape_file(named), tape, allowed=suite.file.allow)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(made, sort_keys=False, allow_unicode=True, width=120), encoding="utf-8")
    return case


def _run_of(task_id: str, database: str) -> tuple[RunRow, list[Event]]:
    journal = open_journal(database, clock=SystemClock())
    try:
        row = journal.latest(task_id).result()
        if row is None:
            raise RunNotFound(task_id=task_id)
        if row.state not in TERMINAL:
            raise RunStateError(task_id=task_id, state=row.state, asked="make a case of it before it is over")
        return row, run_events(journal.events(row.task_id, limit=EVENTS).result(), row.run_id)
    finally:
        journal.close()


def _case(row: RunRow, events: Sequence[Event], named: str, *, is_agent: bool) -> JsonObject:
    plan, renamed = _plan(events), _renamed(events)
    payload: Any = row.task.get("payload") or {}
    made: JsonObject = {"id": named}
    if is_agent:
        made["payload"] = payload.get("profile") or {k: v for k, v in payload.items() if k not in ("policy", "route")}
    else:
        task: JsonObject = {name: value for name, value in row.task.items() if value not in (None, "", [], {})}
        if plan.get("origin") in DRAFTED:
            task["plan"] = {"subtasks": [_subtask(one, renamed) for one in plan["subtasks"]]}
        made["task"] = task
        if context := _context(row.policy):
            made["context"] = context
    answers = [_reply(event.payload, renamed) for event in events if event.type == "GATE_ANSWERED"]
    if answers:
        made["answers"] = [*answers]
    made["expect"] = _expectation(events, plan, renamed)
    return made


def _plan(events: Sequence[Event]) -> dict[str, Any]:
    plans: list[Any] = [event.payload.get("plan") for event in events if event.type == "RUN_PLANNED"]
    return plans[-1] if plans and isinstance(plans[-1], dict) else {}


def _renamed(events: Sequence[Event]) -> dict[str, str]:
    """Return the ids that the subtasks of a drafted plan have in the case: a caller's may not be of our own form."""
    plan = _plan(events)
    if plan.get("origin") not in DRAFTED:
        return {}
    return {one["id"]: f"s{at}" for at, one in enumerate(plan["subtasks"], 1) if not is_id(one["id"])}


def _subtask(one: Mapping[str, Any], renamed: Mapping[str, str]) -> JsonObject:
    made: JsonObject = {
        "id": renamed.get(one["id"], one["id"]),
        "specialist": one["specialist"],
        "needs": [renamed.get(need, need) for need in one.get("needs", ())],
    }
    said = {name: _told(one[name], renamed) for name in PLANNED if one.get(name) not in (None, [], {}, "")}
    return made | {name: value for name, value in said.items() if name != "name"}


def _told(value: Any, renamed: Mapping[str, str]) -> Any:
    """Return inputs with references to subtasks under their new ids."""
    if isinstance(value, dict):
        return {name: renamed.get(one, one) if name == "$from" else _told(one, renamed) for name, one in value.items()}
    return [_told(one, renamed) for one in value] if isinstance(value, list) else value


def _context(policy: Mapping[str, Any]) -> JsonObject:
    budget = policy.get("budget") or {}
    made: JsonObject = {name: budget[name] for name in CONTEXT if budget.get(name) is not None}
    if policy.get("concurrency"):
        made["concurrency"] = policy["concurrency"]
    if policy.get("require_approval"):
        made["require_approval"] = True
    return made


def _reply(payload: Mapping[str, Any], renamed: Mapping[str, str]) -> JsonObject:
    gate = str(payload["gate"])
    known = next((new for old, new in renamed.items() if gate == old or gate.startswith(f"{old}.")), None)
    old = next((one for one in renamed if gate == one or gate.startswith(f"{one}.")), "")
    made: JsonObject = {"gate": gate if known is None else f"{known}{gate.removeprefix(old)}"}
    return made | {
        name: payload[name] for name in ("decision", "reason", "inputs", "value") if payload.get(name) is not None
    }


def _expectation(events: Sequence[Event], plan: Mapping[str, Any], renamed: Mapping[str, str]) -> JsonObject:
    end = next(
        (event.payload for event in reversed(events) if event.type.startswith("RUN_") and "status" in event.payload), {}
    )
    result: Any = end.get("result") or {}
    made: JsonObject = {"status": str(end.get("status", "failed"))}
    subtasks: Sequence[Any] = plan.get("subtasks") or ()
    if subtasks:
        name = {one["id"]: renamed.get(one["id"], one["id"]) for one in subtasks}
        edges: list[Any] = [
            [name[need], name[one["id"]]] for one in subtasks for need in one.get("needs", ()) if need in name
        ]
        made["plan"] = {"nodes": [*name.values()], "edges": edges}
        made["routing"] = {name[one["id"]]: one["specialist"] for one in subtasks if one.get("specialist")}
        known = {one["subtask_id"]: one["state"] for one in result.get("subtasks", ())}
        made["states"] = {name[one]: state for one, state in known.items() if one in name}
    if result.get("answer") is not None:
        made["answer"] = {"exact": result["answer"]}
    return made


def _head(row: RunRow, events: Sequence[Event], named: str) -> Head:
    start = events[0].timestamp if events else row.created
    return Head(
        case=named,
        recorded="",
        made_by=f"concertino {__version__}, from a journal",
        start=round(start, 6),
        seed=seed_of(named),
    )


def _lines(events: Sequence[Event], renamed: Mapping[str, str]) -> list[Line]:
    """Return every attempt of every specialist as one call."""
    began = events[0].timestamp if events else 0.0
    of: dict[tuple[str, str], list[Event]] = {}
    for event in events:
        if event.subtask_id is not None and event.type in (*BEGINS, *ENDS):
            of.setdefault((event.subtask_id, str(event.payload.get("specialist", event.agent_id))), []).append(event)
    lines: list[Line] = []
    for (subtask, specialist), told in of.items():
        own = renamed.get(subtask, subtask)
        attempts = [(one, end) for one, end in pairwise(told) if one.type in BEGINS and end.type in ENDS]
        for at, (one, end) in enumerate(attempts):
            number: Any = one.payload.get("attempt", at + 1)
            lines.append(
                Line(
                    kind="transport", name=specialist, scope=f"{specialist}/{own}#{number}", n=1,
                    request=transport_request(own), at=round(one.timestamp - began, 6),
                    took=round(end.timestamp - one.timestamp, 6), **_ending(end, is_last=at == len(attempts) - 1),
                )
            )  # fmt: skip
    return lines


def _ending(end: Event, *, is_last: bool) -> dict[str, Any]:
    if end.type == "TASK_COMPLETED":
        finding: Any = end.payload.get("finding")
        kept = {
            name: finding[name]
            for name in finding
            if name not in ("specialist", "authority") and finding[name] is not None
        }
        return {"response": {"finding": kept}, "usage": end.payload.get("usage")}
    error: Any = end.payload.get("error") or {}
    if error.get("type") == "Declined":
        return {"response": {"declined": error.get("message", "")}}
    told = {"kind": "broken", "type": str(error.get("type", "Broken")), "message": str(error.get("message", ""))}
    return {"error": {**told, FINAL: True} if is_last else told}
