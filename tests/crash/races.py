"""Several processes that resume one killed task at the same moment."""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from pathlib import Path

from tests.crash.harness import KILLED, SHAPES, Children, read_journal, read_lines

KILL_AT = (45, 2, 4, 30)
"""Events at which a run is killed: with some subtasks finished and some under way, before its plan, right after it."""


def race(copies: int, *, shape: str, at: int, children: Children) -> list[str]:
    """Kill a run, let `copies` processes resume it at once, and return what went wrong."""
    with tempfile.TemporaryDirectory() as name:
        folder, wrong = Path(name), list[str]()
        job = {"folder": name, "shape": shape, "act": "run"}
        if children.run({**job, "die": "event", "at": at}, is_fresh=False, kill_after_s=None) != KILLED:
            return ["the run was not killed"]
        before = read_journal(folder)
        arrived = {key.split(":")[2] for key in read_lines(folder / "sink")}
        codes = children.race({**job, "act": "resume"}, copies=copies)
        if any(codes):
            wrong.append(f"exit codes {codes}")
        outs = [json.loads((folder / f"out{copy}").read_text()) for copy in range(copies)]
        ends = Counter(out.get("status") or out.get("error") for out in outs)
        if not ends["success"] or set(ends) - {"success", "RunBusy"}:
            wrong.append(f"ends {dict(ends)}: {[out for out in outs if out.get('error') not in (None, 'RunBusy')][:2]}")
        now = read_journal(folder)
        if now.entries != before.entries + 1 or now.state != "success":
            wrong.append(f"{now.entries - before.entries} processes worked on it, it is {now.state}")
        begun = {subtask_id for subtask_id in now.starts if now.starts[subtask_id] - before.starts[subtask_id] > 1}
        if begun:
            wrong.append(f"started twice by the resume: {sorted(begun)}")
        for key, times in Counter(read_lines(folder / "sink")).items():
            subtask_id = key.split(":")[2]
            if times > 1 + (subtask_id in arrived - before.completed):
                wrong.append(f"{key} arrived {times} times")
        return [f"{copies} processes, {shape} killed at event {at}: {what}" for what in wrong]


def races(rounds: int, *, seats: tuple[int, ...] = (2, 4, 16)) -> list[str]:
    """Hold `rounds` races for each number of processes."""
    children = Children()
    try:
        return [
            what
            for copies in seats
            for number in range(rounds)
            for what in race(copies, shape=SHAPES[number % 2], at=KILL_AT[number % len(KILL_AT)], children=children)
        ]
    finally:
        children.close()
