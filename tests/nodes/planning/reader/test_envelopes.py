"""Plans in the envelopes of tool calls and messages, as servers, templates and libraries write them down."""

from __future__ import annotations

import json
from typing import Any

import pytest

from concertino.nodes.planning.reader import read_plan

STAFF = ("search", "legal")
ROWS: list[dict[str, Any]] = [
    {"id": "a", "specialist": "search", "objective": "Find it", "needs": []},
    {"id": "b", "specialist": "legal", "objective": "Judge it", "needs": ["a"]},
]
PLAN = {"subtasks": ROWS}
TEXT = json.dumps(PLAN)
CALL = {"id": "c", "type": "function", "function": {"name": "submit_plan", "arguments": TEXT}}
TALK = [{"role": "user", "content": "Plan it"}, {"role": "assistant", "content": f"Here:\n```json\n{TEXT}\n```"}]

FORMS: dict[str, Any] = {
    "a line before": f"Here is the plan:\n{TEXT}",
    "a line before indented": f"Answer:\n\n{json.dumps(PLAN, indent=2)}",
    "a line before a repr": f"Output:\n{PLAN!r}",
    "lines around": f"Plan:\n{TEXT}\n\nRationale: it is short.",
    "a value before": f'T: {{"x": 1}}\n{TEXT}',
    "a heading before yaml": "Sure! Here:\n\nsubtasks:\n- {id: a, specialist: search, objective: Find it}\n"
    "- {id: b, specialist: legal, objective: Judge it, needs: [a]}\n",
    "hermes": f"<tool_call>\n{json.dumps({'name': 'submit_plan', 'arguments': PLAN})}\n</tool_call>",
    "hermes with a text": f"<tool_call>{json.dumps({'name': 'plan', 'arguments': TEXT})}</tool_call>",
    "mistral": f"[TOOL_CALLS][{json.dumps({'name': 'submit_plan', 'arguments': PLAN})}]",
    "llama": f"<|python_tag|>{json.dumps({'name': 'submit_plan', 'parameters': PLAN})}",
    "react": f"Action:\n{json.dumps({'action': 'submit_plan', 'action_input': PLAN})}",
    "python": f"submit_plan(subtasks={ROWS!r}, note='x')",
    "a bare call": json.dumps({"name": "submit_plan", "arguments": TEXT}),
    "a bare tool use": json.dumps({"type": "tool_use", "name": "submit_plan", "input": PLAN}),
    "chat": json.dumps({"choices": [{"message": {"role": "assistant", "content": None, "tool_calls": [CALL]}}]}),
    "chat as a mapping": {"choices": [{"message": {"role": "assistant", "content": None, "tool_calls": [CALL]}}]},
    "chat with a fence": json.dumps({"choices": [{"message": TALK[1]}]}),
    "calls alone": json.dumps({"tool_calls": [CALL]}),
    "additional arguments": json.dumps({"content": "", "additional_kwargs": {"tool_calls": [CALL]}}),
    "langchain": json.dumps({"content": "", "tool_calls": [{"name": "p", "args": PLAN, "id": "1"}]}),
    "langchain printed": f"content='' tool_calls={[{'name': 'p', 'args': PLAN, 'type': 'tool_call'}]!r}",
    "langchain serialised": json.dumps({"lc": 1, "type": "constructor", "kwargs": {"content": TEXT, "type": "ai"}}),
    "an old function call": json.dumps({"role": "assistant", "function_call": {"name": "p", "arguments": TEXT}}),
    "responses": json.dumps({"output": [{"type": "reasoning"}, {"type": "function_call", "name": "p", "arguments": TEXT}]}),
    "responses with text": json.dumps(
        {"output": [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": f"Here:\n{TEXT}"}]}]}
    ),
    "anthropic": json.dumps({"role": "assistant", "content": [{"type": "tool_use", "name": "p", "input": PLAN}]}),
    "bedrock": json.dumps({"output": {"message": {"role": "assistant", "content": [{"toolUse": {"name": "p", "input": PLAN}}]}}}),
    "gemini": json.dumps({"candidates": [{"content": {"parts": [{"functionCall": {"name": "p", "args": PLAN}}]}}]}),
    "ollama": json.dumps({"model": "m", "response": f"Here is the plan:\n{TEXT}", "done": True}),
    "a conversation": json.dumps(TALK),
    "curly quotes": TEXT.replace('"', "“"),
    "entities": f"<pre>{TEXT.replace(chr(34), '&quot;')}</pre>",
    "xml": "<plan><step id='a' specialist='search'>Find it</step>"
    "<step id='b' specialist='legal' needs='a'><objective>Judge it</objective></step></plan>",
}  # fmt: skip


@pytest.mark.parametrize("known", [STAFF, ()], ids=["known", "unknown"])
@pytest.mark.parametrize("form", FORMS)
def test_every_envelope_gives_the_plan(form: str, known: tuple[str, ...]) -> None:
    """Whether or not it is known who there is."""
    plan: Any = read_plan(FORMS[form], specialists=known).plan
    assert plan is not None
    assert [(row["id"], row["specialist"], row["objective"], row["needs"]) for row in plan["subtasks"]] == [
        ("a", "search", "Find it", []),
        ("b", "legal", "Judge it", ["a"]),
    ]


@pytest.mark.parametrize("form", [name for name, given in FORMS.items() if isinstance(given, str) and '"' in given])
def test_an_envelope_that_was_cut_off_gives_the_whole_subtasks(form: str) -> None:
    """In the middle of the second one."""
    given = FORMS[form]
    plan: Any = read_plan(given[: given.index("Judge")], specialists=STAFF).plan
    assert plan is not None
    assert plan["subtasks"][0]["specialist"] == "search"
    assert len(plan["subtasks"]) < 3


def test_a_call_to_somebody_is_work_whatever_its_arguments_hold() -> None:
    """Only what nobody is called wraps."""
    plan: Any = read_plan(json.dumps({"name": "legal", "arguments": {"tasks": ROWS}}), specialists=STAFF).plan
    assert [row["specialist"] for row in plan["subtasks"]] == ["legal"]


def test_calls_that_are_the_plan_are_no_wrappers() -> None:
    """Their arguments hold rows, but no plan."""
    calls = [
        {"name": "order", "arguments": {"items": [{"name": "tea", "quantity": 2}]}},
        {"name": "search", "arguments": {"query": "x"}},
    ]
    plan: Any = read_plan({"tool_calls": calls}, specialists=STAFF).plan
    assert [row["specialist"] for row in plan["subtasks"]] == ["order", "search"]


def test_lines_that_say_what_not_to_do_plan_nothing() -> None:
    """Nor does a name that is not to be used say who does a step."""
    found = read_plan("1. Do **not** use search.\n2. Read it, never use search: legal", specialists=STAFF)
    plan: Any = found.plan
    assert [row.get("specialist") for row in plan["subtasks"]] == ["legal"]
    assert any("what is not to be done" in note for note in found.notes)


def test_one_plan_with_a_missing_comma_is_one() -> None:
    """Its mended whole and its parts are not two."""
    found = read_plan(TEXT.replace("}, {", "} {"), specialists=STAFF)
    assert not any("holds 2 plans" in note for note in found.notes)
