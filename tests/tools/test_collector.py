"""The collector's pace: several ask for a slower one, and the host's own comes back."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from itertools import permutations

import pytest

from concertino.evals.collecting import rarely_collecting
from concertino.tools.collector import Slower

OWN = (700, 11, 12)


@pytest.fixture(autouse=True)
def _own_pace() -> Iterator[None]:
    before = gc.get_threshold()
    gc.set_threshold(*OWN)
    yield
    gc.set_threshold(*before)


@pytest.mark.parametrize("order", [*permutations(range(3))])
def test_the_slowest_counts_and_the_hosts_own_comes_back(order: tuple[int, ...]) -> None:
    """In whatever order they end, and however often."""
    wishes = [Slower(young=20_000, full=1_000_000), Slower(young=100_000, full=1_000), Slower(young=5_000, full=20)]
    assert gc.get_threshold() == (100_000, 11, 1_000_000)
    for at in order:
        assert gc.get_threshold() != OWN
        wishes[at].end()
        wishes[at].end()
    assert gc.get_threshold() == OWN


def test_a_setting_made_meanwhile_stands() -> None:
    """It is the host's, then and afterwards."""
    first = Slower(young=20_000, full=100)
    gc.set_threshold(900, 20, 30)
    second = Slower(young=10_000, full=100)
    assert gc.get_threshold() == (20_000, 20, 100)
    first.end()
    second.end()
    assert gc.get_threshold() == (900, 20, 30)


def test_a_collector_that_is_off_stays_off() -> None:
    """Zero means never."""
    gc.set_threshold(0, 11, 12)
    wish = Slower(young=20_000, full=100)
    assert gc.get_threshold()[0] == 0
    wish.end()


def test_a_wish_ends_with_its_object() -> None:
    """Where nobody came to end it."""
    wish = Slower(young=20_000, full=100)
    del wish
    gc.collect()
    assert gc.get_threshold() == OWN


def test_collecting_rarely_leaves_what_the_host_has_frozen() -> None:
    """Its own freezing ends with the outermost block."""
    gc.unfreeze()
    with rarely_collecting():
        assert gc.get_freeze_count() > 0
        with rarely_collecting():
            pass
        assert gc.get_freeze_count() > 0
    assert gc.get_freeze_count() == 0
    gc.freeze()
    try:
        with rarely_collecting():
            pass
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()
    assert gc.get_threshold() == OWN
