"""The guard: in every path each reservation ends exactly once and nothing leaves without one."""

import asyncio
import selectors
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concertino.budgets import NOTHING, Amounts, Ledger, amounts
from concertino.contracts.budget import Budget
from concertino.contracts.clock import Clock
from concertino.contracts.errors import BreakerOpen, BudgetExceeded, DeadlineExceeded, StaleLease, ToolFailed
from concertino.tools import guard as guard_room
from concertino.tools.attempt import Desk, Order
from concertino.tools.bound import BoundTools
from concertino.tools.breaker import BreakerPolicy, Breakers
from concertino.tools.guard import Guard
from concertino.tools.registry import Cost, Tool, as_tool, collect, tool
from concertino.tools.retry import RetryBudget, Transient

WAIT_S = 10.0
COST = Cost(tokens=100, calls=1, usd=0.5)


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop that jumps to the next timer instead of waiting for it."""

    def __init__(self) -> None:
        loop = self
        self.elapsed = 0.0

        class Jump(selectors.SelectSelector):
            def select(self, timeout: float | None = None) -> Any:
                if timeout is None or timeout <= 0:
                    return super().select(timeout)
                found = super().select(0)
                if not found:
                    loop.elapsed += timeout
                return found

        super().__init__(Jump())

    def time(self) -> float:
        return self.elapsed


def run(main: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main())


class LoopClock:
    """Follows the running loop; in a thread it stands at `time`."""

    def __init__(self) -> None:
        self.time = 0.0
        self.slept: list[float] = []

    def now(self) -> float:
        return 1_000_000.0 + self.monotonic()

    def monotonic(self) -> float:
        try:
            return asyncio.get_running_loop().time()
        except RuntimeError:
            return self.time

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds

    async def asleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        await asyncio.sleep(seconds)


@dataclass
class FakeReservation:
    account: "FakeAccount"
    sums: Amounts
    endings: list[str] = field(default_factory=list)
    path: str = "run/search"

    def end(self, how: str, used: Amounts) -> None:
        assert not self.endings, f"ended twice: {self.endings} and {how}"
        self.endings.append(how)
        self.account.live -= 1
        self.account.charged = self.account.charged.plus(used)

    def settle(self, used: Amounts, /) -> None:
        self.end("settled", used)

    def refund(self) -> None:
        self.end("refunded", NOTHING)

    def settle_in_full(self) -> None:
        self.end("in full", self.sums)


class FakeAccount:
    def __init__(self, *, reservations: int = 1_000) -> None:
        self.left = reservations
        self.live = 0
        self.charged = NOTHING
        self.made: dict[str, FakeReservation] = {}

    async def acquire(
        self, asked: Amounts, /, *, key: str, priority: int = 0, deadline: float | None = None
    ) -> FakeReservation:
        await asyncio.sleep(0)
        return self.acquire_blocking(asked, key=key)

    def acquire_blocking(
        self, asked: Amounts, /, *, key: str, priority: int = 0, deadline: float | None = None
    ) -> FakeReservation:
        if not self.left:
            raise BudgetExceeded(scope="run", dimension="calls", asked=1, left=0)
        assert key not in self.made
        self.left -= 1
        self.live += 1
        self.made[key] = FakeReservation(self, asked)
        return self.made[key]

    def endings(self) -> list[str]:
        assert all(len(one.endings) == 1 for one in self.made.values())
        return [one.endings[0] for one in self.made.values()]


class HttpError(Exception):
    def __init__(self, status_code: int, headers: dict[str, str] | None = None) -> None:
        super().__init__(f"HTTP {status_code}")
        self.response = type("Response", (), {"status_code": status_code, "headers": headers or {}})()


class World:
    """A guard with everything around it faked."""

    def __init__(self, *, reservations: int = 1_000, ratio: float = 2.0, minimum: int = 1_000, **desk: Any) -> None:
        self.clock = LoopClock()
        self.account = FakeAccount(reservations=reservations)
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.breakers = Breakers(clock=self.clock)
        made = Desk(
            breakers=self.breakers,
            clock=self.clock,
            emit=lambda kind, payload: self.events.append((kind, payload)),
            **desk,
        )
        self.guard = Guard(made, retries=RetryBudget(ratio=ratio, minimum=minimum), random=lambda: 0.5)
        self.calls = 0

    def order(self, tool: Tool, *, deadline: float | None = None, key: str = "s:1:search:1") -> Order:
        return Order(tool=tool, account=self.account, key=key, deadline=deadline)

    def call(self, tool: Tool, **order: Any) -> Any:
        return run(lambda: self.guard.call(self.order(tool, **order), (), {}))

    def call_blocking(self, tool: Tool, **order: Any) -> Any:
        return self.guard.call_blocking(self.order(tool, **order), (), {})

    def outcomes(self) -> list[str]:
        return [payload["outcome"] for kind, payload in self.events if kind == "TOOL_CALLED"]

    def script(self, *ends: Any, **options: Any) -> Tool:
        """Return an async tool whose n-th call ends as the n-th of `ends`: an error, or a result."""

        async def search() -> Any:
            assert self.account.live == 1, "a call left without a live reservation"
            end = ends[self.calls]
            self.calls += 1
            if isinstance(end, BaseException):
                raise end
            return await end() if callable(end) else end

        return as_tool(search, **{"cost": COST, "timeout_s": 5.0, **options})

    def plain(self, *ends: Any, **options: Any) -> Tool:
        """Return the same as a plain function."""

        def search() -> Any:
            assert self.account.live == 1, "a call left without a live reservation"
            end = ends[self.calls]
            self.calls += 1
            if isinstance(end, BaseException):
                raise end
            return end() if callable(end) else end

        return as_tool(search, **{"cost": COST, "timeout_s": None, **options})


async def forever() -> None:
    await asyncio.sleep(1e9)


def test_success_charges_what_was_used() -> None:
    """The worst case is reserved, what the result says is settled, and the event tells it."""
    world = World()
    search = world.script({"n": 3}, used=lambda result: Cost(tokens=result["n"]))
    assert world.call(search) == {"n": 3}
    assert world.account.made["s:1:search:1#1"].sums == amounts(tokens=100, calls=1, usd=0.5)
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


def test_retry_after_is_honoured() -> None:
    """The header's seconds are waited at least."""
    world = World()
    assert world.call(world.script(HttpError(429, {"Retry-After": "7"}), "fine")) == "fine"
    assert world.clock.slept == [7.0]


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


