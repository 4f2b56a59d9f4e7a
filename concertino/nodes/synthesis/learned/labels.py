"""Learned synthesis of labels: several ways of pooling, each believed as far as the settled past says."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from concertino.nodes.synthesis.learned.cases import Asked, Case, History, history_of, standing_of
from concertino.nodes.synthesis.learned.confusion import fit_confusions
from concertino.nodes.synthesis.learned.pooling import LogOdds, Pooler, formula, spread_of
from concertino.nodes.synthesis.learned.skills import Skills, fit_skills, settled_answers
from concertino.nodes.synthesis.learned.stacking import gained, stack
from concertino.nodes.synthesis.learned.suspects import Suspects, find_changed, find_copies
from concertino.nodes.synthesis.learned.tempering import Scored, Tempering, fit_tempering
from concertino.nodes.synthesis.learned.unsettled import (
    beliefs_of,
    confusions_with_unsettled,
    skills_with_unsettled,
)

PRIOR: Mapping[str, float] = {
    "formula": 1.0,
    "log odds": 2.0,
    "norm 2": 3.0,
    "norm 2, common errors": 3.0,
    "norm 4": 0.5,
    "best single": 1.0,
    "confusions": 1.0,
    "log odds, unsettled": 2.0,
    "norm 2, unsettled": 3.0,
    "confusions, unsettled": 1.0,
}
"""How far each way is believed before anything is settled. Chosen by hand, the same for everybody."""
FORMULA_PRIOR, FORMULA_QUESTIONS = 3.0, 4.0
"""The formula's prior is higher by FORMULA_PRIOR · q / (q + settled): with a short history hierarchy prevails. Chosen by hand."""
UNSETTLED = 1_500
"""At most so many unsettled questions are learned from, the latest."""
STRANGER = 0.3
"""What a voice without settled answers is worth while suspects are looked for. Chosen by hand."""
LEAST_WEIGHT = 0.01
"""Ways that are believed less are not asked."""
LONGEST_OPTIONS = 12
"""Confusion matrices are fitted up to so many options."""


class Way(NamedTuple):
    """One way of pooling as it is used."""

    name: str
    pooler: Pooler
    tempering: Tempering
    weight: float


class Replayed(NamedTuple):
    """One settled question as it would have been answered without its truth."""

    question_id: str
    confidence: float
    right: bool
    weight: float = 1.0
    """How much of it is remembered, 0-1."""


class Pooled(NamedTuple):
    """What the ways say together about one question."""

    labels: tuple[str, ...]
    """`""` is whatever nobody said."""
    probabilities: tuple[float, ...]
    weights: tuple[float, ...]
    """Of each voice, in nats, by the skills of its source; negative where it is wrong more often than chance."""
    temperature: float
    """How much less a voice more is worth in this company than alone, above 0."""
    voices_worth: float
    """How many independent voices these are worth: copies share one, and what the rest err together is taken off."""


@dataclass(frozen=True, slots=True)
class LabelModel:
    """A fitted model; it does not change."""

    history: History
    ways: tuple[Way, ...]
    skills: Skills
    spread: float
    suspects: Suspects
    replayed: tuple[Replayed, ...]
    kept_unsettled: bool
    """Whether unsettled answers passed the gate."""

    def case(self, asked: Asked) -> tuple[Case, tuple[str, ...]]:
        """Return a question as the ways see it, and its options' texts."""
        case, labels = self.history.case(asked)
        return _parted(case, asked, self.suspects), labels

    def pool(self, asked: Asked) -> Pooled:
        """Return the probabilities of the options; needs at least one reply."""
        case, labels = self.case(asked)
        voices = max(1, sum(said.part > 0 for said in case.said))
        totals = [0.0] * case.options
        known: dict[tuple[int, float], list[float]] = {}
        whole = max(1.0, math.fsum(said.part for said in case.said))
        echoed = temperature = 0.0
        for way in self.ways:
            if isinstance(way.pooler, LogOdds):
                key = (id(way.pooler.skills), way.pooler.spread)
                if key not in known:
                    known[key] = way.pooler.weights(case)
                scores = way.pooler.add_up(case, known[key])
            else:
                scores = way.pooler.scores(case)
            for n, p in enumerate(way.tempering.probabilities(scores, voices)):
                totals[n] += way.weight * p
            temperature += way.weight * way.tempering.temperature(voices)
            echoed += way.weight * (1 + (whole - 1) * way.tempering.echo)
        weights = known.get((id(self.skills), self.spread)) or LogOdds(self.skills, self.spread).weights(case)
        return Pooled(labels, tuple(totals), tuple(weights), temperature, whole / echoed)


