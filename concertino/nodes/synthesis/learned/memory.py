"""From a track record to fitted models: one for each field of the answers, fitted when first asked for."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from weakref import WeakKeyDictionary

from pydantic import JsonValue
from typing_extensions import TypeIs

from concertino.contracts.finding import Finding
from concertino.nodes.synthesis.authority import resolve
from concertino.nodes.synthesis.ballot import LABELS, canonical, kind
from concertino.nodes.synthesis.learned.cases import Asked, Reply, domain_of, stated
from concertino.nodes.synthesis.learned.heard import heard_with
from concertino.nodes.synthesis.learned.labels import UNSETTLED, LabelModel, Replayed, fit_labels
from concertino.nodes.synthesis.learned.numeric import NumberModel, fit_numbers
from concertino.nodes.synthesis.learned.quantities import LARGEST, Estimate, Sum, is_relative
from concertino.nodes.synthesis.learned.rankings import (
    Ranking,
    RankingModel,
    SettledRanking,
    are_rankings,
    fit_rankings,
)
from concertino.nodes.synthesis.learned.selective import CurvePoint, Foretold, calibration, curve
from concertino.nodes.synthesis.outcomes import Answer
from concertino.nodes.synthesis.result import Calibration
from concertino.nodes.synthesis.track_record import TrackRecord

REFIT_QUESTIONS = 8
"""From so many different questions in one call on, its own answers are learned from, too: they are unsettled history."""
BLOCK = 1.15
"""Chosen by hand."""
ANY = "*"
"""Stands for every field of one kind, where a field has no history of its own."""


class _Said(NamedTuple):
    source: str
    value: JsonValue
    confidence: float
    authority: float


@dataclass(slots=True)
class _Leaf:
    """One field of one question."""

    question_id: str
    domain: str | None
    said: list[_Said] = field(default_factory=list)
    truth: JsonValue = None
    tolerance: float | None = None
    weight: float = 1.0


@dataclass(slots=True)
class Memory:
    """What a record teaches. Its models are fitted when first asked for and do not change afterwards."""

    leaves: Mapping[str, Sequence[_Leaf]]
    """By field, sorted; each in the order of the record, its answers by name."""
    default: float
    _labels: dict[str, LabelModel | None] = field(default_factory=dict)
    _numbers: dict[str, NumberModel | None] = field(default_factory=dict)
    _rankings: dict[str, RankingModel | None] = field(default_factory=dict)
    _calibration: Calibration | None = None

    def labels(self, path: str) -> LabelModel | None:
        """Return the model for labels in this field, else in all fields, else `None`."""
        own = self.own_labels(path)
        if own is None and len(self.leaves) > 1:
            if ANY not in self._labels:
                self._labels[ANY] = self._fit_labels(self._everything())
            return self._labels[ANY]
        return own

    def numbers(self, path: str) -> NumberModel | None:
        """Return the same for numbers; a field's own history only, since units differ."""
        if path not in self._numbers:
            self._numbers[path] = self._fit_numbers(self.leaves.get(path, ()))
        return self._numbers[path]

    def rankings(self, path: str) -> RankingModel | None:
        """Return the same for rankings."""
        for place in (path, ANY):
            if place not in self._rankings:
                leaves = self._everything() if place == ANY else self.leaves.get(place, ())
                self._rankings[place] = self._fit_rankings(leaves)
            if self._rankings[place] is not None:
                return self._rankings[place]
        return None

    def replayed(self) -> list[Replayed]:
        """Return every settled question of every field, as it would have been answered without its truth."""
        found: list[Replayed] = []
        for path in self.leaves:
            labels, numbers = self.own_labels(path), self.numbers(path)
            found += labels.replayed if labels is not None else ()
            found += (
                (Replayed(one.question_id, one.confidence, one.right, one.weight) for one in numbers.replayed)
                if numbers
                else ()
            )
        return found

    def calibration(self) -> Calibration | None:
        """Return how far confidence was from the truth on the settled past; an object counts with its weakest field."""
        if self._calibration is None:
            self._calibration = calibration(self._foretold())
        return self._calibration

    def curve(self) -> tuple[CurvePoint, ...]:
        """Return coverage and accuracy by least confidence."""
        return curve(self._foretold())

    def _foretold(self) -> list[Foretold]:
        """Return each settled question by its weakest field."""
        whole: dict[str, Replayed] = {}
        for one in self.replayed():
            known = whole.get(one.question_id, one)
            whole[one.question_id] = Replayed(
                one.question_id, min(known.confidence, one.confidence), known.right and one.right, one.weight
            )
        return [Foretold(one.confidence, one.right, one.weight) for one in whole.values()]

    def own_labels(self, path: str) -> LabelModel | None:
        """Return the model for labels in this field, else `None`."""
        if path not in self._labels:
            self._labels[path] = self._fit_labels(self.leaves.get(path, ()))
        return self._labels[path]

    def _everything(self) -> list[_Leaf]:
        return [leaf for leaves in self.leaves.values() for leaf in leaves]

    def _fit_labels(self, leaves: Sequence[_Leaf]) -> LabelModel | None:
        settled: list[Asked] = []
        unsettled: list[Asked] = []
        for leaf in leaves:
            replies = tuple(
                Reply(one.source, canonical(one.value), one.confidence, one.authority)
                for one in leaf.said
                if one.value is not None and kind(one.value) in LABELS
            )
            if not replies:
                continue
            if leaf.truth is None:
                unsettled.append(Asked(leaf.question_id, leaf.domain, replies))
            elif kind(leaf.truth) in LABELS:
                truth = canonical(leaf.truth)
                settled.append(Asked(leaf.question_id, leaf.domain, replies, truth, leaf.weight))
        if not settled:
            return None
        return fit_labels(settled, unsettled)

    def _fit_numbers(self, leaves: Sequence[_Leaf]) -> NumberModel | None:
        truths = [float(leaf.truth) for leaf in leaves if _is_number(leaf.truth)]
        values = [float(one.value) for leaf in leaves for one in leaf.said if _is_number(one.value)]
        relative = is_relative(truths, values)
        settled: list[Sum] = []
        unsettled: list[Sum] = []
        for leaf in leaves:
            estimates = tuple(
                estimate(one.source, float(one.value), one.confidence, one.authority, relative=relative)
                for one in leaf.said
                if _is_number(one.value)
            )
            if not estimates:
                continue
            if leaf.truth is None:
                unsettled.append(Sum(leaf.question_id, estimates))
            elif _is_number(leaf.truth):
                raw = float(leaf.truth)
                truth = math.log(raw) if relative else raw
                settled.append(Sum(leaf.question_id, estimates, truth, leaf.tolerance, raw, leaf.weight))
        return fit_numbers(settled, unsettled[-UNSETTLED:], relative=relative) if settled else None

    def _fit_rankings(self, leaves: Sequence[_Leaf]) -> RankingModel | None:
        settled: list[SettledRanking] = []
        for leaf in sorted(leaves, key=lambda leaf: leaf.question_id):
            truth = items_of(leaf.truth)
            if truth is not None:
                rankings = tuple(
                    Ranking(one.source, items, one.confidence)
                    for one in leaf.said
                    if (items := items_of(one.value)) is not None and are_rankings([truth, items])
                )
                if rankings:
                    settled.append(SettledRanking(rankings, truth, leaf.weight))
        return fit_rankings(settled, standing=self._standing(leaves)) if settled else None

    def _standing(self, leaves: Sequence[_Leaf]) -> dict[str, float]:
        return {one.source: one.authority for leaf in leaves for one in leaf.said}


