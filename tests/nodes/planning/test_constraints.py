"""Constraints: required steps, forbidden combinations, prerequisites and ends, whoever wrote the plan."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from concertino.contracts.errors import PlanInvalid, SetupError
from concertino.contracts.limits import Limits
from concertino.contracts.plan import Fault, Origin, Plan
from concertino.contracts.specialist import SpecialistCard
from concertino.contracts.task import Task, read_task
from concertino.nodes.planning.constraints import Constraints
from concertino.nodes.planning.draft import Draft
from concertino.nodes.planning.filling import fill_holes
from concertino.nodes.planning.first_draft import first_draft, under
from concertino.nodes.planning.rules import plan_by_rules
from concertino.nodes.planning.validate import validate_draft
from concertino.nodes.planning.workflows import load_workflows

CARDS = {
    card.name: card
    for card in (
        SpecialistCard("finance", capabilities=frozenset({"audit", "pay"}), authority=0.4),
        SpecialistCard("legal", capabilities=frozenset({"law"}), authority=0.9),
        SpecialistCard("market", authority=0.6),
        SpecialistCard("market-b", variant_of="market", authority=0.6),
        SpecialistCard("writer", capabilities=frozenset({"text"}), authority=0.5),
    )
}


def task(**more: Any) -> Task:
    return read_task({"task_id": "t", **more}, limits=Limits())


def sub(at: str, specialist: str, *needs: str, **more: Any) -> dict[str, Any]:
    return {"id": at, "specialist": specialist, "needs": list(needs), **more}


def rules(**given: Any) -> Constraints:
    return Constraints.model_validate(given)


def planned(
    constraints: Constraints, *subtasks: dict[str, Any], origin: Origin = "caller", of: Task | None = None
) -> Plan:
    draft = Draft({"subtasks": list(subtasks)}, origin, constraints=constraints)
    return validate_draft(draft, task=of or task(), cards=CARDS)


def faults(constraints: Constraints, *subtasks: dict[str, Any], of: Task | None = None) -> list[Fault]:
    with pytest.raises(PlanInvalid) as caught:
        planned(constraints, *subtasks, of=of)
    return list(caught.value.faults)


def needs_of(plan: Plan, name: str) -> tuple[str, ...]:
    return next(subtask.needs for subtask in plan.subtasks if name in (subtask.id, subtask.name))


@pytest.mark.parametrize("step", ["legal", "law", {"specialist": "legal"}, {"capability": "law"}])
def test_a_required_step_must_be_there(step: Any) -> None:
    """By specialist or capability; its fault says what to add."""
    found = rules(required=[step])
    (fault,) = faults(found, sub("a", "market"))
    assert (fault.code, fault.place) == ("missing_step", "plan.subtasks")
    assert fault.fix.startswith("add a subtask of")
    planned(found, sub("a", "market"), sub("b", "legal"))


def test_a_name_that_a_model_gives_is_no_required_step() -> None:
    """Neither is asking a specialist for something else than what is required."""
    (fault,) = faults(rules(required=["legal"]), sub("legal", "market", name="legal"))
    assert fault.code == "missing_step"
    (fault,) = faults(rules(required=[{"capability": "audit"}]), sub("a", "finance", capability="pay"))
    assert fault.code == "missing_step"


def test_a_specialist_stands_for_its_variants() -> None:
    """Whichever of them the draw takes."""
    planned(rules(required=["market"]), sub("a", "market-b"))
    assert faults(rules(forbidden=[["market", "legal"]]), sub("a", "market-b"), sub("b", "legal"))


def test_what_must_not_come_together_in_a_plan() -> None:
    """The fault names the subtasks; either alone is fine, and one subtask is no combination."""
    found = rules(forbidden=[["audit", "pay"]])
    (fault,) = faults(found, sub("a", "finance", capability="pay"), sub("b", "finance", capability="audit"))
    assert (fault.code, fault.subtasks) == ("forbidden_combination", ("a", "b"))
    planned(found, sub("a", "finance"))


def test_what_is_forbidden_looks_at_all_that_a_named_specialist_can() -> None:
    """Asking the payer for an audit does not make two payers of it an audit; a capability alone counts for itself."""
    found = rules(forbidden=[["legal", "pay"]])
    assert faults(found, sub("a", "finance", capability="audit"), sub("b", "legal"))
    planned(found, {"id": "a", "capability": "audit"}, sub("b", "legal"))


def test_what_must_not_come_together_on_a_path_may_stand_side_by_side() -> None:
    """A path may be long and go through others."""
    found = rules(forbidden=[{"steps": ["legal", "finance", "writer"], "within": "path"}])
    planned(found, sub("a", "legal"), sub("b", "finance"), sub("c", "writer", "a"), sub("d", "writer", "b"))
    long = [sub("a", "finance"), sub("b", "market", "a"), sub("c", "writer", "b"), sub("d", "legal", "c")]
    (fault,) = faults(found, *long)
    assert (fault.code, fault.subtasks) == ("forbidden_combination", ("a", "c", "d"))


def test_a_prerequisite_that_only_lacks_the_edge_is_mended() -> None:
    """With a note; what comes before by another way is left as it is."""
    found = rules(prerequisites=[{"step": "legal", "after": "finance"}])
    plan = planned(found, sub("b", "legal"), sub("a", "finance"))
    assert needs_of(plan, "b") == ("a",)
    assert any("derived, legal comes only after finance" in note for note in plan.notes)
    plan = planned(found, sub("a", "finance"), sub("m", "market", "a"), sub("b", "legal", "m"))
    assert needs_of(plan, "b") == ("m",)


def test_several_prerequisites_are_reached_through_the_last_of_them() -> None:
    """No edge is derived that a path makes already."""
    found = rules(prerequisites=[{"step": "writer", "after": ["finance", "market"]}])
    plan = planned(found, sub("w", "writer"), sub("f1", "finance"), sub("f2", "finance", "f1"), sub("m", "market"))
    assert set(needs_of(plan, "w")) == {"f2", "m"}


def test_a_missing_prerequisite_is_refused_and_so_is_one_the_wrong_way_round() -> None:
    """The second is told as such, not as a cycle."""
    found = rules(prerequisites=[{"step": "legal", "after": ["finance"]}])
    (fault,) = faults(found, sub("b", "legal"))
    assert (fault.code, fault.subtasks) == ("missing_prerequisite", ("b",))
    (fault,) = faults(found, sub("b", "legal"), sub("a", "finance", "b"))
    assert (fault.code, fault.place) == ("missing_prerequisite", "plan.subtasks[1].needs")
    planned(found, sub("m", "market"))


def test_two_prerequisites_that_contradict_each_other_are_refused() -> None:
    """Rather than derived into a cycle."""
    found = rules(prerequisites=[{"step": "legal", "after": "finance"}, {"step": "finance", "after": "legal"}])
    assert [fault.code for fault in faults(found, sub("a", "legal"), sub("b", "finance"))] == ["missing_prerequisite"]


def test_a_plan_ends_where_it_must() -> None:
    """The one end gets the missing needs; without one, or with several to choose from, the plan is refused."""
    found = rules(ends="writer")
    plan = planned(found, sub("w", "writer"), sub("a", "legal"), sub("b", "market", "a"))
    assert needs_of(plan, "w") == ("b",)
    assert faults(found, sub("a", "legal"))[0].code == "no_termination"
    assert faults(found, sub("a", "legal"), sub("w", "writer"), sub("v", "writer"))[0].code == "no_termination"
    assert faults(found, sub("w", "writer"), sub("a", "legal", "w"))[0].subtasks == ("a", "w")


def test_a_plan_with_stages_ends_in_its_last() -> None:
    """What nobody needs in an earlier stage is no end."""
    found = rules(ends=["writer", "legal"])
    early, late = {"stage": "one"}, {"stage": "two"}
    plan = planned(found, sub("a", "market", **early), sub("w", "writer", **late))
    assert needs_of(plan, "w") == ()
    assert faults(found, sub("w", "writer", **early), sub("a", "market", **late))[0].code == "no_termination"


def test_size_and_depth_are_bounded() -> None:
    """Within the planner's own limits."""
    chain = [sub("a", "legal"), sub("b", "legal", "a"), sub("c", "legal", "b")]
    assert [fault.code for fault in faults(rules(max_subtasks=2), *chain)] == ["too_many"]
    assert [fault.code for fault in faults(rules(max_depth=2), *chain)] == ["too_deep"]
    planned(rules(max_depth=3, max_subtasks=3), *chain)


