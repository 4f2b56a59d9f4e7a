"""Checking what `create_planner` is given, so that whatever cannot work is said before anything runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar, cast

from langgraph.checkpoint.base import BaseCheckpointSaver
from pydantic import BaseModel, ValidationError

from concertino.budgets import Ledger
from concertino.budgets.shares import allocate
from concertino.contracts.budget import Budget
from concertino.contracts.clock import Clock
from concertino.contracts.errors import SetupError
from concertino.contracts.journal import Journal
from concertino.contracts.task import input_error
from concertino.graph.options import Options
from concertino.graph.runs.money import WORK
from concertino.journal.open import open_journal
from concertino.nodes.planning.constraints import Constraints
from concertino.nodes.planning.gate_policy import GatePolicy
from concertino.nodes.planning.routing import RESERVED_NAMES
from concertino.nodes.planning.spoken import refuse_subtask_steps, refuse_unknown, spoken_in, spoken_of
from concertino.nodes.planning.workflows import Workflow, load_workflows
from concertino.nodes.specialists.declare import Specialist, as_specialist, with_authority
from concertino.nodes.synthesis.authority import fraction
from concertino.tools.models.caps import check_cap, find_models
from concertino.tools.models.prices import Price, given_price

Model = TypeVar("Model", bound=BaseModel)

NODES = ("plan", WORK, "synthesize")
"""Nodes of the ledger that may have a budget of their own."""


def model(kind: type[Model], given: object, *, field: str) -> Model:
    """Return `given`, a model or the mapping it is made of, as a model; nothing at all gives its defaults.

    Raises:
        InputError: with the faulty field.
    """
    if isinstance(given, kind):
        return given
    try:
        return kind.model_validate({} if given is None else given)
    except ValidationError as error:
        raise input_error(error, field=field) from error


def budgets(
    budget: Budget, floor: object, nodes: Mapping[str, object] | None
) -> tuple[Budget | None, dict[str, Budget]]:
    """Return the floor and the budgets of nodes.

    Raises:
        SetupError: no such node, or a floor that the run's budget cannot hold.
        InputError: a faulty budget.
    """
    kept = None if floor is None else model(Budget, floor, field="floor")
    Ledger(budget, floor=kept)
    if nodes is not None and not isinstance(nodes, Mapping):
        raise SetupError(field="node_budgets", value=nodes, rule="must be budgets by node")
    for node in nodes or ():
        if node not in NODES:
            raise SetupError(field="node_budgets", value=node, rule=f"must be one of: {', '.join(NODES)}")
    return kept, {node: model(Budget, bound, field=f"node_budgets.{node}") for node, bound in (nodes or {}).items()}


def shares_of(shares: object, specialists: Mapping[str, Specialist]) -> dict[str, float]:
    """Return shares of the run's budget, document 004's names of our own nodes turned into ours.

    Raises:
        SetupError: a share that is none, or of nobody.
    """
    if shares is None:
        return {}
    if not isinstance(shares, Mapping):
        raise SetupError(field="shares", value=shares, rule="must be shares by name")
    allocate(Budget(), shares)
    given = {str(name): float(share) for name, share in shares.items()}
    ours = {"orchestrator": "plan", "plan": "plan", "synthesis": "synthesize", "synthesize": "synthesize"}
    for name in given:
        if name not in ours and name not in specialists:
            there = ", ".join((*specialists, "orchestrator", "synthesis"))
            raise SetupError(field=f"shares.{name}", value=name, rule=f"must be one of: {there}")
    return {name if name in specialists else ours[name]: share for name, share in given.items()}


def prices_of(prices: object) -> dict[str, Price]:
    """Return a caller's prices by model.

    Raises:
        SetupError: a faulty one.
    """
    if prices is not None and not isinstance(prices, Mapping):
        raise SetupError(field="prices", value=prices, rule="must be prices by model")
    return {str(name): given_price(given, field=f"prices.{name}") for name, given in (prices or {}).items()}


def dollars_limited(options: Options, budget: Budget | None = None) -> bool:
    """Say whether anything bounds a run's dollars; `budget` is the run's own, where it is not the planner's."""
    bounds = [budget or options.policy.budget, *options.node_budgets.values()]
    bounds += [known.card.budget for known in options.specialists.values()]
    return any(bound.usd is not None for bound in bounds)


def tokens_limited(options: Options) -> bool:
    """Say whether anything bounds what a model's answers may cost: a run's tokens or dollars, a node's, a specialist's."""
    bounds = [options.policy.budget, *options.node_budgets.values()]
    bounds += [known.card.budget for known in options.specialists.values()]
    return any(bound.tokens is not None or bound.usd is not None for bound in bounds)


def check_foreign(options: Options) -> None:
    """Refuse specialists with models of their own that set no output cap, where tokens or dollars are limited.

    Raises:
        SetupError: names the specialist and the model.
    """
    if options.allow_uncapped or not tokens_limited(options):
        return
    for name, known in options.specialists.items():
        for found in find_models(known.body):
            check_cap(found, f"specialists.{name}")


