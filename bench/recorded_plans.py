"""Recorded plans of models, read, mended and validated by rule alone, as `concertino plan --from-text` does it; and gold plans.

python bench/recorded_plans.py

Reads `../shared/data/planning`, seen from the repository's root.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from concertino.contracts.errors import PlanInvalid
from concertino.contracts.limits import Limits
from concertino.contracts.plan import Plan
from concertino.contracts.specialist import SpecialistCard
from concertino.contracts.task import Task
from concertino.nodes.planning.reader import Reading, read_plan
from concertino.nodes.planning.validate import validate
from concertino.service.cli.declared import read_cards
from concertino.service.cli.written import judge

DATA = Path(__file__).parents[1] / ".." / "shared" / "data" / "planning"
TASK = Task(task_id="bench")
CUT = 0.9
"""How much of an answer is there of one that was cut off."""
FORMS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "json": json.dumps,
    "indented": lambda plan: json.dumps(plan, indent=2),
    "repr": repr,
    "fenced": lambda plan: f"Sure! Here is the plan:\n\n```json\n{json.dumps(plan, indent=1)}\n```\nLet me know.",
    "in words": lambda plan: f"Thought: tools are needed. {json.dumps(plan)} That is all.",
    "double-encoded": lambda plan: json.dumps(json.dumps(plan)),
    "introduced": lambda plan: f"Here is the plan:\n{json.dumps(plan)}\n\nLet me know.",
    "hermes": lambda plan: f"<tool_call>\n{json.dumps({'name': 'submit_plan', 'arguments': plan})}\n</tool_call>",
    "responses": lambda plan: json.dumps(
        {"output": [{"type": "function_call", "name": "submit_plan", "arguments": json.dumps(plan), "call_id": "1"}]}
    ),
    "langchain": lambda plan: json.dumps({"content": "", "tool_calls": [{"name": "submit_plan", "args": plan}]}),
    "cut": lambda plan: json.dumps(plan)[: int(len(json.dumps(plan)) * CUT)],
}


class Kept(NamedTuple):
    """What became of one plan."""

    outcome: str
    """`kept`, `lost` where a valid node or edge is gone, `fallback` or `refused`."""
    status: str
    is_whole: bool = True
    """Whether no step was left out as one that no specialist does."""


def measure() -> dict[str, Any]:
    """Return counts, or what is absent."""
    if not DATA.is_dir():
        return {"absent": "../shared/data/planning"}
    rows = list(_rows("recorded_taskbench_plans.jsonl"))
    return {
        "reading": _reading(rows),
        "tutorials_read": sum(
            read_plan(row["raw"]).plan is not None for row in _rows("recorded_tutorial_outputs.jsonl")
        ),
        "gold": _gold(),
        **_mending(rows, _cards),
        "needs_by_specialist": _by_specialist(rows),
        "no_declared_kinds": _mending(rows, _described),
    }


def _mending(rows: list[dict[str, Any]], read: Callable[[str], dict[str, SpecialistCard]]) -> dict[str, Any]:
    """Return what became of the plans, over specialists as `read` has them."""
    start = time.perf_counter()
    kept = [_kept(row, read(row["tools"])) for row in rows]
    seconds = time.perf_counter() - start
    faulty = [(row, one) for row, one in zip(rows, kept, strict=True) if row["issues"]]
    clean = [one for row, one in zip(rows, kept, strict=True) if not row["issues"]]
    return {
        "clean": {"plans": len(clean), **_counted(clean)},
        "faulty": {
            "plans": len(faulty),
            **_counted(one for _, one in faulty),
            "by_kind": {
                kind: dict(Counter(one.outcome for row, one in faulty if kind in row["issues"]))
                for kind in sorted({kind for row, _ in faulty for kind in row["issues"]})
            },
        },
        "ms_a_plan": 1_000 * seconds / len(rows),
    }


def _by_specialist(rows: list[dict[str, Any]]) -> dict[str, int]:
    """Return what becomes of the edges of clean plans whose needs name specialists instead of subtasks."""
    found = Counter[str]()
    for row in rows:
        if row["issues"]:
            continue
        plan, cards = row["plan"], _cards(row["tools"])
        listed = [
            {
                "id": f"t{at}",
                "specialist": name,
                "objective": "o",
                "needs": sorted({link["source"] for link in plan["task_links"] if link["target"] == name}),
            }
            for at, name in enumerate(_tools(plan))
        ]
        verdict = judge(json.dumps({"subtasks": listed}), cards, task=TASK, limits=Limits())
        subtasks: Any = (verdict.plan or {}).get("subtasks", [])
        by_id = {one["id"]: one["specialist"] for one in subtasks}
        edges = {(by_id[need], one["specialist"]) for one in subtasks for need in one["needs"]}
        found["refused" if verdict.plan is None else "kept" if _valid_edges(plan, cards) <= edges else "lost"] += 1
    return dict(found)


def _counted(kept: Iterable[Kept]) -> dict[str, Any]:
    known = list(kept)
    return {
        "outcomes": dict(Counter(one.outcome for one in known)),
        "statuses": dict(Counter(one.status for one in known)),
        "valid_whole": sum(one.outcome == "kept" and one.is_whole for one in known),
        "valid_with_a_step_left_out": sum(one.outcome == "kept" and not one.is_whole for one in known),
        "refused": sum(one.outcome == "refused" for one in known),
    }


def _rows(name: str) -> Iterator[dict[str, Any]]:
    with (DATA / name).open(encoding="utf-8") as file:
        yield from map(json.loads, file)


@cache
def _cards(tools: str) -> dict[str, SpecialistCard]:
    return read_cards(str(DATA / tools))


@cache
def _described(tools: str) -> dict[str, SpecialistCard]:
    """Return the same specialists by name and description alone."""
    return {name: replace(card, input_schema=None, output_schema=None) for name, card in _cards(tools).items()}


def _reading(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Return, by form, readings that raised, plans that were lost, and those not read node by node."""
    found: dict[str, Any] = {}
    for form, write in FORMS.items():
        exceptions = lost = other = 0
        for row in rows:
            text = write(row["plan"])
            wanted = _whole_nodes(text) if form == "cut" else _tools(row["plan"])
            try:
                reading: Reading = read_plan(text, specialists=_cards(row["tools"]))
            except Exception:  # to be counted: there must be none
                exceptions += 1
                continue
            if reading.plan is None:
                lost += bool(wanted)
                continue
            listed: Any = reading.plan["subtasks"]
            other += form != "cut" and [one.get("specialist") for one in listed] != wanted
        found[form] = {"texts": len(rows), "exceptions": exceptions, "lost": lost, "read_otherwise": other}
    return found


