"""Cases replayed against a bare LangGraph graph of the same shape: five model calls each, judged and reported."""

from __future__ import annotations

import asyncio
import itertools
import json
import operator
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

from langchain_core.language_models.fake_chat_models import FakeListChatModel
from langgraph.graph import END, START, StateGraph
from langgraph.types import Send
from typing_extensions import TypedDict

from concertino.evals.recording import record_suite
from concertino.evals.reports.report import report
from concertino.evals.running import run_suite
from concertino.evals.suites import Suite, load_suite

CASES, ROUNDS = 300, 5


def rate(work: Callable[[], object], count: int) -> float:
    """Return how many a second there are of `count` things that are done in `work`."""
    began = time.perf_counter()
    work()
    return count / (time.perf_counter() - began)


PLANNER = """
from concertino import Budget, Finding, create_planner, specialist


def worker(number):
    @specialist(f"w{number}")
    async def work(brief):
        said = await brief.model.ainvoke(f"hi {number}")
        return Finding(output={f"w{number}": len(said.text)}, confidence=0.8)

    return work


def create(model=None):
    return create_planner(specialists=[worker(n) for n in range(5)], model=model, budget=Budget(calls=100, tokens=100_000))
"""
STAND_IN = """
from concertino.evals.scripted import Said, ScriptedModel


def model(case):
    return ScriptedModel(script=lambda messages, tools: Said("x" * 40, seconds=0.8))
"""


def _suite(root: Path, count: int) -> Suite:
    folder = root / "five"
    folder.mkdir()
    (folder / "suite.yaml").write_text(
        "name: five\ntarget: planner:create\nmodel: openai:gpt-5-mini\nstand_in: stand_in:model\n"
    )
    (folder / "planner.py").write_text(PLANNER)
    (folder / "stand_in.py").write_text(STAND_IN)
    plan = {"subtasks": [{"id": f"t{n}", "specialist": f"w{n}", "objective": "x"} for n in range(5)]}
    rows = [
        {"id": f"c{n}", "task": {"title": "x", "plan": plan}, "expect": {"status": "success"}} for n in range(count)
    ]
    (folder / "cases.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    record_suite(load_suite("five", root=root))
    return load_suite("five", root=root)


class Findings(TypedDict):
    out: Annotated[list[Any], operator.add]


BEFORE, AFTER = ("intake", "approve", "plan", "dispatch"), ("review", "synthesize", "deliver")
"""Steps of a planner's graph around its specialists."""


def _bare(before: Sequence[str] = BEFORE, after: Sequence[str] = AFTER) -> Any:
    """Return a graph of the same shape: the planner's steps, which do nothing, around five calls of a fake model."""
    model = FakeListChatModel(responses=["x"])

    async def step(_: Findings) -> dict[str, Any]:
        return {}

    async def work(_: Findings) -> dict[str, Any]:
        return {"out": [(await model.ainvoke("hi")).text]}

    graph = StateGraph(Findings)
    for name in (*before, *after):
        graph.add_node(name, step)  # type: ignore[call-overload]  # a coroutine function is a node
    graph.add_node("work", work)  # type: ignore[call-overload]
    for one, other in itertools.pairwise((START, *before)):
        graph.add_edge(one, other)
    graph.add_conditional_edges(before[-1], lambda _: [Send("work", {}) for _ in range(5)], ["work"])
    for one, other in itertools.pairwise(("work", *after, END)):
        graph.add_edge(one, other)
    return graph.compile()


def cases() -> dict[str, Any]:
    """Five model calls a case, judged and reported, against five fake ones in a bare graph of as many steps, and of three."""
    graphs = {"bare": _bare(), "bare_of_three": _bare(("plan",), ("merge",))}

    async def bare(graph: Any, count: int) -> None:
        for _ in range(count):
            await graph.ainvoke({"out": []})

    with tempfile.TemporaryDirectory() as folder:
        suite = _suite(Path(folder), CASES)
        run_suite(suite, cases=[f"c{n}" for n in range(20)])
        rates: dict[str, list[float]] = {**{name: [] for name in graphs}, "ours": [], "reported": []}
        for graph in graphs.values():
            asyncio.run(bare(graph, 20))
        for _ in range(ROUNDS):
            for name, graph in graphs.items():
                rates[name].append(rate(lambda graph=graph: asyncio.run(bare(graph, CASES)), CASES))  # type: ignore[misc]
            rates["ours"].append(rate(lambda: run_suite(suite), CASES))
            rates["reported"].append(rate(lambda: json.dumps(report(suite, run_suite(suite))), CASES))
        assert all(one.error is None for one in run_suite(suite))
    middle = {name: statistics.median(found) for name, found in rates.items()}
    return {
        "cases": CASES, "per_s": middle, "ratio": middle["ours"] / middle["bare"], "at_least": 0.8,
        "ratio_to_three_steps": middle["ours"] / middle["bare_of_three"],
        "bare_runs_in_the_time_of_1000_reported": 1_000 * middle["bare"] / middle["reported"], "at_most": 1_500,
    }  # fmt: skip
