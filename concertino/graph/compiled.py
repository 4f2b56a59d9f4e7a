"""The compiled graph that `create_planner` returns: LangGraph's own, with a door in front of every invocation.

What the door does cannot be done by a node: a resume must hold the run's lease before LangGraph writes anything to
the thread, a resubmission must leave the thread alone, and a synchronous run is conducted where waiting takes no thread.
"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping, Sequence
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph._internal._constants import CONFIG_KEY_STREAM  # a parent graph listens; it has no public name
from langgraph.checkpoint.base import BaseCheckpointSaver, CheckpointTuple
from langgraph.graph.state import CompiledStateGraph
from langgraph.types import Command

from concertino.contracts.errors import InputError
from concertino.contracts.task import Task
from concertino.graph import blocking, driving
from concertino.graph.boundary import Boundary, ambient, options_at
from concertino.graph.door.conductor import Conductor
from concertino.graph.door.forks import FORK, INTAKE, START, marked, put_in
from concertino.graph.door.lineage import (
    HAND_MADE,
    continues,
    entered,
    is_addressed,
    is_again,
    is_put_at,
    located,
    may_continue,
    newest,
    reading,
)
from concertino.graph.door.watch import cancelled_with_thread
from concertino.graph.runs.entry import CHECKPOINTER, LISTENER, Entry, configurable, with_configurable
from concertino.graph.runs.voice import listening

RESTS = "rests"
"""Stands for a fork's token where a checkpoint leads nowhere: LangGraph gives its state back, and no run is made."""
_WHOLE = "_concertino_is_whole"
"""Keyword by which `ainvoke` tells `astream` that its caller sees nothing but the end."""


