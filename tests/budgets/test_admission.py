"""Admission: waiting, shrinking, order, cancelling, deadlock, over loops and threads."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import pytest

from concertino.budgets import SYNTHESIZE, Account, Amounts, Ledger, Reservation
from concertino.contracts.budget import Budget
from concertino.contracts.errors import BudgetExceeded, DeadlineExceeded

T = TypeVar("T")


def tokens(n: int) -> Amounts:
    return Amounts(tokens=n)


def subtask(ledger: Ledger, name: str) -> Account:
    return ledger.account(("work", name, f"{name}::t-1::1"))


async def settled() -> None:
    """Let every task run until it waits."""
    for _ in range(20):
        await asyncio.sleep(0)


async def start(call: Coroutine[object, object, T]) -> asyncio.Task[T]:
    task = asyncio.ensure_future(call)
    await settled()
    return task


async def given(task: asyncio.Task[T]) -> T:
    """Return what a waiter got, which must have come by now."""
    await settled()
    assert task.done(), "still waiting"
    return task.result()


async def now(call: Coroutine[object, object, T]) -> T:
    """Return what is given without a wait."""
    return await given(await start(call))


async def test_a_request_waits_for_a_refund_and_then_gets_all() -> None:
    """Waiting comes before shrinking: what others hold may come back."""
    account = subtask(Ledger(Budget(tokens=100)), "a")
    first = account.reserve(tokens(80), key="1")
    second = await start(account.acquire(tokens(50), key="2", minimum=tokens(10)))
    assert not second.done()
    first.settle(tokens(50))
    assert (await given(second)).amounts == tokens(50)


async def test_a_request_shrinks_once_no_hold_could_make_more_room() -> None:
    """After the last hold is settled the rest is what there is."""
    ledger = Ledger(Budget(tokens=100))
    account = subtask(ledger, "a")
    first, other = account.reserve(tokens(50), key="1"), account.reserve(tokens(30), key="2")
    waiting = await start(account.acquire(tokens(50), key="3", minimum=tokens(10)))
    first.settle_in_full()
    await settled()
    assert not waiting.done()
    other.settle(tokens(25))
    assert (await given(waiting)).amounts == tokens(25)


async def test_a_request_that_no_refund_could_help_is_refused_at_once() -> None:
    """Even with every hold given back the minimum would not fit, so nobody waits."""
    account = subtask(Ledger(Budget(tokens=100), floor=Budget(tokens=20)), "a")
    account.reserve(tokens(30), key="1").settle_in_full()
    account.reserve(tokens(10), key="2")
    with pytest.raises(BudgetExceeded, match="asked 51 tokens, 50 left"):
        await now(account.acquire(tokens(60), key="3", minimum=tokens(51)))


async def test_a_waiter_is_refused_when_hope_ends() -> None:
    """Once holds are settled in full and too little is left, the wait ends with the reason."""
    account = subtask(Ledger(Budget(tokens=100)), "a")
    first = account.reserve(tokens(80), key="1")
    waiting = await start(account.acquire(tokens(50), key="2"))
    first.settle_in_full()
    with pytest.raises(BudgetExceeded, match="asked 50 tokens, 20 left"):
        await given(waiting)


async def test_higher_priority_is_served_first_and_equals_in_order_of_arrival() -> None:
    """What comes back goes to the most important, then to the longest waiting."""
    account = subtask(Ledger(Budget(tokens=100)), "a")
    holds = [account.reserve(tokens(25), key=f"h{n}") for n in range(4)]
    served: list[str] = []

    async def ask(name: str, priority: int) -> None:
        await account.acquire(tokens(25), key=name, priority=priority)
        served.append(name)

    tasks = [await start(ask(name, priority)) for name, priority in [("low", 0), ("low2", 0), ("high", 5), ("mid", 3)]]
    for hold in holds:
        hold.refund()
        await settled()
    assert all(task.done() for task in tasks)
    assert served == ["high", "mid", "low", "low2"]


async def test_small_requests_do_not_starve_a_large_one() -> None:
    """A later small request that would fit waits behind a large one that is short in the same cell."""
    ledger = Ledger(Budget(tokens=100))
    account = subtask(ledger, "a")
    first, second = account.reserve(tokens(50), key="1"), account.reserve(tokens(40), key="2")
    large = await start(account.acquire(tokens(80), key="large"))
    small = await start(subtask(ledger, "b").acquire(tokens(5), key="small"))
    assert not small.done()
    first.refund()
    second.refund()
    assert (await given(large)).amounts == tokens(80)
    assert (await given(small)).amounts == tokens(5)


async def test_the_bar_holds_below_the_run_too() -> None:
    """What is short in a specialist's own account is kept for the first in line there."""
    ledger = Ledger(Budget(tokens=1_000))
    narrow = ledger.account(("work", "a"), limit=Budget(tokens=100))
    first = narrow.reserve(tokens(50), key="1")
    large = await start(narrow.acquire(tokens(80), key="large"))
    small = await start(narrow.acquire(tokens(5), key="small"))
    urgent = await start(narrow.acquire(tokens(5), key="urgent", priority=1))
    assert not small.done()
    assert (await given(urgent)).amounts == tokens(5)
    first.refund()
    assert (await given(large)).amounts == tokens(80)
    assert (await given(small)).amounts == tokens(5)


