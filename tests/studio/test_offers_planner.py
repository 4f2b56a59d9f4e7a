"""The offers pack as one graph: profiles in, the settled offer out."""

from __future__ import annotations

import json
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from concertino.contracts.errors import InputError
from concertino.graph.compiled import PlannerGraph
from concertino.packs.offers.planner import offers_planner
from tests.studio.profiles import HIGH, SENIOR


@pytest.fixture
def graph() -> PlannerGraph:
    saver: Any = InMemorySaver()
    return offers_planner(checkpointer=saver)


def on(thread_id: str) -> Any:
    return {"configurable": {"thread_id": thread_id}}


@pytest.mark.parametrize(
    "given",
    [
        {"task": {"payload": SENIOR}},
        {"task": {"payload": {"profile": SENIOR}}},
        {"messages": [{"role": "user", "content": json.dumps(SENIOR)}]},
    ],
)
async def test_a_profile_is_enough(graph: PlannerGraph, given: dict[str, Any]) -> None:
    """As payload, under `profile`, or as JSON in a chat."""
    out = await graph.ainvoke(given, on("t"))
    assert out["result"]["answer"]["offer"]["base_salary"]["amount"] == 185_000


async def test_an_approved_offer_is_the_answer_as_it_was_edited(graph: PlannerGraph) -> None:
    """What the person set goes out, to the dollar."""
    asked = await graph.ainvoke({"task": {"payload": HIGH}}, on("t"))
    assert "high value" in asked["__interrupt__"][0].value["question"]
    out = await graph.ainvoke(Command(resume={"decision": "edit", "inputs": {"base_salary": 291_000}}), on("t"))
    assert out["result"]["answer"]["offer"]["base_salary"]["amount"] == 291_000


async def test_a_rejected_offer_is_not_told(graph: PlannerGraph) -> None:
    """The advisor's figure stays out of the answer."""
    await graph.ainvoke({"task": {"payload": HIGH}}, on("t"))
    out = await graph.ainvoke(Command(resume={"decision": "reject", "reason": "too much"}), on("t"))
    assert out["result"]["answer"] == {"offer": None, "warnings": ["The offer was not approved."]}


async def test_an_approval_cannot_be_talked_away(graph: PlannerGraph) -> None:
    """Route and policy that come with a payload are worked out anew."""
    payload = {"profile": HIGH, "route": {"approval": False}, "policy": {"approval": {"base_salary": 1e9}}}
    out = await graph.ainvoke({"task": {"payload": payload}}, on("t"))
    assert out["__interrupt__"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"task": {"payload": {**SENIOR, "experience_years": -1}}}, r"task\.payload\.profile\.experience_years: -1"),
        ({"task": {}}, r"task\.payload\.profile.*must be a candidate profile"),
        ({"messages": [("user", "hello")]}, r"task\.payload\.profile: 'hello' refused"),
        ({"messages": [("user", '{"role": 1, "role": 2}')]}, r"task\.payload\.profile\.role.*duplicate key"),
    ],
)
async def test_what_is_no_profile_is_refused_by_field(graph: PlannerGraph, given: Any, said: str) -> None:
    """Field, value and rule, before anything is recorded."""
    with pytest.raises(InputError, match=said):
        await graph.ainvoke(given, on("t"))
