"""The guard: what is reserved, charged, retried and told, and in which order."""

import asyncio
from concurrent.futures import Future
from typing import Any

import pytest

from concertino.budgets import NOTHING, Amounts, amounts
from concertino.contracts.clock import Clock
from concertino.contracts.errors import BreakerOpen, StaleLease, ToolFailed
from concertino.tools.breaker import BreakerPolicy
from concertino.tools.registry import Cost
from concertino.tools.retry import Transient
from tests.tools.world import HttpError, LoopClock, World


def test_success_charges_what_was_used() -> None:
    """The worst case is reserved, what the result says is settled, and the event tells it."""
    world = World()
    search = world.script({"n": 3}, used=lambda result: Cost(tokens=result["n"]))
    assert world.call(search) == {"n": 3}
    assert world.account.made["s:1:search:1#1"].amounts == amounts(tokens=100, calls=1, usd=0.5)
    assert world.account.charged == amounts(tokens=3, calls=1)
    assert world.events == [
        (
            "TOOL_CALLED",
            {
                "tool": "search",
                "endpoint": "",
                "key": "s:1:search:1#1",
                "attempt": 1,
                "outcome": "ok",
                "duration_s": 0.0,
                "usage": {"tokens": 3, "calls": 1, "usd": 0.0, "documents": 0},
            },
        )
    ]


@pytest.mark.parametrize("flavour", ["coroutine", "thread"])
def test_transient_errors_are_tried_three_times_at_most(flavour: str) -> None:
    """Each attempt reserves anew; after the third the call has failed, with the last cause."""
    world = World()
    errors = [Transient(f"no {n}") for n in range(9)]
    call, declare = (world.call, world.script) if flavour == "coroutine" else (world.call_blocking, world.plain)
    with pytest.raises(ToolFailed) as caught:
        call(declare(*errors, breaker=BreakerPolicy(failure_threshold=9)))
    assert (caught.value.attempts, caught.value.__cause__) == (3, errors[2])
    assert list(world.account.made) == [f"s:1:search:1#{n}" for n in (1, 2, 3)]
    assert world.account.endings() == ["in full"] * 3
    assert world.clock.slept == [0.25, 0.5]


def test_unknown_errors_are_not_retried() -> None:
    """Only what is known to pass is tried again; any other error is charged in full."""
    world = World()
    with pytest.raises(ToolFailed, match="ValueError: wrong"):
        world.call(world.script(ValueError("wrong")))
    assert (world.calls, world.account.endings()) == (1, ["in full"])


@pytest.mark.parametrize(
    ("error", "charged", "attempts"),
    [
        (HttpError(400), Amounts(calls=1), 1),
        (HttpError(429), Amounts(calls=1), 2),
        (HttpError(503), Amounts(calls=1), 2),
        (HttpError(504), amounts(tokens=100, calls=1, usd=0.5), 2),
        (ConnectionRefusedError(), Amounts(calls=1), 2),
        (ConnectionResetError(), amounts(tokens=100, calls=1, usd=0.5), 2),
        (Transient(usage=Cost(tokens=7)), amounts(tokens=7, calls=1), 2),
        (Transient(usage=Cost(calls=0)), NOTHING, 2),
    ],
)
def test_known_failures_cost_their_call_and_unknown_ones_everything(
    error: Exception, charged: Amounts, attempts: int
) -> None:
    """An answer with an error status was not billed; whatever else happened may have been."""
    world = World()
    try:
        world.call(world.script(error, "fine", used=lambda _: Cost(calls=0)))
    except ToolFailed:
        assert attempts == 1
    assert (world.account.charged, world.calls) == (charged, attempts)


def test_client_errors_do_not_open_the_breaker() -> None:
    """HTTP 404 shows an endpoint that works."""
    world = World()
    search = world.script(*[HttpError(404)] * 5)
    for n in range(5):
        with pytest.raises(ToolFailed):
            world.call(search, key=f"k{n}")
    assert world.breakers.get("search", "").state == "CLOSED"


