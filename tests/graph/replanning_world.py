"""A run that is replanned, killed at each of its events in turn and resumed; prints what went wrong as JSON."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from concertino import Brief, Event, Finding, Planner, specialist
from concertino.contracts.errors import RunNotFound
from concertino.contracts.plan import Plan, Subtask

MOST_EVENTS = 80


@specialist("legal", max_attempts=1)
async def legal(brief: Brief) -> str:
    raise ValueError("legal is broken")


@specialist("market")
async def market(brief: Brief) -> dict[str, Any]:
    return {"saw": sorted(str(found.output) for found in brief.upstream.values())}


@dataclass
class Drafted:
    plan: Plan


async def draft(plan: Plan, failed: Sequence[str], findings: Mapping[str, Finding]) -> Drafted:
    made = {"id": "other", "specialist": "market", "needs": ["prices"]}
    return Drafted(plan.model_copy(update={"subtasks": (plan.subtasks[0], Subtask.model_validate(made))}))


def task_of(kind: str) -> dict[str, Any]:
    review: dict[str, Any] = {"id": "review", "specialist": "legal", "needs": ["prices"]}
    if kind == "rule":
        review["on_failure"] = "market"
    subtasks = [
        {"id": "prices", "specialist": "market"},
        review,
        {"id": "memo", "specialist": "market", "needs": ["review"]},
    ]
    return {"task_id": "t", "plan": {"subtasks": subtasks}}


def act(folder: Path, kind: str, *, die_at: int | None) -> None:
    """Run or resume the task in this process; kill it at the `die_at`-th event."""
    count = 0

    def listen(event: Event) -> None:
        nonlocal count
        count += 1
        if count == die_at:
            os.kill(os.getpid(), signal.SIGKILL)

    database = f"sqlite:///{folder / 'x.db'}"
    with Planner(
        specialists=[legal, market], database=database, on_event=listen, replan=draft if kind == "draft" else None
    ) as planner:
        try:
            result: Any = planner.run(task_of(kind)) if die_at is not None else planner.resume("t")
        except RunNotFound:
            result = planner.run(task_of(kind))
        events = [event.model_dump(include={"type", "subtask_id", "payload"}) for event in planner.events("t")]
    (folder / "out").write_text(json.dumps({"result": result, "events": events}))


def child(folder: Path, kind: str, *, die_at: int | None) -> int:
    """Do it in a fork of this process, which has no threads; return its exit code."""
    pid = os.fork()
    if pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    try:
        act(folder, kind, die_at=die_at)
    except BaseException as error:
        print(repr(error), file=sys.stderr)
        os._exit(1)
    os._exit(0)


def judge(folder: Path, kind: str) -> list[str]:
    """Return what is wrong with a run that was resumed."""
    out: Any = json.loads((folder / "out").read_text())
    ended = ["prices", "review-r1", "memo-r1"] if kind == "rule" else ["prices", "other-r1"]
    wrong = []
    if out["result"]["status"] != "success":
        wrong.append(f"status {out['result']['status']}")
    if (got := {one["subtask_id"]: one["state"] for one in out["result"]["subtasks"]}) != dict.fromkeys(
        ended, "completed"
    ):
        wrong.append(f"subtasks {got}")
    if len(out["result"]["replans"]) != 1:
        wrong.append(f"replans {out['result']['replans']}")
    types = Counter(event["type"] for event in out["events"])
    if types["RUN_REPLANNED"] != 1:
        wrong.append(f"{types['RUN_REPLANNED']} RUN_REPLANNED")
    done = Counter(event["subtask_id"] for event in out["events"] if event["type"] == "TASK_COMPLETED")
    if done != Counter(ended):
        wrong.append(f"completed {dict(done)}")
    return wrong


def main(folder: Path, kind: str) -> None:
    """Kill at the first event, at the second, ... until the run ends before it is killed."""
    wrong: list[str] = []
    kills = 0
    for at in range(1, MOST_EVENTS):
        own = folder / f"{kind}{at}"
        own.mkdir()
        code = child(own, kind, die_at=at)
        if code == 0:
            break
        kills += 1
        if code != -signal.SIGKILL or (code := child(own, kind, die_at=None)) != 0:
            wrong.append(f"event {at}: exit code {code}")
            continue
        wrong += [f"event {at}: {fault}" for fault in judge(own, kind)]
    print(json.dumps({"kills": kills, "wrong": wrong}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
