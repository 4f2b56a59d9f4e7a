"""Holes: what a workflow leaves to a model, how it is filled, and how it is closed without one."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concertino.contracts.errors import PlanInvalid, SetupError
from concertino.contracts.limits import Limits
from concertino.contracts.plan import FaultCode, Plan
from concertino.contracts.specialist import SpecialistCard
from concertino.contracts.task import Task, read_task
from concertino.nodes.planning.draft import Draft
from concertino.nodes.planning.filling import close_holes, fill_holes
from concertino.nodes.planning.first_draft import first_draft
from concertino.nodes.planning.rules import plan_by_rules
from concertino.nodes.planning.validate import validate_draft
from concertino.nodes.planning.workflows import load_workflows

CARDS = {
    card.name: card
    for card in (
        SpecialistCard("finance"),
        SpecialistCard("legal", authority=0.9, capabilities=frozenset({"law"})),
        SpecialistCard("market", authority=0.5),
        SpecialistCard("market-b", variant_of="market", authority=0.5),
        SpecialistCard("writer"),
        SpecialistCard("payer"),
    )
}


def workflow(hole: dict[str, Any], *, after: bool = True, **plan: Any) -> dict[str, Any]:
    report = {"id": "report", "specialist": "writer", "needs": ["dig"] if after else ["screen"]}
    screen = {"id": "screen", "specialist": "finance"}
    found = {"id": "dig", "needs": ["screen"], "specialists": ["market"], "capabilities": ["law"], **hole}
    return {"name": "w", "plan": {"subtasks": [screen, report], "holes": [found], **plan}}


def task(**more: Any) -> Task:
    return read_task({"task_id": "t", "title": "Owls", **more}, limits=Limits())


def opened(hole: dict[str, Any] | None = None, *, of: Task | None = None, **plan: Any) -> Draft:
    draft = plan_by_rules(of or task(), load_workflows([workflow(hole or {}, **plan)]))
    assert draft is not None
    return draft


def planned(draft: Draft, *, of: Task | None = None) -> Plan:
    return validate_draft(draft, task=of or task(), cards=CARDS)


def codes(draft: Draft, *, of: Task | None = None) -> list[FaultCode]:
    with pytest.raises(PlanInvalid) as caught:
        planned(draft, of=of)
    return [fault.code for fault in caught.value.faults]


def edges(plan: Plan) -> dict[str, set[str]]:
    names = {subtask.id: subtask.name or subtask.id for subtask in plan.subtasks}
    return {names[subtask.id]: {names[need] for need in subtask.needs} for subtask in plan.subtasks}


def test_a_rule_leaves_its_hole_open_and_says_what_it_is_for() -> None:
    """Placeholders are filled, needs are the subtasks' ids, and the plan without it is not let through."""
    draft = opened({"objective": "Look into ${task.title}", "covers": "all"}, of=task(acceptance_criteria=["a", "b"]))
    assert [hole.id for hole in draft.open_holes] == ["dig"]
    hole = draft.holes[0]
    assert (hole.objective, hole.needs, hole.covers) == ("Look into Owls", ("screen",), ("c1", "c2"))
    assert codes(draft) == ["open_hole"]


def test_what_fills_a_hole_stands_between_what_comes_before_and_after() -> None:
    """Each of its subtasks needs what the hole needs; whoever needs the hole needs all of it; its own ids are renamed everywhere."""
    draft = opened()
    given: list[Any] = [
        {"id": "a", "specialist": "market", "objective": "sizes"},
        {"id": "screen", "specialist": "legal", "inputs": {"x": "${a.y}", "z": {"$from": "a"}}},
        {"id": "c", "capability": "law", "needs": ["a", "screen"]},
    ]
    plan = planned(fill_holes(draft, {"dig": given}))
    assert edges(plan) == {
        "screen": set(),
        "dig-1": {"screen"},
        "dig-2": {"dig-1", "screen"},
        "dig-3": {"dig-1", "dig-2", "screen"},
        "report": {"dig-1", "dig-2", "dig-3"},
    }
    first, second = (next(s for s in plan.subtasks if s.name == name) for name in ("dig-1", "dig-2"))
    assert second.inputs == {"x": {"$from": first.id, "path": "y"}, "z": {"$from": first.id}}
    assert first.specialist in ("market", "market-b")


