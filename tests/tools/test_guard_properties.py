"""The guard: in every path each reservation ends exactly once, with a fake account and with the real ledger."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from concertino.budgets import Ledger, amounts
from concertino.contracts.budget import Budget
from concertino.contracts.errors import BreakerOpen, BudgetExceeded, DeadlineExceeded, ToolFailed
from concertino.tools.attempt import Order
from concertino.tools.registry import as_tool
from concertino.tools.retry import Transient
from tests.tools.world import COST, HttpError, World, forever, run

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
