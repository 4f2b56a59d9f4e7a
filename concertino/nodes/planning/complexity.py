"""How complex a task is, and the pattern that this asks for.

    score = Σ weight · min(1, max(0, value - free) / (full - free))        over the five terms below

    term          weight  free  full   value
    domains        0.30     1     4    fields of knowledge: the task's and those of the specialists in the plan
    capabilities   0.25     1     6    different skills in the plan, or named by the task, whichever is more
    criteria       0.10     1     8    acceptance criteria
    depth          0.20     1     6    longest chain of subtasks
    data_volume    0.15     3     6    log10 of the bytes of payload and description: 1 kB is free, 1 MB is full

Weights and ranges were chosen by hand so that the checklist of document 004 comes out: what one specialist does in one
domain scores near 0, several domains with dependencies pass 0.3, several domains, many skills and a deep plan pass 0.7.
The tiers are document 004's: below 0.3 single_agent, below 0.7 hierarchical_2_level, else full_multi_agent.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict

from concertino.contracts.budget import Budget
from concertino.contracts.json import dump
from concertino.contracts.plan import Plan
from concertino.contracts.specialist import Cards
from concertino.contracts.task import Task
from concertino.nodes.planning import checklist, paths
from concertino.nodes.planning.checklist import Line

Tier = Literal["single_agent", "hierarchical_2_level", "full_multi_agent"]
TermName = Literal["domains", "capabilities", "criteria", "depth", "data_volume"]

TIERS: tuple[tuple[float, Tier], ...] = ((0.3, "single_agent"), (0.7, "hierarchical_2_level"))
"""Upper bound, exclusive, of each tier but the last. Source: document 004, progressive cost optimization."""

FORMULA: dict[TermName, tuple[float, float, float]] = {
    "domains": (0.30, 1, 4),
    "capabilities": (0.25, 1, 6),
    "criteria": (0.10, 1, 8),
    "depth": (0.20, 1, 6),
    "data_volume": (0.15, 3, 6),
}
"""Weight, free and full value of each term; the weights sum to 1."""


class Term(BaseModel):
    """One term of the score."""

    model_config = ConfigDict(frozen=True)

    value: float
    weight: float
    contribution: float
    """What it adds to the score, 0 to `weight`."""


class Complexity(BaseModel):
    """The score with everything it was made from."""

    model_config = ConfigDict(frozen=True)

    score: float
    """0-1, rounded to four digits."""
    tier: Tier
    terms: dict[TermName, Term]
    reasons: tuple[str, ...]
    """What speaks for one agent and for several, in document 004's words, each with its facts; first what speaks for `tier`."""
    checklist: tuple[Line, ...] = ()
    """Every line of document 004's checklist, those that do not hold too."""


def assess(task: Task, plan: Plan | None, cards: Cards, *, budget: Budget | None = None) -> Complexity:
    """Return the complexity of `task`, done as `plan` says; without a plan by what the task says of itself.

    The score alone makes the tier; the checklist says why, and where it would have it otherwise. `budget` is the run's.
    """
    values = _values(task, plan, cards)
    terms: dict[TermName, Term] = {name: _term(name, values[name]) for name in FORMULA}
    score = _sum(terms.values())
    tier = tier_of_score(score)
    lines = checklist.check(task, plan, cards, budget=budget)
    return Complexity(score=score, tier=tier, terms=terms, reasons=_reasons(lines, tier), checklist=lines)


def score_of(values: Mapping[TermName, float]) -> float:
    """Return the score of the five values, 0-1."""
    return _sum(_term(name, values[name]) for name in FORMULA)


def _sum(terms: Iterable[Term]) -> float:
    return round(min(1.0, math.fsum(term.contribution for term in terms)), 4)


def tier_of_score(score: float) -> Tier:
    """Return document 004's tier."""
    for bound, tier in TIERS:
        if score < bound:
            return tier
    return "full_multi_agent"


def _term(name: TermName, value: float) -> Term:
    weight, free, full = FORMULA[name]
    share = min(1.0, max(0.0, value - free) / (full - free))
    return Term(value=round(value, 3), weight=weight, contribution=round(weight * share, 4))


def _values(task: Task, plan: Plan | None, cards: Cards) -> dict[TermName, float]:
    subtasks = plan.subtasks if plan is not None else ()
    at_work = {subtask.specialist for subtask in subtasks if subtask.specialist in cards}
    domains = {*task.domains, *(card.domain for name, card in cards.items() if name in at_work and card.domain)}
    skills = {subtask.capability or subtask.specialist for subtask in subtasks}
    size = len(dump(task.payload).encode()) + len(task.description.encode())
    return {
        "domains": len(domains),
        "capabilities": max(len(skills), len(task.capabilities)),
        "criteria": len(task.acceptance_criteria),
        "depth": paths.depth(plan) if plan is not None else 0,
        "data_volume": math.log10(max(1, size)),
    }


def _reasons(lines: Sequence[Line], tier: Tier) -> tuple[str, ...]:
    one = [f"for a single agent: {line}" for line in lines if line.side == "single_agent" and line.holds]
    several = [f"for several agents: {line}" for line in lines if line.side == "multi_agent" and line.holds]
    return (*one, *several) if tier == "single_agent" else (*several, *one)
