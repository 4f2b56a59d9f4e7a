"""Many seeds over several processes of the machine."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context

from concertino.evals.simulator.generating import SIZE
from concertino.evals.simulator.simulating import Report, simulate

GARBAGE = 50_000
"""Objects after which garbage is looked for; chosen by hand."""
STEP = 50
"""Seeds handed to a process at a time; chosen by hand."""


@dataclass(slots=True)
class Sweep:
    """What many seeds came to."""

    seeds: int = 0
    statuses: Counter[str] = field(default_factory=Counter)
    refused: int = 0
    processes: int = 0
    events: int = 0
    calls: int = 0
    virtual_s: float = 0.0
    failed: list[Report] = field(default_factory=list)
    """Those that broke a promise, by seed."""

    def add(self, other: Sweep) -> None:
        """Take in another sweep."""
        self.seeds += other.seeds
        self.statuses += other.statuses
        self.refused += other.refused
        self.processes += other.processes
        self.events += other.events
        self.calls += other.calls
        self.virtual_s += other.virtual_s
        self.failed = sorted([*self.failed, *other.failed], key=lambda report: report.seed)


def sweep(
    first: int, count: int, *, workers: int = 2, size: int = SIZE, on_part: Callable[[Sweep], object] | None = None
) -> Sweep:
    """Simulate `count` seeds from `first` on.

    Args:
        first: The first seed.
        count: How many.
        workers: Processes; 1 stays in this one.
        size: Most subtasks of a task.
        on_part: Told of everything so far, after every part.
    """
    ends = first + count
    parts = [(at, min(at + STEP, ends), size) for at in range(first, ends, STEP)]
    whole = Sweep()
    for part in _parts(parts, workers):
        whole.add(part)
        if on_part is not None:
            on_part(whole)
    return whole


def _parts(parts: list[tuple[int, int, int]], workers: int) -> Iterator[Sweep]:
    if workers <= 1:
        yield from map(_some, parts)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_prepare) as pool:
        yield from pool.map(_some, parts)


def _prepare() -> None:
    """Look for garbage less often: a fifth of the time goes there otherwise, and a seed leaves little behind."""
    gc.freeze()
    gc.set_threshold(GARBAGE)


def _some(part: tuple[int, int, int]) -> Sweep:
    first, end, size = part
    found = Sweep()
    for seed in range(first, end):
        report = simulate(seed, size=size)
        found.seeds += 1
        found.statuses.update(report.statuses)
        found.refused += report.is_refused
        found.processes += report.processes
        found.events += report.events
        found.calls += report.calls
        found.virtual_s += report.virtual_s
        if report.breaks:
            found.failed.append(report)
    return found
