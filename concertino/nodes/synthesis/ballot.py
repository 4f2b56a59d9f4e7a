"""The voices on one claim, and the figures every way of merging takes from them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Literal, NamedTuple

from pydantic import JsonValue

from concertino.contracts.finding import Evidence
from concertino.contracts.json import dump
from concertino.nodes.synthesis.result import Claim, Dissent, Method, Support

Kind = Literal["number", "boolean", "string", "list", "object"]
LABELS: Set[Kind] = frozenset(("string", "boolean", "list"))
"""Kinds that are elected."""


@dataclass(frozen=True, slots=True)
class Voice:
    """What one finding says to one claim."""

    finding: int
    """Position in the findings given."""
    specialist: str
    value: JsonValue
    confidence: float
    authority: float
    evidence: tuple[Evidence | str, ...] = ()
    standing: float = 1.0
    """Its authority before any track record, 0-1."""

    @property
    def weight(self) -> float:
        """Return confidence times authority."""
        return self.confidence * self.authority

    def says(self, value: JsonValue) -> Voice:
        """Return the same voice with another value."""
        return Voice(
            self.finding, self.specialist, value, self.confidence, self.authority, self.evidence, self.standing
        )


@dataclass(frozen=True, slots=True)
class Ballot:
    """All voices on one claim. Null values are not among them: they count as silent."""

    question_id: str | None
    field: str
    voices: tuple[Voice, ...]
    silent: float
    """Authority, summed, of the specialists that are missing, answered null, or whose answer is withheld."""
    withheld: tuple[Voice, ...] = ()
    """What may not be answered for want of a consent. It says something about how likely the other answers are, and nothing else."""

    def total(self) -> float:
        """Return the weight of all voices, exactly rounded, so that order cannot matter."""
        return math.fsum(voice.weight for voice in self.voices)

    def shares(self) -> tuple[float, ...]:
        """Return one weight per voice, summing to 1; equal ones where every weight is 0."""
        total = self.total()
        if total == 0:
            return tuple(1 / len(self.voices) for _ in self.voices)
        return tuple(voice.weight / total for voice in self.voices)

    def share(self, supporters: Iterable[Voice]) -> float:
        """Return the part of the weight that `supporters` hold."""
        chosen = tuple(supporters)
        total = self.total()
        if total == 0:
            return len(chosen) / len(self.voices)
        return math.fsum(voice.weight for voice in chosen) / total

    def authority(self) -> float:
        """Return everybody's authority, the silent included."""
        return math.fsum((self.silent, *(voice.authority for voice in self.voices)))

    def confidence(self, supporters: Iterable[Voice]) -> float:
        """Return Σ(confidence·authority of `supporters`) / Σ(authority, the silent included); 0 without any authority."""
        authority = self.authority()
        return math.fsum(voice.weight for voice in supporters) / authority if authority else 0.0

    def claim(
        self,
        answer: JsonValue,
        *,
        method: Method,
        supporters: Sequence[Voice],
        tied: bool = False,
        fallback: str | None = None,
    ) -> Claim:
        """Return the claim that `supporters` carry."""
        total = self.total()
        alone = 1 / len(self.voices) if self.voices else 0.0
        return Claim(
            question_id=self.question_id,
            field=self.field,
            answer=answer,
            method=method,
            share=self.share(supporters) if self.voices else 0.0,
            confidence=self.confidence(supporters),
            authority=self.authority(),
            supporters=tuple(
                Support(specialist=v.specialist, weight=v.weight / total if total else alone, evidence=v.evidence)
                for v in supporters
            ),
            tied=tied,
            fallback=fallback,
        )


class Decision(NamedTuple):
    """One merged value, its claims leaf by leaf, and the rivals."""

    answer: JsonValue
    claims: tuple[Claim, ...]
    dissent: tuple[Dissent, ...]
    weights: Mapping[int, float] | None = None
    """By finding, 0-1, where they are learned and not the ballot's."""


class WeightedText(NamedTuple):
    """One text to be merged."""

    specialist: str
    text: str
    weight: float
    """Share of the say, 0-1; all texts together have 1."""


TextMerger = Callable[[Sequence[WeightedText]], str]
"""Turns texts, heaviest first, into one; a model's way in."""


def kind(value: JsonValue) -> Kind:
    """Return what sort of value this is; only one sort can be merged with itself."""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str):
        return "string"
    return "list" if isinstance(value, list) else "object"


def canonical(value: JsonValue) -> str:
    """Return the text under which equal values meet: sorted keys, 1.0 written as 1."""
    return dump(_plain(value))


def _plain(value: JsonValue) -> JsonValue:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(value[key]) for key in sorted(value)}
    return value
