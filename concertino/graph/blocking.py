"""Synchronous callers: their runs on the conducting loop, and their savers reached from there.

LangGraph's own synchronous loop holds a thread for every instance that waits; 1,000 of them cost 2 ms each. On the
conducting loop they cost what `ainvoke` costs.
"""

from __future__ import annotations

import contextvars
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import Future
from typing import Any, TypeVar

from langchain_core.runnables import RunnableConfig
from langgraph._internal._constants import CONFIG_KEY_CHECKPOINTER  # how a saver is lent has no public name
from langgraph.checkpoint.base import (
    BaseCheckpointSaver,
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    DeltaChannelHistory,
)

from concertino.graph.checkpoints import Checkpoints
from concertino.graph.runs.entry import with_configurable
from concertino.journal.awaiting import wait
from concertino.tools import threads
from concertino.tools.background import conducting

T = TypeVar("T")

_is_blocking: contextvars.ContextVar[bool] = contextvars.ContextVar("concertino_is_blocking", default=False)
_END: Any = object()


def take_is_blocking() -> bool:
    """Say whether this invocation serves a synchronous caller; what it invokes itself is asked anew."""
    is_blocking = _is_blocking.get()
    if is_blocking:
        _is_blocking.set(False)
    return is_blocking


def call(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run an invocation on the conducting loop, in a copy of the caller's context, and block for what it brings."""
    return conducting().run(work(), context=_marked())


def each(work: Callable[[], AsyncIterator[T]]) -> Iterator[T]:
    """Yield what an invocation on the conducting loop streams; closing the iterator ends it."""
    context = _marked()
    chunks: Any = context.run(work)

    async def following() -> T:
        return await anext(chunks, _END)

    try:
        while (chunk := conducting().run(following(), context=context)) is not _END:
            yield chunk
    finally:
        conducting().run(chunks.aclose(), context=context)


def _marked() -> contextvars.Context:
    context = contextvars.copy_context()
    context.run(_is_blocking.set, True)
    return context


def with_reach(config: RunnableConfig, saver: BaseCheckpointSaver[Any] | None) -> RunnableConfig:
    """Return a synchronous caller's config with its saver as the conducting loop can use it."""
    if saver is None or isinstance(saver, Checkpoints | Reached):
        return config
    return with_configurable(config, **{CONFIG_KEY_CHECKPOINTER: Reached(saver, _Lane())})


class _Lane:
    """Calls made one after another in a daemon thread, so that a slow store holds up nobody on the loop."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: deque[tuple[Callable[[], Any], Future[Any]]] = deque()
        self._is_served = False

    async def call(self, work: Callable[[], T]) -> T:
        done: Future[T] = Future()
        with self._lock:
            self._waiting.append((work, done))
            begins, self._is_served = not self._is_served, True
        if begins:
            threads.submit(self._serve)
        return await wait(done)

    def _serve(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._is_served = False
                    return
                work, done = self._waiting.popleft()
            try:
                done.set_result(work())
            except BaseException as error:  # noqa: BLE001  # the waiter must learn of it; the others are served
                done.set_exception(error)


class Reached(BaseCheckpointSaver[Any]):
    """A saver whose asynchronous methods call its synchronous ones."""

    def __init__(self, saver: BaseCheckpointSaver[Any], lane: _Lane) -> None:
        super().__init__(serde=saver.serde)
        self._saver, self._lane = saver, lane
        # What LangGraph and nested graphs ask a saver synchronously goes straight to it.
        self.get_tuple = saver.get_tuple  # type: ignore[method-assign]
        self.list = saver.list  # type: ignore[method-assign]
        self.put = saver.put  # type: ignore[method-assign]
        self.put_writes = saver.put_writes  # type: ignore[method-assign]
        self.delete_thread = saver.delete_thread  # type: ignore[method-assign]
        self.get_delta_channel_history = saver.get_delta_channel_history  # type: ignore[method-assign]
        self.get_next_version = saver.get_next_version  # type: ignore[method-assign]

    @property
    def config_specs(self) -> Any:
        """See the saver's own."""
        return self._saver.config_specs

    def with_allowlist(self, extra_allowlist: Any) -> Reached:
        """Return a copy whose saver takes more classes."""
        return Reached(self._saver.with_allowlist(extra_allowlist), self._lane)

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """See `get_tuple`."""
        return await self._lane.call(lambda: self._saver.get_tuple(config))

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,  # noqa: A002  # LangGraph's name
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        """See `list`."""
        found = await self._lane.call(
            lambda: tuple(self._saver.list(config, filter=filter, before=before, limit=limit))
        )
        for checkpoint in found:
            yield checkpoint

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """See `put`."""
        return await self._lane.call(lambda: self._saver.put(config, checkpoint, metadata, new_versions))

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """See `put_writes`."""
        await self._lane.call(lambda: self._saver.put_writes(config, writes, task_id, task_path))

    async def adelete_thread(self, thread_id: str) -> None:
        """See `delete_thread`."""
        await self._lane.call(lambda: self._saver.delete_thread(thread_id))

    async def aget_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:
        """See `get_delta_channel_history`."""
        return await self._lane.call(lambda: self._saver.get_delta_channel_history(config=config, channels=channels))
