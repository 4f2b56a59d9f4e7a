"""What every learned merge says the same way: the claim with its supporters, shares of weight, who is left out or unknown."""

from __future__ import annotations

import math
from collections.abc import Sequence, Set

from pydantic import JsonValue

from concertino.nodes.synthesis.ballot import Ballot, Voice, canonical
from concertino.nodes.synthesis.learned.suspects import Change
from concertino.nodes.synthesis.result import Claim, Learned, Method, Support


def in_order(voices: Sequence[Voice]) -> tuple[Voice, ...]:
    """Return the voices by name, those of one name by what they say.

    Sums over them, and with them answers and probabilities, are then the same to the last bit in whatever order findings came.
    """
    if len({voice.specialist for voice in voices}) == len(voices):
        return tuple(sorted(voices, key=lambda one: one.specialist))
    return tuple(sorted(voices, key=lambda one: (one.specialist, canonical(one.value), one.confidence, one.standing)))


def claim_of(
    ballot: Ballot,
    answer: JsonValue,
    *,
    method: Method,
    confidence: float,
    weights: Sequence[float],
    supports: Sequence[bool],
    learned: Learned,
) -> Claim:
    """Return the claim; `weights` and `supports` belong to the ballot's voices, one each."""
    pairs = [(v, w) for v, w, has in zip(ballot.voices, weights, supports, strict=True) if has]
    return Claim(
        question_id=ballot.question_id,
        field=ballot.field,
        answer=answer,
        method=method,
        share=fraction(math.fsum(weight for _, weight in pairs)),
        confidence=fraction(confidence),
        authority=ballot.authority(),
        supporters=tuple(
            Support(specialist=v.specialist, weight=fraction(weight), evidence=v.evidence) for v, weight in pairs
        ),
        learned=learned,
    )


def left_out(changed: Sequence[Change], present: Set[str]) -> tuple[str, ...]:
    """Return a warning for everyone present that is left out because it changed."""
    return tuple(
        f"{change.source} is left out: its agreement with the others fell from {change.agreed:.0%} in settled answers "
        f"to {change.agrees:.0%} in {change.answers} later ones"
        for change in changed
        if change.source in present
    )


def strangers(names: Sequence[str]) -> tuple[str, ...]:
    """Return the warning that these have no history."""
    return (f"no history: {', '.join(names)}",) if names else ()


def shares_of(weights: Sequence[float]) -> list[float]:
    """Return the positive parts of the weights, summing to 1; equal ones where there are none."""
    positive = [max(0.0, weight) for weight in weights]
    total = math.fsum(positive)
    return [weight / total for weight in positive] if total > 0 else [1 / len(positive)] * len(positive)


def by_finding(voices: Sequence[Voice], weights: Sequence[float]) -> dict[int, float]:
    """Return one weight a finding."""
    return {voice.finding: fraction(weight) for voice, weight in zip(voices, weights, strict=True)}


def fraction(value: float) -> float:
    """Return the value without what rounding put outside of 0-1."""
    return min(1.0, max(0.0, value))