def test_a_constraint_holds_for_the_tasks_it_is_for() -> None:
    """Where its condition cannot be decided it holds, with a note."""
    found = rules(required=[{"step": "legal", "when": "payload.public"}])
    planned(found, sub("a", "market"), of=task(payload={"public": False}))
    assert faults(found, sub("a", "market"), of=task(payload={"public": True}))
    assert faults(found, sub("a", "market"))
    found = rules(prerequisites=[{"step": "legal", "after": "finance", "when": "payload.public"}])
    plan = planned(found, sub("a", "legal"), sub("b", "finance"))
    assert any("a constraint holds" in note for note in plan.notes)


def test_stop_conditions_are_added_to_the_plans_own() -> None:
    """`*` speaks of every stage that has none of its own."""
    found = rules(stop_when={"*": "size(findings) > 9", "two": "findings.a.bad"})
    stages = [sub("a", "legal", stage="one"), sub("b", "legal", stage="two")]
    draft = Draft({"subtasks": list(stages), "stop_when": {"one": "true"}}, "caller", constraints=found)
    plan = validate_draft(draft, task=task(), cards=CARDS)
    assert plan.stop_when == {"one": "(true) || (size(findings) > 9)", "two": "findings.a.bad"}


@pytest.mark.parametrize(
    "given",
    [
        {"required": [{"step": "a", "when": "1 +"}]},
        {"forbidden": [["a"]]},
        {"required": [{"specialist": "a", "capability": "b"}]},
        {"prerequisites": [{"step": "a"}]},
        {"prerequisites": [{"step": "a", "after": ["b", "a"]}]},
        {"stop_when": {"s": "payload.x +"}},
        {"unknown": 1},
    ],
)
def test_faulty_constraints_are_refused(given: Any) -> None:
    """When they are read."""
    with pytest.raises(ValidationError):
        rules(**given)


