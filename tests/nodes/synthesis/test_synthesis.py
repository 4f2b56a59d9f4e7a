"""The way in: what callers get back."""

from __future__ import annotations

import math

import pytest
from pydantic import ValidationError

from concertino.contracts.errors import InputError
from concertino.contracts.finding import Finding
from concertino.nodes.synthesis import Missing, TrackRecord, Veto, WeightedText, synthesize

LONG_A = "The contract may be ended by either side within thirty days of its first anniversary."
LONG_B = "Termination needs the written consent of both parties and sixty days of notice at least."


def said(output, specialist, confidence=1.0, authority=None, **more) -> Finding:
    return Finding(output=output, specialist=specialist, confidence=confidence, authority=authority, **more)


def test_numbers_follow_the_formula_of_document_004() -> None:
    """Two scores merge to the quotient as written, bit for bit."""
    result = synthesize([said(0.7, "a", 0.9, 0.8), said(0.4, "b", 0.6, 0.3)])
    assert result.answer == (0.7 * 0.9 * 0.8 + 0.4 * 0.6 * 0.3) / (0.9 * 0.8 + 0.6 * 0.3)
    assert result.share == 1.0
    assert result.confidence == pytest.approx((0.9 * 0.8 + 0.6 * 0.3) / (0.8 + 0.3))
    assert (result.method, result.calibration, result.abstain, result.fallback) == ("weighted_mean", None, False, None)


def test_authority_comes_from_the_mapping_then_the_finding_then_the_hierarchy_then_the_default() -> None:
    """The caller's word beats the finding's, which beats the hierarchy's, which beats the default."""
    findings = [
        said(1, "mapped", 1.0, 0.9),
        said(1, "own", 1.0, 0.7),
        said(1, "sop_agent"),
        said(1, "general_agent", 1.0, 0.5),
        said(1, "nobody"),
        said(1, None),
    ]
    result = synthesize(findings, authority={"mapped": 0.2}, default_authority=0.4)
    assert [weight.authority for weight in result.weights] == [0.2, 0.7, 0.8, 0.5, 0.4, 0.4]
    assert result.weights[5].specialist == "finding[5]"


def test_weightless_findings_share_equally_and_the_result_abstains() -> None:
    """Where every weight is 0 the answer is the plain mean, marked as not to be acted on."""
    result = synthesize([said(1.0, "a", 0.0), said(4.0, "b", 0.0)])
    assert (result.answer, result.confidence, result.abstain) == (2.5, 0.0, True)
    assert [weight.weight for weight in result.weights] == [0.5, 0.5]


def test_no_finding_abstains() -> None:
    """Nothing in, no answer out, with the reason and the missing named."""
    result = synthesize([], missing=["legal"])
    assert (result.answer, result.confidence, result.share) == (None, 0.0, 0.0)
    assert (result.abstain, result.abstain_reason, result.method) == (True, "there is no finding", "none")
    assert result.missing[0].specialist == "legal"


def test_labels_are_elected_by_weight_not_by_heads() -> None:
    """One weighty voice beats two light ones, and the dissent says what would turn it."""
    result = synthesize([said("yes", "a", 0.9, 1.0), said("no", "b", 0.5, 0.8), said("no", "c", 0.5, 0.6)])
    assert result.answer == "yes"
    assert result.share == pytest.approx(0.9 / 1.6)
    assert result.confidence == pytest.approx(0.9 / 2.4)
    (rival,) = result.dissent
    assert (rival.answer, rival.specialists, rival.tied) == ("no", ("b", "c"), False)
    assert rival.weight_to_flip == pytest.approx(0.2)
    assert [(flip.specialist, flip.change) for flip in rival.flips] == [("a", "below"), ("b", "above"), ("c", "above")]
    assert rival.flips[0].confidence == pytest.approx(0.7)


def test_a_tie_goes_to_authority_then_to_the_first_and_is_reported() -> None:
    """Equal weights, whatever their rounding, are a tie, decided the same way each time."""
    by_authority = synthesize([said("x", "a", 0.1), said("x", "b", 0.2), said("y", "c", 0.3, 1.0)])
    assert by_authority.answer == "x"
    by_order = synthesize([said("y", "a", 0.5), said("x", "b", 0.5)])
    assert by_order.answer == "y"
    assert by_order.provenance[0].tied
    assert by_order.dissent[0].tied


