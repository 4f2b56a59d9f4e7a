"""What a person names as `module:name`: a list of specialists, or what makes a planner."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from concertino.contracts.event import Event
    from concertino.contracts.json import JsonObject
    from concertino.graph.planner import Planner
    from concertino.nodes.specialists.declare import Specialist

PlannerName = Annotated[
    str | None,
    typer.Option(
        "--planner",
        envvar="CONCERTINO_PLANNER",
        metavar="MODULE:NAME",
        help="For a task that is no agent's: the function that makes its Planner from the database's address.",
    ),
]


@dataclass(frozen=True, slots=True)
class OwnRun:
    """How a run of somebody's own planner came out; the fields that the commands show."""

    run_id: str
    status: str
    output: JsonObject
    artifacts: None = None

    @property
    def result(self) -> JsonObject:
        """Return the planner's result, which is the output."""
        return self.output


def load(reference: str, *, field: str) -> Any:
    """Return what `module:name` names; the current directory can be imported from.

    Raises:
        InputError: no such module or name.
    """
    from concertino.contracts.errors import InputError

    module, _, name = reference.partition(":")
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise InputError(field=field, value=reference, rule=f"must be MODULE:NAME: {error}") from error


def specialists_of(reference: str) -> list[Specialist]:
    """Return the specialists in the list that `module:name` holds.

    Raises:
        InputError: no such module or name, or not a list of specialists.
        SetupError: something in it cannot be a specialist.
    """
    from concertino.contracts.errors import InputError
    from concertino.nodes.specialists.declare import as_specialist

    found = load(reference, field="--specialists")
    if not isinstance(found, list | tuple):
        raise InputError(field="--specialists", value=type(found).__name__, rule="must be a list of specialists")
    return [as_specialist(one) for one in found]


def carry_on(
    reference: str, task_id: str, *, database: str, restart: bool, on_event: Callable[[Event], None]
) -> OwnRun:
    """Resume or restart a task with the planner that `reference` makes.

    Raises:
        InputError: `reference` is not a function that returns a Planner.
    """
    from concertino.contracts.errors import InputError
    from concertino.graph.planner import Planner

    make = load(reference, field="--planner")
    planner: Planner | Any = make(database) if callable(make) else make
    if not isinstance(planner, Planner):
        rule = "must be a function of the database's address that returns a Planner"
        raise InputError(field="--planner", value=reference, rule=rule)
    with planner:
        carried = planner.restart if restart else planner.resume
        result = carried(task_id, on_event=on_event)
    return OwnRun(run_id=task_id, status=str(result["status"]), output=result)
