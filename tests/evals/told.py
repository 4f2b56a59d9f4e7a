"""Small runs as a journal and a result tell them, for what judges and shows them."""

from __future__ import annotations

from typing import Any

from concertino.contracts.json import JsonObject
from concertino.evals.cases import Case
from concertino.evals.outcomes import Outcome
from concertino.evals.transcripts import Transcript

ZERO = 1_000_000.0
SPECIALISTS = {"money": "financial", "law": "legal", "advice": "writer"}
PLAN: dict[str, Any] = {
    "origin": "caller",
    "subtasks": [
        {"id": "money", "specialist": "financial", "objective": "Can it pay?", "needs": []},
        {"id": "law", "specialist": "legal", "objective": "Is it <sued>?", "needs": []},
        {"id": "advice", "specialist": "writer", "objective": "Say what to do.", "needs": ["money", "law"]},
    ],
}
ANSWER: JsonObject = {"grade": "B", "risk": 0.4}


def event(kind: str, at: float, subtask: str | None = None, **payload: Any) -> dict[str, Any]:
    """Return an event of the run, `at` seconds after its beginning."""
    agent = SPECIALISTS.get(subtask or "", "orchestrator")
    return {
        "task_id": "acme", "run_id": "run-1", "type": kind, "agent_id": agent, "subtask_id": subtask, "payload": payload,
        "timestamp": ZERO + at,
    }  # fmt: skip


def events() -> list[dict[str, Any]]:
    """Return a run in which `law` fails once, a breaker opens and closes, and all ends well after 4 seconds."""
    failed = {"type": "TimeoutError", "message": "no answer"}
    return [
        event("RUN_ADMITTED", 0.0, title="How risky is Acme?"),
        event("RUN_PLANNED", 0.0, plan=PLAN, policy={"concurrency": 2}),
        event("RUN_DISPATCHED", 0.0),
        event("TASK_STARTED", 0.0, "money", specialist="financial", attempt=1),
        event("TASK_STARTED", 0.0, "law", specialist="legal", attempt=1),
        event("TOOL_CALLED", 0.5, key="money#1:search:1#1", tool="search", endpoint="", outcome="ok", duration_s=0.25, attempt=1),
        event("AGENT_FAILED", 1.0, "law", specialist="legal", attempt=1, final=False, error=failed),
        event("TASK_RETRIED", 1.5, "law", specialist="legal", attempt=2),
        event("BREAKER_CHANGED", 1.0, tool="register", endpoint="eu", **{"from": "CLOSED", "to": "OPEN"}, reason="1 failure"),
        event("BREAKER_CHANGED", 2.0, tool="register", endpoint="eu", **{"from": "OPEN", "to": "CLOSED"}, reason="a probe"),
        event("TASK_COMPLETED", 2.0, "money"),
        event("TASK_COMPLETED", 3.0, "law"),
        event("TASK_STARTED", 3.0, "advice", specialist="writer", attempt=1),
        event("TASK_COMPLETED", 4.0, "advice"),
        event("RUN_COMPLETED", 4.0, status="success"),
    ]  # fmt: skip


def subtask(sid: str, start: float, end: float, *, confidence: float, grade: str, attempts: int = 1) -> dict[str, Any]:
    """Return a finished subtask as a result has it."""
    return {
        "subtask_id": sid, "name": sid, "specialist": SPECIALISTS[sid], "state": "completed", "attempts": attempts,
        "started_at": ZERO + start, "finished_at": ZERO + end, "usage": {"tokens": 100, "calls": 1, "usd": 0.25},
        "error": None, "reason": None, "required": True, "sla_missed": False, "outputs": {"grade": grade, "risk": 0.4},
        "confidence": confidence, "needs": ["money", "law"] if sid == "advice" else [], "stage": None,
    }  # fmt: skip


def result(**changes: Any) -> dict[str, Any]:
    """Return the run's result, with changes."""
    weights = [("financial", 0.9, 0.5), ("legal", 0.6, 1.0), ("writer", 0.8, 0.5)]
    whole = sum(confidence * authority for _, confidence, authority in weights)
    known: dict[str, Any] = {
        "status": "success", "task_id": "acme", "run_id": "run-1", "answer": ANSWER, "share": 0.7, "confidence": 0.75,
        "calibration": None,
        "subtasks": [
            subtask("money", 0.0, 2.0, confidence=0.9, grade="A"),
            subtask("law", 0.0, 3.0, confidence=0.6, grade="B", attempts=2),
            subtask("advice", 3.0, 4.0, confidence=0.8, grade="B"),
        ],
        "usage": {"tokens": 300, "calls": 3, "usd": 0.75, "documents": 0, "seconds": 4.0},
        "limits": {"tokens": 1_000, "seconds": 10.0},
        "budget": {
            "path": "run", "limit": {"tokens": 1_000}, "settled": {"tokens": 300}, "held": {},
            "children": {"work": {"path": "run/work", "limit": {}, "settled": {"tokens": 300}, "held": {}, "children": {}}},
        },
        "breakers": [{"tool": "register", "endpoint": "eu", "state": "CLOSED", "opened": 1, "refused": 2}],
        "method": "per_field",
        "weights": [
            {
                "finding": n, "specialist": name, "question_id": None, "confidence": confidence, "authority": authority,
                "weight": confidence * authority / whole,
            }
            for n, (name, confidence, authority) in enumerate(weights)
        ],
        "provenance": [], "dissent": [], "missing": [], "vetoes": [],
    }  # fmt: skip
    return known | changes


def call(scope: str, prompt: str, answer: str, *, at: float = 0.0, n: int = 1) -> dict[str, Any]:
    """Return a line of a tape: one call of a model."""
    return {
        "kind": "model", "name": "openai:gpt-5-mini", "scope": scope, "n": n, "at": at, "took": 0.5,
        "request": {"messages": [{"role": "system", "content": "Be brief."}, {"role": "human", "content": prompt}]},
        "response": {"content": answer}, "usage": {"input_tokens": 12, "output_tokens": 3},
    }  # fmt: skip


def outcome(expect: dict[str, Any], *, case_id: str = "acme", number: int = 1, **changes: Any) -> Outcome:
    """Return an outcome of the run whose case expects `expect`."""
    case = Case(id=case_id, task={"title": "How risky is Acme?"}, expect=expect, tags=("small",))
    made: dict[str, Any] = {
        "tape": "fresh", "stand_in": False, "result": result(), "events": events(), "calls": [], "started": ZERO, "makespan_s": 4.0,
    }  # fmt: skip
    made |= changes
    left = Transcript(made.pop("result"), made.pop("events"), made.pop("calls"))
    return Outcome(case=case, number=number, transcript=left, **made)
