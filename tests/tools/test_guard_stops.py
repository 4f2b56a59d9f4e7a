"""The guard under time, cancellation and tools that misbehave: control comes back and everything is settled."""

import asyncio
import gc
import threading

import pytest

from concertino.contracts.errors import DeadlineExceeded, ToolFailed
from concertino.evals.virtual import run_virtually
from concertino.tools import guard as guard_room
from concertino.tools.registry import as_tool
from concertino.tools.retry import Transient
from tests.tools.world import COST, WAIT_S, World, forever, run


def test_timeout_is_charged_in_full_and_retried() -> None:
    """A call without an answer in its time is given up, counted as failed and tried again."""
    world = World()
    assert world.call(world.script(forever, "late but fine")) == "late but fine"
    assert world.outcomes() == ["timeout", "ok"]
    assert world.account.endings() == ["in full"] * 2


def test_deadline_cuts_the_call_and_says_so() -> None:
    """At the deadline control comes back, the breaker learns nothing, and nothing is tried again."""
    world = World()

    async def main() -> float:
        with pytest.raises(DeadlineExceeded) as caught:
            await world.guard.call(world.order(world.script(forever), deadline=2.0), (), {})
        assert caught.value.limit_s == 2.0
        return asyncio.get_running_loop().time()

    assert run(main) == pytest.approx(2.0)
    assert (world.calls, world.account.endings()) == (1, ["in full"])
    assert world.breakers.get("search", "").snapshot()["consecutive_failures"] == 0


def test_nothing_starts_after_the_deadline() -> None:
    """A call whose time is over reserves nothing."""
    world = World()
    with pytest.raises(DeadlineExceeded):
        world.call(world.script("x"), deadline=0.0)
    assert (world.calls, world.account.made, world.outcomes()) == (0, {}, ["deadline"])


def test_nothing_is_retried_that_cannot_end_in_time() -> None:
    """A retry is expected to take as long as the attempt before."""
    world = World()

    async def slow() -> None:
        await asyncio.sleep(3.0)
        raise Transient

    with pytest.raises(ToolFailed):
        world.call(world.script(slow, "never"), deadline=6.0)
    assert world.calls == 1


def test_cancellation_charges_in_full_and_cancels_the_tool() -> None:
    """A cancelled call is settled before the cancellation goes on, and its outcome counts for nothing."""
    world = World()
    cancelled: list[bool] = []

    async def wait() -> None:
        try:
            await forever()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    async def main() -> None:
        task = asyncio.ensure_future(world.guard.call(world.order(world.script(wait)), (), {}))
        await asyncio.sleep(1.0)
        assert world.account.live == 1
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (world.account.live, world.account.endings()) == (0, ["in full"])
        await asyncio.sleep(0.1)

    run(main)
    assert cancelled == [True]
    assert world.outcomes() == ["cancelled"]
    assert world.breakers.get("search", "").snapshot()["consecutive_failures"] == 0


def test_tool_that_swallows_cancellation_does_not_delay_the_caller() -> None:
    """The caller has its error at the timeout; the stubborn task counts as leaked until it ends."""
    world = World()

    async def stubborn() -> None:
        try:
            await forever()
        except asyncio.CancelledError:
            await asyncio.sleep(100.0)

    async def main() -> None:
        with pytest.raises(ToolFailed, match="no answer within 5 s"):
            await world.guard.call(world.order(world.script(stubborn, attempts=1)), (), {})
        loop = asyncio.get_running_loop()
        assert loop.time() == pytest.approx(5.0)
        assert guard_room.leaked() == before + 1
        await asyncio.sleep(101.0)
        assert guard_room.leaked() == before

    before = guard_room.leaked()
    run(main)


@pytest.mark.parametrize("error", [SystemExit(2), KeyboardInterrupt(), asyncio.CancelledError(), StopIteration()])
def test_plain_tool_cannot_end_the_process(error: BaseException) -> None:
    """Whatever a plain tool raises ends as a failed call, for coroutines and for threads."""
    for flavour, timeout_s in (("call", None), ("call_blocking", WAIT_S)):
        world = World()
        with pytest.raises(ToolFailed):
            getattr(world, flavour)(world.plain(error, timeout_s=timeout_s))
        assert world.account.endings() == ["in full"]


def test_async_tool_cannot_end_the_process() -> None:
    """`sys.exit` in an async tool, or its own cancellation, ends as a failed call."""
    for error in (SystemExit(2), asyncio.CancelledError()):
        for flavour in ("call", "call_blocking"):
            world = World()
            with pytest.raises(ToolFailed):
                getattr(world, flavour)(world.script(error))
            assert world.account.endings() == ["in full"]


def test_blocking_call_comes_back_at_its_timeout() -> None:
    """A plain tool that blocks is given up; its reservation is charged and its thread counts as leaked."""
    go = threading.Event()
    world = World()
    before = guard_room.leaked()
    with pytest.raises(ToolFailed, match="no answer within"):
        world.call_blocking(world.plain(lambda: go.wait(WAIT_S), timeout_s=0.01, attempts=1))
    assert (guard_room.leaked(), world.account.endings()) == (before + 1, ["in full"])
    go.set()


def test_async_tool_serves_a_plain_caller_on_one_loop() -> None:
    """Called from threads, async tools share one loop, so a client that belongs to it keeps working."""
    world = World()

    async def which() -> int:
        return id(asyncio.get_running_loop())

    search = world.script(which, which)
    assert world.call_blocking(search, key="a") == world.call_blocking(search, key="b")


def test_blocking_timeout_cancels_an_async_tool() -> None:
    """On the background loop too, a call that was given up is cancelled."""
    world, cancelled = World(), threading.Event()

    async def wait() -> None:
        try:
            await forever()
        finally:
            cancelled.set()

    with pytest.raises(ToolFailed):
        world.call_blocking(world.script(wait, timeout_s=0.05, attempts=1))
    assert cancelled.wait(WAIT_S)


def test_langgraph_control_flow_goes_through() -> None:
    """A question asked inside a tool is no failure: it goes on as it is, unretried, and the breaker learns nothing."""
    bubble = type("GraphBubbleUp", (Exception,), {"__module__": "langgraph.errors"})
    world = World()
    with pytest.raises(bubble):
        world.call(world.script(bubble()))
    assert world.outcomes() == ["interrupted"]
    assert world.breakers.get("search", "").snapshot()["window"] == {"calls": 0, "failed": 0, "slow": 0}


def test_failing_while_the_caller_is_cancelled_leaves_no_error_behind() -> None:
    """A tool that fails in the moment of its caller's cancellation has been looked at."""
    world = World()
    told: list[str] = []
    calling: list[asyncio.Task[None]] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: told.append(str(context["message"])))

        def fails() -> None:
            # The cancellation comes after the end of the call is known, and before its caller hears of it.
            loop.call_soon_threadsafe(lambda: loop.call_soon(calling[0].cancel))
            raise LookupError("mine")

        order = world.order(as_tool(fails, cost=COST))
        calling.append(asyncio.create_task(world.guard.call(order, (), {})))
        await asyncio.wait(calling)
        assert calling.pop().cancelled()
        gc.collect()

    run_virtually(main)
    assert world.outcomes() == ["cancelled"]
    assert told == []
