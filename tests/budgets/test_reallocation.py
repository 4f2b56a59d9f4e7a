"""Reallocation: what is left of the shares of those who are done goes to the others, and no limit is ever passed."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from concertino.budgets import Amounts, Ledger, Party, Path, Reservation, amounts
from concertino.budgets.reallocation import Share, divided
from concertino.contracts.budget import Budget
from concertino.contracts.errors import BudgetExceeded

shares = st.builds(
    Share, bound=st.integers(0, 1_000), used=st.integers(0, 1_500), most=st.none() | st.integers(0, 2_000), is_done=st.booleans()
)  # fmt: skip


@given(st.lists(shares, max_size=8))
def test_caps_keep_what_was_used_and_never_add_up_to_more(given_: list[Share]) -> None:
    """Together never more than the bounds (or than was used), each at least what it used and at most what it may have."""
    caps = divided(given_)
    total, used = sum(share.bound for share in given_), sum(share.used for share in given_)
    assert sum(caps) <= max(total, used)
    for share, cap in zip(given_, caps, strict=True):
        assert cap >= share.used
        assert not share.is_done or cap <= max(share.bound, share.used)
        assert share.most is None or cap <= max(share.most, share.used)
    if any(not share.is_done and share.most is None and share.bound for share in given_):
        assert sum(caps) == max(total, used)  # nothing is lost while somebody may have it
        assert all(cap == share.used for share, cap in zip(given_, caps, strict=True) if share.is_done)


@given(st.lists(shares, max_size=8))
def test_nobody_loses_while_nobody_is_over(given_: list[Share]) -> None:
    """Where all are within their bounds, who is at work keeps at least its own."""
    within = [share._replace(used=min(share.used, share.bound)) for share in given_]
    for share, cap in zip(within, divided(within), strict=True):
        assert share.is_done or share.most is not None or cap >= share.bound


@given(st.lists(shares, max_size=6))
def test_the_order_of_the_parties_moves_no_more_than_roundings(given_: list[Share]) -> None:
    """The same comes out, whoever is asked first."""
    turned = list(reversed(given_))
    there, back = divided(given_), list(reversed(divided(turned)))
    assert all(abs(a - b) <= 1 for a, b in zip(there, back, strict=True))


def test_what_is_left_goes_by_weight() -> None:
    """300 of 400 are left over: 2 to 1 for shares of 200 and 100."""
    caps = divided(
        [Share(400, 100, None, is_done=True), Share(200, 0, None, is_done=False), Share(100, 50, None, is_done=False)]
    )
    assert caps == [100, 400, 200]


def test_who_may_have_no_more_leaves_it_to_the_others() -> None:
    """A declared budget is not passed for a share."""
    caps = divided(
        [Share(400, 100, None, is_done=True), Share(200, 0, 250, is_done=False), Share(100, 50, None, is_done=False)]
    )
    assert caps == [100, 250, 350]


def test_who_comes_back_finds_what_is_left() -> None:
    """One that was done, and got work by a replan, has its bound again as far as nobody used it."""
    caps = divided([Share(100, 10, None, is_done=False), Share(100, 150, None, is_done=False)])
    assert caps == [50, 150]


def test_a_ledger_moves_caps_and_admits_who_fits_now() -> None:
    """What the one did not use, the other may reserve; the run's limit holds as before."""
    ledger = Ledger(Budget(tokens=100))
    for name in "ab":
        ledger.account(("work", name), limit=Budget(tokens=50))
    ledger.account(("work", "a")).reserve(Amounts(tokens=20), key="a").settle_in_full()
    parties: dict[Path, Party] = {
        ("work", name): Party(ledger.limits(("work", name)), (None,) * 4, is_done=name == "a") for name in "ab"
    }
    moves = ledger.reallocate(parties)
    assert [(move.path[-1], move.dimension, move.before, move.after) for move in moves] == [
        ("a", "tokens", 50, 20),
        ("b", "tokens", 50, 80),
    ]
    ledger.account(("work", "b")).reserve(Amounts(tokens=80), key="b").settle_in_full()
    assert ledger.usage().tokens == 100
    assert ledger.reallocate(parties) == ()