class PlannerGraph(CompiledStateGraph[Any, Any, Any, Any]):
    """A planner as a compiled LangGraph graph, usable as any other."""

    def __init__(self, *, conductor: Conductor, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.conductor = conductor
        self._parked: dict[str, driving.Course] = {}

    def at(self, boundary: Boundary) -> PlannerGraph:
        """Return the same planner at another boundary, with breakers, plans and live runs of its own; cheap."""
        made = copy.copy(self)
        made.conductor = Conductor(options_at(boundary, self.conductor.options))
        made.checkpointer = boundary.checkpointer
        made._parked = {}
        return made

    def placed(self) -> PlannerGraph:
        """Return this planner where all stand that are made in this context."""
        boundary = ambient.get()
        return self if boundary is None else self.at(boundary)

    # In and out.

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:  # noqa: A002
        """Run the graph to its end; see `CompiledStateGraph.invoke`."""
        return blocking.call(lambda: self.ainvoke(input, config, **kwargs))

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:  # noqa: A002
        """Run the graph to its end; see `CompiledStateGraph.ainvoke`."""
        is_whole = kwargs.get("stream_mode", "values") == "values" and not kwargs.get("print_mode")
        passed: dict[str, Any] = {**kwargs, _WHOLE: is_whole}
        return await super().ainvoke(input, config, **passed)

    def stream(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Iterator[Any]:  # noqa: A002
        """Run the graph and yield what LangGraph streams; see `CompiledStateGraph.stream`."""
        return blocking.each(lambda: self.astream(input, config, **kwargs))

    async def astream(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> AsyncIterator[Any]:  # noqa: A002
        """Run the graph and yield what LangGraph streams; see `CompiledStateGraph.astream`."""
        is_blocking, is_whole = blocking.take_is_blocking(), kwargs.pop(_WHOLE, False)
        asked, input = self._located(config), _plain_task(input)  # noqa: A001
        if is_blocking:
            asked = blocking.with_reach(asked, self._saver(asked))
        saver, at = self._saver(asked), reading(asked)
        saved = await saver.aget_tuple(at) if saver is not None and may_continue(asked, input) else None
        if saved is not None and not (continues(asked, input) or is_again(asked, saved)):
            saved = None
        latest = await saver.aget_tuple(newest(at)) if saver and saved and is_addressed(at) else None
        fork = self._fork(saved, latest)
        if _forks(saved, fork) and not (await self.aget_state(at)).next:
            fork = RESTS
        put_at = await saver.aget_tuple(at) if saver and saved is None and is_put_at(at) else None
        entry = await self._admitted(self._enter(input, asked, saved, fork, kwargs, put_at))
        entry.is_blocking = is_blocking
        entry.is_watched = "custom" in _modes(kwargs) or CONFIG_KEY_STREAM in configurable(asked)
        entry.is_streamed = not is_whole or self.debug or CONFIG_KEY_STREAM in configurable(asked)
        try:
            if entry.known is not None:
                inner = self._apart().astream(_given(input), entered(config, asked, entry, None), **_plain(kwargs))
            else:
                inner = super().astream(input, entered(config, asked, entry, saver), **_durable(kwargs, saver))
            async with cancelled_with_thread(entry.run, saver, newest(at)):
                async for chunk in inner:
                    yield chunk
        finally:
            await self.conductor.leave(entry)

    async def _admitted(self, entering: Coroutine[Any, Any, Entry]) -> Entry:
        """Return what the door makes of an invocation; one that is cancelled in it leaves no run that is held by nobody."""
        entry = asyncio.ensure_future(entering)
        try:
            return await asyncio.shield(entry)
        except asyncio.CancelledError:
            await asyncio.wait({entry})
            if not entry.cancelled() and entry.exception() is None:
                await self.conductor.leave(entry.result())
            raise

    async def _enter(
        self,
        given: Any,
        config: RunnableConfig,
        saved: CheckpointTuple | None,
        fork: str | None,
        kwargs: dict[str, Any],
        put_at: CheckpointTuple | None,
    ) -> Entry:
        token = listening.set(configurable(config).get(LISTENER))
        try:
            has_saver = isinstance(self._resolve_checkpointer(config), BaseCheckpointSaver)
            lacks_thread = has_saver and self._saver(config) is None
            return await self._let_in(given, config, saved, fork, kwargs, put_at, lacks_thread=lacks_thread)
        finally:
            listening.reset(token)

    async def _let_in(
        self,
        given: Any,
        config: RunnableConfig,
        saved: CheckpointTuple | None,
        fork: str | None,
        kwargs: dict[str, Any],
        put_at: CheckpointTuple | None,
        *,
        lacks_thread: bool = False,
    ) -> Entry:
        if fork == RESTS:
            return Entry()
        if saved is not None:
            _check_command(given)
            values = saved.checkpoint["channel_values"]
            starts = START in values or f"branch:to:{INTAKE}" in values
            if not starts and isinstance(values.get("run"), Mapping) and values["run"].get("run_id"):
                return await self.conductor.resume(values, config, fork=fork)
            if fork is None and saved.metadata.get("source") in HAND_MADE:
                fork = f"{FORK}{saved.checkpoint['id']}"  # a task changed by hand, which intake has not taken in yet
            given = put_in(saved.checkpoint)
        elif given is None or isinstance(given, Command):
            raise InputError(
                field="input", value=given, rule="this thread has no run to go on with; send a task or messages first"
            )
        return await self.conductor.begin(
            given,
            with_configurable(config, **{CHECKPOINTER: self._saver(config)}),
            context=kwargs.get("context"),
            fork=fork,
            at=put_at,
            goes_on=saved is not None,
            lacks_thread=lacks_thread,
        )

    # Without LangGraph's own machinery.

    async def conduct(
        self,
        input: Any,  # noqa: A002  # LangGraph's name
        config: RunnableConfig | None = None,
        *,
        context: object = None,
    ) -> dict[str, Any]:
        """Run the planner as `ainvoke` does, in a fraction of its time: without checkpoints, streams and traces.

        A run that waits for people returns their question as `__interrupt__`, and is kept in memory under the `thread_id` of
        its config: `Command(resume=answer)` on that thread answers it, and `None` goes on with what `answer` has put on
        the record.
        """
        asked = config or {}
        parked = self._parked.get(str(configurable(asked).get("thread_id"))) if _goes_on(input) else None
        if parked is None:
            entry = await self._let_in(_plain_task(input), asked, None, None, {"context": context}, None)
            course = driving.begun(_given(_plain_task(input)))
        else:
            entry = await self.conductor.resume(parked.state, asked, fork=None)
            if entry.run is None:  # another process has ended it meanwhile
                self._parked.pop(str(configurable(asked).get("thread_id")), None)
                return {"result": entry.known}
            course = parked
            if isinstance(input, Command):
                course.replies.append(input.resume)
        entry.is_watched = entry.is_streamed = False
        try:
            await driving.drive(course, entered(config, asked, entry, None))
        finally:
            await self.conductor.leave(entry)
        if entry.run is not None:
            self._park(entry.run.row.thread_id, course)
        return course.output()

    async def reply(
        self, answers: Mapping[str, Any], config: RunnableConfig | None = None, *, context: object = None
    ) -> dict[str, Any]:
        """Answer gates of a run that waits, by name, and go on with it as `conduct` does."""
        return await self.conduct(Command(resume=dict(answers)), config, context=context)

    def _park(self, thread_id: str, course: driving.Course) -> None:
        self._parked.pop(thread_id, None)
        if course.asked:
            self._parked[thread_id] = course

    # Which checkpoint an invocation starts from.

    def _located(self, config: RunnableConfig | None) -> RunnableConfig:
        return self._own_checkpoint_config(located(self.config, config))

    def _saver(self, config: RunnableConfig) -> BaseCheckpointSaver[Any] | None:
        saver = self._resolve_checkpointer(config)
        return saver if isinstance(saver, BaseCheckpointSaver) and "thread_id" in configurable(config) else None

    def _fork(self, saved: CheckpointTuple | None, latest: CheckpointTuple | None) -> str | None:
        """Return a new fork's token when the invocation goes back behind the thread's newest checkpoint."""
        if saved is None:
            return None
        here = saved.checkpoint["id"]
        if latest is not None and here != latest.checkpoint["id"]:
            return f"{FORK}{here}:{self.conductor.options.ids('at')}"
        return None

    def _apart(self) -> CompiledStateGraph[Any, Any, Any, Any]:
        """Return this graph without door and checkpointer, to tell what is known and leave every thread alone."""
        parts = {
            key: value for key, value in self.__dict__.items() if key not in ("conductor", "_parked", "__orig_class__")
        }
        return CompiledStateGraph(**{**parts, "checkpointer": False})

    # State changed by hand.

    def bulk_update_state(self, config: RunnableConfig, supersteps: Any) -> RunnableConfig:
        """Change the state by hand; a changed task starts over at intake. See `CompiledStateGraph.bulk_update_state`."""
        before = self.get_state(config).values
        return super().bulk_update_state(config, marked(supersteps, before, self.conductor.options))

    async def abulk_update_state(self, config: RunnableConfig, supersteps: Any) -> RunnableConfig:
        """Change the state by hand; a changed task starts over at intake. See `CompiledStateGraph.abulk_update_state`."""
        before = (await self.aget_state(config)).values
        return await super().abulk_update_state(config, marked(supersteps, before, self.conductor.options))


def _plain_task(given: Any) -> Any:
    """Return the input with its task as plain JSON, which checkpoints may hold."""
    if isinstance(given, Mapping) and isinstance(task := given.get("task"), Task):
        return {**given, "task": task.model_dump(mode="json", exclude_unset=True)}
    return given


def _check_command(given: Any) -> None:
    """Check that a command brings an answer: what else it may say would pass by the run or be ignored.

    Raises:
        InputError: it brings none.
    """
    if isinstance(given, Command) and given.resume is None:
        rule = "must bring an answer: `resume`; to go on send nothing, to change the state use `update_state`"
        raise InputError(field="command.resume", value=given, rule=rule)


def _goes_on(given: Any) -> bool:
    return given is None or isinstance(given, Command)


def _forks(saved: CheckpointTuple | None, fork: str | None) -> bool:
    """Say whether an invocation makes a new run, if there is anything to run."""
    run = saved.checkpoint["channel_values"].get("run") if saved is not None else None
    return fork is not None or (isinstance(run, Mapping) and "fork" in run)


def _given(given: Any) -> Any:
    """Return an input that LangGraph takes without a checkpoint; what it says matters no more."""
    return given if isinstance(given, Mapping) else {"task": {}}


def _durable(kwargs: dict[str, Any], saver: object) -> dict[str, Any]:
    """Return the arguments with LangGraph's `sync` durability, unless the caller chose."""
    return {**kwargs, "durability": "sync"} if saver is not None and kwargs.get("durability") is None else kwargs


def _plain(kwargs: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in kwargs.items() if key != "durability"}


def _modes(kwargs: Mapping[str, Any]) -> Sequence[str]:
    asked = kwargs.get("stream_mode") or ()
    return (asked,) if isinstance(asked, str) else tuple(asked)
