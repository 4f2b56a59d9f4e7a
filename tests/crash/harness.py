"""Killing runs and judging what one resume makes of them."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from tests.crash.world import LIMIT_TOKENS, expected

SHAPES = ("wide", "deep", "mixed")
KINDS = (
    "time", "event", "before-effect", "after-effect", "before-checkpoint", "after-checkpoint", "before-bill", "after-bill",
)  # fmt: skip
KILLED = -signal.SIGKILL
ROOT = Path(__file__).parents[2]
SHARED = 0.5
"""About the share of checkpoint writes that is left where subtasks share LangGraph's tasks."""
PATIENCE_S = 60.0
"""Seconds after which a child counts as hung; a run takes less than one."""


class Point(NamedTuple):
    """Where a run is killed: the `at`-th pass of a kind of moment, or after `at` milliseconds."""

    shape: str
    kind: str
    at: int
    is_async: bool
    is_followed: bool
    """Whether callbacks look on, which makes each subtask a task of LangGraph's own."""
    again: tuple[str, int] | None = None
    """Where the resume is killed, too."""
    is_fresh: bool = False
    """Whether the children are new interpreters rather than forks of one that has imported everything."""


@dataclass
class Report:
    """What all points came to."""

    points: int = 0
    kills: int = 0
    in_flight: int = 0
    repeats: int = 0
    wrong: list[str] = field(default_factory=list)


def points(count: int, *, seed: int, fresh_every: int = 0) -> list[Point]:
    """Return `count` points spread over shapes, kinds and moments."""
    chance = random.Random(seed)
    most = {"time": 130, "event": 80, "before-effect": 26, "after-effect": 26, "before-checkpoint": 32,
            "after-checkpoint": 32, "before-bill": 16, "after-bill": 16}  # fmt: skip
    made = []
    for n in range(count):
        shape = SHAPES[n % len(SHAPES)]
        kinds = KINDS if shape == "mixed" else KINDS[:-2]
        kind = kinds[n // len(SHAPES) % len(kinds)]
        again = ("event", chance.randint(1, 30)) if n % 5 == 4 else None
        is_fresh = bool(fresh_every) and n % fresh_every == 0
        is_followed = chance.random() < 0.5
        share = 1.0 if is_followed or "checkpoint" not in kind else SHARED
        at = chance.randint(1, round(share * most[kind]))
        made.append(Point(shape, kind, at, chance.random() < 0.5, is_followed, again, is_fresh))
    return made


def crash_all(given: Sequence[Point], *, workers: int) -> Report:
    """Try every point, several at once, and return what went wrong."""
    report, lock = Report(), threading.Lock()
    children = [Children() for _ in range(workers)]
    free = list(children)

    def one(point: Point) -> None:
        with lock:
            mine = free.pop()
        try:
            with tempfile.TemporaryDirectory() as folder:
                found = Crash(point, Path(folder), mine).judge()
        finally:
            with lock:
                free.append(mine)
        with lock:
            report.points += 1
            report.kills += found.kills
            report.in_flight += found.in_flight
            report.repeats += found.repeats
            report.wrong += found.wrong

    try:
        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(one, given))
    finally:
        for child in children:
            child.close()
    return report


