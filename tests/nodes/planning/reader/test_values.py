"""Plans as values and messages: their shapes, their wrappers, and what is foreign in them."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from pydantic import BaseModel

from concertino.nodes.planning.reader import Reading, read_plan

STAFF = ("search", "math", "legal")
TWO: list[dict[str, Any]] = [{"id": "a", "specialist": "search"}, {"id": "b", "specialist": "math", "needs": ["a"]}]


def rows(found: Reading) -> list[dict[str, Any]]:
    plan: Any = found.plan
    return [] if plan is None else list(plan["subtasks"])


class Pydantic(BaseModel):
    subtasks: list[dict[str, Any]]


@dataclass
class Data:
    subtasks: list[dict[str, Any]] = field(default_factory=lambda: TWO)


@pytest.mark.parametrize(
    "given",
    [
        AIMessage("", tool_calls=[{"name": "submit_plan", "args": {"subtasks": TWO}, "id": "1"}]),
        AIMessage("", tool_calls=[{"name": "add", "args": one, "id": str(at)} for at, one in enumerate(TWO)]),
        AIMessage("", additional_kwargs={"function_call": {"name": "p", "arguments": json.dumps({"tasks": TWO})}}),
        AIMessage(json.dumps(TWO), tool_calls=[{"name": "think", "args": {"text": "hm"}, "id": "1"}]),
        AIMessage([{"type": "tool_use", "id": "t", "name": "plan", "input": {"subtasks": TWO}}]),
        [HumanMessage("plan it"), AIMessage(json.dumps({"subtasks": TWO}))],
        Pydantic(subtasks=TWO),
        Data(),
        {"choices": [{"message": {"role": "assistant", "content": json.dumps(TWO)}}]},
        json.dumps({"choices": [{"message": {"role": "assistant", "content": json.dumps(TWO)}}]}),
        f"AIMessage(content='', additional_kwargs={{'tool_calls': [{{'function': {{'name': 'p', 'arguments': {json.dumps({'plan': TWO})!r}}}}}]}})",
        "\n".join(json.dumps(one) for one in TWO),
        "\n".join(f"then\n```json\n{json.dumps(one)}\n```" for one in TWO),
        "\n".join(f"<tool_call>{json.dumps({'name': 'add', **one})}</tool_call>" for one in TWO),
    ],
)  # fmt: skip
def test_messages_and_structured_answers_hold_plans(given: object):
    """Tool calls, content blocks, conversations, models and dataclasses, printed or not."""
    found = rows(read_plan(given, specialists=STAFF))
    assert [(row["id"], row["specialist"], row["needs"]) for row in found] == [
        ("a", "search", []),
        ("b", "math", ["a"]),
    ]


def test_calls_of_specialists_are_subtasks():
    """One subtask a call, side by side."""
    calls = [{"name": "search", "args": {"q": 1}, "id": "x"}, {"name": "legal", "args": {}, "id": "y"}]
    found = rows(read_plan(SimpleNamespace(content="", tool_calls=calls), specialists=STAFF))
    assert [(row["specialist"], row["inputs"], row["needs"]) for row in found] == [
        ("search", {"q": 1}, []),
        ("legal", {}, []),
    ]


def test_stages_run_one_after_another():
    """Subtasks under phases carry their stage."""
    given = {
        "phases": [{"name": "first", "tasks": [TWO[0]]}, {"name": "Phase 2", "tasks": [{"id": "b", "agent": "math"}]}]
    }
    assert [row["stage"] for row in rows(read_plan(given, specialists=STAFF))] == ["first", "stage-2"]


@pytest.mark.parametrize("given", [{"search": [], "math": ["search"]}, {"graph": {"search": ["math"], "math": []}}])
def test_adjacency_is_read_in_its_direction(given: Any):
    """Bare names list what they need; a graph lists what comes after."""
    plan: Any = read_plan(given, specialists=STAFF).plan
    assert plan["links"] == [{"from": "search", "to": "math"}]


def test_a_link_to_several_is_several_links():
    """Ends may be lists."""
    nodes = [{"id": name, "tool": "search"} for name in "abc"]
    plan: Any = read_plan({"nodes": nodes, "links": [{"source": "a", "targets": ["b", "c"]}]}).plan
    assert plan["links"] == [{"from": "a", "to": "b"}, {"from": "a", "to": "c"}]


def test_evidence_rows_are_rewoo():
    """Its parsed steps are rows of four: what for, variable, tool, input."""
    found = rows(read_plan("{'steps': [('Look', '#E1', 'search', 'x'), ('Add', '#E2', 'math', 'what is #E1')]}"))
    assert [(row["id"], row["specialist"], row["needs"]) for row in found] == [
        ("E1", "search", []),
        ("E2", "math", ["E1"]),
    ]


def test_counting_from_0_is_noticed():
    """Needs and links by position, where no ids are said."""
    given = {"tasks": [{"tool": "search"}, {"tool": "math", "depends_on": [0]}]}
    found = read_plan(given, specialists=STAFF)
    assert [row["needs"] for row in rows(found)] == [[], ["s1"]]
    assert any("from 0" in note for note in found.notes)


def test_a_plan_of_ours_stays_as_it_is():
    """Every field that a ready plan may have, references and literals included."""
    plan: dict[str, Any] = {
        "subtasks": [
            {
                "id": "a", "name": "first", "specialist": "search", "objective": "o", "inputs": {"q": {"$literal": "${q}"}},
                "estimate_s": 2.5, "required": False, "gate": {"question": "ok?"}, "budget": {"tokens": 5}, "sla_s": 3,
                "covers": ["c1"], "stage": "s", "continue_when": "true", "on_failure": {"specialist": "legal"},
                "max_attempts": 2, "tier": "simple", "needs": [],
            },
            {
                "id": "b", "capability": "adding", "objective": "p", "inputs": {"w": {"$from": "a", "path": "c"}},
                "needs": ["a"], "gate": True,
            },
        ],
        "gate": True, "answer": ["b"], "stop_when": {"s": "true"}, "budget": {"tokens": 9},
    }  # fmt: skip
    found = read_plan(plan, specialists=STAFF)
    assert found.plan == plan
    assert found.notes == ()


def test_what_has_no_place_in_a_plan_leaves_a_note():
    """Also fields of ours with something else in them."""
    found = read_plan({"subtasks": [{"id": "a", "specialist": "search", "mood": "good", "budget": "low"}]})
    assert rows(found)[0].keys() == {"id", "specialist", "objective", "inputs", "needs"}
    assert found.notes == ("fields that a plan has no place for were not read: mood, budget",)


def test_ids_that_may_not_be_are_changed_everywhere():
    """In needs, references and the answer alike, with a note."""
    given = {
        "subtasks": [
            {"id": "Task 1", "specialist": "search"},
            {
                "id": "Task 2",
                "specialist": "math",
                "needs": ["Task 1"],
                "inputs": {"x": "${Task 1}", "y": {"$from": "Task 1"}},
            },
        ],
        "answer": ["Task 2"],
    }
    found = read_plan(given, specialists=STAFF)
    plan: Any = found.plan
    assert plan["subtasks"][1]["needs"] == ["Task_1"]
    assert plan["subtasks"][1]["inputs"] == {"x": {"$from": "Task_1"}, "y": {"$from": "Task_1"}}
    assert plan["answer"] == ["Task_2"]
    assert any("Task 1 is now Task_1" in note for note in found.notes)


def test_ids_given_twice_stay_for_mending():
    """By their positions they can be told apart."""
    assert [row["id"] for row in rows(read_plan([{"id": "a", "tool": "search"}, {"id": "a", "tool": "math"}]))] == [
        "a",
        "a",
    ]


def test_the_final_plan_counts_and_an_example_does_not():
    """The last of those that are at least half as large as the largest."""
    small, final, draft = ([{"id": f"s{at}", "tool": "search"} for at in range(size)] for size in (1, 3, 4))
    text = "\n".join(f"```json\n{json.dumps({'subtasks': one})}\n```" for one in (draft, final, small))
    assert len(rows(read_plan(text))) == 3


def test_numbers_that_json_has_no_form_for_cost_no_plan():
    """Integers over 64 bits become text; Infinity is null, and told."""
    found = read_plan(
        '{"subtasks": [{"id": "a", "tool": "search", "args": {"x": 1e999, "n": 123456789012345678901234567890}}]}'
    )
    assert rows(found)[0]["inputs"] == {"x": None, "n": "123456789012345678901234567890"}
    assert found.is_changed
    assert any("NaN and Infinity" in note for note in found.notes)


class Hostile:
    """Raises whatever is asked of it."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)

    def __str__(self) -> str:
        raise RuntimeError


