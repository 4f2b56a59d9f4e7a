"""Driving a run without LangGraph's machinery: the same nodes, routes and dataflow, one call instead of eight supersteps.

For runs that keep no checkpoints and that nobody traces or streams: replays, simulations, one short task after another.
LangGraph spends as much on a small run's supersteps as everything else costs together. What a run does, what it puts on
the record and what it comes to is the same; a run that waits for people is kept in memory.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import var_child_runnable_config
from langgraph._internal._constants import (  # what LangGraph's loop tells the nodes it runs has no public name
    CONFIG_KEY_CHECKPOINT_NS,
    CONFIG_KEY_SCRATCHPAD,
    CONFIG_KEY_SEND,
    CONFIG_KEY_TASK_ID,
)
from langgraph._internal._scratchpad import PregelScratchpad
from langgraph.errors import GraphInterrupt
from langgraph.graph import END
from langgraph.graph.message import add_messages
from langgraph.types import Interrupt, Overwrite, Send

from concertino.graph import routes, steps
from concertino.graph.runs.entry import configurable
from concertino.graph.state import PlannerState, merge_records

_NO_STEP = 0
"""LangGraph's scratchpads count supersteps; nothing of ours reads it."""


@dataclass(slots=True)
class Course:
    """Where a run is on its way, and what it carries: enough to go on from after it has waited."""

    state: dict[str, Any]
    node: str = routes.FIRST
    replies: list[Any] = field(default_factory=list)
    """What `node` was told when it asked, in order."""
    asked: tuple[Interrupt, ...] = ()
    """What it asks now; the run waits."""

    def output(self) -> dict[str, Any]:
        """Return what LangGraph returns of it."""
        shown: dict[str, Any] = {name: self.state[name] for name in ("result", "messages") if name in self.state}
        return {**shown, "__interrupt__": list(self.asked)} if self.asked else shown


def begun(given: Mapping[str, Any]) -> Course:
    """Return the course of a run that begins with an input."""
    state: dict[str, Any] = {"records": {}, "messages": []}
    for name in ("task", "messages"):
        if given.get(name) is not None:
            _apply(state, {name: given[name]})
    return Course(state)


async def drive(course: Course, config: RunnableConfig) -> None:
    """Bring a run to its end, or to where it waits for people."""
    course.asked = ()
    numbers = itertools.count(1)
    try:
        while course.node != END:
            step = routes.STEPS[course.node]
            _apply(
                course.state, await _told(step, course.state, config, f"{course.node}:{next(numbers)}", course.replies)
            )
            course.replies = []
            if course.node != routes.DISPATCH:
                course.node = routes.after(course.node, cast("PlannerState", course.state))
                continue
            course.node = routes.JOIN
            sends = steps.after_dispatch(cast("PlannerState", course.state), config)
            sent = [subtask for send in sends if isinstance(send, Send) for subtask in send.arg["subtasks"]]
            _apply(course.state, await _told(steps.work, {"subtasks": sent}, config, f"work:{next(numbers)}", []))
    except GraphInterrupt as stop:
        course.asked = tuple(stop.args[0]) if stop.args else ()


async def _told(
    step: routes.Step, given: Mapping[str, Any], config: RunnableConfig, place: str, replies: list[Any]
) -> dict[str, Any]:
    """Do a step that is told where it stands."""
    inner = _config(config, place, replies)
    token = var_child_runnable_config.set(inner)
    try:
        return await step(given, inner)
    finally:
        var_child_runnable_config.reset(token)


def _config(config: RunnableConfig, place: str, replies: list[Any]) -> RunnableConfig:
    """Return what a node is told of itself, as far as `interrupt()` and graphs that its bodies call need it."""
    conf = {
        **configurable(config),
        CONFIG_KEY_TASK_ID: place,
        CONFIG_KEY_CHECKPOINT_NS: place,
        CONFIG_KEY_SEND: _nowhere,
        CONFIG_KEY_SCRATCHPAD: PregelScratchpad(
            step=_NO_STEP,
            stop=_NO_STEP,
            call_counter=itertools.count().__next__,
            interrupt_counter=itertools.count().__next__,
            get_null_resume=_nothing,
            resume=replies,
            subgraph_counter=itertools.count().__next__,
        ),
    }
    return cast("RunnableConfig", {**config, "configurable": conf})


def _nothing(consume: bool = False) -> None:
    """Stand in for an answer to the whole invocation: it is among the replies of the node that asked."""


def _nowhere(writes: Sequence[tuple[str, Any]]) -> None:
    """Leave LangGraph's own record of answers alone."""


def _reduced(name: str, known: Any, new: Any) -> Any:
    if isinstance(new, Overwrite):
        return new.value
    reducer: Callable[[Any, Any], Any] | None = _REDUCERS.get(name)
    return new if reducer is None else reducer(known, new)


_REDUCERS: Mapping[str, Callable[[Any, Any], Any]] = {"records": merge_records, "messages": add_messages}
"""As `PlannerState` declares them."""


def _apply(state: dict[str, Any], update: Mapping[str, Any]) -> None:
    for name, new in update.items():
        state[name] = _reduced(name, state.get(name), new)
