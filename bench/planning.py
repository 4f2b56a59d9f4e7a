"""Validation of 10,000 subtasks against one sort by graphlib of the same graph, and planning by rules: of a task made up, of an offer.

python bench/planning.py
"""

from __future__ import annotations

import json
import random
import statistics
import time
from collections.abc import Callable
from graphlib import TopologicalSorter
from typing import Any

from concertino.contracts.json import JsonObject
from concertino.contracts.limits import Limits
from concertino.contracts.plan import Plan
from concertino.contracts.specialist import SpecialistCard
from concertino.contracts.task import Task, read_task
from concertino.nodes.planning.complexity import assess
from concertino.nodes.planning.first_draft import first_draft
from concertino.nodes.planning.validate import validate, validate_draft
from concertino.nodes.planning.workflows import load_workflows
from concertino.packs.offers import pack
from concertino.packs.offers.decomposition import decompose, expects_approval, make_task
from concertino.packs.offers.specialists import build_specialists
from concertino.packs.offers.stages import read_policy

SUBTASKS = 10_000
REPEATS = 7
LIMITS = Limits(subtasks=100_000, depth=10_000, bytes=64_000_000)
STRING: dict[str, Any] = {"type": "string"}


def measure() -> dict[str, float]:
    """Return medians over `REPEATS`, alternating: seconds, and the ratio of validation to one sort."""
    draw = random.Random(7)
    needs = [sorted(draw.sample(range(max(0, at - 100), at), min(at, 2))) for at in range(SUBTASKS)]
    subtasks: list[dict[str, Any]] = [
        {"id": f"n{at}", "specialist": f"s{at % 8}", "objective": f"work {at}", "needs": [f"n{need}" for need in found]}
        for at, found in enumerate(needs)
    ]
    cards = {f"s{number}": SpecialistCard(f"s{number}") for number in range(8)}
    task = Task(task_id="bench")
    graph = {subtask["id"]: subtask["needs"] for subtask in subtasks}
    schema: dict[str, Any] = {"type": "object", "properties": {"x": STRING, "y": STRING}, "required": ["x"]}
    typed_cards = {name: SpecialistCard(name, input_schema=schema, output_schema=schema) for name in cards}
    typed = [
        {**subtask, "inputs": {"x": f"${{{subtask['needs'][0]}.x}}" if subtask["needs"] else "start", "y": "z"}}
        for subtask in subtasks
    ]
    more: dict[str, Any] = {"task": task, "limits": LIMITS}
    works: dict[str, Callable[[], object]] = {
        "graphlib_sort": lambda: list(TopologicalSorter(graph).static_order()),
        "validate_caller": lambda: validate({"subtasks": subtasks}, cards=cards, origin="caller", **more),
        "validate_made": lambda: validate({"subtasks": subtasks}, cards=cards, origin="rule", **more),
        "validate_with_schemas": lambda: validate({"subtasks": typed}, cards=typed_cards, origin="rule", **more),
        "rules_only_plan": _rules_only(),
        "offer_plan": _offer(),
    }
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(REPEATS):
        for name, work in works.items():
            start = time.perf_counter()
            work()
            seconds[name].append(time.perf_counter() - start)
    found = {f"{name}_s": statistics.median(times) for name, times in seconds.items()}
    for name in ("validate_caller", "validate_made", "validate_with_schemas"):
        found[f"{name}_ratio"] = found[f"{name}_s"] / found["graphlib_sort_s"]
    return found


def _rules_only() -> Callable[[], object]:
    """Return one whole planning by rules: 20 workflows with conditions, 12 subtasks made and validated."""
    workflows = load_workflows([_workflow(number) for number in range(20)])
    cards = {name: SpecialistCard(name) for name in ("reader", "writer")}
    task = Task(task_id="bench", title="Read the pages", payload={"kind": 0, "pages": [{"n": n} for n in range(10)]})
    return lambda: validate_draft(first_draft(task, workflows, cards), task=task, cards=cards)


def _offer() -> Callable[[], object]:
    """Return the planning of one offer with all its stages, as a run does it at its door: no model, no token."""
    cards = {one.name: one.card for one in build_specialists(pack.agents, early="panel")}
    workflows = load_workflows([str(pack.root / "workflow.yaml")])
    profile: JsonObject = {
        "role": "Senior Software Engineer", "level": "Senior", "location": "San Francisco, CA", "experience_years": 8,
        "stages": ["screening", "offer", "negotiation"], "second_opinion": True, "counter_offer": {"base_salary": 260_000},
    }  # fmt: skip
    policy = read_policy({})
    given = make_task(
        profile, run_id="bench", slug="offer-orchestrator-mag", version="0", route=decompose(profile, policy),
        approval=expects_approval(profile, policy, variants=True), policy=policy,
    )  # fmt: skip

    def plan() -> Plan:
        task = read_task(given, limits=Limits())
        made = validate_draft(first_draft(task, workflows, cards), task=task, cards=cards)
        assess(task, made, cards)
        return made

    plan()  # what the pack's tables and conditions take the first time is no planning
    return plan


def _workflow(number: int) -> dict[str, Any]:
    return {
        "name": f"w{number}",
        "priority": number,
        "match": {"when": f"has(payload.kind) && payload.kind == {number}"},
        "plan": {
            "subtasks": [
                {"id": "start", "specialist": "reader", "when": "size(payload.pages) > 1"},
                {
                    "id": "page", "specialist": "reader", "for_each": "payload.pages", "needs": ["start"],
                    "objective": "Read page ${item.n} of ${task.title}", "inputs": {"n": "${item.n}"}, "when": "item.n >= 0",
                },
                {"id": "report", "specialist": "writer", "needs": ["page"], "inputs": {"pages": "${page.text}"}},
            ]
        },
    }  # fmt: skip


if __name__ == "__main__":
    print(json.dumps({name: round(value, 6) for name, value in measure().items()}, indent=2))
