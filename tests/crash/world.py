"""What the crash runs run: three plans whose every output is known beforehand, specialists that leave traces outside.

A trace is one line, written by one `write` to a file opened for appending: `sink` takes every arrival of an effect with
its key, `bill` everything that was spent. Both are read by the harness alone.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import threading
import time
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.runnables.config import var_child_runnable_config

from concertino import Brief, Budget, Planner, specialist
from concertino.contracts.event import Event
from concertino.graph.checkpoints import Checkpoints
from concertino.tools.registry import Cost, Tool

LIMIT_TOKENS = 4_000
GATE = "gated"


def value_of(subtask_id: str, inputs: Mapping[str, Any], upstream: Mapping[str, int]) -> int:
    """Return what a subtask must find: a function of its id, its inputs and the findings before it."""
    text = json.dumps([subtask_id, dict(sorted(inputs.items())), dict(sorted(upstream.items()))])
    return zlib.crc32(text.encode())


def plan_of(shape: str) -> list[dict[str, Any]]:
    """Return a shape's subtasks, in topological order."""
    match shape:
        case "wide":
            leaves = [
                _subtask(f"leaf{n}", ("steady", "thread", "steady")[n % 3], ["root"], ms=n % 7) for n in range(24)
            ]
            return [_subtask("root", "steady", []), *leaves, _subtask("end", "thread", [leaf["id"] for leaf in leaves])]
        case "deep":
            made = [_subtask("top0", "steady", [])]
            for n in range(6):
                made += [
                    _subtask(f"left{n}", "thread", [f"top{n}"], ms=2),
                    _subtask(f"right{n}", "steady", [f"top{n}"], ms=4),
                    _subtask(f"top{n + 1}", "steady", [f"left{n}", f"right{n}"]),
                ]
            return [*made, _subtask("end", "steady", ["top6"])]
        case _:
            made = [_subtask("root", "spender", [])]
            made += [_subtask(f"spend{n}", "spender", ["root"], ms=n) for n in range(4)]
            made += [_subtask(f"call{n}", ("caller", "thread_caller")[n % 2], ["root"], ms=n) for n in range(6)]
            made += [_subtask("retried", "stumbler", ["call0"]), _subtask("early", "steady", ["spend0", "call1"])]
            gated = _subtask(GATE, "caller", ["early", "spend1"]) | {"gate": {"question": "Go on?"}}
            rest = [sub["id"] for sub in made if sub["id"] not in ("root", "early")]
            return [*made, gated, _subtask("end", "thread", [GATE, *rest])]


def expected(shape: str) -> dict[str, int]:
    """Return every subtask's right value."""
    found: dict[str, int] = {}
    for subtask in plan_of(shape):
        before = {need: found[need] for need in subtask["needs"]}
        inputs = {
            key: found[given["$from"]] if isinstance(given, dict) else given for key, given in subtask["inputs"].items()
        }
        found[subtask["id"]] = value_of(subtask["id"], inputs, before)
    return found


def task_of(shape: str) -> dict[str, Any]:
    """Return the task of a shape."""
    return {"task_id": f"crash-{shape}", "title": shape, "plan": {"subtasks": plan_of(shape), "answer": ["end"]}}


def _subtask(subtask_id: str, who: str, needs: list[str], *, ms: int = 1) -> dict[str, Any]:
    inputs: dict[str, Any] = {"ms": ms, "seed": len(subtask_id)}
    if needs:
        inputs["first"] = {"$from": needs[0], "path": "value"}
    return {"id": subtask_id, "specialist": who, "needs": needs, "inputs": inputs, "objective": subtask_id}