def test_a_reference_to_a_hole_becomes_the_list_of_its_outputs() -> None:
    """As with for_each, wherever it stands."""
    source = workflow({}, answer=["dig"])
    source["plan"]["subtasks"][1]["inputs"] = {"all": "${dig.text}", "more": {"deep": ["${dig}", "x"]}}
    draft = plan_by_rules(task(), load_workflows([source]))
    assert draft is not None
    plan = planned(fill_holes(draft, {"dig": [{"id": name, "specialist": "legal"} for name in "ab"]}))
    ids = [subtask.id for subtask in plan.subtasks if subtask.specialist == "legal"]
    assert plan.subtasks[-1].inputs == {
        "all": [{"$from": name, "path": "text"} for name in ids],
        "more": {"deep": [[{"$from": name} for name in ids], "x"]},
    }
    assert plan.answer == tuple(ids)


def test_what_a_hole_may_not_say_is_left_out_with_a_note() -> None:
    """Attempts, stand-ins and the like are the workflow's; the subtask's name can be none of the workflow's."""
    given: dict[str, Any] = {
        "id": "report",
        "name": "screen",
        "specialist": "legal",
        "max_attempts": 3,
        "on_failure": "payer",
    }
    plan = planned(fill_holes(opened(), {"dig": [given]}))
    inside = next(subtask for subtask in plan.subtasks if subtask.specialist == "legal")
    assert (inside.name, inside.on_failure) == ("dig-1", None)
    assert any("max_attempts, on_failure left out" in note for note in plan.notes)


@pytest.mark.parametrize(
    ("subtasks", "found"),
    [
        ([{"id": "a", "specialist": "payer"}], "outside_hole"),
        ([{"id": "a", "specialist": "nobody"}], "unknown_specialist"),
        ([{"id": n, "specialist": "legal"} for n in "abc"], "too_many"),
        ([{"id": "a", "specialist": "legal", "needs": ["report"]}], "cycle"),
        ([{"id": "a", "specialist": "legal", "needs": ["gone"]}], "unknown_need"),
        ([{"id": "a", "specialist": "legal", "covers": ["c2"]}], "uncovered_criterion"),
        ([{"id": n, "specialist": "legal", "covers": ["c1", "c2"]} for n in "ab"], "doubly_covered_criterion"),
    ],
)
def test_a_hole_is_held_to_its_bounds(subtasks: list[Any], found: FaultCode) -> None:
    """Whoever fills it: who may work there, how many, which criteria; and to all that holds for any plan."""
    of = task(acceptance_criteria=["one", "two"])
    covers = ["c1", "c2"] if any("covers" in subtask for subtask in subtasks) else []
    draft = opened({"max_subtasks": 2, "covers": covers}, of=of)
    assert found in codes(fill_holes(draft, {"dig": subtasks}), of=of)


def test_criteria_of_a_hole_that_nobody_there_covers_are_refused() -> None:
    """Also where nobody in the whole plan says anything of criteria."""
    of = task(acceptance_criteria=["one"])
    draft = fill_holes(opened({"covers": "all"}, of=of), {"dig": [{"id": "a", "specialist": "legal"}]})
    assert codes(draft, of=of) == ["uncovered_criterion"]


def test_what_needs_only_the_rest_of_the_plan_needs_what_the_hole_needs_too() -> None:
    """A model cannot put its subtask before what must come first."""
    source = workflow({})
    source["plan"]["subtasks"].append({"id": "aside", "specialist": "finance"})
    draft = plan_by_rules(task(), load_workflows([source]))
    assert draft is not None
    plan = planned(fill_holes(draft, {"dig": [{"id": "a", "specialist": "legal", "needs": ["aside"]}]}))
    assert edges(plan)["dig-1"] == {"aside", "screen"}


