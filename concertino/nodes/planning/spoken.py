"""Whom workflows and constraints speak of, so that a name which nobody has is found before anything runs."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Literal, NamedTuple

from concertino.contracts.errors import SetupError
from concertino.contracts.specialist import Cards
from concertino.nodes.planning import routing
from concertino.nodes.planning.constraints import Constraints
from concertino.nodes.planning.faults import Faults
from concertino.nodes.planning.workflows import Workflow


class Spoken(NamedTuple):
    """One name, and what it must be."""

    place: str
    kind: Literal["specialist", "capability", "either"]
    name: str


def spoken_of(workflow: Workflow) -> Iterator[Spoken]:
    """Yield every specialist and capability that a workflow speaks of."""
    start = f"workflow {workflow.name}: plan"
    plan = workflow.plan
    for at, template in enumerate(plan.subtasks):
        places = ((f"{start}.subtasks[{at}]", template), (f"{start}.subtasks[{at}].on_failure", template.on_failure))
        for place, asked in places:
            if asked is not None and asked.specialist is not None:
                yield Spoken(f"{place}.specialist", "specialist", asked.specialist)
            if asked is not None and asked.capability is not None:
                yield Spoken(f"{place}.capability", "capability", asked.capability)
    for at, hole in enumerate(plan.holes):
        yield from (Spoken(f"{start}.holes[{at}].specialists", "specialist", name) for name in hole.specialists)
        yield from (Spoken(f"{start}.holes[{at}].capabilities", "capability", name) for name in hole.capabilities)
    if plan.constraints is not None:
        own = {*(template.id for template in plan.subtasks), *(hole.id for hole in plan.holes)}
        yield from spoken_in(plan.constraints, place=f"{start}.constraints", own=own)


def spoken_in(constraints: Constraints, *, place: str, own: Collection[str] = ()) -> Iterator[Spoken]:
    """Yield every specialist and capability that constraints speak of; `own` are a workflow's templates and holes."""
    for step in dict.fromkeys(constraints.steps):
        if step.specialist is not None:
            yield Spoken(place, "specialist", step.specialist)
        elif step.capability is not None:
            yield Spoken(place, "capability", step.capability)
        elif step.name is not None and step.name not in own:
            yield Spoken(place, "either", step.name)


def refuse_unknown(spoken: Iterator[Spoken], cards: Cards) -> None:
    """Refuse the first name that no specialist has.

    Raises:
        SetupError: with its place and the nearest known name.
    """
    skills = {skill for name in cards for skill in routing.capabilities(name, cards)}
    known: dict[str, Collection[str]] = {
        "specialist": cards, "capability": skills, "either": {*cards, *skills},
    }  # fmt: skip
    whose = {
        "specialist": "no such specialist here", "capability": "no specialist here has it",
        "either": "neither a specialist nor a capability here",
    }  # fmt: skip
    for place, kind, name in spoken:
        if name not in known[kind]:
            raise SetupError(field=place, value=name, rule=f"{whose[kind]}; {Faults().nearest(name, known[kind])}")


def refuse_subtask_steps(constraints: Constraints, *, field: str) -> None:
    """Refuse constraints for every plan that speak of one workflow's templates.

    Raises:
        SetupError: as said.
    """
    for step in constraints.steps:
        if step.subtask is not None:
            rule = "a workflow's own constraints speak of its subtasks; here name a specialist or a capability"
            raise SetupError(field=field, value=step.subtask, rule=rule)
