"""A guard with everything around it faked: time that jumps, an account that counts, tools that follow a script."""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from concertino.budgets import NOTHING, Amounts
from concertino.contracts.errors import BudgetExceeded
from concertino.tools.attempt import Desk, Order
from concertino.tools.breaker import Breakers
from concertino.tools.guard import Guard
from concertino.tools.registry import Cost, Tool, as_tool
from concertino.tools.retry import RetryBudget

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
    amounts: Amounts
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
        self.end("in full", self.amounts)


class FakeAccount:
    def __init__(self, *, reservations: int = 1_000) -> None:
        self.left = reservations
        self.live = 0
        self.charged = NOTHING
        self.made: dict[str, FakeReservation] = {}

    async def acquire(
        self,
        asked: Amounts,
        /,
        *,
        key: str,
        deadline: float | None = None,
        minimum: Amounts | None = None,
    ) -> FakeReservation:
        await asyncio.sleep(0)
        return self.acquire_blocking(asked, key=key)

    def acquire_blocking(
        self,
        asked: Amounts,
        /,
        *,
        key: str,
        deadline: float | None = None,
        minimum: Amounts | None = None,
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
