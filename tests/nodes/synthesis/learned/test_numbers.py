"""Learned synthesis of numbers, through the public door."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from concertino.contracts.finding import Finding
from concertino.nodes.synthesis import Synthesis, TrackRecord, synthesize
from concertino.nodes.synthesis.learned.quantities import Errors, Estimate, Sum
from tests.nodes.synthesis.learned.panel import measured, said, votes

PANEL = {"exact": (0.0, 0.3), "high": (5.0, 0.5), "wild1": (0.0, 6.0), "wild2": (0.0, 6.0)}


def merged(findings: list[Finding], record: TrackRecord, tolerance: float | None = None) -> Synthesis:
    return synthesize(findings, authority=record, calibrate=True, tolerance=tolerance)


def test_bias_is_taken_off_and_noise_weighs_less() -> None:
    """Whoever is always five too high is as good as exact; the wild hardly count."""
    record = measured(PANEL, settled=20)
    result = merged(votes({"exact": 70.0, "high": 75.0, "wild1": 60.0, "wild2": 61.0}), record)
    assert isinstance(result.answer, float)
    assert abs(result.answer - 70) < 1
    assert result.method == "learned_mean"
    assert result.share == 1
    assert {rival.specialists[0] for rival in result.dissent} >= {"wild1", "wild2"}


def test_the_interval_covers_what_it_says() -> None:
    """About four of five truths lie inside the 80 % interval."""
    record = measured(PANEL, settled=30)
    draw = random.Random(5)
    inside = 0
    for _ in range(100):
        truth = draw.uniform(50, 90)
        findings = votes({name: truth + bias + draw.gauss(0, noise) for name, (bias, noise) in PANEL.items()})
        learned = merged(findings, record).provenance[0].learned
        assert learned is not None
        assert learned.interval is not None
        inside += learned.interval.low <= truth <= learned.interval.high
    assert 65 <= inside <= 95


@settings(max_examples=25, deadline=None)
@given(st.floats(0, 50), st.floats(0, 50))
def test_more_tolerance_is_more_confidence(one: float, other: float) -> None:
    """The probability to be within a tolerance never falls as it widens."""
    record = measured(PANEL, settled=12)
    findings = votes({"exact": 70.0, "high": 75.0})
    low, high = sorted((one, other))
    assert merged(findings, record, low).confidence <= merged(findings, record, high).confidence + 1e-9


def test_one_far_away_does_not_move_the_answer() -> None:
    """An outlier is turned down, however good its history was."""
    record = measured({"a": (0.0, 0.5), "b": (0.0, 0.5), "c": (0.0, 0.5), "d": (0.0, 0.5)}, settled=20)
    calm = merged(votes({"a": 70.0, "b": 70.4, "c": 69.8, "d": 70.1}), record)
    wild = merged(votes({"a": 70.0, "b": 70.4, "c": 69.8, "d": 170.1}), record)
    assert isinstance(calm.answer, float)
    assert isinstance(wild.answer, float)
    assert abs(calm.answer - wild.answer) < 1
    assert wild.confidence < calm.confidence + 0.05


def test_faint_errors_hardly_widen_the_interval() -> None:
    """A panel that was wild long ago and is exact since: with a half-life interval and confidence are the latter's."""
    widths, sure = [], []
    for half_life in (None, 8):
        record, draw = TrackRecord(half_life=half_life), random.Random(8)
        for n in range(80):
            for name in ("a", "b", "c"):
                record.record(said(name, 50 + n + draw.gauss(0, 9 if n < 50 else 1), f"q{n}"))
            record.settle(f"q{n}", 50.0 + n, tolerance=2.0)
        result = merged(votes({"a": 70.0, "b": 70.5, "c": 69.5}), record)
        learned = result.provenance[0].learned
        assert learned is not None
        assert learned.interval is not None
        widths.append(learned.interval.high - learned.interval.low)
        sure.append(result.confidence)
    assert widths[1] < 0.7 * widths[0]
    assert sure[1] > 0.9 > sure[0]


