"""The reader over recorded and gold plans: written in many forms and read back, cut off at random places, and on hostile texts.

python bench/reading.py

Reads `../shared/data/planning`, seen from the repository's root; hostile texts are measured without it.
"""

from __future__ import annotations

import json
import random
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from plan_forms import FORMS, GOLD_FORMS, Plan

from concertino.nodes.planning import references
from concertino.nodes.planning.reader import Reading, read_plan

DATA = Path(__file__).parents[1] / ".." / "shared" / "data" / "planning"
CUTS = 3
"""Places, drawn at random, at which each recorded plan is cut off."""
CHARS = 250_000
"""The length of a hostile text."""
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
"""Envelopes that are read again when they are cut off."""
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
