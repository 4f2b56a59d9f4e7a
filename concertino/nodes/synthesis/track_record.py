"""Track records: who said what, what was true, and what trust follows from it."""

from __future__ import annotations

import copy
import os
import sys
import tempfile
import threading
from collections.abc import Collection, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from concertino.contracts.errors import InputError
from concertino.contracts.finding import Finding
from concertino.contracts.json import JsonObject, clean, dump, parse
from concertino.contracts.limits import Limits
from concertino.contracts.task import input_error
from concertino.nodes.synthesis.outcomes import Answer, Truth, is_number

PRIOR_ANSWERS = 4.0
"""How many settled answers the prior authority is worth (the strength of the Beta prior). Chosen by hand."""

FAINTEST = 1e-9
"""What is remembered of the oldest settled question at least: a field that only such questions know is still merged by them."""

OUTPUT_NESTING = Limits().nesting
FILE_LIMITS = Limits(bytes=64_000_000, nesting=OUTPUT_NESTING + 3)
"""A file wraps each output in an object, a list and an object."""


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    format: Literal["concertino.track_record/1"]
    answers: list[Answer] = Field(default_factory=list)
    truths: list[Truth] = Field(default_factory=list)
    half_life: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None


class TrackRecord:
    """Answers and truths. Pass it to `synthesize` as `authority`. Threads may read and write it at once: readers see one moment."""

    def __init__(self, *, half_life: float | None = None) -> None:
        """Open an empty record.

        Args:
            half_life: After how many further settled questions one counts half; `None` forgets nothing.

        Raises:
            InputError: the half-life is not above 0.
        """
        self.half_life = None if half_life is None else _half_life(half_life)
        self._lock = threading.RLock()
        self._answers: dict[str, dict[str, Answer]] = {}
        self._truths: dict[str, Truth] = {}
        self._tallies: dict[str, tuple[float, float]] | None = None
        self.revision = 0
        """Rises with every change but new answers to unsettled questions; what was worked out from an older one is stale."""

    def __len__(self) -> int:
        """Return the number of answers."""
        with self._lock:
            return sum(map(len, self._answers.values()))

    def __getstate__(self) -> dict[str, object]:
        """Return what pickle and deepcopy take along: all but the lock."""
        with self._lock:
            return copy.deepcopy({name: value for name, value in vars(self).items() if name != "_lock"})

    def __setstate__(self, state: dict[str, object]) -> None:
        """Take it, with a lock of its own."""
        vars(self).update(state, _lock=threading.RLock())

    def record(self, finding: Finding) -> None:
        """Remember a finding. A specialist's later answer to the same question takes the place of the earlier one; the same
        one again changes nothing.

        Raises:
            InputError: no finding; it names no specialist or no question; its output is not finite, bounded JSON.
        """
        _expect(finding, Finding, field="finding", rule="must be a Finding")
        for name in ("question_id", "specialist"):
            if not getattr(finding, name):
                raise InputError(field=f"finding.{name}", value=getattr(finding, name), rule="a track record needs it")
        try:
            answer = Answer(
                question_id=finding.question_id or "",
                specialist=finding.specialist or "",
                domain=finding.domain,
                output=clean(finding.output, field="finding.output", nesting=OUTPUT_NESTING),
                confidence=finding.confidence,
                authority=finding.authority,
            )
        except ValidationError as error:
            raise input_error(error, field="finding") from error
        with self._lock:
            self._put(answer)

    def settle(self, question_id: str, truth: JsonValue, *, tolerance: float | None = None) -> None:
        """State what was true. Settling again corrects an earlier truth.

        Args:
            question_id: A question that somebody's recorded answer is for.
            truth: In the shape of the answers; of an object, the fields that are known.
            tolerance: How far off a number may be, in its own unit; without it, `RELATIVE_TOLERANCE` of the truth.

        Raises:
            InputError: nobody answered this question; the truth is null or no JSON; the tolerance is no number from 0.
        """
        _expect(question_id, str, field="question_id", rule="must be text")
        if question_id not in self._answers:  # an answer, once recorded, stays
            raise InputError(field="question_id", value=question_id, rule="no recorded answer to this question")
        if truth is None:
            raise InputError(field="truth", value=truth, rule="must not be null")
        try:
            settled = Truth(
                question_id=question_id,
                truth=clean(truth, field="truth", nesting=OUTPUT_NESTING),
                tolerance=tolerance,
            )
        except ValidationError as error:
            raise input_error(error, field="settle") from error
        with self._lock:
            known = self._truths.get(question_id)
            if known is None or not known.repeats(settled):
                self._truths[question_id] = settled
                self._changed()

    def authority_of(self, specialist: str, *, prior: float) -> float:
        """Return (prior·k + right) / (k + settled), k being `PRIOR_ANSWERS`: the mean of a Beta posterior.

        Without settled answers it is exactly `prior`. Nulls count neither way.
        """
        right, settled = self._tally().get(specialist, (0.0, 0.0))
        return prior if settled == 0 else (prior * PRIOR_ANSWERS + right) / (PRIOR_ANSWERS + settled)

    @property
    def settled(self) -> int:
        """Return how many questions are settled."""
        return len(self._truths)

    def copy(self) -> TrackRecord:
        """Return a record of its own with the same answers and truths."""
        return self.merged(TrackRecord(half_life=self.half_life))

    @property
    def unsettled(self) -> int:
        """Return how many questions are not settled."""
        with self._lock:
            return len(self._answers) - len(self._truths)

    def remembered(self, *, unsettled: int) -> Iterator[tuple[Truth | None, tuple[Answer, ...], float]]:
        """Iterate over questions with their truth, if they have one, their answers and how much is remembered of them, 0-1.

        Settled questions come first, in the order of settling, then the first `unsettled` others, in the order of their answers.
        """
        with self._lock:
            found: list[tuple[Truth | None, tuple[Answer, ...], float]] = []
            count = len(self._truths)
            for n, (question_id, truth) in enumerate(self._truths.items(), 1):
                weight = 1.0 if self.half_life is None else max(FAINTEST, 0.5 ** ((count - n) / self.half_life))
                found.append((truth, tuple(self._answers[question_id].values()), weight))
            rest = (answers for question_id, answers in self._answers.items() if question_id not in self._truths)
            found += ((None, tuple(answers.values()), 1.0) for answers in islice(rest, unsettled))
        return iter(found)

    def forgotten(self, *, keep: int) -> TrackRecord:
        """Return a record without the settled questions before the latest `keep`; the unsettled stay.

        Raises:
            InputError: `keep` is no whole number from 0.
        """
        _expect(keep, int, field="keep", rule="must be a whole number")
        if keep < 0:
            raise InputError(field="keep", value=keep, rule="must be at least 0")
        answers, truths = self._moment()
        gone = set(list(truths)[: max(0, len(truths) - keep)])
        return self._without(gone, answers, truths)

    def unknowing(self, question_ids: Collection[str]) -> TrackRecord:
        """Return what is to be learned from where these questions are asked again: this record itself where none of them is
        settled, else one without them, so that no answer is judged by its own truth.
        """
        with self._lock:
            if self._truths.keys().isdisjoint(question_ids):
                return self
            answers, truths = self._moment()
        return self._without(question_ids, answers, truths)

    def merged(self, other: TrackRecord) -> TrackRecord:
        """Return a record that knows what either knows.

        Raises:
            InputError: `other` is no record; the two contradict each other on an answer or a truth.
        """
        _expect(other, TrackRecord, field="other", rule="must be a TrackRecord")
        both = TrackRecord(half_life=self.half_life)
        # One after the other, never both locks at once.
        for known_answers, known_truths in (self._moment(), other._moment()):
            for answers in known_answers.values():
                for answer in answers.values():
                    known = both._answers.get(answer.question_id, {}).get(answer.specialist)
                    if known is not None and not known.repeats(answer):
                        place = f"answers.{answer.question_id}.{answer.specialist}"
                        raise InputError(field=place, value=answer.output, rule=f"other record has {known.output!r}")
                    both._put(answer)
            for question_id, truth in known_truths.items():
                settled = both._truths.setdefault(question_id, truth)
                if not settled.repeats(truth):
                    rule = f"other record has {settled.truth!r}, tolerance {settled.tolerance}"
                    raise InputError(field=f"truths.{question_id}", value=truth.truth, rule=rule)
        return both

    def content(self) -> JsonObject:
        """Return the record as JSON, as `save` writes it and `of` reads it."""
        found, settled = self._moment()
        answers = [answer for replies in found.values() for answer in replies.values()]
        truths = list(settled.values())
        whole = _File(format="concertino.track_record/1", answers=answers, truths=truths, half_life=self.half_life)
        return whole.model_dump(mode="json")

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the record as JSON, whole or not at all: to a file beside `path` that then takes its place.

        Raises:
            InputError: `path` cannot be written, or the record is larger than `load` accepts.
        """
        target = _place(path)
        data = dump(self.content()).encode()
        if len(data) > FILE_LIMITS.bytes:
            raise InputError(field=str(target), value=f"{len(data)} bytes", rule=f"at most {FILE_LIMITS.bytes} bytes")
        try:
            handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                Path(temporary).replace(target)
            except BaseException:
                Path(temporary).unlink(missing_ok=True)
                raise
        except OSError as error:
            raise InputError(field="path", value=str(target), rule=f"cannot be written: {error.strerror}") from error

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a saved record.

        Raises:
            InputError: naming file, field, value and rule: no readable file, too large, not strict JSON, an unknown
                field, a value out of range, one answer or truth twice, a truth that nobody answered.
        """
        target = _place(path)
        place = str(target)
        try:
            with target.open("rb") as file:
                # One byte over the limit is enough to know, however large the file is.
                data = file.read(FILE_LIMITS.bytes + 1)
        except OSError as error:
            raise InputError(field="path", value=place, rule=f"cannot be read: {error.strerror}") from error
        return cls.of(parse(data, field=place, limits=FILE_LIMITS), place=place)

    @classmethod
    def of(cls, found: JsonValue, *, place: str = "record") -> Self:
        """Read what `content` returned; `place` names it in errors.

        Raises:
            InputError: as `load`.
        """
        try:
            content = _File.model_validate(found)
        except ValidationError as error:
            raise input_error(error, field=place) from error
        record = cls(half_life=content.half_life)
        for n, answer in enumerate(content.answers):
            if answer.specialist in record._answers.get(answer.question_id, {}):
                pair = f"{answer.question_id}, {answer.specialist}"
                raise InputError(field=f"{place}.answers.{n}", value=pair, rule="one answer a question and specialist")
            record._put(answer)
        for n, truth in enumerate(content.truths):
            field = f"{place}.truths.{n}.question_id"
            if truth.question_id in record._truths:
                raise InputError(field=field, value=truth.question_id, rule="one truth a question")
            if truth.question_id not in record._answers:
                raise InputError(field=field, value=truth.question_id, rule="no recorded answer to this question")
            record._truths[truth.question_id] = truth
        return record

    def _moment(self) -> tuple[dict[str, dict[str, Answer]], dict[str, Truth]]:
        """Return answers and truths as they stand together."""
        with self._lock:
            return {question_id: dict(answers) for question_id, answers in self._answers.items()}, dict(self._truths)

    def _without(
        self, gone: Collection[str], answers: Mapping[str, dict[str, Answer]], truths: Mapping[str, Truth]
    ) -> TrackRecord:
        rest = TrackRecord(half_life=self.half_life)
        rest._answers = {question_id: found for question_id, found in answers.items() if question_id not in gone}
        rest._truths = {question_id: truth for question_id, truth in truths.items() if question_id not in gone}
        return rest

    def _put(self, answer: Answer) -> None:
        answers = self._answers.setdefault(answer.question_id, {})
        known = answers.get(answer.specialist)
        if known is not None and known.repeats(answer):
            return
        answers[answer.specialist] = answer
        if known is not None or answer.question_id in self._truths:
            self._changed()

    def _changed(self) -> None:
        self._tallies = None
        self.revision += 1

    def _tally(self) -> dict[str, tuple[float, float]]:
        """Return right and settled answers by specialist, counted anew after a change."""
        with self._lock:
            if self._tallies is None:
                tallies: dict[str, tuple[float, float]] = {}
                for truth, answers, weight in self.remembered(unsettled=0):
                    for answer in answers:
                        if truth is not None and answer.output is not None:
                            right, settled = tallies.get(answer.specialist, (0.0, 0.0))
                            tallies[answer.specialist] = (right + weight * truth.holds(answer.output), settled + weight)
                self._tallies = tallies
            return self._tallies


def _expect(value: object, kind: type, *, field: str, rule: str) -> None:
    if not isinstance(value, kind) or isinstance(value, bool):
        raise InputError(field=field, value=value, rule=rule)


def _half_life(value: object) -> float:
    if not is_number(value) or not 0 < value <= sys.float_info.max:
        raise InputError(field="half_life", value=value, rule="must be a number above 0")
    return float(value)


def _place(path: object) -> Path:
    if not isinstance(path, str | os.PathLike) or "\0" in os.fspath(path):
        raise InputError(field="path", value=path, rule="must be a path")
    return Path(path)
