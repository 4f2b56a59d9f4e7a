"""Plans without a model keep to the limits, however long the task's text is and however many specialists there are."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concertino.contracts.json import dump
from concertino.contracts.limits import Limits
from concertino.contracts.plan import Plan
from concertino.contracts.specialist import SpecialistCard
from concertino.contracts.task import Task, read_task
from concertino.nodes.planning.constraints import Constraints
from concertino.nodes.planning.fallback import fallback_plan
from concertino.nodes.planning.filling import close_holes
from concertino.nodes.planning.rules import plan_by_rules
from concertino.nodes.planning.shortening import NOTE, fit_objectives, size_of
from concertino.nodes.planning.validate import validate_draft
from concertino.nodes.planning.workflows import load_workflows

LIMITS = Limits()
TEXTS = {"plain": "word " * 15_000, "wide": "\u00e9\u4e00 " * 25_000, "escaped": '"\\\n' * 25_000}


def cards(count: int, **more: Any) -> dict[str, SpecialistCard]:
    return {name: SpecialistCard(name, authority=at / 1_000, **more) for at in range(count) for name in (f"s{at}",)}


def asked(text: str, **more: Any) -> Task:
    return read_task({"task_id": "t", "title": "Owls", "description": text, **more}, limits=LIMITS)


def planned(task: Task, known: dict[str, SpecialistCard], limits: Limits = LIMITS, **more: Any) -> Plan:
    return validate_draft(fallback_plan(task, known, limits=limits, **more), task=task, cards=known, limits=limits)


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
@pytest.mark.parametrize("count", [1, 2, 4, 64])
def test_a_long_description_is_no_reason_for_no_plan(text: str, count: int) -> None:
    """Everybody works on it, with as much of it as there is room for; what fits is not touched."""
    plan = planned(asked(text, payload={"x": "y" * 20_000}), cards(count))
    assert len(plan.subtasks) == count
    assert all(one.objective.startswith("Owls\n\n" + text[:500]) for one in plan.subtasks)
    is_whole = all(one.objective == f"Owls\n\n{text}" for one in plan.subtasks)
    assert is_whole == (NOTE not in plan.notes)
    assert is_whole or count > 1


def test_a_fallback_for_a_long_description_takes_less_than_ten_milliseconds() -> None:
    """Of processor time, at its best of a few."""
    task, known = asked(TEXTS["plain"]), cards(16)
    took = []
    for _ in range(5):
        began = time.process_time()
        planned(task, known)
        took.append(time.process_time() - began)
    assert min(took) < 0.01


def test_more_specialists_than_a_plan_may_have_leaves_some_out() -> None:
    """Those of the lowest authority that nothing requires, each with a note."""
    known, few = cards(9), Limits(subtasks=3)
    plan = planned(asked("look"), known, few, constraints=Constraints.model_validate({"required": ["s0"]}))
    assert {one.specialist for one in plan.subtasks} == {"s0", "s7", "s8"}
    assert sum("left out" in note for note in plan.notes) == 6
    assert [one.specialist for one in planned(asked("look"), known, Limits(subtasks=1)).subtasks] == ["s8"]


def test_a_document_that_schemas_ask_for_is_given_to_as_many_as_a_plan_can_hold() -> None:
    """Who is left out is named: of those who take most, whoever has least authority."""
    schema = {"type": "object", "properties": {"text": {"type": "string"}}, "required": ["text"]}
    known = {**dict(reversed(cards(4, input_schema=schema).items())), "free": SpecialistCard("free")}
    plan = planned(asked("look", payload={"text": "x" * 75_000}), known)
    assert [one.specialist for one in plan.subtasks] == ["s3", "s2", "s1", "free"]
    assert any("s0 is left out" in note for note in plan.notes)


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_a_rule_that_names_no_objectives_has_room_for_a_long_description(text: str) -> None:
    """Neither its own subtasks nor a hole that is closed by rule take too much."""
    template = {
        "subtasks": [{"id": "a", "specialist": "s0"}, {"id": "b", "specialist": "s1"}],
        "holes": [{"id": "dig"}],
    }
    workflows = load_workflows([{"name": "w", "match": {}, "plan": template}])
    task, known = asked(text), cards(8)
    found = plan_by_rules(task, workflows, limits=LIMITS)
    assert found is not None
    closed = close_holes(found, task=task, cards=known, limits=LIMITS)
    plan = validate_draft(closed, task=task, cards=known, limits=LIMITS)
    assert len(plan.subtasks) == 10
    assert NOTE in plan.notes


def test_a_rule_without_holes_has_room_for_it_too() -> None:
    """What it says itself is short, and stays as it is."""
    rows = [{"id": f"r{at}", "specialist": "s0"} for at in range(5)]
    template = {"subtasks": [*rows, {"id": "own", "specialist": "s1", "objective": "Sum it up"}]}
    task, known = asked(TEXTS["plain"]), cards(2)
    found = plan_by_rules(task, load_workflows([{"name": "w", "match": {}, "plan": template}]), limits=LIMITS)
    assert found is not None
    plan = validate_draft(found, task=task, cards=known, limits=LIMITS)
    assert plan.subtasks[-1].objective == "Sum it up"
    assert len({one.objective for one in plan.subtasks}) == 2


@given(
    st.lists(st.text(max_size=300), min_size=1, max_size=8),
    st.integers(1_000, 3_000),
)
def test_objectives_take_what_room_there_is_and_no_more(texts: list[str], most: int) -> None:
    """Each is as it was, or a beginning of it; the shorter go first, and what is left over is little."""
    rows: list[Any] = [{"id": f"s{at}", "objective": text, "inputs": {"x": at}} for at, text in enumerate(texts)]
    notes: list[str] = []
    made: list[Any] = fit_objectives(rows, limits=Limits(bytes=most), notes=notes)
    size = sum(len(dump(one).encode()) for one in made)
    assert size <= most or all(not one["objective"] for one in made)
    for before, after in zip(rows, made, strict=True):
        assert {**after, "objective": before["objective"]} == before
        assert before["objective"].startswith(after["objective"].removesuffix("…"))
    assert bool(notes) == (sum(len(dump(row).encode()) for row in rows) > most)
    assert bool(notes) or made == rows
    assert sum(map(size_of, rows)) <= size
