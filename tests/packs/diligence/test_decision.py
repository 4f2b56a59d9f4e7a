"""The decision: document 004's weights, and above them the rules of the veto."""

from __future__ import annotations

from typing import Any

import pytest

from concertino.contracts.finding import Finding
from concertino.packs.diligence.decision import decide
from concertino.packs.diligence.specialists import SEATS

CITED = {"reason": "no licence", "binds": True, "evidence": ["a.md:1"]}
BARE = {"reason": "no licence", "binds": False, "evidence": []}


def said(name: str, recommendation: str | None = "proceed", *, confidence: float = 0.8, **output: Any) -> Finding:
    return Finding(
        output={"stage": "focused", "recommendation": recommendation, "risk": "low", "score": 60, **output},
        confidence=confidence,
        specialist=name,
        authority=SEATS[name].authority,
        evidence=("a.md:1",),
    )


def all_say(**changes: Finding) -> dict[str, Finding]:
    return {name: changes.get(name, said(name)) for name in SEATS}


def answer(findings: dict[str, Finding]) -> Any:
    return decide({f"{name}_focused": finding for name, finding in findings.items()}, {})


def test_the_weights_are_document_004s() -> None:
    """The final score is Σ(score·confidence·authority) / Σ(confidence·authority), the recommendation has the most weight."""
    told = answer(
        all_say(
            financial_agent=said("financial_agent", "caution", score=20, confidence=0.9),
            regulatory_agent=said("regulatory_agent", score=90, confidence=0.5),
        )
    )
    weights = {
        "financial": 0.9 * 0.8,
        "legal": 0.8 * 0.8,
        "market": 0.8 * 0.6,
        "technical": 0.8 * 0.6,
        "regulatory": 0.5,
    }
    scores = {"financial": 20, "legal": 60, "market": 60, "technical": 60, "regulatory": 90}
    expected = sum(scores[name] * weight for name, weight in weights.items()) / sum(weights.values())
    assert told["final_score"] == pytest.approx(expected)
    assert told["decision"] == "proceed"
    assert [one["answer"] for one in told["dissent"] if one["question_id"] == "recommendation"] == ["caution"]


def test_a_veto_that_binds_decides_alone() -> None:
    """Four confident voices and a single doubtful one: the veto stands, and its risk with it."""
    told = answer(all_say(regulatory_agent=said("regulatory_agent", "stop", confidence=0.1, risk="high", veto=CITED)))
    assert (told["decision"], told["risk"]) == ("stop", "high")
    assert told["reasons"] == ["Regulatory veto: no licence"]
    assert {one["specialist"] for one in told["vetoes"]} == {"regulatory_agent"}
    assert told["weighted"]["recommendation"]["method"] == "veto"
    assert [one["answer"] for one in told["dissent"] if one["question_id"] == "recommendation"] == ["proceed"]


def test_a_veto_without_grounds_makes_caution_of_proceed() -> None:
    """It does not decide alone, but nobody goes ahead over it unsaid."""
    told = answer(all_say(regulatory_agent=said("regulatory_agent", "proceed", veto=BARE)))
    assert told["decision"] == "caution"
    assert told["vetoes"] == []


@pytest.mark.parametrize("name", [name for name in SEATS if name != "regulatory_agent"])
def test_nobody_else_has_a_veto(name: str) -> None:
    """A veto in another's output is no veto, whatever put it there."""
    told = answer(all_say(**{name: said(name, "stop", veto=CITED)}))
    assert (told["decision"], told["veto"], told["vetoes"]) == ("proceed", None, [])


def test_without_a_regulatory_finding_nobody_goes_ahead() -> None:
    """Compliance is not confirmed, so the decision is caution at best, and the confidence is lower."""
    whole = answer(all_say())
    told = answer({name: finding for name, finding in all_say().items() if name != "regulatory_agent"})
    assert (whole["decision"], told["decision"]) == ("proceed", "caution")
    assert told["confidence"] < whole["confidence"]
    assert [one["specialist"] for one in told["missing"]] == ["regulatory_agent"]
    assert told["missing"][0]["could_flip"]
    assert "a veto that binds would make it stop" in told["missing"][0]["impact"]


def test_the_deepest_conclusive_finding_counts() -> None:
    """A later stage replaces an earlier one; one without a conclusion replaces nothing."""
    findings = {
        "a": said("legal_agent", "stop", stage="screening"),
        "b": said("legal_agent", "caution", stage="focused"),
        "c": said("legal_agent", None, stage="detailed"),
    }
    told: Any = decide(findings, {})
    assert told["domains"]["legal"]["finding"]["recommendation"] == "caution"
    assert told["decision"] == "caution"


def test_nobody_concluded_anything() -> None:
    """There is no decision, and it says who is missing."""
    told = answer({"legal_agent": said("legal_agent", None)})
    assert (told["decision"], told["confidence"], len(told["missing"])) == (None, 0.0, 5)
    assert told["reasons"] == ["No specialist came to a conclusion."]


def test_figures_are_shown_without_the_noise_of_binary_fractions() -> None:
    """The claim keeps what was computed."""
    told = answer({name: said(name, score=0.8) for name in SEATS})
    assert (told["final_score"], told["confidence"]) == (0.8, 0.8)
    assert told["weighted"]["score"]["answer"] == pytest.approx(0.8)