NAMES = "abc"
BOUNDS = {"a": Budget(tokens=30, calls=5), "b": Budget(tokens=50), "c": Budget(tokens=20, calls=9)}
some = st.tuples(st.integers(0, 40), st.integers(0, 6)).map(lambda pair: Amounts(*pair))


class Run(RuleBasedStateMachine):
    """Reserving, settling and granting while caps move."""

    def __init__(self) -> None:
        super().__init__()
        self.ledger = Ledger(Budget(tokens=90, calls=12), floor=Budget(tokens=5))
        for name in NAMES:
            self.ledger.account(("work", name), limit=BOUNDS[name])
        self.bounds = {name: self.ledger.limits(("work", name)) for name in NAMES}
        self.open: list[Reservation] = []
        self.number = 0

    @rule(name=st.sampled_from(NAMES), asked=some, deep=st.booleans())
    def reserve(self, name: str, asked: Amounts, deep: bool) -> None:
        self.number += 1
        path = ("work", name, "s") if deep else ("work", name)
        try:
            self.open.append(self.ledger.account(path).reserve(asked, key=f"{self.number}", minimum=Amounts()))
        except BudgetExceeded:
            return

    @rule(data=st.data(), part=st.floats(0, 1))
    def settle(self, data: st.DataObject, part: float) -> None:
        if self.open:
            hold = self.open.pop(data.draw(st.integers(0, len(self.open) - 1)))
            hold.settle(Amounts(*(int(n * part) for n in hold.amounts)))

    @rule(name=st.sampled_from(NAMES), asked=some)
    def grant(self, name: str, asked: Amounts) -> None:
        try:
            self.ledger.account(("work", name, "s")).grant(asked, minimum=Amounts())
        except BudgetExceeded:
            return

    @rule(name=st.sampled_from(NAMES))
    def close(self, name: str) -> None:
        self.ledger.account(("work", name, "s")).close()

    @rule(done=st.sets(st.sampled_from(NAMES)), hard=st.booleans())
    def reallocate(self, done: set[str], hard: bool) -> None:
        most = (40, None, None, None) if hard else (None,) * 4
        self.ledger.reallocate({("work", name): Party(self.bounds[name], most, is_done=name in done) for name in NAMES})

    @invariant()
    def nothing_is_passed_and_nothing_is_made(self) -> None:
        for d in range(2):
            caps, loads = [], []
            for name in NAMES:
                if self.bounds[name][d] is None:
                    assert self.ledger.limits(("work", name))[d] is None
                    continue
                cell = self.ledger.account(("work", name)).chain[d][0]
                assert cell.settled <= cell.limit - cell.free <= cell.limit
                caps.append(cell.limit)
                loads.append(cell.limit - cell.free)
            assert sum(caps) <= max(sum(self.bounds[name][d] or 0 for name in NAMES), sum(loads))
            run = self.ledger.account(()).chain[d][0]
            assert run.settled <= run.limit - run.free <= run.limit

    def teardown(self) -> None:
        self.ledger.close()
        assert self.ledger.open_holds() == 0


TestRun = Run.TestCase
TestRun.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)


def test_dollars_move_to_the_billionth() -> None:
    """Nothing is lost in a rounding."""
    ledger = Ledger(Budget(usd=1))
    for name in "abc":
        ledger.account(("work", name), limit=Budget(usd=0.3))
    ledger.account(("work", "a")).reserve(amounts(usd=0.1), key="a").settle_in_full()
    bound = ledger.limits(("work", "a"))
    ledger.reallocate({("work", name): Party(bound, (None,) * 4, is_done=name == "a") for name in "abc"})
    assert sum(ledger.limits(("work", name))[2] or 0 for name in "abc") == 900_000_000
