"""How large a plan a task is worth before there is one: document 004's three patterns as advice to whoever drafts.

Advice only: a plan that goes past it is as valid as any other, and what a caller or a rule plans is never measured by it. A task
that tells too little of itself gets no bound but `Limits`, since one agent too few loses an answer and one too many only money.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from concertino.contracts.json import dump
from concertino.contracts.limits import Limits
from concertino.contracts.specialist import Cards, SpecialistCard
from concertino.contracts.task import Task
from concertino.nodes.planning import keywords
from concertino.nodes.planning.complexity import TermName, Tier, score_of, tier_of_score

TWO_LEVEL_SUBTASKS = 8
"""Specialists under one orchestrator, and who brings their findings together; the planner's default concurrency."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A tier, and what it means for a plan that is yet to be drafted."""

    tier: Tier
    subtasks: int
    """Most subtasks."""
    depth: int
    """Longest chain, counted in subtasks."""
    width: int
    """Most subtasks side by side."""
    advice: str
    """One sentence for whoever drafts; made of the tier alone, none of the task's words are in it."""
    because: str
    """What was counted."""


def advise(task: Task, cards: Cards, *, limits: Limits | None = None) -> Pattern:
    """Return the pattern for a task without a plan.

    Its domains and skills are those it names, and those of specialists that its title and description speak of by name, domain
    or capability, as whole words. Depth cannot be known yet and counts nothing.
    """
    bounds = limits or Limits()
    text = keywords.words(f"{task.title}\n{task.description}")
    spoken = [card for card in cards.values() if _is_spoken_of(card, text)]
    domains = {*task.domains, *(card.domain or card.name for card in spoken)}
    skills = {*task.capabilities, *(card.name for card in spoken)}
    size = len(dump(task.payload).encode()) + len(task.description.encode())
    values: dict[TermName, float] = {
        "domains": len(domains),
        "capabilities": len(skills),
        "criteria": len(task.acceptance_criteria),
        "depth": 0,
        "data_volume": math.log10(max(1, size)),
    }
    because = f"{len(domains)} domains, {len(skills)} skills, {len(task.acceptance_criteria)} criteria, {size:,} bytes"
    if not domains and not skills:
        whole = "The task does not tell how many specialists it needs: use as few as can answer all of it."
        return _full(bounds, whole, f"no specialist is spoken of; {because}")
    tier = tier_of_score(score_of(values))
    # One who is spoken of alone is enough; of several none can stand for the others.
    if tier == "single_agent" and len(domains) > 1:
        tier = "hierarchical_2_level"
    if tier == "single_agent":
        single = "One specialist is likely to be enough: plan a single subtask unless the task clearly needs another."
        return Pattern(tier, 1, 1, 1, single, because)
    if tier == "hierarchical_2_level":
        most = min(TWO_LEVEL_SUBTASKS, bounds.subtasks)
        two = "Plan two levels: specialists side by side, and at most one subtask that builds on all of them."
        return Pattern(tier, most, min(2, bounds.depth), most, two, because)
    return _full(
        bounds, "Plan as many specialists as the task needs, side by side wherever none needs another.", because
    )


def _full(limits: Limits, advice: str, because: str) -> Pattern:
    return Pattern("full_multi_agent", limits.subtasks, limits.depth, limits.subtasks, advice, because)


def _is_spoken_of(card: SpecialistCard, text: str) -> bool:
    names = (card.name, card.domain or "", *card.capabilities)
    return any(keywords.words(name).strip() and keywords.has(text, name.replace("_", " ")) for name in names)