def journal_of(given: object, *, clock: Clock) -> Journal:
    """Return the journal at an address, one in memory for `None`, or the one that is given.

    Raises:
        SetupError: none of these.
    """
    if given is None or isinstance(given, str):
        return open_journal(given, clock=clock)
    if not callable(getattr(given, "admit", None)):
        raise SetupError(field="journal", value=given, rule="must be sqlite:///FILE or a Journal")
    return cast("Journal", given)


def check_parts(*, checkpointer: object, name: object, **functions: object) -> None:
    """Refuse a checkpointer, a name or a function that is none.

    Raises:
        SetupError: as said.
    """
    if checkpointer is not None and not isinstance(checkpointer, bool | BaseCheckpointSaver):
        raise SetupError(field="checkpointer", value=checkpointer, rule="must be a LangGraph saver")
    if not isinstance(name, str) or not name:
        raise SetupError(field="name", value=name, rule="must be text")
    for field, function in functions.items():
        if function is not None and not callable(function):
            raise SetupError(field=field, value=function, rule="must be a function")


def flag(given: object, *, field: str) -> bool:
    """Return a boolean; nothing else is taken for one.

    Raises:
        SetupError: it is none.
    """
    if not isinstance(given, bool):
        raise SetupError(field=field, value=given, rule="must be true or false")
    return given


def count(given: object, *, field: str, most: int) -> int:
    """Return a whole number from 0 to `most`.

    Raises:
        SetupError: it is none.
    """
    if not isinstance(given, int) or isinstance(given, bool) or not 0 <= given <= most:
        raise SetupError(field=field, value=given, rule=f"must be a whole number from 0 to {most}")
    return given


def staff(given: Any, authority: Mapping[str, float] | None) -> tuple[dict[str, Specialist], dict[str, float]]:
    """Return the specialists and the authorities by name.

    Raises:
        SetupError: no specialists, one that is none, a name that is taken or ours, an unknown variant.
        InputError: an authority outside 0-1.
    """
    if authority is not None and not isinstance(authority, Mapping):
        raise SetupError(field="authority", value=authority, rule="must be numbers from 0 to 1 by specialist")
    trust = {who: fraction(value, field=f"authority.{who}") for who, value in (authority or {}).items()}
    if isinstance(given, str | Mapping) or not isinstance(given, Iterable) or not (listed := list(given)):
        raise SetupError(field="specialists", value=given, rule="must be a list of at least one")
    found: dict[str, Specialist] = {}
    for number, item in enumerate(listed):
        one = with_authority(as_specialist(item, field=f"specialists[{number}]"), trust)
        if one.name in RESERVED_NAMES:
            raise SetupError(field=f"specialists[{number}]", value=one.name, rule="this name is a node of our own")
        if one.name in found:
            raise SetupError(field=f"specialists[{number}]", value=one.name, rule="this name is taken already")
        found[one.name] = one
    for one in found.values():
        if one.card.variant_of is not None and one.card.variant_of not in found:
            rule = f"no such specialist; there are {sorted(found)}"
            raise SetupError(field=f"specialists.{one.name}.variant_of", value=one.card.variant_of, rule=rule)
    return found, trust


def rules(sources: object, specialists: Mapping[str, Specialist]) -> tuple[Workflow, ...]:
    """Return the workflows, each of whose subtasks somebody here can do.

    Raises:
        SetupError: a faulty workflow, or a specialist or capability in one that nobody has.
    """
    if isinstance(sources, str | Path | Mapping | Workflow):
        sources = [sources]
    elif not isinstance(sources, Iterable):
        raise SetupError(field="workflows", value=sources, rule="must be files or objects")
    found = load_workflows(list(sources))
    cards = {name: one.card for name, one in specialists.items()}
    for workflow in found:
        refuse_unknown(spoken_of(workflow), cards)
    return found


def constraints_of(given: object, specialists: Mapping[str, Specialist]) -> Constraints | None:
    """Return the planner's own constraints.

    Raises:
        InputError: faulty ones.
        SetupError: they speak of a workflow's subtasks, or of whom nobody is.
    """
    if given is None:
        return None
    found = model(Constraints, given, field="constraints")
    refuse_subtask_steps(found, field="constraints")
    refuse_unknown(spoken_in(found, place="constraints"), {name: one.card for name, one in specialists.items()})
    return found


def gates_of(given: object) -> tuple[GatePolicy, ...]:
    """Return the planner's own gate policies.

    Raises:
        SetupError: no list.
        InputError: a faulty one.
    """
    if isinstance(given, str | Mapping) or not isinstance(given, Iterable):
        raise SetupError(field="gates", value=given, rule="must be a list of policies")
    return tuple(model(GatePolicy, one, field=f"gates[{at}]") for at, one in enumerate(given))
