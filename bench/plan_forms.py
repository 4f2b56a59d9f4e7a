"""The forms in which the reader's bench writes a plan down: as models, servers and templates do."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

import yaml

Plan = Mapping[str, Any]


def _curly(text: str) -> str:
    """Return JSON with curly quotes where its own stand."""
    return re.sub(r'"((?:[^"\\]|\\.)*)"', "“\\1”", text)


def _chat(plan: Plan) -> dict[str, Any]:
    call = {"id": "c1", "type": "function", "function": {"name": "submit_plan", "arguments": json.dumps(plan)}}
    return {"role": "assistant", "content": None, "tool_calls": [call]}


WIRE: dict[str, Callable[[Plan], Any]] = {
    "hermes": lambda plan: f"<tool_call>\n{json.dumps({'name': 'submit_plan', 'arguments': plan})}\n</tool_call>",
    "hermes_text": lambda plan: f"<tool_call>{json.dumps({'name': 'plan', 'arguments': json.dumps(plan)})}</tool_call>",
    "mistral": lambda plan: f"[TOOL_CALLS]{json.dumps([{'name': 'submit_plan', 'arguments': plan}])}",
    "mistral_args": lambda plan: f"[TOOL_CALLS]submit_plan[ARGS]{json.dumps(plan)}",
    "llama": lambda plan: f"<|python_tag|>{json.dumps({'name': 'submit_plan', 'parameters': plan})}",
    "llama_function": lambda plan: f"<function=submit_plan>{json.dumps(plan)}</function>",
    "react": lambda plan: f"Thought: done\nAction:\n{json.dumps({'action': 'submit_plan', 'action_input': plan})}",
    "python_call": lambda plan: f"submit_plan({', '.join(f'{name}={value!r}' for name, value in plan.items())})",
    "bare_call": lambda plan: json.dumps({"name": "submit_plan", "arguments": json.dumps(plan)}),
    "chat": lambda plan: json.dumps({"choices": [{"message": _chat(plan)}]}),
    "chat_text": lambda plan: json.dumps(
        {"choices": [{"message": {"role": "assistant", "content": f"Here:\n```json\n{json.dumps(plan)}\n```"}}]}
    ),
    "chat_mapping": lambda plan: {"choices": [{"message": _chat(plan)}]},
    "calls_alone": lambda plan: json.dumps({"tool_calls": _chat(plan)["tool_calls"]}),
    "in_additional_kwargs": lambda plan: json.dumps(
        {"content": "", "additional_kwargs": {"tool_calls": _chat(plan)["tool_calls"]}}
    ),
    "langchain": lambda plan: json.dumps(
        {"content": "", "tool_calls": [{"name": "submit_plan", "args": plan, "id": "1", "type": "tool_call"}]}
    ),
    "langchain_printed": lambda plan: f"content='' tool_calls={[{'name': 'Plan', 'args': plan, 'id': 'c', 'type': 'tool_call'}]!r}",
    "old_function_call": lambda plan: json.dumps(
        {"role": "assistant", "function_call": {"name": "plan", "arguments": json.dumps(plan)}}
    ),
    "responses": lambda plan: json.dumps(
        {"output": [{"type": "function_call", "name": "submit_plan", "arguments": json.dumps(plan), "call_id": "1"}]}
    ),
    "responses_text": lambda plan: json.dumps(
        {"output": [{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": json.dumps(plan)}]}]}
    ),
    "anthropic": lambda plan: json.dumps(
        {"role": "assistant", "content": [{"type": "text", "text": "Sure."}, {"type": "tool_use", "name": "p", "input": plan}]}
    ),
    "tool_use": lambda plan: json.dumps({"type": "tool_use", "name": "submit_plan", "input": plan}),
    "bedrock": lambda plan: json.dumps(
        {"output": {"message": {"role": "assistant", "content": [{"toolUse": {"name": "submit_plan", "input": plan}}]}}}
    ),
    "gemini": lambda plan: json.dumps(
        {"candidates": [{"content": {"role": "model", "parts": [{"functionCall": {"name": "plan", "args": plan}}]}}]}
    ),
    "ollama": lambda plan: json.dumps(
        {"message": {"role": "assistant", "tool_calls": [{"function": {"name": "p", "arguments": plan}}]}, "done": True}
    ),
    "ollama_text": lambda plan: json.dumps({"model": "m", "response": f"Here is the plan:\n{json.dumps(plan)}"}),
}  # fmt: skip
"""A plan as a call's arguments or a message's text, as servers and templates write them down."""

FORMS: dict[str, Callable[[Plan], Any]] = {
    "parsed": lambda plan: plan,
    "json": json.dumps,
    "repr": repr,
    "fenced": lambda plan: f"Sure, here it is:\n\n```json\n{json.dumps(plan, indent=1)}\n```\nLet me know!",
    "fenced_python": lambda plan: f"Here:\n```python\nplan = {plan!r}\n```\n",
    "in_words": lambda plan: f"Here's what I'd do (it's [1] easy): {plan!r} That's it, isn't it {{x}}?",
    "after_thinking": lambda plan: f"<think>{json.dumps({'tasks': [{'tool': 'x'}] * 9})}</think>{json.dumps(plan)}",
    "encoded_twice": lambda plan: json.dumps(json.dumps(plan)),
    "in_a_field": lambda plan: json.dumps({"output": json.dumps(plan)}),
    "last_brackets_missing": lambda plan: json.dumps(plan)[:-2],
    "commas_too_many": lambda plan: re.sub(r"([}\]])(?=\s*[}\]])", r"\1,", json.dumps(plan)),
    "commas_missing": lambda plan: json.dumps(plan, indent=1).replace("},\n", "}\n"),
    "keys_unquoted": lambda plan: re.sub(r'"(\w+)": ', r"\1: ", json.dumps(plan)),
    "yaml": lambda plan: yaml.safe_dump(dict(plan), sort_keys=False, allow_unicode=True),
    "introduced": lambda plan: f"Here is the plan:\n{json.dumps(plan)}",
    "introduced_indented": lambda plan: f"Answer:\n{json.dumps(plan, indent=2)}",
    "introduced_repr": lambda plan: f"Output:\n{plan!r}",
    "introduced_and_ended": lambda plan: f"Here is the plan:\n{json.dumps(plan)}\n\nLet me know if it helps.",
    "after_another_value": lambda plan: (
        f'Analysis: {{"complexity": "low"}}\nPlan:\n{json.dumps(plan)}\n\nRationale: x.'
    ),
    "yaml_introduced": lambda plan: f"Sure! Here it is:\n\n{yaml.safe_dump(dict(plan), sort_keys=False)}",
    "curly_quotes": lambda plan: _curly(json.dumps(plan)),
    "entities": lambda plan: f"<pre>{html.escape(json.dumps(plan))}</pre>",
    **WIRE,
}
"""A plan as recorded: with `task_nodes` and `task_links`."""


def _needs(dag: Plan) -> dict[str, list[str]]:
    return {node["id"]: [before for before, after in dag["edges"] if after == node["id"]] for node in dag["nodes"]}


def _listed(dag: Plan, key: str) -> list[dict[str, Any]]:
    needs = _needs(dag)
    return [{"id": node["id"], "objective": node["task"], key: needs[node["id"]]} for node in dag["nodes"]]


def _numbers(dag: Plan) -> dict[str, int]:
    return {node["id"]: number for number, node in enumerate(dag["nodes"], 1)}


def _steps(dag: Plan) -> str:
    at, needs = _numbers(dag), _needs(dag)
    after = {name: ", ".join(str(at[need]) for need in found) or "none" for name, found in needs.items()}
    return "\n".join(f"{at[node['id']]}. {node['task']} (depends on: {after[node['id']]})" for node in dag["nodes"])


def _evidence(dag: Plan) -> str:
    at, needs = _numbers(dag), _needs(dag)
    return "\n".join(
        f"Plan: {node['task']}\n#E{at[node['id']]} = LLM[{' '.join(f'#E{at[need]}' for need in needs[node['id']]) or 'it'}]"
        for node in dag["nodes"]
    )


def _calls(dag: Plan) -> str:
    at, needs = _numbers(dag), _needs(dag)
    rows = [
        f"{at[node['id']]}. run(task={node['task']!r}, context={['$' + str(at[need]) for need in needs[node['id']]]!r})"
        for node in dag["nodes"]
    ]
    return "\n".join([*rows, f"{len(rows) + 1}. join()<END_OF_PLAN>"])


def _chart(dag: Plan) -> str:
    names = [f'  {node["id"]}["{node["task"]}"]' for node in dag["nodes"]]
    return "\n".join(["```mermaid", "graph TD", *names, *(f"  {a} --> {b}" for a, b in dag["edges"]), "```"])


GOLD_FORMS: dict[str, Callable[[Plan], str | None]] = {
    "needs": lambda dag: json.dumps({"tasks": _listed(dag, "depends_on")}),
    "nodes_and_edges": lambda dag: json.dumps({"nodes": dag["nodes"], "edges": dag["edges"]}),
    "repr": lambda dag: repr(_listed(dag, "needs")),
    "yaml": lambda dag: yaml.safe_dump({"subtasks": _listed(dag, "needs")}, sort_keys=False),
    "steps": _steps,
    "rewoo": _evidence,
    "llm_compiler": _calls,
    "mermaid": lambda dag: _chart(dag) if dag["edges"] else None,
    "as_it_was": lambda dag: dag.get("gold_text"),
}
"""A gold plan, with `nodes` and `edges`; `None` where it cannot be written so."""