async def test_a_request_elsewhere_passes_one_that_is_short_in_its_own_account() -> None:
    """Only the cells in which somebody is short are barred."""
    ledger = Ledger(Budget(tokens=100))
    narrow = ledger.account(("work", "a"), limit=Budget(tokens=10))
    hold = narrow.reserve(tokens(10), key="1")
    waiting = await start(narrow.acquire(tokens(10), key="2", priority=9))
    assert (await now(subtask(ledger, "b").acquire(tokens(90), key="3"))).amounts == tokens(90)
    hold.refund()
    assert (await given(waiting)).amounts == tokens(10)


async def test_synthesis_passes_all_who_wait_while_the_floor_covers_it() -> None:
    """The floor is nobody else's, so nobody else's place in the queue matters."""
    ledger = Ledger(Budget(tokens=100), floor=Budget(tokens=20))
    hold = subtask(ledger, "a").reserve(tokens(80), key="1")
    waiting = await start(subtask(ledger, "a").acquire(tokens(50), key="2", priority=9))
    answer = await now(ledger.account(SYNTHESIZE).acquire(tokens(20), key="3"))
    assert answer.amounts == tokens(20)
    hold.refund()
    await given(waiting)


async def test_a_cancelled_waiter_holds_nothing_and_lets_the_next_one_through() -> None:
    """The bar of the cancelled goes with it."""
    ledger = Ledger(Budget(tokens=100))
    account = subtask(ledger, "a")
    hold = account.reserve(tokens(60), key="1")
    large = await start(account.acquire(tokens(90), key="2"))
    small = await start(account.acquire(tokens(40), key="3"))
    large.cancel()
    await settled()
    assert (await given(small)).amounts == tokens(40)
    hold.refund()
    assert ledger.open_holds() == 1


async def test_a_waiter_cancelled_after_it_was_served_gives_everything_back() -> None:
    """No wake-up is lost: what the cancelled one had got goes to the next."""
    ledger = Ledger(Budget(tokens=100))
    account = subtask(ledger, "a")
    hold = account.reserve(tokens(100), key="1")
    first = await start(account.acquire(tokens(100), key="2"))
    second = await start(account.acquire(tokens(100), key="3"))
    hold.refund()
    first.cancel()
    assert (await given(second)).key == "3"
    assert first.cancelled()
    assert ledger.open_holds() == 1


async def test_a_granted_waiter_cancelled_in_time_leaves_no_grant() -> None:
    """The same for grants."""
    ledger = Ledger(Budget(tokens=100))
    hold = subtask(ledger, "a").reserve(tokens(100), key="1")
    waiting = await start(subtask(ledger, "b").acquire_grant(tokens(60)))
    hold.refund()
    waiting.cancel()
    await settled()
    assert ledger.left() == Budget(tokens=100)
    assert ledger.open_holds() == 0


async def test_two_grants_that_wait_for_each_other_end_in_one_refusal() -> None:
    """Neither can get on while the other waits, so the lower priority is refused at once; then the other goes on."""
    ledger = Ledger(Budget(tokens=100))
    one, two = subtask(ledger, "a"), subtask(ledger, "b")
    one.grant(tokens(50))
    two.grant(tokens(50))
    high = await start(one.acquire(tokens(80), key="1", priority=1))
    assert not high.done()
    with pytest.raises(BudgetExceeded, match="asked 70 tokens"):
        await now(two.acquire(tokens(70), key="2"))
    assert not high.done()
    two.close()
    assert (await given(high)).amounts == tokens(80)


