"""The validator: every fault by name and place, derived edges, order, ids."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from concertino.contracts.budget import Budget
from concertino.contracts.errors import PlanInvalid
from concertino.contracts.limits import Limits
from concertino.contracts.plan import Plan
from concertino.contracts.specialist import SpecialistCard, Standing
from concertino.contracts.task import Task
from concertino.nodes.planning.validate import validate

TEXT: dict[str, Any] = {"type": "string"}
RESEARCH = SpecialistCard(
    "research",
    capabilities=frozenset({"search"}),
    output_schema={"type": "object", "properties": {"summary": TEXT, "pages": {"type": "array", "items": TEXT}}},
)
WRITER = SpecialistCard(
    "writer",
    capabilities=frozenset({"write"}),
    input_schema={
        "type": "object",
        "properties": {"summary": TEXT, "tone": {"enum": ["dry", "warm"]}},
        "required": ["summary"],
    },
    output_schema={"type": "object", "properties": {"draft": TEXT}},
)
FREE = SpecialistCard("free", budget=Budget(tokens=500))
CARDS = {card.name: card for card in (RESEARCH, WRITER, FREE)}
TASK = Task(task_id="t-1")


def check(*subtasks: dict[str, Any], origin: Any = "caller", task: Task = TASK, **more: Any) -> Plan:
    header: dict[str, Any] = {name: more.pop(name) for name in ("gate", "answer", "stop_when") if name in more}
    if "budget_of_plan" in more:
        header["budget"] = more.pop("budget_of_plan")
    draft = {"subtasks": list(subtasks), **header}
    return validate(draft, task=task, cards=more.pop("cards", CARDS), origin=origin, **more)


def faults(*subtasks: dict[str, Any], **more: Any) -> list[tuple[str, str]]:
    with pytest.raises(PlanInvalid) as caught:
        check(*subtasks, **more)
    return [(fault.code, fault.place) for fault in caught.value.faults]


def free(name: str, *needs: str, **more: Any) -> dict[str, Any]:
    return {"id": name, "specialist": "free", "needs": list(needs), **more}


def test_all_faults_are_reported_at_once() -> None:
    """One answer names a cycle, an unknown specialist, an unknown need, a duplicate and a faulty field."""
    found = faults(
        free("a", "b"), free("b", "a"), free("c", "nowhere"), {"id": "d", "specialist": "reserch"}, free("a"),
        free("e", estimate_s="long"),
    )  # fmt: skip
    assert found == [
        ("duplicate_id", "plan.subtasks[4].id"),
        ("bad_field", "plan.subtasks[5].estimate_s"),
        ("unknown_specialist", "plan.subtasks[3].specialist"),
        ("unknown_need", "plan.subtasks[2].needs[0]"),
        ("cycle", "plan.subtasks[0].needs"),
    ]


def test_an_unknown_specialist_gets_the_nearest_name() -> None:
    """The fix for a misspelt name is the name."""
    with pytest.raises(PlanInvalid) as caught:
        check({"id": "a", "specialist": "reserch"})
    assert caught.value.faults[0].fix == "did you mean research?"
    assert caught.value.faults[0].value == "reserch"


def test_a_need_of_a_faulty_subtask_is_no_second_fault() -> None:
    """What exists but could not be read is not also called unknown."""
    assert faults(free("a", required="yes"), free("b", "a")) == [("bad_field", "plan.subtasks[0].required")]


@pytest.mark.parametrize("name", ["../../x", "a b", "", "a" * 65, "-a", "a\n", "free::other::1", "a::b"])
def test_an_id_that_breaks_the_rule_is_refused(name: str) -> None:
    """A caller's id is safe as a file name, and no id of another task."""
    assert faults(free(name)) == [("bad_field", "plan.subtasks[0].id")]


@pytest.mark.parametrize(
    "field",
    [
        {"estimate_s": math.nan}, {"estimate_s": -1}, {"estimate_s": "5"}, {"required": 1}, {"needs": "a"}, {"needs": [1]},
        {"inputs": []}, {"budget": {"tokens": 1.5}}, {"budget": {"tokns": 1}}, {"gate": "yes"}, {"max_attempts": 4},
        {"colour": "red"}, {"objective": None}, {"sla_s": 0}, {"inputs": {"x": {1, 2}}}, {"covers": ["../x"]},
    ],
)  # fmt: skip
def test_a_field_of_the_wrong_type_is_refused(field: dict[str, Any]) -> None:
    """Nothing is bent into shape."""
    assert {code for code, _ in faults(free("a", **field))} == {"bad_field"}


def test_an_unknown_field_gets_the_nearest_field() -> None:
    """A misspelt field is named with the one meant."""
    with pytest.raises(PlanInvalid) as caught:
        check(free("a", objectiv="x"))
    assert caught.value.faults[0].fix == "did you mean objective?"


