"""What no schedule of a plan can beat.

The critical path; and, with `slots`, work that must lie within an interval however early its subtasks start or late
they end: where some interval would have to hold more than its length times `slots`, no schedule ends in that time.
Source: Fernandez and Bussell, Bounds on the number of processors and time for multiprocessor optimal schedules, IEEE
Transactions on Computers C-22 (8), 1973. All numbers are seconds; subtasks are known by their index.
"""

from __future__ import annotations

from collections.abc import Sequence

GRID = 60
"""Points at which intervals are tried to begin and to end; fewer prove less, and nothing wrong."""

STEPS = 16
"""Halvings of what is left between proven and not."""


def turned(parents: Sequence[Sequence[int]]) -> list[list[int]]:
    """Return the children of each."""
    children: list[list[int]] = [[] for _ in parents]
    for at, above in enumerate(parents):
        for parent in above:
            children[parent].append(at)
    return children


def ends(seconds: Sequence[float], parents: Sequence[Sequence[int]]) -> list[float]:
    """Return when each ends when nothing holds it up."""
    found: dict[int, float] = {}
    stack = list(range(len(seconds)))
    while stack:
        at = stack[-1]
        missing = [parent for parent in parents[at] if parent not in found]
        if at not in found and not missing:
            found[at] = seconds[at] + max((found[parent] for parent in parents[at]), default=0.0)
        if missing:
            stack.extend(missing)
        else:
            stack.pop()
    return [found[at] for at in range(len(seconds))]


def makespan(seconds: Sequence[float], parents: Sequence[Sequence[int]], slots: int) -> float:
    """Return the longest time in which it is proven that no schedule on `slots` ends."""
    early = ends(seconds, parents)
    behind = ends(seconds, turned(parents))
    proven = max(*early, sum(seconds) / slots)
    open_to = proven * 2  # Graham: longest path first needs less than twice the bound
    for _ in range(STEPS):
        tried = (proven + open_to) / 2
        if _is_too_short(tried, seconds, early, behind, slots):
            proven = tried
        else:
            open_to = tried
    return proven


def _is_too_short(
    limit: float, seconds: Sequence[float], early: Sequence[float], behind: Sequence[float], slots: int
) -> bool:
    """Say whether some interval would have to hold more work than it can, if all were to end by `limit`."""
    latest = [limit - path for path in behind]
    begins = _some([*(end - own for end, own in zip(early, seconds, strict=True)), *latest])
    finishes = _some([*early, *(start + own for start, own in zip(latest, seconds, strict=True))])
    for begin in begins:
        # What is left of each after `begin` when it starts as early as it can, and when it starts at the latest.
        left = [
            (min(own, end - begin), start)
            for own, end, start in zip(seconds, early, latest, strict=True)
            if end > begin
        ]
        for finish in finishes:
            held = sum(min(own, finish - start, finish - begin) for own, start in left if start < finish)
            if begin < finish and held > slots * (finish - begin) * (1 + 1e-9):
                return True
    return False


def _some(points: Sequence[float]) -> list[float]:
    known = sorted(set(points))
    if len(known) <= GRID:
        return known
    return [known[round(at * (len(known) - 1) / (GRID - 1))] for at in range(GRID)]
