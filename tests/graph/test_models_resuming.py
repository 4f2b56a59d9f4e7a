"""Runs that end while their model is planning, killed or left: what another planner over the same journal makes of them."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from concertino import Brief, Budget, Planner, specialist
from tests.graph.providers import Provider, planned
from tests.loopback.openai_server import Hang, Received, Reply

ROOT = Path(__file__).parents[2]
ASKED: dict[str, Any] = {"task_id": "t", "title": "Assess the owls"}
HELD = 2_000
"""Output tokens that a request for a plan asks for."""
KILLED = """
import sys
from langchain_openai import ChatOpenAI
from concertino import Planner, specialist

@specialist("finance")
async def finance(brief):
    return 1

model = ChatOpenAI(model="m", base_url=sys.argv[2], api_key="key", max_tokens=2000)
Planner(specialists=[finance], models={"plan": model}, database=sys.argv[1]).run({"task_id": "t", "title": "Assess the owls"})
"""


@specialist("finance")
async def finance(brief: Brief) -> int:
    return 1


class FirstHangs:
    """Bills the first request and never answers it; a plan to the others."""

    def __init__(self) -> None:
        self.asked = threading.Event()

    def __call__(self, _: Received) -> Reply:
        if self.asked.is_set():
            return planned({"id": "a", "specialist": "finance"}, input_tokens=300, output_tokens=40)
        self.asked.set()
        return Hang(billed=900)


def planner(server: Provider, folder: Path, **options: Any) -> Planner:
    """Return a planner over the folder's journal; its model has no connections but the loop's own."""
    model = server.chat(max_tokens=HELD)
    return Planner(specialists=[finance], models={"plan": model}, database=database(folder), **options)


def database(folder: Path) -> str:
    return f"sqlite:///{folder / 'x.db'}"


def checked(planner: Planner, server: Provider, result: Any) -> None:
    """Check a run that was planned at the second request: what was out when it ended is charged in full."""
    assert (result["status"], result["plan"]["origin"], len(server.requests)) == ("success", "model", 2)
    types = [one.type for one in planner.events("t")]
    assert [types.count(kind) for kind in ("PLAN_DRAFTED", "RUN_PLANNED", "RUN_COMPLETED")] == [1, 1, 1]
    assert {one.run_id for one in planner.events("t")} == {result["run_id"]}
    reserved: Any = next(one.payload["amounts"] for one in planner.events("t") if one.type == "RESERVED")
    assert reserved["tokens"] >= HELD
    assert result["costs"]["nodes"]["plan"]["tokens"] == result["usage"]["tokens"] == reserved["tokens"] + 340
    assert result["usage"]["calls"] == server.billed.calls == 2
    assert result["usage"]["tokens"] >= server.billed.tokens


async def test_a_run_whose_process_is_killed_while_planning_is_planned_by_another(tmp_path: Path) -> None:
    """SIGKILL with a request out: the next process is in at once, asks once more, and forgets no charge."""
    answer = FirstHangs()
    async with Provider(answer) as server:
        command = [sys.executable, "-c", KILLED, database(tmp_path), server.url]
        child = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
        try:
            asked = await asyncio.to_thread(answer.asked.wait, 60)
        finally:
            child.kill()
            _, said = child.communicate()
        assert asked, said
        with planner(server, tmp_path) as other:
            checked(other, server, await other.aresume("t"))


@pytest.mark.parametrize("again", ["resume", "run"])
async def test_a_run_that_is_left_while_planning_goes_on_in_another_planner(tmp_path: Path, again: str) -> None:
    """Resumed, or submitted anew: it is the same run."""
    answer = FirstHangs()
    async with Provider(answer) as server:
        with planner(server, tmp_path) as first:
            await left(first, answer)
        with planner(server, tmp_path) as second:
            result = await (second.aresume("t") if again == "resume" else second.arun(ASKED))
            checked(second, server, result)


async def test_what_planning_used_before_it_was_left_still_counts(tmp_path: Path) -> None:
    """Where the budget of planning paid for that request alone, the run goes on with the fallback plan."""
    answer, bounds = FirstHangs(), {"node_budgets": {"plan": Budget(calls=1)}}
    async with Provider(answer) as server:
        with planner(server, tmp_path, **bounds) as first:
            await left(first, answer)
        with planner(server, tmp_path, **bounds) as second:
            result: Any = await second.aresume("t")
            assert (result["status"], result["plan"]["origin"], len(server.requests)) == ("success", "fallback", 1)
            assert result["costs"]["nodes"]["plan"]["calls"] == 1


async def left(planner: Planner, answer: FirstHangs) -> None:
    """Run the task, and leave it while the request for its plan is out."""
    running = asyncio.ensure_future(planner.arun(ASKED))
    await asyncio.to_thread(answer.asked.wait)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
