"""A run whose takeover people are asked about, killed at each of its events in turn and resumed; prints what went wrong."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from concertino import Event, Planner
from concertino.contracts.errors import RunNotFound
from tests.graph.plans import subtask, task
from tests.graph.takers import ONCE, A, Till

MOST_EVENTS = 60


def act(folder: Path, *, die_at: int | None) -> None:
    """Run or resume the task in this process and answer what it asks; kill it at the `die_at`-th event."""
    till, count = Till(delivery="at_most_once"), 0

    def listen(event: Event) -> None:
        nonlocal count
        count += 1
        if count == die_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def note(name: str) -> None:
        with (folder / "acts").open("a") as acts:
            acts.write(f"{name}\n")

    def on_call(name: str) -> None:
        note(name)
        if name == "beside" and die_at is not None:  # it ends while the other waits, and the question is on disk
            while not opened():
                pass

    def opened() -> Any:
        status: Any = planner.status("t")
        return status["gates"]["open"]

    till.on_call = on_call
    policy = {**ONCE, "when": "card.name == 'payer'"}
    with Planner(
        specialists=till.specialists, gates=[policy], database=f"sqlite:///{folder / 'x.db'}", on_event=listen
    ) as planner:
        given = task("t", A, subtask("b", "beside"))["task"]

        def answered() -> Any:
            for gate in opened():
                note("answer")
                planner.answer("t", gate["gate"], "accept")
            return planner.resume("t")

        try:
            result = planner.run(given) if die_at is not None else answered()
        except RunNotFound:
            result = planner.run(given)
        while result["status"] == "waiting":
            result = answered()
    (folder / "out").write_text(json.dumps(result))


def child(folder: Path, *, die_at: int | None) -> int:
    """Do it in a fork of this process, which has no threads; return its exit code."""
    pid = os.fork()
    if pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    try:
        act(folder, die_at=die_at)
    except BaseException as error:
        print(repr(error), file=sys.stderr)
        os._exit(1)
    os._exit(0)


def judge(folder: Path) -> list[str]:
    """Return what is wrong with a run that was resumed."""
    acts = (folder / "acts").read_text().split()
    wrong = [f"{name} acted {acts.count(name)} times" for name in ("reader", "payer") if acts.count(name) > 1]
    if "payer" in acts and ("answer" not in acts or acts.index("answer") > acts.index("payer")):
        wrong.append(f"payer acted unasked: {acts}")
    found = next(one for one in json.loads((folder / "out").read_text())["subtasks"] if one["subtask_id"] == "a")
    is_unknown = "outcome is unknown" in str(found["reason"])
    if is_unknown and found["specialist"] == "payer" and "answer" not in acts[: acts.index("killed")]:
        wrong.append(f"payer, who had not begun, was not let: {acts}")
    if found["state"] != "completed" and not is_unknown:
        wrong.append(f"{found['state']}: {found['reason']}")
    return wrong


def main(folder: Path) -> None:
    """Kill at the first event, at the second, ... until the run ends before it is killed."""
    wrong: list[str] = []
    kills, unknown = 0, 0
    for at in range(1, MOST_EVENTS):
        own = folder / str(at)
        own.mkdir()
        code = child(own, die_at=at)
        if code == 0:
            break
        kills += 1
        with (own / "acts").open("a") as acts:
            acts.write("killed\n")
        if code != -signal.SIGKILL or (code := child(own, die_at=None)) != 0:
            wrong.append(f"event {at}: exit code {code}")
            continue
        unknown += "outcome is unknown" in (own / "out").read_text()
        wrong += [f"event {at}: {fault}" for fault in judge(own)]
    if not unknown < kills / 2:
        wrong.append(f"{unknown} of {kills} ended with an unknown outcome")
    print(json.dumps({"kills": kills, "unknown": unknown, "wrong": wrong}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
