"""Vetoes: explicit rules that no weight can outvote."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from concertino.nodes.synthesis.ballot import Ballot, Decision, Voice
from concertino.nodes.synthesis.result import Vetoed
from concertino.nodes.synthesis.votes import against, backers


@dataclass(frozen=True, slots=True)
class Veto:
    """One specialist's right to decide a question alone, under a condition on what it found."""

    specialist: str
    when: Callable[[JsonValue], bool]
    """Takes the specialist's output. What it raises goes to the caller: a veto that cannot be checked is not ignored."""
    reason: str = "veto"
    """What the result says about it."""


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
