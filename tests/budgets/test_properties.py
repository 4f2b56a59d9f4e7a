"""The ledger's invariants, over random runs."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from concertino.budgets import SYNTHESIZE, Amounts, Ledger, Path, Reservation, amounts
from concertino.budgets.admission import Waiter
from concertino.budgets.waiting import Ticket
from concertino.contracts.budget import Budget
from concertino.contracts.errors import BudgetExceeded

LIMIT = Budget(tokens=100, calls=30)
FLOOR = Budget(tokens=15, calls=2)
LIMITS: dict[Path, Budget] = {
    ("work",): Budget(tokens=90),
    ("work", "a"): Budget(tokens=70, calls=9),
    ("work", "a", "a1"): Budget(tokens=40),
    ("work", "b"): Budget(calls=12),
    ("work", "b", "b1"): Budget(),
    ("work", "b", "b1", "search"): Budget(tokens=30, calls=5),
    SYNTHESIZE: Budget(),
    (*SYNTHESIZE, "merge"): Budget(tokens=20),
}
PATHS = list(LIMITS)
GRANTABLE = [path for path in PATHS if path[0] == "work"]

some = st.tuples(st.integers(0, 60), st.integers(0, 8)).map(lambda pair: Amounts(*pair))
paths = st.sampled_from(PATHS)


def opened(ledger: Ledger) -> Ledger:
    for path, limit in LIMITS.items():
        ledger.account(path, limit=limit)
    return ledger


def part(whole: Amounts, share: float) -> Amounts:
    return Amounts(*(int(n * share) for n in whole))


class Run(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.ledger = opened(Ledger(LIMIT, floor=FLOOR))
        self.number = 0
        self.open: list[Reservation] = []
        self.waiting: list[Ticket] = []
        self.outcomes: dict[str, tuple[Path, Amounts]] = {}
        self.owner: dict[str, Path] = {}

    def key(self, path: Path) -> str:
        self.number += 1
        self.owner[f"{self.number}"] = path
        return f"{self.number}"

    @rule(path=paths, asked=some, least=st.floats(0, 1))
    def reserve(self, path: Path, asked: Amounts, least: float) -> None:
        minimum = part(asked, least)
        try:
            hold = self.ledger.account(path).reserve(asked, key=self.key(path), minimum=minimum)
        except BudgetExceeded:
            return
        assert all(low <= got <= most for low, got, most in zip(minimum, hold.amounts, asked, strict=True))
        self.open.append(hold)

    @rule(path=paths, asked=some, least=st.floats(0, 1), priority=st.integers(0, 2), data=st.data())
    def ask(self, path: Path, asked: Amounts, least: float, priority: int, data: st.DataObject) -> None:
        within = data.draw(st.sampled_from([None, *self.open]))
        account = self.ledger.account(path)
        try:
            ticket = account._ask(  # pyright: ignore[reportPrivateUsage]  # a waiter without a loop or a thread
                asked, part(asked, least), key=self.key(path), priority=priority, within=within
            )
        except BudgetExceeded:
            return
        self.waiting.append(ticket)

    @rule(data=st.data(), share=st.floats(0, 1))
    def settle(self, data: st.DataObject, share: float) -> None:
        if not self.open:
            return
        hold = data.draw(st.sampled_from(self.open))
        if any(hold in ticket.pins() for ticket in self.waiting if not ticket.decided):
            return  # that is what the waiter promised
        self.open.remove(hold)
        used = hold.settle(part(hold.amounts, share))
        self.outcomes[hold.key] = (self.owner[hold.key], used)
        assert hold.settle_in_full() == used

    @rule(data=st.data())
    def withdraw(self, data: st.DataObject) -> None:
        if self.waiting:
            ticket = data.draw(st.sampled_from(self.waiting))
            self.waiting.remove(ticket)
            ticket.withdraw()
            if ticket.reservation is not None:
                self.outcomes[ticket.reservation.key] = (self.owner[ticket.reservation.key], Amounts())

    @rule(path=st.sampled_from(GRANTABLE), asked=some, least=st.floats(0, 1))
    def grant(self, path: Path, asked: Amounts, least: float) -> None:
        try:
            self.ledger.account(path).grant(asked, minimum=part(asked, least))
        except BudgetExceeded:
            return

    @rule(path=st.sampled_from(GRANTABLE))
    def close(self, path: Path) -> None:
        self.ledger.account(path).close()
        opened(self.ledger)

    @rule(path=paths, spent=some, key=st.sampled_from("xyz"))
    def charge_what_fits(self, path: Path, spent: Amounts, key: str) -> None:
        left = self.ledger.account(path).left()
        bounds = (left.tokens, left.calls)
        if any(bound is not None and n > bound for n, bound in zip(spent, bounds, strict=False)):
            return
        charged = self.ledger.account(path).charge(spent, key)
        assert charged == self.outcomes.setdefault(key, (path, spent))[1]

    @invariant()
    def collect(self) -> None:
        """Take over what waiters were given."""
        for ticket in [one for one in self.waiting if one.decided]:
            self.waiting.remove(ticket)
            if ticket.reservation is not None:
                self.open.append(ticket.reservation)

    @invariant()
    def no_level_is_over_and_sums_agree(self) -> None:
        for path in [(), *PATHS]:
            account = self.ledger.account(path)
            for d, cells in enumerate(account.chain):
                cell = cells[0]
                here = sum(used[d] for place, used in self.outcomes.values() if place == path)
                below = [child.chain[d][0] for child in account.children.values()]
                assert cell.settled == here + sum(child.settled for child in below)
                holds = sum(one.amounts[d] for one in self.open if one.chain is account.chain)
                claims = sum(max(child.limit - child.free, child.granted) for child in below)
                assert cell.limit - cell.free == here + holds + claims
                assert cell.settled <= cell.limit - cell.free <= cell.limit
                assert cell.granted <= cell.limit

    @invariant()
    def nobody_waits_in_vain(self) -> None:
        """Whoever waits would be helped if all who do not wait settled or closed, one after the other."""
        waiters: list[Waiter] = list(self.ledger.account(())._books.queue.waiters)  # pyright: ignore[reportPrivateUsage]
        assert set(waiters) == {one for one in self.waiting if not one.decided}
        for waiter in waiters:
            assert all(waiter.chain[d][-1].limit - waiter.chain[d][-1].settled >= n for d, n in enumerate(waiter.least))

    def teardown(self) -> None:
        rounds = 0
        while self.waiting:
            # Settle whatever may be settled; every wait must end by that alone.
            rounds += 1
            assert rounds < 100, "a waiter waits though nobody holds anything that could come back"
            pinned = {hold for ticket in self.waiting for hold in ticket.pins()}
            for hold in [one for one in self.open if one not in pinned]:
                self.open.remove(hold)
                self.outcomes[hold.key] = (self.owner[hold.key], hold.settle_in_full())
            for path in GRANTABLE:
                own = self.ledger.account(path).chain[0][0]
                if not any(own in ticket.chain[0] for ticket in self.waiting):
                    self.ledger.account(path).close()
            opened(self.ledger)
            self.collect()
        for leak in self.ledger.close():
            self.outcomes[leak.key] = (self.owner[leak.key], leak.amounts)
        assert self.ledger.open_holds() == 0
        assert all(cell.limit - cell.free == cell.settled for cells in self.ledger.account(()).chain for cell in cells)
        restored = opened(Ledger(LIMIT, floor=FLOOR))
        for _ in range(2):
            for key, (path, used) in self.outcomes.items():
                restored.account(path).charge(used, key)
        assert restored.usage() == self.ledger.usage()
        for path in PATHS:
            assert restored.account(path).usage() == self.ledger.account(path).usage()


TestRun = Run.TestCase
TestRun.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


def test_every_dimension_is_carried_in_its_own_unit() -> None:
    """Nano-dollars inside, dollars outside, and nothing is lost between."""
    ledger = Ledger(Budget(usd=0.3))
    account = ledger.account(("work",))
    for n in range(3):
        account.reserve(amounts(usd=0.1), key=f"{n}").settle_in_full()
    assert ledger.usage().usd == 0.3
    assert ledger.used_fraction("usd") == 1.0
