"""Whether a plan can fit its budget at all, before anything is spent."""

from __future__ import annotations

import math
from collections.abc import Sequence

from concertino.contracts.budget import DIMENSIONS, Budget, Dimension
from concertino.nodes.planning import paths
from concertino.nodes.planning.sketch import Sketch


def check_budget(sketch: Sketch, budget: Budget) -> None:
    """Refuse a plan whose stated needs pass what there is.

    A subtask's own budget is its need: the sum over the plan must fit the run's budget and the workflow's, the sum of one
    specialist's subtasks that specialist's. Subtasks without one share what is left. The `seconds` of a subtask are a bound,
    not a need, and the run's deadline cuts them.
    """
    bounds = [("the run", budget)]
    if sketch.header.budget is not None:
        bounds.append(("the plan", sketch.header.budget))
    for dimension in DIMENSIONS:
        needs = [_need(subtask.budget, dimension) for subtask in sketch.subtasks]
        if not any(needs):
            continue
        for whose, bound in bounds:
            limit = getattr(bound, dimension)
            if limit is not None and _total(needs) > limit:
                _complain(sketch, needs, dimension, whose, limit)
                break
        _check_specialists(sketch, needs, dimension)


def check_deadline(sketch: Sketch, budget: Budget, ordered: Sequence[int], ranks: Sequence[int]) -> None:
    """Refuse a plan whose longest required chain takes longer than there is, by its own estimates.

    Only estimates that were stated count: the default of one second is no claim. A chain that leads to nothing required may be
    cut off, and does not count either. Stages are put end to end.
    """
    limits = [
        bound.seconds for bound in (budget, sketch.header.budget) if bound is not None and bound.seconds is not None
    ]
    if not limits:
        return
    limit = min(limits)
    stated = [subtask.estimate_s if "estimate_s" in subtask.model_fields_set else 0.0 for subtask in sketch.subtasks]
    needs = [[need for need in found if ranks[need] == ranks[at]] for at, found in enumerate(sketch.needs)]
    total, before = paths.longest(needs, stated, ordered)
    ends: dict[int, int] = {}
    for at, subtask in enumerate(sketch.subtasks):
        if subtask.required and (ranks[at] not in ends or total[at] > total[ends[ranks[at]]]):
            ends[ranks[at]] = at
    seconds = math.fsum(total[end] for end in ends.values())
    if seconds > limit:
        ids = [sketch.id(at) for rank in sorted(ends) for at in paths.chain(ends[rank], before)]
        sketch.faults.add(
            "over_deadline", "plan.subtasks", seconds,
            f"the chain {' → '.join(ids[:12])}{' → …' if len(ids) > 12 else ''} is estimated at {seconds:g} s, there are {limit:g} s",
            "shorten the chain, correct estimate_s, or allow more seconds", subtasks=ids,
        )  # fmt: skip


def _need(budget: Budget | None, dimension: Dimension) -> float:
    value = getattr(budget, dimension) if budget is not None else None
    return float(value) if value is not None else 0.0


def _total(needs: Sequence[float]) -> float:
    """Return a sum as the ledger keeps it, dollars in billionths: 0.1 and 0.2 fit into 0.3."""
    return round(math.fsum(needs), 9)


def _complain(sketch: Sketch, needs: Sequence[float], dimension: str, whose: str, limit: float) -> None:
    alone = [at for at, need in enumerate(needs) if need > limit]
    for at in alone:
        sketch.faults.add(
            "over_budget", f"{sketch.places[at]}.budget.{dimension}", needs[at],
            f"{needs[at]:g} {dimension} asked, {whose} has {limit:g}", f"ask for at most {limit:g}", subtasks=(sketch.id(at),),
        )  # fmt: skip
    if not alone:
        total = _total(needs)
        sketch.faults.add(
            "over_budget", "plan.subtasks", total,
            f"the subtasks' budgets add up to {total:g} {dimension}, {whose} has {limit:g}",
            f"take {total - limit:g} {dimension} off them, or raise the budget",
            subtasks=[sketch.id(at) for at, need in enumerate(needs) if need],
        )  # fmt: skip


def _check_specialists(sketch: Sketch, needs: Sequence[float], dimension: Dimension) -> None:
    asked: dict[str, list[int]] = {}
    for at, card in enumerate(sketch.staff):
        if card is not None and needs[at]:
            asked.setdefault(card.name, []).append(at)
    for name, members in asked.items():
        limit = getattr(sketch.cards[name].budget, dimension)
        total = _total([needs[at] for at in members])
        if limit is not None and total > limit:
            sketch.faults.add(
                "over_budget", f"{sketch.places[members[0]]}.budget.{dimension}", total,
                f"its subtasks ask for {total:g} {dimension}, {name} may use {limit:g} a run",
                f"ask for at most {limit:g} in all", subtasks=[sketch.id(at) for at in members],
            )  # fmt: skip