def test_foreign_and_endless_values_are_no_danger():
    """Objects that raise, mappings that hold themselves, lists that share themselves over and over."""
    circle: dict[str, Any] = {}
    circle["plan"] = circle
    many: list[Any] = []
    for _ in range(60):
        many = [many, many]
    for given in (
        Hostile(),
        circle,
        many,
        {"subtasks": [Hostile()]},
        {"subtasks": many},
        [circle],
        object(),
        5,
        b"\xff",
    ):
        assert read_plan(given).plan is None


@pytest.mark.parametrize(
    "text",
    [
        '{"subtasks": [{"id": "a", "specialist": "search"}, {"id": "b", "specialist": "math", "needs": ["a"]]}',
        '{"subtasks": [{"id": "a", "specialist": "search"}, {"id": "b", "specialist": "math", "needs": ["a"}]}',
        '{"subtasks": [{"id": "a", "specialist": "search"}, {"id": "b", "specialist": "math", "needs": ["a"]}}',
        '{"subtasks": [{"id": "a", "specialist": "search", "inputs": {"q": 1}, {"id": "b", "specialist": "math", "needs": ["a"]}]}',
        'So: {"subtasks": [{"id": "a", "specialist": "search"}, {"id": "b", "specialist": "math", "needs": ["a"]]} (done [1])',
    ],
)
def test_a_closing_bracket_that_is_missing_inside_loses_nothing(text: str) -> None:
    """It is put in where the next mark shows that it is missing, with a note."""
    found = read_plan(text, specialists=STAFF)
    assert [(row["id"], row["specialist"], row["needs"]) for row in rows(found)] == [
        ("a", "search", []),
        ("b", "math", ["a"]),
    ]
    assert any("mended" in note for note in found.notes)
