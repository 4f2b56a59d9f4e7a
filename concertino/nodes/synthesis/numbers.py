"""Numbers: document 004's weighted mean, to the last bit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate

from concertino.nodes.synthesis.ballot import Ballot, Decision
from concertino.nodes.synthesis.result import Dissent

ROUNDING = 1e-9
"""Relative slack within which distances count as equal; chosen by hand."""


def formula(values: Sequence[float], confidences: Sequence[float], authorities: Sequence[float]) -> float:
    """Return Σ(value·confidence·authority) / Σ(confidence·authority), evaluated left to right as written.

    Plain addition on purpose: `math.fsum`, and `sum` from Python 3.12 on, round otherwise. Where every weight is 0 it
    is the plain mean. Not finite when the sum overflows. Source: document 004, confidence-weighted synthesis.
    """
    above = below = 0.0
    for value, confidence, authority in zip(values, confidences, authorities, strict=True):
        above += value * confidence * authority
        below += confidence * authority
    if below == 0:
        plain = 0.0
        for value in values:
            plain += value
        return plain / len(values)
    return above / below


def mean(ballot: Ballot) -> Decision | None:
    """Merge numbers; `None` when they are too large for their mean to be finite.

    A field that one specialist alone names keeps its value as it is: 3 stays 3, where the formula might round.
    Everyone carries the answer, so its share is 1. Dissent lists the values at least one weighted standard deviation
    away: when the values differ at all, at least one is.
    """
    voices = ballot.voices
    values = [float(v.value) if isinstance(v.value, int | float) else math.nan for v in voices]
    answer = formula(values, [v.confidence for v in voices], [v.authority for v in voices])
    if ballot.field and len(voices) == 1:
        whole = voices[0].value
        return Decision(whole, (ballot.claim(whole, method="weighted_mean", supporters=voices),), ())
    if not math.isfinite(answer):
        return None
    shares = ballot.shares()
    without = _without(values, shares)
    # hypot scales, so that squaring large distances cannot overflow.
    spread = math.hypot(*(math.sqrt(share) * (value - answer) for value, share in zip(values, shares, strict=True)))
    # A mean of equal values may miss them by its last bits; that is no dissent.
    differ = max(values) - min(values) > ROUNDING * max(map(abs, values))
    dissent = tuple(
        Dissent(
            question_id=ballot.question_id,
            field=ballot.field,
            answer=voice.value,
            specialists=(voice.specialist,),
            weight=voice.weight,
            share=share,
            distance=value - answer if math.isfinite(value - answer) else None,
            answer_without=rest,
        )
        for voice, value, share, rest in zip(voices, values, shares, without, strict=True)
        if differ and abs(value - answer) >= spread * (1 - ROUNDING)
    )
    return Decision(answer, (ballot.claim(answer, method="weighted_mean", supporters=voices),), dissent)


def _without(values: Sequence[float], shares: Sequence[float]) -> list[float | None]:
    """Return the mean without each value in turn; `None` where nothing with weight is left."""

    def before_each(items: Sequence[float]) -> list[float]:
        return list(accumulate(items, initial=0.0))[:-1]

    def around_each(items: Sequence[float]) -> list[float]:
        # Sums from both ends: subtracting one heavy source from the total would cancel the light ones away.
        after = before_each(items[::-1])[::-1]
        return [a + b for a, b in zip(before_each(items), after, strict=True)]

    above = around_each([value * share for value, share in zip(values, shares, strict=True)])
    below = around_each(shares)
    rest = [a / b if b else math.nan for a, b in zip(above, below, strict=True)]
    return [value if math.isfinite(value) else None for value in rest]
