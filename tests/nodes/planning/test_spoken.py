"""Names in workflows and constraints that nobody has."""

from __future__ import annotations

from typing import Any

import pytest

from concertino.contracts.errors import SetupError
from concertino.contracts.specialist import SpecialistCard
from concertino.nodes.planning.constraints import Constraints
from concertino.nodes.planning.spoken import refuse_subtask_steps, refuse_unknown, spoken_in, spoken_of
from concertino.nodes.planning.workflows import load_workflows

CARDS = {"legal": SpecialistCard("legal", capabilities=frozenset({"law"})), "writer": SpecialistCard("writer")}


def workflow(**plan: Any) -> Any:
    (found,) = load_workflows([{"name": "w", "plan": {"subtasks": [{"id": "a", "specialist": "legal"}], **plan}}])
    return found


@pytest.mark.parametrize(
    ("plan", "place"),
    [
        ({"subtasks": [{"id": "a", "specialist": "lagal"}]}, "plan.subtasks[0].specialist"),
        ({"subtasks": [{"id": "a", "capability": "lew"}]}, "plan.subtasks[0].capability"),
        ({"subtasks": [{"id": "a", "specialist": "legal", "on_failure": "ritter"}]}, "plan.subtasks[0].on_failure"),
        ({"holes": [{"id": "h", "specialists": ["writr"]}]}, "plan.holes[0].specialists"),
        ({"holes": [{"id": "h", "capabilities": ["writer"]}]}, "plan.holes[0].capabilities"),
        ({"constraints": {"required": ["b"]}}, "plan.constraints"),
        ({"constraints": {"ends": [{"capability": "legal"}]}}, "plan.constraints"),
    ],
)
def test_a_name_that_nobody_has_is_refused_with_its_place(plan: Any, place: str) -> None:
    """Before anything runs."""
    with pytest.raises(SetupError) as caught:
        refuse_unknown(spoken_of(workflow(**plan)), CARDS)
    assert place in caught.value.field


def test_names_that_somebody_has_pass() -> None:
    """A constraint's bare name may be a specialist, a capability, or one of the workflow's own subtasks."""
    constraints = {"required": ["legal", "law", "a", "h"], "ends": {"subtask": "h"}}
    holes = [{"id": "h", "specialists": ["writer"], "capabilities": ["law"]}]
    refuse_unknown(spoken_of(workflow(holes=holes, constraints=constraints)), CARDS)


def test_constraints_for_every_plan_speak_of_no_template() -> None:
    """A bare name that is one workflow's is no name here either."""
    wide = Constraints.model_validate({"required": [{"subtask": "a"}]})
    with pytest.raises(SetupError):
        refuse_subtask_steps(wide, field="constraints")
    with pytest.raises(SetupError):
        refuse_unknown(spoken_in(Constraints.model_validate({"required": ["a"]}), place="constraints"), CARDS)
