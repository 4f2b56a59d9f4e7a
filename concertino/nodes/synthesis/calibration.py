"""How honest `confidence` has been: the settled past, weighed again."""

from __future__ import annotations

import math
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from concertino.nodes.synthesis.authority import resolve
from concertino.nodes.synthesis.ballot import Voice
from concertino.nodes.synthesis.merge import ballot_of, merge
from concertino.nodes.synthesis.result import Calibration
from concertino.nodes.synthesis.track_record import TrackRecord

BINS = 10
"""Equal bins of confidence. Source: Guo et al. 2017, "On Calibration of Modern Neural Networks", section 2."""

_measured: WeakKeyDictionary[TrackRecord, dict[tuple[int, float], Calibration | None]] = WeakKeyDictionary()
"""Measuring takes a pass over the whole history, so each revision of a record is measured once."""


@dataclass(frozen=True, slots=True)
class _WithoutQuestion:
    """A record that has not seen one question."""

    record: TrackRecord
    question_id: str

    def authority_of(self, specialist: str, *, prior: float) -> float:
        return self.record.authority_of(specialist, prior=prior, without=self.question_id)


def measure_calibration(record: TrackRecord, *, default: float) -> Calibration | None:
    """Return the expected calibration error of the default synthesis on settled questions; `None` without any.

    Each question is merged from its recorded answers with authorities that do not know its truth. The confidence of an
    object is its weakest field's. Vetoes and missing specialists are not on record and play no part.
    """
    known = _measured.setdefault(record, {})
    key = (record.revision, default)
    if key not in known:
        known.clear()
        known[key] = _ece(_replay(record, default=default))
    return known[key]


def _replay(record: TrackRecord, *, default: float) -> list[tuple[float, bool]]:
    """Return confidence and whether the answer was right, question by question."""
    pairs: list[tuple[float, bool]] = []
    for truth, answers in record.settled():
        seen = _WithoutQuestion(record, truth.question_id)
        voices = tuple(
            Voice(
                finding=n,
                specialist=answer.specialist,
                value=answer.output,
                confidence=answer.confidence,
                authority=resolve(answer.specialist, own=answer.authority, given=seen, default=default),
            )
            for n, answer in enumerate(answers)
        )
        decision = merge(ballot_of(voices, question_id=truth.question_id, field="", silent=0.0))
        confidences = [claim.confidence for claim in decision.claims if claim.method != "none"]
        if confidences:
            pairs.append((min(confidences), truth.holds(decision.answer)))
    return pairs


def _ece(pairs: list[tuple[float, bool]]) -> Calibration | None:
    if not pairs:
        return None
    bins: list[list[tuple[float, bool]]] = [[] for _ in range(BINS)]
    for confidence, right in pairs:
        bins[min(BINS - 1, int(confidence * BINS))].append((confidence, right))
    # A bin's share times its distance between confidence and accuracy is |Σ(confidence - right)| / n.
    ece = math.fsum(abs(math.fsum(confidence - right for confidence, right in found)) for found in bins) / len(pairs)
    return Calibration(n=len(pairs), ece=min(1.0, ece))
