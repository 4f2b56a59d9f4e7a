"""The way in: findings go in, one answer with all that should be known about it comes out."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from concertino.contracts.errors import InputError
from concertino.contracts.finding import Finding
from concertino.contracts.json import clean
from concertino.contracts.limits import Limits
from concertino.nodes.synthesis.authority import DEFAULT_AUTHORITY, Authority, fraction, read_authority, resolve
from concertino.nodes.synthesis.ballot import Ballot, Decision, TextMerger, Voice
from concertino.nodes.synthesis.learned.cases import domain_of
from concertino.nodes.synthesis.learned.decide import Lesson
from concertino.nodes.synthesis.learned.memory import Memory, learn
from concertino.nodes.synthesis.merge import ballot_of, merge
from concertino.nodes.synthesis.result import (
    Claim,
    Method,
    Missing,
    MissingImpact,
    Synthesis,
    Vetoed,
    Weight,
    Withheld,
)
from concertino.nodes.synthesis.track_record import TrackRecord
from concertino.nodes.synthesis.vetoes import Consent, Veto, decide_by_veto, find_veto, withhold

NESTING = Limits().nesting
ABSTAIN_BELOW = 0.5
"""Less is more likely wrong than right."""


@dataclass(frozen=True, slots=True)
class _Question:
    """One question with all who answered it."""

    ballot: Ballot
    voices: tuple[Voice, ...]
    """Everyone's, null answers included."""
    decision: Decision
    vetoed: Vetoed | None
    withheld: tuple[Withheld, ...] = ()

    @property
    def method(self) -> Method:
        claims = self.decision.claims
        return claims[0].method if len(claims) == 1 and not claims[0].field else "per_field"


def synthesize(
    findings: Iterable[Finding],
    *,
    authority: Authority | None = None,
    calibrate: bool = False,
    remember: bool = True,
    missing: Sequence[Missing | str] = (),
    default_authority: float = DEFAULT_AUTHORITY,
    vetoes: Sequence[Veto] = (),
    consents: Sequence[Consent] = (),
    merge_text: TextMerger | None = None,
    tolerance: float | None = None,
    abstain_below: float = ABSTAIN_BELOW,
) -> Synthesis:
    """Merge findings by confidence and authority.

    Numbers become Σ(value·confidence·authority) / Σ(confidence·authority); labels, booleans and lists are elected under
    the same weights; objects are merged field by field among those who name the field; prose that all differs is merged
    by `merge_text` or set side by side. A null is no vote, but its sender's authority counts as missing. Findings with
    different question ids are merged apart; the answer is then an object by question id, with `""` for no id.

    A finding's authority is what `authority` says of its specialist, else its own, else document 004's hierarchy by
    name, else `default_authority`. A track record starts from the last three and moves with the settled history.

    With `calibrate` and a track record in which something is settled the merge itself is learned: see `learned`. `confidence` is
    then the probability that the answer is right, `share` and weights are the record's, and each claim says in `learned` how it came
    about. What the record knows nothing of, and prose, is merged as without it.

    Args:
        findings: The order decides full ties, but none of learned claims, and which result is the first successful one.
        authority: 0-1 by specialist name, or a `TrackRecord`.
        calibrate: Merge by what the track record teaches, with `confidence` measured on its settled questions.
        remember: Whether these answers count, unsettled, when more is merged with the same record object: so sources are found out
            that have changed, or copy each other. The record itself stays as it is.
        missing: Specialists that should have answered; a bare name is enough. They lower `confidence`, nothing else.
        default_authority: Authority of whoever nobody has ranked, 0-1.
        vetoes: Rules applied before any weight: whoever may decide alone.
        consents: Rules applied before any weight, but after vetoes: what may not be answered without somebody's word.
        merge_text: Turns several texts into one, for example by a model.
        tolerance: How far off a number may be and still be right, in its own unit, for a learned `confidence`. Without it, what
            was common to all settled questions, else what the stated confidences make likely.
        abstain_below: Abstain from learned answers of less confidence, 0-1.

    Raises:
        InputError: something that is no finding, an authority or `abstain_below` outside 0-1, a tolerance below 0, or an output that is not finite, bounded JSON.
    """
    findings = _listed(findings)
    given = read_authority(authority)
    default = fraction(default_authority, field="default_authority")
    absent = [Missing(specialist=entry) if isinstance(entry, str) else entry for entry in missing]
    lost = [resolve(entry.specialist, own=entry.authority, given=given, default=default) for entry in absent]
    least = fraction(abstain_below, field="abstain_below")
    if tolerance is not None and not (math.isfinite(tolerance) and tolerance >= 0):
        raise InputError(field="tolerance", value=tolerance, rule="must be a number of at least 0")
    groups: dict[str | None, list[Voice]] = {}
    for number, finding in enumerate(findings):
        groups.setdefault(_question_of(finding, number), []).append(_voice(finding, number, given, default))
    for entry in absent:
        if entry.question_id is not None:
            groups.setdefault(entry.question_id, [])

    memory: Memory | None = None
    if calibrate and isinstance(given, TrackRecord):
        memory = learn(given, default=default, findings=findings, remember=remember)
    questions: list[_Question] = []
    for question_id, voices in groups.items():
        silent = math.fsum(
            power for entry, power in zip(absent, lost, strict=True) if entry.question_id in (None, question_id)
        )
        ballot = ballot_of(tuple(voices), question_id=question_id, field="", silent=silent)
        lesson = None
        if memory is not None:
            domain = domain_of(findings[voice.finding].domain for voice in voices)
            away = tuple(
                (entry.specialist, resolve(entry.specialist, own=entry.authority, given=None, default=default))
                for entry in absent
                if entry.question_id in (None, question_id)
            )
            lesson = Lesson(memory, domain, tolerance, away)
        questions.append(
            _decide(
                ballot,
                tuple(voices),
                rules=vetoes,
                consents=consents,
                silent=silent,
                merger=merge_text,
                lesson=lesson,
            )
        )

    claims = tuple(claim for question in questions for claim in question.decision.claims)
    confidence = _weakest(claims, lambda claim: claim.confidence)
    withheld = tuple(entry for question in questions for entry in question.withheld)
    reason = _abstain_reason(claims, findings, withheld=withheld, least=least)
    return Synthesis(
        answer=_answer(questions),
        share=_weakest(claims, lambda claim: claim.share),
        confidence=confidence,
        calibration=None if memory is None else memory.calibration(),
        abstain=reason is not None,
        abstain_reason=reason,
        method=questions[0].method if len(questions) == 1 else "per_question" if questions else "none",
        fallback="; ".join(_fallbacks(claims)) or None,
        dissent=tuple(rival for question in questions for rival in question.decision.dissent),
        provenance=claims,
        missing=tuple(
            _impact(entry, power, questions=questions, confidence=confidence)
            for entry, power in zip(absent, lost, strict=True)
        ),
        vetoes=tuple(question.vetoed for question in questions if question.vetoed is not None),
        withheld=withheld,
        weights=_weights(questions),
    )


