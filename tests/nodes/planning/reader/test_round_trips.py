"""Plans written in many ways and read back: same subtasks, same edges; cut off anywhere, a beginning of the same plan."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from concertino.nodes.planning import references
from concertino.nodes.planning.reader import Reading, read_plan

STAFF = ("legal", "financial", "Write Report")
WORDS = st.text(st.sampled_from("abz ,:'\"{}[]()é\\#$->1\n"), max_size=24)
Rows = list[dict[str, Any]]


@st.composite
def plans(draw: st.DrawFn) -> Rows:
    size = draw(st.integers(1, 7))
    return [
        {
            "id": f"s{at}",
            "specialist": draw(st.sampled_from(STAFF)),
            "objective": draw(WORDS),
            "needs": [f"s{before}" for before in range(at) if draw(st.booleans())],
            "inputs": {"x": draw(WORDS)},
        }
        for at in range(size)
    ]


def calls(rows: Rows) -> str:
    lines = [
        f"{at}. {row['specialist'].replace(' ', '_')}(task={row['objective']!r}, "
        f"context={['$' + str(int(need[1:]) + 1) for need in row['needs']]!r})"
        for at, row in enumerate(rows, 1)
    ]
    return "\n".join([*lines, f"{len(rows) + 1}. join()<END_OF_PLAN>"])


WRITTEN: dict[str, Callable[[Rows], Any]] = {
    "json": lambda rows: json.dumps({"subtasks": rows}),
    "indented": lambda rows: json.dumps({"subtasks": rows}, indent=2, ensure_ascii=False),
    "a list": json.dumps,
    "python": lambda rows: repr({"subtasks": rows}),
    "fenced": lambda rows: f"Here it is:\n```json\n{json.dumps({'subtasks': rows})}\n```\nDone.",
    "encoded twice": lambda rows: json.dumps(json.dumps({"tasks": rows})),
    "in a field": lambda rows: json.dumps({"output": json.dumps({"plan": rows})}),
    "in a sentence": lambda rows: f"It's [1] easy: {json.dumps({'subtasks': rows})} Isn't it?",
    "yaml": lambda rows: yaml.safe_dump({"subtasks": rows}, sort_keys=False),
    "calls of a class": lambda rows: (
        "Plan(subtasks=[" + ", ".join(f"Subtask({', '.join(f'{k}={v!r}' for k, v in row.items())})" for row in rows) + "])"
    ),
    "without its last brackets": lambda rows: json.dumps({"subtasks": rows})[:-2],
    "with commas too many": lambda rows: json.dumps({"subtasks": rows}).removesuffix("}]}") + "},],}",
}  # fmt: skip


def subtasks(read: Reading) -> Rows:
    rows: Any = [] if read.plan is None else read.plan["subtasks"]
    return list(rows)


@pytest.mark.parametrize("form", WRITTEN)
@given(rows=plans())
def test_what_was_written_is_read(form: str, rows: Rows):
    """Nothing is lost, nothing is made up, whatever stands in the texts."""
    got = subtasks(read_plan(WRITTEN[form](rows), specialists=STAFF))
    assert [(row["id"], row["specialist"], set(row["needs"])) for row in got] == [
        (row["id"], row["specialist"], set(row["needs"])) for row in rows
    ]
    assert [row["objective"] for row in got] == [row["objective"].strip() for row in rows]


@given(rows=plans())
def test_edges_of_calls_are_read(rows: Rows):
    """LLMCompiler's `$1` becomes a reference to the first call, wherever it stands."""
    got = subtasks(read_plan(calls(rows), specialists=tuple(name.replace(" ", "_") for name in STAFF)))
    read = {
        (found.subtask, row["id"]) for row in got for found in references.find(row["inputs"]) if isinstance(found, references.Reference)
    }  # fmt: skip
    wanted = {(str(int(need[1:]) + 1), str(at)) for at, row in enumerate(rows, 1) for need in row["needs"]}
    stray = {(need, row["id"]) for row in got for need in row["needs"]}
    assert wanted <= read | stray
    assert len(got) == len(rows)


@pytest.mark.parametrize("write", [json.dumps, repr, lambda given: json.dumps(given, indent=1)])
@given(rows=plans(), share=st.floats(0, 1))
def test_what_was_cut_off_is_a_beginning_of_the_plan(write: Callable[[Any], str], rows: Rows, share: float):
    """Whole subtasks stay as they are; a half one is left out, and with it nothing else."""
    text = write({"subtasks": rows})
    read = read_plan(text[: int(share * len(text))], specialists=STAFF)
    got = [{key: row[key] for key in ("id", "specialist", "needs")} for row in subtasks(read)]
    assert got == [{key: row[key] for key in ("id", "specialist", "needs")} for row in rows[: len(got)]]
    if got and len(got) < len(rows):
        assert any("cut off" in note for note in read.notes)
