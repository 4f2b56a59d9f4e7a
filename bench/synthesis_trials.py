"""One trial: a set, a history, a scenario; how often and how surely learned synthesis and the baselines are right."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from synthesis_baselines import BASELINES, NUMBER_BASELINES
from synthesis_data import NUMERIC, Question, Split, panel, split, thinned, with_colluders, with_sleepers

from concertino.contracts.finding import Finding
from concertino.nodes.synthesis import TrackRecord, synthesize

SCENARIOS: Mapping[str, Callable[[Split, int], Split]] = {
    "all sources": lambda cut, seed: cut,
    "panel of 3": lambda cut, seed: panel(cut, 3, seed),
    "panel of 5": lambda cut, seed: panel(cut, 5, seed),
    "30 % missing": lambda cut, seed: thinned(cut, 0.3, seed),
    "60 % missing": lambda cut, seed: thinned(cut, 0.6, seed),
    "+3 sleepers, one lie": lambda cut, seed: with_sleepers(cut, seed),
    "+3 sleepers, own lies": lambda cut, seed: with_sleepers(cut, seed, together=False),
    "+5 colluders, always wrong": lambda cut, seed: with_colluders(cut, seed),
    "+5 colluders, half right": lambda cut, seed: with_colluders(cut, seed, accuracy=0.5),
    "+5 colluders, no history": lambda cut, seed: with_colluders(cut, seed, known=False),
}
LEARNED = "learned"


class Task(NamedTuple):
    """What is tried."""

    name: str
    seed: int
    scenario: str
    records_all: bool
    """Whether the record has the unsettled answers, too; else the settled ones alone."""


class Outcome(NamedTuple):
    """What came of it, by way of merging: question, confidence, whether right."""

    task: Task
    found: dict[str, list[tuple[str, float, bool]]]
    errors: dict[str, float]
    """Numbers: mean absolute error."""
    fit_s: float


def run(task: Task) -> Outcome:
    """Try one."""
    cut = SCENARIOS[task.scenario](split(task.name, task.seed), task.seed)
    record = TrackRecord()
    for question in cut.history:
        for finding in findings(question):
            record.record(finding)
        record.settle(question.id, question.truth, tolerance=question.tolerance)
    if task.records_all:
        for question in cut.test:
            for finding in findings(question):
                record.record(finding)
    start = time.perf_counter()
    synthesize(findings(cut.test[0]), authority=record, calibrate=True)
    fit_s = time.perf_counter() - start
    is_number = task.name in NUMERIC
    mine: list[tuple[str, float, bool]] = []
    far: list[float] = []
    for question in cut.test:
        asked = findings(question)
        merged = synthesize(asked, authority=record, calibrate=True, tolerance=question.tolerance)
        mine.append((question.id, merged.confidence, is_right(question, merged.answer)))
        if is_number:
            far.append(abs(merged.answer - question.truth))  # type: ignore[operator]
    found = {LEARNED: mine}
    errors = {LEARNED: statistics.mean(far)} if far else {}
    ways: Mapping[str, Callable[[Split], Any]] = NUMBER_BASELINES if is_number else BASELINES
    for name, way in ways.items():
        if task.scenario.startswith("+") and name == "Dawid-Skene":
            continue  # the slowest by far, and no yardstick there
        guesses = way(cut)
        found[name] = [
            (question.id, confidence, is_right(question, answer))
            for question, (answer, confidence) in zip(cut.test, guesses, strict=True)
        ]
        if is_number:
            errors[name] = statistics.mean(
                abs(answer - question.truth) for question, (answer, _) in zip(cut.test, guesses, strict=True)
            )
    return Outcome(task, found, errors, fit_s)


def findings(question: Question) -> list[Finding]:
    """Return the answers as findings."""
    return [
        Finding(output=said.answer, confidence=said.confidence, specialist=said.source, question_id=question.id)
        for said in question.said
    ]


def is_right(question: Question, answer: object) -> bool:
    """Say whether an answer is right; a number within the question's tolerance."""
    if isinstance(question.truth, float | int) and question.tolerance is not None:
        return isinstance(answer, float | int) and abs(answer - question.truth) <= question.tolerance
    return answer == question.truth


def accuracy(rows: Sequence[tuple[str, float, bool]]) -> float:
    """Return the part that is right, in percent."""
    return 100 * statistics.mean(right for _, _, right in rows)


def gap(rows: Sequence[tuple[str, float, bool]]) -> float:
    """Return mean confidence minus accuracy."""
    return statistics.mean(confidence - right for _, confidence, right in rows)


def brier(rows: Sequence[tuple[str, float, bool]]) -> float:
    """Return the mean squared distance of confidence from the truth, times 100."""
    return 100 * statistics.mean((confidence - right) ** 2 for _, confidence, right in rows)


def ece(rows: Sequence[tuple[str, float, bool]]) -> float:
    """Return the expected calibration error over ten equal bins, in percent."""
    bins = [0.0] * 10
    for _, confidence, right in rows:
        bins[min(9, int(confidence * 10))] += confidence - right
    return 100 * sum(map(abs, bins)) / len(rows)