@pytest.mark.parametrize(
    "given", [None, 3, "plan", [], [{}], {}, {"subtasks": None}, {"subtasks": {}}, {"subtasks": "ab"}]
)
def test_what_is_no_plan_is_refused(given: object) -> None:
    """Something of another shape is one clear fault."""
    with pytest.raises(PlanInvalid) as caught:
        validate(given, task=TASK, cards=CARDS, origin="caller")
    assert [fault.code for fault in caught.value.faults] == ["bad_field"]


def test_an_empty_plan_is_refused() -> None:
    """A plan without subtasks is no plan."""
    assert faults() == [("empty", "plan.subtasks")]


def test_a_plan_bomb_is_refused_by_number_depth_and_size() -> None:
    """Each limit has its own fault, and the number is checked before anything is read."""
    assert faults(*[free(f"n{at}") for at in range(6)], limits=Limits(subtasks=5)) == [("too_many", "plan.subtasks")]
    chain = [free("n0"), *[free(f"n{at}", f"n{at - 1}") for at in range(1, 5)]]
    assert faults(*chain, limits=Limits(depth=4)) == [("too_deep", "plan.subtasks[4].needs")]
    assert check(*chain, limits=Limits(depth=5)).subtasks[4].id == "n4"
    wide = [free(f"n{at}", inputs={"x": "y" * 400}) for at in range(4)]
    assert faults(*wide, limits=Limits(bytes=1_000)) == [("too_large", "plan.subtasks[2]")]


def test_a_recursive_plan_is_refused() -> None:
    """An object that holds itself ends in a fault."""
    inputs: dict[str, Any] = {}
    inputs["self"] = inputs
    assert {code for code, _ in faults(free("a", inputs=inputs))} == {"bad_field"}


def test_a_cycle_is_named_in_order() -> None:
    """Each subtask of the cycle needs the next."""
    with pytest.raises(PlanInvalid) as caught:
        check(free("x", "c"), free("a", "b"), free("b", "c"), free("c", "a"))
    (fault,) = caught.value.faults
    assert (fault.subtasks, fault.message) == (("a", "b", "c"), "a needs b needs c needs a")


def test_a_subtask_that_needs_itself_is_a_cycle() -> None:
    """The smallest cycle is found."""
    with pytest.raises(PlanInvalid) as caught:
        check(free("a", "a"))
    assert caught.value.faults[0].subtasks == ("a",)


def test_a_reference_derives_its_edge() -> None:
    """A subtask waits for what its inputs refer to, in either form and at any depth, whether it says so or not."""
    plan = check(
        free("z", inputs={"a": "${x.summary}", "b": [{"c": {"$from": "y", "path": "k.0"}}]}),
        {"id": "x", "specialist": "research"}, free("y"),
    )  # fmt: skip
    assert [subtask.id for subtask in plan.subtasks] == ["x", "y", "z"]
    assert plan.subtasks[2].needs == ("x", "y")
    assert sum("derived" in note for note in plan.notes) == 2


def test_a_derived_edge_can_close_a_cycle() -> None:
    """Declared edges alone are not trusted: a reference back is a cycle."""
    assert faults(free("a", inputs={"x": "${b}"}), free("b", "a")) == [("cycle", "plan.subtasks[0].needs")]


def test_a_required_input_is_taken_from_the_one_output_that_gives_it() -> None:
    """The writer's summary comes from research, with edge and reference added."""
    plan = check({"id": "w", "specialist": "writer"}, {"id": "r", "specialist": "research"})
    assert [subtask.id for subtask in plan.subtasks] == ["r", "w"]
    assert plan.subtasks[1].inputs == {"summary": {"$from": "r", "path": "summary"}}
    assert any("w needs r" in note for note in plan.notes)


def test_of_several_givers_the_one_needed_is_taken() -> None:
    """A declared need decides between two that give the same; without one it is the caller's to say."""
    two = [{"id": name, "specialist": "research"} for name in ("r1", "r2")]
    assert faults(*two, {"id": "w", "specialist": "writer"}) == [("missing_input", "plan.subtasks[2].inputs.summary")]
    plan = check(*two, {"id": "w", "specialist": "writer", "needs": ["r2"]})
    assert plan.subtasks[2].inputs == {"summary": {"$from": "r2", "path": "summary"}}


def test_an_input_that_nobody_gives_is_missing() -> None:
    """A required property needs a literal, a reference or a giver."""
    assert faults({"id": "w", "specialist": "writer"}) == [("missing_input", "plan.subtasks[0].inputs.summary")]
    assert check({"id": "w", "specialist": "writer", "inputs": {"summary": "short"}}).subtasks[0].needs == ()


