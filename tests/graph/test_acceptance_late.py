"""Answers that come too late: a body that blocks its own loop cannot be stopped, and does not succeed by that."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from concertino import Brief, Budget, create_planner, specialist
from concertino.contracts.clock import SystemClock


class Leaping:
    """The machine's clock, which a body can set forward as if it had blocked its loop for that long."""

    def __init__(self) -> None:
        self.leap, self._machine = 0.0, SystemClock()

    def now(self) -> float:
        """Return the wall-clock time."""
        return self._machine.now()

    def monotonic(self) -> float:
        """Return the monotonic time, leaps included."""
        return self._machine.monotonic() + self.leap

    def sleep(self, seconds: float) -> None:
        """Block the calling thread."""
        self._machine.sleep(seconds)

    async def asleep(self, seconds: float) -> None:
        """Suspend the calling coroutine."""
        await self._machine.asleep(seconds)


def _run(seconds: float | None, blocked_s: float, *, is_sync_body: bool = False, **options: Any) -> dict[str, Any]:
    clock = Leaping()

    if is_sync_body:

        @specialist("blocker", max_attempts=1, **options)
        def function(brief: Brief) -> str:
            clock.leap += blocked_s
            return "late"

        body: Any = function
    else:

        @specialist("blocker", max_attempts=1, **options)
        async def coroutine(brief: Brief) -> str:
            clock.leap += blocked_s
            return "late"

        body = coroutine
    plan = {"subtasks": [{"id": "a", "specialist": "blocker"}]}
    graph = create_planner(specialists=[body], budget=Budget(seconds=seconds), clock=clock)
    result: dict[str, Any] = asyncio.run(graph.ainvoke({"task": {"task_id": "t-1", "plan": plan}}))["result"]
    return result


@pytest.mark.parametrize("is_sync_body", [False, True], ids=["coroutine", "function"])
def test_a_late_answer_is_a_timeout(is_sync_body: bool) -> None:
    """It is no success, its output is not used, and the result says what happened."""
    result = _run(30.0, 60.0, is_sync_body=is_sync_body)
    (subtask,) = result["subtasks"]
    assert (result["status"], result["answer"], subtask["state"]) == ("failed", None, "failed")
    assert subtask["error"]["type"] == "DeadlineExceeded"
    assert "after its deadline" in subtask["reason"]
    assert result["failed_agents"][0]["error"].startswith("timeout")


def test_an_answer_after_the_sla_is_a_missed_sla() -> None:
    """The specialist's own limit counts as the run's deadline does."""
    (subtask,) = _run(None, 60.0, sla_s=30.0)["subtasks"]
    assert (subtask["state"], subtask["sla_missed"]) == ("failed", True)


def test_an_answer_in_time_counts() -> None:
    """A body that blocks its loop for less than its deadline has answered."""
    assert _run(100.0, 50.0)["status"] == "success"


def test_a_body_that_blocks_the_loop_does_not_succeed_by_it() -> None:
    """The real clock and a real block: nobody can give control back, and the answer does not count."""

    @specialist("blocker", max_attempts=1)
    async def blocker(brief: Brief) -> str:
        time.sleep(0.25)
        return "late"

    plan = {"subtasks": [{"id": "a", "specialist": "blocker"}]}
    graph = create_planner(specialists=[blocker], budget=Budget(seconds=0.1))
    result: Any = asyncio.run(graph.ainvoke({"task": {"task_id": "t-1", "plan": plan}}))["result"]
    assert (result["status"], result["subtasks"][0]["error"]["type"]) == ("failed", "DeadlineExceeded")