class Children:
    """Starts child processes, one at a time."""

    def __init__(self) -> None:
        self._zygote: subprocess.Popen[str] | None = None

    def run(self, job: dict[str, Any], *, is_fresh: bool, kill_after_s: float | None) -> int:
        """Run a child to its end, or kill it from outside; return its exit code."""
        return self._interpreter(job, kill_after_s) if is_fresh else self._fork(job, kill_after_s)[0]

    def race(self, job: dict[str, Any], *, copies: int) -> list[int]:
        """Run so many children at the same moment and return their exit codes."""
        return self._fork({**job, "copies": copies}, None)

    def close(self) -> None:
        """End the zygote."""
        if self._zygote is not None:
            self._zygote.communicate(timeout=PATIENCE_S)

    def _interpreter(self, job: dict[str, Any], kill_after_s: float | None) -> int:
        if job["act"] == "resume" and "die" not in job and kill_after_s is None:
            return self._command(job)
        command = [sys.executable, "-m", "tests.crash.world"]
        child = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "CRASH_JOB": json.dumps(job)})
        try:
            # A new interpreter imports for about a second before anything can be interrupted.
            return child.wait(PATIENCE_S if kill_after_s is None else kill_after_s + 1.2)
        except subprocess.TimeoutExpired:
            child.kill()
            return child.wait()

    def _command(self, job: dict[str, Any]) -> int:
        """Resume as a person does, by the command line; 5 is its way to say that the run waits."""
        arguments = ["resume", f"crash-{job['shape']}", "--planner", "tests.crash.world:named"]
        arguments += ["--database", f"sqlite:///{job['folder']}/run.db"]
        start = "from concertino.service.cli.main import main; main()"
        with (Path(job["folder"]) / "out0").open("w") as out:
            done = subprocess.run(
                [sys.executable, "-c", start, *arguments],
                cwd=ROOT, stdout=out, stderr=subprocess.PIPE, text=True, timeout=PATIENCE_S, check=False,
            )  # fmt: skip
        if done.returncode == 2:  # nobody let the run in before it was killed, or its database was not made
            (Path(job["folder"]) / "out0").write_text(json.dumps({"error": "RunNotFound", "message": done.stderr}))
        return 0 if done.returncode in (0, 2, 5) else done.returncode

    def _fork(self, job: dict[str, Any], kill_after_s: float | None) -> list[int]:
        zygote = self._zygote
        if zygote is None:
            zygote = self._zygote = subprocess.Popen(
                [sys.executable, "-m", "tests.crash.zygote"],
                cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            )  # fmt: skip
        assert zygote.stdin is not None
        assert zygote.stdout is not None
        zygote.stdin.write(json.dumps(job) + "\n")
        zygote.stdin.flush()
        pids = [int(pid) for pid in zygote.stdout.readline().split()[1:]]
        timer = threading.Timer(PATIENCE_S if kill_after_s is None else kill_after_s, _kill, (pids,))
        timer.start()
        codes = [int(code) for code in zygote.stdout.readline().split()[1:]]
        timer.cancel()
        return codes


