"""Every form in which a plan comes gives the same plan."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from concertino.nodes.planning.reader import Reading, read_plan

STAFF = ("legal", "financial", "Write Report", "search", "math")
PLAN: dict[str, Any] = {
    "subtasks": [
        {"id": "a", "specialist": "legal", "objective": "Read it", "inputs": {"page": 1}, "needs": []},
        {
            "id": "b",
            "specialist": "financial",
            "objective": "Value it",
            "inputs": {"x": {"$from": "a"}},
            "needs": ["a"],
        },
    ]
}
TEXT = json.dumps(PLAN)

FORMS: dict[str, Any] = {
    "mapping": PLAN,
    "json": TEXT,
    "indented": json.dumps(PLAN, indent=2),
    "in a sentence": f"Here is the plan: {TEXT} Tell me if {{that}} helps.",
    "fenced": f"Sure!\n```json\n{TEXT}\n```\nGood luck",
    "fence left open": f"Sure!\n```json\n{TEXT}",
    "after thinking": f'<think>maybe {{"subtasks": []}}?</think>{TEXT}',
    "python repr": repr(PLAN),
    "python in a fence": f"```python\nplan = {PLAN!r}\n```",
    "trailing commas": TEXT.replace("}]", "},]"),
    "without its end": TEXT[:-2],
    "encoded twice": json.dumps(TEXT),
    "wrapped": {"output": TEXT},
    "wrapped deeper": {"result": {"plan": PLAN}},
    "yaml": "subtasks:\n- id: a\n  specialist: legal\n  objective: Read it\n  inputs: {page: 1}\n  needs: []\n"
    "- id: b\n  specialist: financial\n  objective: Value it\n  inputs:\n    x: {$from: a}\n  needs: [a]\n",
    "other words": {
        "steps": [
            {"step": "a", "agent": "legal", "task": "Read it", "args": {"page": 1}, "depends_on": []},
            {"step": "b", "agent": "financial", "task": "Value it", "args": {"x": {"$from": "a"}}, "depends_on": "a"},
        ]
    },
    "by id": {
        "a": {"agent": "legal", "task": "Read it", "inputs": {"page": 1}, "after": []},
        "b": {"agent": "financial", "task": "Value it", "inputs": {"x": {"$from": "a"}}, "after": ["a"]},
    },
    "a message": SimpleNamespace(content=TEXT, tool_calls=[]),
    "content blocks": SimpleNamespace(content=[{"type": "text", "text": TEXT}], tool_calls=[]),
    "a tool call": SimpleNamespace(content="", tool_calls=[{"name": "submit", "args": PLAN, "id": "1"}]),
    "a tool call in half JSON": SimpleNamespace(
        content="", tool_calls=[], invalid_tool_calls=[{"name": "submit", "args": TEXT[:-2], "id": "1"}]
    ),
    "an API's answer": {
        "choices": [{"message": {"role": "assistant", "tool_calls": [{"function": {"name": "s", "arguments": TEXT}}]}}]
    },
    "bytes": TEXT.encode(),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_the_same_plan_comes_out_of_every_form(form: str):
    """Ids, specialists, objectives, inputs and needs are what they were."""
    read = read_plan(FORMS[form], specialists=STAFF)
    for given, got in zip(PLAN["subtasks"], plan_of(read)["subtasks"], strict=True):
        assert {key: got[key] for key in given} == given


def plan_of(read: Reading) -> Any:
    assert read.plan is not None
    return read.plan


def edges(plan: Any) -> set[tuple[str, str]]:
    return {(need, subtask["id"]) for subtask in plan["subtasks"] for need in subtask["needs"]}


def test_rewoo():
    """Evidence variables become ids, and what refers to them needs them."""
    text = "Plan: Find the winner.\n#E1 = search[winner 2024]\n\nPlan: Find the town.\n#E2 = LLM[town of #E1]\n"
    read = read_plan(text, specialists=("search", "LLM"))
    assert read.form == "text rewoo"
    assert [(s["specialist"], s["objective"]) for s in plan_of(read)["subtasks"]] == [
        ("search", "Find the winner."),
        ("LLM", "Find the town."),
    ]
    assert edges(read.plan) == {("E1", "E2")}


def test_llm_compiler():
    """Numbered calls with `$1`; the closing join is no work."""
    text = 'Thought: first look\n1. search(query="a, b")\n2. math(problem="$1")\n3. math(problem="$1 + $2")\n4. join()<END_OF_PLAN>'
    read = read_plan(text, specialists=STAFF)
    assert [s["inputs"] for s in plan_of(read)["subtasks"]] == [
        {"query": "a, b"}, {"problem": {"$from": "1"}}, {"problem": "$1 + $2"},
    ]  # fmt: skip
    assert edges(read.plan) == {("1", "3"), ("2", "3")}


def test_taskbench():
    """Nodes by position, links by the names of tools, which stay to be resolved."""
    given = {
        "task_steps": ["Step 1: search", "Step 2: compute"],
        "task_nodes": [{"task": "search", "arguments": ["x"]}, {"task": "math", "arguments": ["<node-0>", "y"]}],
        "task_links": [{"source": "search", "target": "math"}],
    }
    read = read_plan(given, specialists=STAFF)
    assert plan_of(read)["links"] == [{"from": "search", "to": "math"}]
    assert plan_of(read)["subtasks"][1]["inputs"] == {"arguments": [{"$from": "s1"}, "y"]}


def test_hugging_gpt():
    """`dep` of -1 is none; `<resource-0>` is the result of task 0."""
    given = '[{"task":"search","id":0,"dep":[-1],"args":{"q":"x"}},{"task":"math","id":1,"dep":[0],"args":{"p":"<resource-0>"}}]'
    read = read_plan(given, specialists=STAFF)
    assert edges(read.plan) == {("0", "1")}
    assert plan_of(read)["subtasks"][1]["inputs"] == {"p": {"$from": "0"}}


@pytest.mark.parametrize(
    "text",
    [
        "Plan(steps=['search for it', 'do the math'])",
        "1. search for it\n2. do the math",
        "Step 1: search for it\nStep 2: do the math",
        "My plan:\n- search for it\n- do the math",
    ],
)
def test_what_only_has_an_order_is_a_chain(text: str):
    """Each step needs the one before, and a note says that this was inferred."""
    read = read_plan(text, specialists=STAFF)
    first, second = (subtask["id"] for subtask in plan_of(read)["subtasks"])
    assert edges(read.plan) == {(first, second)}
    assert any("order" in note for note in read.notes)
    assert [s["specialist"] for s in plan_of(read)["subtasks"]] == ["search", "math"]


@pytest.mark.parametrize(
    "text", ["graph TD\n  A[search] --> B[math]\n  A --> C[legal]", "A(search) -> B(math)\nA(search) -> C(legal)"]
)
def test_arrows(text: str):
    """Edges are links between the names before and after the arrow; labels say who."""
    read = read_plan(text, specialists=STAFF)
    assert read.plan is not None
    assert {(link["from"], link["to"]) for link in plan_of(read)["links"]} == {("A", "B"), ("A", "C")}
    assert {s["specialist"] for s in plan_of(read)["subtasks"]} == {"search", "math", "legal"}


def test_what_was_cut_off_keeps_its_whole_subtasks():
    """The half one at the end is left out, and a note says so."""
    read = read_plan(TEXT[: TEXT.index("financial")], specialists=STAFF)
    assert [s["id"] for s in plan_of(read)["subtasks"]] == ["a"]
    assert any("cut off" in note for note in read.notes)


def test_requirements_are_read_beside_the_plan():
    """Objectives, constraints and criteria, the latter with ids."""
    read = read_plan(
        {**PLAN, "requirements": {"objectives": ["o"], "acceptance_criteria": ["good", {"id": "k", "text": "t"}]}}
    )
    assert read.requirements is not None
    assert read.requirements.objectives == ("o",)
    assert [(c.id, c.text) for c in read.requirements.acceptance_criteria] == [("c1", "good"), ("k", "t")]


@pytest.mark.parametrize(
    "text",
    ["", "I'm sorry, I can't help with that.", "{", "[", "null", "42", '{"name": "John", "age": 3}', "[1, 2]", '{"subtasks": []}', None, 3],
)  # fmt: skip
def test_where_there_is_no_plan_none_is_read(text: object):
    """Nothing is made up."""
    assert read_plan(text, specialists=STAFF).plan is None
