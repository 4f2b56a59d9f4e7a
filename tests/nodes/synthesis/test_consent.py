"""Required consent: an explicit rule before any weight."""

from __future__ import annotations

import pytest
from pydantic import JsonValue

from concertino.contracts.finding import Finding
from concertino.nodes.synthesis import Consent, TrackRecord, Veto, synthesize

RULE = Consent("legal", when=lambda answer: answer == "sign", reason="legal must agree to sign")


def panel(legal: str | None) -> list[Finding]:
    found = [Finding(output="sign", confidence=0.9, specialist=name) for name in ("sales", "finance")]
    found.append(Finding(output="wait", confidence=0.2, specialist="risk"))
    return [*found, Finding(output=legal, confidence=0.1, specialist="legal")] if legal else found


def test_no_weight_carries_an_answer_without_the_consent_it_needs() -> None:
    """The majority wants to sign, legal does not: the next answer stands, and what was withheld is named."""
    result = synthesize(panel("wait"), consents=[RULE])
    assert result.answer == "wait"
    assert [(entry.answer, entry.specialist, entry.reason) for entry in result.withheld] == [
        ("sign", "legal", "legal must agree to sign")
    ]


def test_consent_of_whoever_is_missing_is_not_given() -> None:
    """Silence is no consent; where nothing else was answered the result abstains and says why."""
    assert synthesize(panel(None), consents=[RULE]).answer == "wait"
    result = synthesize(panel(None)[:2], consents=[RULE])
    assert result.answer is None
    assert result.abstain
    assert result.abstain_reason == "no answer has the consent it needs: legal must agree to sign (legal)"


def test_with_consent_the_weights_decide() -> None:
    """The rule asks for a word, not for weight."""
    assert synthesize(panel("sign"), consents=[RULE]) == synthesize(panel("sign"))


def test_a_withheld_voice_still_lowers_confidence() -> None:
    """Its authority is silent, not gone."""
    alone = synthesize([panel("wait")[2], panel("wait")[3]])
    assert synthesize(panel("wait"), consents=[RULE]).confidence < alone.confidence


def test_a_veto_comes_before_consent() -> None:
    """Whoever may decide alone needs nobody's word."""
    veto = Veto("sales", when=lambda value: value == "sign")
    assert synthesize(panel("wait"), vetoes=[veto], consents=[RULE]).answer == "sign"


def test_a_rule_that_cannot_be_checked_is_not_ignored() -> None:
    """What a rule raises goes to the caller."""

    def broken(answer: object) -> bool:
        raise RuntimeError("no register")

    with pytest.raises(RuntimeError, match="no register"):
        synthesize(panel("wait"), consents=[Consent("legal", when=broken)])


def test_a_withheld_answer_still_speaks_for_how_likely_the_other_is() -> None:
    """Who may not decide alone may still be right: the answer that is left is no likelier for the rule."""
    book = TrackRecord()
    for number in range(60):
        truth = "sign" if number % 2 else "wait"
        other = "wait" if number % 2 else "sign"
        for name, wrong in (("sales", number % 20 == 3), ("finance", number % 20 == 7), ("legal", number % 10 == 5)):
            said = other if wrong else truth
            book.record(Finding(output=said, confidence=0.9, specialist=name, question_id=f"q{number}"))
        book.settle(f"q{number}", truth)
    findings = [
        Finding(output="sign", confidence=0.9, specialist="sales"),
        Finding(output="sign", confidence=0.9, specialist="finance"),
        Finding(output="wait", confidence=0.9, specialist="legal"),
    ]
    consent = Consent("legal", when=lambda answer: answer == "sign", reason="legal must agree to sign")
    free = synthesize(findings, authority=book, calibrate=True)
    [claim] = free.provenance
    assert claim.learned is not None
    chances = {option.answer: option.probability for option in claim.learned.options}
    held = synthesize(findings, authority=book, calibrate=True, consents=[consent])
    assert (free.answer, held.answer) == ("sign", "wait")
    assert held.confidence == chances["wait"] < 0.5
    assert held.abstain
    [claim] = held.provenance
    assert claim.learned is not None
    assert {option.answer: option.probability for option in claim.learned.options} == chances
    assert [(one.specialist, one.weight) for one in held.weights if one.weight] == [("legal", 1.0)]


def test_what_is_withheld_speaks_field_by_field() -> None:
    """An object that may not be answered still counts for and against the values of its fields."""
    book = TrackRecord()
    for number in range(40):
        truth: dict[str, JsonValue] = {"act": "sign" if number % 2 else "wait", "pay": "late" if number % 3 else "now"}
        for name, wrong in (("sales", number % 20 == 3), ("finance", number % 20 == 7), ("legal", number % 10 == 5)):
            said: JsonValue = {"act": "wait" if number % 2 else "sign", "pay": "never"} if wrong else truth
            book.record(Finding(output=said, confidence=0.9, specialist=name, question_id=f"q{number}"))
        book.settle(f"q{number}", truth)
    findings = [
        Finding(output={"act": "sign", "pay": "now"}, specialist="sales"),
        Finding(output={"act": "sign", "pay": "now"}, specialist="finance"),
        Finding(output={"act": "wait", "pay": "now"}, specialist="legal"),
    ]
    consent = Consent("legal", when=lambda answer: isinstance(answer, dict) and answer["act"] == "sign")
    free = synthesize(findings, authority=book, calibrate=True)
    held = synthesize(findings, authority=book, calibrate=True, consents=[consent])
    assert held.answer == {"act": "wait", "pay": "now"}
    act, pay = held.provenance
    assert act.learned is not None
    assert act.confidence == next(one.probability for one in act.learned.options if one.answer == "wait") < 0.5
    assert pay.confidence == next(claim.confidence for claim in free.provenance if claim.field == "pay") > 0.9
