"""A run as people look at it: its subtasks with every attempt, on one time axis. A pure fold over result and events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from concertino.contracts.json import JsonObject

Fields = Mapping[str, Any]
"""A JSON object that a journal or a result holds."""

ENDS = {
    "TASK_COMPLETED": "completed",
    "TASK_SKIPPED": "skipped",
    "TASK_BLOCKED": "blocked",
    "TASK_CANCELLED": "cancelled",
}
PLANNED = ("id", "name", "specialist", "objective", "needs", "inputs", "estimate_s", "required", "stage", "covers")


IN_ATTEMPTS = frozenset(
    {"TOOL_CALLED", "TASK_STARTED", "TASK_RETRIED", "AGENT_FAILED", "BREAKER_CHANGED", *ENDS, "RESERVED", "SETTLED"}
)
"""Events that subtasks, tools and breakers show already."""


@dataclass(slots=True)
class View:
    """One run. Times are seconds from `zero`."""

    zero: float = 0.0
    """Seconds since 1970-01-01 UTC of the first event."""
    end: float = 0.0
    """Of the last event."""
    slots: int | None = None
    """How many subtasks may run at once; `None` is unlimited, or unknown."""
    plan: JsonObject = field(default_factory=dict)
    """`origin`, `workflow` and `notes` of the newest plan."""
    subtasks: list[dict[str, Any]] = field(default_factory=list)
    """In plan order: what was planned, `state`, `start`, `end`, `attempts` (`specialist`, `start`, `end`, `ended`, `error`),
    `usage`, `confidence`, `output`, `error`."""
    dispatched: list[float] = field(default_factory=list)
    parked: list[tuple[float, float]] = field(default_factory=list)
    """Spans in which the run waited for people."""
    tools: list[dict[str, Any]] = field(default_factory=list)
    """Outside calls: `at` (their begin), `took`, `tool`, `endpoint`, `subtask`, `attempt`, `outcome`, `error`, `usage`."""
    breakers: list[dict[str, Any]] = field(default_factory=list)
    """`tool`, `endpoint`, `state`, `opened`, `refused`, `changes` (`at`, `from`, `to`, `reason`)."""
    gates: list[dict[str, Any]] = field(default_factory=list)
    steps: list[dict[str, Any]] = field(default_factory=list)
    """What else happened: `at`, `type`, `subtask`, `detail`."""


def view_of(result: Fields | None, events: Sequence[Fields]) -> View:
    """Return the view of a run; either of both may be missing, and what only it knows is then left out."""
    known: Fields = result or {}
    run_id = known.get("run_id") or (events[-1].get("run_id") if events else None)
    own = [event for event in events if run_id is None or event.get("run_id", run_id) == run_id]
    return _Folding(known, own).view


class _Folding:
    """Folds the events of one run into its view."""

    def __init__(self, result: Fields, events: Sequence[Fields]) -> None:
        starts = [one["started_at"] for one in result.get("subtasks") or () if one.get("started_at") is not None]
        begin = events[0]["timestamp"] if events else min(starts, default=0.0)
        self.view = View(zero=begin)
        self._subtasks: dict[str, dict[str, Any]] = {}
        self._open: dict[str, dict[str, Any]] = {}
        self._breakers: dict[tuple[str, str], dict[str, Any]] = {}
        self._gates: dict[str, dict[str, Any]] = {}
        self._parked_at: float | None = None
        for event in events:
            self._take(event, self._at(event["timestamp"]), event.get("payload") or {})
        for one in result.get("subtasks") or ():
            self._finish(one)
        for breaker in result.get("breakers") or ():
            shown = {key: breaker.get(key) for key in ("state", "opened", "refused")}
            self._breaker(breaker).update(shown)
        self.view.subtasks = list(self._subtasks.values())
        self.view.breakers = list(self._breakers.values())
        self.view.gates = list(self._gates.values())
        ends = [one["end"] for one in self.view.subtasks if one["end"] is not None]
        self.view.end = max([self._at(events[-1]["timestamp"]) if events else 0.0, *ends])
        for attempt in self._open.values():
            attempt["end"], attempt["ended"] = self.view.end, "running"

    def _at(self, timestamp: float) -> float:
        return round(timestamp - self.view.zero, 6)

    def _take(self, event: Fields, at: float, payload: Fields) -> None:
        kind, sid = str(event["type"]), event.get("subtask_id")
        if kind in ("RUN_PLANNED", "RUN_REPLANNED"):
            self._plan(payload)
        elif kind == "RUN_DISPATCHED":
            self.view.dispatched.append(at)
        elif kind == "TOOL_CALLED":
            self._tool(payload, at)
        elif kind == "BREAKER_CHANGED":
            change = {"at": at, **{key: payload.get(key) for key in ("from", "to", "reason")}}
            self._breaker(payload)["changes"].append(change)
        elif kind in ("GATE_OPENED", "GATE_ANSWERED"):
            self._gate(kind, payload, at)
        elif kind in ("RUN_PARKED", "RUN_RESUMED"):
            self._turn(kind, at)
        elif kind in ("RESERVED", "SETTLED"):
            return
        elif sid is not None:
            self._subtask_event(kind, str(sid), event, payload, at)
        if kind not in IN_ATTEMPTS:
            step = {"at": at, "type": kind, "subtask": sid, "detail": _detail(payload)}
            self.view.steps.append({key: value for key, value in step.items() if value not in (None, "")})

    def _plan(self, payload: Fields) -> None:
        plan = payload.get("plan") or {}
        slots = (payload.get("policy") or {}).get("concurrency")
        self.view.slots = slots if isinstance(slots, int) else self.view.slots
        self.view.plan = {key: plan.get(key) for key in ("origin", "workflow", "notes") if plan.get(key)}
        for entry in plan.get("subtasks") or ():
            known = self._subtask(str(entry["id"]))
            known.update({key: entry[key] for key in PLANNED if entry.get(key) is not None})

    def _subtask(self, sid: str) -> dict[str, Any]:
        blank: dict[str, Any] = {"id": sid, "needs": [], "state": "pending", "start": None, "end": None, "attempts": []}
        return self._subtasks.setdefault(sid, blank)

    def _subtask_event(self, kind: str, sid: str, event: Fields, payload: Fields, at: float) -> None:
        known = self._subtask(sid)
        if kind in ("TASK_STARTED", "TASK_RETRIED"):
            self._close(sid, at, "interrupted")
            attempt = {"specialist": payload.get("specialist") or event.get("agent_id"), "start": at, "end": None}
            known["attempts"].append(attempt)
            self._open[sid] = attempt
            known["start"] = at if known["start"] is None else known["start"]
            known["state"] = "running"
        elif kind == "AGENT_FAILED":
            self._close(sid, at, "failed", payload.get("error"))
            if payload.get("final") is True:
                known.update(state="failed", end=at)
        elif kind == "TASK_SUSPENDED":
            self._close(sid, at, "waiting")
            known["state"] = "waiting"
        elif kind in ENDS:
            self._close(sid, at, ENDS[kind])
            known.update(state=ENDS[kind], end=at)
        elif kind == "TASK_LEAKED":
            known["leaked"] = True
        elif kind == "SLA_MISSED":
            known["sla_missed"] = True

    def _close(self, sid: str, at: float, ended: str, error: Any = None) -> None:
        attempt = self._open.pop(sid, None)
        if attempt is not None:
            attempt["end"], attempt["ended"] = at, ended
            if error is not None:
                attempt["error"] = error

    def _turn(self, kind: str, at: float) -> None:
        """Note when the run stood still; whoever was at work when its process died is not any more."""
        if kind == "RUN_PARKED":
            self._parked_at = at
        elif self._parked_at is not None:
            self.view.parked.append((self._parked_at, at))
            self._parked_at = None
        for sid in list(self._open):
            self._close(sid, at, "interrupted")

    def _tool(self, payload: Fields, at: float) -> None:
        took = payload.get("duration_s") or 0.0
        sid, _, _ = str(payload.get("key") or "").partition("#")
        call = {
            "at": round(max(0.0, at - took), 6),
            "took": took,
            "subtask": sid if sid in self._subtasks else None,
            **{key: payload.get(key) for key in ("tool", "endpoint", "attempt", "outcome", "error", "usage")},
        }
        self.view.tools.append({key: value for key, value in call.items() if value not in (None, "")})

    def _breaker(self, payload: Fields) -> dict[str, Any]:
        tool, endpoint = str(payload.get("tool")), str(payload.get("endpoint") or "")
        blank = {"tool": tool, "endpoint": endpoint, "state": "CLOSED", "opened": 0, "refused": 0, "changes": []}
        return self._breakers.setdefault((tool, endpoint), blank)

    def _gate(self, kind: str, payload: Fields, at: float) -> None:
        name = str(payload.get("gate"))
        gate = self._gates.setdefault(name, {"gate": name, "opened": None, "answered": None})
        if kind == "GATE_OPENED":
            gate.update(opened=at, question=payload.get("question"), subtask=payload.get("subtask_id"))
        elif gate["answered"] is None:
            answer = payload.get("answer")
            said = answer if isinstance(answer, dict) else payload
            gate.update(answered=at, decision=said.get("decision"), reason=said.get("reason"))

    def _finish(self, one: Fields) -> None:
        """Put in what the result knows better than the events: exact times, usage, what was found."""
        sid = str(one.get("subtask_id"))
        known = self._subtask(sid)
        known.update(state=one.get("state") or known["state"], required=one.get("required", True))
        if not known["needs"]:
            known["needs"] = list(one.get("needs") or ())
        for key in ("name", "specialist", "stage", "usage", "confidence", "error", "reason"):
            if one.get(key) is not None:
                known[key] = one[key]
        known["output"] = one.get("outputs")
        known["sla_missed"] = bool(one.get("sla_missed")) or known.get("sla_missed", False)
        for key, source in (("start", "started_at"), ("end", "finished_at")):
            if one.get(source) is not None:
                known[key] = self._at(one[source])
        if known["start"] is not None and known["end"] is not None and not known["attempts"]:
            known["attempts"] = [
                {key: known.get(key) for key in ("specialist", "start", "end")} | {"ended": known["state"]}
            ]


def _detail(payload: Fields) -> str:
    """Return the most telling text of an event."""
    for key in ("question", "reason", "decision", "path", "next", "percent", "by", "form"):
        value = payload.get(key)
        if isinstance(value, str | int | float) and not isinstance(value, bool) and value != "":
            more = f" % of {payload['dimension']}" if key == "percent" and "dimension" in payload else ""
            return f"{value}{more}"
    error = payload.get("error")
    if isinstance(error, dict):
        return str(error.get("message") or error.get("type") or "")
    faults = payload.get("faults")
    if isinstance(faults, list):
        return "; ".join(str(fault.get("message")) for fault in faults if isinstance(fault, dict))
    return str(payload["to"]) if isinstance(payload.get("to"), str) else ""
