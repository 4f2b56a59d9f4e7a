"""The reader over recorded and gold plans: written in many forms and read back, cut off at random places, and on hostile texts.

python bench/reading.py

Reads `../shared/data/planning`, seen from the repository's root; hostile texts are measured without it.
"""

from __future__ import annotations

import html
import json
import random
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from concertino.nodes.planning import references
from concertino.nodes.planning.reader import Reading, read_plan

DATA = Path(__file__).parents[1] / ".." / "shared" / "data" / "planning"
CUTS = 3
"""Places, drawn at random, at which each recorded plan is cut off."""
CHARS = 250_000
Plan = Mapping[str, Any]


def _curly(text: str) -> str:
    """Return JSON with curly quotes where its own stand."""
    return re.sub(r'"((?:[^"\\]|\\.)*)"', "“\\1”", text)


def _chat(plan: Plan, **more: Any) -> dict[str, Any]:
    call = {"id": "c1", "type": "function", "function": {"name": "submit_plan", "arguments": json.dumps(plan)}}
    return {"role": "assistant", "content": None, "tool_calls": [call], **more}


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
CUT_FORMS = (
    "json",
    "repr",
    "hermes",
    "hermes_text",
    "mistral",
    "bare_call",
    "chat",
    "responses",
    "langchain",
    "anthropic",
    "encoded_twice",
)

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
HOSTILE: dict[str, str] = {
    "misplaced_quotes": '{"a": "x" y", ',
    "open_brackets": '[{"a":',
    "calls_in_calls": "A(",
    "calls": "A(b), ",
    "quotes": '"',
    "backslashes": "\\",
    "fences": "```json\n{}\n```\n",
    "thoughts": "<think>",
    "evidence": "Plan: x\n#E1 = a[b #E1]\n",
    "one_line_of_evidence": "#E1 = a[ ",
    "arrows": "a -> ",
    "lines_of_yaml": "- a\n",
    "brackets_in_yaml": "a: [{",
    "small_lists": "[1] ",
    "broken_objects": '{"a" "b} ',
    "escaped_values": '{\\"a\\": "',
    "curly_keys": "{“a”: ",
    "entities": "{&quot;a&quot;: ",
    "tags": '<step a="b" c=',
    "steps_in_xml": '<step id="a">use it</step>',
    "attributes": ' a="b"',
    "calls_in_envelopes": '{"name": "p", "arguments": ',
    "negated_lines": "- do not use tool 1, not ever\n",
    "introductions": "Here is the plan:\n",
    "strings_in_strings": '{"text": "{\\"text\\": ',
    "marks": "$1 <node-0> {{ ",
}


def measure() -> dict[str, Any]:
    """Return counts of texts by what became of them, and the seconds of the slowest hostile text."""
    found: dict[str, Any] = {"hostile_s": _hostile()}
    if not DATA.is_dir():
        return {**found, "absent": "../shared/data/planning"}
    recorded, gold = list(_rows("recorded_taskbench_plans.jsonl")), list(_rows("gold_dags.jsonl"))
    tutorials = list(_rows("recorded_tutorial_outputs.jsonl"))
    return {
        **found,
        "recorded": {form: dict(Counter(_reread(row, write) for row in recorded)) for form, write in FORMS.items()},
        "cut_off": {name: _cut(recorded, write) for name, write in (("json", json.dumps), ("repr", repr))},
        "cut_off_wire": {name: dict(_cut_wire(recorded, FORMS[name])) for name in CUT_FORMS},
        "gold": {form: dict(_gold(gold, write)) for form, write in GOLD_FORMS.items()},
        "tutorials": {row["id"]: _size(read_plan(row["raw"])) for row in tutorials},
    }


def _rows(name: str) -> Iterator[dict[str, Any]]:
    with (DATA / name).open(encoding="utf-8") as file:
        yield from map(json.loads, file)


def _size(reading: Reading) -> int | None:
    plan: Any = reading.plan
    return None if plan is None else len(plan["subtasks"])


def _tools(reading: Reading) -> list[str | None]:
    plan: Any = reading.plan
    return [row.get("specialist") for row in plan["subtasks"]] if plan is not None else []


def _links(reading: Reading) -> list[tuple[Any, Any]]:
    plan: Any = reading.plan
    return [(link.get("from"), link.get("to")) for link in plan.get("links", ())]