def test_constraints_of_workflow_and_planner_hold_both() -> None:
    """Joined twice they hold once; they bind what fills a hole as much as the rest."""
    source = {
        "name": "w",
        "plan": {
            "holes": [{"id": "dig", "max_subtasks": 2}],
            "subtasks": [{"id": "end", "specialist": "writer", "needs": ["dig"]}],
            "constraints": {"required": [{"subtask": "end"}], "ends": "end"},
        },
    }
    own = rules(forbidden=[["market", "legal"]], max_depth=5)
    workflows = load_workflows([source])
    draft = first_draft(task(), workflows, CARDS, constraints=own)
    assert under(draft, constraints=own).constraints == draft.constraints
    closed = validate_draft(draft, task=task(), cards=CARDS)
    assert {subtask.specialist for subtask in closed.subtasks} == {"legal", "writer"}
    ruled = plan_by_rules(task(), workflows)
    assert ruled is not None
    both = fill_holes(ruled, {"dig": [sub("a", "legal"), sub("b", "market")]})
    with pytest.raises(PlanInvalid) as caught:
        validate_draft(under(both, constraints=own), task=task(), cards=CARDS)
    assert [fault.code for fault in caught.value.faults] == ["forbidden_combination"]


def test_a_step_of_a_workflow_that_it_has_not_is_refused() -> None:
    """When it is loaded."""
    source = {
        "name": "w",
        "plan": {
            "subtasks": [{"id": "a", "specialist": "legal"}],
            "constraints": {"required": [{"subtask": "b"}]},
        },
    }
    with pytest.raises(SetupError) as caught:
        load_workflows([source])
    assert "no subtask or hole 'b'" in str(caught.value)


