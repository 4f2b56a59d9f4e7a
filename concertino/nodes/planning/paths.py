"""Order, cycles, depth and longest paths of a DAG, without recursion. Nodes are positions; `needs[i]` are i's prerequisites."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import NamedTuple

from concertino.contracts.plan import Plan

CYCLES_SHOWN = 10
"""Cycles reported at once, chosen by hand."""


class CriticalPath(NamedTuple):
    """The longest chain of a plan by estimate."""

    seconds: float
    ids: tuple[str, ...]
    """From the first subtask to the last."""


def order(needs: Sequence[Sequence[int]], *, rank: Sequence[int] | None = None) -> list[int]:
    """Return a topological order; of what is ready the lowest `rank`, then the first given, comes first.

    Nodes on a cycle, or behind one, are left out.
    """
    waiting = [len(set(before)) for before in needs]
    after: list[list[int]] = [[] for _ in needs]
    for node, before in enumerate(needs):
        for need in set(before):
            after[need].append(node)
    ranks = rank if rank is not None else [0] * len(needs)
    ready = [(ranks[node], node) for node, count in enumerate(waiting) if count == 0]
    heapq.heapify(ready)
    found: list[int] = []
    while ready:
        _, node = heapq.heappop(ready)
        found.append(node)
        for follower in after[node]:
            waiting[follower] -= 1
            if waiting[follower] == 0:
                heapq.heappush(ready, (ranks[follower], follower))
    return found


def cycles(needs: Sequence[Sequence[int]]) -> list[list[int]]:
    """Return disjoint cycles, at most `CYCLES_SHOWN`; in each, every node needs the next and the last needs the first."""
    left = [set(before) for before in needs]
    gone: set[int] = set()
    found: list[list[int]] = []
    while len(found) < CYCLES_SHOWN:
        gone.update(order([[need for need in before if need not in gone] for before in left]))
        start = next((node for node in range(len(needs)) if node not in gone), None)
        if start is None:
            break
        # Every node left needs another node left, so a walk along needs must meet itself.
        seen: dict[int, int] = {}
        walk: list[int] = []
        node = start
        while node not in seen:
            seen[node] = len(walk)
            walk.append(node)
            node = min(need for need in left[node] if need not in gone)
        cycle = walk[seen[node] :]
        first = cycle.index(min(cycle))
        found.append(cycle[first:] + cycle[:first])
        gone.update(cycle)
    return found


def longest(
    needs: Sequence[Sequence[int]], weights: Sequence[float], ordered: Sequence[int]
) -> tuple[list[float], list[int]]:
    """Return for each node the heaviest chain ending in it, itself included, and the node before it on that chain or -1."""
    total = [0.0] * len(needs)
    before = [-1] * len(needs)
    for node in ordered:
        best = max(needs[node], key=lambda need: (total[need], -need), default=-1)
        before[node] = best
        total[node] = weights[node] + (total[best] if best >= 0 else 0.0)
    return total, before


def chain(end: int, before: Sequence[int]) -> list[int]:
    """Return the chain that ends in `end`, first node first."""
    found = [end]
    while before[found[-1]] >= 0:
        found.append(before[found[-1]])
    return found[::-1]


def critical_path(plan: Plan) -> CriticalPath:
    """Return the longest chain of `plan` by `estimate_s`; stages follow one another, so theirs are put end to end."""
    needs = _positions(plan)
    total, before = longest(needs, [subtask.estimate_s for subtask in plan.subtasks], range(len(needs)))
    seconds, ids = 0.0, []
    by_stage: dict[str | None, list[int]] = {}
    for node, subtask in enumerate(plan.subtasks):
        by_stage.setdefault(subtask.stage, []).append(node)
    if len(by_stage) == 1:
        end = max(range(len(total)), key=lambda node: (total[node], -node))
        return CriticalPath(total[end], tuple(plan.subtasks[node].id for node in chain(end, before)))
    for members in by_stage.values():
        inside = {node: at for at, node in enumerate(members)}
        local = [[inside[need] for need in needs[node] if need in inside] for node in members]
        total, before = longest(local, [plan.subtasks[node].estimate_s for node in members], range(len(members)))
        end = max(range(len(members)), key=lambda node: (total[node], -node))
        seconds += total[end]
        ids += [plan.subtasks[members[node]].id for node in chain(end, before)]
    return CriticalPath(seconds, tuple(ids))


def remaining_path(plan: Plan) -> dict[str, float]:
    """Return for each subtask the estimated seconds from its start to the end of the longest chain behind it.

    Slots go to the largest first. Chains end with their stage, as the next stage starts for all at once.
    """
    position = {subtask.id: node for node, subtask in enumerate(plan.subtasks)}
    left = [0.0] * len(plan.subtasks)
    for node in range(len(plan.subtasks) - 1, -1, -1):
        subtask = plan.subtasks[node]
        left[node] += subtask.estimate_s
        for need in subtask.needs:
            before = position[need]
            if plan.subtasks[before].stage == subtask.stage:
                left[before] = max(left[before], left[node])
    return {subtask.id: left[node] for node, subtask in enumerate(plan.subtasks)}


def depth(plan: Plan) -> int:
    """Return the longest chain of prerequisites, counted in subtasks."""
    needs = _positions(plan)
    total, _ = longest(needs, [1.0] * len(needs), range(len(needs)))
    return int(max(total, default=0.0))


def _positions(plan: Plan) -> list[list[int]]:
    position = {subtask.id: node for node, subtask in enumerate(plan.subtasks)}
    return [[position[need] for need in subtask.needs] for subtask in plan.subtasks]