def test_a_criterion_that_rests_on_an_optional_subtask_is_noted() -> None:
    """It is covered, and yet the run may end well without it."""
    of = task(acceptance_criteria=["one"])
    given: list[Any] = [{"id": "a", "specialist": "legal", "covers": ["c1"], "required": False}]
    plan = planned(fill_holes(opened({"covers": "all"}, of=of), {"dig": given}), of=of)
    assert any("c1 rests on dig-1 alone" in note for note in plan.notes)


def test_a_subtask_that_is_of_no_template_and_no_hole_is_refused() -> None:
    """However it came into a rule's plan."""
    draft = fill_holes(opened(), {"dig": [{"id": "a", "specialist": "legal"}]})
    subtasks = draft.plan["subtasks"]
    assert isinstance(subtasks, list)
    subtasks.append({"id": "more", "specialist": "legal"})
    assert codes(draft) == ["outside_hole"]


def test_the_budget_of_a_hole_is_divided() -> None:
    """Equal parts that together stay within it; a subtask may ask for less, not for more."""
    draft = opened({"budget": {"tokens": 100, "usd": 0.9, "seconds": 7}})
    given: list[Any] = [
        {"id": "a", "specialist": "legal"},
        {"id": "b", "specialist": "legal", "budget": {"tokens": 10_000}},
        {"id": "c", "specialist": "legal", "budget": {"tokens": 5}},
    ]
    plan = planned(fill_holes(draft, {"dig": given}))
    budgets = [subtask.budget for subtask in plan.subtasks if subtask.specialist == "legal"]
    assert [(b.tokens, b.usd, b.seconds) for b in budgets if b] == [(33, 0.3, 7), (33, 0.3, 7), (5, 0.3, 7)]


def test_without_a_model_a_required_hole_gets_every_allowed_specialist() -> None:
    """One of each A/B family, the best by authority first, which answers for the criteria."""
    of = task(acceptance_criteria=["one"])
    draft = first_draft(of, load_workflows([workflow({"objective": "Dig.", "covers": "all"})]), CARDS)
    plan = planned(draft, of=of)
    inside = [subtask for subtask in plan.subtasks if (subtask.name or "").startswith("dig")]
    assert inside[0].specialist == "legal"
    assert len(inside) == 2
    assert {subtask.objective for subtask in inside} == {"Dig."}
    assert [subtask.covers for subtask in inside] == [("c1",), ()]
    assert any("no model filled it" in note for note in plan.notes)


def test_without_a_model_an_optional_hole_is_left_out() -> None:
    """What needed it does not wait for it, with a note."""
    draft = first_draft(task(), load_workflows([workflow({"required": False})]), CARDS)
    plan = planned(draft)
    assert edges(plan) == {"screen": set(), "report": set()}
    assert any("dig: left out" in note for note in plan.notes)
    assert any("needs dig, which was left out" in note for note in plan.notes)


def test_a_required_hole_for_which_nobody_is_left_is_refused() -> None:
    """With the hole's place and a fix, rather than run without it."""
    only = workflow({"specialists": ["absent"], "capabilities": []})
    assert codes(first_draft(task(), load_workflows([only]), CARDS)) == ["open_hole"]


def test_a_required_hole_given_nothing_stays_open() -> None:
    """An optional one given nothing is left out; unknown names are noted."""
    draft = fill_holes(opened(), {"dig": [], "other": []})
    assert [hole.id for hole in draft.open_holes] == ["dig"]
    assert any("other: no open hole" in note for note in draft.notes)
    assert fill_holes(opened({"required": False}), {"dig": []}).open_holes == ()


def test_holes_may_need_each_other() -> None:
    """Each is filled by itself, in any order."""
    source = workflow({})
    source["plan"]["holes"].append({"id": "deep", "needs": ["dig"]})
    for names in (["dig", "deep"], ["deep", "dig"]):
        draft = plan_by_rules(task(), load_workflows([source]))
        assert draft is not None
        for name in names:
            draft = fill_holes(draft, {name: [{"id": "x", "specialist": "legal"}]})
        assert edges(planned(draft))["deep-1"] == {"dig-1"}


