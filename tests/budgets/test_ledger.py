"""The ledger without waiting: reserving, settling, floor, grants, alerts, restore."""

from __future__ import annotations

import pytest

from concertino.budgets import NOTHING, SYNTHESIZE, Alert, Amounts, Leak, Ledger, amounts
from concertino.contracts.budget import Budget
from concertino.contracts.errors import BudgetExceeded, SetupError

TOOL = ("work", "financial", "financial::t-1::1", "search")
LEGAL = ("work", "legal", "legal::t-1::2")


def test_a_refused_reservation_holds_nothing_and_says_what_was_asked_and_left() -> None:
    """A reservation over the limit leaves the ledger as it was, in every dimension."""
    ledger = Ledger(Budget(calls=10, usd=0.5))
    with pytest.raises(BudgetExceeded) as caught:
        ledger.account(TOOL).reserve(amounts(calls=1, usd=0.51), key="a")
    assert (caught.value.scope, caught.value.dimension) == ("run", "usd")
    assert (caught.value.asked, caught.value.left) == (0.51, 0.5)
    assert ledger.left() == Budget(calls=10, usd=0.5)
    assert ledger.open_holds() == 0


@pytest.mark.parametrize("depth", range(1, 5))
def test_a_limit_binds_at_every_level_and_is_named_by_its_path(depth: int) -> None:
    """Whichever level is too small refuses, and the error names it."""
    ledger = Ledger(Budget(tokens=1_000))
    ledger.account(TOOL[:depth], limit=Budget(tokens=99))
    with pytest.raises(BudgetExceeded, match="asked 100 tokens, 99 left") as caught:
        ledger.account(TOOL).reserve(Amounts(tokens=100), key="a")
    assert caught.value.scope == "/".join(("run", *TOOL[:depth]))


def test_a_reservation_shrinks_to_what_is_left_but_not_below_its_minimum() -> None:
    """Without waiting, a reservation takes what there is, down to the minimum."""
    ledger = Ledger(Budget(tokens=100))
    account = ledger.account(TOOL)
    account.reserve(Amounts(tokens=70), key="a")
    shrunk = account.reserve(Amounts(tokens=50, calls=2), key="b", minimum=Amounts(tokens=30, calls=2))
    assert shrunk.amounts == Amounts(tokens=30, calls=2)
    with pytest.raises(BudgetExceeded):
        account.reserve(Amounts(tokens=50), key="c", minimum=Amounts(tokens=1))


def test_settling_twice_keeps_the_first_outcome() -> None:
    """A reservation settles exactly once."""
    ledger = Ledger(Budget(tokens=100))
    hold = ledger.account(TOOL).reserve(Amounts(tokens=60), key="a")
    assert hold.settle(Amounts(tokens=10)) == Amounts(tokens=10)
    assert hold.settle_in_full() == hold.refund() == Amounts(tokens=10)
    assert ledger.usage().tokens == 10
    assert ledger.left() == Budget(tokens=90)


def test_a_key_reserves_once() -> None:
    """A key that was used, settled or not, is refused: two calls must not leave under one reservation."""
    account = Ledger(Budget(tokens=100)).account(TOOL)
    account.reserve(Amounts(tokens=1), key="a").refund()
    with pytest.raises(ValueError, match="'a' was used before"):
        account.reserve(Amounts(tokens=1), key="a")


def test_using_more_than_reserved_is_charged_and_recorded() -> None:
    """A breach is charged as it was, not clamped, and can be read afterwards."""
    ledger = Ledger(Budget(tokens=100))
    hold = ledger.account(TOOL).reserve(Amounts(tokens=60), key="a")
    hold.settle(Amounts(tokens=110, calls=1))
    assert hold.breach == ("tokens", "calls")
    assert ledger.usage().tokens == 110
    assert [(one.key, one.reserved, one.used) for one in ledger.breaches()] == [
        ("a", Amounts(tokens=60), Amounts(tokens=110, calls=1))
    ]
    with pytest.raises(BudgetExceeded, match="0 left"):
        ledger.account(LEGAL).reserve(Amounts(tokens=1), key="b")


@pytest.mark.parametrize("bad", [Amounts(tokens=-1), Amounts(tokens=1, calls=-1)])
def test_negative_amounts_are_refused_and_change_nothing(bad: Amounts) -> None:
    """Nobody makes room by asking for less than nothing."""
    ledger = Ledger(Budget(tokens=100, calls=100))
    account = ledger.account(TOOL)
    hold = account.reserve(Amounts(tokens=5), key="a")
    for act in (lambda: account.reserve(bad, key="b"), lambda: hold.settle(bad), lambda: account.charge(bad, "c")):
        with pytest.raises(ValueError, match="≥ 0"):
            act()
    hold.refund()
    assert ledger.left() == Budget(tokens=100, calls=100)