async def test_the_newcomer_of_higher_priority_outlives_the_one_that_waited() -> None:
    """Among those in deadlock the lowest priority is refused, whoever came first."""
    ledger = Ledger(Budget(tokens=100))
    one, two = subtask(ledger, "a"), subtask(ledger, "b")
    one.grant(tokens(50))
    two.grant(tokens(50))
    low = await start(one.acquire(tokens(80), key="1"))
    high = await start(two.acquire(tokens(70), key="2", priority=1))
    assert isinstance(low.exception(), BudgetExceeded)
    one.close()
    assert (await given(high)).amounts == tokens(70)


async def test_waiters_in_each_others_way_shrink_when_their_minimum_fits() -> None:
    """Nobody waits on a grant whose owner waits too: there is enough for less."""
    ledger = Ledger(Budget(tokens=120))
    one, two = subtask(ledger, "a"), subtask(ledger, "b")
    one.grant(tokens(50))
    two.grant(tokens(50))
    first = await start(one.acquire(tokens(100), key="1", minimum=tokens(60)))
    second = await start(two.acquire(tokens(100), key="2", minimum=tokens(40)))
    assert first.result().amounts == tokens(70)
    assert not second.done(), "the first one works now, and what it holds may come back"
    first.result().settle(tokens(60))
    one.close()
    assert (await given(second)).amounts == tokens(60)


async def test_a_chain_of_waiters_is_no_deadlock_while_its_end_can_get_on() -> None:
    """One waits on another's grant, that one on a call under way: nobody is refused."""
    ledger = Ledger(Budget(tokens=100))
    one, two, free = subtask(ledger, "a"), subtask(ledger, "b"), subtask(ledger, "c")
    one.grant(tokens(30))
    two.grant(tokens(30))
    call = free.reserve(tokens(40), key="call")
    first = await start(one.acquire(tokens(90), key="1", priority=1))
    second = await start(two.acquire(tokens(60), key="2"))
    assert not first.done()
    assert not second.done()
    call.refund()
    (await given(second)).refund()
    two.close()
    assert (await given(first)).amounts == tokens(90)


async def test_asking_within_a_reservation_that_blocks_itself_is_refused() -> None:
    """A nested call cannot wait for the call around it."""
    account = subtask(Ledger(Budget(tokens=100)), "a")
    outer = account.reserve(tokens(80), key="outer")
    with pytest.raises(BudgetExceeded, match="asked 30 tokens, 20 left"):
        await now(account.acquire(tokens(30), key="inner", within=outer))
    assert (await now(account.acquire(tokens(30), key="inner2", minimum=tokens(1), within=outer))).amounts == tokens(20)


async def test_two_nested_calls_that_block_each_other_end_in_one_refusal() -> None:
    """Declared nesting is seen as a deadlock just as grants are."""
    ledger = Ledger(Budget(tokens=100))
    one, two = subtask(ledger, "a"), subtask(ledger, "b")
    outer, other = one.reserve(tokens(50), key="o1"), two.reserve(tokens(50), key="o2")
    inner = await start(one.acquire(tokens(30), key="i1", within=outer))
    with pytest.raises(BudgetExceeded):
        await now(two.acquire(tokens(30), key="i2", within=other))
    other.settle(tokens(10))
    assert (await given(inner)).amounts == tokens(30)


async def test_grants_wait_like_reservations() -> None:
    """A subtask's explicit budget is admitted when another subtask gives its own back."""
    ledger = Ledger(Budget(tokens=100))
    one, two = subtask(ledger, "a"), subtask(ledger, "b")
    one.grant(tokens(80))
    with pytest.raises(BudgetExceeded, match="asked 60 tokens, 20 left"):
        two.grant(tokens(60))
    waiting = await start(two.acquire_grant(tokens(60), minimum=tokens(50)))
    assert not waiting.done()
    one.close()
    assert await given(waiting) == tokens(60)


async def test_a_passed_deadline_ends_the_wait_and_holds_nothing() -> None:
    """The time to wait is over before it begins."""
    ledger = Ledger(Budget(tokens=100))
    account = subtask(ledger, "a")
    account.reserve(tokens(100), key="1")
    with pytest.raises(DeadlineExceeded, match="waiting for budget"):
        await now(account.acquire(tokens(10), key="2", deadline=0.0))
    with pytest.raises(DeadlineExceeded, match="waiting for budget"):
        account.acquire_blocking(tokens(10), key="2", deadline=0.0)
    assert ledger.open_holds() == 1