@pytest.mark.parametrize("who", [*PANEL, "truth"])
@pytest.mark.parametrize("factor", [100.0, 0.01, -1.0])
def test_one_slip_in_the_past_does_not_ruin_the_merge(who: str, factor: float) -> None:
    """One number a hundred times too large in twenty settled questions, a source's or the truth: the merge stays as good."""
    record, draw = TrackRecord(), random.Random(3)
    for n in range(20):
        truth = draw.uniform(50, 90)
        slips = {name: factor if n == 4 and name == who else 1.0 for name in (*PANEL, "truth")}
        for name, (bias, noise) in PANEL.items():
            record.record(said(name, slips[name] * (truth + bias + draw.gauss(0, noise)), f"q{n}"))
        record.settle(f"q{n}", slips["truth"] * truth, tolerance=2.0)
    right, sure = 0, 0.0
    for _ in range(50):
        truth = draw.uniform(50, 90)
        found = merged(
            votes({name: truth + bias + draw.gauss(0, noise) for name, (bias, noise) in PANEL.items()}), record
        )
        assert isinstance(found.answer, float)
        right += abs(found.answer - truth) <= 2
        sure += found.confidence / 50
    assert right >= 46
    assert abs(sure - right / 50) < 0.15


def test_what_a_source_always_does_is_no_slip() -> None:
    """Whoever is a thousand too high each time keeps that bias, however exact the others are; only a stray error is cut."""
    draw = random.Random(4)
    settled = []
    for n in range(20):
        errors = {f"s{k}": draw.gauss(0, 1) for k in range(9)} | {"high": 1000 + draw.gauss(0, 1)}
        errors["s0"] += 1000 * (n == 7)
        estimates = tuple(Estimate(name, n + error, 0.0, 1.0) for name, error in errors.items())
        settled.append(Sum(f"q{n}", estimates, float(n)))
    sources = Errors(settled).sources()
    assert sources["high"].bias > 850  # three questions' worth of the panel's bias is mixed in
    assert abs(sources["s0"].bias) < 20


def test_a_source_that_strayed_is_left_out_and_named() -> None:
    """Near the others as long as truths came in, far away since."""
    skills = {f"s{n}": (0.0, 1.0) for n in range(5)}
    later = skills | {"s4": (40.0, 1.0)}
    record = measured(skills, settled=20, unsettled=30, later=later)
    result = merged(votes({"s0": 70.0, "s1": 70.5, "s4": 110.0}), record)
    learned = result.provenance[0].learned
    assert learned is not None
    assert any(warning.startswith("s4 is left out") for warning in learned.warnings)
    assert result.weights[2].weight == 0


def test_magnitudes_are_merged_as_logarithms() -> None:
    """Prices from ten to a million: errors are relative, and whoever says half is corrected to the whole."""
    record = TrackRecord()
    draw = random.Random(2)
    for n in range(20):
        truth = 10 ** draw.uniform(1, 6)
        record.record(said("half", truth / 2 * math.exp(draw.gauss(0, 0.05)), f"q{n}"))
        record.settle(f"q{n}", truth)
    result = merged([said("half", 5_000.0)], record)
    assert isinstance(result.answer, float)
    assert abs(result.answer - 10_000) < 1_500
    assert merged([said("half", -5_000.0)], record).answer == -5_000.0


def test_numbers_too_large_to_square_are_merged_by_the_formula() -> None:
    """What could overflow is neither learned from nor merged by what was learned."""
    record = measured(PANEL, settled=10)
    record.record(said("exact", 1e300, "large"))
    record.settle("large", 1e300)
    result = merged(votes({"exact": 1e300, "high": 1e300}), record)
    assert result.method == "weighted_mean"
    assert merged(votes({"exact": 70.0}), record).method == "learned_mean"


def test_one_truth_asked_again_and_again_counts_once() -> None:
    """A question that is repeated with other tolerances is left out as a whole when it is foretold."""
    once, often = TrackRecord(), TrackRecord()
    for n in range(6):
        truth = 50.0 + n
        for record, times in ((once, 1), (often, 4)):
            for k in range(times):
                record.record(said("a", truth + (-1) ** n, f"q{n}.{k}"))
                record.settle(f"q{n}.{k}", truth, tolerance=2.0)
    one, other = (merged([said("a", 60.0)], record, 2.0).answer for record in (once, often))
    assert isinstance(one, float)
    assert isinstance(other, float)
    assert abs(one - other) < 1e-9


def test_one_more_exact_source_is_worth_more_than_a_wild_one() -> None:
    """What hearing a missing specialist would add to the probability follows its errors, and is never negative."""
    record = measured(PANEL, settled=20)
    findings = votes({"wild1": 68.0, "high": 77.0})
    result = synthesize(findings, authority=record, calibrate=True, tolerance=1.0, missing=["exact", "wild2"])
    learned = result.provenance[0].learned
    assert learned is not None
    worth = {one.specialist: one.gain for one in learned.worth}
    assert worth["exact"] > worth["wild2"] >= 0
    assert result.missing[0].confidence_lost == worth["exact"]
