"""Learning from answers that nobody settled: what the panel believes stands in for the truth, settled questions hold it in place.

Expectation and maximisation: the panel's tempered belief about each unsettled question, then skills and confusion matrices
from settled truths and these beliefs, a few times over. Beliefs are tempered as if voices echoed, because sources that err
together would otherwise confirm each other. It may do harm, so nothing here is used unless the settled past, foretold without
its own truths, says that it helps; see `labels`.

Source: Dawid and Skene 1979; Nigam et al. 2000, "Text classification from labeled and unlabeled documents using EM".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from concertino.nodes.synthesis.learned.cases import Case
from concertino.nodes.synthesis.learned.confusion import Confusions, fit_confusions
from concertino.nodes.synthesis.learned.pooling import LogOdds
from concertino.nodes.synthesis.learned.skills import Seen, Skills, fit_skills, settled_answers
from concertino.nodes.synthesis.learned.tempering import Tempering

ROUNDS = 6
BELIEF = Tempering(echo=0.2, scale=1.0, slip=0.01)
"""How the panel's scores become beliefs; chosen by hand."""


def skills_with_unsettled(
    start: Skills, settled: Sequence[Case], unsettled: Sequence[Case], *, spread: float, standing: Mapping[str, float]
) -> Skills:
    """Return skills from settled truths and beliefs about the rest."""
    truths = settled_answers(settled)
    skills = start
    for n in range(ROUNDS):
        seen: dict[str, list[Seen]] = {name: list(answers) for name, answers in truths.items()}
        for case, belief in zip(unsettled, beliefs_of(LogOdds(skills, spread), unsettled), strict=True):
            for said in case.said:
                one = Seen(said.stated, belief[said.option], said.part * case.weight, case.domain)
                seen.setdefault(said.source, []).append(one)
        skills = fit_skills(seen, standing=standing, start=skills, rounds=8 if n == ROUNDS - 1 else 3)
    return skills


def confusions_with_unsettled(
    start: LogOdds, settled: Sequence[Case], unsettled: Sequence[Case], options: int
) -> Confusions:
    """Return confusion matrices from settled truths and beliefs about the rest; the first beliefs are the skills'."""
    beliefs = beliefs_of(start, unsettled)
    for _ in range(ROUNDS):
        found = fit_confusions(settled, options, unsettled=unsettled, beliefs=beliefs)
        beliefs = [BELIEF.probabilities(found.scores(case), len(case.said)) for case in unsettled]
    return fit_confusions(settled, options, unsettled=unsettled, beliefs=beliefs)


def beliefs_of(pooler: LogOdds, unsettled: Sequence[Case]) -> list[list[float]]:
    """Return one distribution for each question."""
    return [BELIEF.probabilities(pooler.scores(case), len(case.said)) for case in unsettled]
