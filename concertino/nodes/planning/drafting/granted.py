"""What a model may say of a plan. Everything else is the operator's, and is dropped however it was written.

A model cannot give a subtask money, time, attempts or a way around a person, and cannot make one optional; nor can whoever
wrote the text that it read.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from concertino.contracts.json import JsonObject
from concertino.contracts.requirements import Requirements
from concertino.nodes.planning.requirements import ITEM_CHARS, MOST

FIELDS = frozenset({
    "id", "specialist", "capability", "needs", "objective", "inputs", "covers", "estimate_s", "stage", "tier",
})  # fmt: skip
HEADER = frozenset({"subtasks", "links"})
NAMES_SHOWN = 8


class Granted(NamedTuple):
    """What is left of a model's plan."""

    rows: list[JsonObject]
    links: list[Any]
    notes: tuple[str, ...]


def granted(plan: Mapping[str, Any], *, fields: Collection[str] = FIELDS) -> Granted:
    """Return the subtasks and links of what was read, each with the fields that a model may set, and a note on what was dropped."""
    notes: list[str] = []
    if header := sorted(str(key) for key in plan if key not in HEADER):
        notes.append(f"{_listed(header)} of the plan left out: that is not for a model to say")
    rows: list[JsonObject] = []
    given: list[Any] = plan.get("subtasks") or []
    for at, row in enumerate(given):
        if not isinstance(row, dict):
            continue
        dropped = sorted(str(key) for key in row if key not in fields)
        if dropped:
            called = str(row.get("id") or f"subtask {at + 1}")[:64]
            notes.append(f"{called}: {_listed(dropped)} left out: that is not for a model to say")
        rows.append({str(key): value for key, value in row.items() if key in fields})
    links = plan.get("links")
    return Granted(rows, list(links) if isinstance(links, list) else [], tuple(notes))


def bounded(requirements: Requirements | None) -> Requirements:
    """Return what a model understood, cut to what a plan may hold; criteria of one id count once."""
    if requirements is None:
        return Requirements()
    criteria = {one.id: one for one in reversed(requirements.acceptance_criteria[:MOST])}
    return Requirements(
        objectives=tuple(text[:ITEM_CHARS] for text in requirements.objectives[:MOST]),
        constraints=tuple(text[:ITEM_CHARS] for text in requirements.constraints[:MOST]),
        acceptance_criteria=tuple(
            one.model_copy(update={"text": one.text[:ITEM_CHARS]}) for one in reversed(criteria.values())
        ),
    )


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    return ", ".join(name[:40] for name in names[:NAMES_SHOWN]) + more
