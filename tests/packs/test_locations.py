"""The location table: which place is meant."""

from __future__ import annotations

import pytest

from concertino.packs.offers.salary import tables


@pytest.mark.parametrize(
    ("written", "place", "percent"),
    [
        ("San Francisco, CA", "San Francisco", 125),
        ("  san francisco ", "San Francisco", 125),
        ("New York, NY", "New York", 120),
        ("Remote - US", "Remote, United States", 100),
        ("Remote", "Remote", 100),
        ("Remote (Berlin, Germany)", "Remote, Germany", 78),
        ("Fresno, California", "California", 110),
        ("Portland, OR", "Portland", 101),
        ("Portland, ME", "Maine", 92),
        ("Vancouver, WA", "Washington State", 108),
        ("Paris, TX", "Texas", 97),
        ("London, UK", "United Kingdom", 82),
        ("Zürich, Switzerland", "Switzerland", 115),
    ],
)
def test_a_place_is_the_one_that_was_meant(written: str, place: str, percent: int) -> None:
    """The most specific known part decides, unless what follows names another place."""
    found = tables().locations.adjust(written)
    assert (found.place, found.percent, found.note) == (place, percent, None)


def test_a_misspelt_city_is_read_and_noted() -> None:
    """A typing error costs confidence, not money."""
    found = tables().locations.adjust("San Fransisco, CA")
    assert found.percent == 125
    assert found.note is not None


def test_an_unknown_place_gets_the_national_level() -> None:
    """A place that the table does not have is paid as the national level, with a note."""
    found = tables().locations.adjust("Atlantis")
    assert found.percent == 100
    assert found.note is not None
    assert "Atlantis" in found.note
