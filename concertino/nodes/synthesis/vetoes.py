"""Vetoes: explicit rules that no weight can outvote."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from pydantic import JsonValue

from concertino.nodes.synthesis.ballot import Ballot, Decision, Voice, canonical
from concertino.nodes.synthesis.result import Vetoed, Withheld
from concertino.nodes.synthesis.votes import against, backers


@dataclass(frozen=True, slots=True)
class Veto:
    """One specialist's right to decide a question alone, under a condition on what it found."""

    specialist: str
    when: Callable[[JsonValue], bool]
    """Takes the specialist's output. What it raises goes to the caller: a veto that cannot be checked is not ignored."""
    reason: str = "veto"
    """What the result says about it."""


@dataclass(frozen=True, slots=True)
class Consent:
    """One specialist without whose own word certain answers are not given, whatever their weight."""

    specialist: str
    when: Callable[[JsonValue], bool]
    """Takes an answer and says whether it needs this consent. What it raises goes to the caller."""
    reason: str = "consent is required"


class Ruled(NamedTuple):
    """The voices on a question after all consents were asked for."""

    voices: tuple[Voice, ...]
    """Everyone's; a withheld voice is silent, so that its authority still counts against the confidence."""
    withheld: tuple[Voice, ...]
    """What the withheld voices said."""
    answers: tuple[Withheld, ...]
    """Which answers were withheld for want of whose word."""


def withhold(voices: Sequence[Voice], *, consents: Sequence[Consent], question_id: str | None) -> Ruled:
    """Keep back the answers whose consenting specialist does not say the same."""
    said: dict[str, set[str]] = {}
    for voice in voices:
        said.setdefault(voice.specialist, set()).add(canonical(voice.value))
    kept: list[Voice] = []
    silenced: list[Voice] = []
    withheld: dict[tuple[str, str], Withheld] = {}
    for voice in voices:
        lacking = [
            consent
            for consent in consents
            if voice.value is not None
            and consent.when(voice.value)
            and canonical(voice.value) not in said.get(consent.specialist, set())
        ]
        for consent in lacking:
            key = (canonical(voice.value), consent.specialist)
            withheld[key] = Withheld(
                question_id=question_id, answer=voice.value, specialist=consent.specialist, reason=consent.reason
            )
        kept.append(voice.says(None) if lacking else voice)
        if lacking:
            silenced.append(voice)
    return Ruled(tuple(kept), tuple(silenced), tuple(withheld.values()))


def find_veto(voices: Sequence[Voice], *, vetoes: Sequence[Veto]) -> tuple[Veto, Voice] | None:
    """Return the veto that holds: of several the one with the highest authority, then the first finding's."""
    holding = [
        (veto, voice)
        for voice in voices
        for veto in vetoes
        if veto.specialist == voice.specialist and veto.when(voice.value)
    ]
    return max(holding, key=lambda pair: pair[1].authority, default=None)


def decide_by_veto(ballot: Ballot, *, veto: Veto, voice: Voice) -> tuple[Decision, Vetoed]:
    """Let the vetoing finding be the answer; share and confidence are those of its backers, so they may be low."""
    claim = ballot.claim(voice.value, method="veto", supporters=backers(ballot, voice.value))
    vetoed = Vetoed(question_id=ballot.question_id, specialist=voice.specialist, reason=veto.reason)
    return Decision(voice.value, (claim,), against(ballot, voice.value)), vetoed