def test_langgraph_control_flow_goes_through() -> None:
    """A question asked inside a tool is no failure: it goes on as it is, unretried, and the breaker learns nothing."""
    bubble = type("GraphBubbleUp", (Exception,), {"__module__": "langgraph.errors"})
    world = World()
    with pytest.raises(bubble):
        world.call(world.script(bubble()))
    assert world.outcomes() == ["interrupted"]
    assert world.breakers.get("search", "").snapshot()["window"] == {"calls": 0, "failed": 0, "slow": 0}


def test_faulty_usage_reader_is_charged_in_full() -> None:
    """When what was used cannot be read, everything is charged, once."""
    world = World()
    with pytest.raises(ToolFailed, match="KeyError"):
        world.call(world.script({}, used=lambda result: result["usage"]))
    assert world.account.endings() == ["in full"]


ENDS = st.sampled_from(
    ["ok", "transient", "fatal", "http400", "http503", "timeout", "cancel", "exit", "self_cancel", "bubble", "late"]
)


@given(
    calls=st.lists(st.lists(ENDS, min_size=3, max_size=3), min_size=1, max_size=5),
    reservations=st.sampled_from([0, 1, 2, 3, 5, 100]),
    cancel_at=st.sampled_from([None, 0.0, 0.3, 6.0]),
)
def test_every_reservation_ends_once(calls: list[list[str]], reservations: int, cancel_at: float | None) -> None:
    """Whatever happens, in whatever order: held is 0 afterwards and what was charged is what the events say."""
    world = World(reservations=reservations)

    async def answer(end: str) -> str:
        if end in {"timeout", "cancel"}:
            await forever()
        if end == "late":
            await asyncio.sleep(4.9)
        if end in {"ok", "late"}:
            return end
        raise {
            "transient": Transient(),
            "fatal": ValueError("x"),
            "http400": HttpError(400),
            "http503": HttpError(503),
            "exit": SystemExit(1),
            "self_cancel": asyncio.CancelledError(),
            "bubble": DeadlineExceeded(scope="inner", limit_s=1.0),
        }[end]

    async def main() -> None:
        for n, ends in enumerate(calls):
            world.calls = 0
            search = world.script(*[lambda end=end: answer(end) for end in ends])
            order = world.order(search, key=f"k{n}", deadline=asyncio.get_running_loop().time() + 60.0)
            task = asyncio.ensure_future(world.guard.call(order, (), {}))
            if cancel_at is not None:
                asyncio.get_running_loop().call_later(cancel_at, task.cancel)
            await asyncio.wait({task})
            if not task.cancelled():
                error = task.exception()
                assert error is None or isinstance(error, ToolFailed | BreakerOpen | BudgetExceeded | DeadlineExceeded)
            assert world.account.live == 0
            assert world.calls <= 3

    run(main)
    world.account.endings()
    told = [payload["usage"] for kind, payload in world.events if kind == "TOOL_CALLED"]
    assert sum(usage["tokens"] for usage in told) == world.account.charged.tokens
    assert sum(usage["calls"] for usage in told) == world.account.charged.calls
    assert amounts(usd=sum(usage["usd"] for usage in told)) == amounts(usd=world.account.charged.nano_usd / 1e9)


