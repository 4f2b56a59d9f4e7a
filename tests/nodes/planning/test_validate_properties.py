"""The validator over random plans: sound ones pass whole, cycles are found, garbage is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concertino.contracts.errors import InputError, PlanInvalid
from concertino.contracts.plan import Plan
from concertino.contracts.specialist import SpecialistCard
from concertino.contracts.task import Task
from concertino.nodes.planning import paths
from concertino.nodes.planning.validate import validate

CARDS = {
    "free": SpecialistCard("free"),
    "a": SpecialistCard(
        "a",
        input_schema={"type": "object", "properties": {"x": {"type": "string"}}, "required": ["x"]},
        output_schema={"type": "object", "properties": {"b": {"type": "integer"}}},
    ),
}
TASK = Task(task_id="t-1")


def check(*subtasks: dict[str, Any], origin: Any = "caller") -> Plan:
    return validate({"subtasks": list(subtasks)}, task=TASK, cards=CARDS, origin=origin)


def free(name: str, *needs: str, **more: Any) -> dict[str, Any]:
    return {"id": name, "specialist": "free", "needs": list(needs), **more}


@st.composite
def dags(draw: st.DrawFn) -> list[dict[str, Any]]:
    size = draw(st.integers(1, 30))
    shuffled = draw(st.permutations(range(size)))
    subtasks = []
    for at in range(size):
        before = draw(st.lists(st.integers(0, at - 1), max_size=4)) if at else []
        declared = draw(st.lists(st.booleans(), min_size=len(before), max_size=len(before)))
        needs = [f"n{need}" for need, said in zip(before, declared, strict=True) if said]
        inputs = {
            f"i{n}": f"${{n{need}.x}}" for n, (need, said) in enumerate(zip(before, declared, strict=True)) if not said
        }
        subtasks.append(free(f"n{at}", *needs, inputs=inputs, estimate_s=draw(st.integers(0, 9))))
    return [subtasks[at] for at in shuffled]


def edges(subtasks: list[dict[str, Any]]) -> dict[str, set[str]]:
    return {
        subtask["id"]: {*subtask["needs"], *(text[2:].split(".")[0] for text in subtask["inputs"].values())}
        for subtask in subtasks
    }


@given(dags(), st.sampled_from(["caller", "rule", "model"]))
def test_any_dag_is_valid_complete_and_in_order(subtasks: list[dict[str, Any]], origin: Any) -> None:
    """Nothing sound is refused; every edge, declared or implied, is there; needs come first."""
    plan = check(*subtasks, origin=origin)
    short = {subtask.id: subtask.name or subtask.id for subtask in plan.subtasks}
    assert {short[subtask.id]: {short[need] for need in subtask.needs} for subtask in plan.subtasks} == edges(subtasks)
    seen: set[str] = set()
    for subtask in plan.subtasks:
        assert set(subtask.needs) <= seen
        seen.add(subtask.id)
    left = paths.remaining_path(plan)
    assert max(left.values()) == pytest.approx(paths.critical_path(plan).seconds)


@given(dags(), st.data())
def test_a_planted_cycle_is_found_and_named(subtasks: list[dict[str, Any]], data: st.DataObject) -> None:
    """Turning a chain back on itself is reported as a true cycle of the graph."""
    known = edges(subtasks)
    start = end = data.draw(st.sampled_from(sorted(known)))
    for _ in range(data.draw(st.integers(0, 5))):
        end = data.draw(st.sampled_from(sorted(known[end]))) if known[end] else end
    for subtask in subtasks:
        if subtask["id"] == end:
            subtask["needs"].append(start)
    known = edges(subtasks)
    with pytest.raises(PlanInvalid) as caught:
        check(*subtasks)
    assert {fault.code for fault in caught.value.faults} == {"cycle"}
    for fault in caught.value.faults:
        ring = fault.subtasks
        assert all(ring[(at + 1) % len(ring)] in known[ring[at]] for at in range(len(ring)))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(["${a.b}", "a", "free"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6) | st.sampled_from(["$from", "path"]), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
FIELDS = st.sampled_from(
    [
        "id",
        "specialist",
        "capability",
        "needs",
        "objective",
        "inputs",
        "estimate_s",
        "gate",
        "budget",
        "covers",
        "stage",
        "x",
    ]
)
GARBAGE = JSON | st.fixed_dictionaries(
    {"subtasks": st.lists(st.dictionaries(FIELDS, JSON, max_size=6) | JSON, max_size=4)},
    optional={"answer": JSON, "gate": JSON, "stop_when": JSON, "budget": JSON, "y": JSON},
)


@given(GARBAGE)
def test_garbage_is_refused_and_nothing_else_happens(given: Any) -> None:
    """Whatever comes in, it is a plan or a PlanInvalid."""
    said = ""
    try:
        said = validate(given, task=TASK, cards=CARDS, origin="model").model_dump_json()
    except InputError as error:
        said = f"{error} {json.dumps(error.fields())}"
    assert said


def test_a_large_faulty_plan_is_refused_with_every_fault() -> None:
    """Guessing what was meant stops after a while; naming what is wrong does not."""
    subtasks = [free(f"n{at}", *(f"m{at}-{number}" for number in range(20))) for at in range(256)]
    with pytest.raises(PlanInvalid) as caught:
        check(*subtasks)
    assert len(caught.value.faults) == 256 * 20
    assert caught.value.faults[-1].fix == "use a known name"