def test_booleans_are_votes_and_not_numbers() -> None:
    """True and False are never averaged."""
    result = synthesize([said(True, "a", 0.4), said(False, "b", 0.9)])
    assert result.answer is False


def test_lists_are_elected_whole_and_one_point_nought_is_one() -> None:
    """Lists that are equal as JSON numbers go together."""
    result = synthesize([said([1, 2], "a", 0.4), said([1.0, 2.0], "b", 0.4), said([9], "c", 0.7)])
    assert result.answer == [1, 2]


def test_objects_merge_field_by_field_among_those_who_name_the_field() -> None:
    """Nested fields merge on their own; who does not name a field has no say in it."""
    result = synthesize(
        [
            said({"salary": {"base": 100, "grade": "L4"}, "risk": "low"}, "a", 0.5),
            said({"salary": {"base": 200}, "start": "may"}, "b", 0.5),
        ]
    )
    assert result.answer == {"salary": {"base": 150.0, "grade": "L4"}, "risk": "low", "start": "may"}
    assert result.method == "per_field"
    by_field = {claim.field: claim for claim in result.provenance}
    assert list(by_field) == ["salary.base", "salary.grade", "risk", "start"]
    assert [support.specialist for support in by_field["start"].supporters] == ["b"]
    assert by_field["start"].confidence == 0.5
    assert [rival.field for rival in result.dissent] == ["salary.base", "salary.base"]


def test_a_field_of_one_source_keeps_its_value_to_the_digit() -> None:
    """An integer that nobody else names stays that integer."""
    result = synthesize([said({"count": 3, "id": 2**60 + 1}, "a", 0.7, 0.3), said({"x": 0.1}, "b", 0.1, 0.7)])
    assert repr(result.answer) == repr({"count": 3, "id": 2**60 + 1, "x": 0.1})


def test_the_weakest_claim_speaks_for_the_whole() -> None:
    """Share and confidence of an object are those of its weakest field."""
    result = synthesize([said({"a": "x", "b": "y"}, "one", 0.8), said({"a": "x", "b": "z"}, "two", 0.6)])
    assert result.share == pytest.approx(0.8 / 1.4)
    assert result.confidence == pytest.approx(0.4)


def test_a_null_is_no_vote_but_its_authority_lowers_confidence() -> None:
    """A specialist that answers null counts like one that is missing."""
    result = synthesize([said({"n": 4}, "a", 0.8), said({"n": None}, "b"), said(None, "c")])
    assert result.answer == {"n": 4.0}
    assert result.confidence == pytest.approx(0.8 / 3)
    assert [weight.weight for weight in result.weights] == [0.8 / 1.8, 1 / 1.8, 0.0]
    silent = synthesize([said(None, "a"), said(None, "b")])
    assert (silent.answer, silent.abstain, silent.abstain_reason) == (None, True, "every finding answers null")


def test_a_field_that_everyone_leaves_null_does_not_sink_the_rest() -> None:
    """An agreed null is in the answer and out of the overall confidence."""
    result = synthesize([said({"n": 4, "note": None}, "a", 0.8)])
    assert (result.answer, result.confidence, result.abstain) == ({"n": 4.0, "note": None}, 0.8, False)


def test_prose_stands_side_by_side_heaviest_first_with_sources() -> None:
    """Texts that all differ are set out under their sources."""
    result = synthesize([said(LONG_A, "a", 0.3), said(LONG_B, "b", 0.9)])
    assert result.answer == f"[b, weight 0.75]\n{LONG_B}\n\n[a, weight 0.25]\n{LONG_A}"
    assert (result.method, result.share) == ("text_template", 1.0)
    assert result.confidence == pytest.approx(0.6)


