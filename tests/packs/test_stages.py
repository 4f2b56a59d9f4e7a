"""Screening, approval and negotiation rules."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concertino.contracts.errors import SetupError
from concertino.packs.offers.decomposition import decompose, expects_approval
from concertino.packs.offers.salary import Recommendation, recommend, tables
from concertino.packs.offers.stages import Counter, negotiate, read_policy, screen

POLICY = read_policy({})
money = st.floats(min_value=1, max_value=1e6)


def profile(**changed: Any) -> dict[str, Any]:
    return {
        "role": "Senior Software Engineer",
        "level": "Senior",
        "location": "San Francisco, CA",
        "experience_years": 8,
    } | changed


@given(st.integers(60_000, 300_000), st.integers(0, 60_000), money, st.none() | st.floats(0, 1e6))
def test_negotiation_never_goes_below_our_offer_or_over_the_band(base, bonus, asked, asked_bonus) -> None:
    """Asking never costs a candidate anything, and never lifts base salary out of the band."""
    offer, top = Recommendation(base_salary=base, sign_on_bonus=bonus), base + 20_000
    counter = Counter(base_salary=asked, sign_on_bonus=asked_bonus)
    answer = negotiate(offer, counter, band_max=top, policy=POLICY.negotiation)
    assert base <= answer.offer.base_salary <= top
    assert answer.offer.sign_on_bonus >= bonus
    assert (answer.outcome == "held") == (asked <= base)


def test_a_counter_close_to_ours_is_met() -> None:
    """Within three percent the candidate gets the figure asked for."""
    offer = Recommendation(base_salary=185_000, sign_on_bonus=20_000)
    answer = negotiate(offer, Counter(base_salary=190_000), band_max=220_000, policy=POLICY.negotiation)
    assert (answer.outcome, answer.offer.base_salary) == ("met", 190_000)


def test_a_counter_far_above_ends_at_the_top_of_the_band() -> None:
    """What base salary cannot give is partly made up for by the sign-on bonus, within its cap."""
    offer = Recommendation(base_salary=185_000, sign_on_bonus=20_000)
    answer = negotiate(offer, Counter(base_salary=400_000), band_max=220_000, policy=POLICY.negotiation)
    assert (answer.outcome, answer.offer.base_salary, answer.offer.sign_on_bonus) == ("capped", 220_000, 44_000)


@pytest.mark.parametrize(("experience", "decision"), [(1, "stop"), (2, "proceed"), (8, "proceed")])
def test_screening_stops_far_below_the_level(experience: float, decision: str) -> None:
    """Senior expects four years; less than half of them ends the run."""
    band = tables().look_up(role="Engineer", level="Senior", location="SF", experience_years=experience)
    assert screen(band, experience_years=experience, policy=POLICY.screening).decision == decision


@pytest.mark.parametrize(
    ("given_profile", "needs"),
    [
        (profile(), False),
        (profile(role="Staff Engineer", level="Staff", location="Remote - US", experience_years=12), False),
        (profile(role="Product Manager", location="New York, NY", experience_years=6), False),
        (profile(level="Principal", experience_years=20), True),
        (profile(counter_offer={"base_salary": 400_000}), True),
    ],
)
def test_only_offers_of_high_value_need_approval(given_profile: dict[str, Any], needs: bool) -> None:
    """The document's three profiles pass without asking; a principal in San Francisco and a steep counter do not."""
    assert expects_approval(given_profile, POLICY, variants=False) is needs


@given(
    st.sampled_from([level.name for level in tables().bands.levels]),
    st.sampled_from(["San Francisco, CA", "New York", "Berlin", "Remote"]),
    st.floats(0, 60),
)
def test_approval_is_expected_exactly_when_the_offer_will_need_it(level, location, experience) -> None:
    """Without variants and negotiation the look ahead is the offer itself."""
    given_profile = profile(level=level, location=location, experience_years=experience)
    band = tables().look_up(
        role=given_profile["role"], level=level, location=location, experience_years=given_profile["experience_years"]
    )
    offer = recommend(band)
    high = offer.base_salary >= 250_000 or offer.sign_on_bonus >= 40_000
    assert expects_approval(given_profile, POLICY, variants=False) is high


def test_a_plain_profile_asks_for_the_offer_alone() -> None:
    """Nothing but the advisor is delegated to unless the profile says so."""
    assert set(decompose(profile(), POLICY).model_dump().values()) == {False}
    route = decompose(profile(stages=["screening", "offer"], counter_offer={"base_salary": 1.0}), POLICY)
    assert (route.screening, route.negotiation) == (True, True)


def test_a_policy_is_overridden_by_section() -> None:
    """One figure can be changed without restating its neighbours."""
    changed = read_policy({"approval": {"base_salary": 1}})
    assert changed.approval.base_salary == 1
    assert changed.approval.sign_on_bonus == POLICY.approval.sign_on_bonus


def test_an_unknown_policy_is_refused_by_name() -> None:
    """A misspelt override would otherwise be ignored, and an approval with it."""
    with pytest.raises(SetupError) as caught:
        read_policy({"approval": {"base_salery": 1}})
    assert caught.value.field == "policy.approval.base_salery"
