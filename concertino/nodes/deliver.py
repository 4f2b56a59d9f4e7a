"""Deliver: the result of a run in document 004's shape, with everything that was promised beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from concertino.contracts.json import JsonObject
from concertino.contracts.plan import Plan, Subtask
from concertino.contracts.specialist import Cards
from concertino.nodes.synthesis import Missing, Synthesis
from concertino.nodes.synthesis.degradation import Outcome, parts, status

SHOWN = (
    "subtask_id", "specialist", "state", "attempts", "started_at", "finished_at", "usage", "error", "reason", "required",
    "sla_missed",
)  # fmt: skip


def outcomes(plan: Plan, records: Mapping[str, JsonObject]) -> list[Outcome]:
    """Return how each subtask of the plan ended, in plan order."""
    dropped: dict[str, list[str]] = {}
    for subtask in plan.subtasks:
        if records.get(subtask.id, {}).get("state") == "skipped":
            for need in subtask.needs:
                dropped.setdefault(need, []).append(subtask.id)
    return [_outcome(subtask, records.get(subtask.id, {}), dropped.get(subtask.id, [])) for subtask in plan.subtasks]


def _outcome(subtask: Subtask, record: JsonObject, dropped: Sequence[str]) -> Outcome:
    given: Any = record
    error = given.get("error") or {}
    finding = given.get("finding") or {}
    state = given.get("state", "pending")
    kind = error.get("type")
    if kind is None and state == "skipped" and given.get("is_lost", True):
        kind = "Skipped"
    return Outcome(
        subtask_id=subtask.id,
        specialist=given.get("specialist") or subtask.specialist or "",
        state=state,
        output=finding.get("output"),
        attempts=given.get("attempts", 0),
        required=subtask.required,
        objective=subtask.objective,
        covers=subtask.covers,
        skipped=tuple(dropped),
        error_type=kind,
        error_message=error.get("message") or given.get("reason") or "",
        error_data=error.get("data") or {},
    )


def missing(plan: Plan, ended: Sequence[Outcome], cards: Cards) -> list[Missing]:
    """Return the specialists whose part of the answer is missing, once each."""
    asked = set(plan.answer) if plan.answer is not None else {subtask.id for subtask in plan.subtasks}
    found: dict[str, Missing] = {}
    for outcome in ended:
        if outcome.is_lost and outcome.subtask_id in asked and outcome.specialist in cards:
            reason = outcome.error_message or outcome.state
            card = cards[outcome.specialist]
            found.setdefault(
                outcome.specialist, Missing(specialist=outcome.specialist, authority=card.authority, reason=reason)
            )
    return list(found.values())


def result(
    plan: Plan,
    records: Mapping[str, JsonObject],
    synthesis: Synthesis,
    *,
    head: JsonObject,
    answer: object,
    state: str | None,
    facts: JsonObject,
) -> JsonObject:
    """Return the whole result.

    Args:
        plan: What was planned.
        records: Finished subtasks.
        synthesis: What was merged.
        head: `task_id`, `run_id` and the like, shown first.
        answer: The merged answer, or a pack's own aggregation of it.
        state: `cancelled` where the run was; else the status follows from the subtasks.
        facts: Usage, limits, breakers, complexity and whatever else is reported as it stands.
    """
    ended = outcomes(plan, records)
    merged = synthesis.model_dump(mode="json")
    return cast(
        "JsonObject",
        {
            "status": state or status(ended),
            **head,
            "answer": answer,
            **{key: merged[key] for key in ("share", "confidence", "calibration", "abstain", "abstain_reason")},
            "subtasks": [_shown(subtask, records.get(subtask.id)) for subtask in plan.subtasks],
            **facts,
            **{
                key: merged[key]
                for key in ("method", "fallback", "dissent", "provenance", "missing", "vetoes", "weights")
            },
            **parts(ended),
        },
    )


def _shown(subtask: Subtask, record: JsonObject | None) -> JsonObject:
    known: Any = record or {
        "specialist": subtask.specialist,
        "state": "pending",
        "attempts": 0,
        "required": subtask.required,
    }
    shown = {key: known.get(key) for key in SHOWN}
    finding = known.get("finding") or {}
    return {
        **shown,
        "subtask_id": subtask.id,
        "name": subtask.name or subtask.id,
        "agent": known.get("specialist"),
        "outputs": finding.get("output"),
        "confidence": finding.get("confidence"),
        "needs": list(subtask.needs),
        "covers": list(subtask.covers),
        "stage": subtask.stage,
    }