def test_the_fallback_keeps_the_planners_constraints() -> None:
    """Who is required works too, who must not meet another does not, edges are derived."""
    own = rules(
        required=["law"],
        forbidden=[["market", "legal"]],
        prerequisites=[{"step": "legal", "after": "finance"}],
        ends="writer",
    )
    of = task(capabilities=["text"])
    draft = first_draft(of, (), CARDS, constraints=own)
    plan = validate_draft(draft, task=of, cards=CARDS)
    assert [subtask.specialist for subtask in plan.subtasks] == ["finance", "legal", "writer"]
    assert plan.subtasks[1].needs == (plan.subtasks[0].id,)
    assert plan.subtasks[2].needs == (plan.subtasks[1].id,)
    whole = validate_draft(first_draft(task(), (), CARDS, constraints=own), task=task(), cards=CARDS)
    assert not {"market", "market-b"} & {subtask.specialist for subtask in whole.subtasks}


def test_the_fallback_keeps_one_who_could_do_both() -> None:
    """One subtask alone is no forbidden combination."""
    own = rules(forbidden=[["audit", "pay"]])
    draft = first_draft(task(), (), {"finance": CARDS["finance"]}, constraints=own)
    assert len(validate_draft(draft, task=task(), cards=CARDS).subtasks) == 1


def test_the_fallback_keeps_to_the_number_allowed() -> None:
    """Those of the lowest authority go first, whoever is required stays."""
    own = rules(required=["finance"], max_subtasks=2)
    draft = first_draft(task(), (), CARDS, constraints=own)
    plan = validate_draft(draft, task=task(), cards=CARDS)
    assert len(plan.subtasks) == 2
    assert "finance" in {subtask.specialist for subtask in plan.subtasks}


WHO = st.sampled_from(["finance", "legal", "market", "writer"])


@st.composite
def plans(draw: st.DrawFn) -> list[dict[str, Any]]:
    size = draw(st.integers(1, 8))
    return [
        sub(f"n{at}", draw(WHO), *(f"n{need}" for need in range(at) if draw(st.booleans()) and draw(st.booleans())))
        for at in draw(st.permutations(range(size)))
    ]


@given(plans(), WHO, WHO, st.lists(WHO, max_size=2), st.booleans())
def test_a_plan_that_passes_keeps_what_binds_it(
    subtasks: list[dict[str, Any]], step: str, after: str, ends: list[str], is_path: bool
) -> None:
    """Judged by a second, plain reading of the plan; and nothing but edges is added."""
    combination = {"steps": [step, after], "within": "path" if is_path else "plan"}
    prerequisites = [{"step": step, "after": after}] if step != after else []
    for found in (rules(prerequisites=prerequisites, ends=ends), rules(forbidden=[combination])):
        try:
            plan = planned(found, *subtasks)
        except PlanInvalid:
            continue
        who = {subtask.id: subtask.specialist for subtask in plan.subtasks}
        before: dict[str, set[str]] = {}
        for subtask in plan.subtasks:
            before[subtask.id] = {need for one in subtask.needs for need in (one, *before[one])}
        assert who == {subtask["id"]: subtask["specialist"] for subtask in subtasks}
        assert all(set(given["needs"]) <= set(needs_of(plan, given["id"])) for given in subtasks)
        if found.prerequisites and step != after:
            sources = {name for name in who if who[name] == after}
            assert all(sources <= before[name] and sources for name in who if who[name] == step)
        if found.ends:
            needed = {need for subtask in plan.subtasks for need in subtask.needs}
            assert {who[name] for name in who if name not in needed} <= set(ends)
        if found.forbidden:
            pairs = [(a, b) for a in who for b in who if a != b and who[a] == step and who[b] == after]
            assert not [1 for a, b in pairs if not is_path or a in before[b] or b in before[a]]
