"""One claim decided by what a track record teaches, with all that should be known about it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

from pydantic import JsonValue

from concertino.nodes.synthesis.ballot import Ballot, Decision, Voice, canonical, kind
from concertino.nodes.synthesis.learned.cases import Asked, Reply
from concertino.nodes.synthesis.learned.labels import LabelModel, Pooled
from concertino.nodes.synthesis.learned.memory import Memory, estimate, items_of
from concertino.nodes.synthesis.learned.numeric import NumberModel
from concertino.nodes.synthesis.learned.quantities import LARGEST
from concertino.nodes.synthesis.learned.rankings import Ranking, RankingModel, are_rankings
from concertino.nodes.synthesis.learned.suspects import Change
from concertino.nodes.synthesis.learned.worth import worth_of_one_more
from concertino.nodes.synthesis.result import Claim, Dissent, Interval, Learned, Method, Option, Support, Worth

SWITCHES = 3
"""At most so many supporters are tried as going over to the rival."""
FAR = 2
"""At most so many distant numbers are listed."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """What is known when one question is decided."""

    memory: Memory
    domain: str | None = None
    tolerance: float | None = None
    missing: tuple[tuple[str, float], ...] = ()
    """Specialists that should have answered, with their authority."""

    def decide(self, ballot: Ballot) -> Decision | None:
        """Return the decision; `None` where the record knows nothing of such claims."""
        if kind(ballot.voices[0].value) == "number":
            numbers = self.memory.numbers(ballot.field)
            return None if numbers is None else self._number(ballot, numbers)
        orders = [items_of(voice.value) for voice in ballot.voices]
        lists = [order for order in orders if order is not None]
        if len(lists) == len(orders) and are_rankings(lists):
            rankings = self.memory.rankings(ballot.field)
            if rankings is not None:
                return self._ranking(ballot, rankings, lists)
        labels = self.memory.labels(ballot.field)
        return None if labels is None else self._label(ballot, labels)

    def _label(self, ballot: Ballot, model: LabelModel) -> Decision:
        voices = ballot.voices
        names = [canonical(voice.value) for voice in voices]
        asked = Asked("", self.domain, tuple(_reply(voice, name) for voice, name in zip(voices, names, strict=True)))
        pooled = model.pool(asked)
        chances = dict(zip(pooled.labels, pooled.probabilities, strict=True))
        values = {name: voice.value for name, voice in zip(names, voices, strict=True)}
        ranked = sorted(values, key=lambda name: -chances[name])
        winner = ranked[0]
        weights = _shares(pooled.weights)
        second = chances[ranked[1]] if len(ranked) > 1 else 0.0
        lead = math.log(chances[winner] / second) if second > 0 else math.inf
        switches = _switches(model, asked, pooled, winner, ranked[1]) if len(ranked) > 1 else ()
        learned = Learned(
            settled=len(model.replayed),
            ways={way.name: way.weight for way in model.ways},
            options=tuple(Option(answer=values[name], probability=_fraction(chances[name])) for name in ranked),
            voices_worth=pooled.voices / pooled.temperature if pooled.temperature > 0 else None,
            worth=self._worth(model, pooled, lead=lead),
            warnings=_warnings(model, names, voices),
        )
        claim = _claim(
            ballot,
            values[winner],
            method="learned_vote",
            confidence=chances[winner],
            weights=weights,
            supports=[name == winner for name in names],
            learned=learned,
        )
        dissent = tuple(
            Dissent(
                question_id=ballot.question_id,
                field=ballot.field,
                answer=values[rival],
                specialists=tuple(voice.specialist for voice, name in zip(voices, names, strict=True) if name == rival),
                weight=math.fsum(w for w, name in zip(weights, names, strict=True) if name == rival),
                share=_fraction(math.fsum(w for w, name in zip(weights, names, strict=True) if name == rival)),
                switches=switches if rival == ranked[1] else (),
            )
            for rival in ranked[1:]
        )
        return Decision(values[winner], (claim,), dissent, _by_finding(voices, weights))

    def _worth(self, model: LabelModel, pooled: Pooled, *, lead: float) -> tuple[Worth, ...]:
        """Return the worth of each missing specialist and of a stranger.

        `lead` is the log ratio of the two likeliest answers; one vote for the second turns it where its weight, in this company,
        is at least that. This is exact for log odds and near for the other ways.
        """
        skills = model.skills
        people: list[tuple[str | None, float]] = [
            (name, skills.log_odds(name, skills.centre, self.domain, authority)) for name, authority in self.missing
        ]
        t = max(pooled.temperature, 1e-6)
        return tuple(
            Worth(
                specialist=name,
                gain=_fraction(worth_of_one_more(pooled.probabilities, log_odds=z, temperature=t)),
                could_flip=(z + model.spread) / t >= lead,
            )
            for name, z in (*people, (None, skills.mean))
        )

    def _number(self, ballot: Ballot, model: NumberModel) -> Decision | None:
        voices = ballot.voices
        values = [float(voice.value) for voice in voices if isinstance(voice.value, int | float)]
        if (model.relative and min(values) <= 0) or max(map(abs, values)) > LARGEST:
            return None
        estimates = [
            estimate(voice.specialist, value, voice.confidence, voice.standing, relative=model.relative)
            for voice, value in zip(voices, values, strict=True)
        ]
        fused = model.pool(estimates, tolerance=self.tolerance)
        if not all(map(math.isfinite, (fused.value, fused.low, fused.high))):
            return None
        names = [*(name for name, _ in self.missing), None]
        learned = Learned(
            settled=len(model.replayed),
            ways=dict(model.rules),
            interval=Interval(low=fused.low, high=fused.high),
            worth=tuple(
                Worth(specialist=name, gain=_fraction(gain), could_flip=None)
                for name, gain in zip(names, model.worth(estimates, names, tolerance=self.tolerance), strict=True)
            ),
            warnings=(
                *_left_out(model.changed, {voice.specialist for voice in voices}),
                *_strangers([v.specialist for v in voices if v.specialist not in model.heard]),
            ),
        )
        claim = _claim(
            ballot,
            fused.value,
            method="learned_mean",
            confidence=fused.confidence,
            weights=fused.weights,
            supports=[True] * len(voices),
            learned=learned,
        )
        far = sorted(
            (n for n, value in enumerate(values) if not fused.low <= value <= fused.high),
            key=lambda n: -abs(values[n] - fused.value),
        )
        dissent = [
            Dissent(
                question_id=ballot.question_id,
                field=ballot.field,
                answer=voices[n].value,
                specialists=(voices[n].specialist,),
                weight=fused.weights[n],
                share=_fraction(fused.weights[n]),
                distance=values[n] - fused.value,
                answer_without=model.pool([*estimates[:n], *estimates[n + 1 :]], tolerance=self.tolerance).value
                if len(estimates) > 1 and rank < FAR
                else None,
            )
            for rank, n in enumerate(far)
        ]
        return Decision(fused.value, (claim,), tuple(dissent), _by_finding(voices, fused.weights))

    def _ranking(self, ballot: Ballot, model: RankingModel, orders: Sequence[tuple[str, ...]]) -> Decision:
        voices = ballot.voices
        ranked = model.pool(
            [Ranking(v.specialist, order, v.confidence, v.standing) for v, order in zip(voices, orders, strict=True)],
            domain=self.domain,
        )
        raw = voices[0].value
        assert isinstance(raw, list)
        values = {canonical(item): item for item in raw}
        answer: JsonValue = [values[item] for item in ranked.items]
        weights = _shares(ranked.weights)
        names = [canonical(voice.value) for voice in voices]
        claim = _claim(
            ballot,
            answer,
            method="learned_ranking",
            confidence=ranked.confidence,
            weights=weights,
            supports=[True] * len(voices),
            learned=Learned(settled=model.settled),
        )
        dissent = tuple(
            Dissent(
                question_id=ballot.question_id,
                field=ballot.field,
                answer=voice.value,
                specialists=(voice.specialist,),
                weight=weight,
                share=_fraction(weight),
            )
            for voice, weight, name in zip(voices, weights, names, strict=True)
            if name != canonical(answer)
        )
        return Decision(answer, (claim,), dissent, _by_finding(voices, weights))


def _reply(voice: Voice, label: str) -> Reply:
    return Reply(voice.specialist, label, voice.confidence, voice.standing)


def _claim(
    ballot: Ballot,
    answer: JsonValue,
    *,
    method: Method,
    confidence: float,
    weights: Sequence[float],
    supports: Sequence[bool],
    learned: Learned,
) -> Claim:
    pairs = [(v, w) for v, w, has in zip(ballot.voices, weights, supports, strict=True) if has]
    return Claim(
        question_id=ballot.question_id,
        field=ballot.field,
        answer=answer,
        method=method,
        share=_fraction(math.fsum(weight for _, weight in pairs)),
        confidence=_fraction(confidence),
        authority=ballot.authority(),
        supporters=tuple(
            Support(specialist=v.specialist, weight=_fraction(weight), evidence=v.evidence) for v, weight in pairs
        ),
        learned=learned,
    )


def _switches(model: LabelModel, asked: Asked, pooled: Pooled, winner: str, rival: str) -> tuple[str, ...]:
    """Return the fewest supporters, heaviest first, that turn the answer by going over; none where three do not."""
    replies = list(asked.replies)
    order = sorted((n for n, one in enumerate(replies) if one.label == winner), key=lambda n: -pooled.weights[n])
    moved: list[str] = []
    for n in order[:SWITCHES]:
        replies[n] = Reply(replies[n].source, rival, replies[n].confidence, replies[n].authority)
        moved.append(replies[n].source)
        again = model.pool(Asked("", asked.domain, tuple(replies)))
        chances = dict(zip(again.labels, again.probabilities, strict=True))
        if chances[rival] > chances.get(winner, 0.0):
            return tuple(moved)
    return ()


def _warnings(model: LabelModel, names: Sequence[str], voices: Sequence[Voice]) -> tuple[str, ...]:
    present: Mapping[str, str] = {voice.specialist: name for voice, name in zip(voices, names, strict=True)}
    found = list(_left_out(model.suspects.changed, present.keys()))
    for group in model.suspects.copies:
        here = sorted(group & present.keys())
        if len(here) > 1 and len({present[name] for name in here}) < len(here):
            found.append(f"{', '.join(here)} agree more than their skill explains: where they do they share one voice")
    return (*found, *_strangers(sorted(present.keys() - model.suspects.heard)))


def _left_out(changed: Sequence[Change], present: Set[str]) -> tuple[str, ...]:
    return tuple(
        f"{change.source} is left out: its agreement with the others fell from {change.agreed:.0%} in settled answers "
        f"to {change.agrees:.0%} in {change.answers} later ones"
        for change in changed
        if change.source in present
    )


def _strangers(names: Sequence[str]) -> tuple[str, ...]:
    return (f"no history: {', '.join(names)}",) if names else ()


def _shares(weights: Sequence[float]) -> list[float]:
    """Return the positive parts of the weights, summing to 1; equal ones where there are none."""
    positive = [max(0.0, weight) for weight in weights]
    total = math.fsum(positive)
    return [weight / total for weight in positive] if total > 0 else [1 / len(positive)] * len(positive)


def _by_finding(voices: Sequence[Voice], weights: Sequence[float]) -> dict[int, float]:
    return {voice.finding: _fraction(weight) for voice, weight in zip(voices, weights, strict=True)}


def _fraction(value: float) -> float:
    return min(1.0, max(0.0, value))
