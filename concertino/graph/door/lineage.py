"""Where an invocation stands: its whole config, its saver, and the line of checkpoints it writes to.

LangGraph works this out inside its own loop; the door has to know it before.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Mapping
from typing import Any, cast

from langchain_core.runnables import RunnableConfig
from langgraph._internal._config import ensure_config
from langgraph._internal._constants import (  # what a parent graph tells its subgraph has no public name
    CONFIG_KEY_CHECKPOINT_MAP,
    CONFIG_KEY_CHECKPOINT_NS,
    CONFIG_KEY_RESUMING,
    CONFIG_KEY_SCRATCHPAD,
    CONFIG_KEY_TASK_ID,
    NS_SEP,
)
from langgraph._internal._scratchpad import PregelScratchpad
from langgraph.checkpoint.base import BaseCheckpointSaver, CheckpointTuple
from langgraph.types import Command

from concertino.graph.runs.entry import (
    CHECKPOINTER,
    ENTRY,
    OWN_KEYS,
    WANTED_CONCURRENCY,
    Entry,
    configurable,
    with_configurable,
)

HAND_MADE = frozenset({"update", "fork"})
"""What the metadata of a checkpoint call its source when it does not follow from the one before. Source: LangGraph."""
UNBOUNDED = 1_000_000
"""LangGraph's `max_concurrency` for instances that wait on the board; it takes no `None` over an inherited one."""


def located(graph_config: RunnableConfig | None, config: RunnableConfig | None) -> RunnableConfig:
    """Return everything that is set for an invocation: by the graph, by the caller, by a graph that is under way around it.

    Inside a node of another graph, the checkpoint namespace is the one that LangGraph's loop is going to use: a node
    that invokes several graphs has their namespaces numbered.
    """
    asked = ensure_config(graph_config, config)
    conf = dict(configurable(asked))
    if ENTRY in conf:  # called inside a specialist: what was meant for that planner is not meant for this one
        conf = {key: value for key, value in conf.items() if key not in OWN_KEYS}
    if conf.get("thread_id"):
        conf["thread_id"] = str(conf["thread_id"])  # LangGraph's loop does so too, and savers key by it
    pad = conf.get(CONFIG_KEY_SCRATCHPAD)
    if isinstance(pad, PregelScratchpad):
        if number := pad.subgraph_counter():
            conf[CONFIG_KEY_CHECKPOINT_NS] = NS_SEP.join((conf[CONFIG_KEY_CHECKPOINT_NS], str(number)))
        conf[CONFIG_KEY_SCRATCHPAD] = dataclasses.replace(pad, subgraph_counter=_first)
    return {**asked, "configurable": conf}


def _first() -> int:
    return 0


def reading(config: RunnableConfig) -> RunnableConfig:
    """Return the config that finds the checkpoint which an invocation goes on from."""
    conf = configurable(config)
    namespace = conf.get(CONFIG_KEY_CHECKPOINT_NS) or ""
    if CONFIG_KEY_TASK_ID not in conf:
        return config if not namespace else with_configurable(config, checkpoint_ns="", checkpoint_id=None)
    named = cast("Mapping[str, str]", conf.get(CONFIG_KEY_CHECKPOINT_MAP) or {})
    return with_configurable(config, checkpoint_id=named[namespace]) if namespace in named else config


def continues(config: RunnableConfig, given: Any) -> bool:
    """Say whether LangGraph will go on from a checkpoint rather than take the input."""
    if CONFIG_KEY_TASK_ID in configurable(config):  # in a parent graph, which gives the input again
        return bool(configurable(config).get(CONFIG_KEY_RESUMING))
    return given is None or isinstance(given, Command)


def may_continue(config: RunnableConfig, given: Any) -> bool:
    """Say whether LangGraph may go on from a checkpoint; with an input, it depends on what the newest one is of."""
    return continues(config, given) or (CONFIG_KEY_TASK_ID not in configurable(config) and _request(config) is not None)


def is_again(config: RunnableConfig, saved: CheckpointTuple) -> bool:
    """Say whether an invocation is a request that died with its server and is tried again, its input with it.

    LangGraph tells by the request's id in the newest checkpoint, and goes on from there. Source: `PregelLoop`.
    """
    return _request(config) == saved.metadata.get("run_id")


def _request(config: RunnableConfig) -> object:
    return (config.get("metadata") or {}).get("run_id")


async def outer_line(config: RunnableConfig) -> str | None:
    """Return where the invocation stands in a graph around it whose state may be a fork's; `None` where it is not.

    That graph goes on from a checkpoint, or has gone on from one that was changed by hand or that it was put back to since it
    was last given an input.
    """
    conf = configurable(config)
    if CONFIG_KEY_TASK_ID not in conf:
        return None
    line = str(conf.get(CONFIG_KEY_CHECKPOINT_NS))
    if conf.get(CONFIG_KEY_RESUMING):
        return line
    saver = conf.get(CHECKPOINTER)
    above = cast("Mapping[str, str]", conf.get(CONFIG_KEY_CHECKPOINT_MAP) or {})
    if not isinstance(saver, BaseCheckpointSaver):
        return None
    for namespace, checkpoint_id in above.items():
        at = with_configurable(config, checkpoint_ns=namespace, checkpoint_id=checkpoint_id)
        saved = await kept(saver, at)
        while saved is not None and saved.metadata.get("source") != "input":
            if saved.metadata.get("source") in HAND_MADE:
                return line
            saved = await kept(saver, saved.parent_config) if saved.parent_config is not None else None
    return None


async def kept(saver: BaseCheckpointSaver[Any], config: RunnableConfig) -> CheckpointTuple | None:
    """Return a checkpoint, of a synchronous saver too."""
    try:
        return await saver.aget_tuple(config)
    except NotImplementedError:
        return await asyncio.to_thread(saver.get_tuple, config)


def is_addressed(config: RunnableConfig) -> bool:
    """Say whether the invocation names a checkpoint, which may not be the newest."""
    return bool(configurable(config).get("checkpoint_id"))


def is_put_at(config: RunnableConfig) -> bool:
    """Say whether an input of this invocation is put at a checkpoint that the caller names."""
    return is_addressed(config) and CONFIG_KEY_TASK_ID not in configurable(config)


def newest(config: RunnableConfig) -> RunnableConfig:
    """Return the config of the newest checkpoint on the same line."""
    return with_configurable(config, checkpoint_id=None)


def entered(
    config: RunnableConfig | None,
    asked: RunnableConfig,
    entry: Entry,
    saver: BaseCheckpointSaver[Any] | None,
) -> RunnableConfig:
    """Return the config of the invocation proper.

    `max_concurrency` is the caller's slot count, which the board keeps; LangGraph's own would be held by instances
    that wait.

    Args:
        config: As the caller gave it; its callbacks and tags are not merged twice.
        asked: From `located`.
        entry: What the door made of it.
        saver: The saver in use.
    """
    wanted = asked.get("max_concurrency")
    own = {ENTRY: entry, WANTED_CONCURRENCY: wanted, CHECKPOINTER: saver}
    inner: RunnableConfig = {**(config or {})}
    inner["configurable"] = {**configurable(asked), **own}
    if wanted is not None:
        inner["max_concurrency"] = UNBOUNDED
    return inner
