"""Sources that changed and sources that copy: found in the answers themselves, before anything is learned from them.

*Changed*: a source that agreed with the others as long as answers were settled and no longer does. Its agreement is measured
against the other sources' of the same question, so that harder questions accuse nobody. Its history says nothing about it any
more, so it is left out.

*Copying*: sources that err together again and again and hardly ever apart. Being right together proves nothing. They share one
voice.

Both compare counts only; thresholds were chosen by hand and stand below.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import median
from typing import NamedTuple

from concertino.nodes.synthesis.learned.cases import Asked, Case

CHANGED_ANSWERS = 8
"""Fewest unsettled answers, and fewest settled ones, to call a source changed."""
CHANGED_DEVIATIONS = 5.0
"""How many standard errors its agreement must have fallen: one false alarm in a million sources."""
CHANGED_DROP = 0.15
"""And how far, as a part of the other sources that agree."""
COPIED_ERRORS = 8
"""Fewest common errors to call two sources copies."""
COPY_RATIO = 0.1
"""At most so many answers apart for each common error."""
STRANGERS_ECHO = 0.5
"""n strangers that agree are worth n / (1 + (n - 1) · STRANGERS_ECHO) voices: that they are many proves little while nobody
knows that they are independent."""
VARIANCE, VARIANCE_ANSWERS = 0.1, 4.0
"""Expected variance of agreement, worth so many answers: a few equal values are no proof of constancy."""


class Number(NamedTuple):
    """One source's number."""

    source: str
    value: float


@dataclass(frozen=True, slots=True)
class Change:
    """One source that is not what it was."""

    source: str
    agreed: float
    """Part of the other sources that agreed with it while answers were settled, 0-1."""
    agrees: float
    """The same since."""
    answers: int
    """Unsettled ones that this rests on."""


@dataclass(frozen=True, slots=True)
class Suspects:
    """Who is left out, and who shares a voice."""

    changed: tuple[Change, ...] = ()
    copies: tuple[frozenset[str], ...] = ()
    """Sets of sources that copy each other, each of two or more."""
    heard: frozenset[str] = frozenset()
    """Sources that are known well enough to be judged; the others are strangers, and may all be one."""

    @property
    def is_quiet(self) -> bool:
        """Whether nobody is suspected of anything."""
        return not self.changed and not self.copies

    def parts(self, replies: Sequence[tuple[str, str]]) -> list[float]:
        """Return how much of a voice each (source, answer) is: 0 for the changed, a share for copies that agree."""
        if self.is_quiet and all(source in self.heard for source, _ in replies):
            return [1.0] * len(replies)
        out = {change.source for change in self.changed}
        group = {name: n for n, names in enumerate(self.copies) for name in names}
        sizes: dict[tuple[int, str], int] = defaultdict(int)
        for source, label in replies:
            if source not in out:
                sizes[-1 if source not in self.heard else group.get(source, -2), label] += 1
        found: list[float] = []
        for source, label in replies:
            if source in out:
                found.append(0.0)
            elif source not in self.heard:
                found.append(1 / (1 + STRANGERS_ECHO * (sizes[-1, label] - 1)))
            else:
                found.append(1 / sizes[group[source], label] if source in group else 1.0)
        return found


def find_changed(settled: Sequence[Asked], unsettled: Sequence[Asked]) -> tuple[Change, ...]:
    """Return who no longer agrees with the others as it did while answers were settled."""
    return _fallen(_agreements(settled), _agreements(unsettled))


def find_strayed(settled: Sequence[Sequence[Number]], unsettled: Sequence[Sequence[Number]]) -> tuple[Change, ...]:
    """Return who no longer names numbers near the others', by question: `agreed` and `agrees` are then closeness, 0-1."""
    return _fallen(_closenesses(settled), _closenesses(unsettled))


def _fallen(
    before: dict[str, list[tuple[float, float]]], since: dict[str, list[tuple[float, float]]]
) -> tuple[Change, ...]:
    found: list[Change] = []
    for source in sorted(before.keys() & since.keys()):
        old, new = before[source], since[source]
        if min(len(old), len(new)) < CHANGED_ANSWERS:
            continue
        (m0, v0), (m1, v1) = _mean([lead for _, lead in old]), _mean([lead for _, lead in new])
        error = math.sqrt(v0 / len(old) + v1 / len(new))
        if m0 - m1 >= CHANGED_DROP and (m0 - m1) / error >= CHANGED_DEVIATIONS:
            agreed, agrees = (sum(part for part, _ in some) / len(some) for some in (old, new))
            found.append(Change(source, agreed, agrees, len(new)))
    return tuple(found)


def _closenesses(questions: Sequence[Sequence[Number]]) -> dict[str, list[tuple[float, float]]]:
    """Return, by source, 1 / (1 + distance), the distance to the median in units of the usual one, and its lead."""
    found: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for numbers in questions:
        if len(numbers) < 3:
            continue
        middle = median(number.value for number in numbers)
        usual = median(abs(number.value - middle) for number in numbers)
        if usual == 0:
            continue
        near = [1 / (1 + abs(number.value - middle) / usual) for number in numbers]
        average = sum(near) / len(near)
        for number, value in zip(numbers, near, strict=True):
            found[number.source].append((value, value - average))
    return found


def _agreements(questions: Sequence[Asked]) -> dict[str, list[tuple[float, float]]]:
    """Return, by source, the part of the others that agreed, and how far that is above the question's average."""
    found: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for asked in questions:
        others = len(asked.replies) - 1
        if others < 2:
            continue
        sizes: dict[str, int] = defaultdict(int)
        for reply in asked.replies:
            sizes[reply.label] += 1
        average = sum(size * (size - 1) for size in sizes.values()) / (others * (others + 1))
        for reply in asked.replies:
            part = (sizes[reply.label] - 1) / others
            found[reply.source].append((part, part - average))
    return found


def _mean(values: Sequence[float]) -> tuple[float, float]:
    mean = sum(values) / len(values)
    spread = sum((value - mean) ** 2 for value in values)
    return mean, (spread + VARIANCE * VARIANCE_ANSWERS) / (len(values) - 1 + VARIANCE_ANSWERS)


def find_copies(
    questions: Sequence[Case], beliefs: Sequence[Sequence[float]], *, out: frozenset[str] = frozenset()
) -> tuple[frozenset[str], ...]:
    """Return who copies whom, given the truth or a belief about it for each question; `out` are left out of it."""
    together: dict[tuple[str, str], list[int]] = {}
    for case, belief in zip(questions, beliefs, strict=True):
        top = max(range(len(belief)), key=belief.__getitem__)
        said = sorted((said.source, said.option) for said in case.said if said.source not in out)
        for (one, first), (other, second) in combinations(said, 2):
            if first != second:
                together.setdefault((one, other), [0, 0])[1] += 1
            elif first != top:
                together.setdefault((one, other), [0, 0])[0] += 1
    groups: list[set[str]] = []
    for pair in sorted(together):
        wrong, apart = together[pair]
        if wrong >= COPIED_ERRORS and apart <= COPY_RATIO * wrong:
            joined = [group for group in groups if group & set(pair)]
            groups = [group for group in groups if group not in joined] + [set(pair).union(*joined)]
    return tuple(frozenset(group) for group in groups)
