"""Every planted bug is found: mistakes in ledger, breaker, scheduler and journal break a promise that is watched."""

from __future__ import annotations

import pytest

from bench.planted_bugs import BUGS, planted
from concertino.evals.simulator import simulate

PINNED = {
    "what was started is forgotten on restore": 327,
    "the last answer to a gate holds": 27,
    "one attempt more is made": 13,
    "failures in a row are not counted": 11,
    "a probe that is given up keeps its place": 329,
    "a parent's limit is not asked": 1,
    "a call that was cut short is refunded": 11,
    "a reservation is charged twice": 0,
    "a refund gives nothing back": 80,
    "probes are not counted": 40,
    "an open breaker lets some through": 5,
    "a breaker is tried too early": 40,
    "one prerequisite is ignored": 0,
    "a slot is freed twice": 2,
    "a slot is not freed": 301,
    "gates are ignored": 1,
    "deadlines are ignored": 1,
    "an effect's key has the attempt in it": 25,
    "a finished result is lost on restore": 6,
    "open reservations are forgotten on restore": 11,
    "an event's number is used again": 0,
    "a lease's epoch is not checked": 5,
}
"""A seed that finds each; `bench/simulator.py` tells the first ones, should scenarios change."""


def test_every_room_has_bugs() -> None:
    """No room goes unwatched, and every bug has its seed."""
    assert {bug.room for bug in BUGS.values()} == {"ledger", "breaker", "scheduler", "journal"}
    assert set(PINNED) == set(BUGS)


@pytest.mark.parametrize("name", sorted(PINNED))
def test_a_planted_bug_is_found(name: str) -> None:
    """The seed breaks a promise with the bug, and none without it."""
    seed = PINNED[name]
    assert simulate(seed).breaks == ()
    with planted(name):
        broken = simulate(seed).breaks
    assert broken, f"seed {seed} does not find it"
