"""What a track record knows, for a person to read: who is right how often, how surely, and what answering less would bring."""

from __future__ import annotations

from collections import defaultdict
from typing import Literal

from pydantic import BaseModel, ConfigDict

from concertino.contracts.finding import Fraction
from concertino.nodes.synthesis.authority import DEFAULT_AUTHORITY
from concertino.nodes.synthesis.learned.cases import sigmoid
from concertino.nodes.synthesis.learned.labels import LabelModel
from concertino.nodes.synthesis.learned.memory import learn
from concertino.nodes.synthesis.learned.numeric import NumberModel
from concertino.nodes.synthesis.learned.selective import CurvePoint
from concertino.nodes.synthesis.result import Calibration
from concertino.nodes.synthesis.track_record import TrackRecord


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Tally(_Frozen):
    """One specialist in one domain, or in all."""

    specialist: str
    domain: str | None
    """`None` is all of them."""
    settled: int
    right: int
    stated: Fraction
    """Mean stated confidence of the settled answers; above `right / settled` where the specialist is overconfident."""


class FieldReport(_Frozen):
    """How one field of the answers is merged."""

    field: str
    """Dotted path; empty for whole answers."""
    kind: Literal["labels", "numbers"]
    settled: int
    ways: dict[str, float]
    """How far each way of merging is believed; sums to 1."""
    skills: dict[str, Fraction]
    """Labels: probability, by specialist, that an answer of usual stated confidence is right."""
    errors: dict[str, float]
    """Numbers: mean absolute error by specialist, in the field's unit, or as a difference of logarithms where `relative`."""
    relative: bool = False
    copies: tuple[tuple[str, ...], ...] = ()
    """Specialists that err together and share one voice."""
    changed: tuple[str, ...] = ()
    """Specialists left out because they no longer agree with the others as they did."""


class RecordReport(_Frozen):
    """Everything that a record has taught."""

    settled: int
    unsettled: int
    calibration: Calibration | None
    curve: tuple[CurvePoint, ...]
    """Selective prediction: coverage and accuracy by least confidence, from the surest answers on."""
    specialists: tuple[Tally, ...]
    fields: tuple[FieldReport, ...]


def report_on(record: TrackRecord, *, default_authority: float = DEFAULT_AUTHORITY) -> RecordReport:
    """Return the report; it is the same as long as the record is."""
    memory = learn(record, default=default_authority)
    fields: list[FieldReport] = []
    for path in memory.leaves if memory is not None else ():
        assert memory is not None
        labels, numbers = memory.own_labels(path), memory.numbers(path)
        if labels is not None:
            fields.append(_labels(path, labels))
        if numbers is not None:
            fields.append(_numbers(path, numbers))
    return RecordReport(
        settled=record.settled,
        unsettled=record.unsettled,
        calibration=None if memory is None else memory.calibration(),
        curve=() if memory is None else memory.curve(),
        specialists=_tallies(record),
        fields=tuple(fields),
    )


def _labels(path: str, model: LabelModel) -> FieldReport:
    skills = model.skills
    return FieldReport(
        field=path,
        kind="labels",
        settled=len(model.replayed),
        ways={way.name: way.weight for way in model.ways},
        skills={name: sigmoid(skill.level) for name, skill in sorted(skills.known.items())},
        errors={},
        copies=tuple(tuple(sorted(group)) for group in model.suspects.copies),
        changed=tuple(change.source for change in model.suspects.changed),
    )


def _numbers(path: str, model: NumberModel) -> FieldReport:
    return FieldReport(
        field=path,
        kind="numbers",
        settled=len(model.replayed),
        ways=dict(model.rules),
        skills={},
        errors={name: source.error for name, source in model.sources.items() if name is not None},
        relative=model.relative,
        changed=tuple(change.source for change in model.changed),
    )


def _tallies(record: TrackRecord) -> tuple[Tally, ...]:
    found: dict[tuple[str, str | None], list[tuple[bool, float]]] = defaultdict(list)
    for truth, answers, _ in record.remembered(unsettled=0):
        for answer in answers:
            if truth is not None and answer.output is not None:
                one = (truth.holds(answer.output), answer.confidence)
                found[answer.specialist, None].append(one)
                if answer.domain is not None:
                    found[answer.specialist, answer.domain].append(one)
    return tuple(
        Tally(
            specialist=name,
            domain=domain,
            settled=len(some),
            right=sum(right for right, _ in some),
            stated=min(1.0, sum(confidence for _, confidence in some) / len(some)),
        )
        for (name, domain), some in sorted(found.items(), key=lambda item: (item[0][0], item[0][1] or ""))
    )
