"""Tools as people declare them: a function, an async function or a LangChain tool becomes a `Tool`."""

from __future__ import annotations

import asyncio
import functools
import inspect
import math
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, TypeVar, overload

from pydantic import ValidationError

from concertino.contracts.budget import Budget
from concertino.contracts.errors import SetupError
from concertino.contracts.ids import ID_RULE, is_id
from concertino.contracts.task import input_error
from concertino.tools.breaker import BreakerPolicy, is_number
from concertino.tools.retry import MAX_ATTEMPTS

Settings = TypeVar("Settings", BreakerPolicy, "Cost", Budget)

RESERVED = frozenset({"call", "names", "close"})
"""Names that `brief.tools` itself uses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What one attempt uses; a tool's declared cost is its worst case."""

    tokens: int = 0
    calls: int = 1
    usd: float = 0.0
    """US dollars."""
    documents: int = 0

    def __post_init__(self) -> None:
        for name in ("tokens", "calls", "documents"):
            count = getattr(self, name)
            if type(count) is not int or not 0 <= count <= 10**15:
                raise SetupError(field=f"cost.{name}", value=count, rule="must be a whole number from 0")
        if not (is_number(self.usd) and 0 <= self.usd <= 1e9):
            raise SetupError(field="cost.usd", value=self.usd, rule="must be dollars from 0")