def test_only_synthesis_draws_on_the_floor() -> None:
    """Everybody else sees the limit less the floor; synthesis gets it even when the rest is gone."""
    ledger = Ledger(Budget(tokens=100), floor=Budget(tokens=20))
    work = ledger.account(TOOL)
    with pytest.raises(BudgetExceeded, match="asked 81 tokens, 80 left"):
        work.reserve(Amounts(tokens=81), key="a")
    work.reserve(Amounts(tokens=80), key="b").settle_in_full()
    assert ledger.is_halted
    answer = ledger.account((*SYNTHESIZE, "merge")).reserve(Amounts(tokens=20), key="c")
    with pytest.raises(BudgetExceeded):
        ledger.account(SYNTHESIZE).reserve(Amounts(tokens=1), key="d")
    answer.settle(Amounts(tokens=5))
    with pytest.raises(BudgetExceeded):
        work.reserve(Amounts(tokens=1), key="e")
    assert ledger.open_holds() == 0


def test_synthesis_may_spend_beyond_the_floor_while_there_is_room() -> None:
    """The floor is drawn first, the run's common money after it."""
    ledger = Ledger(Budget(tokens=100), floor=Budget(tokens=20))
    ledger.account(SYNTHESIZE).reserve(Amounts(tokens=50), key="a")
    assert ledger.left() == Budget(tokens=50)


def test_a_floor_above_the_limit_is_a_fault_of_the_set_up() -> None:
    """A floor that cannot be kept is refused at the start, with both numbers."""
    with pytest.raises(SetupError, match=r"floor.tokens: 30(.0)? refused: at most 20"):
        Ledger(Budget(tokens=20), floor=Budget(tokens=30))


def test_a_limit_set_later_counts_what_was_spent_before() -> None:
    """A limit may be added; another one where one stands is refused."""
    ledger = Ledger(Budget(tokens=100))
    account = ledger.account(LEGAL)
    account.reserve(Amounts(tokens=30), key="a").settle(Amounts(tokens=20))
    assert ledger.account(LEGAL, limit=Budget(tokens=50)) is account
    assert account.left() == Budget(tokens=30)
    ledger.account(LEGAL, limit=Budget(tokens=50, calls=1))
    with pytest.raises(ValueError, match="limit of 50 tokens already, not 60"):
        ledger.account(LEGAL, limit=Budget(tokens=60))


def test_a_grant_is_held_above_and_drawn_below_and_comes_back_on_close() -> None:
    """A granted account spends from its grant whatever others do; the unspent part returns at once."""
    ledger = Ledger(Budget(tokens=100))
    subtask = ledger.account(TOOL[:3])
    assert subtask.grant(Amounts(tokens=60)) == Amounts(tokens=60)
    assert ledger.left() == Budget(tokens=40)
    ledger.account(LEGAL).reserve(Amounts(tokens=40), key="rest").settle_in_full()
    tool = ledger.account(TOOL)
    tool.reserve(Amounts(tokens=50), key="a").settle(Amounts(tokens=25))
    assert tool.left() == Budget(tokens=35)
    assert ledger.left() == Budget(tokens=0)
    subtask.close()
    assert ledger.left() == Budget(tokens=35)
    assert ledger.open_holds() == 0
    with pytest.raises(BudgetExceeded, match=r"search \(closed\) budget: asked 1 tokens, 0 left"):
        tool.reserve(Amounts(tokens=1), key="b")
    ledger.account(TOOL).reserve(Amounts(tokens=35), key="c")


def test_a_refund_goes_to_the_run_before_it_refills_the_grant() -> None:
    """What was drawn beyond a grant is free for everybody as soon as it is not needed."""
    ledger = Ledger(Budget(tokens=100))
    subtask = ledger.account(TOOL[:3])
    subtask.grant(Amounts(tokens=30))
    hold = subtask.reserve(Amounts(tokens=50), key="a")
    assert ledger.left() == Budget(tokens=50)
    hold.settle(Amounts(tokens=20))
    assert ledger.left() == Budget(tokens=70)
    assert subtask.left() == Budget(tokens=80)


def test_the_run_itself_takes_no_grant() -> None:
    """Only an account below the run can be granted something."""
    with pytest.raises(ValueError, match="below it"):
        Ledger(Budget(tokens=1)).account(()).grant(Amounts(tokens=1))


def test_alerts_come_once_each_against_the_limit_less_the_unused_floor() -> None:
    """50, 80 and 95 % are told once per dimension, in order, also when one settlement passes several."""
    told: list[Alert] = []
    ledger = Ledger(Budget(tokens=120, calls=4), floor=Budget(tokens=20), on_alert=told.append)
    account = ledger.account(TOOL)
    for number, (tokens, expected) in enumerate(
        [(49, []), (1, [50]), (29, [50]), (16, [50, 80, 95]), (5, [50, 80, 95])]
    ):
        account.reserve(Amounts(tokens=tokens), key=f"{number}").settle_in_full()
        assert [alert.percent for alert in told] == expected
    assert told[0] == Alert(dimension="tokens", percent=50, used=50, limit=100)
    account.reserve(Amounts(calls=2), key="calls").settle_in_full()
    assert told[-1] == Alert(dimension="calls", percent=50, used=2, limit=4)


