"""Categories: the weights of document 004 as votes."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from pydantic import JsonValue

from concertino.nodes.synthesis.ballot import Ballot, Decision, Voice, canonical
from concertino.nodes.synthesis.result import Dissent, Flip

LEVEL = 1e-12
"""Relative difference below which two sums are a tie: 0.1 + 0.2 ties with 0.3. Chosen by hand, far above rounding."""

FLIPS_SHOWN = 5


@dataclass(slots=True)
class Camp:
    """All voices for one value."""

    value: JsonValue
    voices: list[Voice] = field(default_factory=list)

    @property
    def weight(self) -> float:
        """Return the votes, exactly rounded, so that order cannot matter."""
        return math.fsum(voice.weight for voice in self.voices)

    @property
    def authority(self) -> float:
        """Return the authority behind it."""
        return math.fsum(voice.authority for voice in self.voices)


def vote(ballot: Ballot) -> Decision:
    """Elect the value with the most weight.

    A tie goes to the higher summed authority, then to the value seen first; it is marked in the claim and in the
    dissent. Where every weight is 0 each voice counts 1.
    """
    camps = _camps(ballot)
    weighted = ballot.total() > 0
    sizes = [camp.weight if weighted else float(len(camp.voices)) for camp in camps]
    first = [n for n, size in enumerate(sizes) if _level(size, max(sizes))]
    most = max(camps[n].authority for n in first)
    chosen = next(n for n in first if _level(camps[n].authority, most))
    winner = camps[chosen]
    rivals = sorted((n for n in range(len(camps)) if n != chosen), key=lambda n: -sizes[n])
    dissent = tuple(
        Dissent(
            question_id=ballot.question_id,
            field=ballot.field,
            answer=camps[n].value,
            specialists=tuple(voice.specialist for voice in camps[n].voices),
            weight=camps[n].weight,
            share=ballot.share(camps[n].voices),
            tied=n in first,
            weight_to_flip=max(0.0, winner.weight - camps[n].weight),
            flips=_flips(winner, camps[n]) if weighted else (),
        )
        for n in rivals
    )
    claim = ballot.claim(winner.value, method="weighted_vote", supporters=winner.voices, tied=len(first) > 1)
    return Decision(winner.value, (claim,), dissent)


def against(ballot: Ballot, answer: JsonValue) -> tuple[Dissent, ...]:
    """Return the rivals of an answer that was not voted on, heaviest first."""
    held = canonical(answer)
    camps = sorted((camp for camp in _camps(ballot) if canonical(camp.value) != held), key=lambda camp: -camp.weight)
    return tuple(
        Dissent(
            question_id=ballot.question_id,
            field=ballot.field,
            answer=camp.value,
            specialists=tuple(voice.specialist for voice in camp.voices),
            weight=camp.weight,
            share=ballot.share(camp.voices),
        )
        for camp in camps
    )


def backers(ballot: Ballot, answer: JsonValue) -> tuple[Voice, ...]:
    """Return the voices for exactly this answer."""
    held = canonical(answer)
    return tuple(voice for voice in ballot.voices if canonical(voice.value) == held)


def _camps(ballot: Ballot) -> list[Camp]:
    camps: dict[str, Camp] = {}
    for voice in ballot.voices:
        camps.setdefault(canonical(voice.value), Camp(voice.value)).voices.append(voice)
    return list(camps.values())


def _level(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=LEVEL, abs_tol=0.0)


def _flips(winner: Camp, rival: Camp) -> tuple[Flip, ...]:
    gap = max(0.0, winner.weight - rival.weight)
    # A change too small for floating point to show is no useful advice, hence the bounds on both sides.
    found = [
        (gap / voice.authority, Flip(specialist=voice.specialist, change="below", confidence=bound))
        for voice in winner.voices
        if voice.authority > 0 and 0 < (bound := voice.confidence - gap / voice.authority) <= 1
    ]
    found += [
        (gap / voice.authority, Flip(specialist=voice.specialist, change="above", confidence=bound))
        for voice in rival.voices
        if voice.authority > 0 and 0 <= (bound := voice.confidence + gap / voice.authority) < 1
    ]
    found.sort(key=lambda item: item[0])
    return tuple(flip for _, flip in found[:FLIPS_SHOWN])