def learn(
    record: TrackRecord, *, default: float, findings: Sequence[Finding] = (), remember: bool = False
) -> Memory | None:
    """Return what a record teaches; `None` where nothing in it is settled.

    Every revision of a record is learned from once. Unsettled answers come in without a new revision and are learned from in
    blocks, each `BLOCK` larger than the last, so that a record that grows with every run is not learned anew with every run.
    What was remembered from earlier calls counts with them, in blocks that grow by `HEARD_BLOCK`. Where `findings` answer
    `REFIT_QUESTIONS` or more different questions, they count as further unsettled answers, and the models are this call's own.

    Args:
        record: Settled and unsettled answers.
        default: Authority of whoever nobody has ranked, 0-1.
        findings: What is about to be merged.
        remember: Whether it counts in later calls with this record.
    """
    if not record.settled:
        return None
    questions = {finding.question_id for finding in findings if finding.question_id is not None}
    if len(questions) >= REFIT_QUESTIONS:
        more = record.copy()
        named = [one for one in findings if one.question_id is not None and one.specialist is not None]
        for finding in sorted(named, key=lambda one: (one.question_id, one.specialist, canonical(one.output))):
            more.record(finding)
        return Memory(_leaves(more, default, unsettled=more.unsettled), default)
    heard = heard_with(record)
    if remember:
        heard.hear(findings)
    known = _learned.setdefault(record, {})
    unsettled = _block(record.unsettled)
    beside = heard.block()
    key = (record.revision, unsettled, beside, default)
    memory = known.get(key)
    if memory is None:
        memory = Memory(_leaves(record, default, unsettled=unsettled, beside=heard.questions(beside, record)), default)
        known.clear()  # what an earlier revision taught; another thread may have done the same meanwhile
        known[key] = memory
    return memory