def test_short_sentences_are_prose_and_short_words_are_labels() -> None:
    """Where no two are alike, no sentence of four words or more goes lost; a label is elected, whatever stops it."""
    told = synthesize([said("The price is fair.", "a", 0.3), said("The price is too high!", "b", 0.9)])
    assert told.method == "text_template"
    assert "The price is fair." in str(told.answer)
    for first, second in (("buy it now", "do not buy it"), ("Buy it.", "Do not.")):
        assert synthesize([said(first, "a", 0.3), said(second, "b", 0.9)]).answer == second


def test_prose_that_agrees_is_elected() -> None:
    """Two equal texts against one are a vote."""
    result = synthesize([said(LONG_A, "a", 0.9), said(LONG_B, "b", 0.5), said(LONG_B, "c", 0.5)])
    assert (result.answer, result.method) == (LONG_B, "weighted_vote")


def test_a_given_merger_merges_prose() -> None:
    """The merger sees the texts heaviest first."""
    seen: list[WeightedText] = []

    def merger(texts) -> str:
        seen.extend(texts)
        return "both"

    result = synthesize([said(LONG_A, "a", 0.25), said(LONG_B, "b", 0.75)], merge_text=merger)
    assert (result.answer, result.method) == ("both", "text_model")
    assert seen == [WeightedText("b", LONG_B, 0.75), WeightedText("a", LONG_A, 0.25)]


@pytest.mark.parametrize("broken", [lambda texts: 1 / 0, lambda texts: " ", lambda texts: None])
def test_a_broken_merger_costs_no_answer_and_is_named(broken) -> None:
    """The template stands in for a merger that raises or returns nothing."""
    result = synthesize([said(LONG_A, "a"), said(LONG_B, "b")], merge_text=broken)
    assert result.method == "text_template"
    assert result.fallback is not None
    assert "text merger" in result.fallback


def test_mixed_sorts_fall_back_to_the_first_result_and_say_so() -> None:
    """A number and a label cannot be merged; the first stands, the other dissents."""
    result = synthesize([said("high", "a", 0.2), said(3, "b", 0.8)])
    assert (result.answer, result.method) == ("high", "first_successful")
    assert result.fallback == "cannot merge number with string, so the first successful result stands in"
    assert result.share == pytest.approx(0.2)
    assert [rival.answer for rival in result.dissent] == [3]


def test_a_field_that_cannot_be_merged_is_named_and_spares_the_others() -> None:
    """Only the faulty field falls back."""
    result = synthesize([said({"x": 1, "y": {"z": 2}}, "a"), said({"x": 3, "y": {"z": "two"}}, "b")])
    assert result.answer == {"x": 2.0, "y": {"z": 2}}
    assert result.fallback is not None
    assert result.fallback.startswith("y.z: cannot merge")


def test_numbers_too_large_to_average_fall_back() -> None:
    """An overflowing sum never becomes infinity in the answer."""
    result = synthesize([said(1.7e308, "a"), said(1.7e308, "b")])
    assert (result.answer, result.method) == (1.7e308, "first_successful")


def test_questions_are_merged_apart() -> None:
    """Findings on different questions are no rivals."""
    result = synthesize(
        [said(1, "a", question_id="q1"), said("x", "a", 0.5, question_id="q2"), said(3, "b", question_id="q1")]
    )
    assert result.answer == {"q1": 2.0, "q2": "x"}
    assert (result.method, result.confidence) == ("per_question", 0.5)
    assert [weight.weight for weight in result.weights] == [0.5, 1.0, 0.5]


def test_one_question_with_an_id_answers_plainly() -> None:
    """A single question id does not wrap the answer."""
    assert synthesize([said(1, "a", question_id="q1")]).answer == 1.0


def test_the_missing_lower_confidence_and_their_impact_is_told() -> None:
    """A missing specialist's authority stands in the denominator; its possible effect is spelt out."""
    findings = [said("yes", "a", 0.9, 0.5), said("no", "b", 0.5, 0.5)]
    result = synthesize(
        findings,
        missing=[Missing(specialist="legal", authority=1.0, reason="timeout"), Missing(specialist="x", authority=0.1)],
    )
    assert result.confidence == pytest.approx(0.45 / 2.1)
    assert result.share == synthesize(findings).share
    legal, other = result.missing
    assert (legal.reason, legal.could_flip, other.could_flip) == ("timeout", True, False)
    assert legal.confidence_lost == pytest.approx(0.45 / 1.1 - 0.45 / 2.1)
    assert legal.impact.startswith("could have changed the answer")


