"""Putting off full garbage collections: for large dispatches alone, and never for good."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from typing import Any

import pytest

from concertino import Finding, create_planner, specialist
from concertino.graph.runs import lull
from concertino.graph.runs.lull import LONGEST_S, MANY, RARELY, YOUNG, Lull


@pytest.fixture(autouse=True)
def _own_thresholds(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(lull, "_rests_until", 0.0)
    before = gc.get_threshold()
    gc.set_threshold(700, 11, 12)
    yield
    gc.set_threshold(*before)


def _thresholds_within(count: int) -> set[tuple[int, int, int]]:
    seen = set()

    @specialist("worker")
    async def worker(brief: Any) -> Finding:
        seen.add(gc.get_threshold())
        return Finding(output=1)

    subtasks = [{"id": f"n{at}", "specialist": "worker"} for at in range(count)]
    graph = create_planner(specialists=[worker])
    out = asyncio.run(graph.ainvoke({"task": {"task_id": "t", "plan": {"subtasks": subtasks}}}))
    assert out["result"]["status"] == "success"
    return seen


def test_a_large_dispatch_puts_full_passes_off_and_its_end_brings_them_back() -> None:
    """Young objects are looked at in larger heaps, the middle generation as the host says; all of it is back after the run."""
    assert _thresholds_within(MANY) == {(YOUNG, 11, RARELY)}
    assert gc.get_threshold() == (700, 11, 12)


def test_a_small_dispatch_leaves_the_collector_alone() -> None:
    """Below `MANY` subtasks nothing is touched."""
    assert _thresholds_within(MANY - 1) == {(700, 11, 12)}


async def test_the_last_of_several_restores_the_setting() -> None:
    """Two at the same time end in any order; ending twice changes nothing."""
    loop = asyncio.get_running_loop()
    first, second = Lull(loop), Lull(loop)
    first.end()
    first.end()
    assert gc.get_threshold() == (YOUNG, 11, RARELY)
    second.end()
    assert gc.get_threshold() == (700, 11, 12)


async def test_a_setting_made_meanwhile_stands() -> None:
    """What the host sets during a lull is not undone by its end."""
    own = Lull(asyncio.get_running_loop())
    gc.set_threshold(1_000, 20, 30)
    own.end()
    assert gc.get_threshold() == (1_000, 20, 30)


@pytest.mark.parametrize(("own", "quiet"), [(0, 0), (50_000, 50_000)])
async def test_a_host_that_collects_less_keeps_it_so(own: int, quiet: int) -> None:
    """Also one that does not collect at all."""
    gc.set_threshold(own, 11, 12)
    made = Lull(asyncio.get_running_loop())
    assert gc.get_threshold() == (quiet, 11, RARELY)
    made.end()
    assert gc.get_threshold() == (own, 11, 12)


async def test_full_passes_come_where_dispatches_follow_without_a_gap() -> None:
    """Nobody joins a quiet of `LONGEST_S`, and after it there is none for as long."""
    loop, at = asyncio.get_running_loop(), [1_000_000_000.0]

    def begin() -> Lull:
        return Lull(loop, now=lambda: at[0])

    first = begin()
    at[0] += LONGEST_S
    second = begin()
    first.end()
    assert gc.get_threshold() == (700, 11, 12)
    at[0] += LONGEST_S / 2
    third = begin()
    assert gc.get_threshold() == (700, 11, 12)
    at[0] += LONGEST_S
    fourth = begin()
    assert gc.get_threshold() == (YOUNG, 11, RARELY)
    for one in (second, third, fourth):
        one.end()
    assert gc.get_threshold() == (700, 11, 12)
