"""One claim decided by what a track record teaches, with all that should be known about it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from pydantic import JsonValue

from concertino.nodes.synthesis.ballot import Ballot, Decision, canonical, kind
from concertino.nodes.synthesis.learned.claims import (
    by_finding,
    claim_of,
    fraction,
    in_order,
    left_out,
    shares_of,
    strangers,
)
from concertino.nodes.synthesis.learned.elections import elect
from concertino.nodes.synthesis.learned.memory import Memory, estimate, items_of
from concertino.nodes.synthesis.learned.numeric import NumberModel
from concertino.nodes.synthesis.learned.quantities import LARGEST
from concertino.nodes.synthesis.learned.rankings import Ranking, RankingModel, are_rankings
from concertino.nodes.synthesis.result import Dissent, Interval, Learned, Worth

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
        ballot = replace(ballot, voices=in_order(ballot.voices), withheld=in_order(ballot.withheld))
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
        return None if labels is None else elect(ballot, labels, domain=self.domain, missing=self.missing)

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
                Worth(specialist=name, gain=fraction(gain), could_flip=None)
                for name, gain in zip(names, model.worth(estimates, names, tolerance=self.tolerance), strict=True)
            ),
            warnings=(
                *left_out(model.changed, {voice.specialist for voice in voices}),
                *strangers([v.specialist for v in voices if v.specialist not in model.heard]),
            ),
        )
        claim = claim_of(
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
                share=fraction(fused.weights[n]),
                distance=values[n] - fused.value,
                answer_without=model.pool([*estimates[:n], *estimates[n + 1 :]], tolerance=self.tolerance).value
                if len(estimates) > 1 and rank < FAR
                else None,
            )
            for rank, n in enumerate(far)
        ]
        return Decision(fused.value, (claim,), tuple(dissent), by_finding(voices, fused.weights))

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
        weights = shares_of(ranked.weights)
        names = [canonical(voice.value) for voice in voices]
        claim = claim_of(
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
                share=fraction(weight),
            )
            for voice, weight, name in zip(voices, weights, names, strict=True)
            if name != canonical(answer)
        )
        return Decision(answer, (claim,), dissent, by_finding(voices, weights))
