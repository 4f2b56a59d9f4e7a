"""Functions and Runnables that ask people by LangGraph's own `interrupt()`.

Their questions become gates like those of a compiled graph. Once all are answered the body is called again from its
start, as LangGraph does, and each `interrupt()` returns its answer.
"""

from __future__ import annotations

import asyncio
import contextvars
import dataclasses
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import var_child_runnable_config
from langgraph._internal._constants import (  # what LangGraph's loop tells the nodes it runs has no public name
    CONFIG_KEY_CALL,
    CONFIG_KEY_CHECKPOINT_NS,
    CONFIG_KEY_RESUME_MAP,
    CONFIG_KEY_RESUMING,
    CONFIG_KEY_SCRATCHPAD,
    CONFIG_KEY_SEND,
)
from langgraph._internal._scratchpad import PregelScratchpad
from langgraph.types import Interrupt, _interrupt_id  # pyright: ignore[reportPrivateUsage]  # ids have no other source

from concertino.contracts.gate import Answer
from concertino.contracts.json import JsonObject
from concertino.graph.dataflow.nested import described, resume_value
from concertino.graph.runs.entry import configurable

T = TypeVar("T")

GRAPHS_PER_ATTEMPT = 1_000
"""Graphs that one attempt may call with checkpoints of their own each; chosen by hand."""


@dataclass(slots=True)
class Replies:
    """What people have answered to one subtask's body, in the order in which it asked."""

    specialist: str
    by_id: dict[str, Any] = field(default_factory=dict)
    """What each interrupt is to return, by its id; a graph that the body calls has ids of its own."""

    def questions(self, asked: Sequence[Interrupt]) -> list[JsonObject]:
        """Return new interrupts as gates show them; a body that is called again asks in the same order."""
        first = len(self.by_id)
        return [
            {"value": described(one), "specialist": self.specialist, "number": number}
            for number, one in enumerate(asked, first)
        ]

    def take(self, asked: Sequence[Interrupt], answers: Sequence[Answer]) -> None:
        """Keep the answers to interrupts for the next call of the body."""
        for one, answer in zip(asked, answers, strict=True):
            self.by_id[one.id] = resume_value(one.value, answer)


def within(config: RunnableConfig, replies: Replies, *, attempt: int, start: Callable[[RunnableConfig], T]) -> T:
    """Start a body where it gets the replies from `interrupt()`; `start` is given the config that does it.

    Graphs that a body calls keep their checkpoints apart from those of another attempt.
    """
    conf = dict(configurable(config))
    pad = conf.get(CONFIG_KEY_SCRATCHPAD)
    if isinstance(pad, PregelScratchpad):
        namespace = str(conf.get(CONFIG_KEY_CHECKPOINT_NS, ""))
        conf[CONFIG_KEY_SCRATCHPAD] = dataclasses.replace(
            pad,
            interrupt_counter=_counter(0),
            subgraph_counter=_counter((attempt - 1) * GRAPHS_PER_ATTEMPT),
            resume=_own(namespace, replies),
            get_null_resume=_nothing,
        )
        conf[CONFIG_KEY_SEND] = _nowhere
        if (call := conf.get(CONFIG_KEY_CALL)) is not None:
            conf[CONFIG_KEY_CALL] = _from_any_loop(call, asyncio.get_running_loop())
        if replies.by_id:
            conf[CONFIG_KEY_RESUMING] = True
            conf[CONFIG_KEY_RESUME_MAP] = dict(replies.by_id)
    around = var_child_runnable_config.get() or config
    inside = cast("RunnableConfig", {**around, "configurable": conf})
    context = contextvars.copy_context()
    context.run(var_child_runnable_config.set, inside)
    return context.run(start, inside)


def _from_any_loop(call: Callable[..., Any], home: asyncio.AbstractEventLoop) -> Callable[..., Any]:
    """Return LangGraph's call of a `@task` for a body that may run on another loop than the graph, whose future it gives."""

    def called(*args: Any, **kwargs: Any) -> Any:
        running = asyncio._get_running_loop()  # `None` in a thread, where the future is one to wait on
        if running is None or running is home:
            return call(*args, **kwargs)

        async def there() -> Any:
            return await call(*args, **kwargs)

        return asyncio.wrap_future(asyncio.run_coroutine_threadsafe(there(), home))

    return called


def _own(namespace: str, replies: Replies) -> list[Any]:
    """Return the replies to the body's own interrupts, in order."""
    found: list[Any] = []
    while (asked := _interrupt_id(namespace, len(found))) in replies.by_id:
        found.append(replies.by_id[asked])
    return found


def _counter(first: int) -> Callable[[], int]:
    return itertools.count(first).__next__


def _nothing(consume: bool = False) -> None:
    """Stand in for the answer to a whole invocation: ours go to gates."""


def _nowhere(writes: Sequence[tuple[str, Any]]) -> None:
    """Leave LangGraph's record of the node alone: replies are on the run's own."""
