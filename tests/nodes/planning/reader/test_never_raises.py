"""Whatever a model says, the reader answers."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from concertino.contracts.ids import is_id
from concertino.nodes.planning.reader import Reading, read_plan

STAFF = ("legal", "financial", "Write Report")
PIECES = st.sampled_from(
    ["{", "}", "[", "]", '"', "'", ":", ",", "\n", "subtasks", "id", "specialist", "legal", "#E1 = legal[", "1. legal(", "->",
     "```json\n", "```", "Plan(", "steps=", "$1", "<node-0>", "\\", "needs", "- ", "Step 1: ", "\x00", "\ud800"]
)  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | PIECES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["subtasks", "id", "specialist", "needs", "inputs", "plan", "task_links", "source", "name", "gate"]
            )
            | st.text(max_size=4),
            inner,
            max_size=5,
        )
    ),
    max_leaves=30,
)


def is_sound(read: Reading) -> bool:
    subtasks: Any = [] if read.plan is None else read.plan["subtasks"]
    return all(is_id(subtask["id"]) for subtask in subtasks)


@given(st.text())
def test_any_text(text: str):
    """Any text is read or is no plan."""
    assert is_sound(read_plan(text, specialists=STAFF))


@given(st.lists(PIECES, max_size=60).map("".join))
def test_any_pieces_of_plans(text: str):
    """So are the marks of all forms, in any order."""
    assert is_sound(read_plan(text, specialists=STAFF))


@given(JSON)
def test_any_json(value: Any):
    """So is any value, parsed and as text."""
    assert is_sound(read_plan(value, specialists=STAFF))
    assert is_sound(read_plan(json.dumps(value), specialists=STAFF))
    assert is_sound(read_plan(repr(value), specialists=STAFF))


@given(st.integers(min_value=0, max_value=400), st.sampled_from(["{", "[", "(", "'", '"', "\\", "}", "]", "x", ""]))
def test_any_damage_to_a_plan(at: int, mark: str):
    """A plan with a character replaced or its end cut is read as far as it goes."""
    plan = {"subtasks": [{"id": f"s{n}", "specialist": "legal", "needs": [f"s{n - 1}"] if n else []} for n in range(6)]}
    text = json.dumps(plan)
    assert is_sound(read_plan(text[:at] + mark + text[at + 1 :], specialists=STAFF))
    assert is_sound(read_plan(text[:at], specialists=STAFF))


def test_huge_and_deep_answers_are_refused_with_a_note():
    """Neither takes long."""
    for text in ("[" * 100_000, '{"a":' * 50_000, "{" * 300_000):
        assert read_plan(text).plan is None
    assert read_plan("x" * 300_000).notes
