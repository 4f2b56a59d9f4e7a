"""What learned synthesis is measured against: six plain ways to merge labels, each with a confidence of its own."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

from synthesis_data import Question, Split

Guess = tuple[str | float, float]
"""An answer and the confidence in it, 0-1."""
PRIOR = 4.0
ROUNDS = 40


def majority(cut: Split) -> list[Guess]:
    return [_elected(question, [1.0] * len(question.said)) for question in cut.test]


def default(cut: Split) -> list[Guess]:
    """Document 004's weights with authority 1 for all; the confidence is the share."""
    return [_elected(question, [said.confidence for said in question.said]) for question in cut.test]


def authority(cut: Split) -> list[Guess]:
    """The same with the learned authority: a Beta mean around the panel's accuracy."""
    skill = _skills(cut.history)
    return [
        _elected(question, [said.confidence * skill(said.source) for said in question.said]) for question in cut.test
    ]


def log_odds(cut: Split) -> list[Guess]:
    """Every source's log odds of being right, added up; confidence by softmax."""
    skill = _skills(cut.history)
    return [_softmaxed(question, {said.source: skill(said.source) for said in question.said}) for question in cut.test]


def best_single(cut: Split) -> list[Guess]:
    """The present source with the best history alone; its learned accuracy is the confidence."""
    skill = _skills(cut.history)
    found: list[Guess] = []
    for question in cut.test:
        best = max(question.said, key=lambda said: skill(said.source))
        found.append((best.answer, skill(best.source)))
    return found


def dawid_skene(cut: Split) -> list[Guess]:
    """Dawid and Skene 1979 with the labelled questions held at their truth and the test's answers as unlabelled ones.

    Add-one smoothing (0.01 off the diagonal is usual; here 0.1 and 1 on it), majority as the start.
    """
    questions = [*cut.history, *cut.test]
    classes = questions[0].classes
    place = {name: n for n, name in enumerate(classes)}
    k = len(classes)
    beliefs: list[list[float]] = []
    for n, question in enumerate(questions):
        belief = [0.0] * k
        if n < len(cut.history):
            belief[place[str(question.truth)]] = 1.0
        else:
            for said in question.said:
                belief[place[str(said.answer)]] += 1 / len(question.said)
        beliefs.append(belief)
    for _ in range(ROUNDS):
        counts: dict[str, list[list[float]]] = defaultdict(
            lambda: [[1.0 if i == j else 0.1 for j in range(k)] for i in range(k)]
        )
        prior = [1.0] * k
        for question, belief in zip(questions, beliefs, strict=True):
            for i, mass in enumerate(belief):
                prior[i] += mass
                if mass > 1e-9:
                    for said in question.said:
                        counts[said.source][i][place[str(said.answer)]] += mass
        logs = {name: [[math.log(x / sum(row)) for x in row] for row in rows] for name, rows in counts.items()}
        start = [math.log(x / sum(prior)) for x in prior]
        for n in range(len(cut.history), len(questions)):
            scores = list(start)
            for said in questions[n].said:
                rows, j = logs[said.source], place[str(said.answer)]
                for i in range(k):
                    scores[i] += rows[i][j]
            top = max(scores)
            raised = [math.exp(score - top) for score in scores]
            beliefs[n] = [x / sum(raised) for x in raised]
    found: list[Guess] = []
    for belief in beliefs[len(cut.history) :]:
        top = max(range(k), key=belief.__getitem__)
        found.append((classes[top], belief[top]))
    return found


BASELINES: Mapping[str, Callable[[Split], list[Guess]]] = {
    "majority": majority,
    "default": default,
    "authority": authority,
    "log odds": log_odds,
    "best single": best_single,
    "Dawid-Skene": dawid_skene,
}


