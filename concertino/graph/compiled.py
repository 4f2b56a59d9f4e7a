"""The compiled graph that `create_planner` returns: LangGraph's own, with a door in front of every invocation.

What the door does cannot be done by a node: a resume must hold the run's lease before LangGraph writes anything to
the thread, a resubmission must leave the thread alone, and a synchronous run needs threads enough for all that wait.
"""

from __future__ import annotations

import contextvars
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, cast

from langchain_core.runnables import RunnableConfig
from langgraph._internal._constants import (  # what a parent graph tells its subgraph has no public name
    CONFIG_KEY_CHECKPOINTER,
    CONFIG_KEY_RESUMING,
    CONFIG_KEY_TASK_ID,
)
from langgraph.checkpoint.base import BaseCheckpointSaver, CheckpointTuple
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Command, StateUpdate

from concertino.contracts.ids import new_id
from concertino.graph.conductor import FORK, Conductor
from concertino.graph.entry import (
    CHECKPOINTER,
    ENTRY,
    LISTENER,
    WANTED_CONCURRENCY,
    Entry,
    configurable,
    with_configurable,
)
from concertino.tools.background import conducting

SPARE_THREADS = 16
"""Threads of a synchronous run beside one for every subtask that may wait; chosen by hand."""


class PlannerGraph(CompiledStateGraph[Any, Any, Any, Any]):
    """A planner as a compiled LangGraph graph, usable as any other."""

    def __init__(self, *, conductor: Conductor, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.conductor = conductor

    # In and out.

    def stream(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Iterator[Any]:  # noqa: A002
        """Run the graph and yield what LangGraph streams; see `CompiledStateGraph.stream`."""
        asked = _merged(self, config)
        saver = self._saver(asked)
        saved = self._saved(saver, asked, input)
        fork = self._fork(saved, saver.get_tuple(_latest(asked)) if saver and saved and _addressed(asked) else None)
        entry = conducting().run(self._enter(input, asked, saved, fork, kwargs), context=contextvars.copy_context())
        try:
            if entry.known is not None:
                yield from self._apart().stream(input, _without_thread(asked, entry), **_plain(kwargs))
            else:
                inner = _inner(asked, entry, saver, threads=self.conductor.options.limits.subtasks + SPARE_THREADS)
                yield from super().stream(input, inner, **_durable(kwargs, saver))
        finally:
            conducting().run(self.conductor.leave(entry))

    async def astream(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> AsyncIterator[Any]:  # noqa: A002
        """Run the graph and yield what LangGraph streams; see `CompiledStateGraph.astream`."""
        asked = _merged(self, config)
        saver = self._saver(asked)
        saved = await self._asaved(saver, asked, input)
        latest = await saver.aget_tuple(_latest(asked)) if saver and saved and _addressed(asked) else None
        entry = await self._enter(input, asked, saved, self._fork(saved, latest), kwargs)
        try:
            if entry.known is not None:
                inner = self._apart().astream(input, _without_thread(asked, entry), **_plain(kwargs))
            else:
                inner = super().astream(input, _inner(asked, entry, saver, threads=None), **_durable(kwargs, saver))
            async for chunk in inner:
                yield chunk
        finally:
            await self.conductor.leave(entry)

    async def _enter(
        self,
        given: Any,
        config: RunnableConfig,
        saved: CheckpointTuple | None,
        fork: str | None,
        kwargs: dict[str, Any],
    ) -> Entry:
        entry = await self._let_in(given, config, saved, fork, kwargs)
        listener = configurable(config).get(LISTENER)
        if entry.run is not None and listener is not None:
            entry.run.listeners.append(listener)
        return entry

    async def _let_in(
        self,
        given: Any,
        config: RunnableConfig,
        saved: CheckpointTuple | None,
        fork: str | None,
        kwargs: dict[str, Any],
    ) -> Entry:
        if saved is not None:
            values = saved.checkpoint["channel_values"]
            if isinstance(values.get("run"), Mapping) and values["run"].get("run_id"):
                return await self.conductor.resume(values, config, fork=fork)
            given = {"task": values.get("task"), "messages": values.get("messages")}
        elif given is None or isinstance(given, Command):
            return Entry()  # there is nothing to go on from, and LangGraph itself says so best
        known_saver = with_configurable(config, **{CHECKPOINTER: self._saver(config)})
        return await self.conductor.begin(given, known_saver, context=kwargs.get("context"))

    # Which checkpoint an invocation starts from.

    def _saver(self, config: RunnableConfig) -> BaseCheckpointSaver[Any] | None:
        given = configurable(config).get(CONFIG_KEY_CHECKPOINTER)
        saver = given if given is not None else self.checkpointer
        return saver if isinstance(saver, BaseCheckpointSaver) and "thread_id" in configurable(config) else None

    def _saved(
        self, saver: BaseCheckpointSaver[Any] | None, config: RunnableConfig, given: Any
    ) -> CheckpointTuple | None:
        return saver.get_tuple(config) if saver is not None and _continues(config, given) else None

    async def _asaved(
        self, saver: BaseCheckpointSaver[Any] | None, config: RunnableConfig, given: Any
    ) -> CheckpointTuple | None:
        return await saver.aget_tuple(config) if saver is not None and _continues(config, given) else None

    def _fork(self, saved: CheckpointTuple | None, latest: CheckpointTuple | None) -> str | None:
        """Return a new fork's token when the invocation goes back behind the thread's newest checkpoint."""
        if saved is None or latest is None:
            return None
        here, newest = saved.checkpoint["id"], latest.checkpoint["id"]
        return f"{FORK}{here}:{new_id('at')}" if here != newest else None

    def _apart(self) -> CompiledStateGraph[Any, Any, Any, Any]:
        """Return this graph without door and checkpointer, to tell what is known and leave every thread alone."""
        parts = {key: value for key, value in self.__dict__.items() if key not in ("conductor", "__orig_class__")}
        return CompiledStateGraph(**{**parts, "checkpointer": None})

    # State changed by hand.

    def bulk_update_state(self, config: RunnableConfig, supersteps: Any) -> RunnableConfig:
        """Change the state by hand; a changed task starts over at intake. See `CompiledStateGraph.bulk_update_state`."""
        return super().bulk_update_state(config, _forking(supersteps, self.get_state(config).values))

    async def abulk_update_state(self, config: RunnableConfig, supersteps: Any) -> RunnableConfig:
        """Change the state by hand; a changed task starts over at intake. See `CompiledStateGraph.abulk_update_state`."""
        return await super().abulk_update_state(config, _forking(supersteps, (await self.aget_state(config)).values))


def _forking(supersteps: Any, before: Mapping[str, Any]) -> list[list[StateUpdate]]:
    """Mark hand-made updates as the beginning of a new run; one with a task goes back to the start."""
    run = before.get("run")
    made = []
    for superstep in supersteps:
        updates = []
        for given in superstep:
            update = StateUpdate(*given)
            values = update.values
            if isinstance(values, Mapping) and run and "run" not in values:
                values = {**values, "run": {**run, "fork": f"{FORK}{new_id('edit')}"}}
                as_node = update.as_node
                if "task" in values and as_node is None:
                    as_node = "__start__"
                update = StateUpdate(values, as_node, update.task_id)
            updates.append(update)
        made.append(updates)
    return made


def _merged(graph: PlannerGraph, config: RunnableConfig | None) -> RunnableConfig:
    """Return the invocation's config over the graph's own."""
    own, given = cast("dict[str, Any]", graph.config or {}), cast("dict[str, Any]", config or {})
    merged = {**own, **given}
    merged["configurable"] = {**configurable(graph.config), **configurable(config)}
    return cast("RunnableConfig", merged)


def _continues(config: RunnableConfig, given: Any) -> bool:
    """Say whether LangGraph will go on from a checkpoint rather than take the input."""
    if CONFIG_KEY_TASK_ID in configurable(config):  # in a parent graph, which gives the input again
        return bool(configurable(config).get(CONFIG_KEY_RESUMING))
    return given is None or isinstance(given, Command)


def _addressed(config: RunnableConfig) -> bool:
    return bool(configurable(config).get("checkpoint_id"))


def _latest(config: RunnableConfig) -> RunnableConfig:
    return with_configurable(config, checkpoint_id=None)


def _inner(
    config: RunnableConfig, entry: Entry, saver: BaseCheckpointSaver[Any] | None, *, threads: int | None
) -> RunnableConfig:
    """Return the config of the invocation proper.

    `max_concurrency` is the caller's slot count, which the board keeps; LangGraph's own would be held by instances
    that wait. For a synchronous run it sizes the pool that they wait in.
    """
    inner = with_configurable(
        config, **{ENTRY: entry, WANTED_CONCURRENCY: config.get("max_concurrency"), CHECKPOINTER: saver}
    )
    if threads is not None:
        inner["max_concurrency"] = threads
    else:
        inner.pop("max_concurrency", None)
    return inner


def _without_thread(config: RunnableConfig, entry: Entry) -> RunnableConfig:
    """Return a config that leaves the caller's thread alone."""
    kept = {key: value for key, value in configurable(config).items() if not key.startswith(("__pregel", "checkpoint"))}
    kept.pop("thread_id", None)
    return {**config, "configurable": {**kept, ENTRY: entry}}


def _durable(kwargs: dict[str, Any], saver: object) -> dict[str, Any]:
    """Return the arguments with LangGraph's `sync` durability, unless the caller chose."""
    return {**kwargs, "durability": "sync"} if saver is not None and kwargs.get("durability") is None else kwargs


def _plain(kwargs: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in kwargs.items() if key != "durability"}
