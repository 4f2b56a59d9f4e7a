"""Calls that are known to heed cancellation are awaited in the caller's own task, and end as any other does."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from concertino.contracts.errors import DeadlineExceeded, ToolFailed
from concertino.tools.registry import Tool
from tests.tools.world import World, forever, run


def call(world: World, tool: Tool, **order: Any) -> Any:
    return world.guard.call(replace(world.order(tool, **order), heeds=True), (), {})


def test_it_runs_in_the_callers_task() -> None:
    """No task of its own stands between."""
    world = World()

    async def main() -> None:
        async def who() -> Any:
            return asyncio.current_task()

        assert await call(world, world.script(who)) is asyncio.current_task()

    run(main)
    assert (world.outcomes(), world.account.endings()) == (["ok"], ["in full"])


def test_timeout_is_charged_in_full_and_retried() -> None:
    """A call without an answer in its time is ended, counted as failed and tried again."""
    world = World()
    assert run(lambda: call(world, world.script(forever, "late but fine"))) == "late but fine"
    assert world.outcomes() == ["timeout", "ok"]
    assert world.account.endings() == ["in full"] * 2


@pytest.mark.parametrize("says", [None, ValueError("broken off")])
def test_deadline_cuts_the_call_whatever_it_says_of_it(says: Exception | None) -> None:
    """At the deadline the error names it, also where the call turns its cancellation into an error of its own."""
    world = World()

    async def cut() -> None:
        try:
            await forever()
        except asyncio.CancelledError:
            raise says or asyncio.CancelledError from None

    async def main() -> float:
        with pytest.raises(DeadlineExceeded):
            await call(world, world.script(cut), deadline=2.0)
        return asyncio.get_running_loop().time()

    assert run(main) == pytest.approx(2.0)
    assert (world.calls, world.account.endings()) == (1, ["in full"])


def test_a_timeout_of_its_own_is_no_deadline() -> None:
    """What a call raises before its time is over is its own error."""
    world = World()
    with pytest.raises(ToolFailed, match="TimeoutError: mine"):
        run(lambda: call(world, world.script(TimeoutError("mine"), attempts=1), deadline=2.0))
    assert world.outcomes() == ["timeout"]


def test_cancellation_charges_in_full_and_goes_on() -> None:
    """A cancelled call is settled before the cancellation goes on, and its outcome counts for nothing."""
    world = World()

    async def main() -> None:
        task = asyncio.ensure_future(call(world, world.script(forever)))
        await asyncio.sleep(1.0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(main)
    assert (world.account.live, world.account.endings(), world.outcomes()) == (0, ["in full"], ["cancelled"])
    assert world.breakers.get("search", "").snapshot()["consecutive_failures"] == 0


@pytest.mark.parametrize("error", [SystemExit(2), asyncio.CancelledError()])
def test_it_cannot_end_the_process(error: BaseException) -> None:
    """`sys.exit` in it, or its own cancellation, ends as a failed call."""
    world = World()
    with pytest.raises(ToolFailed):
        run(lambda: call(world, world.script(error)))
    assert world.account.endings() == ["in full"]


def test_nothing_starts_after_the_deadline() -> None:
    """A call whose time is over reserves nothing."""
    world = World()
    with pytest.raises(DeadlineExceeded):
        run(lambda: call(world, world.script("x"), deadline=0.0))
    assert (world.calls, world.account.made) == (0, {})