def _kill(pids: Sequence[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@dataclass
class Snapshot:
    """What the journal says at one moment."""

    completed: set[str] = field(default_factory=set)
    in_flight: set[str] = field(default_factory=set)
    starts: Counter[str] = field(default_factory=Counter)
    charged: int = 0
    """Tokens settled, and reserved without having been settled."""
    state: str | None = None
    entries: int = 0
    """How often a process took the run up."""
    gates: set[str] = field(default_factory=set)


class Crash:
    """One point: run, kill, resume, judge."""

    def __init__(self, point: Point, folder: Path, children: Children) -> None:
        self.point, self._folder, self._children = point, folder, children
        self.wrong: list[str] = []
        self.kills = self.in_flight = self.repeats = 0
        self._allowed: Counter[str] = Counter()
        self._done: list[set[str]] = []
        self._starts: list[Counter[str]] = []

    def judge(self) -> Crash:
        """Carry it out and fill `wrong`."""
        point = self.point
        self._child("run", die=(point.kind, point.at))
        if point.again is not None:
            self._child("resume", die=point.again)
        out = self._child("resume")
        if out.get("error") == "RunNotFound":  # killed before it was let in: nothing is there, and nothing was done
            self._expect(not self._lines("sink"), "an effect of a run that nobody knows")
            out = self._child("run")
        if out.get("status") == "waiting":  # killed before the gate was answered
            self._expect("gated" not in read_journal(self._folder).gates, "waits for an answered gate")
            self._child("answer")
            out = self._child("resume")
        self._end(out)
        return self

    def _child(self, act: str, *, die: tuple[str, int] | None = None) -> Any:
        point = self.point
        job: dict[str, Any] = {
            "folder": str(self._folder),
            "shape": point.shape,
            "act": act,
            "is_async": point.is_async,
            "is_followed": point.is_followed,
        }
        by_time = die is not None and die[0] == "time"
        if die is not None and not by_time:
            job |= {"die": die[0], "at": die[1]}
        out = self._folder / "out0"
        out.unlink(missing_ok=True)
        kill_after_s = die[1] / 1000 if die is not None and by_time else None
        code = self._children.run(job, is_fresh=point.is_fresh, kill_after_s=kill_after_s)
        if code == KILLED and die is not None:
            self.kills += 1
            self._after_kill()
            return {}
        self._expect(code == 0, f"a child's {act} ended with {code}")
        return json.loads(out.read_text()) if out.exists() else {}

    def _after_kill(self) -> None:
        now = read_journal(self._folder)
        # The record of a start may still have been on its way when the effect was out already.
        begun = now.in_flight | {key.split(":")[2] for key in self._lines("sink")} - now.completed
        self.in_flight += len(begun)
        self._allowed.update(begun)
        self._done.append(now.completed)
        self._starts.append(now.starts)

    def _end(self, out: Any) -> None:
        right = expected(self.point.shape)
        self._expect(out.get("status") == "success", f"ended as {json.dumps(out)[:300]}")
        found = {sub["subtask_id"]: sub for sub in out.get("subtasks", ())}
        for subtask_id, value in right.items():
            outputs = found.get(subtask_id, {}).get("outputs")
            self._expect(outputs == {"value": value}, f"{subtask_id} found {outputs}, right is {value}")
        self._expect(out.get("answer") == {"value": right["end"]}, f"the answer is {out.get('answer')}")
        self._effects(right)
        self._money(out)
        last = read_journal(self._folder)
        for done, starts in zip(self._done, self._starts, strict=True):
            for subtask_id in done:
                self._expect(last.starts[subtask_id] == starts[subtask_id], f"{subtask_id} was finished and ran again")

    def _effects(self, right: dict[str, int]) -> None:
        keys = Counter(self._lines("sink"))
        by_subtask: dict[str, set[str]] = {}
        for key in keys:
            by_subtask.setdefault(key.split(":")[2], set()).add(key)
        self._expect(set(by_subtask) == set(right), f"effects of {sorted(by_subtask)}")
        for subtask_id, own in by_subtask.items():
            self._expect(len(own) == 1, f"{subtask_id} has keys {sorted(own)}")
            times = keys[next(iter(own))]
            self.repeats += times - 1
            self._expect(times <= 1 + self._allowed[subtask_id], f"{subtask_id} arrived {times} times")

    def _money(self, out: Any) -> None:
        billed = sum(map(int, self._lines("bill")))
        used, last = (out.get("usage") or {}).get("tokens"), read_journal(self._folder)
        self._expect(billed <= LIMIT_TOKENS, f"{billed} tokens billed over the limit")
        self._expect(isinstance(used, int) and billed <= used <= LIMIT_TOKENS, f"billed {billed}, on the books {used}")
        self._expect(used == last.charged, f"on the books {used}, by the journal {last.charged}")

    def _expect(self, holds: bool, what: str) -> None:
        if not holds:
            self.wrong.append(f"{self.point}: {what}")

    def _lines(self, name: str) -> list[str]:
        return read_lines(self._folder / name)


def read_lines(place: Path) -> list[str]:
    """Return a meter's lines; none where nothing was ever logged."""
    return place.read_text().splitlines() if place.exists() else []


def read_journal(folder: Path) -> Snapshot:
    """Return what the journal in `folder` says now."""
    found = Snapshot()
    place = folder / "run.db"
    if not place.exists():
        return found
    connection = sqlite3.connect(place)
    try:
        rows = connection.execute("SELECT type, subtask_id, payload FROM events ORDER BY id").fetchall()
        states = connection.execute("SELECT state FROM runs ORDER BY n").fetchall()
    except sqlite3.OperationalError:  # killed before the tables were made
        return found
    finally:
        connection.close()
    reserved: dict[str, int] = {}
    for kind, subtask_id, text in rows:
        payload = json.loads(text)
        match kind:
            case "TASK_STARTED":
                found.starts[subtask_id] += 1
                found.in_flight.add(subtask_id)
            case "TASK_COMPLETED":
                found.completed.add(subtask_id)
                found.in_flight.discard(subtask_id)
            case "RESERVED":
                reserved[payload["key"]] = payload["amounts"]["tokens"]
            case "SETTLED":
                reserved[payload["key"]] = payload["used"]["tokens"]
            case "RUN_ADMITTED" | "RUN_RESUMED":
                found.entries += 1
            case "GATE_ANSWERED":
                found.gates.add(payload["gate"])
            case _:
                pass
    found.charged = sum(reserved.values())
    found.state = states[-1][0] if states else None
    return found
