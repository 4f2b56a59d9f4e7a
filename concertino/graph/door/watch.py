"""Whether a run's thread is still there: threads are rolled back and deleted by whoever owns them, without a word.

A server that deletes a thread takes its checkpoints away and leaves the invocation running; LangGraph writes new ones.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import BaseCheckpointSaver

from concertino.contracts.journal import RunRow
from concertino.graph.door.lineage import kept
from concertino.graph.runs.run import Run

LOOK_S = 1.0
"""Seconds between two looks; chosen by hand."""
REASON = "its thread was deleted"


async def stands_on(saver: BaseCheckpointSaver[Any], row: RunRow) -> bool:
    """Say whether the newest checkpoint on a run's thread is the run's own, so that the thread can take it up."""
    config: RunnableConfig = {"configurable": {"thread_id": row.thread_id, "checkpoint_ns": ""}}
    saved = await kept(saver, config)
    if saved is None:
        return False
    run = saved.checkpoint["channel_values"].get("run")
    # Without `run` it is the checkpoint of a graph around this one, or the input that intake is about to take in.
    return not isinstance(run, Mapping) or run.get("run_id") == row.run_id


@contextlib.asynccontextmanager
async def cancelled_with_thread(
    run: Run | None, saver: BaseCheckpointSaver[Any] | None, config: RunnableConfig
) -> AsyncIterator[None]:
    """Cancel `run` when the thread of `config` had checkpoints and has none any more."""
    if run is None or saver is None:
        yield
        return
    watching = asyncio.ensure_future(_watch(run, saver, config))
    try:
        yield
    finally:
        watching.cancel()


async def _watch(run: Run, saver: BaseCheckpointSaver[Any], config: RunnableConfig) -> None:
    seen = False
    while True:
        await asyncio.sleep(LOOK_S)
        is_there = await saver.aget_tuple(config) is not None
        if seen and not is_there:
            run.cancel(REASON)
            return
        seen = is_there
