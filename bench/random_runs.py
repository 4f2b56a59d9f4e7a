"""Random runs against an outside meter: no limit is ever passed, no reservation leaks, a short budget is used up.

    python bench/random_runs.py [--runs 10000] [--seed 1] [--workers 2]

Plans of 4 to 1,000 subtasks, wide and up to 12 deep; coroutines and threads; spends and tool calls that settle for less
than they reserved; failures, retries, alternatives, gates with parks and resumes, invocations cut off, cancels and
restarts; limits on the run, on the work node, on specialists, on subtasks and on tools, and a floor. A seed makes the same
plan, limits and faults again. Exit 1 when a run breaks a promise.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.random_cases import DEMAND, SETUPS, TOOL_RESERVES, Case, Setup, case_of, depth_of
from concertino import Brief, Budget, Limits, Planner, specialist
from concertino.contracts.errors import BudgetExceeded
from concertino.contracts.event import TERMINAL
from concertino.contracts.finding import Declined
from concertino.tools.registry import Cost, Tool

ENOUGH = 0.95
"""Least share of a budget that is used where the demand is `DEMAND` times as much."""


@dataclass
class Meter:
    """Counts what was granted, outside the planner: by run, and within it by specialist, subtask and tool."""

    spent: Counter[tuple[str, ...]] = field(default_factory=Counter)

    def add(self, brief: Brief, tokens: int, *, who: str, tool: bool = False) -> None:
        """Count a granted spend at every level."""
        for level in ((), ("by", who), ("in", brief.subtask_id)):
            self.spent[(brief.run_id, *level)] += tokens
        if tool:
            self.spent[(brief.run_id, "tool", who, brief.subtask_id)] += tokens


@dataclass
class Outcome:
    """What a run came to."""

    seed: int
    subtasks: int = 0
    depth: int = 0
    status: str = ""
    parks: int = 0
    used: float | None = None
    """Share of the limit less the floor that was used, where the demand was `DEMAND` times as much."""
    wrong: list[str] = field(default_factory=list)


class Place:
    """A planner of one setup and the meter outside it."""

    def __init__(self, setup: Setup) -> None:
        self.meter = Meter()
        self.setup = setup
        self.began = 0
        self.case: Case | None = None
        self.tasks: set[asyncio.Task[Any]] = set()
        self.running: asyncio.Task[Any] | None = None
        self.loop: asyncio.AbstractEventLoop | None = None
        self._lookup: dict[str, Brief] = {}
        budget = None if setup.each is None else Budget(tokens=setup.each)
        tool_budget = None if setup.tool is None else Budget(tokens=setup.tool)
        self.planner = Planner(
            specialists=[
                specialist("red", capabilities={"a"}, budget=budget)(self._coroutine("red")),
                specialist("blue", budget=budget)(self._thread("blue")),
                specialist("green", capabilities={"a"}, budget=budget)(self._coroutine("green")),
            ],
            tools=[
                Tool(
                    name="probe", afn=self._probe, cost=Cost(tokens=TOOL_RESERVES, calls=0), budget=tool_budget,
                    used=lambda used: Cost(tokens=used, calls=0),
                )
            ],
            floor=Budget(tokens=setup.floor) if setup.floor else None,
            node_budgets={"work": Budget(tokens=setup.work)} if setup.work is not None else {},
            limits=Limits(subtasks=1_000),
        )  # fmt: skip

    async def _probe(self, attempt: str, used: int) -> int:
        brief, _, who = attempt.rpartition("|")
        self.meter.add(self._lookup[brief], used, who=who, tool=True)
        return used

    def _coroutine(self, who: str) -> Any:
        async def body(brief: Brief) -> Any:
            self._begin()
            for op in self._ops(brief):
                match op:
                    case ["spend", tokens]:
                        with self._refusal(brief):
                            await brief.spend(tokens=tokens)
                            self.meter.add(brief, tokens, who=who)
                    case ["tool", used]:
                        with self._refusal(brief):
                            await brief.tools.probe(attempt=self._name(brief, who), used=used)
                    case ["pause", seconds]:
                        await asyncio.sleep(seconds)
                    case _:
                        if (out := self._fault(brief, op)) is not None:
                            return out
            return {"id": brief.subtask_id}

        body.__name__ = who
        return body

    def _thread(self, who: str) -> Any:
        def body(brief: Brief) -> Any:
            self._begin()
            for op in self._ops(brief):
                match op:
                    case ["spend", tokens]:
                        with self._refusal(brief):
                            brief.spend(tokens=tokens)
                            self.meter.add(brief, tokens, who=who)
                    case ["tool", used]:
                        with self._refusal(brief):
                            brief.tools.probe(attempt=self._name(brief, who), used=used)
                    case ["pause", seconds]:
                        time.sleep(seconds)
                    case _:
                        if (out := self._fault(brief, op)) is not None:
                            return out
            return {"id": brief.subtask_id}

        body.__name__ = who
        return body

    def _ops(self, brief: Brief) -> list[Any]:
        ops: Any = brief.inputs["ops"]
        return list(ops)

    def _name(self, brief: Brief, who: str) -> str:
        name = f"{brief.run_id}/{brief.subtask_id}"
        self._lookup[name] = brief
        return f"{name}|{who}"

    @contextlib.contextmanager
    def _refusal(self, brief: Brief) -> Iterator[None]:
        try:
            yield
        except BudgetExceeded:
            if not brief.inputs["lenient"]:
                raise

    def _fault(self, brief: Brief, op: Any) -> Declined | None:
        if op[0] == "decline":
            return Declined(reason="not mine")
        if brief.attempt <= op[1]:
            raise RuntimeError(f"attempt {brief.attempt} fails")
        return None

    def _begin(self) -> None:
        """Count the subtasks begun; at the chosen one, cancel the run or cut the invocation off."""
        case, loop = self.case, self.loop
        self.began += 1
        if case is None or loop is None:
            return
        if self.began == case.cancel_at:
            loop.call_soon_threadsafe(self._cancel, case.task["task_id"])
        elif self.began == case.cut_at and self.running is not None:
            loop.call_soon_threadsafe(self.running.cancel)

    def _cancel(self, task_id: str) -> None:
        async def cancel() -> None:
            with contextlib.suppress(RuntimeError):  # it ended first
                await self.planner.acancel(task_id, "at random")

        task = asyncio.get_running_loop().create_task(cancel())
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def carry_out(self, case: Case) -> Outcome:
        """Run a case to its end and judge it."""
        self.case, self.began, self.loop = case, 0, asyncio.get_running_loop()
        self.meter.spent.clear()
        self._lookup.clear()
        planner, task_id = self.planner, case.task["task_id"]
        outcome = Outcome(case.seed, subtasks=len(case.subtasks), depth=depth_of(case.subtasks))
        context = {"tokens": case.limit, "concurrency": case.concurrency}
        out = await self._cut(planner.arun(case.task, context=context), outcome)
        while out is None or out["status"] == "waiting":
            outcome.parks += 1
            for gate in [] if out is None else out["gates"]["open"]:
                answer = "reject" if case.chance.random() < 0.2 and not case.is_hungry else "accept"
                await planner.aanswer(task_id, gate["gate"], answer)
            out = await self._cut(planner.aresume(task_id), outcome)
        await self._judge(case, out, outcome)
        if out["status"] == "cancelled" and case.chance.random() < 0.5:
            again: Any = await planner.arestart(task_id)
            while again["status"] == "waiting":
                for gate in again["gates"]["open"]:
                    await planner.aanswer(task_id, gate["gate"], "accept")
                again = await planner.aresume(task_id)
            await self._judge(case, again, outcome, is_restart=True)
        if self.tasks:
            await asyncio.wait(self.tasks)
        return outcome

    async def _cut(self, work: Any, outcome: Outcome) -> Any:
        self.running = asyncio.ensure_future(work)
        try:
            return await self.running
        except asyncio.CancelledError:
            outcome.parks += 1
            return None

    async def _judge(self, case: Case, out: Any, outcome: Outcome, *, is_restart: bool = False) -> None:
        wrong, run_id, spent, setup = outcome.wrong, out["run_id"], self.meter.spent, self.setup
        outcome.status = out["status"]
        if out["status"] not in TERMINAL:
            wrong.append(f"ended as {out['status']}")
        limits: list[tuple[str, int | None, tuple[str, ...]]] = [("run", case.limit - setup.floor, ())]
        limits.append(("work", setup.work, ()))
        limits += [(who, setup.each, ("by", who)) for who in ("red", "blue", "green")]
        for subtask in case.subtasks:
            limits.append((subtask["id"], subtask.get("budget", {}).get("tokens"), ("in", subtask["id"])))
            limits += [(f"{who}'s tool", setup.tool, ("tool", who, subtask["id"])) for who in ("red", "blue", "green")]
        for name, limit, level in limits:
            if limit is not None and spent[(run_id, *level)] > limit:
                wrong.append(f"{name}: {spent[(run_id, *level)]} tokens granted, limit {limit}")
        used = out["usage"]["tokens"]
        if not spent[(run_id,)] <= used <= case.limit:
            wrong.append(f"metered {spent[(run_id,)]}, on the books {used}, limit {case.limit}")
        leaks = list(_held(out["budget"]))
        if leaks:
            wrong.append(f"still held: {leaks}")
        open_keys = await self._open_keys(case.task["task_id"], run_id)
        if open_keys:
            wrong.append(f"reserved and never settled: {open_keys[:3]}")
        if case.is_hungry and not is_restart:
            outcome.used = used / (case.limit - setup.floor)
            if outcome.used < ENOUGH:
                wrong.append(f"used {outcome.used:.1%} of its budget")

    async def _open_keys(self, task_id: str, run_id: str) -> list[str]:
        reserved: set[str] = set()
        for event in await self.planner.aevents(task_id):
            if event.run_id == run_id and event.type == "RESERVED":
                reserved.add(str(event.payload["key"]))
            elif event.run_id == run_id and event.type == "SETTLED":
                reserved.discard(str(event.payload["key"]))
        return sorted(reserved)


def _held(account: dict[str, Any]) -> Iterator[str]:
    """Yield the accounts that still hold something; what synthesis keeps is the floor."""
    for child in account["children"].values():
        if child["path"] != "run/synthesize":
            if child["held"]:
                yield child["path"]
            yield from _held(child)


def run_seeds(seeds: range) -> list[Outcome]:
    """Carry out the runs of some seeds, one after another, in this process."""

    async def work() -> list[Outcome]:
        places: dict[int, Place] = {}
        found = []
        try:
            for seed in seeds:
                case = case_of(seed)
                place = places.setdefault(case.setup, Place(SETUPS[case.setup]))
                try:
                    found.append(await asyncio.wait_for(place.carry_out(case), timeout=300))
                except TimeoutError:
                    found.append(Outcome(seed, wrong=["hung"]))
                except Exception as error:
                    found.append(Outcome(seed, wrong=[f"{type(error).__name__}: {error}"]))
        finally:
            for place in places.values():
                place.planner.close()
        return found

    return asyncio.run(work())


def run_all(first: int, count: int, *, workers: int, step: int = 250) -> list[Outcome]:
    """Carry out `count` runs from seed `first` on, in so many processes."""
    ends = first + count
    chunks = [range(at, min(at + step, ends)) for at in range(first, ends, step)]
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        return [outcome for chunk in pool.map(run_seeds, chunks) for outcome in chunk]


def main() -> int:
    """Run, print the figures, then every broken promise with its seed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1, help="the first one; a run's plan depends on its seed alone")
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    began = time.perf_counter()
    found = run_all(given.seed, given.runs, workers=given.workers)
    used = [outcome.used for outcome in found if outcome.used is not None]
    wrong = [(outcome.seed, what) for outcome in found for what in outcome.wrong]
    print(
        f"{len(found)} runs of up to {max(o.subtasks for o in found)} subtasks, up to {max(o.depth for o in found)} deep, "
        f"{sum(o.parks for o in found)} parks, {dict(Counter(o.status for o in found))}; "
        f"{len(wrong)} broken promises; used at {DEMAND:g} x demand: least {min(used, default=0):.1%}, "
        f"mean {sum(used) / max(1, len(used)):.1%} over {len(used)} runs; {time.perf_counter() - began:.0f} s"
    )
    for seed, what in wrong[:50]:
        print(f"  seed {seed}: {what}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