def test_missing_on_an_unanswered_question_shows_as_null() -> None:
    """A question that nobody answered is in the answer, and nothing is claimed for it."""
    result = synthesize(
        [said(1, "a", question_id="q1")], missing=[Missing(specialist="b", question_id="q2", impact="no q2")]
    )
    assert result.answer == {"q1": 1.0, "q2": None}
    assert (result.confidence, result.missing[0].impact) == (0.0, "no q2")


def test_numeric_dissent_names_far_values_and_the_answer_without_them() -> None:
    """The outlier is named with its distance and the mean of the rest."""
    result = synthesize([said(10, "a"), said(12, "b"), said(38, "c")])
    (far,) = result.dissent
    assert (far.specialists, far.distance) == (("c",), 18.0)
    assert far.answer_without == pytest.approx(11.0)
    assert synthesize([said(0.1, str(n)) for n in range(3)]).dissent == ()


def test_a_veto_beats_every_weight_and_is_named() -> None:
    """A regulator's refusal is the answer, with the outvoted majority as dissent."""
    veto = Veto(specialist="regulatory_agent", when=lambda output: output == "reject", reason="not permitted")
    findings = [said("approve", "a"), said("approve", "b"), said("reject", "regulatory_agent", 0.2)]
    result = synthesize(findings, vetoes=[veto])
    assert (result.answer, result.method) == ("reject", "veto")
    assert (result.vetoes[0].specialist, result.vetoes[0].reason) == ("regulatory_agent", "not permitted")
    assert [rival.answer for rival in result.dissent] == ["approve"]
    assert synthesize(findings[:2], vetoes=[veto]).vetoes == ()
    assert synthesize([said("approve", "a"), said("reject", "b", 0.2)], vetoes=[veto]).answer == "approve"


def test_evidence_is_kept_per_claim() -> None:
    """Provenance carries each supporter's evidence."""
    result = synthesize([said("x", "a", evidence=("report.pdf",)), said("y", "b", 0.5, evidence=("memo.txt",))])
    (claim,) = result.provenance
    assert claim.supporters[0].evidence == ("report.pdf",)
    assert len(claim.supporters) == 1


@pytest.mark.parametrize("value", [-0.1, 1.5, math.nan, True, "high"])
def test_an_authority_out_of_range_is_refused_by_name(value) -> None:
    """The error names the specialist, the value and the rule."""
    with pytest.raises(InputError) as caught:
        synthesize([said(1, "a")], authority={"legal": value})
    assert caught.value.field == "authority.legal"
    with pytest.raises(InputError):
        synthesize([said(1, "a")], default_authority=value)


@pytest.mark.parametrize("output", [math.nan, math.inf, 2**63, {"a": [math.nan]}])
def test_an_output_that_is_no_finite_json_is_refused_by_place(output) -> None:
    """NaN never reaches an answer, not even from a finding that nobody checked."""
    unchecked = said(1, "b").model_copy(update={"output": output})
    with pytest.raises(InputError) as caught:
        synthesize([said(1, "a"), unchecked])
    assert caught.value.field.startswith("findings[1].output")


def test_something_else_than_a_finding_is_refused() -> None:
    """A bare dict is no finding, a bare number no authority."""
    with pytest.raises(InputError):
        synthesize([{"output": 1}])  # type: ignore[list-item]  # what a careless caller does
    with pytest.raises(InputError):
        synthesize([], authority=3)  # type: ignore[arg-type]  # likewise


def test_a_synthesis_is_frozen_json() -> None:
    """The result cannot be changed and dumps to JSON."""
    result = synthesize([said({"a": 1}, "a"), said({"a": 2}, "b")], authority=TrackRecord(), calibrate=True)
    assert result.calibration is None
    assert type(result).model_validate_json(result.model_dump_json()) == result
    with pytest.raises(ValidationError):
        result.answer = 1  # type: ignore[misc]  # the point of the test