def _listed(findings: object) -> list[Finding]:
    if not isinstance(findings, Iterable) or isinstance(findings, Finding):
        raise InputError(field="findings", value=findings, rule="must be a list of Findings")
    return list(findings)


def _question_of(finding: object, number: int) -> str | None:
    if not isinstance(finding, Finding):
        raise InputError(field=f"findings[{number}]", value=finding, rule="must be a Finding")
    return finding.question_id


def _voice(finding: Finding, number: int, given: Authority | None, default: float) -> Voice:
    return Voice(
        finding=number,
        specialist=finding.specialist or f"finding[{number}]",
        value=clean(finding.output, field=f"findings[{number}].output", nesting=NESTING),
        confidence=finding.confidence,
        authority=resolve(finding.specialist, own=finding.authority, given=given, default=default),
        evidence=finding.evidence,
        standing=resolve(finding.specialist, own=finding.authority, given=None, default=default),
    )


def _decide(
    ballot: Ballot,
    voices: tuple[Voice, ...],
    *,
    rules: Sequence[Veto],
    consents: Sequence[Consent],
    silent: float,
    merger: TextMerger | None,
    lesson: Lesson | None,
) -> _Question:
    held = find_veto(voices, vetoes=rules) if rules else None
    if held is None:
        answers: tuple[Withheld, ...] = ()
        if consents:
            voices, withheld, answers = withhold(voices, consents=consents, question_id=ballot.question_id)
            ballot = ballot_of(voices, question_id=ballot.question_id, field="", silent=silent, withheld=withheld)
        return _Question(ballot, voices, merge(ballot, merger=merger, learning=lesson), None, answers)
    veto, voice = held
    decision, vetoed = decide_by_veto(ballot, veto=veto, voice=voice)
    return _Question(ballot, voices, decision, vetoed)


def _answer(questions: Sequence[_Question]) -> JsonValue:
    if not questions:
        return None
    if len(questions) == 1:
        return questions[0].decision.answer
    return {question.ballot.question_id or "": question.decision.answer for question in questions}


