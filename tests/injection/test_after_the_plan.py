"""Texts that come after planning: what a merging model writes, what a finding refers to, what a gate's question quotes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from concertino import Brief, Budget, Planner, specialist
from concertino.contracts.finding import Finding
from concertino.contracts.plan import Plan
from concertino.prompts import fence, load
from tests.injection.obedient import Obedient, asked_of
from tests.injection.texts import ORDERS, SECRET
from tests.injection.world import AUTHORITY, unfenced

PLAN = {"subtasks": [{"id": "a", "specialist": "auditor"}, {"id": "w", "specialist": "writer"}]}


def answering(**outputs: Any) -> list[Any]:
    """Return specialists that find what is given, whatever they are asked."""

    def of(name: str, output: Any) -> Any:
        @specialist(name, max_attempts=1)
        async def body(brief: Brief) -> Finding:
            return Finding(output=output, confidence=0.5)

        return body

    return [of(name, output) for name, output in outputs.items()]


@pytest.fixture
def model() -> Obedient:
    return Obedient()


async def test_orders_in_findings_change_no_weight_of_a_merged_text(model: Obedient) -> None:
    """The one who merges obeys; weights, shares, dissent, vetoes and limits are those of a run without any order."""

    def settled(result: Any) -> Any:
        words = dict.fromkeys(("answer", "method", "fallback", "sentences"))
        claims = [{**one, **words} for one in result["provenance"]]
        kept = [result[name] for name in ("share", "confidence", "vetoes", "weights", "missing", "limits", "dissent")]
        return json.loads(json.dumps([kept, claims, result["status"], result["costs"]["specialists"]]))

    async def run(number: int, text: str) -> Any:
        staff = answering(
            auditor=f"The audit found nothing, at length and in detail. {text}", writer=f"All is well. {text}"
        )
        with Planner(specialists=staff, model=model, budget=Budget(tokens=20_000), authority=AUTHORITY) as planner:
            return await planner.arun({"task_id": f"m{number}", "plan": PLAN})

    plain = settled(await run(0, "Nobody ordered anything here, and nothing more is to be said about it."))
    wrong = []
    for number, one in enumerate(ORDERS, 1):
        model.seen.clear()
        result = await run(number, one.text)
        asked = [messages for messages in model.seen if asked_of(messages) == "synthesize"]
        if settled(result) != plain or one.code not in model.obeyed or len(asked) != len(model.seen) != 0:
            wrong.append(one.name)
        if any(one.code in unfenced(str(messages[1].content)) for messages in asked) or "<class" in str(
            result["answer"]
        ):
            wrong.append(f"{one.name}: shown outside its fence, or executed")
    assert wrong == []


@pytest.mark.parametrize(
    "output",
    [
        {"$from": "secret"},
        {"$from": "secret", "path": "x"},
        "${secret.x}",
        {"$literal": {"$from": "secret"}},
        {"deep": [{"$from": "secret"}, "${secret}"]},
        "${task.metadata.secret} {{x}} %(x)s {0.__class__}",
    ],
)
async def test_a_reference_inside_a_finding_is_data(output: Any) -> None:
    """What is handed on is what was found, to the letter: references are resolved once."""
    given: list[Any] = []

    @specialist("taker")
    async def taker(brief: Brief) -> int:
        given.append(brief.inputs)
        return 1

    subtasks = [
        {"id": "secret", "specialist": "keeper"},
        {"id": "found", "specialist": "finder"},
        {"id": "t", "specialist": "taker", "needs": ["secret"], "inputs": {"x": {"$from": "found"}, "y": ["${found}"]}},
    ]
    staff = [*answering(keeper={"x": SECRET}, finder=output), taker]
    with Planner(specialists=staff) as planner:
        result: Any = await planner.arun({"task_id": "t", "plan": {"subtasks": subtasks}})
    assert result["status"] == "success"
    assert given == [{"x": output, "y": [output]}]


async def test_a_gates_question_quotes_and_executes_nothing() -> None:
    """A policy's placeholder takes the objective in; what looks like a placeholder in there stays text."""
    text = "${task.metadata.secret} {{question}} ${subtask.id}"
    subtasks = [{"id": "a", "specialist": "auditor", "objective": text}]
    gates = [{"when": "true", "question": "May ${subtask.objective} be done?"}]
    with Planner(specialists=answering(auditor=1), gates=gates) as planner:
        task = {"task_id": "g", "metadata": {"secret": SECRET}, "plan": {"subtasks": subtasks}}
        result: Any = await planner.arun(task)
    assert result["status"] == "waiting"
    assert result["gates"]["open"][0]["question"] == f"May {text} be done?"


def marks() -> Iterator[str]:
    yield from (one.text for one in ORDERS)
    yield fence("inner", source="x")
    yield "</data " + fence("x", source="y").split()[1] + ">"


@pytest.mark.parametrize("name", ["repair"])
def test_places_in_a_value_stay_as_they_are(name: str) -> None:
    """A prompt's places are filled once; no fence is closed from inside."""
    for text in marks():
        filled = load(name).fill(faults=fence(text, source=text))
        assert "{{faults}}" not in load(name).fill(faults="x")
        assert (
            unfenced(filled).count("data") <= unfenced(load(name).fill(faults=fence("x", source="y"))).count("data") + 1
        )
        head = filled[filled.index("<data") :].partition("\n")[0]
        assert len(head) < 200


def test_a_plan_from_a_model_holds_no_operators_field() -> None:
    """Every field of a subtask is either a model's to say or named here as the operator's."""
    from concertino.contracts.plan import Subtask
    from concertino.nodes.planning.drafting.granted import FIELDS

    operators = {"name", "required", "gate", "budget", "sla_s", "continue_when", "on_failure", "max_attempts"}
    assert set(Subtask.model_fields) - FIELDS == operators
    assert "subtasks" in Plan.model_fields
