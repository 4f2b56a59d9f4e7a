"""What a planner is told of specialists that may not be there."""

from __future__ import annotations

from typing import Any

import pytest

from concertino import SetupError, specialist
from tests.graph.plans import alpha, beta, outputs, planner, task


@specialist("writer", capabilities={"writing"})
async def writer(brief: Any) -> str:
    return "text"


@pytest.mark.parametrize(
    ("wanted", "place", "fix"),
    [
        ({"specialist": "alhpa"}, "specialist", "did you mean alpha?"),
        ({"specialist": "synthesize"}, "specialist", "use one of alpha, beta, writer"),
        ({"capability": "writting"}, "capability", "did you mean writing?"),
    ],
)
def test_a_workflow_that_nobody_can_do_is_refused_when_it_is_read(wanted: Any, place: str, fix: str) -> None:
    """A typing error shows before the first task, with the nearest name."""
    good = {"id": "a", "capability": "writing"}
    rule = {"name": "w", "plan": {"subtasks": [good, {"id": "b", "when": "payload.x", **wanted}]}}
    with pytest.raises(SetupError) as caught:
        planner(alpha, beta, writer, workflows=[rule])
    assert caught.value.field == f"workflow w: plan.subtasks[1].{place}"
    assert fix in caught.value.rule


def test_a_hierarchy_may_name_more_specialists_than_are_here() -> None:
    """One order of precedence serves several planners; only its values are checked."""
    graph = planner(authority={"regulatory": 1.0, "alpha": 0.5})
    assert outputs(graph.invoke(task("t"))["result"])["a"] == {"alpha": 1}