async def test_closing_refuses_who_still_waits() -> None:
    """A closed account or ledger leaves nobody waiting."""
    ledger = Ledger(Budget(tokens=100))
    subtask(ledger, "a").reserve(tokens(100), key="1")
    one = await start(subtask(ledger, "b").acquire(tokens(10), key="2"))
    two = await start(subtask(ledger, "c").acquire(tokens(10), key="3"))
    subtask(ledger, "b").close()
    with pytest.raises(BudgetExceeded, match=r"b::t-1::1 \(closed\)"):
        await given(one)
    ledger.close()
    with pytest.raises(BudgetExceeded):
        await given(two)


def test_a_waiter_whose_loop_is_gone_passes_its_share_on() -> None:
    """An abandoned event loop takes no budget with it."""
    ledger = Ledger(Budget(tokens=100))
    account = subtask(ledger, "a")
    hold = account.reserve(tokens(100), key="1")
    loop = asyncio.new_event_loop()
    task = loop.create_task(account.acquire(tokens(100), key="2"))
    loop.run_until_complete(settled())
    loop.close()
    hold.refund()
    assert ledger.open_holds() == 0
    assert ledger.left() == Budget(tokens=100)
    assert not task.done()
    task._log_destroy_pending = False  # type: ignore[attr-defined]  # its loop was closed on purpose


@pytest.mark.parametrize("used", [300, 600, 999, 1_000])
async def test_32_calls_of_1000_against_10000_are_never_over_and_use_nearly_all(used: int) -> None:
    """Each call uses `used` of its reservation at most; those refused find less than the minimum."""
    ledger = Ledger(Budget(tokens=10_000))
    live = spent = peak = 0

    async def call(number: int) -> None:
        nonlocal live, spent, peak
        for attempt in range(5):
            try:
                hold = await subtask(ledger, f"s{number}").acquire(
                    tokens(1_000), key=f"{number}:{attempt}", minimum=tokens(50)
                )
            except BudgetExceeded:
                return
            live += hold.amounts.tokens
            peak = max(peak, live + spent)
            await asyncio.sleep(0)
            live -= hold.amounts.tokens
            spent += hold.settle(tokens(min(used, hold.amounts.tokens))).tokens

    await asyncio.wait_for(asyncio.gather(*(call(number) for number in range(32))), 30)
    assert peak <= 10_000
    assert 9_500 <= ledger.usage().tokens == spent <= 10_000
    assert ledger.open_holds() == 0


def test_threads_and_event_loops_share_one_ledger() -> None:
    """Two event loops and eight threads compete; the outside meter never sees more than the limit."""
    ledger = Ledger(Budget(tokens=10_000, calls=10_000))
    meter, lock = {"live": 0, "peak": 0, "spent": 0}, threading.Lock()

    def began(hold: Reservation) -> None:
        with lock:
            meter["live"] += hold.amounts.tokens
            meter["peak"] = max(meter["peak"], meter["live"] + meter["spent"])

    def ended(hold: Reservation) -> None:
        with lock:
            meter["live"] -= hold.amounts.tokens
            used = hold.amounts.tokens * 2 // 3
            meter["spent"] += used
        hold.settle(Amounts(tokens=used, calls=1))

    def thread(name: int) -> None:
        for n in range(40):
            try:
                hold = subtask(ledger, f"t{name}").acquire_blocking(
                    Amounts(tokens=900, calls=1), key=f"t{name}:{n}", minimum=Amounts(tokens=20, calls=1)
                )
            except BudgetExceeded:
                return
            began(hold)
            ended(hold)

    async def task(name: str) -> None:
        for n in range(20):
            try:
                hold = await subtask(ledger, name).acquire(
                    Amounts(tokens=900, calls=1), key=f"{name}:{n}", minimum=Amounts(tokens=20, calls=1)
                )
            except BudgetExceeded:
                return
            began(hold)
            await asyncio.sleep(0)
            ended(hold)

    async def tasks(name: int) -> None:
        await asyncio.gather(*(task(f"l{name}-{n}") for n in range(20)))

    with ThreadPoolExecutor(10) as pool:
        work = [pool.submit(thread, n) for n in range(8)]
        work += [pool.submit(asyncio.run, tasks(n)) for n in range(2)]
        for one in work:
            one.result(timeout=60)
    assert meter["peak"] <= 10_000
    assert 9_500 <= ledger.usage().tokens == meter["spent"]
    assert ledger.open_holds() == 0