def fit_labels(
    settled: Sequence[Asked],
    unsettled: Sequence[Asked],
) -> LabelModel:
    """Return the model of a history with at least one settled question that somebody answered.

    Args:
        settled: Questions with their truth, oldest first.
        unsettled: The others, oldest first.
    """
    unsettled = unsettled[-UNSETTLED:]
    standing = standing_of((*unsettled, *settled))
    # Sums in one and the same order, whatever order answers came in.
    settled, unsettled = (sorted(some, key=lambda asked: asked.question_id) for some in (settled, unsettled))
    history = history_of(settled, unsettled)
    suspects = _suspects(settled, unsettled, history, standing)
    past = [_parted(case, asked, suspects) for case, asked in zip(history.settled, settled, strict=True)]
    rest = [_parted(case, asked, suspects) for case, asked in zip(history.unsettled, unsettled, strict=True)]
    options = len(history.labels)
    common = spread_of(past, options=options or None)
    spread = math.log(max(1, options - 1)) if options else common
    skills = fit_skills(settled_answers(past), standing=standing)
    is_open = not options
    bare = LogOdds(skills, spread, 1.0, is_open)
    poolers: dict[str, Pooler] = {
        "formula": formula(past, spread=spread, is_open=is_open),
        "log odds": bare,
        "norm 2": LogOdds(skills, spread, 2.0, is_open),
        "norm 2, common errors": LogOdds(skills, common, 2.0, is_open),
        "norm 4": LogOdds(skills, spread, 4.0, is_open),
        "best single": LogOdds(skills, spread, math.inf, is_open),
    }
    has_confusions = 2 <= options <= LONGEST_OPTIONS
    if has_confusions:
        poolers["confusions"] = fit_confusions(past, options)
    if rest:
        more = skills_with_unsettled(skills, past, rest, spread=spread, standing=standing)
        poolers["log odds, unsettled"] = LogOdds(more, spread, 1.0, is_open)
        poolers["norm 2, unsettled"] = LogOdds(more, spread, 2.0, is_open)
        if has_confusions:
            poolers["confusions, unsettled"] = confusions_with_unsettled(
                LogOdds(more, spread, 1.0, is_open), past, rest, options
            )
    return _believed(poolers, past, history, skills=skills, spread=spread, suspects=suspects)


def _suspects(
    settled: Sequence[Asked], unsettled: Sequence[Asked], history: History, standing: Mapping[str, float]
) -> Suspects:
    """Find suspects; the skills that judge unsettled questions for it do not trust strangers."""
    changed = find_changed(settled, unsettled)
    heard = frozenset(reply.source for asked in (*settled, *unsettled) for reply in asked.replies)
    alone = Suspects(changed, heard=heard)
    rest = [_parted(case, asked, alone) for case, asked in zip(history.unsettled, unsettled, strict=True)]
    known = fit_skills(settled_answers(history.settled), standing=standing)
    options = len(history.labels)
    spread = math.log(max(1, options - 1)) if options else 1.0
    half = [
        Case(
            case.question_id,
            case.domain,
            tuple(one if one.source in known.known else one._replace(part=one.part * STRANGER) for one in case.said),
            case.options,
        )
        for case in rest
    ]
    beliefs = [[float(n == case.truth) for n in range(case.options)] for case in history.settled]
    beliefs += beliefs_of(LogOdds(known, spread, 1.0, not options), half)
    out = frozenset(change.source for change in changed)
    return Suspects(changed, find_copies([*history.settled, *rest], beliefs, out=out), heard)


def _believed(
    poolers: Mapping[str, Pooler],
    past: Sequence[Case],
    history: History,
    *,
    skills: Skills,
    spread: float,
    suspects: Suspects,
) -> LabelModel:
    """Temper every way, foretell the past with it, and weigh the ways by that."""
    temperings: dict[str, Tempering] = {}
    foretold: dict[str, list[list[float]]] = {}
    voices = [sum(said.part > 0 for said in case.said) for case in past]
    for name, pooler in poolers.items():
        scored = [
            Scored(pooler.scores_without(case), count, case.truth, case.weight)
            for case, count in zip(past, voices, strict=True)
        ]
        temperings[name] = fit_tempering(scored)
        foretold[name] = [temperings[name].probabilities(one.scores, one.voices) for one in scored]
    remembered = [case.weight for case in past]
    hits = {name: [row[case.truth] for row, case in zip(rows, past, strict=True)] for name, rows in foretold.items()}
    prior = {name: PRIOR[name] for name in poolers}
    prior["formula"] += FORMULA_PRIOR * FORMULA_QUESTIONS / (FORMULA_QUESTIONS + math.fsum(remembered))
    for name in [name for name in poolers if name.endswith(", unsettled")]:
        twin = name.removesuffix(", unsettled")
        if gained(hits[name], remembered) < gained(hits[twin], remembered):
            prior[name] = 0.0
    weights = stack(hits, prior, remembered=remembered)
    heard = sum(weight for weight in weights.values() if weight >= LEAST_WEIGHT)
    replayed: list[Replayed] = []
    for n, case in enumerate(past):
        mixed = [sum(weights[name] * foretold[name][n][i] for name in weights) for i in range(case.options)]
        best = max(dict.fromkeys(said.option for said in case.said), key=mixed.__getitem__)
        replayed.append(Replayed(case.question_id, mixed[best], best == case.truth, case.weight))
    return LabelModel(
        history=history,
        ways=tuple(
            Way(name, poolers[name], temperings[name], weight / heard)
            for name, weight in weights.items()
            if weight >= LEAST_WEIGHT
        ),
        skills=skills,
        spread=spread,
        suspects=suspects,
        replayed=tuple(replayed),
        kept_unsettled=any(name.endswith(", unsettled") for name in weights),
    )


def _parted(case: Case, asked: Asked, suspects: Suspects) -> Case:
    parts = suspects.parts([(reply.source, reply.label) for reply in asked.replies])
    if all(part == 1.0 for part in parts):
        return case
    return Case(
        case.question_id,
        case.domain,
        tuple(said._replace(part=part) for said, part in zip(case.said, parts, strict=True)),
        case.options,
        case.truth,
        case.weight,
    )