def test_open_breaker_refunds() -> None:
    """What a breaker refuses did not leave and costs nothing; the change is an event."""
    world = World()
    search = world.script(*[ValueError("x")] * 3)
    for n in range(3):
        with pytest.raises(ToolFailed):
            world.call(search, key=f"k{n}")
    with pytest.raises(BreakerOpen):
        world.call(search, key="k4")
    assert world.account.endings() == ["in full"] * 3 + ["refunded"]
    assert [kind for kind, _ in world.events] == [*["TOOL_CALLED"] * 3, "BREAKER_CHANGED", "TOOL_CALLED"]
    assert world.outcomes()[-1] == "breaker_open"


def test_retry_after_is_honoured() -> None:
    """The header's seconds are waited at least."""
    world = World()
    assert world.call(world.script(HttpError(429, {"Retry-After": "7"}), "fine")) == "fine"
    assert world.clock.slept == [7.0]


def test_run_wide_retry_ratio_holds() -> None:
    """With 10 calls, a ratio of 0.2 and a minimum of 1 there are 3 retries, however many would help."""
    world = World(ratio=0.2, minimum=1)
    search = world.script(*[HttpError(503)] * 99, breaker=BreakerPolicy(failure_threshold=99))
    for n in range(10):
        with pytest.raises(ToolFailed):
            world.call(search, key=f"k{n}")
    assert world.calls == 13


def test_reservation_is_committed_before_the_call_leaves() -> None:
    """The journal's future is awaited before the call, and the settlement is told after it."""
    log: list[str] = []

    def reserved(key: str, path: str, sums: Any) -> Future[None]:
        future: Future[None] = Future()
        log.append(f"reserved {key} on {path}: {sums['tokens']}")

        def commit() -> None:
            log.append("committed")
            future.set_result(None)

        asyncio.get_running_loop().call_later(1.0, commit)
        return future

    world = World(on_reserved=reserved, on_settled=lambda key, path, sums: log.append(f"settled {sums['tokens']}"))

    async def leave() -> str:
        log.append("left")
        return "x"

    assert world.call(world.script(leave, used=lambda _: Cost(tokens=4))) == "x"
    assert log == ["reserved s:1:search:1#1 on run/search: 100", "committed", "left", "settled 4"]


def test_failed_announcement_stops_the_call() -> None:
    """Who lost the lease sends nothing: the reservation goes back and the error goes through."""
    settled: list[Any] = []

    def reserved(key: str, path: str, sums: Any) -> Future[None]:
        future: Future[None] = Future()
        future.set_exception(StaleLease(run_id="r", held=1, current=2))
        return future

    for flavour in ("call", "call_blocking"):
        world = World(on_reserved=reserved, on_settled=lambda key, path, sums: settled.append(sums["calls"]))
        with pytest.raises(StaleLease):
            getattr(world, flavour)(world.script("x"))
        assert (world.calls, world.account.endings(), world.outcomes()) == (0, ["refunded"], ["not_sent"])
    assert settled == [0, 0]


def test_faulty_usage_reader_is_charged_in_full() -> None:
    """When what was used cannot be read, everything is charged, once."""
    world = World()
    with pytest.raises(ToolFailed, match="KeyError"):
        world.call(world.script({}, used=lambda result: result["usage"]))
    assert world.account.endings() == ["in full"]


def test_clock_is_the_contract() -> None:
    """The clock of these tests fits the port."""
    clock: Clock = LoopClock()
    assert clock.now() == 1_000_000.0


@pytest.mark.parametrize("flavour", ["coroutine", "thread"])
@pytest.mark.parametrize(("told", "rule"), [(5, "must be a Cost"), ({"tokens": 1.5}, "whole number")])
def test_a_usage_that_is_no_cost_fails_its_call_and_charges_it_in_full(told: Any, rule: str, flavour: str) -> None:
    """What `used` returns is a cost or a mapping of its fields; anything else is the tool's failure, and nothing leaks."""
    world = World()
    call, declare = (world.call, world.script) if flavour == "coroutine" else (world.call_blocking, world.plain)
    with pytest.raises(ToolFailed, match=rule):
        call(declare("x", used=lambda _: told))
    assert world.account.endings() == ["in full"]


def test_a_usage_may_be_a_mapping() -> None:
    """What `used` returns may be a mapping of a cost's fields."""
    world = World()
    assert world.call(world.script("x", used=lambda _: {"tokens": 7})) == "x"
    assert world.account.charged == amounts(tokens=7, calls=1)
