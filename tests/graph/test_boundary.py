"""A planner at another boundary: what is replaced, what stays, and that two such runs are the same to the byte."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from concertino import Brief, Finding, specialist
from concertino.contracts.scope import SCOPE
from concertino.evals.virtual import run_virtually
from concertino.graph.boundary import Boundary
from concertino.journal import MemoryJournal
from concertino.nodes.specialists.brief import AsyncBrief
from concertino.tools.models.sources import ModelSource
from concertino.tools.registry import Tool, tool
from tests.graph.plans import planner, subtask, task
from tests.graph.played import Echo, Ids, played, virtual_clock

BUDGET = {"tokens": 100_000, "calls": 1_000}


@tool("double")
async def double(number: int) -> int:
    return 2 * number


@specialist("thinks", capabilities=["a", "b", "c", "d", "e"], tools=[double])
async def thinks(brief: AsyncBrief) -> Finding:
    """Wait, call, publish and stumble."""
    await asyncio.sleep(0.25 * len(brief.objective))
    if brief.attempt == 1 and brief.objective.endswith("!"):
        raise RuntimeError(f"stumbled over {sorted({'x', 'y', 'z'})}")
    said = await brief.model.ainvoke(brief.objective)
    brief_number = await brief.tools.double(number=len(said.text))
    await brief.publish("thought", {"of": brief.objective})
    return Finding(output={"said": said.text, "n": brief_number, "others": len(brief.discoveries)}, confidence=0.7)


@specialist("counts", capabilities=["f", "g", "a"])
def counts(brief: Brief) -> Finding:
    """Work in a thread."""
    return Finding(output=sum(len(str(found.output)) for found in brief.upstream.values()), confidence=0.9)


def _many() -> dict[str, Any]:
    """Return a task with a wide plan."""
    rows = [subtask(f"t{at}", "thinks", objective=f"{'o' * at}{'!' if at % 3 == 0 else ''}") for at in range(1, 9)]
    sums = subtask("sum", "counts", *(row["id"] for row in rows), objective="sum")
    return task("many", *rows, sums, subtask("by skill", "counts", "sum", objective="again"))


def _digest() -> str:
    """Return what a run of it comes to."""
    made = planner(thinks, counts, model=Echo(), budget=BUDGET)
    rows = _many()
    rows["task"]["plan"]["subtasks"][-1] = {"id": "last", "capability": "a", "needs": ["sum"], "objective": "again"}
    found = played(made, rows)
    return hashlib.sha256(json.dumps(found, sort_keys=False).encode()).hexdigest()


def test_two_runs_are_the_same_to_the_byte() -> None:
    """Result and events, in one process."""
    assert _digest() == _digest()


@pytest.mark.parametrize("seed", ["0", "1", "4242"])
def test_no_hash_seed_changes_a_run(seed: str) -> None:
    """Nor another process: every order follows from the program."""
    root = Path(__file__).parents[2]
    made = subprocess.run(
        [sys.executable, "-c", "from tests.graph.test_boundary import _digest; print(_digest())"],
        env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(root)}, cwd=root, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert made.stdout.strip() == _digest()


def test_everybody_is_told_for_whom_a_call_is() -> None:
    """Models and tools are called within the scope of an attempt, of planning or of the synthesis."""
    seen: list[str] = []

    class Watched(Echo):
        async def _agenerate(self, messages: Any, *args: Any, **kwargs: Any) -> Any:
            seen.append(f"model {SCOPE.get()}")
            return await super()._agenerate(messages)

    def watched(given: Tool) -> Tool:
        async def call(**arguments: Any) -> Any:
            seen.append(f"tool {SCOPE.get()}")
            return await given.afn(**arguments)  # type: ignore[misc]

        return dataclasses.replace(given, afn=call)

    def source(given: ModelSource) -> ModelSource:
        return ModelSource(name=given.name, provider="", model=given.model, make=Watched)

    async def main() -> None:
        clock = virtual_clock()
        here = planner(thinks, model=Echo(), budget=BUDGET).at(
            Boundary(clock=clock, journal=MemoryJournal(clock=clock), models=source, tools=watched)
        )
        await here.conduct(task("t", subtask("a", "thinks", objective="!")))
        await here.conduct({"task": {"task_id": "open", "title": "what owls eat"}})

    run_virtually(main)
    assert seen[:2] == ["model thinks/a#2", "tool thinks/a#2"]
    assert "model plan#1" in seen


def test_what_is_left_out_stays() -> None:
    """The planner itself keeps its own parts, and breakers and plans are never shared."""
    made = planner(thinks, model=Echo(), budget=BUDGET)
    own, ids = made.conductor.options, Ids()
    here = made.at(Boundary(ids=ids))
    there = here.conductor.options
    assert (there.clock, there.journal, there.models) == (own.clock, own.journal, own.models)
    assert there.ids is ids
    assert own.ids is not ids
    assert there.breakers is not own.breakers
    assert there.plan_cache is not own.plan_cache
    assert there.nested is not own.nested


def test_a_model_named_by_the_context_passes_the_boundary() -> None:
    """Also one that nobody had before the invocation."""
    passed: list[str] = []

    def source(given: ModelSource) -> ModelSource:
        passed.append(given.name)
        return ModelSource(name=given.name, provider="", model=given.model, make=Echo)

    async def main() -> None:
        clock = virtual_clock()
        here = planner(thinks, budget=BUDGET).at(
            Boundary(clock=clock, journal=MemoryJournal(clock=clock), models=source)
        )
        out = await here.conduct(task("t", subtask("a", "thinks", objective="x")), context={"model": "far:away"})
        assert out["result"]["status"] == "success"

    run_virtually(main)
    assert set(passed) == {"far:away"}
