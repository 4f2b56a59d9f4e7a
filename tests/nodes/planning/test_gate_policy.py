"""Gates by policy: added to whatever plan, never removed."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from concertino.contracts.limits import Limits
from concertino.contracts.plan import Plan
from concertino.contracts.specialist import SpecialistCard
from concertino.contracts.task import Task, read_task
from concertino.nodes.planning.draft import Draft
from concertino.nodes.planning.first_draft import first_draft
from concertino.nodes.planning.gate_policy import GatePolicy, place_gates, question_about
from concertino.nodes.planning.validate import validate_draft
from concertino.nodes.planning.workflows import load_workflows

CARDS = {
    "payer": SpecialistCard("payer", capabilities=frozenset({"pay"}), delivery="at_most_once"),
    "reader": SpecialistCard("reader"),
}
ONCE = {
    "when": "card.delivery == 'at_most_once'",
    "question": "Let ${card.name} do ${subtask.objective} for ${task.title}?",
}


def task(**more: Any) -> Task:
    return read_task({"task_id": "t", "title": "Owls", **more}, limits=Limits())


def policies(*given: Any) -> tuple[GatePolicy, ...]:
    return tuple(map(GatePolicy.model_validate, given))


def planned(*subtasks: dict[str, Any], gates: tuple[GatePolicy, ...] = (), **header: Any) -> Plan:
    draft = Draft({"subtasks": list(subtasks), **header}, "model", gates=gates)
    return validate_draft(draft, task=task(), cards=CARDS)


def questions(plan: Plan) -> dict[str, str | None]:
    return {subtask.name or subtask.id: subtask.gate.question if subtask.gate else None for subtask in plan.subtasks}


def test_a_policy_asks_about_the_subtasks_it_speaks_of() -> None:
    """Whoever planned them, with a note; placeholders are filled and nothing put in is read again."""
    work = "pay ${task.id}"
    plan = planned(
        {"id": "a", "specialist": "payer", "objective": work}, {"id": "b", "specialist": "reader"}, gates=policies(ONCE)
    )
    assert questions(plan) == {"a": f"Let payer do {work} for Owls?", "b": None}
    assert any("a: a person is asked by policy" in note for note in plan.notes)


def test_a_gate_that_is_there_stays_and_nothing_changes_the_second_time() -> None:
    """A policy adds, and adds once."""
    gates = policies(ONCE)
    plan = planned(
        {"id": "a", "specialist": "payer", "gate": {"question": "Mine?"}}, {"id": "b", "capability": "pay"}, gates=gates
    )
    assert questions(plan)["a"] == "Mine?"
    assert questions(plan)["b"] is not None
    assert place_gates(plan, gates, task=task(), cards=CARDS) is plan


def test_in_doubt_the_question_is_asked() -> None:
    """A field that is not there decides nothing."""
    plan = planned({"id": "b", "specialist": "reader"}, gates=policies({"when": "subtask.inputs.amount > 100"}))
    assert questions(plan) == {"b": "Approve?"}
    assert any("could not be decided" in note for note in plan.notes)


def test_a_subtask_is_asked_about_when_its_stand_in_would_be() -> None:
    """A failure is no way round a policy; and for other takers there is the question by itself."""
    gates = policies(ONCE)
    plan = planned({"id": "b", "specialist": "reader", "on_failure": "payer"}, gates=gates)
    assert questions(plan)["b"] is not None
    free = planned({"id": "b", "specialist": "reader"}).subtasks[0]
    assert question_about(free, CARDS["reader"], gates, task=task()) is None
    assert question_about(free, CARDS["payer"], gates, task=task()) is not None


def test_a_policy_may_name_who_does_it_by_the_subtask_too() -> None:
    """For another taker, `subtask.specialist` is the taker and not whom the plan names."""
    gates = policies({"when": "subtask.specialist == 'payer'", "question": "${subtask.specialist}?"})
    plan = planned({"id": "b", "specialist": "reader", "on_failure": "payer"}, gates=gates)
    assert questions(plan) == {"b": "payer?"}
    assert question_about(plan.subtasks[0], CARDS["reader"], gates, task=task()) is None


def test_a_policy_on_the_plan_looks_at_it_as_a_whole() -> None:
    """One question for all of it."""
    gates = policies({"about": "plan", "when": "size(plan.subtasks) > 1", "question": "All of ${task.title}?"})
    one = {"id": "a", "specialist": "reader"}
    assert planned(one, gates=gates).gate is None
    asked = planned(one, {**one, "id": "b"}, gates=gates).gate
    assert asked is not None
    assert asked.question == "All of Owls?"


def test_policies_of_workflow_and_planner_are_both_applied() -> None:
    """The workflow's own question comes first."""
    source = {
        "name": "w",
        "plan": {
            "subtasks": [{"id": "a", "specialist": "payer"}, {"id": "b", "specialist": "reader"}],
            "gates": [{**ONCE, "question": "Own?"}],
        },
    }
    wide = policies({"when": "true", "question": "Wide?"})
    draft = first_draft(task(), load_workflows([source]), CARDS, gates=wide)
    assert questions(validate_draft(draft, task=task(), cards=CARDS)) == {"a": "Own?", "b": "Wide?"}


@pytest.mark.parametrize(
    "given",
    [
        {"when": "1 +"},
        {"when": "plan.x"},
        {"about": "plan", "when": "card.x"},
        {"when": "true", "question": "${secret}"},
        {"when": "true", "x": 1},
        {"question": "Without a word on when?"},
    ],
)
def test_a_faulty_policy_is_refused(given: Any) -> None:
    """When it is read: conditions compile, and speak of what there is."""
    with pytest.raises(ValidationError):
        GatePolicy.model_validate(given)
