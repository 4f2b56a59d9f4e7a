"""The development data of synthesis, cut into histories and tests, and the sources that may be added to it.

Reads `../shared/data/synthesis`, seen from the repository's root; its README has fields and licences.
"""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).parents[1] / ".." / "shared" / "data" / "synthesis"
CATEGORICAL = ("llm_sat", "llm_sciq", "crowd_dog", "crowd_rte", "crowd_weather", "crowd_sentiment")
NUMERIC = ("llm_lifeeval",)
LABELLED = 20
"""Labelled answers of a source, on average over the sources of a set."""


class Said(NamedTuple):
    """One source's answer; a confidence that was not stated is 1, the default of a finding."""

    source: str
    answer: str | float
    confidence: float


@dataclass(frozen=True, slots=True)
class Question:
    id: str
    group: str
    classes: tuple[str, ...]
    truth: str | float
    said: tuple[Said, ...]
    tolerance: float | None = None


class Split(NamedTuple):
    """One random history: what is labelled, and what is asked afterwards."""

    history: tuple[Question, ...]
    test: tuple[Question, ...]


@cache
def load(name: str) -> tuple[Question, ...]:
    """Return one set."""
    found: list[Question] = []
    for line in (FOLDER / f"{name}.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        said = tuple(
            Said(entry[0], entry[1], 1.0 if len(entry) < 3 or entry[2] is None else float(entry[2]))
            for entry in row["answers"]
        )
        found.append(
            Question(
                id=row["id"],
                group=row.get("group", row["id"]),
                classes=tuple(row.get("classes", ())),
                truth=row["truth"],
                said=said,
                tolerance=row.get("tolerance"),
            )
        )
    return tuple(found)


def split(name: str, seed: int, *, labelled: int = LABELLED) -> Split:
    """Draw groups of questions until the sources have `labelled` labelled answers each on average; the rest is test."""
    questions = load(name)
    groups: dict[str, list[Question]] = defaultdict(list)
    for question in questions:
        groups[question.group].append(question)
    wanted = labelled * len({said.source for question in questions for said in question.said})
    order = list(groups)
    random.Random(f"{name}:{seed}").shuffle(order)
    history: list[Question] = []
    answers = 0
    while answers < wanted:
        drawn = groups.pop(order.pop(0))
        history += drawn
        answers += sum(len(question.said) for question in drawn)
    return Split(tuple(history), tuple(question for group in order for question in groups[group]))


def panel(cut: Split, size: int, seed: int) -> Split:
    """Leave `size` answers of each question: the same sources everywhere where all answer all, else drawn per question."""
    draw = random.Random(f"panel:{seed}:{size}")
    names = sorted({said.source for question in cut.history for said in question.said})
    fixed = None if len(names) > 3 * len(cut.test[0].said) else set(draw.sample(names, size))

    def keep(question: Question) -> Question:
        if fixed is not None:
            return replace(question, said=tuple(said for said in question.said if said.source in fixed))
        chosen = set(draw.sample(range(len(question.said)), min(size, len(question.said))))
        return replace(question, said=tuple(said for n, said in enumerate(question.said) if n in chosen))

    history = cut.history if fixed is None else tuple(map(keep, cut.history))
    test = tuple(question for question in map(keep, cut.test) if question.said)
    return Split(tuple(question for question in history if question.said), test)


def thinned(cut: Split, share: float, seed: int) -> Split:
    """Leave out `share` of the answers of each test question at random, never all."""
    draw = random.Random(f"thin:{seed}:{share}")

    def keep(question: Question) -> Question:
        count = max(1, round((1 - share) * len(question.said)))
        chosen = set(draw.sample(range(len(question.said)), count))
        return replace(question, said=tuple(said for n, said in enumerate(question.said) if n in chosen))

    return Split(cut.history, tuple(map(keep, cut.test)))


def _other(question: Question, draw: random.Random) -> str | float:
    if question.classes:
        return draw.choice([answer for answer in question.classes if answer != question.truth])
    assert isinstance(question.truth, float | int)
    return question.truth + draw.choice((-1, 1)) * draw.uniform(1.5, 4) * max(question.tolerance or 1.0, 5.0)


def with_sleepers(cut: Split, seed: int, *, count: int = 3, together: bool = True) -> Split:
    """Add sources that answer every question; the `LABELLED` of the history truly, all others falsely, alike or not."""
    draw = random.Random(f"sleep:{seed}")

    def add(question: Question, *, honest: bool) -> Question:
        lie = _other(question, draw)
        said = [
            Said(f"sleeper{n}", question.truth if honest else lie if together else _other(question, draw), 0.95)
            for n in range(count)
        ]
        return replace(question, said=(*question.said, *said))

    known = _some(cut, draw)
    history = tuple(add(question, honest=True) if question.id in known else question for question in cut.history)
    return Split(history, tuple(add(question, honest=False) for question in cut.test))


def with_colluders(cut: Split, seed: int, *, count: int = 5, accuracy: float = 0.0, known: bool = True) -> Split:
    """Add sources that all say the same to every question, right in `accuracy` of the cases.

    In the history they answer `LABELLED` questions, or none where not `known`.
    """
    draw = random.Random(f"collude:{seed}")

    def add(question: Question) -> Question:
        answer = question.truth if draw.random() < accuracy else _other(question, draw)
        return replace(question, said=(*question.said, *(Said(f"colluder{n}", answer, 0.95) for n in range(count))))

    some = _some(cut, draw) if known else set()
    history = tuple(add(question) if question.id in some else question for question in cut.history)
    return Split(history, tuple(map(add, cut.test)))


def _some(cut: Split, draw: random.Random) -> set[str]:
    """Return questions of the history that a source with `LABELLED` labelled answers has answered."""
    names = [question.id for question in cut.history]
    return set(draw.sample(names, min(LABELLED, len(names))))


def sources(questions: Sequence[Question]) -> set[str]:
    """Return who answers."""
    return {said.source for question in questions for said in question.said}
