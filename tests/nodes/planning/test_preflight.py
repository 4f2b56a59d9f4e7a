"""What a plan asks for, against what there is."""

from __future__ import annotations

import pytest

from concertino.contracts.budget import Budget
from concertino.contracts.errors import PlanInvalid
from concertino.contracts.specialist import SpecialistCard
from concertino.contracts.task import Task
from concertino.nodes.planning.validate import validate

CARDS = {"free": SpecialistCard("free", budget=Budget(usd=0.3))}


@pytest.mark.parametrize("third", [0.0, 1e-9])
def test_dollars_are_added_in_billionths(third: float) -> None:
    """What fits exactly is no fault, as it is none to the ledger; a billionth more is one."""
    given = [{"id": f"n{at}", "specialist": "free", "budget": {"usd": usd}} for at, usd in enumerate((0.1, 0.2, third))]
    asked = {"task": Task(task_id="t"), "cards": CARDS, "budget": Budget(usd=0.3), "origin": "caller"}
    if not third:
        assert len(validate({"subtasks": given}, **asked).subtasks) == 3  # type: ignore[arg-type]
        return
    with pytest.raises(PlanInvalid) as caught:
        validate({"subtasks": given}, **asked)  # type: ignore[arg-type]
    assert {fault.code for fault in caught.value.faults} == {"over_budget"}