def _counted(claims: Sequence[Claim]) -> list[Claim]:
    """Return the claims that the overall figures look at: a field that everyone left null is no claim."""
    return [claim for claim in claims if claim.method != "none" or not claim.field]


def _weakest(claims: Sequence[Claim], figure: Callable[[Claim], float]) -> float:
    return min(map(figure, _counted(claims)), default=0.0)


def _abstain_reason(
    claims: Sequence[Claim], findings: Sequence[Finding], *, withheld: Sequence[Withheld], least: float
) -> str | None:
    answered = [claim for claim in claims if claim.method != "none"]
    if not findings:
        return "there is no finding"
    if not answered and withheld:
        entry = withheld[0]
        return f"no answer has the consent it needs: {entry.reason} ({entry.specialist})"
    if not answered:
        return "every finding answers null"
    if all(claim.confidence == 0 for claim in answered):
        return "no finding behind the answer has any weight: its confidence or its authority is 0"
    unsure = min((claim for claim in answered if claim.learned), key=lambda claim: claim.confidence, default=None)
    if unsure is not None and unsure.confidence < least:
        place = ".".join(filter(None, (unsure.question_id, unsure.field)))
        return f"the answer{place and f' to {place}'} is right with probability {unsure.confidence:.2f}, asked are {least:.2f}"
    return None


def _fallbacks(claims: Sequence[Claim]) -> list[str]:
    places = ((".".join(filter(None, (claim.question_id, claim.field))), claim.fallback) for claim in claims)
    return [f"{place}: {reason}" if place else reason for place, reason in places if reason]


def _weights(questions: Sequence[_Question]) -> tuple[Weight, ...]:
    found: list[Weight] = []
    for question in questions:
        learned = question.decision.weights
        ballot = question.ballot
        shares = learned or {v.finding: share for v, share in zip(ballot.voices, ballot.shares(), strict=True)}
        found += [
            Weight(
                finding=voice.finding,
                specialist=voice.specialist,
                question_id=question.ballot.question_id,
                confidence=voice.confidence,
                authority=voice.authority,
                weight=shares.get(voice.finding, 0.0),
            )
            for voice in question.voices
        ]
    return tuple(sorted(found, key=lambda weight: weight.finding))


def _impact(entry: Missing, authority: float, *, questions: Sequence[_Question], confidence: float) -> MissingImpact:
    """Work out what one missing specialist's absence did."""

    def touches(claim: Claim) -> bool:
        return entry.question_id in (None, claim.question_id)

    def unexpected(claim: Claim) -> float:
        rest = claim.authority - authority
        if not touches(claim) or rest <= 0 or claim.learned is not None:
            return claim.confidence
        return min(1.0, claim.confidence * claim.authority / rest)

    claims = [claim for question in questions for claim in question.decision.claims]
    gained = max(0.0, _weakest(claims, unexpected) - confidence)
    gaps: list[float] = []
    for claim in claims:
        if touches(claim) and claim.method == "weighted_vote":
            rivals = [
                rival.weight
                for question in questions
                for rival in question.decision.dissent
                if (rival.question_id, rival.field) == (claim.question_id, claim.field)
            ]
            gaps.append(max(0.0, claim.confidence * claim.authority - max(rivals, default=0.0)))
    could_flip = authority >= min(gaps) if gaps else None
    hearing = [
        one
        for claim in claims
        if touches(claim) and claim.learned is not None
        for one in claim.learned.worth
        if one.specialist == entry.specialist
    ]
    if hearing:
        gained = max(one.gain for one in hearing)
        flips = [one.could_flip for one in hearing if one.could_flip is not None]
        could_flip = any(flips) if flips else None
        said = f"hearing it would raise the probability of a right answer by {gained:.2g} in expectation"
        return MissingImpact(
            specialist=entry.specialist,
            question_id=entry.question_id,
            authority=authority,
            reason=entry.reason,
            impact=entry.impact or said + ("; it could turn the answer" if could_flip else ""),
            confidence_lost=gained,
            could_flip=could_flip,
        )
    if could_flip:
        effect = f"could have changed the answer: {min(gaps):.2g} of weight decides, {authority:.2g} is not heard"
    elif could_flip is None:
        effect = f"the answer lacks an authority of {authority:.2g}"
    else:
        effect = "could not have changed what was voted on"
    return MissingImpact(
        specialist=entry.specialist,
        question_id=entry.question_id,
        authority=authority,
        reason=entry.reason,
        impact=entry.impact or f"{effect}; confidence is {gained:.2g} lower",
        confidence_lost=gained,
        could_flip=could_flip,
    )
