"""One writer per run, cancels and restarts, time that stands still, and storage that fails."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from concertino import Brief, Budget, Planner, specialist
from concertino.contracts.clock import SystemClock
from concertino.contracts.errors import JournalError, RunBusy, RunStateError
from concertino.contracts.event import Event, EventType
from concertino.contracts.journal import LEASE_S
from concertino.graph.runs.restore import fold
from concertino.journal import this_owner
from tests.crash.races import races

ROOT = Path(__file__).parents[2]


class SetClock(SystemClock):
    """The machine's clock, set forward by hand."""

    ahead_s = 0.0

    def now(self) -> float:
        return super().now() + SetClock.ahead_s

    def monotonic(self) -> float:
        return super().monotonic() + SetClock.ahead_s


@pytest.fixture(autouse=True)
def _clock_set_back() -> None:
    SetClock.ahead_s = 0.0


def plan(*subtasks: dict[str, Any]) -> dict[str, Any]:
    """Return a task of these subtasks."""
    return {"task_id": "t-1", "plan": {"subtasks": list(subtasks)}}


QUICK = {"id": "quick", "specialist": "quick"}
SLOW = {"id": "slow", "specialist": "slow", "needs": ["quick"]}
GATED = {"id": "gated", "specialist": "quick", "needs": ["quick"], "gate": True}


class World:
    """A quick specialist, and a slow one that waits for `go` (or for ever)."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.begun, self.go = threading.Event(), threading.Event()

        @specialist("quick")
        async def quick(brief: Brief) -> dict[str, Any]:
            self.calls.append(brief.subtask_id)
            return {"by": brief.subtask_id}

        @specialist("slow")
        async def slow(brief: Brief) -> dict[str, Any]:
            self.calls.append(brief.subtask_id)
            self.begun.set()
            while not self.go.is_set():
                await asyncio.sleep(0.005)
            return {"by": brief.subtask_id}

        self.specialists = [quick, slow]

    def planner(self, folder: Path, **options: Any) -> Planner:
        return Planner(specialists=self.specialists, database=f"sqlite:///{folder / 'x.db'}", **options)


def states_of(out: Any) -> list[str]:
    """Return the subtasks' states in a result, in the plan's order."""
    return [subtask["state"] for subtask in out["subtasks"]]


def in_thread(call: Callable[[], Any]) -> tuple[threading.Thread, list[Any]]:
    """Start `call` in a thread; its outcome or exception comes into the list."""
    found: list[Any] = []

    def work() -> None:
        try:
            found.append(call())
        except BaseException as error:
            found.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread, found


# One writer.


def test_of_many_processes_one_resumes_and_the_others_are_refused() -> None:
    """2, 4 and 16 processes resume one killed task: one runs it, nothing runs twice."""
    assert races(4) == []


def test_a_live_run_is_refused_to_others_and_carries_on(tmp_path: Path) -> None:
    """A second planner on the same database gets RunBusy and leaves no trace."""
    world = World()
    with world.planner(tmp_path) as first, world.planner(tmp_path) as second:
        thread, found = in_thread(lambda: first.run(plan(QUICK, SLOW)))
        assert world.begun.wait(10)
        with pytest.raises(RunBusy) as caught:
            second.resume("t-1")
        assert 0 < caught.value.expires_in_s <= LEASE_S
        with pytest.raises(RunStateError):
            second.restart("t-1")
        assert second.run(plan(QUICK, SLOW))["status"] == "running"
        world.go.set()
        thread.join(10)
        assert found[0]["status"] == "success"
        assert second.resume("t-1") == found[0]
    assert world.calls == ["quick", "slow"]


def orphan(folder: Path, owner: str) -> None:
    """Make the parked run look as if `owner` had died over it."""
    connection = sqlite3.connect(folder / "x.db")
    with connection:
        until = SystemClock().now() + LEASE_S
        connection.execute("UPDATE runs SET owner = ?, lease_until = ?, state = 'running'", (owner, until))
    connection.close()


def test_a_dead_owner_on_this_host_is_replaced_at_once(tmp_path: Path) -> None:
    """Nobody waits for the lease of a process that is gone."""
    world = World()
    with world.planner(tmp_path) as planner:
        assert planner.run(plan(QUICK, GATED))["status"] == "waiting"
        child = subprocess.run(
            [sys.executable, "-c", "from concertino.journal import this_owner; print(this_owner())"],
            check=True, capture_output=True, text=True, cwd=ROOT,
        )  # fmt: skip
        orphan(tmp_path, child.stdout.strip())
        planner.answer("t-1", "gated", "accept")
        assert planner.resume("t-1")["status"] == "success"


def test_an_owner_elsewhere_is_waited_for_until_its_lease_ends(tmp_path: Path) -> None:
    """Whether another host's process lives cannot be told; its lease decides."""
    world = World()
    with world.planner(tmp_path, clock=SetClock()) as planner:
        planner.run(plan(QUICK, GATED))
        orphan(tmp_path, "elsewhere:" + this_owner().partition(":")[2])
        planner.answer("t-1", "gated", "accept")
        with pytest.raises(RunBusy):
            planner.resume("t-1")
        SetClock.ahead_s = LEASE_S + 0.1
        assert planner.resume("t-1")["status"] == "success"
    assert world.calls == ["quick", "gated"]


