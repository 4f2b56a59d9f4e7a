"""The `time` module within a virtual run, and outside one."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from concertino.evals.playing import play_case
from concertino.evals.running import run_suite
from concertino.evals.targets import Target
from concertino.evals.virtual import VirtualClock, VirtualLoop, run_virtually
from concertino.tools import threads
from tests.evals.suite_folders import CASES, PLANNER, make_suite

EPOCH = 1_767_225_600.0
MODULE = tuple(getattr(time, name) for name in ("sleep", "time", "monotonic", "perf_counter", "time_ns"))


def now_in_module() -> tuple[Any, ...]:
    return tuple(getattr(time, name) for name in ("sleep", "time", "monotonic", "perf_counter", "time_ns"))


def clock() -> VirtualClock:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    return VirtualClock(loop, EPOCH)


def test_sleeping_functions_share_virtual_time() -> None:
    """In threads of ours and of the standard library; on the loop itself the time is gone for all."""

    async def main() -> list[float]:
        at = clock()
        await asyncio.gather(asyncio.to_thread(time.sleep, 2000.0), threads.run(time.sleep, 3000.0))
        first = at.monotonic()
        time.sleep(1000.0)
        return [first, at.monotonic()]

    assert run_virtually(main) == [3000.0, 4000.0]


def test_clocks_agree_with_sleeps() -> None:
    """A function that waits until a moment comes gets there, in a thread and on the loop."""

    async def main() -> list[Any]:
        clock()

        def poll() -> tuple[float, float, int, float]:
            until = time.monotonic() + 60.0
            while time.monotonic() < until:
                time.sleep(7.0)
            return time.monotonic(), time.time(), time.time_ns(), time.perf_counter()

        return [await threads.run(poll), time.time()]

    seen, now = run_virtually(main)
    assert seen == (63.0, EPOCH + 63.0, round((EPOCH + 63.0) * 1e9), 63.0)
    assert now == EPOCH + 63.0


def test_what_is_no_time_is_refused_as_ever() -> None:
    """By the real function's own rule."""

    async def main() -> None:
        with pytest.raises(ValueError, match="non-negative"):
            await threads.run(time.sleep, -1.0)
        await threads.run(time.sleep, 0)

    run_virtually(main)


def test_the_module_is_as_before_afterwards() -> None:
    """Also after an error, and other threads have the real clock meanwhile."""

    async def main() -> None:
        assert time.sleep is not MODULE[0]
        raise LookupError("mine")

    with pytest.raises(LookupError):
        run_virtually(main)
    assert now_in_module() == MODULE


def test_a_child_process_is_really_waited_for() -> None:
    """Its end comes in real time, so looking out for it costs no virtual time."""

    async def main() -> tuple[int, float]:
        def work() -> int:
            return subprocess.run([sys.executable, "-c", ""], timeout=60, check=False).returncode

        return await threads.run(work), clock().monotonic()

    assert run_virtually(main) == (0, 0.0)


SLEEPY = PLANNER.replace(
    "import asyncio\n", "import asyncio\nimport time\nfrom time import sleep\n"
).replace(
    '@specialist("idler")\nasync def idler(brief):\n    await asyncio.sleep(brief.inputs.get("seconds", 1))\n',
    '@specialist("idler", max_attempts=1, sla_s=900)\ndef idler(brief):\n'
    '    sleep(brief.inputs.get("seconds", 1) / 2)\n    time.sleep(brief.inputs.get("seconds", 1) / 2)\n',
).replace("seconds=60.0", "seconds=5000.0")  # fmt: skip


def test_a_plain_function_that_sleeps_takes_its_time_in_a_replay(tmp_path: Path) -> None:
    """Makespan and SLA are those of a live run, whichever way it took `sleep` from its module."""
    cases = CASES.replace("seconds: 3}", "seconds: 800}") + CASES[CASES.index("- id: idle") :].replace(
        "id: idle", "id: late"
    ).replace("seconds: 3}", "seconds: 1200}")
    ran = {
        one.case.id: one for one in run_suite(make_suite(tmp_path, planner=SLEEPY, cases=cases), cases=["idle", "late"])
    }
    assert (ran["idle"].makespan_s, ran["late"].makespan_s) == (800.0, 900.0)
    assert [(ran[name].result or {}).get("status") for name in ("idle", "late")] == ["success", "failed"]


def test_replays_one_by_one_leave_nothing_behind(tmp_path: Path) -> None:
    """Whoever plays a single case has the real module afterwards."""
    suite = make_suite(tmp_path, planner=SLEEPY.replace("    sleep(", "    time.sleep("))
    (outcome,) = play_case(Target(suite), next(one for one in suite.cases if one.id == "idle"))
    assert outcome.makespan_s == 3.0
    assert now_in_module() == MODULE
