"""Deadlines and active time."""

from __future__ import annotations

import pytest

from concertino.budgets import ActiveTime, Deadline
from concertino.contracts.errors import DeadlineExceeded
from tests.clocks import StillClock


def test_parked_time_does_not_count() -> None:
    """A night between park and start leaves the seconds as they were."""
    clock = StillClock(100.0)
    active = ActiveTime(60.0, clock=clock)
    assert active.start().at == 160.0
    clock.time += 20
    assert active.park() == 40.0
    clock.time += 30_000
    assert (active.spent_s, active.park()) == (20.0, 40.0)
    assert active.start().left_s() == 40.0


@pytest.mark.parametrize(("spent_s", "left_s"), [(45.0, None), (0.0, 15.0)])
def test_another_process_goes_on_with_what_was_left(spent_s: float, left_s: float | None) -> None:
    """Both numbers restore the same deadline."""
    clock = StillClock(100.0)
    active = ActiveTime(60.0, clock=clock, spent_s=spent_s, left_s=left_s)
    assert active.start().left_s() == 15.0
    assert active.start().left_s() == 15.0
    clock.time += 20
    assert (active.left_s, active.spent_s) == (0.0, 65.0)


def test_without_a_limit_time_is_counted_all_the_same() -> None:
    """Usage needs the seconds even where no deadline does."""
    clock = StillClock(100.0)
    active = ActiveTime(None, clock=clock)
    deadline = active.start()
    clock.time += 7
    assert (deadline.left_s(), deadline.is_over, deadline.fits(1e9)) == (None, False, True)
    assert (active.park(), active.spent_s) == (None, 7.0)


def test_a_childs_deadline_is_never_after_its_parents() -> None:
    """The earlier one counts, under the name of whose it is."""
    clock = StillClock(100.0)
    run = Deadline(clock, at=160.0, limit_s=60.0)
    assert run.child(30.0, scope="a").at == 130.0
    assert run.child(90.0, scope="a") == run.child(None, scope="a") == run
    assert Deadline(clock).child(5.0, scope="a") == Deadline(clock, 105.0, 5.0, "a")


def test_a_deadline_that_is_over_names_its_scope_and_limit() -> None:
    """The error says whose time is up."""
    clock = StillClock(100.0)
    deadline = Deadline(clock, at=160.0, limit_s=60.0).child(30.0, scope="run/work/financial")
    deadline.check()
    assert deadline.fits(30.0)
    assert not deadline.fits(30.5)
    clock.time = 130.0
    with pytest.raises(DeadlineExceeded, match="run/work/financial: deadline of 30 s passed"):
        deadline.check()
    assert deadline.left_s() == 0.0