# Cancel and restart.


@pytest.mark.parametrize("who", ["same planner", "another planner"])
def test_a_cancel_stops_a_run_and_a_restart_carries_on(tmp_path: Path, who: str) -> None:
    """The run ends as cancelled; a restart keeps what was finished and does the rest."""
    world = World()
    with world.planner(tmp_path) as first, world.planner(tmp_path) as second:
        thread, found = in_thread(lambda: first.run(plan(QUICK, SLOW)))
        assert world.begun.wait(10)
        (first if who == "same planner" else second).cancel("t-1", "enough")
        thread.join(10)
        assert (found[0]["status"], found[0]["reason"]) == ("cancelled", "enough")
        assert first.status("t-1")["state"] == "cancelled"
        assert states_of(found[0]) == ["completed", "cancelled"]
        world.go.set()
        again = second.restart("t-1")
        assert (again["status"], again["parent_run_id"]) == ("success", found[0]["run_id"])
        assert second.resume("t-1") == again
    assert world.calls == ["quick", "slow", "slow"]


def test_a_parked_run_is_cancelled_without_running(tmp_path: Path) -> None:
    """Nobody works on it: the cancel itself ends it, and its thread goes nowhere any more."""
    world = World()
    with world.planner(tmp_path) as planner:
        planner.run(plan(QUICK, GATED))
        planner.cancel("t-1", "no need")
        assert planner.status("t-1")["state"] == "cancelled"
        assert planner.resume("t-1")["status"] == "cancelled"
        config: Any = {"configurable": {"thread_id": "t-1"}}
        assert planner.graph.invoke(None, config)["result"]["status"] == "cancelled"
        with pytest.raises(RunStateError):
            planner.answer("t-1", "gated", "accept")
    assert world.calls == ["quick"]


def test_a_restart_keeps_the_limits_the_run_was_admitted_with(tmp_path: Path) -> None:
    """What an invocation's context narrowed is not widened by starting anew without it."""
    world = World()
    with world.planner(tmp_path) as planner:
        planner.run(plan(QUICK, GATED), context={"tokens": 7, "concurrency": 2})
        planner.cancel("t-1")
        again = planner.restart("t-1")
        planner.answer("t-1", "gated", "accept")
        assert planner.resume("t-1")["limits"] == {"tokens": 7}
        assert again["status"] == "waiting"


# Time.


def test_a_killed_process_was_active_until_its_last_renewal() -> None:
    """A long subtask writes no events; the lease says how long its process lived."""

    def event(type_: EventType, at: float) -> Event:
        return Event(task_id="t", run_id="r", type=type_, message_type="STATUS", timestamp=at, epoch=1)

    begun = [event("RUN_ADMITTED", 100.0), event("TASK_STARTED", 101.0)]
    assert fold(begun, alive_at=108.0).active_s == 8.0
    assert fold([*begun, event("RUN_PARKED", 103.0)], alive_at=108.0).active_s == 3.0


def test_active_seconds_stand_still_while_a_run_is_parked(tmp_path: Path) -> None:
    """An approval takes a night; the resumed run still has its seconds, less those it was active."""
    world = World()
    with world.planner(tmp_path, clock=SetClock(), budget=Budget(seconds=30)) as planner:
        planner.run(plan(QUICK, GATED))
        SetClock.ahead_s = 36_000.0
        planner.answer("t-1", "gated", "accept")
        out: Any = planner.resume("t-1")
        assert out["status"] == "success"
        assert out["usage"]["seconds"] < 10