def _whole_nodes(text: str) -> list[str]:
    """Return the tools of the nodes that are whole in a text that was cut off."""
    at = text.find('"task_nodes": [')
    names: list[str] = []
    at = at + len('"task_nodes": [') if at >= 0 else len(text)
    while at < len(text) and text[at] in "{, ":
        if text[at] != "{":
            at += 1
            continue
        try:
            node, at = json.JSONDecoder().raw_decode(text, at)
        except ValueError:
            break
        names.append(node.get("task"))
    return names


def _tools(plan: Mapping[str, Any]) -> list[str]:
    return [node["task"] for node in plan["task_nodes"]]


def _kept(row: dict[str, Any], cards: Mapping[str, SpecialistCard]) -> Kept:
    plan = row["plan"]
    verdict = judge(json.dumps(plan), cards, task=TASK, limits=Limits())
    if verdict.plan is None or verdict.status == "fallback":
        return Kept(verdict.status, verdict.status)
    subtasks: Any = verdict.plan["subtasks"]
    got = Counter(one["specialist"] for one in subtasks)
    by_id = {one["id"]: one["specialist"] for one in subtasks}
    edges = {(by_id[need], one["specialist"]) for one in subtasks for need in one["needs"]}
    wanted = Counter(name for name in _tools(plan) if name in cards)
    is_kept = not wanted - got and _valid_edges(plan, cards) <= edges
    is_whole = not any(note.startswith("NOT PLANNED") for note in verdict.notes)
    return Kept("kept" if is_kept else "lost", verdict.status, is_whole)


def _valid_edges(plan: Mapping[str, Any], cards: Mapping[str, SpecialistCard]) -> set[tuple[str, str]]:
    """Return the edges between different known tools of the plan, but for those inside a circle.

    A circle by the names of tools is one only where each tool in it is used once.
    """
    used = Counter(_tools(plan))
    edges = {
        (link["source"], link["target"])
        for link in plan["task_links"]
        if isinstance(link, dict)
        and link.get("source") != link.get("target")
        and {link.get("source"), link.get("target")} <= cards.keys() & used.keys()
    }
    after: dict[str, set[str]] = {}
    for before, then in edges:
        after.setdefault(before, set()).add(then)

    def reach(start: str) -> set[str]:
        seen: set[str] = set()
        left = [start]
        while left:
            for name in after.get(left.pop(), set()) - seen:
                seen.add(name)
                left.append(name)
        return seen

    reached = {name: reach(name) for name in after}
    inside = {
        (before, then)
        for before, then in edges
        if before in reached.get(then, ())
        and all(used[name] == 1 for name in reached[then] if before in reached.get(name, ()))
    }
    return edges - inside


def _gold() -> dict[str, Any]:
    """Return how many gold plans are refused, by the validator alone and by all that a text goes through."""
    plans = alarms = changed = 0
    for row in _rows("gold_dags.jsonl"):
        ids = {node["id"]: f"n{at}" for at, node in enumerate(row["nodes"])}
        cards = {node.get("tool", "worker"): SpecialistCard(node.get("tool", "worker")) for node in row["nodes"]}
        needs = {after: [ids[one] for one, then in row["edges"] if then == after] for after in ids}
        subtasks = [
            {
                "id": ids[node["id"]],
                "specialist": node.get("tool", "worker"),
                "objective": node["task"],
                "needs": needs[node["id"]],
            }
            for node in row["nodes"]
        ]
        plans += 1
        alarms += _is_refused({"subtasks": subtasks}, cards)
        verdict = judge(json.dumps({"subtasks": subtasks}), cards, task=TASK, limits=Limits())
        listed: Any = (verdict.plan or {}).get("subtasks", [])
        same = {one["id"]: sorted(one["needs"]) for one in listed} == {
            one["id"]: sorted(one["needs"]) for one in subtasks
        }
        changed += verdict.status != "valid" or not same
    return {"plans": plans, "false_alarms": alarms, "not_valid_as_text": changed}


def _is_refused(plan: dict[str, Any], cards: Mapping[str, SpecialistCard]) -> bool:
    try:
        made: Plan = validate(plan, task=TASK, cards=cards, origin="caller")
    except PlanInvalid:
        return True
    return not made.subtasks


if __name__ == "__main__":
    print(json.dumps(measure(), indent=2))