def test_an_input_without_a_use_is_refused() -> None:
    """A misspelt input is named with the one meant; a specialist without a schema takes any."""
    with pytest.raises(PlanInvalid) as caught:
        check({"id": "w", "specialist": "writer", "inputs": {"summary": "s", "tones": "dry"}})
    (fault,) = caught.value.faults
    assert (fault.code, fault.place, fault.fix) == (
        "unused_input",
        "plan.subtasks[0].inputs.tones",
        "did you mean tone?",
    )
    assert check(free("a", inputs={"anything": 1})).subtasks[0].inputs == {"anything": 1}


def test_a_literal_is_held_to_the_schema_even_beside_a_reference() -> None:
    """What is known is judged, what is still to come is not."""
    found = faults(
        {"id": "w", "specialist": "writer", "inputs": {"summary": "${r.summary}", "tone": "loud"}},
        {"id": "r", "specialist": "research"},
    )
    assert found == [("bad_field", "plan.subtasks[0].inputs.tone")]


def test_a_reference_to_what_is_not_there_is_refused() -> None:
    """Neither an unknown subtask nor an output that its specialist does not declare."""
    r = {"id": "r", "specialist": "research"}
    assert faults(free("a", inputs={"x": "${q.y}"}), r) == [("unknown_reference", "plan.subtasks[0].inputs.x")]
    assert faults(free("a", inputs={"x": "${r.sumary}"}), r) == [("unknown_reference", "plan.subtasks[0].inputs.x")]
    assert faults(free("a", inputs={"x": {"$from": 3}}), r) == [("bad_field", "plan.subtasks[0].inputs.x")]


def test_a_reference_of_the_wrong_type_is_refused() -> None:
    """A list does not fit where text is taken."""
    found = faults(
        {"id": "w", "specialist": "writer", "inputs": {"summary": "${r.pages}"}}, {"id": "r", "specialist": "research"}
    )
    assert found == [("bad_field", "plan.subtasks[0].inputs.summary")]


def test_text_that_only_looks_like_a_reference_stays_text() -> None:
    """Part of a sentence is no reference, and a literal says that it is none."""
    plan = check(free("a", inputs={"x": "${b} and more", "y": {"$literal": "${b}"}}))
    assert plan.subtasks[0].needs == ()


def test_criteria_are_covered_once_each() -> None:
    """A plan that divides the criteria divides all of them, each to one subtask."""
    task = Task(task_id="t-1", acceptance_criteria=["fast", "cheap", "safe"])
    found = faults(free("a", covers=["c1", "c2"]), free("b", covers=["c2", "c9"]), task=task)
    assert sorted(code for code, _ in found) == ["doubly_covered_criterion", "uncovered_criterion", "unknown_criterion"]
    assert any("criteria" in note for note in check(free("a"), task=task).notes)
    assert {code for code, _ in faults(free("a"), task=task, origin="model")} == {"uncovered_criterion"}


def test_a_plan_that_cannot_fit_its_budget_is_refused() -> None:
    """The sum of stated needs, a single need, and the specialist's own share each have a bound."""
    many = [{"id": f"n{at}", "specialist": "research", "budget": {"tokens": 400}} for at in range(3)]
    assert faults(*many, budget=Budget(tokens=1_000)) == [("over_budget", "plan.subtasks")]
    assert check(*many, budget=Budget(tokens=1_200)).subtasks[0].budget == Budget(tokens=400)
    assert faults(*many, budget=Budget(tokens=300)) == [
        ("over_budget", f"plan.subtasks[{at}].budget.tokens") for at in range(3)
    ]
    assert faults(*many, budget_of_plan={"tokens": 900}) == [("over_budget", "plan.subtasks")]
    assert faults(free("a", budget={"tokens": 501})) == [("over_budget", "plan.subtasks[0].budget.tokens")]


def test_only_a_stated_estimate_can_pass_the_deadline() -> None:
    """The default estimate is no claim; what is not required may be cut off."""
    assert faults(free("a", estimate_s=3), free("b", "a", estimate_s=3), budget=Budget(seconds=5)) == [
        ("over_deadline", "plan.subtasks")
    ]
    assert len(check(free("a"), free("b", "a"), budget=Budget(seconds=0.5)).subtasks) == 2
    assert len(check(free("a", estimate_s=9, required=False), budget=Budget(seconds=5)).subtasks) == 1


def test_stages_are_one_after_another() -> None:
    """A need of a later stage is refused, and the order follows the stages."""
    plan = check(
        free("a", stage="one"), free("c", stage="two"), free("b", stage="one"), stop_when={"one": "size(findings) > 1"}
    )
    assert [subtask.id for subtask in plan.subtasks] == ["a", "b", "c"]
    found = faults(free("a", "b", stage="one"), free("b", stage="two"), stop_when={"three": "true"})
    assert {place for _, place in found} == {"plan.subtasks[0].needs", "plan.stop_when.three"}
    deep = {"one": "findings.all(a, true)"}
    assert faults(free("a", stage="one"), stop_when=deep) == [("bad_field", "plan.stop_when.one")]