def test_wrap_up_starts_at_80_percent_and_halt_at_100() -> None:
    """Held money does not count as used; settled money does."""
    ledger = Ledger(Budget(tokens=100))
    account = ledger.account(TOOL)
    hold = account.reserve(Amounts(tokens=80), key="a")
    assert not ledger.is_wrapping_up
    hold.settle_in_full()
    assert (ledger.is_wrapping_up, ledger.is_halted, ledger.used_fraction()) == (True, False, 0.8)
    account.reserve(Amounts(tokens=20), key="b").settle_in_full()
    assert ledger.is_halted


def test_spending_the_floor_tells_no_alert_twice_or_early() -> None:
    """As the floor is used the measure grows with it."""
    told: list[Alert] = []
    ledger = Ledger(Budget(tokens=100), floor=Budget(tokens=40), on_alert=told.append)
    ledger.account(SYNTHESIZE).reserve(Amounts(tokens=30), key="a").settle_in_full()
    assert told == []
    ledger.account(TOOL).reserve(Amounts(tokens=15), key="b").settle_in_full()
    assert told == [Alert(dimension="tokens", percent=50, used=45, limit=90)]


def test_a_resumed_ledger_keeps_quiet_about_what_was_told() -> None:
    """Alerts sent before a restart are not sent again, later ones are."""
    told: list[Alert] = []
    ledger = Ledger(Budget(tokens=100), told={("tokens", 50), ("tokens", 80)}, on_alert=told.append)
    ledger.account(TOOL).charge(Amounts(tokens=85), "a")
    ledger.account(TOOL).charge(Amounts(tokens=10), "b")
    assert [alert.percent for alert in told] == [95]


def test_a_charge_is_booked_once_and_never_refused() -> None:
    """Restored spending counts even over the limit, and only once per key."""
    ledger = Ledger(Budget(tokens=100))
    account = ledger.account(TOOL)
    assert account.charge(Amounts(tokens=90), "a") == Amounts(tokens=90)
    assert account.charge(Amounts(tokens=7), "a") == Amounts(tokens=90)
    account.charge(Amounts(tokens=30), "b")
    assert (ledger.usage().tokens, ledger.left(), ledger.open_holds()) == (120, Budget(tokens=0), 0)


def test_a_charge_under_the_key_of_an_open_reservation_settles_it() -> None:
    """The key is what counts, not the way it is settled."""
    ledger = Ledger(Budget(tokens=100))
    hold = ledger.account(TOOL).reserve(Amounts(tokens=50), key="a")
    ledger.account(TOOL).charge(Amounts(tokens=40), "a")
    assert hold.settle(NOTHING) == Amounts(tokens=40)
    assert ledger.usage().tokens == 40


def test_closing_charges_what_nobody_settled_and_ends_everything() -> None:
    """A leaked reservation is charged in full and reported; a late settlement changes nothing."""
    ledger = Ledger(Budget(tokens=100), floor=Budget(tokens=10))
    account = ledger.account(TOOL)
    hold = account.reserve(Amounts(tokens=30), key="a")
    ledger.account(LEGAL).grant(Amounts(tokens=20))
    assert ledger.open_holds() == 2
    assert ledger.close() == (Leak("run/work/financial/financial::t-1::1/search", "a", Amounts(tokens=30)),)
    assert ledger.open_holds() == 0
    assert hold.refund() == Amounts(tokens=30)
    assert ledger.usage().tokens == 30
    assert ledger.close() == ()
    with pytest.raises(BudgetExceeded, match="closed"):
        ledger.account(TOOL).reserve(Amounts(tokens=1), key="b")


def test_the_report_shows_limit_settled_and_held_of_every_account() -> None:
    """Held includes grants; money is in dollars."""
    ledger = Ledger(Budget(usd=1.0))
    ledger.account(LEGAL[:2], limit=Budget(usd=0.5))
    ledger.account(LEGAL).reserve(amounts(usd=0.25), key="a").settle(amounts(usd=0.1))
    ledger.account(LEGAL).grant(amounts(usd=0.2))
    report = ledger.report()
    assert {name: report[name] for name in ("limit", "settled", "held")} == {
        "limit": {"usd": 1.0},
        "settled": {"usd": 0.1},
        "held": {"usd": 0.2},
    }
    work = report["children"]["work"]  # type: ignore[index, call-overload]
    assert work["children"]["legal"]["limit"] == {"usd": 0.5}  # type: ignore[index, call-overload]


def test_a_run_without_limits_counts_and_never_refuses() -> None:
    """`None` is no limit, not zero."""
    ledger = Ledger(Budget())
    ledger.account(TOOL).reserve(Amounts(10**15, 10**15, 10**18, 10**15), key="a").settle_in_full()
    assert ledger.usage().tokens == 10**15
    assert (ledger.left(), ledger.used_fraction(), ledger.is_halted) == (Budget(), 0.0, False)


def test_a_limit_of_zero_refuses_everything() -> None:
    """Nothing may be used, and nothing used is at no mark."""
    ledger = Ledger(Budget(calls=0))
    with pytest.raises(BudgetExceeded, match="asked 1 calls, 0 left"):
        ledger.account(TOOL).reserve(Amounts(calls=1), key="a")
    assert (ledger.used_fraction(), ledger.is_halted) == (0.0, False)