def bound(world: World, *declared: Any, blocking: bool = False, deadline: float | None = None) -> BoundTools:
    return BoundTools(
        collect(declared),
        guard=world.guard,
        account=lambda _: world.account,
        key="sub:2",
        blocking=blocking,
        deadline=deadline,
    )


def test_bound_tools_answer_coroutines() -> None:
    """By attribute, by item and by name it is the same tool, under keys counted per tool."""
    world = World()

    @tool("add", cost=Cost())
    async def add(a: int, b: int = 1) -> int:
        return a + b

    @tool
    def double(a: int) -> int:
        """Return twice `a`."""
        return 2 * a

    tools = bound(world, add, double)

    async def main() -> list[int]:
        return [await tools.add(a=1), await tools["add"](2, b=2), await tools.call("double", a=4), await tools.add(5)]

    assert asyncio.run(main()) == [2, 4, 8, 6]
    assert list(world.account.made) == ["sub:2:add:1#1", "sub:2:add:2#1", "sub:2:double:1#1", "sub:2:add:3#1"]


def test_bound_tools_answer_threads() -> None:
    """In a plain function a call returns its result, whether the tool is async or not."""
    world = World()
    tools = bound(world, world.script("async"), blocking=True)
    assert tools.search() == "async"
    assert ("search" in tools, "other" in tools) == (True, False)


def test_unknown_tool_is_named_with_what_there_is() -> None:
    """Each way of asking fails as Python expects, and tells the names."""
    tools = bound(World(), as_tool(lambda: 1, name="one"))
    with pytest.raises(AttributeError, match="no tool 'two'; there are: one"):
        _ = tools.two
    with pytest.raises(KeyError, match="no tool 'two'"):
        _ = tools["two"]
    with pytest.raises(KeyError, match="no tool 'two'"):
        tools.call("two")


def test_open_tool_is_not_offered() -> None:
    """A tool whose breaker is open is absent from the names."""
    world = World()
    tools = bound(world, world.script("x"), as_tool(lambda: 1, name="one"))
    assert tools.names() == ("search", "one")
    for _ in range(3):
        world.breakers.get("search", "").enter().failure(0.1)
    assert tools.names() == ("one",)


def test_closed_tools_send_nothing_more() -> None:
    """A thread that outlived its run is refused at its next call."""
    world = World()
    tools = bound(world, world.plain("x", "y"), blocking=True)
    assert tools.search() == "x"
    tools.close(DeadlineExceeded(scope="run", limit_s=1.0))
    with pytest.raises(DeadlineExceeded, match="run"):
        tools.search()
    assert world.calls == 1


@given(
    ends=st.lists(
        st.sampled_from(["ok", "transient", "fatal", "http400", "timeout", "cancel"]), min_size=1, max_size=8
    ),
    limit=st.integers(0, 600),
)
def test_real_ledger_is_never_over_and_holds_nothing_afterwards(ends: list[str], limit: int) -> None:
    """With the real ledger, concurrent calls of every outcome stay within the limit and leave nothing held."""
    world = World()
    ledger = Ledger(Budget(tokens=limit, calls=9), clock=world.clock)
    account = ledger.account(("work", "search"), limit=Budget(tokens=500))
    billed = 0

    async def answer(end: str) -> str:
        nonlocal billed
        billed += COST.tokens
        await asyncio.sleep(0.5)
        if end == "ok":
            return end
        if end in {"timeout", "cancel"}:
            await forever()
        raise {"transient": Transient(), "fatal": ValueError("x"), "http400": HttpError(400)}[end]

    async def main() -> None:
        tasks = []
        for n, end in enumerate(ends):
            search = as_tool(answer, name="search", cost=COST, timeout_s=5.0)
            order = Order(tool=search, account=account, key=f"k{n}", deadline=30.0)
            task = asyncio.ensure_future(world.guard.call(order, (end,), {}))
            if end == "cancel":
                asyncio.get_running_loop().call_later(1.0, task.cancel)
            tasks.append(task)
        await asyncio.wait(tasks)

    run(main)
    assert ledger.open_holds() == 0
    refunded = sum(e["outcome"] == "failed" and e["usage"]["tokens"] == 0 for _, e in world.events if "outcome" in e)
    assert billed - refunded * COST.tokens == ledger.usage().tokens <= min(limit, 500)


def test_clock_is_the_contract() -> None:
    """The clock of these tests fits the port."""
    clock: Clock = LoopClock()
    assert clock.now() == 1_000_000.0