def test_a_plan_that_we_made_is_numbered() -> None:
    """Ids, needs, references and answer speak of `specialist::task::n`; the short id stays as the name."""
    plan = check(
        {"id": "w", "specialist": "writer", "inputs": {"summary": "${r2.summary}"}}, {"id": "r1", "specialist": "research"},
        {"id": "r2", "specialist": "research", "needs": ["r1"]}, origin="rule", answer=["w"],
    )  # fmt: skip
    assert [(subtask.id, subtask.name) for subtask in plan.subtasks] == [
        ("research::t-1::1", "r1"), ("research::t-1::2", "r2"), ("writer::t-1::1", "w"),
    ]  # fmt: skip
    assert plan.subtasks[2].inputs == {"summary": {"$from": "research::t-1::2", "path": "summary"}}
    assert plan.subtasks[1].needs == ("research::t-1::1",)
    assert plan.answer == ("writer::t-1::1",)


@pytest.mark.parametrize("origin", ["caller", "rule"])
def test_a_plan_passes_its_own_validation_unchanged(origin: Any) -> None:
    """Validating twice gives the same subtasks, from the object and from its JSON."""
    plan = check({"id": "w", "specialist": "writer"}, {"id": "r", "capability": "search"}, origin=origin)
    again = validate(plan, task=TASK, cards=CARDS, origin=origin)
    assert again == plan
    assert validate(json.loads(plan.model_dump_json()), task=TASK, cards=CARDS, origin=origin).subtasks == plan.subtasks


def test_a_capability_is_routed_before_numbering() -> None:
    """The id carries the specialist that was found; an unknown capability gets the nearest."""
    plan = check({"id": "a", "capability": "search"}, origin="rule")
    assert (plan.subtasks[0].id, plan.subtasks[0].specialist) == ("research::t-1::1", "research")
    assert faults({"id": "a", "capability": "serch"}) == [("unknown_capability", "plan.subtasks[0].capability")]
    assert faults({"id": "a"}) == [("unknown_specialist", "plan.subtasks[0].specialist")]
    assert faults({"id": "a", "specialist": "free", "capability": "search"}) == [
        ("unknown_capability", "plan.subtasks[0].capability")
    ]


def test_one_capability_is_spread_by_load() -> None:
    """Subtasks already given count as load."""
    cards = {name: SpecialistCard(name, capabilities=frozenset({"search"}), max_concurrency=1) for name in ("a", "b")}
    plan = check(*[{"id": f"n{at}", "capability": "search"} for at in range(4)], cards=cards)
    assert [subtask.specialist for subtask in plan.subtasks] == ["a", "b", "a", "b"]


def test_a_callers_specialist_is_never_swapped_for_a_variant() -> None:
    """Who names one gets that one; a rule's name stands for the family."""
    cards = {"base": SpecialistCard("base"), "beta": SpecialistCard("beta", variant_of="base")}
    standings = {"base": Standing(failed=500), "beta": Standing(completed=500)}
    draft = {"id": "a", "specialist": "base"}
    assert check(draft, cards=cards, standings=standings).subtasks[0].specialist == "base"
    assert check(draft, cards=cards, standings=standings, origin="rule").subtasks[0].specialist == "beta"


def test_one_fault_hides_no_other_of_the_same_subtask() -> None:
    """An id that stands twice or is none, and fields that bear on nothing else, leave the rest to be judged."""
    wrong: Any = {"needs": ["nowhere"], "inputs": {"x": "${gone.y}"}}
    rest = ["unknown_specialist", "unknown_need", "unknown_reference"]
    for first, broken in (
        ("duplicate_id", {"id": "a", "specialist": "reserch", **wrong}),
        ("bad_field", {"id": "../a", "specialist": "reserch", **wrong}),
        ("bad_field", {"id": "c", "specialist": "reserch", "estimate_s": -1, **wrong}),
        ("bad_field", {"id": "c", "specialist": "reserch", "colour": "red", **wrong}),
    ):
        found = faults(free("a"), free("b", "a"), broken)
        assert [code for code, _ in found] == [first, *rest]
        assert {place.partition(".")[2].partition(".")[0] for _, place in found} == {"subtasks[2]"}


def test_what_hangs_on_a_faulty_field_is_not_judged_without_it() -> None:
    """Inputs that cannot be read are not called missing."""
    assert faults({"id": "a", "specialist": "research", "inputs": []}) == [("bad_field", "plan.subtasks[0].inputs")]
    assert faults(free("a"), free("a")) == [("duplicate_id", "plan.subtasks[1].id")]
