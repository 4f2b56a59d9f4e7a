"""How much of a model a subtask needs, where its plan does not say.

    score = Σ weight · min(1, max(0, value - free) / (full - free))

    term        weight  free  full   value
    needs        0.30     0     3    prerequisites whose findings it brings together
    inputs       0.20     3     5    log10 of the bytes of its literal inputs: 1 kB is free, 100 kB is full
    objective    0.20    20   200    words of its objective
    criteria     0.15     0     3    acceptance criteria it answers for
    dependents   0.15     0     4    subtasks that build on it: what is wrong here is wrong there too

Below 0.3 a subtask is simple, below 0.7 standard, else complex: the bounds of document 004's progressive cost optimization. One with a
gate, which is to be judged by a person, is at least standard. Weights and ranges were chosen by hand.
"""

from __future__ import annotations

import math

from concertino.contracts.json import dump
from concertino.contracts.plan import Plan, Subtask, SubtaskTier

SIMPLE, STANDARD = 0.3, 0.7
"""Upper bounds, exclusive. Source: document 004, `optimize_agent_usage`."""

FORMULA: dict[str, tuple[float, float, float]] = {
    "needs": (0.30, 0, 3),
    "inputs": (0.20, 3, 5),
    "objective": (0.20, 20, 200),
    "criteria": (0.15, 0, 3),
    "dependents": (0.15, 0, 4),
}
"""Weight, free and full value of each term; the weights sum to 1."""


def tiers_of(plan: Plan) -> dict[str, SubtaskTier]:
    """Return the tier of every subtask by id: its own where it states one, else by the formula."""
    dependents: dict[str, int] = {}
    for subtask in plan.subtasks:
        for need in subtask.needs:
            dependents[need] = dependents.get(need, 0) + 1
    return {subtask.id: _tier(subtask, dependents.get(subtask.id, 0)) for subtask in plan.subtasks}


def _tier(subtask: Subtask, dependents: int) -> SubtaskTier:
    if subtask.tier is not None:
        return subtask.tier
    values = {
        "needs": len(subtask.needs),
        "inputs": math.log10(max(1, len(dump(subtask.inputs).encode()))),
        "objective": len(subtask.objective.split()),
        "criteria": len(subtask.covers),
        "dependents": dependents,
    }
    score = math.fsum(
        weight * min(1.0, max(0.0, values[name] - free) / (full - free))
        for name, (weight, free, full) in FORMULA.items()
    )
    if score >= STANDARD:
        return "complex"
    return "standard" if score >= SIMPLE or subtask.gate is not None else "simple"