def test_a_hole_keeps_the_stages_of_its_neighbours() -> None:
    """What is put in between takes nobody along into its own stage."""
    source = workflow({"stage": "deep"}, after=False)
    screen, report = source["plan"]["subtasks"]
    screen["stage"] = "broad"
    source["plan"]["subtasks"] = [screen, {**report, "id": "beside"}, {**report, "stage": "deep", "needs": ["dig"]}]
    draft = plan_by_rules(task(), load_workflows([source]))
    assert draft is not None
    plan = planned(fill_holes(draft, {"dig": [{"id": "x", "specialist": "legal"}]}))
    assert {s.name: s.stage for s in plan.subtasks} == {
        "screen": "broad", "beside": "broad", "dig-1": "deep", "report": "deep",
    }  # fmt: skip


def test_a_hole_whose_condition_does_not_hold_is_left_out() -> None:
    """Like a template."""
    draft = opened({"when": "has(payload.deep)"})
    assert draft.holes == ()
    assert edges(planned(draft))["report"] == set()


@pytest.mark.parametrize(
    ("hole", "message"),
    [
        ({"id": "screen", "needs": []}, "stands twice"),
        ({"id": "task"}, "must not be one of"),
        ({"needs": ["nobody"]}, "no subtask 'nobody'"),
        ({"needs": ["report"]}, "a cycle"),
        ({"needs": ["dig"]}, "cannot need itself"),
        ({"when": "1 +"}, "holes[0].when"),
        ({"objective": "${secret.x}"}, "must start with"),
        ({"shared": False}, "not shared"),
        ({"max_subtasks": 0}, "greater than"),
    ],
)
def test_a_faulty_hole_is_refused_when_the_workflow_is_loaded(hole: dict[str, Any], message: str) -> None:
    """With its place."""
    with pytest.raises(SetupError) as caught:
        load_workflows([workflow(hole)])
    assert message in str(caught.value)


def test_a_for_each_template_covers_what_each_item_names() -> None:
    """One subtask for each criterion is MECE by itself."""
    source: dict[str, Any] = {
        "name": "w",
        "plan": {
            "subtasks": [
                {
                    "id": "each", "specialist": "legal", "for_each": "task.acceptance_criteria",
                    "objective": "${item.text}", "covers": "${item.id}",
                }
            ]
        },
    }  # fmt: skip
    of = task(acceptance_criteria=["one", "two"])
    plan = planned(first_draft(of, load_workflows([source]), CARDS), of=of)
    assert [subtask.covers for subtask in plan.subtasks] == [("c1",), ("c2",)]


NAMES = st.sampled_from(["a", "b", "screen", "report", "dig", "dig-1", "", "x y"])
JUNK = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | NAMES | st.sampled_from(["${a.x}", "legal", "market", "payer"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)
FIELDS = st.sampled_from(
    ["id", "specialist", "capability", "needs", "inputs", "covers", "budget", "gate", "on_failure"]
)


@given(st.lists(st.dictionaries(FIELDS, JUNK, max_size=6), max_size=4))
def test_whatever_fills_a_hole_the_plan_keeps_its_frame(subtasks: list[Any]) -> None:
    """Filling never raises, and what passes keeps the workflow's own subtasks and lets nobody in whom the hole does not allow."""
    draft = close_holes(fill_holes(opened(), {"dig": subtasks}), task=task(), cards=CARDS)
    try:
        plan = planned(draft)
    except PlanInvalid:
        return
    by_name = {subtask.name: subtask for subtask in plan.subtasks}
    assert by_name["screen"].specialist == "finance"
    assert by_name["report"].specialist == "writer"
    inside = [name for name in by_name if name not in ("screen", "report")]
    assert {by_name[name].specialist for name in inside} <= {"legal", "market", "market-b"}
    assert edges(plan)["report"] == set(inside)
