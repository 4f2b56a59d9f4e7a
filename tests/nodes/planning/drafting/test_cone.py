"""Another plan for what failed: whom it may ask, what it takes over, and that there is something new in it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from concertino.contracts.plan import Plan
from concertino.contracts.refinement import StandIn
from concertino.contracts.specialist import SpecialistCard
from concertino.nodes.planning.drafting import draft_cone
from concertino.nodes.planning.drafting.cone import Redrafted
from tests.nodes.planning.drafting.world import LIMITS, Model, draft, row, said, task

CARDS = {
    name: SpecialistCard(name, capabilities=frozenset(skills))
    for name, skills in {
        "finance": {"money"}, "legal": {"law", "contracts"}, "market": {"prices"}, "notary": {"law"},
        "trader": {"prices"}, "payer": {"money"}, "writer": set[str](),
    }.items()
}  # fmt: skip


async def planned(*changes: dict[str, Any]) -> Plan:
    """Return a chain of finance, legal and market, each changed so."""
    rows = [row("a", "finance"), row("b", "legal", needs=["a"]), row("c", "market", needs=["b"])]
    made, _ = await draft(Model(said(*rows)), cards=CARDS)
    subtasks = made.plan.subtasks
    changed = [one.model_copy(update=change) for one, change in zip(subtasks, changes, strict=False)]
    return made.plan.model_copy(update={"subtasks": (*changed, *subtasks[len(changed) :])})


async def replaced(plan: Plan, *rows: dict[str, Any], model: Model | None = None) -> Redrafted | None:
    """Return what comes of the legal subtask's failure, market's falling with it."""
    writer = model or Model(said(*rows))
    return await draft_cone(plan, ["legal::t::1"], {}, task=task(), model=writer, cards=CARDS, limits=LIMITS)


@pytest.mark.parametrize(
    ("name", "is_asked"),
    [("legal", True), ("market", True), ("finance", True), ("notary", True), ("trader", False), ("payer", False),
     ("writer", False)],
)  # fmt: skip
async def test_it_asks_only_who_is_in_the_plan_or_has_a_skill_of_what_failed(name: str, is_asked: bool) -> None:
    """Having what others in the plan can do is not enough."""
    model = Model(said(row("r1", name)))
    made = await replaced(await planned(), model=model)
    assert (made is not None) is is_asked
    assert ("trader" in str(model.heard[0])) is False


async def test_it_may_ask_whom_the_plan_names_as_a_stand_in() -> None:
    """Its author chose that one."""
    plan = await planned({}, {"on_failure": StandIn(specialist="payer")})
    assert await replaced(plan, row("r1", "payer")) is not None


async def test_nobody_in_it_is_no_replacement() -> None:
    """One new subtask that nobody can do is asked about, and is never a plan with nothing new."""
    model = Model(said(row("r1", "astrologer")))
    plan = await planned()
    assert await replaced(plan, model=model) is None
    assert len(model.heard) == 2
    assert "astrologer" in str(model.heard[1][-1])
    made = await replaced(plan, model=Model(said(row("r1", "astrologer")), said(row("r1", "notary"))))
    assert made is not None
    assert (made.repairs, [one.specialist for one in made.plan.subtasks]) == (1, ["finance", "notary"])


async def test_what_was_optional_or_due_stays_so() -> None:
    """Each new subtask is required and due as those whose specialist or criteria it has, whatever the model says."""
    plan = await planned({}, {"sla_s": 60.0}, {"required": False, "sla_s": 5.0})
    made = await replaced(plan, row("r1", "legal", required=False, sla_s=1e8), row("r2", "market", needs=["r1"]))
    assert made is not None
    _, legal, market = made.plan.subtasks
    assert (legal.required, legal.sla_s) == (True, 60.0)
    assert (market.required, market.sla_s) == (False, 5.0)


async def test_a_required_result_is_not_replaced_by_optional_ones_alone() -> None:
    """Nor is anything required that was not."""
    plan = await planned({}, {}, {"required": False})
    made = await replaced(plan, row("r1", "market"))
    assert made is not None
    assert made.plan.subtasks[-1].required
    plan = await planned({}, {"required": False}, {"required": False})
    made = await replaced(plan, row("r1", "notary"))
    assert made is not None
    assert not made.plan.subtasks[-1].required


@pytest.mark.parametrize("name", ["k1", "finance::t::1"])
async def test_what_stands_is_repeated_by_whatever_name_without_being_done_again(name: str) -> None:
    """A model that answers with the whole plan replaces what failed alone, and its references to the rest hold."""
    plan = await planned()
    assert await replaced(plan, row(name, "finance")) is None
    made = await replaced(
        plan, row(name, "finance"), row("r1", "legal", needs=[name], inputs={"x": {"$from": name}}),
        row("r2", "market", needs=["r1"]),
    )  # fmt: skip
    assert made is not None
    first, legal, market = made.plan.subtasks
    assert first == plan.subtasks[0]
    assert (legal.specialist, legal.needs, legal.inputs) == ("legal", (first.id,), {"x": {"$from": first.id}})
    assert (market.specialist, market.needs) == ("market", (legal.id,))
    assert any("stands" in note for note in made.plan.notes)


async def test_a_model_is_told_of_a_plan_by_short_names() -> None:
    """Also where it is shown its own plan again; references, needs and results go by them."""
    model = Model(said(row("r1", "astrologer", needs=["k1"])), said(row("r1", "legal", needs=["k1"])))
    plan = await planned({}, {"inputs": {"x": {"$from": "finance::t::1"}}})
    made = await replaced(plan, model=model)
    assert made is not None
    assert made.plan.subtasks[1].needs == (plan.subtasks[0].id,)
    asked, shown = str(model.heard[0][1]["content"]), str(model.heard[1][2]["content"])
    assert "finance::t::1" not in asked + shown
    assert '"needs":["k1"]' in asked
    assert '{"$from":"k1"}' in asked
    assert '"needs":["k1"]' in shown


async def test_links_speak_of_what_stands_by_its_short_name() -> None:
    """Like needs."""
    made = await replaced(await planned(), model=Model(said(row("r1", "legal"), links=[{"from": "k1", "to": "r1"}])))
    assert made is not None
    assert made.plan.subtasks[1].needs == ("finance::t::1",)


async def test_no_two_subtasks_are_told_by_one_name() -> None:
    """An id that an answer may have, as a caller's plan has them, stays; ours are given names that are free."""
    plan = await planned()
    ours, failed, last = plan.subtasks
    rows = (ours, last.model_copy(update={"id": "k1", "needs": ()}), failed.model_copy(update={"id": "f"}))
    model = Model(said(row("r1", "legal", needs=["k1", "k2"])))
    called = plan.model_copy(update={"subtasks": rows, "origin": "caller"})
    made = await draft_cone(called, ["f"], {}, task=task(), model=model, cards=CARDS, limits=LIMITS)
    assert made is not None
    assert made.plan.subtasks[-1].needs == ("k1", ours.id)
    told = str(model.heard[0][1]["content"])
    assert re.findall(r'{"id":"(\w+)","specialist":"(\w+)"', told) == [
        ("f", "legal"),
        ("k2", "finance"),
        ("k1", "market"),
    ]
