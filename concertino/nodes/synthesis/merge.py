"""One claim after another: which way of merging fits its values, and what stands in when none does."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Protocol

from pydantic import JsonValue

from concertino.nodes.synthesis.ballot import Ballot, Decision, TextMerger, Voice, kind
from concertino.nodes.synthesis.numbers import mean
from concertino.nodes.synthesis.texts import are_to_be_merged, merge_texts
from concertino.nodes.synthesis.votes import against, backers, vote


class Learning(Protocol):
    """What merges a claim with what a track record has taught."""

    def decide(self, ballot: Ballot) -> Decision | None:
        """Return the decision; `None` where nothing is known of such claims."""
        ...


def merge(ballot: Ballot, *, merger: TextMerger | None = None, learning: Learning | None = None) -> Decision:
    """Merge the voices of one claim, objects field by field.

    What `learning` knows nothing of is merged as without it.

    Values of different sorts, or numbers without a finite mean, cannot be merged: the first successful result stands
    in and the claim's `fallback` says why. Source: document 000, aggregation.
    """
    if not ballot.voices:
        return Decision(None, (ballot.claim(None, method="none", supporters=()),), ())
    kinds = {kind(voice.value) for voice in ballot.voices}
    if len(kinds) > 1:
        return _first(ballot, f"cannot merge {' with '.join(sorted(kinds))}")
    (only,) = kinds
    if only == "string" and are_to_be_merged([str(voice.value) for voice in ballot.voices]):
        return merge_texts(ballot, merger=merger)
    if learning is not None and only != "object" and (learned := learning.decide(ballot)) is not None:
        return learned
    if only == "number":
        return mean(ballot) or _first(ballot, "the weighted mean is not a finite number")
    if only == "object" and any(voice.value for voice in ballot.voices):
        return _fields(ballot, merger=merger, learning=learning)
    return vote(ballot)


def ballot_of(
    voices: tuple[Voice, ...],
    *,
    question_id: str | None,
    field: str,
    silent: float,
    withheld: Sequence[Voice] = (),
) -> Ballot:
    """Return a ballot; a voice that says null becomes silent authority."""
    mute = math.fsum((silent, *(voice.authority for voice in voices if voice.value is None)))
    heard, kept_back = (tuple(one for one in some if one.value is not None) for some in (voices, withheld))
    return Ballot(question_id, field, heard, mute, kept_back)


def _fields(ballot: Ballot, *, merger: TextMerger | None, learning: Learning | None) -> Decision:
    """Merge objects: each field among those who name it, in the order in which fields first appear."""
    said: dict[str, list[Voice]] = {}
    for voice in ballot.voices:
        if isinstance(voice.value, dict):
            for key, value in voice.value.items():
                said.setdefault(key, []).append(voice.says(value))
    missing = ballot.silent
    answer: dict[str, JsonValue] = {}
    decisions: list[Decision] = []
    for key, voices in said.items():
        path = f"{ballot.field}.{key}" if ballot.field else key
        kept_back = [
            one.says(one.value[key]) for one in ballot.withheld if isinstance(one.value, dict) and key in one.value
        ]
        inner = ballot_of(tuple(voices), question_id=ballot.question_id, field=path, silent=missing, withheld=kept_back)
        decision = merge(inner, merger=merger, learning=learning)
        decisions.append(decision)
        answer[key] = decision.answer
    return Decision(
        answer,
        tuple(claim for decision in decisions for claim in decision.claims),
        tuple(rival for decision in decisions for rival in decision.dissent),
        _mean_weights([decision.weights for decision in decisions if decision.weights is not None]),
    )


def _mean_weights(found: list[Mapping[int, float]]) -> dict[int, float] | None:
    """Return each finding's mean weight over the fields that have learned ones."""
    if not found:
        return None
    names = dict.fromkeys(name for weights in found for name in weights)
    return {name: math.fsum(weights.get(name, 0.0) for weights in found) / len(found) for name in names}


def _first(ballot: Ballot, reason: str) -> Decision:
    answer = ballot.voices[0].value
    claim = ballot.claim(
        answer,
        method="first_successful",
        supporters=backers(ballot, answer),
        fallback=f"{reason}, so the first successful result stands in",
    )
    return Decision(answer, (claim,), against(ballot, answer))
