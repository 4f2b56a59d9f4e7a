"""An edit must be something that the subtask could run with, whichever way it comes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from concertino import Brief, Finding, InputError, Planner, specialist
from concertino.contracts.gate import Answer
from concertino.service.cli.main import run as command
from tests.graph.plans import alpha, on, outputs, planner, subtask, task

TAKES = {
    "type": "object",
    "properties": {"amount": {"type": "integer", "minimum": 0}, "from_a": {"type": "integer"}},
    "required": ["amount"],
    "additionalProperties": False,
}


@specialist("strict", input_schema=TAKES)
async def strict(brief: Brief) -> Finding:
    return Finding(output=dict(brief.inputs))


@specialist("breaks", input_schema=TAKES, max_attempts=1)
async def breaks(brief: Brief) -> Finding:
    if brief.inputs["amount"] == 1:
        raise ValueError("one is too few")
    return Finding(output=dict(brief.inputs))


A = subtask("a", "alpha")
B = subtask("b", "strict", "a", inputs={"amount": 1}, gate=True)

FAULTY = pytest.mark.parametrize(
    ("inputs", "field", "rule"),
    [
        ({"amount": "lots"}, "amount", "is not of type 'integer'"),
        ({"amount": -1}, "amount", "less than the minimum"),
        ({"amuont": 2}, "amuont", "did you mean amount?"),
        ({"from_a": "${zz.alpha}"}, "from_a", "one of its prerequisites: a"),
        ({"from_a": {"$from": "a", "paht": "x"}}, "from_a", "a reference is"),
        ({"from_a": "${a.nothing}"}, "from_a", "gave no nothing"),
        ({"from_a": "${a}"}, "from_a", "is not of type 'integer'"),
    ],
)


def edit(inputs: dict[str, Any]) -> dict[str, Any]:
    return {"decision": "edit", "inputs": inputs}


@FAULTY
def test_a_faulty_edit_leaves_the_gate_open(inputs: dict[str, Any], field: str, rule: str) -> None:
    """`Planner.answer` names field, value and rule; a good edit is taken afterwards."""
    with Planner(specialists=[alpha, strict]) as one:
        one.run(task("t", A, B)["task"])
        with pytest.raises(InputError) as caught:
            one.answer("t", "b", edit(inputs))
        assert caught.value.field == f"answer.inputs.{field}"
        assert rule in caught.value.rule
        assert one.status("t")["state"] == "waiting"
        one.answer("t", "b", edit({"amount": 7, "from_a": "${a.alpha}"}))
        assert outputs(one.resume("t"))["b"] == {"amount": 7, "from_a": 1}


@FAULTY
def test_a_faulty_edit_by_command_is_asked_again(inputs: dict[str, Any], field: str, rule: str) -> None:
    """The gate's next interrupt says what was wrong."""
    graph, where = planner(alpha, strict, checkpointer=InMemorySaver()), on("t")
    graph.invoke(task("t", A, B), where)
    out = graph.invoke(Command(resume=edit(inputs)), where)
    said = out["__interrupt__"][0].value["error"]
    assert f"answer.inputs.{field}" in said
    assert rule in said
    out = graph.invoke(Command(resume=edit({"amount": 7})), where)
    assert outputs(out["result"])["b"] == {"amount": 7}


@pytest.mark.parametrize("decision", ["accept", "reject"])
def test_inputs_without_an_edit_are_refused(decision: str) -> None:
    """Whoever writes an amount beside `accept` means it; dropping it would release something else."""
    with Planner(specialists=[alpha, strict]) as one:
        one.run(task("t", A, B)["task"])
        with pytest.raises(InputError, match="go with edit alone") as caught:
            one.answer("t", "b", {"decision": decision, "inputs": {"amount": 7}})
        assert caught.value.field == "answer.inputs"
        assert one.status("t")["state"] == "waiting"
        one.answer("t", "b", {"decision": "accept", "inputs": {}})
        assert outputs(one.resume("t"))["b"] == {"amount": 1}


def test_an_edit_on_the_plans_gate_is_checked_by_subtask() -> None:
    """What depends on findings to come is left to the run; everything else is checked."""
    with Planner(specialists=[alpha, strict], require_approval=True) as one:
        one.run(task("t", A, {**B, "gate": None})["task"])
        with pytest.raises(InputError) as caught:
            one.answer("t", "plan", edit({"a": {"x": 2}, "b": {"amount": []}}))
        assert caught.value.field == "answer.inputs.b.amount"
        one.answer("t", "plan", edit({"a": {"x": 2}, "b": {"from_a": "${a.alpha}"}}))
        assert outputs(one.resume("t"))["b"] == {"amount": 1, "from_a": 2}


def test_an_edit_on_a_review_is_checked() -> None:
    """A retry with inputs that its specialist refuses would be none."""
    with Planner(specialists=[breaks], escalate="ask") as one:
        one.run(task("t", subtask("b", "breaks", inputs={"amount": 1}))["task"])
        with pytest.raises(InputError, match=r"answer\.inputs\.amount"):
            one.answer("t", "b.review", edit({"amount": None}))
        one.answer("t", "b.review", edit({"amount": 2}))
        assert outputs(one.resume("t"))["b"] == {"amount": 2}


@pytest.mark.parametrize("inputs", [{"x": float("nan")}, {"x": "y" * 300_000}, {"x": 2**70}])
def test_an_edit_is_held_to_the_bounds_of_json(inputs: dict[str, Any]) -> None:
    """Also where no schema is declared, and where it comes as an `Answer`."""
    with Planner(specialists=[alpha]) as one:
        one.run(task("t", {**A, "gate": True})["task"])
        for given in (edit(inputs), Answer(decision="edit", inputs=inputs)):
            with pytest.raises(InputError):
                one.answer("t", "a", given)
        assert one.status("t")["state"] == "waiting"


def test_the_command_refuses_a_faulty_edit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It knows the input schemas from the record, without the run's specialists."""
    database = f"sqlite:///{tmp_path / 'j.db'}"
    with Planner(specialists=[alpha, strict], database=database) as one:
        one.run(task("t", A, B)["task"])
    said = ["answer", "t", "b", "edit", "--database", database, "--inputs"]
    assert command([*said, '{"amount": "lots"}']) == 2
    assert "answer.inputs.amount: 'lots' refused" in capsys.readouterr().err
    assert command([*said, '{"amount": 3}']) == 0
    with Planner(specialists=[alpha, strict], database=database) as one:
        assert outputs(one.resume("t"))["b"] == {"amount": 3}


RULE = {
    "name": "rule",
    "match": {"task_type": "x"},
    "plan": {"subtasks": [{"id": "first", "specialist": "alpha", "inputs": {"x": 1}, "gate": True}]},
}


def test_a_gate_goes_by_its_subtasks_short_name() -> None:
    """`Planner.answer` and `Command(resume)` take the template's name; the record has the subtask's id."""
    given = {"task_id": "t", "title": "try", "task_type": "x"}
    with Planner(specialists=[alpha], workflows=[RULE]) as one:
        one.run(given)
        one.answer("t", "first", edit({"x": 5}))
        assert outputs(one.resume("t")) == {"alpha::t::1": {"alpha": 5}}
    graph, where = planner(alpha, workflows=[RULE], checkpointer=InMemorySaver()), on("t")
    graph.invoke({"task": given}, where)
    out = graph.invoke(Command(resume={"first": edit({"x": 6})}), where)
    assert outputs(out["result"]) == {"alpha::t::1": {"alpha": 6}}