class Meters:
    """The two files outside, and the points at which this process is to die."""

    def __init__(self, folder: Path, *, die: str | None, at: int) -> None:
        self._sink = os.open(folder / "sink", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self._bill = os.open(folder / "bill", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self._die, self._at, self._lock = die, at, threading.Lock()

    def reach(self, point: str) -> None:
        """Die if this is the chosen pass of the chosen point."""
        if point != self._die:
            return
        with self._lock:
            self._at -= 1
            if self._at == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    def arrive(self, key: str) -> None:
        """Let an effect arrive."""
        self.reach("before-effect")
        os.write(self._sink, f"{key}\n".encode())
        self.reach("after-effect")

    def spend(self, tokens: int) -> None:
        """Put a spend on the bill."""
        self.reach("before-bill")
        os.write(self._bill, f"{tokens}\n".encode())
        self.reach("after-bill")


def planner_of(folder: Path, meters: Meters) -> Planner:
    """Return a planner with its database in `folder`."""

    def found(brief: Brief) -> dict[str, int]:
        meters.arrive(brief.effect_key("x"))
        before = {need: int(finding.output["value"]) for need, finding in brief.upstream.items()}  # type: ignore[index, call-overload, arg-type]
        return {"value": value_of(brief.subtask_id, brief.inputs, before)}

    def pause_s(brief: Brief) -> float:
        return float(brief.inputs["ms"]) / 1000  # type: ignore[arg-type]

    @specialist("steady")
    async def steady(brief: Brief) -> dict[str, int]:
        await asyncio.sleep(pause_s(brief))
        out = found(brief)
        await asyncio.sleep(pause_s(brief))
        return out

    @specialist("thread")
    def thread(brief: Brief) -> dict[str, int]:
        time.sleep(pause_s(brief))
        return found(brief)

    @specialist("spender")
    async def spender(brief: Brief) -> dict[str, int]:
        await brief.spend(tokens=7, calls=1)
        meters.spend(7)
        await asyncio.sleep(pause_s(brief))
        return found(brief)

    @specialist("caller")
    async def caller(brief: Brief) -> dict[str, int]:
        await brief.tools.lookup(ms=brief.inputs["ms"])
        return found(brief)

    @specialist("thread_caller")
    def thread_caller(brief: Brief) -> dict[str, int]:
        brief.spend(tokens=3)
        meters.spend(3)
        brief.tools.lookup(ms=brief.inputs["ms"])
        return found(brief)

    @specialist("stumbler")
    async def stumbler(brief: Brief) -> dict[str, int]:
        await brief.spend(tokens=5)
        meters.spend(5)
        if brief.attempt < 3:
            raise RuntimeError("stumbled")
        return found(brief)

    async def lookup(ms: int) -> dict[str, int]:
        meters.spend(6)
        await asyncio.sleep(ms / 1000)
        return {"used": 6}

    tool = Tool(name="lookup", afn=lookup, cost=Cost(tokens=10), used=lambda out: Cost(tokens=out["used"]))
    return Planner(
        specialists=[steady, thread, spender, caller, thread_caller, stumbler],
        database=f"sqlite:///{folder / 'run.db'}",
        tools=[tool],
        budget=Budget(tokens=LIMIT_TOKENS),
        concurrency=6,
    )


def named(database: str) -> Planner:
    """Return the planner for `concertino resume --planner tests.crash.world:named`."""
    folder = Path(database.removeprefix("sqlite:///")).parent
    return planner_of(folder, Meters(folder, die=None, at=0))


def perform(job: dict[str, Any]) -> None:
    """Do one child's work: run or resume a shape, write the outcome to `folder/out0` (or the copy's number); dies where the job says."""
    folder, shape = Path(job["folder"]), str(job["shape"])
    meters = Meters(folder, die=job.get("die"), at=int(job.get("at", 0)))
    _watch_checkpoints(meters)
    task = task_of(shape)
    try:
        with planner_of(folder, meters) as planner:
            outcome = _act(planner, job, task, _listener(planner, meters, task["task_id"], answers=shape == "mixed"))
    except Exception as error:
        outcome = {"error": type(error).__name__, "message": str(error)}
    (folder / f"out{job.get('copy', 0)}").write_text(json.dumps(outcome))


def _act(planner: Planner, job: dict[str, Any], task: dict[str, Any], heard: Callable[[Event], None]) -> Any:
    is_async = bool(job.get("is_async"))
    if job.get("is_followed"):
        var_child_runnable_config.set({"callbacks": [BaseCallbackHandler()]})
    if job["act"] == "run":
        return asyncio.run(planner.arun(task, on_event=heard)) if is_async else planner.run(task, on_event=heard)
    if job["act"] == "answer":
        return planner.answer(task["task_id"], GATE, "accept")
    task_id = task["task_id"]
    return (
        asyncio.run(planner.aresume(task_id, on_event=heard)) if is_async else planner.resume(task_id, on_event=heard)
    )


def _listener(planner: Planner, meters: Meters, task_id: str, *, answers: bool) -> Callable[[Event], None]:
    """Return what hears the run's events; it answers the gate long before it is asked."""

    def answer() -> None:
        try:
            planner.answer(task_id, GATE, "accept")
        except (ValueError, RuntimeError):
            return  # it was answered before the crash

    def heard(event: Event) -> None:
        meters.reach("event")
        if answers and event.type == "RUN_DISPATCHED":
            threading.Thread(target=answer, daemon=True).start()

    return heard


def _watch_checkpoints(meters: Meters) -> None:
    for name in ("put", "put_writes"):
        plain = getattr(Checkpoints, name)

        def watched(self: Any, *args: Any, plain: Any = plain, **kwargs: Any) -> Any:
            meters.reach("before-checkpoint")
            out = plain(self, *args, **kwargs)
            meters.reach("after-checkpoint")
            return out

        setattr(Checkpoints, name, watched)


if __name__ == "__main__":
    perform(json.loads(os.environ["CRASH_JOB"]))
