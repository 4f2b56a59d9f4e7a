"""What dispatch sends to the specialists' nodes, and how a node brings it to its end.

Where somebody follows LangGraph's tasks, by a stream or by callbacks, each subtask is a task of its own. Elsewhere one
task does all that a specialist is to do, side by side: at 1,000 subtasks LangGraph's tasks and their writes cost more
than everything else. The results, the record and what is reused after a crash are the same: those are the journal's.
"""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any, TypeVar, cast
from uuid import NAMESPACE_OID, uuid5

from langchain_core.runnables import RunnableConfig
from langgraph._internal._constants import (  # what LangGraph's loop tells the nodes it runs has no public name
    CONFIG_KEY_CALL,
    CONFIG_KEY_CHECKPOINT_NS,
    CONFIG_KEY_RUNTIME,
    CONFIG_KEY_SCRATCHPAD,
    CONFIG_KEY_TASK_ID,
)
from langgraph._internal._scratchpad import PregelScratchpad
from langgraph.errors import GraphBubbleUp
from langgraph.runtime import Runtime
from langgraph.types import PregelExecutableTask, Send

from concertino.contracts.json import JsonObject
from concertino.graph.dataflow.subtask import SubtaskWork
from concertino.graph.runs.entry import configurable, entry_of, live_run, with_configurable

T = TypeVar("T")


class Errand(Send):
    """LangGraph's `Send`, stored in a tenth of the time, and as a `Send` wherever it comes back from a checkpoint.

    LangGraph's serializer knows a `Send` only after some twenty other kinds of object (10 µs), a named tuple early.
    """

    __slots__ = ()

    def _asdict(self) -> dict[str, Any]:
        return {"node": self.node, "arg": self.arg}


Errand.__module__, Errand.__name__ = Send.__module__, Send.__name__


def errands(dispatch: JsonObject, plan: JsonObject, *, each: bool) -> list[Send]:
    """Return what goes out in a dispatch, in the plan's order: a send for each subtask, or one for each specialist."""
    going = set(cast("Sequence[str]", dispatch["subtasks"]))
    sent: dict[tuple[str, str], dict[str, str]] = {}
    for subtask in cast("Any", plan["subtasks"]):
        if subtask["id"] in going:
            to = subtask["specialist"], subtask["id"] if each else ""
            sent.setdefault(to, {})[subtask["id"]] = subtask["objective"]
    return [
        Errand(name, {"specialist": name, "subtasks": subtasks, "dispatch": dispatch["id"]})
        for (name, _), subtasks in sent.items()
    ]


async def carry_out(subtasks: Sequence[str], config: RunnableConfig) -> JsonObject:
    """Bring subtasks to their ends, side by side, and return the records of those that did not defer."""
    run, is_sync = live_run(config), entry_of(config).is_blocking
    works = [
        SubtaskWork(
            run, subtask_id, config=_apart(config, subtask_id) if len(subtasks) > 1 else config, is_sync=is_sync
        ).perform()
        for subtask_id in subtasks
    ]
    records = await side_by_side(works)
    return {
        subtask_id: run.in_state(record)
        for subtask_id, record in zip(subtasks, records, strict=True)
        if record is not None
    }


async def side_by_side(works: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """Run coroutines at once and return what they return, in their order.

    Raises what one of them raises, which is no failure of a specialist; the others are stopped then, unless it is
    LangGraph's own control flow.
    """
    tasks = [asyncio.ensure_future(work) for work in works]
    left = tasks
    try:
        while left:
            await asyncio.wait(left, return_when=asyncio.FIRST_EXCEPTION)
            for task in (task for task in left if task.done() and not task.cancelled()):
                if not isinstance(task.exception(), GraphBubbleUp):
                    task.result()
            left = [task for task in left if not task.done()]
    finally:
        for task in left:
            task.cancel()
        if left := [task for task in left if not task.done()]:
            await asyncio.wait(left)
        for task in tasks:  # asyncio would report what others raise while they are stopped, which nobody is to hear of
            if task.done() and not task.cancelled():
                task.exception()
    return [task.result() for task in tasks]


def _apart(config: RunnableConfig, subtask_id: str) -> RunnableConfig:
    """Return a node's config for one of its subtasks, whose nested graphs, questions and calls of LangGraph's `@task` are its own."""
    conf = dict(configurable(config))
    namespace = str(conf.get(CONFIG_KEY_CHECKPOINT_NS, ""))
    own = str(uuid5(NAMESPACE_OID, f"{namespace}/{subtask_id}"))  # the same after a resume
    place = f"{namespace.rpartition(':')[0]}:{own}"
    conf[CONFIG_KEY_TASK_ID], conf[CONFIG_KEY_CHECKPOINT_NS] = own, place
    runtime = conf.get(CONFIG_KEY_RUNTIME)
    if isinstance(runtime, Runtime) and runtime.execution_info is not None:
        conf[CONFIG_KEY_RUNTIME] = runtime.patch_execution_info(task_id=own, checkpoint_ns=place)
    call = conf.get(CONFIG_KEY_CALL)
    if isinstance(call, partial) and call.args:
        conf[CONFIG_KEY_CALL] = partial(call.func, _Caller(call.args[0], subtask_id), *call.args[1:], **call.keywords)
    return cast("RunnableConfig", {**config, "configurable": conf})


class _Caller:
    """The LangGraph task that calls a `@task`: one of its own for each subtask, since results are kept by the order of calls."""

    def __init__(self, node: Callable[[], PregelExecutableTask | None], subtask_id: str) -> None:
        self._node, self._id, self._counter = node, subtask_id, itertools.count().__next__

    def __call__(self) -> PregelExecutableTask | None:
        task = self._node()
        if task is None:
            return None
        pad: PregelScratchpad = configurable(task.config)[CONFIG_KEY_SCRATCHPAD]
        own = {CONFIG_KEY_SCRATCHPAD: dataclasses.replace(pad, call_counter=self._counter)}
        config = with_configurable(task.config, **own)
        return dataclasses.replace(task, path=(*task.path, self._id), config=config)
