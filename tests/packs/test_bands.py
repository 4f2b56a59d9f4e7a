"""The salary band table: whom it places where, and that more never means less."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concertino.packs.offers.salary import Band, recommend, tables
from concertino.packs.offers.wording import normal

LEVELS = [level.name for level in tables().bands.levels]
TITLES = [family.titles[0] for family in tables().bands.families if family.titles] + ["unheard of"]
PLACES = [place.name for place in tables().locations.places]

years = st.floats(min_value=0, max_value=60)
titles = st.sampled_from(TITLES)
places = st.sampled_from(PLACES)
levels = st.sampled_from(LEVELS)


def band(title: str, level: str, place: str, experience: float) -> Band:
    return tables().look_up(role=title, level=level, location=place, experience_years=experience)


def test_the_documents_example_gets_the_documents_figures() -> None:
    """Eight years as a senior software engineer in San Francisco give what document 000 shows."""
    found = band("Senior Software Engineer", "Senior", "San Francisco, CA", 8)
    offer = recommend(found)
    assert (found.min, found.max) == (150_000, 220_000)
    assert (offer.base_salary, offer.sign_on_bonus) == (185_000, 20_000)
    assert found.source == "internal-table+location-adjustment"
    assert found.notes == ()


@given(titles, levels, places, years, st.sampled_from(["linear", "early"]))
def test_base_salary_stays_in_its_band(title, level, place, experience, variant) -> None:
    """No profile and no variant is offered less than the minimum or more than the maximum."""
    found = band(title, level, place, experience)
    assert found.min <= recommend(found, variant=variant).base_salary <= found.max
    assert 0 <= found.position <= 1
    assert 0 <= found.confidence <= 1


@given(titles, places, years)
def test_a_higher_level_never_pays_less(title, place, experience) -> None:
    """With everything else equal, base salary, bonus and both ends of the band grow with the level."""
    ladder = [band(title, level, place, experience) for level in LEVELS]
    for lower, higher in pairwise(ladder):
        below, above = recommend(lower), recommend(higher)
        assert lower.min <= higher.min
        assert lower.max <= higher.max
        assert below.base_salary <= above.base_salary
        assert below.sign_on_bonus <= above.sign_on_bonus


@given(titles, levels, places, years, years)
def test_more_experience_never_pays_less(title, level, place, one, other) -> None:
    """Years of experience only ever raise base salary and bonus."""
    less, more = (recommend(band(title, level, place, value)) for value in sorted((one, other)))
    assert less.base_salary <= more.base_salary
    assert less.sign_on_bonus <= more.sign_on_bonus


@given(titles, levels, years)
def test_a_dearer_place_never_pays_less(title, level, experience) -> None:
    """Base salary follows the location percentage."""
    found = sorted((band(title, level, place, experience) for place in PLACES), key=lambda one: one.location_percent)
    for cheaper, dearer in pairwise(found):
        assert recommend(cheaper).base_salary <= recommend(dearer).base_salary


@given(st.text(max_size=200), st.text(max_size=100), st.text(max_size=200), years)
def test_any_words_get_a_band(role, level, place, experience) -> None:
    """Whatever people write, there is a band; what is unknown is noted and costs confidence."""
    found = band(role, level, place, experience)
    assert 0 < found.min < found.max
    assert found.confidence >= 0.9 or found.notes


@pytest.mark.parametrize(
    ("role", "family", "is_certain"),
    [
        ("Staff Engineer", "software-engineering", True),
        ("Sr. Backend Engineer", "software-engineering", True),
        ("Technical Product Manager (Growth)", "product-management", True),
        ("Engineering Manager", "engineering-management", True),
        ("Sofware Enginer", "software-engineering", False),
        ("Rocket Engineer", "software-engineering", False),
        ("Wizard", "generic", False),
        ("", "generic", False),
    ],
)
def test_a_title_finds_its_family(role: str, family: str, is_certain: bool) -> None:
    """Level words, brackets and misspellings do not hide a title; the nearest family is a guess and says so."""
    match = tables().bands.family_of(role)
    assert match.family.name == family
    assert (match.note is None) is is_certain


@pytest.mark.parametrize(
    ("level", "role", "experience", "found"),
    [
        ("Sr.", "Engineer", 5, "Senior"),
        ("L6", "Engineer", 5, "Staff"),
        ("snior", "Engineer", 5, "Senior"),
        ("???", "Principal Engineer", 5, "Principal"),
        ("???", "Engineer", 1, "Mid"),
        ("???", "Engineer", 30, "Senior"),
        ("Staff", "Senior Engineer", 9, "Staff"),
    ],
)
def test_a_level_is_read_as_meant(level: str, role: str, experience: float, found: str) -> None:
    """Synonyms, misspellings, the title and at last the years say which level is meant."""
    assert tables().bands.level_of(level, role=role, years=experience).level.name == found


def test_aliases_are_in_normal_form_and_unique() -> None:
    """A phrase that normalising would change could never match, and one that stands twice would be ambiguous."""
    bands = tables().bands
    for phrases in (
        [alias for level in bands.levels for alias in level.aliases],
        [title for family in bands.families for title in family.titles],
    ):
        assert [normal(phrase) for phrase in phrases] == phrases
        assert len(set(phrases)) == len(phrases)
