"""A task for which nobody has a plan."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.language_models.fake_chat_models import FakeListChatModel

from concertino import Finding, Planner, specialist
from concertino.contracts.errors import PlanInvalid


@specialist("picky", input_schema={"type": "object", "required": ["page"], "properties": {"page": {"type": "integer"}}})
async def picky(brief: Any) -> Finding:
    """Take a page that no task here has."""
    return Finding(output=1, confidence=0.5)


async def test_a_run_without_any_plan_ends_and_asks_its_model_no_more() -> None:
    """The faults reach the caller and the record; submitted again, the task gives the failed run."""
    model = FakeListChatModel(responses=["I cannot plan this."])
    with Planner(specialists=[picky], model=model) as planner:
        with pytest.raises(PlanInvalid):
            await planner.arun({"task_id": "t", "title": "look"})
        again = await planner.arun({"task_id": "t", "title": "look"})
        assert again["status"] == "failed"
        assert again["faults"]
        types = [event.type for event in planner.events("t")]
        assert types.count("RUN_ADMITTED") == types.count("RUN_FAILED") == 1
        assert types.count("PLAN_DRAFTED") <= 3
