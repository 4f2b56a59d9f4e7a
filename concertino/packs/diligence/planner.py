"""The diligence pack as one planner graph: what Studio may serve, and others may embed."""

from __future__ import annotations

from typing import Any

from concertino.graph.build import create_planner
from concertino.graph.compiled import PlannerGraph
from concertino.packs.diligence.decision import decide
from concertino.packs.diligence.policy import Policy, read_policy
from concertino.packs.diligence.rules import workflows
from concertino.packs.diligence.specialists import build_specialists


def diligence_planner(*, policy: Policy | None = None, **options: Any) -> PlannerGraph:
    """Return the pack's planner as a compiled graph.

    It takes `{"task": {"task_type": "due_diligence", "payload": {"target", "documents", "questions"?}}}`, or free words
    about an acquisition with `payload.documents`. Options are those of `create_planner`; `model` is what its specialists need.
    """
    rules = policy or read_policy()
    return create_planner(
        specialists=list(build_specialists(rules)),
        workflows=list(workflows()),
        aggregate=decide,
        name="diligence",
        **{"budget": rules.budget, **options},
    )
