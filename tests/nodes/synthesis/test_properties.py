"""What holds for any findings."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from concertino.contracts.finding import Finding
from concertino.contracts.json import dump
from concertino.nodes.synthesis import Missing, Synthesis, TrackRecord, synthesize

# Fractions of thousandths: what specialists state, and far from where floating point loses its footing.
fractions = st.integers(0, 1000).map(lambda n: n / 1000)
positive = st.integers(1, 1000).map(lambda n: n / 1000)
numbers = st.floats(-1e9, 1e9)
labels = st.sampled_from(["red", "green", "blue", True, "no such thing"])


def panels(
    values: st.SearchStrategy[Any],
    confidence: st.SearchStrategy[float] = fractions,
    authority: st.SearchStrategy[float] = fractions,
) -> st.SearchStrategy[list[Finding]]:
    """Findings by specialists s0, s1, ... with own authorities."""
    rows = st.lists(st.tuples(values, confidence, authority), min_size=1, max_size=12)
    return rows.map(
        lambda found: [
            Finding(output=v, confidence=c, authority=a, specialist=f"s{n}") for n, (v, c, a) in enumerate(found)
        ]
    )


keys = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=2)
"""Without what no store accepts: two that differ in nothing else are refused."""
anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=8,
)
any_fraction = st.floats(0, 1)

words = panels(st.sampled_from(["red", "green", "blue"]))


def rounding(findings) -> float:
    """What rounding may do to a mean: relative to the largest value, and where numbers near zero lose digits."""
    return 1e-12 * float(max(abs(f.output) for f in findings)) + 1e-300


@given(panels(numbers))
def test_numbers_are_exactly_the_formula(findings) -> None:
    """The answer is the quotient of the two sums as written in document 004."""
    above = below = 0.0
    for f in findings:
        above += f.output * f.confidence * f.authority
        below += f.confidence * f.authority
    assume(below > 0)
    assert synthesize(findings).answer == above / below


@given(panels(numbers))
def test_a_mean_stays_between_the_smallest_and_the_largest(findings) -> None:
    """No answer lies outside what was said, up to rounding."""
    answer = synthesize(findings).answer
    values = [f.output for f in findings]
    slack = rounding(findings)
    assert min(values) - slack <= answer <= max(values) + slack


@given(panels(st.one_of(numbers, labels)))
def test_weights_sum_to_one(findings) -> None:
    """Every panel's weights are a whole, and the fractions are fractions."""
    result = synthesize(findings)
    assert math.fsum(weight.weight for weight in result.weights) == pytest.approx(1)
    assert 0 <= result.confidence <= 1
    assert 0 <= result.share <= 1


@given(words, st.randoms())
def test_order_does_not_matter_to_categories(findings, random) -> None:
    """Shuffling changes nothing but what a full tie elects."""
    before = synthesize(findings)
    shuffled = findings[:]
    random.shuffle(shuffled)
    after = synthesize(shuffled)
    if not before.provenance[0].tied:
        assert after.answer == before.answer
        assert after.share == before.share
        assert after.confidence == before.confidence
    assert after.provenance[0].tied == before.provenance[0].tied


@given(words, positive)
def test_scaling_all_authorities_leaves_the_vote(findings, factor) -> None:
    """Only the ratio of authorities counts."""
    before = synthesize(findings)
    after = synthesize([f.model_copy(update={"authority": f.authority * factor}) for f in findings])
    assert after.answer == before.answer
    assert after.share == pytest.approx(before.share)
    assert after.confidence == pytest.approx(before.confidence)


@given(panels(numbers), positive)
def test_scaling_all_authorities_leaves_the_mean(findings, factor) -> None:
    """Only the ratio of authorities counts."""
    scaled = [f.model_copy(update={"authority": f.authority * factor}) for f in findings]
    slack = rounding(findings)
    assert synthesize(scaled).answer == pytest.approx(synthesize(findings).answer, rel=1e-9, abs=slack)


@given(panels(st.one_of(numbers, st.sampled_from(["a", "b"]))), st.lists(fractions, max_size=4))
def test_the_missing_only_lower_confidence(findings, absent) -> None:
    """Answer, share and dissent stand; confidence never rises."""
    whole = synthesize(findings)
    partial = synthesize(findings, missing=[Missing(specialist=f"m{n}", authority=a) for n, a in enumerate(absent)])
    assert (partial.answer, partial.share, partial.dissent) == (whole.answer, whole.share, whole.dissent)
    assert partial.confidence <= whole.confidence


@given(panels(st.one_of(numbers, st.sampled_from(["a", "b"]))))
def test_an_empty_track_record_is_the_hierarchy(findings) -> None:
    """Without history the result is the same to the last bit."""
    assert synthesize(findings, authority=TrackRecord(), calibrate=True) == synthesize(findings)


@given(panels(st.sampled_from(["red", "green", "blue"]), positive, positive))
def test_every_flip_that_is_named_does_flip(findings) -> None:
    """Moving a stated confidence just past the named bound unseats the winner."""
    result = synthesize(findings)
    for rival in result.dissent:
        for flip in rival.flips:
            bound = flip.confidence + (-1e-6 if flip.change == "below" else 1e-6)
            if 0 <= bound <= 1:
                moved = [
                    f.model_copy(update={"confidence": bound}) if f.specialist == flip.specialist else f
                    for f in findings
                ]
                assert synthesize(moved).answer != result.answer


@given(panels(numbers, positive, positive))
def test_the_answer_without_a_source_is_the_answer_without_it(findings) -> None:
    """What the dissent foretells is what happens when the source leaves."""
    for rival in synthesize(findings).dissent:
        rest = [f for f in findings if (f.specialist,) != rival.specialists]
        slack = 1_000 * rounding(findings)
        assert rival.answer_without == pytest.approx(synthesize(rest).answer, rel=1e-9, abs=slack)


@given(panels(numbers, positive, positive))
def test_values_that_differ_leave_dissent(findings) -> None:
    """Disagreement is never silent."""
    values = [f.output for f in findings]
    apart = max(values) - min(values) > 1e-6 * max(map(abs, values))
    if apart:
        assert synthesize(findings).dissent


@given(panels(anything, any_fraction, any_fraction), st.lists(any_fraction, max_size=3))
def test_any_json_gives_a_result_that_is_strict_json(findings, absent) -> None:
    """Whatever specialists say, the result is finite, within its ranges, and comes back from its own JSON."""
    missing = [Missing(specialist=f"m{n}", authority=a) for n, a in enumerate(absent)]
    result = synthesize(findings, missing=missing)
    text = dump(result.model_dump(mode="json"))
    assert dump(Synthesis.model_validate_json(text).model_dump(mode="json")) == text
    assert len(result.weights) == len(findings)
