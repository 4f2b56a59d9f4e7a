"""Declaring a specialist: the decorator, and how anything callable becomes one."""

from __future__ import annotations

import dataclasses
import inspect
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

from pydantic import BaseModel, PydanticUserError, TypeAdapter, ValidationError

from concertino.contracts.budget import Budget
from concertino.contracts.errors import SetupError
from concertino.contracts.ids import ID_RULE, is_id
from concertino.contracts.json import JsonObject
from concertino.contracts.specialist import Delivery, SpecialistCard
from concertino.contracts.task import input_error
from concertino.nodes.specialists.process import target_of
from concertino.nodes.specialists.schema import check_schema
from concertino.nodes.synthesis.authority import AUTHORITY_WEIGHTS, fraction
from concertino.tools.breaker import BreakerPolicy
from concertino.tools.models.sources import ModelSource, as_model
from concertino.tools.registry import Tool, collect, settings

BodyKind = Literal["coroutine", "function", "process", "runnable", "graph"]
"""How a specialist is run: on the caller's loop, in a thread, in a child process, or as LangChain's or LangGraph's own."""


@dataclass(frozen=True, slots=True)
class Specialist:
    """A declaration together with what runs it. Calling it calls the function itself."""

    card: SpecialistCard
    kind: BodyKind
    body: Any
    """A function of one brief, or an object with `invoke` and `ainvoke`."""
    tools: tuple[Tool, ...] = ()
    """Tools of its own, beside the planner's."""
    breaker: BreakerPolicy | None = None
    """Where given, attempts pass a circuit breaker of this policy."""
    target: str | None = None
    """`module:qualname` of a process body."""
    model: ModelSource | None = None
    """What its `brief.model` is, where it has one of its own."""

    @property
    def name(self) -> str:
        """Return the specialist's name, which is also its node's."""
        return self.card.name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the declared function directly, outside any graph."""
        return self.body(*args, **kwargs)


def specialist(
    name: str | None = None,
    *,
    capabilities: Iterable[str] = (),
    domain: str | None = None,
    description: str | None = None,
    authority: float | None = None,
    budget: Budget | Mapping[str, Any] | None = None,
    isolation: Literal["none", "process"] = "none",
    input_schema: Mapping[str, Any] | type[BaseModel] | None = None,
    output_schema: Mapping[str, Any] | type[BaseModel] | None = None,
    delivery: Delivery = "at_least_once",
    sla_s: float | None = None,
    max_concurrency: int | None = None,
    version: str = "0",
    variant_of: str | None = None,
    max_attempts: int = 3,
    tools: Sequence[Any] | Mapping[str, Any] = (),
    breaker: BreakerPolicy | Mapping[str, Any] | None = None,
    model: Any = None,
) -> Callable[[Any], Specialist]:
    """Declare a function, Runnable, agent or compiled graph as a specialist.

    Args:
        name: What plans call it, by `ID_RULE`; the function's or graph's own name where left out.
        capabilities: What it can do, for routing.
        domain: Field of knowledge, for track records.
        description: For people and planners; the first docstring line where left out.
        authority: Trust in it, 0-1; document 004's hierarchy by name, else 1, where left out.
        budget: Sums bound all its subtasks of a run together, `seconds` bounds each subtask.
        isolation: `"process"` runs an importable function in a child process that a deadline can kill.
        input_schema: JSON Schema or Pydantic model of `inputs`.
        output_schema: JSON Schema or Pydantic model of the finding's output.
        delivery: `"at_most_once"` never starts a subtask again whose outcome is unknown.
        sla_s: Wall-clock seconds for one attempt; a miss is retried, then flagged for review.
        max_concurrency: How many of its subtasks run at the same time.
        version: Change it when results of older code must not be reused.
        variant_of: Name of the specialist that this one is an A/B variant of.
        max_attempts: Attempts a subtask, 1-3.
        tools: Tools of its own.
        breaker: Policy of a circuit breaker around its attempts.
        model: Its own chat model, `"provider:name"` or a LangChain one; the planner's where left out.

    Raises:
        SetupError: a value is out of its range, or the function cannot be run as asked.
    """

    def declare(body: Any) -> Specialist:
        own = name if name is not None else _own_name(body)
        place = f"specialists.{own}"
        card = SpecialistCard(
            name=own,
            capabilities=frozenset((capabilities,) if isinstance(capabilities, str) else capabilities),
            domain=domain,
            description=description if description is not None else _first_line(body),
            authority=AUTHORITY_WEIGHTS.get(own, 1.0) if authority is None else authority,
            budget=_budget(budget, field=f"{place}.budget"),
            input_schema=_schema(input_schema, field=f"{place}.input_schema"),
            output_schema=_schema(output_schema, field=f"{place}.output_schema"),
            isolation=isolation,
            delivery=delivery,
            sla_s=sla_s,
            max_concurrency=max_concurrency,
            version=version,
            variant_of=variant_of,
            max_attempts=max_attempts,
        )
        _check(card)
        kind = _kind(body, isolation=isolation, name=own)
        return Specialist(
            card=card,
            kind=kind,
            body=body,
            tools=tuple(collect(tools).values()),
            breaker=None if breaker is None else settings(BreakerPolicy, breaker, field=f"{place}.breaker"),
            target=target_of(body) if kind == "process" else None,
            model=None if model is None else as_model(model, field=f"{place}.model"),
        )

    return declare


def as_specialist(given: Any, *, field: str = "specialists") -> Specialist:
    """Return what `create_planner` was handed at `field` as a `Specialist`: a declared one as it is, others by their own name.

    Raises:
        SetupError: it cannot be called, or has no name.
    """
    return given if isinstance(given, Specialist) else specialist(_own_name(given, field=field))(given)


def _own_name(body: Any, *, field: str = "specialists") -> str:
    if not callable(body) and not hasattr(body, "invoke"):
        raise SetupError(field=field, value=body, rule="must be a function, Runnable or compiled graph")
    get_name = getattr(body, "get_name", None)
    name = getattr(body, "name", None) or (get_name() if callable(get_name) else getattr(body, "__name__", None))
    if not is_id(name) or name in {"LangGraph", "<lambda>"}:
        rule = f'needs a name of its own matching {ID_RULE}; declare it with `@specialist("name")`'
        raise SetupError(field=field, value=name or body, rule=rule)
    return cast("str", name)


def _first_line(body: Any) -> str:
    text = inspect.getdoc(body) if inspect.isroutine(body) else None
    return text.splitlines()[0] if text else ""


def _kind(body: Any, *, isolation: str, name: str) -> BodyKind:
    if hasattr(body, "ainvoke") and hasattr(body, "invoke"):
        kind: BodyKind = (
            "graph" if hasattr(body, "get_input_jsonschema") and hasattr(body, "checkpointer") else "runnable"
        )
    elif not callable(body):
        raise SetupError(field=f"specialists.{name}", value=body, rule="must be a function, Runnable or compiled graph")
    elif isolation == "process":
        return "process"
    else:
        call = vars(type(body)).get("__call__")  # of an object with `async def __call__`
        return "coroutine" if inspect.iscoroutinefunction(body) or inspect.iscoroutinefunction(call) else "function"
    if isolation == "process":
        raise SetupError(field=f"specialists.{name}.isolation", value=isolation, rule="only an importable function can")
    return kind


def _budget(given: object, *, field: str) -> Budget:
    if given is None or isinstance(given, Budget):
        return given or Budget()
    try:
        return Budget.model_validate(given)
    except ValidationError as error:
        raise input_error(error, field=field) from error


def _schema(given: object, *, field: str) -> JsonObject | None:
    if given is None:
        return None
    if isinstance(given, Mapping):
        check_schema(dict(given), field=field)
        return dict(given)
    try:
        return TypeAdapter(cast("type[BaseModel]", given)).json_schema()
    except PydanticUserError as error:
        raise SetupError(field=field, value=given, rule="must be a JSON Schema or a Pydantic model") from error


def _check(card: SpecialistCard) -> None:
    place = f"specialists.{card.name}"

    def refuse(field: str, value: object, rule: str) -> None:
        raise SetupError(field=f"{place}.{field}", value=value, rule=rule)

    if not is_id(card.name):
        raise SetupError(field="specialists.name", value=card.name, rule=f"must match {ID_RULE}")
    for capability in sorted(card.capabilities, key=str):
        if not is_id(capability):
            refuse("capabilities", capability, f"must match {ID_RULE}")
    fraction(card.authority, field=f"{place}.authority")
    if card.isolation not in ("none", "process"):
        refuse("isolation", card.isolation, 'must be "none" or "process"')
    if card.delivery not in ("at_least_once", "at_most_once"):
        refuse("delivery", card.delivery, 'must be "at_least_once" or "at_most_once"')
    if card.sla_s is not None and (type(card.sla_s) not in (int, float) or not 0 < card.sla_s < math.inf):
        refuse("sla_s", card.sla_s, "must be seconds above 0")
    if card.max_concurrency is not None and (type(card.max_concurrency) is not int or card.max_concurrency < 1):
        refuse("max_concurrency", card.max_concurrency, "must be a whole number from 1")
    if not isinstance(card.version, str):
        refuse("version", card.version, "must be text")
    if card.max_attempts not in (1, 2, 3):
        refuse("max_attempts", card.max_attempts, "must be 1, 2 or 3")


def with_authority(given: Specialist, authority: Mapping[str, float]) -> Specialist:
    """Return `given` with the authority that the planner's caller set for it, if any."""
    if given.name not in authority:
        return given
    changed = dataclasses.replace(given.card, authority=authority[given.name])
    _check(changed)
    return dataclasses.replace(given, card=changed)
