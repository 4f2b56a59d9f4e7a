"""Plans as lines of text: what is said of order and edges, and what is not."""

from __future__ import annotations

from typing import Any

import pytest

from concertino.nodes.planning.reader import Reading, read_plan

STAFF = ("search", "math", "Write Report", "Text-to-Image")


def read(text: str) -> Reading:
    found = read_plan(text, specialists=STAFF)
    assert found.plan is not None
    return found


def edges(found: Reading) -> set[tuple[str, str]]:
    plan: Any = found.plan
    needs = {(need, subtask["id"]) for subtask in plan["subtasks"] for need in subtask["needs"]}
    return needs | {(link["from"], link["to"]) for link in plan.get("links", ())}


def who(found: Reading) -> list[str | None]:
    plan: Any = found.plan
    return [subtask.get("specialist") for subtask in plan["subtasks"]]


@pytest.mark.parametrize(
    "text",
    [
        "1. search it\n2. math on it (depends on: 1)\n3. Write Report (depends on 1, 2)",
        "Step 1: search it\nStep 2: math on it [after step 1]\nStep 3: Write Report from steps 1 and 2",
        "1. search\n   - Depends on: none\n2. math\n   - Depends on: 1\n3. Write Report\n   - Depends on: 1 and 2",
        "Node:\n1: search it\n2: math on it\n3: Write Report\nGraph:\nEdge: (START,1) (1,2) (1,3) (2,3) (3,END)",
        "1. search\n2. math\n3. Write Report\nEdges:\n1 -> 2\n1 -> 3\n2 -> 3",
        "# | Task | Agent | Depends on |\n|---|---|---|---|\n| 1 | a | search | - |\n| 2 | b | math | 1 |\n| 3 | c | Write Report | 1, 2 |",
        'graph TD\n  1["search it"] --> 2["math"]\n  1 & 2 --> 3[Write Report]',
    ],
)
def test_edges_that_are_said_are_the_edges(text: str):
    """However they are written down; nothing is added to them."""
    found = read(text)
    assert who(found) == ["search", "math", "Write Report"]
    assert edges(found) == {("1", "2"), ("1", "3"), ("2", "3")}


def test_numbers_of_other_things_are_no_edges():
    """Hours, sums and counts stay text; the order is all that is said."""
    found = read("1. search after 2 hours\n2. math, needs 3 apples\n3. Write Report for $1 million")
    assert edges(found) == {("1", "2"), ("2", "3")}


def test_money_in_a_plan_with_edges_is_no_reference():
    """`$1` inside a text counts as a reference only where nothing else says what needs what."""
    plan = [
        {"id": "1", "specialist": "search", "needs": []},
        {"id": "2", "specialist": "math", "needs": [], "inputs": {"q": "is $1 enough?"}},
    ]
    found = read_plan({"subtasks": plan}, specialists=STAFF)
    assert edges(found) == set()


def test_rewoo_on_one_line_with_brackets_inside():
    """The input ends with the bracket that belongs to it."""
    found = read("Plan: Find. #E1 = search[foo [2024] bar]\nPlan: Say. #E2 = math[given #E1]")
    plan: Any = found.plan
    assert [subtask["inputs"]["input"] for subtask in plan["subtasks"]] == ["foo [2024] bar", "given #E1"]
    assert [subtask["objective"] for subtask in plan["subtasks"]] == ["Find.", "Say."]


@pytest.mark.parametrize(
    "text",
    ["#E1 = search[foo]\n#E2 = math[given #E", '1. search(query="x")\n2. math(problem="$1'],
)
def test_half_a_call_at_the_end_is_left_out(text: str):
    """With a note; the calls before it stay."""
    found = read(text)
    assert who(found) == ["search"]
    assert any("cut off" in note for note in found.notes)


def test_code_refers_by_variables():
    """`r` in a later call is the result of the call that was assigned to it."""
    found = read('```python\nr = search(query="x")\nimage = text(r)\nsum = math(problem=r)\nprint(sum)\n```')
    plan: Any = found.plan
    assert who(found) == ["search", "math"]
    assert plan["subtasks"][1]["inputs"] == {"problem": {"$from": "r"}}


def test_calls_may_be_of_tools_with_dashes_and_span_lines():
    """`Text-to-Image(` is a call, and its arguments may be broken over lines."""
    found = read('1. Text-to-Image(\n  prompt="a cat",\n  size=3)\n2. math(x=$1)')
    plan: Any = found.plan
    assert plan["subtasks"][0]["inputs"] == {"prompt": "a cat", "size": 3}
    assert plan["subtasks"][1]["inputs"] == {"x": {"$from": "1"}}


def test_what_a_streaming_planner_prints_is_a_plan():
    """LLMCompiler's tasks, one block each; the join is no work."""
    text = (
        "description='search(query=\"the query\") - a search engine.' max_results=1 {'query': 'x'}\n---\n"
        "name='math' func=<function calculate at 0x10> {'problem': 'y ** 3', 'context': ['$1']}\n---\njoin ()\n---"
    )
    found = read(text)
    plan: Any = found.plan
    assert who(found) == ["search", "math"]
    assert plan["subtasks"][1]["inputs"] == {"problem": "y ** 3", "context": [{"$from": "1"}]}


def test_a_chart_keeps_its_lonely_nodes():
    """A node without an edge is a subtask all the same."""
    found = read("```mermaid\nflowchart LR\n  A[search] -->|then| B[math]\n  C[Write Report]\n  style A fill:#fff\n```")
    assert who(found) == ["search", "math", "Write Report"]
    assert edges(found) == {("A", "B")}


@pytest.mark.parametrize(
    "text",
    [
        "I can't help with that. Reasons:\n- It is against the rules\n- It is harmful",
        "The answer is 42. Here's why: {x} is [1].",
        "def f(x) -> int:\n    return 3",
        '{"notes": ["looks good to me", "all fine"]}',
        '{"answer": "Paris", "confidence": 0.9}',
    ],
)
def test_prose_is_no_plan(text: str):
    """Lists, brackets and arrows stand in answers that plan nothing."""
    assert read_plan(text, specialists=STAFF).plan is None