def test_seconds_used_before_a_park_are_gone(tmp_path: Path) -> None:
    """A run that used its seconds up before it parked gets no new ones by parking."""
    world = World()

    @specialist("long")
    async def long(brief: Brief) -> dict[str, Any]:
        SetClock.ahead_s += 25.0
        return {"by": brief.subtask_id}

    steps: list[dict[str, Any]] = [{"id": "one", "specialist": "long"}, {"id": "two", "specialist": "long", "needs": ["one"], "gate": True},
             {"id": "three", "specialist": "quick", "needs": ["two"]}]  # fmt: skip
    world.specialists.append(long)
    with world.planner(tmp_path, clock=SetClock(), budget=Budget(seconds=30)) as planner:
        assert planner.run(plan(*steps))["status"] == "waiting"
        planner.answer("t-1", "two", "accept")
        out: Any = planner.resume("t-1")
        assert out["usage"]["seconds"] >= 50
        assert states_of(out)[2] in ("skipped", "failed")


# Storage.


def test_an_unwritable_or_corrupt_database_is_one_clear_error(tmp_path: Path) -> None:
    """Nothing runs, nothing is written, and the file's name is in the message."""
    world = World()
    (tmp_path / "x.db").write_bytes(b"not a database, " * 1_000)
    before = (tmp_path / "x.db").read_bytes()
    with world.planner(tmp_path) as planner, pytest.raises(JournalError, match=r"x\.db"):
        planner.run(plan(QUICK))
    assert (tmp_path / "x.db").read_bytes() == before
    with world.planner(tmp_path / "nowhere") as planner, pytest.raises(JournalError, match="does not exist"):
        planner.run(plan(QUICK))
    assert world.calls == []


FULL = """
import json, resource, signal, sys
from concertino import Planner, specialist
from concertino.contracts.errors import ConcertinoError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
folder, bytes_, act = sys.argv[1], int(sys.argv[2]), sys.argv[3]
if bytes_:
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_, bytes_))

@specialist("big")
async def big(brief):
    with open(folder + "/sink", "a") as sink:
        sink.write(brief.effect_key("x") + "\\n")
    return {"text": brief.subtask_id + "x" * 5000}

steps = [{"id": f"s{n}", "specialist": "big", "needs": [f"s{n - 1}"] if n else []} for n in range(24)]
planner = Planner(specialists=[big], database=f"sqlite:///{folder}/x.db")
try:
    task = {"task_id": "t-1", "plan": {"subtasks": steps}}
    out = planner.run(task) if act == "run" else planner.resume("t-1")
    print(json.dumps({"status": out["status"], "texts": [s["outputs"]["text"][:4] for s in out["subtasks"]]}))
except ConcertinoError as error:
    print(json.dumps({"error": type(error).__name__, "message": str(error)}))
"""


def full(folder: Path, size: int, act: str) -> dict[str, Any]:
    """Run or resume in a process whose files may grow to `size` bytes; return what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(folder), str(size), act],
        capture_output=True, text=True, timeout=60, cwd=ROOT, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    out: dict[str, Any] = json.loads(done.stdout)
    return out


@pytest.mark.parametrize("size", [40_000, 300_000, 450_000, 600_000])
def test_a_full_disk_is_one_clear_error_and_the_run_resumes_with_space(tmp_path: Path, size: int) -> None:
    """Where the disk fills up midway, the run stops, and goes on later without doing anything finished again."""
    failed = full(tmp_path, size, "run")
    assert failed["error"] == "JournalError"
    assert "x.db" in failed["message"]
    connection = sqlite3.connect(tmp_path / "x.db")
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    has_events = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'events'").fetchone()
    rows = connection.execute("SELECT subtask_id FROM events WHERE type = 'TASK_COMPLETED'") if has_events else ()
    done = {row[0] for row in rows}
    connection.close()
    out = full(tmp_path, 0, "resume")
    if out.get("error") == "RunNotFound":
        out = full(tmp_path, 0, "run")
    assert out["status"] == "success"
    assert out["texts"] == [f"s{n}x"[:4].ljust(4, "x") for n in range(24)]
    keys = (tmp_path / "sink").read_text().split()
    for subtask_id in done:
        assert sum(key.split(":")[2] == subtask_id for key in keys) == 1
