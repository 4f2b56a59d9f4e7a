"""What each source says when each option is true: confusion matrices, shrunk to the source's accuracy and the panel's habits.

Row i of source s is a Dirichlet mean, (count + ROW_ANSWERS · expected) / (answers + ROW_ANSWERS), where `expected` is the panel's row
moved, in log odds, by as much as the source's accuracy lies above the panel's. Unsettled questions may count with the
probability of each option.

Source: Dawid and Skene 1979, "Maximum likelihood estimation of observer error-rates using the EM algorithm".
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from concertino.nodes.synthesis.learned.cases import Case, log_odds, sigmoid

ROW_ANSWERS = 6.0
SOURCE_ANSWERS = 4.0
PANEL_ANSWERS = 10.0
"""Per option. How many answers each prior is worth; chosen by hand."""
OPTION_QUESTIONS = 2.0
"""How many questions the flat prior over options is worth, each."""
EDGE = 0.005

Rows = list[list[float]]


@dataclass(frozen=True, slots=True)
class Confusions:
    """Everybody's matrix, as counts and as logarithms."""

    counts: Mapping[str, Rows]
    logs: Mapping[str, Rows]
    panel: Rows
    panel_logs: Rows
    accuracy: float
    """The panel's."""
    true: Sequence[float]
    """How often each option was true, prior included."""

    def scores(self, case: Case) -> list[float]:
        """Return the log of prior times likelihood by option."""
        return self._scores(case, self.logs)

    def scores_without(self, case: Case) -> list[float]:
        """Return the same as if this settled question were not in the counts."""
        own: dict[str, Rows] = {}
        for said in case.said:
            rows = [list(row) for row in self.counts[said.source]]
            rows[case.truth][said.option] -= case.weight * said.part
            own[said.source] = self.logs_of(rows)
        scores = self._scores(case, own)
        scores[case.truth] += math.log((self.true[case.truth] - case.weight) / self.true[case.truth])
        return scores

    def _scores(self, case: Case, logs: Mapping[str, Rows]) -> list[float]:
        size, total = len(self.true), math.log(sum(self.true))
        scores = [math.log(count) - total for count in self.true]
        for said in case.said:
            if 0 <= said.option < size:
                rows = logs.get(said.source, self.panel_logs)
                for i in range(size):
                    scores[i] += said.part * rows[i][said.option]
        # An option that history does not know cannot be judged by its habits: it gets what the least likely one gets.
        return scores + [min(scores)] * (case.options - size)

    def logs_of(self, counts: Rows) -> Rows:
        """Return a source's shrunk matrix as logarithms."""
        size = len(self.true)
        answers = sum(map(sum, counts))
        right = sum(counts[i][i] for i in range(size))
        accuracy = (right + SOURCE_ANSWERS * self.accuracy) / (answers + SOURCE_ANSWERS)
        lead = _odds(accuracy) - _odds(self.accuracy)
        found: Rows = []
        for i, row in enumerate(self.panel):
            hit = sigmoid(_odds(row[i]) + lead)
            factor = (1 - hit) / (1 - row[i])
            below = sum(counts[i]) + ROW_ANSWERS
            found.append(
                [
                    math.log((counts[i][j] + ROW_ANSWERS * (hit if i == j else factor * p)) / below)
                    for j, p in enumerate(row)
                ]
            )
        return found


def fit_confusions(
    settled: Sequence[Case], options: int, *, unsettled: Sequence[Case] = (), beliefs: Sequence[Sequence[float]] = ()
) -> Confusions:
    """Return the matrices; `beliefs` has one distribution for each unsettled question."""
    counts: dict[str, Rows] = {}
    true = [OPTION_QUESTIONS] * options

    def add(case: Case, option: int, mass: float) -> None:
        true[option] += mass
        for said in case.said:
            rows = counts.get(said.source)
            if rows is None:
                rows = counts[said.source] = [[0.0] * options for _ in range(options)]
            if 0 <= said.option < options:
                rows[option][said.option] += mass * said.part

    for case in settled:
        add(case, case.truth, case.weight)
    for case, belief in zip(unsettled, beliefs, strict=True):
        for option, mass in enumerate(belief):
            if mass > 1e-4:
                add(case, option, mass)
    sums = [[math.fsum(rows[i][j] for rows in counts.values()) for j in range(options)] for i in range(options)]
    accuracy = (sum(sums[i][i] for i in range(options)) + 1) / (sum(map(sum, sums)) + 2)
    accuracy = min(1 - EDGE, max(EDGE, accuracy))
    prior = PANEL_ANSWERS * options
    panel = [
        [
            (count + prior * (accuracy if i == j else (1 - accuracy) / (options - 1))) / (sum(row) + prior)
            for j, count in enumerate(row)
        ]
        for i, row in enumerate(sums)
    ]
    bare = Confusions(counts, {}, panel, [[math.log(p) for p in row] for row in panel], accuracy, true)
    logs = {name: bare.logs_of(rows) for name, rows in counts.items()}
    return Confusions(counts, logs, panel, bare.panel_logs, accuracy, true)


def _odds(p: float) -> float:
    return log_odds(min(1 - EDGE, max(EDGE, p)))
