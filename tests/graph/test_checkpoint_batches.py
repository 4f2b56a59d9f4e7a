"""Writes that wait together are inserted together, and stand as if each had been written alone."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from langgraph.checkpoint.base import empty_checkpoint

from concertino.graph.checkpoints import ROWS, Checkpoints, open_checkpoints

CONFIG: Any = {"configurable": {"thread_id": "th", "checkpoint_ns": ""}}
METADATA: Any = {"source": "input", "step": -1, "parents": {}}


async def _stored(saver: Checkpoints, *, together: bool) -> list[tuple[str, str, Any]]:
    config = await saver.aput(CONFIG, empty_checkpoint(), METADATA, {})
    # Ordinary channels keep the first write of a task, errors and interrupts the last.
    writes: list[tuple[str, list[tuple[str, Any]]]] = [
        (f"task{n % (ROWS + 9)}", [("a", n), ("b", [n])]) for n in range(3 * ROWS)
    ]
    writes += [("task0", [("__error__", n)]) for n in range(3)] + [("task1", [("a", "late")])]
    if together:
        await asyncio.gather(*(saver.aput_writes(config, given, task) for task, given in writes))
    else:
        for task, given in writes:
            await saver.aput_writes(config, given, task)
    found = await saver.aget_tuple(config)
    assert found is not None
    assert found.pending_writes is not None
    return sorted(found.pending_writes, key=str)


async def test_together_is_as_one_by_one(tmp_path: Path) -> None:
    """More writes than fit one statement, of both kinds, read back the same either way."""
    alone, together = open_checkpoints(tmp_path / "alone.db"), open_checkpoints(tmp_path / "together.db")
    expected = await _stored(alone, together=False)
    assert await _stored(together, together=True) == expected
    assert ("task0", "__error__", 2) in expected
    assert len(expected) == 2 * (ROWS + 9) + 1
    alone.close()
    together.close()
