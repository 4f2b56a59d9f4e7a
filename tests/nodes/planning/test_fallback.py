"""The fallback plan, where a first draft comes from, and the complexity of what comes out."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concertino.contracts.errors import PlanInvalid
from concertino.contracts.limits import Limits
from concertino.contracts.plan import Plan
from concertino.contracts.requirements import Criterion
from concertino.contracts.specialist import SpecialistCard
from concertino.contracts.task import Task, read_task
from concertino.nodes.planning.complexity import FORMULA, assess
from concertino.nodes.planning.draft import Draft
from concertino.nodes.planning.fallback import fallback_plan
from concertino.nodes.planning.first_draft import first_draft
from concertino.nodes.planning.references import resolve
from concertino.nodes.planning.spreading import spread
from concertino.nodes.planning.validate import validate_draft
from concertino.nodes.planning.workflows import load_workflows

ROLE: dict[str, Any] = {"type": "object", "properties": {"role": {"type": "string"}}, "required": ["role"]}
CARDS = {
    card.name: card
    for card in (
        SpecialistCard("pay", capabilities=frozenset({"salary"}), domain="finance", input_schema=ROLE),
        SpecialistCard("law", capabilities=frozenset({"contract"}), domain="legal"),
        SpecialistCard("law-b", variant_of="law", domain="legal"),
    )
}


def planned(task: Task) -> Plan:
    return validate_draft(fallback_plan(task, CARDS), task=task, cards=CARDS)


def test_every_fitting_specialist_works_side_by_side() -> None:
    """One subtask each, one of a family, with what of the payload its schema takes."""
    plan = planned(Task(task_id="t", title="Offer", description="For Ada", payload={"role": "dev", "x": "${y}"}))
    assert plan.origin == "fallback"
    assert [subtask.needs for subtask in plan.subtasks] == [(), ()]
    assert plan.subtasks[0].id == "pay::t::1"
    assert plan.subtasks[0].inputs == {"role": "dev"}
    assert resolve(plan.subtasks[1].inputs, {}) == {"role": "dev", "x": "${y}"}
    assert plan.subtasks[1].objective == "Offer\n\nFor Ada"


def test_named_capabilities_and_domains_restrict_it() -> None:
    """Only who has one of them is asked; nobody having any is a fault with the known ones."""
    named = planned(Task(task_id="t", capabilities=("contract",)))
    assert [subtask.specialist for subtask in named.subtasks] == ["law"]
    assert len(planned(Task(task_id="t", domains=("legal",))).subtasks) == 1
    with pytest.raises(PlanInvalid) as caught:
        fallback_plan(Task(task_id="t", capabilities=("sing",)), CARDS)
    assert caught.value.faults[0].code == "unknown_capability"
    assert "salary" in caught.value.faults[0].fix


def test_who_needs_more_than_the_payload_has_is_left_out() -> None:
    """With a note; when nobody is left, that is the fault."""
    plan = planned(Task(task_id="t"))
    assert [subtask.specialist in {"law", "law-b"} for subtask in plan.subtasks] == [True]
    assert any("pay is left out" in note for note in plan.notes)
    with pytest.raises(PlanInvalid) as caught:
        fallback_plan(Task(task_id="t", domains=("finance",), payload={"role": 7}), CARDS)
    assert caught.value.faults[0].code == "missing_input"
    with pytest.raises(PlanInvalid) as caught:
        fallback_plan(Task(task_id="t"), {})
    assert caught.value.faults[0].code == "unknown_specialist"


def test_a_large_payload_is_not_copied_into_every_subtask() -> None:
    """The plan stays within the limits; specialists find the payload in the task."""
    task = Task(task_id="t", payload={"text": "x" * 900})
    draft = fallback_plan(task, CARDS, limits=Limits(bytes=1_000))
    assert validate_draft(draft, task=task, cards=CARDS, limits=Limits(bytes=1_000)).subtasks[0].inputs == {}


def test_the_caller_comes_before_the_rule_and_the_rule_before_the_fallback() -> None:
    """The draft says where it is from."""
    workflows = load_workflows(
        [{"name": "w", "match": {"task_type": "x"}, "plan": {"subtasks": [{"id": "a", "specialist": "law"}]}}]
    )
    ready: dict[str, Any] = {"subtasks": [{"id": "mine", "specialist": "law"}]}
    assert first_draft(Task(task_id="t", task_type="x", plan=ready), workflows, CARDS).origin == "caller"
    assert first_draft(Task(task_id="t", task_type="x"), workflows, CARDS).origin == "rule"
    assert first_draft(Task(task_id="t"), workflows, CARDS).origin == "fallback"


def test_one_specialist_in_one_domain_is_simple() -> None:
    """Nothing speaks for several agents."""
    task = Task(task_id="t", title="What is the leave policy?", capabilities=("contract",))
    found = assess(task, planned(task), CARDS)
    assert (found.score, found.tier) == (0, "single_agent")
    assert found.reasons[0] == "for a single agent: Single domain expertise required: 1 domain: legal"
    assert not any(reason.startswith("for several") for reason in found.reasons)


def test_the_tiers_are_those_of_the_strategy_document() -> None:
    """Some domains and dependencies make two levels, many of everything the full pattern."""
    names = ("financial", "legal", "market", "technical", "tax", "people")
    cards = {name: SpecialistCard(name, domain=name) for name in names}
    chain: list[Any] = [
        {"id": name, "specialist": name, "needs": list(names[max(0, at - 1) : at])} for at, name in enumerate(names)
    ]
    middle = Task(task_id="t", plan={"subtasks": chain[:3]})
    large = Task(task_id="t", plan={"subtasks": chain}, acceptance_criteria=["x"] * 8)
    tiers = []
    for task in (middle, large):
        plan = validate_draft(first_draft(task, (), cards), task=task, cards=cards)
        found = assess(task, plan, cards)
        assert found.score == pytest.approx(sum(term.contribution for term in found.terms.values()))
        assert all(0 <= term.contribution <= term.weight for term in found.terms.values())
        tiers.append(found.tier)
    assert tiers == ["hierarchical_2_level", "full_multi_agent"]


def test_the_weights_of_the_formula_sum_to_one() -> None:
    """So the score is 0-1."""
    assert sum(weight for weight, _, _ in FORMULA.values()) == pytest.approx(1)


DEAL = {
    card.name: card
    for card in (
        SpecialistCard("market", description="Market shares and rivals.", authority=0.6),
        SpecialistCard("legal", description="Reads contracts and lawsuits.", authority=0.8),
        SpecialistCard("financial", description="Values companies: a fair price.", authority=0.9),
    )
}
ASKED = "Assess Acme.\n\nAcceptance criteria:\n- All open lawsuits are listed\n- The share of the market\n- A fair price\n- Owls are counted"


@pytest.mark.parametrize(
    "task",
    [
        Task(task_id="t", description=ASKED),
        read_task({"task_id": "t", "acceptance_criteria": ASKED.split("\n- ")[1:]}, limits=Limits()),
    ],
    ids=["in the text", "in their field"],
)
def test_each_criterion_is_covered_once_by_whom_it_suits(task: Task) -> None:
    """By the words of the descriptions; what is in nobody's words is for the highest authority. The plan says so."""
    plan = validate_draft(fallback_plan(task, DEAL), task=task, cards=DEAL)
    covers = {subtask.specialist: subtask.covers for subtask in plan.subtasks}
    assert covers == {"legal": ("c1",), "market": ("c2",), "financial": ("c3", "c4")}
    assert plan.requirements is not None
    assert [one.id for one in plan.requirements.acceptance_criteria] == ["c1", "c2", "c3", "c4"]
    assert any("criteria go to" in note and "legal c1" in note for note in plan.notes)


def test_a_fallback_that_was_printed_is_a_plan_of_its_task() -> None:
    """Handed in again, its criteria are those that it speaks of."""
    task = Task(task_id="t", description=ASKED)
    plan = validate_draft(fallback_plan(task, DEAL), task=task, cards=DEAL)
    again = validate_draft(Draft(plan.model_dump(mode="json"), "caller"), task=task, cards=DEAL)
    assert again.subtasks == plan.subtasks


@given(
    texts=st.lists(st.text(max_size=60), min_size=1, max_size=20),
    about=st.lists(st.text(max_size=60), min_size=1, max_size=6),
)
def test_whatever_is_said_each_criterion_has_one_specialist(texts: list[str], about: list[str]) -> None:
    """None is left out, none is there twice."""
    cards = {f"s{at}": SpecialistCard(f"s{at}", description=text) for at, text in enumerate(about)}
    criteria = [Criterion(id=f"c{at}", text=text) for at, text in enumerate(texts)]
    found = spread(criteria, list(cards), cards)
    assert sorted(one for ids in found.values() for one in ids) == sorted(one.id for one in criteria)