def _skills(history: Sequence[Question]) -> Callable[[str], float]:
    right: dict[str, float] = defaultdict(float)
    seen: dict[str, int] = defaultdict(int)
    for question in history:
        for said in question.said:
            seen[said.source] += 1
            right[said.source] += _is_right(question, said.answer)
    mean = sum(right.values()) / max(1, sum(seen.values()))
    return lambda source: (mean * PRIOR + right[source]) / (PRIOR + seen[source])


def _is_right(question: Question, answer: str | float) -> bool:
    if question.tolerance is None:
        return answer == question.truth
    return abs(float(answer) - float(question.truth)) <= question.tolerance


def _elected(question: Question, weights: Sequence[float]) -> Guess:
    votes: dict[str | float, float] = defaultdict(float)
    for said, weight in zip(question.said, weights, strict=True):
        votes[said.answer] += weight
    best = max(votes, key=votes.__getitem__)
    total = sum(votes.values())
    return best, votes[best] / total if total else 1 / len(votes)


def _softmaxed(question: Question, skill: Mapping[str, float]) -> Guess:
    k = len(question.classes)
    scores = dict.fromkeys(question.classes, 0.0)
    for said in question.said:
        p = min(0.99, max(0.01, skill[said.source]))
        scores[str(said.answer)] += math.log(p / (1 - p) * (k - 1))
    best = max(scores, key=scores.__getitem__)
    return best, 1 / sum(math.exp(score - scores[best]) for score in scores.values())


def _numbers(cut: Split, weigh: Callable[[str, float], float]) -> list[tuple[float, float]]:
    found: list[tuple[float, float]] = []
    for question in cut.test:
        weights = [weigh(said.source, said.confidence) for said in question.said]
        total = sum(weights) or 1.0
        value = sum(float(said.answer) * weight for said, weight in zip(question.said, weights, strict=True)) / total
        confidence = sum(said.confidence * weight for said, weight in zip(question.said, weights, strict=True)) / total
        found.append((value, confidence))
    return found


def number_mean(cut: Split) -> list[tuple[float, float]]:
    """The plain mean; the confidence is the mean stated one, here and below."""
    return _numbers(cut, lambda source, confidence: 1.0)


def number_median(cut: Split) -> list[tuple[float, float]]:
    return [
        (statistics.median(float(said.answer) for said in question.said), confidence)
        for question, (_, confidence) in zip(cut.test, number_mean(cut), strict=True)
    ]


def number_default(cut: Split) -> list[tuple[float, float]]:
    """Document 004's weighted mean."""
    return _numbers(cut, lambda source, confidence: confidence)


def number_authority(cut: Split) -> list[tuple[float, float]]:
    """The same with the learned authority: how often a source was within the tolerance."""
    skill = _skills(cut.history)
    return _numbers(cut, lambda source, confidence: confidence * skill(source))


def number_precision(cut: Split) -> list[tuple[float, float]]:
    """Weighted by the inverse of each source's mean squared error."""
    squares: dict[str, list[float]] = defaultdict(lambda: [1e-6])
    for question in cut.history:
        for said in question.said:
            squares[said.source].append((float(said.answer) - float(question.truth)) ** 2)
    return _numbers(cut, lambda source, confidence: 1 / statistics.mean(squares[source]))


def number_best(cut: Split) -> list[tuple[float, float]]:
    """The present source with the least mean absolute error in its history."""
    sizes: dict[str, list[float]] = defaultdict(list)
    for question in cut.history:
        for said in question.said:
            sizes[said.source].append(abs(float(said.answer) - float(question.truth)))
    found: list[tuple[float, float]] = []
    for question in cut.test:
        known = [said for said in question.said if sizes[said.source]] or list(question.said)
        best = min(known, key=lambda said: statistics.mean(sizes[said.source] or [math.inf]))
        found.append((float(best.answer), best.confidence))
    return found


NUMBER_BASELINES: Mapping[str, Callable[[Split], list[tuple[float, float]]]] = {
    "mean": number_mean,
    "median": number_median,
    "default": number_default,
    "authority": number_authority,
    "precision": number_precision,
    "best single": number_best,
}
