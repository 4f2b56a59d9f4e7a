"""One invocation of a planner graph: what it brought, and which run it works on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from langchain_core.callbacks import BaseCallbackManager
from langchain_core.runnables import RunnableConfig

from concertino.contracts.json import JsonObject
from concertino.contracts.plan import Plan
from concertino.graph.state import Policy

if TYPE_CHECKING:
    from concertino.graph.runs.run import Run

# LangGraph leaves keys with its own prefix out of the configs that it streams and stores: what stands under these is not JSON.
ENTRY = "__pregel_concertino_entry"
"""Configurable key of the invocation's entry."""
WANTED_CONCURRENCY = "__pregel_concertino_max_concurrency"
"""Configurable key of the caller's own `max_concurrency`, handed on to nested graphs."""
CHECKPOINTER = "__pregel_concertino_checkpointer"
"""Configurable key of the saver in use, for graphs run as specialists."""
TAKE_OVER = "__pregel_concertino_take_over"
"""Configurable key that lets a submission carry on with a run whose checkpoints are gone."""
LISTENER = "__pregel_concertino_listener"
"""Configurable key of a function that is called with every event of this invocation's run."""
RESTART = "__pregel_concertino_restart"
"""Configurable key of a finished run that this invocation starts anew."""
OWN_KEYS = frozenset({ENTRY, WANTED_CONCURRENCY, CHECKPOINTER, TAKE_OVER, LISTENER, RESTART})


@dataclass(slots=True)
class Entry:
    """An invocation that was let in."""

    run: Run | None = None
    """The live run; `None` when the task was known already."""
    known: JsonObject | None = None
    """Plan and status of a task that was submitted before."""
    plan: Plan | None = None
    """The plan made at the door, for the plan node; `None` where the run's model has to make it there."""
    complexity: JsonObject = field(default_factory=dict)
    policy: Policy = field(default_factory=Policy)
    adopted: dict[str, JsonObject] = field(default_factory=dict)
    """Finished subtasks taken over from the run that this one restarts."""
    notes: tuple[str, ...] = ()
    is_blocking: bool = False
    """Whether the caller is synchronous; then coroutines run on the working loop, Runnables and graphs in threads."""
    is_watched: bool = True
    """Whether anybody takes LangGraph's `custom` stream."""
    is_streamed: bool = True
    """Whether anybody may see LangGraph's tasks end one by one."""


def entry_of(config: RunnableConfig) -> Entry:
    """Return the entry of the invocation that `config` belongs to.

    Raises:
        RuntimeError: a node was called outside its graph.
    """
    found = configurable(config).get(ENTRY)
    if not isinstance(found, Entry):
        raise RuntimeError("this node runs inside its planner graph only")  # noqa: TRY004 - no type was wrong
    return found


def is_followed(config: RunnableConfig) -> bool:
    """Say whether somebody follows an invocation's LangGraph tasks: a stream, a tracer, other callbacks."""
    entry, callbacks = configurable(config).get(ENTRY), config.get("callbacks")
    if not isinstance(entry, Entry) or entry.is_streamed:
        return True
    return bool(callbacks.handlers if isinstance(callbacks, BaseCallbackManager) else callbacks)


def live_run(config: RunnableConfig) -> Run:
    """Return the live run of an invocation."""
    run = entry_of(config).run
    if run is None:
        raise RuntimeError("this invocation has no live run")
    return run


def configurable(config: RunnableConfig | None) -> Mapping[str, Any]:
    """Return an invocation's configurable values."""
    return cast("Mapping[str, Any]", (config or {}).get("configurable") or {})


def with_configurable(config: RunnableConfig | None, **values: Any) -> RunnableConfig:
    """Return `config` with configurable values set."""
    made: RunnableConfig = {**(config or {})}
    made["configurable"] = {**configurable(config), **values}
    return made