_learned: WeakKeyDictionary[TrackRecord, dict[tuple[int, int, int, float], Memory]] = WeakKeyDictionary()


def estimate(source: str, value: float, confidence: float, authority: float, *, relative: bool) -> Estimate:
    """Return one number as the model sees it."""
    return Estimate(source, math.log(value) if relative else value, stated(confidence), confidence * authority)


def items_of(value: JsonValue) -> tuple[str, ...] | None:
    """Return a list of different values as canonical texts; `None` for anything else."""
    if not isinstance(value, list) or len(value) < 2:
        return None
    items = tuple(canonical(item) for item in value)
    return items if len(set(items)) == len(items) else None


def _block(questions: int) -> int:
    """Return the largest block of unsettled questions that is complete; the latest question may still be being answered."""
    size = 0
    while (larger := max(size + 8, int(size * BLOCK))) < questions:
        size = larger
    return size


def _leaves(
    record: TrackRecord, default: float, *, unsettled: int, beside: Sequence[tuple[Answer, ...]] = ()
) -> dict[str, list[_Leaf]]:
    found: dict[str, list[_Leaf]] = {}
    for truth, answers, weight in (*record.remembered(unsettled=unsettled), *((None, one, 1.0) for one in beside)):
        leaves: dict[str, _Leaf] = {}
        domain = domain_of(answer.domain for answer in answers)
        question_id = answers[0].question_id

        def leaf(path: str) -> _Leaf:
            return leaves.setdefault(path, _Leaf(question_id, domain, weight=weight))  # noqa: B023  # called in this round only

        for answer in sorted(answers, key=lambda answer: answer.specialist):
            authority = resolve(answer.specialist, own=answer.authority, given=None, default=default)
            for path, value in _flat(answer.output, ""):
                leaf(path).said.append(_Said(answer.specialist, value, answer.confidence, authority))
        if truth is not None:
            for path, value in _flat(truth.truth, ""):
                if path in leaves:
                    leaves[path].truth, leaves[path].tolerance = value, truth.tolerance
        for path, one in leaves.items():
            found.setdefault(path, []).append(one)
    return dict(sorted(found.items()))


def _flat(value: JsonValue, path: str) -> Iterator[tuple[str, JsonValue]]:
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _flat(inner, f"{path}.{key}" if path else key)
    elif value is not None:
        yield path, value


def _is_number(value: JsonValue) -> TypeIs[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= LARGEST
