"""Checkpoints in this process's memory, which several planners may share as they would share a database."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import ChannelVersions, Checkpoint, CheckpointMetadata, CheckpointTuple
from langgraph.checkpoint.memory import InMemorySaver

from concertino.graph.checkpoints import StrictSerializer


class MemoryCheckpoints(InMemorySaver):
    """LangGraph's saver in memory with our serializer. For simulations: a planner's own line to it can be cut."""

    def __init__(self) -> None:
        super().__init__(serde=StrictSerializer())
        self._check: Callable[[], None] = _nothing

    def through(self, check: Callable[[], None]) -> MemoryCheckpoints:
        """Return a saver with the same checkpoints that calls `check` before every access and passes on what it raises."""
        made = MemoryCheckpoints()
        made.storage, made.writes, made.blobs, made._check = self.storage, self.writes, self.blobs, check
        return made

    def get_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        self._check()
        return super().get_tuple(config)

    def list(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,  # noqa: A002  # LangGraph's name
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> Iterator[CheckpointTuple]:
        self._check()
        yield from super().list(config, filter=filter, before=before, limit=limit)

    def put(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        self._check()
        return super().put(config, checkpoint, metadata, new_versions)

    def put_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        self._check()
        super().put_writes(config, writes, task_id, task_path)

    def delete_thread(self, thread_id: str) -> None:
        self._check()
        super().delete_thread(thread_id)


def _nothing() -> None:
    pass
