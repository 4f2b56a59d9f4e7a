"""`concertino plan`: what would run, before anything does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from concertino.service.cli.output import emit, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from concertino.contracts.specialist import SpecialistCard
    from concertino.contracts.task import Task
    from concertino.nodes.planning.workflows import Workflow


def plan(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A task, or a plan; `-` reads standard input.")],
    workflows: Annotated[
        list[str] | None, typer.Option(metavar="FILE", help="Rules that plan; may be repeated.")
    ] = None,
    specialists: Annotated[
        str | None, typer.Option(metavar="MODULE:NAME", help="The specialists to check against, as Python knows them.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON alone, without the table.")] = False,
    mermaid: Annotated[bool, typer.Option("--mermaid", help="A Mermaid drawing instead of JSON.")] = False,
) -> None:
    """Check a plan, or show what rules make of a task.

    Faults are named with their place and a fix.
    """
    from concertino.contracts.limits import Limits
    from concertino.contracts.task import read_task
    from concertino.nodes.planning.complexity import assess
    from concertino.nodes.planning.first_draft import first_draft
    from concertino.nodes.planning.paths import critical_path
    from concertino.nodes.planning.validate import validate_draft
    from concertino.nodes.planning.workflows import load_workflows
    from concertino.service.cli.drawing import as_mermaid, as_table
    from concertino.service.cli.source import read_object

    limits = Limits()
    given = read_object(file, field="FILE", limits=limits)
    task = read_task({"plan": given} if "subtasks" in given else given, limits=limits)
    rules = load_workflows(workflows or [])
    cards = _declared(specialists) if specialists else _named(task, rules)
    draft = first_draft(task, rules, cards, limits=limits)
    valid = validate_draft(draft, task=task, cards=cards, limits=limits)
    longest = critical_path(valid)
    if mermaid:
        typer.echo(as_mermaid(valid))
        return
    emit(
        {
            "plan": valid.model_dump(mode="json", exclude_none=True),
            "complexity": assess(task, valid, cards).model_dump(mode="json"),
            "critical_path": {"seconds": longest.seconds, "subtasks": list(longest.ids)},
        }
    )
    if not as_json:
        say(as_table(valid))
        say(f"longest path: {longest.seconds:g} s, {' → '.join(longest.ids)}")
    if not specialists:
        say("specialists were taken as they are named; --specialists MODULE:NAME checks against real ones")


def _declared(reference: str) -> dict[str, SpecialistCard]:
    """Return the cards of the specialists that `module:name` holds; the current directory can be imported from.

    Raises:
        InputError: no such module or name, or not a list of specialists.
        SetupError: something in it cannot be a specialist.
    """
    from concertino.contracts.errors import InputError
    from concertino.nodes.specialists.declare import as_specialist
    from concertino.service.cli.named import load

    found = load(reference, field="--specialists")
    if not isinstance(found, list | tuple):
        raise InputError(field="--specialists", value=type(found).__name__, rule="must be a list of specialists")
    return {declared.name: declared.card for declared in map(as_specialist, found)}


def _named(task: Task, rules: Sequence[Workflow]) -> dict[str, SpecialistCard]:
    """Return a card for every specialist and capability that the plan and the rules speak of."""
    from concertino.contracts.ids import is_id
    from concertino.contracts.specialist import SpecialistCard

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
