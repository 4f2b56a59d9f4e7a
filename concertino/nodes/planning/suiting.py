"""Choosing specialists for a plan made without a model so that the planner's constraints hold as far as they can."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from concertino.contracts.specialist import Cards, Standings
from concertino.contracts.task import Task
from concertino.nodes.planning import conditions, routing
from concertino.nodes.planning.constraints import Constraints, Step
from concertino.nodes.planning.steps import does


def suited(
    chosen: Sequence[str],
    constraints: Constraints | None,
    *,
    task: Task,
    cards: Cards,
    standings: Standings,
    notes: list[str],
) -> list[str]:
    """Return `chosen` with whoever is required, must come before them or must end the plan, and without whom they must not meet.

    Of those who must not come together the one of the lowest authority that is not required goes; so does whoever is beyond
    `max_subtasks`. What cannot be had is left to the validator to refuse. Every change leaves a note.
    """
    if constraints is None:
        return list(chosen)
    holds = _decider(task)
    kept = list(chosen)
    musts: list[str] = []

    def call(step: Step, why: str) -> None:
        present = [name for name in kept if does(step, name, cards)]
        if not present and (able := _able(step, cards, standings, task.task_id)):
            kept.append(able[0])
            notes.append(f"{able[0]} works too: {why}")
            present = able[:1]
        musts.extend(name for name in present[:1] if name not in musts)

    for required in constraints.required:
        if holds(required.when):
            call(required.step, f"the step {required.step} is required")
    if constraints.ends and not any(does(step, name, cards) for step in constraints.ends for name in kept):
        call(constraints.ends[0], f"the plan must end in {constraints.ends[0]}")
    # What comes before may have something before it in turn.
    for _ in constraints.prerequisites:
        for rule in constraints.prerequisites:
            if any(does(rule.step, name, cards) for name in kept) and holds(rule.when):
                for step in rule.after:
                    call(step, f"{rule.step} comes only after {step}")

    return without_forbidden(kept, constraints, keep=musts, task=task, cards=cards, notes=notes)


def without_forbidden(
    chosen: Sequence[str],
    constraints: Constraints,
    *,
    keep: Collection[str],
    task: Task,
    cards: Cards,
    notes: list[str],
) -> list[str]:
    """Return `chosen` without those who must not meet, and no more than `max_subtasks`; whoever is in `keep` stays."""
    kept = list(chosen)
    holds = _decider(task)

    place = {name: at for at, name in enumerate(chosen)}

    def spare(candidates: Sequence[str]) -> list[str]:
        """Return who may go, whoever goes first in front."""
        free = [name for name in candidates if name not in keep]
        return sorted(free, key=lambda name: (cards[name].authority, -place[name]))

    def drop(gone: str, why: str) -> None:
        kept.remove(gone)
        notes.append(f"{gone} is left out: {why}")

    for combination in constraints.forbidden:
        # Side by side nobody shares a path.
        if combination.within == "plan" and holds(combination.when):
            why = f"{' and '.join(map(str, combination.steps))} must not come together"
            while met := _met([[name for name in kept if does(step, name, cards)] for step in combination.steps]):
                if not (free := spare(met)):
                    break
                drop(free[0], why)
    most = constraints.max_subtasks
    if most is not None and len(kept) > most:
        for name in spare(kept)[: len(kept) - most]:
            drop(name, f"at most {most} subtasks are allowed")
    return kept


def _met(members: Sequence[Sequence[str]]) -> list[str]:
    """Return everybody of whom a forbidden combination can be made; of one alone none can."""
    everybody = list(dict.fromkeys(name for found in members for name in found))
    return everybody if all(members) and len(everybody) >= len(members) else []


def _able(step: Step, cards: Cards, standings: Standings, task_id: str) -> list[str]:
    worker = step.name or step.specialist
    if worker is not None and worker in cards:
        return [routing.pick_variant(worker, cards, standings, task_id=task_id)]
    skill = step.name or step.capability
    return routing.rank(skill, cards, standings, task_id=task_id) if skill is not None else []


def _decider(task: Task) -> Callable[[str | None], bool]:
    scope = conditions.Scope(task.model_dump(mode="json", exclude={"plan"}))

    def holds(condition: str | None) -> bool:
        if condition is None:
            return True
        outcome = conditions.decide(condition, scope)
        return outcome.note is not None or outcome.value is True

    return holds
