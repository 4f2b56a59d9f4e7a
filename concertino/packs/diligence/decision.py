"""From five specialists' findings to one decision: document 004's weights, and above them the regulatory veto."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast

from pydantic import JsonValue

from concertino.contracts.finding import Finding
from concertino.contracts.json import JsonObject
from concertino.nodes.synthesis import Missing, Synthesis, synthesize
from concertino.nodes.synthesis.vetoes import Veto
from concertino.packs.diligence.evidence import place_of
from concertino.packs.diligence.specialists import REGULATORY, SEATS
from concertino.packs.diligence.stages import STAGES

NOBODY = "No specialist came to a conclusion."
DECIMALS = 9
"""Of the figures that are shown: what is beyond them is the noise of binary fractions. `weighted` has them as they were computed."""
UNHEARD = "Regulatory compliance is not confirmed, and nobody could veto; a veto that binds would make it stop, whatever the weights"
QUESTIONS = ("recommendation", "risk", "score")
"""What all specialists answer, so that it can be merged."""


def decide(findings: Mapping[str, Finding], task: JsonObject) -> JsonObject:
    """Return the decision and what it rests on; a planner's `aggregate`.

    Of each specialist the finding of its deepest stage counts. Recommendations and risks are voted on, scores averaged, all by confidence
    times authority. By rule and whatever the weights say: a veto that binds makes it `stop`; a veto whose grounds no document
    bears out, or no regulatory finding at all, makes it `caution` at best.
    """
    latest = deepest(findings.values())
    synthesis = _merged(latest)
    answer = cast("dict[str, Any]", synthesis.answer) if isinstance(synthesis.answer, dict) else {}
    said: JsonValue = answer.get("recommendation")
    reasons: list[JsonValue] = []
    veto = _veto_of(latest.get(REGULATORY))
    if veto is not None and veto.get("binds"):
        reasons.append(f"Regulatory veto: {veto['reason']}")
    elif said == "proceed" and veto is not None:
        said = "caution"
        reasons.append(f"A veto without grounds in the documents rules out going ahead: {veto['reason']}")
    elif said == "proceed" and REGULATORY not in latest:
        said = "caution"
        reasons.append("Cannot confirm regulatory compliance: there is no regulatory finding.")
    if not latest:
        reasons.append(NOBODY)
    elif not reasons and said is not None:
        reasons.append(f"{said} has the most weight among {len(latest)} specialist(s).")
    by_question = _claims(synthesis)
    return {
        "decision": said,
        "reasons": reasons,
        "risk": answer.get("risk"),
        "final_score": rounded(answer.get("score")),
        "confidence": rounded(by_question.get("recommendation", {}).get("confidence", 0.0)),
        "share": rounded(by_question.get("recommendation", {}).get("share", 0.0)),
        "calibration": None,
        "veto": cast("JsonObject | None", veto),
        "vetoes": cast("Any", [one.model_dump(mode="json") for one in synthesis.vetoes]),
        "weighted": cast("Any", by_question),
        "domains": {
            SEATS[name].domain if name in SEATS else name: _told(name, finding) for name, finding in latest.items()
        },
        "dissent": cast("Any", [one.model_dump(mode="json") for one in synthesis.dissent]),
        "missing": cast("Any", _absent(synthesis)),
    }


def deepest(findings: Iterable[Finding]) -> dict[str, Finding]:
    """Return each specialist's finding of the deepest stage that concluded something, in the order of the hierarchy."""
    found: dict[str, Finding] = {}
    for finding in findings:
        output = finding.output
        if finding.specialist is None or not isinstance(output, dict) or output.get("recommendation") is None:
            continue
        known = found.get(finding.specialist)
        if known is None or _depth(finding) >= _depth(known):
            found[finding.specialist] = finding
    order = list(SEATS)
    return dict(sorted(found.items(), key=lambda item: order.index(item[0]) if item[0] in order else len(order)))


def _merged(latest: Mapping[str, Finding]) -> Synthesis:
    voices = [_voice(name, finding, question) for name, finding in latest.items() for question in QUESTIONS]
    veto = _veto_of(latest.get(REGULATORY))
    rules: list[Veto] = []
    if veto is not None and veto.get("binds"):
        # Whoever forbids the acquisition also says how risky it is; the words of both questions differ.
        held = {
            question: voice.output
            for voice in voices
            if (question := voice.question_id) and voice.specialist == REGULATORY
        }
        decided = [held.get("recommendation"), held.get("risk")]
        rules.append(Veto(REGULATORY, lambda value: value in decided, str(veto["reason"])))
    missing = [
        Missing(
            specialist=name,
            authority=seat.authority,
            reason="no conclusive finding",
            question_id=question,
            impact=UNHEARD if name == REGULATORY else None,
        )
        for name, seat in SEATS.items()
        if name not in latest
        for question in QUESTIONS
    ]
    return synthesize(voices, missing=missing, vetoes=rules)


def _voice(name: str, finding: Finding, question: str) -> Finding:
    """Return what one specialist says to one question."""
    output = cast("dict[str, Any]", finding.output)
    return Finding(
        output=output.get(question),
        confidence=finding.confidence,
        evidence=finding.evidence,
        specialist=name,
        domain=finding.domain,
        question_id=question,
        authority=finding.authority if finding.authority is not None else SEATS[name].authority,
    )


def _veto_of(finding: Finding | None) -> dict[str, Any] | None:
    veto = finding.output.get("veto") if finding is not None and isinstance(finding.output, dict) else None
    return cast("dict[str, Any]", veto) if isinstance(veto, dict) and veto.get("reason") else None


def _depth(finding: Finding) -> int:
    stage = finding.output.get("stage") if isinstance(finding.output, dict) else None
    return STAGES.index(stage) if stage in STAGES else 1


def _claims(synthesis: Synthesis) -> dict[str, Any]:
    return {
        claim.question_id or "": {
            "answer": claim.answer,
            "method": claim.method,
            "share": claim.share,
            "confidence": claim.confidence,
            "tied": claim.tied,
            "supporters": [{"specialist": one.specialist, "weight": one.weight} for one in claim.supporters],
        }
        for claim in synthesis.provenance
        if not claim.field
    }


def _told(name: str, finding: Finding) -> JsonObject:
    return {
        "specialist": name,
        "confidence": finding.confidence,
        "authority": finding.authority,
        "finding": finding.output,
        "evidence": [
            {**(one.model_dump(mode="json") if not isinstance(one, str) else {"source": one}), "place": place_of(one)}
            for one in finding.evidence
        ],
        "notes": finding.notes,
    }


def _absent(synthesis: Synthesis) -> list[dict[str, Any]]:
    """Return who is missing, once each, with what it did to the recommendation; whoever has a veto could have turned any."""
    return [
        {**one.model_dump(mode="json"), **({"could_flip": True} if one.specialist == REGULATORY else {})}
        for one in synthesis.missing
        if one.question_id == "recommendation"
    ]


def rounded(value: JsonValue) -> JsonValue:
    """Return a figure as it is shown, and anything else as it is."""
    return round(value, DECIMALS) if isinstance(value, float) else value
