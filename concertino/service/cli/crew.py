"""Who is there to plan for, by which rules, with what: named on the command line, or a pack's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from concertino.contracts.budget import Budget
from concertino.contracts.errors import InputError
from concertino.contracts.ids import is_id
from concertino.contracts.specialist import SpecialistCard
from concertino.contracts.task import Task

if TYPE_CHECKING:
    from concertino.nodes.planning.workflows import Workflow
    from concertino.nodes.specialists.declare import Specialist
    from concertino.tools.registry import Tool

PACKS = {
    "diligence": "concertino.packs.diligence.planner:diligence_planner",
    "offers": "concertino.packs.offers.planner:offers_planner",
}
"""What makes each pack's planner."""


@dataclass(frozen=True, slots=True)
class Crew:
    """Specialists and rules, with what is known of their costs."""

    cards: Mapping[str, SpecialistCard]
    rules: Sequence[Workflow] = ()
    specialists: Mapping[str, Specialist] = field(default_factory=dict)
    """Those of the cards that can also run; a file only describes."""
    tools: Mapping[str, Tool] = field(default_factory=dict)
    """What all specialists may call."""
    budget: Budget = field(default_factory=Budget)
    """Bounds of a run."""
    prepare: Callable[[Task], Task] | None = None
    """A pack's own completion of a task."""
    is_real: bool = True
    """Whether anybody said who is there; else they are taken as plan and rules name them."""


def crew_of(task: Task, *, specialists: str | None, pack: str | None, workflows: Sequence[str]) -> Crew:
    """Return who is there for `task`.

    Raises:
        InputError: an unknown pack, a faulty file or reference, or nobody is named anywhere.
        SetupError: something cannot be a specialist.
    """
    from concertino.nodes.planning.workflows import load_workflows
    from concertino.service.cli.declared import is_reference, read_cards
    from concertino.service.cli.named import specialists_of

    rules = load_workflows(list(workflows))
    if pack is not None:
        if specialists is not None:
            raise InputError(field="--specialists", value=specialists, rule="cannot go with --pack, which has its own")
        return _of_pack(pack, rules)
    if specialists is None:
        cards = named_in(task, rules)
        if not cards and task.plan is None:
            rule = "nobody is there to plan for: name them with --specialists, --pack, or rules with --workflows"
            raise InputError(field="--specialists", value=None, rule=rule)
        return Crew(cards, rules, is_real=False)
    if is_reference(specialists):
        known = {one.name: one for one in specialists_of(specialists)}
        return Crew({name: one.card for name, one in known.items()}, rules, known)
    return Crew(read_cards(specialists), rules)


def _of_pack(name: str, rules: Sequence[Workflow]) -> Crew:
    from concertino.graph.runs.money import for_work
    from concertino.service.cli.named import load

    if name not in PACKS:
        raise InputError(field="--pack", value=name, rule=f"must be one of: {', '.join(PACKS)}")
    options = load(PACKS[name], field="--pack")().conductor.options
    return Crew(
        cards=options.cards,
        rules=(*rules, *options.workflows),
        specialists=options.specialists,
        tools=options.tools,
        budget=for_work(options, options.policy.budget),
        prepare=options.prepare,
    )


def named_in(task: Task, rules: Sequence[Workflow]) -> dict[str, SpecialistCard]:
    """Return a card for every specialist and capability that the plan and the rules speak of."""
    listed = (task.plan or {}).get("subtasks")
    ready = [entry for entry in listed if isinstance(entry, dict)] if isinstance(listed, list) else []
    spoken: list[tuple[object, object]] = [(entry.get("specialist"), entry.get("capability")) for entry in ready]
    spoken += [(one.specialist, one.capability) for rule in rules for one in rule.plan.subtasks]
    cards: dict[str, SpecialistCard] = {}
    for name, capability in spoken:
        if isinstance(name, str) and is_id(name):
            cards.setdefault(name, SpecialistCard(name))
        elif isinstance(capability, str) and is_id(capability):
            cards.setdefault(capability, SpecialistCard(capability, capabilities=frozenset({capability})))
    return cards