def _said(plan: Plan) -> list[tuple[Any, Any]]:
    pairs = [
        (link["source"], end)
        for link in plan["task_links"]
        for end in ([link["target"]] if "target" in link else link["targets"])
    ]
    return [(_position(before, plan), _position(after, plan)) for before, after in pairs]


def _position(end: str, plan: Plan) -> str:
    """Return a link's end as the reader gives it where it names a node by its position, counted from 1."""
    known = {node["task"] for node in plan["task_nodes"]} | {node["id"] for node in plan["task_nodes"] if "id" in node}
    number = re.fullmatch(r"(?:(?:Step|Task)[ _])?([1-9]\d*)", end)
    return f"s{number[1]}" if number and end not in known and int(number[1]) <= len(plan["task_nodes"]) else end


def _reread(row: Mapping[str, Any], write: Callable[[Plan], Any]) -> str:
    plan = row["plan"]
    reading = read_plan(write(plan))
    if reading.plan is None:
        return "lost" if plan["task_nodes"] else "no plan"
    if _tools(reading) != [node["task"] for node in plan["task_nodes"]]:
        return "other nodes"
    return "same" if _links(reading) == _said(plan) else "other links"


def _cut(recorded: list[dict[str, Any]], write: Callable[[Any], str]) -> dict[str, int]:
    """Count what is read of plans that were cut off: the whole nodes, or one more whose brackets alone are missing."""
    draw, found = random.Random(7), Counter[str]()
    for row in recorded:
        plan, text = row["plan"], write(row["plan"])
        for _ in range(CUTS):
            piece = text[: draw.randrange(1, len(text))]
            wanted, at = [], max(piece.find("task_nodes"), 0)
            for node in plan["task_nodes"]:
                begin = piece.find(write(node), at)
                if begin < 0:
                    break
                wanted.append(node["task"])
                at = begin + len(write(node))
            reading = read_plan(piece)
            got, more = _tools(reading), [node["task"] for node in plan["task_nodes"]][: len(wanted) + 1]
            links = _links(reading) if reading.plan is not None else []
            if not wanted:
                found["no whole node"] += 1
            elif links != _said(plan)[: len(links)]:
                found["other links"] += 1
            else:
                found[
                    "the whole nodes"
                    if got == wanted
                    else "and a last one"
                    if got == more
                    else "lost"
                    if not got
                    else "other"
                ] += 1
    return dict(found)


def _cut_wire(recorded: list[dict[str, Any]], write: Callable[[Plan], Any]) -> Counter[str]:
    """Count what is read of envelopes that were cut off behind their plan's first node, which is to be among it."""
    draw, found = random.Random(7), Counter[str]()
    for row in recorded:
        text, nodes = write(row["plan"]), row["plan"]["task_nodes"]
        begin = text.find("task_links")
        if begin < 0 or not nodes:
            continue
        got = _tools(read_plan(text[: draw.randrange(begin, len(text))]))
        wanted = [node["task"] for node in nodes]
        found["the whole nodes" if got == wanted else "lost" if not got else "other"] += 1
    return found


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


def _gold(gold: list[dict[str, Any]], write: Callable[[Plan], str | None]) -> Counter[str]:
    found = Counter[str]()
    for dag in gold:
        text = write(dag)
        if text is None:
            continue
        plan: Any = read_plan(text).plan
        rows = plan["subtasks"] if plan is not None else []
        found["plans"] += 1
        found["same_nodes"] += len(rows) == len(dag["nodes"])
        names = {row["id"]: node["id"] for row, node in zip(rows, dag["nodes"], strict=False)}
        got = {(names.get(need), names.get(row["id"])) for row in rows for need in row["needs"]}
        got |= {
            (names.get(one.subtask), names.get(row["id"]))
            for row in rows for one in references.find(row["inputs"]) if isinstance(one, references.Reference)
        }  # fmt: skip
        got |= {(names.get(link["from"]), names.get(link["to"])) for link in (plan or {}).get("links", ())}
        wanted = {tuple(edge) for edge in dag["edges"]}
        found["edges"] += len(wanted)
        found["edges_lost"] += len(wanted - got)
        found["edges_invented"] += len(got - wanted)
    return found


def _hostile() -> dict[str, float]:
    found = {}
    for name, piece in HOSTILE.items():
        text = piece * (CHARS // len(piece))
        start = time.perf_counter()
        read_plan(text, specialists=[f"tool {number}" for number in range(60)])
        found[name] = round(time.perf_counter() - start, 3)
    return found


if __name__ == "__main__":
    print(json.dumps(measure(), indent=1))
