"""An event in a few words, for people who watch a run."""

from __future__ import annotations

from concertino.contracts.event import Event

SHOWN_CHARS = 200
"""How much of a text from outside a line shows."""

_WORDS = {
    "RUN_ADMITTED": "admitted",
    "RUN_PLANNED": "planned",
    "RUN_REPLANNED": "planned anew what failed",
    "BUDGET_REALLOCATED": "budget given to those still at work",
    "PLAN_REJECTED": "plan refused",
    "RUN_DISPATCHED": "dispatched",
    "RUN_PARKED": "waits for an answer",
    "RUN_RESUMED": "resumed",
    "RUN_REVIEWED": "reviewed",
    "RUN_COMPLETED": "completed",
    "RUN_FAILED": "failed",
    "RUN_CANCELLED": "cancelled",
    "TASK_STARTED": "started",
    "TASK_RETRIED": "tried again",
    "TASK_REROUTED": "given to another specialist",
    "TASK_SUSPENDED": "waits for an answer",
    "TASK_COMPLETED": "completed",
    "AGENT_FAILED": "failed",
    "TASK_SKIPPED": "skipped",
    "TASK_BLOCKED": "blocked",
    "TASK_CANCELLED": "cancelled",
    "TASK_KEPT": "kept from the run before",
    "TASK_LEAKED": "given up, still running",
    "SLA_MISSED": "late",
    "GATE_OPENED": "asks",
    "GATE_ANSWERED": "answered",
    "GATE_WITHDRAWN": "asks no more",
    "CANCEL_REQUESTED": "is to be cancelled",
    "BUDGET_ALERT": "budget",
    "BUDGET_BREACH": "budget overrun",
    "BREAKER_CHANGED": "breaker",
    "FINDING_DISCOVERED": "found",
    "SYNTHESIZED": "synthesized",
    "ARTIFACT_WRITTEN": "wrote",
}
"""Event types that a person wants to see; reservations and single calls are for the journal's readers."""

_DETAILS = ("question", "reason", "error", "decision", "finding", "path", "status")
"""Payload fields that say more, the most telling first."""


def sentence(event: Event) -> str | None:
    """Return `event` as a line such as `compensation completed`, or `None` for one that people need not see."""
    words = _WORDS.get(event.type)
    if words is None:
        return None
    if event.type == "RUN_PARKED" and event.payload.get("gates") == []:
        words = "is left as it stands, to be carried on"
    subject = event.subtask_id or (event.agent_id if event.agent_id != "orchestrator" else "run")
    return plain(" ".join(part for part in (subject, words) if part)) + _detail(event)


def plain(value: object) -> str:
    """Return `value` as one short line that cannot move a terminal's cursor."""
    text = value if isinstance(value, str) else str(value)
    shown = "".join(character if character.isprintable() else " " for character in text[: SHOWN_CHARS + 1])
    return shown if len(shown) <= SHOWN_CHARS else f"{shown[: SHOWN_CHARS - 1]}…"


def _detail(event: Event) -> str:
    payload = event.payload
    if event.type == "RUN_PLANNED":
        plan = payload.get("plan")
        subtasks = plan.get("subtasks") if isinstance(plan, dict) else None
        return f": {len(subtasks)} subtask(s)" if isinstance(subtasks, list) else ""
    if event.type == "GATE_OPENED":
        return f" at gate {plain(payload.get('gate'))}: {plain(payload.get('question'))}"
    if event.type in {"BUDGET_ALERT", "BUDGET_BREACH"}:
        return f": {plain(payload.get('percent', '?'))} % of {plain(payload.get('dimension', '?'))}"
    for name in _DETAILS:
        value = payload.get(name)
        if isinstance(value, dict):
            value = value.get("message") or value.get("reason")
        if isinstance(value, str) and value:
            return f": {plain(value)}"
    return ""
