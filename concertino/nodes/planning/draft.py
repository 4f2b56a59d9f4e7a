"""A plan before it is validated: what a caller hands in, a rule expands to, or a model answers, all in one form."""

from __future__ import annotations

from dataclasses import dataclass

from concertino.contracts.json import JsonObject
from concertino.contracts.plan import Origin


@dataclass(frozen=True, slots=True)
class Draft:
    """Raw JSON in the shape that a caller's ready plan has, and where it came from."""

    plan: JsonObject
    """`{"subtasks": [...], "gate"?, "budget"?, "answer"?, "stop_when"?}`; nothing in it is trusted."""
    origin: Origin
    workflow: str | None = None
    """Name of the rule that made it."""
    notes: tuple[str, ...] = ()
    """What its maker left out or could not decide, one sentence each."""
