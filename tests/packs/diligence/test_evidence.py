"""Evidence is looked up: what holds stays, what does not is dropped and lowers confidence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concertino.packs.diligence.answers import Citation
from concertino.packs.diligence.documents import Library, open_library
from concertino.packs.diligence.documents.library import library_of
from concertino.packs.diligence.evidence import Checked, check, place_of
from tests.packs.diligence.papers import document

LETTER = "contracts/letters.md"


@pytest.fixture
def library(folder: Path) -> Library:
    return open_library(str(folder))


def cite(**fields: Any) -> Citation:
    return Citation.model_validate(fields)


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"file": "overview.md", "line": 5, "quote": "84 employees"}, "overview.md:5"),
        ({"file": "./overview.md", "line": "5", "quote": "84 EMPLOYEES"}, "overview.md:5"),
        ({"file": "overview.md:5", "quote": "84 employees"}, "overview.md:5"),
        ({"file": "letters.md", "line": 3, "quote": "type approval of the M-40 expires"}, f"{LETTER}:3"),
        ({"file": LETTER, "line": 3, "quote": "An application for its renewal has not been received"}, f"{LETTER}:3"),
        ({"file": LETTER, "line": 3, "quote": "Letter of the calibration authority … renewal has not"}, f"{LETTER}:3"),
        ({"file": "financials.csv", "line": 3, "quote": "2023,12400000"}, "financials.csv:3"),
        ({"file": "financials.csv", "line": 3, "quote": "revenue_eur: 12400000"}, "financials.csv:3"),
        ({"file": "survey.pdf", "page": 2, "quote": "Nordlicht: 8 percent"}, "survey.pdf:p2"),
        ({"file": "survey.pdf", "line": "p. 1", "quote": "grew by 6.5 percent"}, "survey.pdf:p1"),
    ],
)
def test_what_a_document_says_is_found(library: Library, fields: dict[str, Any], place: str) -> None:
    """Case, typesetting, line breaks, ways of naming a place: none of them hides a true quote."""
    checked = check([cite(**fields)], library)
    assert [place_of(one) for one in checked.kept] == [place]
    assert (checked.cited, checked.found) == (1, 1.0)
    assert checked.confidence(0.9) == pytest.approx(0.9)


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"file": "overview.md", "line": 5, "quote": "840 employees"}, "does not say"),
        ({"file": "nowhere.md", "line": 5, "quote": "84 employees"}, "no such document"),
        ({"file": "/etc/passwd", "line": 1, "quote": "root"}, "no such document"),
        ({"file": "../overview.md", "line": 1, "quote": "84 employees"}, "no such document"),
        ({"file": "overview.md", "line": 5_000}, "no such line"),
        ({"file": "survey.pdf", "page": 3}, "no such page"),
        ({"file": "overview.md"}, "no such line"),
        ({}, "no such document"),
    ],
)
def test_what_no_document_says_is_dropped(library: Library, fields: dict[str, Any], why: str) -> None:
    """It is noted with its reason, and half of the stated confidence goes with it."""
    checked = check([cite(**fields)], library)
    assert checked.kept == ()
    assert why in checked.notes[0]
    assert checked.confidence(0.8) == pytest.approx(0.4)


def test_a_quote_at_another_line_is_moved_there(library: Library) -> None:
    """The words are true, the place was not; the reader gets the right one."""
    checked = check([cite(file="overview.md", line=16, quote="84 employees")], library)
    assert place_of(checked.kept[0]) == "overview.md:5"
    assert checked.notes == ("evidence moved: overview.md:16: the quoted words stand on line 5",)


def test_a_place_without_a_quote_counts_half(library: Library) -> None:
    """The line exists, but nothing says what it shows; the reader gets its text."""
    checked = check([cite(file="overview.md", line=5)], library)
    assert "84 employees" in str(checked.kept[0])
    assert checked.confidence(0.8) == pytest.approx(0.6)


def test_citing_nothing_halves_the_confidence(library: Library) -> None:
    """A finding that rests on nothing is worth no more than one that rests on an error."""
    assert check([], library).confidence(0.8) == pytest.approx(0.4)


def test_the_same_place_twice_counts_once(library: Library) -> None:
    """Repeating true evidence does not outweigh false evidence."""
    true = {"file": "overview.md", "line": 5, "quote": "84 employees"}
    checked = check([cite(**true), cite(**true), cite(**true), cite(file="x")], library)
    assert (checked.cited, checked.found) == (2, 1.0)


@given(st.integers(0, 50), st.integers(0, 50), st.floats(0, 1))
def test_evidence_never_raises_confidence(found: int, lost: int, stated: float) -> None:
    """More lost citations never help, and all found leaves the stated confidence as it is."""
    now = Checked((), (), found + lost, float(found)).confidence(stated)
    worse = Checked((), (), found + lost + 1, float(found)).confidence(stated)
    assert 0 <= worse <= now <= stated
    if lost == 0 and found:
        assert now == pytest.approx(stated)


@given(st.text(max_size=200), st.one_of(st.none(), st.integers(-5, 10**6)), st.text(max_size=80))
def test_any_citation_is_kept_or_dropped(name: str, line: int | None, quote: str) -> None:
    """No citation that a model can write raises."""
    checked = check([cite(file=name, line=line, quote=quote)], library_of([document("one line\ntwo lines", "a.txt")]))
    assert len(checked.kept) + len(checked.notes) >= 1
