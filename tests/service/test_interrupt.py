"""Ctrl-C: the first asks the run to stop, the second leaves, and without a run it is an ordinary interrupt."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import Future
from pathlib import Path
from typing import Any, cast

import pytest

from concertino.contracts.clock import SystemClock
from concertino.contracts.event import Event
from concertino.contracts.journal import Journal
from concertino.journal import open_journal
from concertino.service.cli.interrupt import REASON, Interruptible, Terminated

ADMITTED = Event(task_id="t-1", run_id="run-1", type="RUN_ADMITTED", message_type="TASK", timestamp=100.0)


class Record:
    """Takes control events as a journal does."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.arrived = threading.Event()

    def append(self, events: list[Event], *, lease: object) -> Future[list[int]]:
        assert lease is None
        self.events += events
        self.arrived.set()
        done: Future[list[int]] = Future()
        done.set_result([1])
        return done


def interruptible(record: Record) -> Interruptible:
    return Interruptible(cast("Journal", record), clock=SystemClock())


def press() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def test_the_first_press_asks_the_run_to_stop() -> None:
    """The request names the run whose events were seen, and the program goes on to hear how it ended."""
    record = Record()
    with interruptible(record) as entered:
        entered(ADMITTED)
        press()
        assert record.arrived.wait(5)
    assert [(one.type, one.run_id, one.payload) for one in record.events] == [
        ("CANCEL_REQUESTED", "run-1", {"reason": REASON})
    ]
    assert entered.was_interrupted


def test_the_second_press_leaves() -> None:
    """Whoever presses twice does not want to wait."""
    with interruptible(Record()) as entered:
        entered(ADMITTED)
        press()
        with pytest.raises(KeyboardInterrupt):
            press()


def test_before_the_run_began_there_is_nothing_to_cancel() -> None:
    """Without a run the press ends the command as ever, and nothing is recorded."""
    record = Record()
    with pytest.raises(KeyboardInterrupt), interruptible(record):
        press()
    assert record.events == []


async def test_no_signal_is_raised_in_what_a_loop_is_at() -> None:
    """A specialist that is computing would fail of it, and the command would go on; it reaches whoever runs the loop."""
    loop, raised = asyncio.get_running_loop(), []
    loop.call_soon_threadsafe = lambda *told: raised.append(told)  # type: ignore[method-assign,assignment]
    try:
        with interruptible(Record()) as entered:
            entered(ADMITTED)
            os.kill(os.getpid(), signal.SIGTERM)
            press()
            press()
    finally:
        del loop.call_soon_threadsafe
    assert [told[-1] for told in raised] == [Terminated, KeyboardInterrupt]
    with pytest.raises(Terminated):
        raised[0][0](*raised[0][1:])


def test_the_handler_of_before_comes_back() -> None:
    """What SIGINT did before the run it does again after it."""
    before: Any = signal.getsignal(signal.SIGINT)
    with interruptible(Record()):
        assert signal.getsignal(signal.SIGINT) != before
    assert signal.getsignal(signal.SIGINT) == before


def test_a_termination_leaves_and_a_second_one_kills() -> None:
    """SIGTERM asks for no cancel: the task is to be carried on elsewhere. After the first, the signal has its own effect."""
    record = Record()
    before: Any = signal.getsignal(signal.SIGTERM)
    with interruptible(record) as entered:
        entered(ADMITTED)
        with pytest.raises(Terminated):
            os.kill(os.getpid(), signal.SIGTERM)
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    assert signal.getsignal(signal.SIGTERM) == before
    assert record.events == []


ENDLESS = """
import asyncio, os, sys
from types import SimpleNamespace

import typer

from concertino import Planner, specialist
from concertino.service.cli.agent import finish


@specialist("endless")
async def endless(brief):
    await asyncio.Event().wait()


def start(listener):
    with Planner(specialists=[endless], database=sys.argv[1]) as planner:
        task = {"task_id": "t-1", "plan": {"subtasks": [{"id": "a", "specialist": "endless"}]}}
        result = planner.run(task, on_event=listener)
    return SimpleNamespace(output=result, result=result, status=result["status"], run_id="t-1", artifacts="-")


try:
    finish(start, database=sys.argv[1])
except typer.Exit as exit_:
    sys.stdout.flush()
    os._exit(exit_.exit_code)
"""


def test_a_run_is_cancelled_cleanly_from_the_terminal(tmp_path: Path) -> None:
    """A process that is interrupted while a specialist works stops the run, prints its result and ends with 130."""
    url = f"sqlite:///{tmp_path / 'journal.db'}"
    command = [sys.executable, "-c", ENDLESS, url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            next(line for line in process.stderr if "a started" in line)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=30)
        finally:
            process.kill()
    assert process.returncode == 130
    assert '"status": "cancelled"' in out
    assert "Traceback" not in err
    journal = open_journal(url, clock=SystemClock())
    row = journal.latest("t-1").result()
    journal.close()
    assert row is not None
    assert (row.state, row.owner) == ("cancelled", None)


STUCK = "__import__('threading').Event().wait()"

OFFER = """
import asyncio, sys

import concertino.packs.offers.specialists as specialists


async def endless(brief, profile):
    while True:
        print("computes", file=sys.stderr, flush=True)
        sum(range(1_000_000))
        await asyncio.sleep(0)


specialists._look_up = endless
from concertino.service.cli.main import main

sys.argv = ["concertino", "agent", "run", "offer-orchestrator-mag", "--json", "-", "--task-id", "t-1"]
main()
"""


def test_a_terminated_agent_is_parked_with_its_log_and_can_be_resumed(tmp_path: Path) -> None:
    """The process ends with 143 at once though its specialist computes, gives its lease back and says how to carry on."""
    with subprocess.Popen(
        [sys.executable, "-c", OFFER], cwd=tmp_path, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdin is not None
        assert process.stderr is not None
        try:
            process.stdin.write('{"role": "Clerk", "level": "Mid", "location": "Remote", "experience_years": 3}')
            process.stdin.close()
            next(line for line in process.stderr if line == "computes\n")
            process.send_signal(signal.SIGTERM)
            err = process.stderr.read()
            process.wait(timeout=30)
        finally:
            process.kill()
    assert process.returncode == 143
    assert "carry on with: concertino resume t-1" in err
    assert "Traceback" not in err
    journal = open_journal(f"sqlite:///{tmp_path / '.runs/concertino.db'}", clock=SystemClock())
    row = journal.latest("t-1").result()
    journal.close()
    assert row is not None
    assert (row.state, row.owner) == ("waiting", None)
    assert '"event":"error"' in (tmp_path / ".runs/agents/t-1/logs.jsonl").read_text()


def test_a_terminated_planner_has_given_its_lease_back_when_its_process_ends(tmp_path: Path) -> None:
    """Also where its loop is in another thread and a specialist's thread never ends."""
    url = f"sqlite:///{tmp_path / 'journal.db'}"
    blocking = ENDLESS.replace("async def endless", "def endless").replace("await asyncio.Event().wait()", STUCK)
    with subprocess.Popen([sys.executable, "-c", blocking, url], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            next(line for line in process.stderr if "a started" in line)
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=30) == 143
        finally:
            process.kill()
    journal = open_journal(url, clock=SystemClock())
    row = journal.latest("t-1").result()
    journal.close()
    assert row is not None
    assert (row.state, row.owner) == ("waiting", None)