NOTHING = Cost(calls=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """Something outside that specialists may call, with what it costs and how far it is trusted."""

    name: str
    fn: Callable[..., Any] | None = None
    """Called in a thread; at least one of `fn` and `afn` is set."""
    afn: Callable[..., Awaitable[Any]] | None = None
    """Called on the caller's event loop, or on the background loop for a caller without one."""
    description: str = ""
    endpoint: str = ""
    """What shares a breaker beside the name, e.g. a host; empty where there is one only."""
    cost: Cost = field(default_factory=Cost)
    """Reserved before every attempt."""
    used: Callable[[Any], Cost] | None = None
    """Reads from a result what was really used; without it the worst case is charged."""
    timeout_s: float | None = 30.0
    """Seconds for one attempt, chosen by hand; `None` leaves only the deadline."""
    attempts: int = MAX_ATTEMPTS
    """Attempts a call, 1-3; 1 for what must not happen twice."""
    breaker: BreakerPolicy = field(default_factory=BreakerPolicy)
    budget: Budget | None = None
    """Limit at the tool level of the ledger, over all its calls within one specialist's work."""

    def __post_init__(self) -> None:
        if not is_id(self.name):
            raise SetupError(field="tool.name", value=self.name, rule=f"must match {ID_RULE}")
        if self.name in RESERVED:
            raise SetupError(
                field="tool.name", value=self.name, rule="is a method of `brief.tools`; choose another name"
            )
        if self.fn is None and self.afn is None:
            raise SetupError(field=f"tools.{self.name}", value=None, rule="needs a function to call")
        if type(self.attempts) is not int or not 1 <= self.attempts <= MAX_ATTEMPTS:
            raise SetupError(
                field=f"tools.{self.name}.attempts", value=self.attempts, rule=f"must be 1 to {MAX_ATTEMPTS}"
            )
        if self.timeout_s is not None and not (is_number(self.timeout_s) and 0 < self.timeout_s < math.inf):
            raise SetupError(field=f"tools.{self.name}.timeout_s", value=self.timeout_s, rule="must be seconds above 0")
        for name in ("description", "endpoint"):
            if not isinstance(getattr(self, name), str):
                raise SetupError(field=f"tools.{self.name}.{name}", value=getattr(self, name), rule="must be text")
        if self.used is not None and not callable(self.used):
            raise SetupError(field=f"tools.{self.name}.used", value=self.used, rule="must be a function of the result")
        # Frozen: mappings become what they stand for.
        object.__setattr__(self, "cost", settings(Cost, self.cost, field=f"tools.{self.name}.cost"))
        object.__setattr__(self, "breaker", settings(BreakerPolicy, self.breaker, field=f"tools.{self.name}.breaker"))
        if self.budget is not None:
            object.__setattr__(self, "budget", settings(Budget, self.budget, field=f"tools.{self.name}.budget"))


def settings(kind: type[Settings], given: object, *, field: str) -> Settings:
    """Return `given`, a value of `kind` or a mapping of its fields, as one.

    Raises:
        SetupError: it is neither, names an unknown field, or breaks a rule.
    """
    if isinstance(given, kind):
        return given
    if not isinstance(given, Mapping):
        raise SetupError(field=field, value=given, rule=f"must be a {kind.__name__} or a mapping of its fields")
    if issubclass(kind, Budget):
        try:
            return kind.model_validate(dict(given))
        except ValidationError as error:
            first = input_error(error, field=field)
            value = error.errors(include_url=False, include_context=False)[0]["input"]
            raise SetupError(field=first.field, value=value, rule=first.rule) from error
    _refuse_unknown(given, {one.name for one in fields(kind)}, field=field)
    return kind(**given)


def _refuse_unknown(given: Mapping[str, object], known: set[str], *, field: str) -> None:
    for name, value in given.items():
        if name not in known:
            raise SetupError(
                field=f"{field}.{name}", value=value, rule=f"unknown; there are: {', '.join(sorted(known))}"
            )


@overload
def tool(given: Callable[..., Any], /) -> Tool: ...
@overload
def tool(
    given: str | None = None,
    /,
    *,
    description: str | None = None,
    endpoint: str = "",
    cost: Cost | Mapping[str, Any] | None = None,
    used: Callable[[Any], Cost] | None = None,
    timeout_s: float | None = 30.0,
    attempts: int = MAX_ATTEMPTS,
    breaker: BreakerPolicy | Mapping[str, Any] | None = None,
    budget: Budget | Mapping[str, Any] | None = None,
) -> Callable[[Callable[..., Any]], Tool]: ...
def tool(
    given: Callable[..., Any] | str | None = None, /, **options: Any
) -> Tool | Callable[[Callable[..., Any]], Tool]:
    """Declare a tool: `@tool`, `@tool("name")` or `@tool("name", cost=Cost(usd=0.01), timeout_s=5)`.

    Name and description come from the function where they are not given. LangChain tools may be decorated too. `cost`, `breaker` and
    `budget` may be given as mappings of their fields.

    Raises:
        SetupError: a bad name or option.
    """
    _refuse_unknown(options, {one.name for one in fields(Tool)} - {"name", "fn", "afn"}, field="tool")
    chosen = {name: value for name, value in options.items() if not (value is None and name != "timeout_s")}
    if given is not None and not isinstance(given, str):
        return as_tool(given, **chosen)
    if given is not None:
        chosen["name"] = given

    def declare(function: Callable[..., Any]) -> Tool:
        return as_tool(function, **chosen)

    return declare


def as_tool(given: object, /, **options: Any) -> Tool:
    """Return `given` as a `Tool`; `options` are fields of `Tool` that replace what is read from it.

    Raises:
        SetupError: it cannot be called, has no name, or an option is bad.
    """
    _refuse_unknown(options, {one.name for one in fields(Tool)}, field="tool")
    if isinstance(given, Tool):
        return replace(given, **options) if options else given
    if hasattr(given, "name") and (hasattr(given, "invoke") or hasattr(given, "ainvoke")):
        read = _of_langchain(given)
    elif callable(given):
        read = _of_function(given)
    else:
        raise SetupError(field="tools", value=given, rule="must be a function or a tool with `invoke`")
    return Tool(**{**read, **options})


def collect(given: Iterable[object] | Mapping[str, object]) -> dict[str, Tool]:
    """Return tools by name, in the order given; a mapping's keys are the names.

    Raises:
        SetupError: a bad or repeated name, or something that is no tool.
    """
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise SetupError(field="tools", value=given, rule="must be a list of tools, or tools by name")
    if isinstance(given, Mapping):
        tools = [as_tool(item, name=name) for name, item in given.items()]
    else:
        tools = [as_tool(item) for item in given]
    found: dict[str, Tool] = {}
    for item in tools:
        if item.name in found:
            raise SetupError(field="tools", value=item.name, rule="two tools have this name; names must be unique")
        found[item.name] = item
    return found


def _of_function(function: Callable[..., Any]) -> dict[str, Any]:
    inner: Any = function
    while isinstance(inner, functools.partial):
        inner = inner.func
    is_async = inspect.iscoroutinefunction(inner) or inspect.iscoroutinefunction(getattr(inner, "__call__", None))  # noqa: B004
    doc = inspect.getdoc(inner) if inspect.isroutine(inner) else None
    read: dict[str, Any] = {
        "name": getattr(inner, "__name__", type(inner).__name__),
        "description": (doc or "").partition("\n\n")[0],
    }
    return {**read, "afn": function} if is_async else {**read, "fn": _finished(function)}


def _finished(function: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a function that may return a coroutine without being declared `async`: it is run to its end."""

    @functools.wraps(function, updated=())
    def call(*args: Any, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        return asyncio.run(result) if inspect.iscoroutine(result) else result

    return call


def _of_langchain(given: Any) -> dict[str, Any]:
    """Read a LangChain tool by its shape.

    Its `ainvoke` is taken only where it is truly async: the default one runs the plain function in the loop's own
    executor, whose threads can neither be given up nor left behind at exit.
    """
    read: dict[str, Any] = {"name": given.name, "description": getattr(given, "description", None) or ""}
    sync, is_async = hasattr(given, "invoke"), hasattr(given, "ainvoke")
    if hasattr(given, "coroutine"):
        is_async = is_async and given.coroutine is not None
        sync = sync and not (is_async and getattr(given, "func", None) is None)
    elif hasattr(given, "_arun"):
        is_async = is_async and not type(given)._arun.__module__.startswith("langchain_core.")
    if sync:
        read["fn"] = lambda *args, **kwargs: given.invoke(_input(given.name, args, kwargs))
    if is_async:
        read["afn"] = lambda *args, **kwargs: given.ainvoke(_input(given.name, args, kwargs))
    return read


def _input(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Return a call's arguments as LangChain's one input: a dict of named ones, or the only positional one."""
    if not args:
        return kwargs
    if len(args) == 1 and not kwargs:
        return args[0]
    raise TypeError(f"{name}: give arguments by name, or exactly one by position")
