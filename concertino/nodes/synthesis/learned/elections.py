"""One claim about a label decided by what a track record teaches: the likeliest answer, its rivals, and what would turn it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from concertino.nodes.synthesis.ballot import LABELS, Ballot, Decision, Voice, canonical, kind
from concertino.nodes.synthesis.learned.cases import Asked, Reply
from concertino.nodes.synthesis.learned.claims import by_finding, claim_of, fraction, left_out, shares_of, strangers
from concertino.nodes.synthesis.learned.labels import LabelModel
from concertino.nodes.synthesis.learned.trying import switches_of, worth_of
from concertino.nodes.synthesis.result import Dissent, Learned, Option


def elect(ballot: Ballot, model: LabelModel, *, domain: str | None, missing: Sequence[tuple[str, float]]) -> Decision:
    """Return the decision on labels; `missing` are the specialists that should have answered, with their authority."""
    voices = ballot.voices
    names = [canonical(voice.value) for voice in voices]
    # What is withheld was said nevertheless: it speaks to how likely the others are, and cannot win.
    silenced = [voice for voice in ballot.withheld if kind(voice.value) in LABELS]
    heard = [*zip(voices, names, strict=True), *((voice, canonical(voice.value)) for voice in silenced)]
    asked = Asked("", domain, tuple(_reply(voice, name) for voice, name in heard))
    pooled = model.pool(asked)
    chances = dict(zip(pooled.labels, pooled.probabilities, strict=True))
    said = {name: voice.value for voice, name in heard}
    likely = sorted(said, key=lambda name: (-chances[name], name))
    allowed = set(names)
    ranked = [name for name in likely if name in allowed]
    winner = ranked[0]
    weights = shares_of(pooled.weights[: len(voices)])
    switches = switches_of(model, asked, pooled, winner=winner, rival=ranked[1]) if len(ranked) > 1 else ()
    learned = Learned(
        settled=len(model.replayed),
        ways={way.name: way.weight for way in model.ways},
        options=tuple(Option(answer=said[name], probability=fraction(chances[name])) for name in likely),
        voices_worth=pooled.voices_worth,
        worth=worth_of(model, asked, pooled, winner=winner, barred=frozenset(said) - allowed, missing=missing),
        warnings=_warnings(model, names, voices),
    )
    claim = claim_of(
        ballot,
        said[winner],
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
            answer=said[rival],
            specialists=tuple(voice.specialist for voice, name in zip(voices, names, strict=True) if name == rival),
            weight=math.fsum(w for w, name in zip(weights, names, strict=True) if name == rival),
            share=fraction(math.fsum(w for w, name in zip(weights, names, strict=True) if name == rival)),
            switches=switches if rival == ranked[1] else (),
        )
        for rival in ranked[1:]
    )
    return Decision(said[winner], (claim,), dissent, by_finding(voices, weights))


def _reply(voice: Voice, label: str) -> Reply:
    return Reply(voice.specialist, label, voice.confidence, voice.standing)


def _warnings(model: LabelModel, names: Sequence[str], voices: Sequence[Voice]) -> tuple[str, ...]:
    present: Mapping[str, str] = {voice.specialist: name for voice, name in zip(voices, names, strict=True)}
    found = list(left_out(model.suspects.changed, present.keys()))
    for group in model.suspects.copies:
        here = sorted(group & present.keys())
        if len(here) > 1 and len({present[name] for name in here}) < len(here):
            found.append(f"{', '.join(here)} agree more than their skill explains: where they do they share one voice")
    return (*found, *strangers(sorted(present.keys() - model.suspects.heard)))
