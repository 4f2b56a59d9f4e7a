"""The result-aggregation skill: several offers become one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import JsonValue, ValidationError

from concertino.contracts.finding import Finding
from concertino.nodes.synthesis import synthesize
from concertino.packs.offers.packet import Offer, amounts, with_amounts
from concertino.packs.offers.salary import BASE_STEP, Recommendation


@dataclass(frozen=True, slots=True)
class Opinion:
    """One specialist's offer, with what it weighs."""

    offer: Offer
    confidence: float
    warnings: tuple[str, ...] = ()

    @classmethod
    def of(cls, output: JsonValue, *, confidence: float) -> Opinion | None:
        """Read a specialist's output; `None` when it is no offer."""
        if not isinstance(output, dict) or not isinstance(output.get("offer"), dict):
            return None
        try:
            offer = Offer.model_validate(output["offer"])
        except ValidationError:
            return None
        said = output.get("warnings")
        warnings = tuple(str(text) for text in said) if isinstance(said, list) else ()
        return cls(offer, confidence, warnings)


def merge_offers(opinions: Sequence[Opinion]) -> tuple[Offer, tuple[str, ...]]:
    """Return the offer that rival opinions come to, and all their warnings once.

    Amounts are weighted by confidence (all variants have the same authority) as any other numbers are, then rounded
    to whole thousands and kept within the band that all variants share. One opinion stays as it is.

    Raises:
        ValueError: `opinions` is empty.
    """
    if not opinions:
        raise ValueError("no opinions to merge")
    warnings = tuple(dict.fromkeys(text for opinion in opinions for text in opinion.warnings))
    first = opinions[0].offer
    if len(opinions) == 1:
        return first, warnings
    base = _weighted([(opinion.offer.base_salary.amount, opinion.confidence) for opinion in opinions])
    bonus = _weighted([(opinion.offer.sign_on_bonus.amount, opinion.confidence) for opinion in opinions])
    money = Recommendation(base_salary=min(first.band.max, max(first.band.min, base)), sign_on_bonus=bonus)
    said = ", ".join(f"{amounts(opinion.offer).base_salary:,}" for opinion in opinions)
    return with_amounts(first, money, note=f"Merged by confidence from base salaries {said}."), warnings


def first_offer(opinions: Sequence[Opinion]) -> tuple[Offer, tuple[str, ...]]:
    """Return the first successful opinion: what the main agent falls back to. Source: document 000."""
    return opinions[0].offer, opinions[0].warnings


def _weighted(values: Sequence[tuple[int, float]]) -> int:
    merged = synthesize([Finding(output=value, confidence=confidence, authority=1.0) for value, confidence in values])
    answer = merged.answer
    assert isinstance(answer, int | float)
    return math.floor(answer / BASE_STEP + 0.5) * BASE_STEP
