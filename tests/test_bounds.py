"""The bound that makespans are measured against: proven, so no schedule beats it."""

from __future__ import annotations

import heapq

from hypothesis import given
from hypothesis import strategies as st

from bench import bounds


@st.composite
def plans(draw: st.DrawFn) -> tuple[list[float], list[list[int]]]:
    """Seconds and parents of up to 14 subtasks."""
    seconds = draw(st.lists(st.floats(0.01, 10.0), min_size=1, max_size=14))
    parents = [sorted(draw(st.sets(st.integers(0, at - 1), max_size=3))) if at else [] for at in range(len(seconds))]
    return seconds, parents


def listed(seconds: list[float], parents: list[list[int]], order: list[int], slots: int) -> float:
    """Return the makespan of a list schedule."""
    unmet, children = [len(above) for above in parents], bounds.turned(parents)
    ready = [(order[at], at) for at, left in enumerate(unmet) if not left]
    heapq.heapify(ready)
    running: list[tuple[float, int]] = []
    now = 0.0
    while ready or running:
        while ready and len(running) < slots:
            _, at = heapq.heappop(ready)
            heapq.heappush(running, (now + seconds[at], at))
        now, ended = heapq.heappop(running)
        for child in children[ended]:
            unmet[child] -= 1
            if not unmet[child]:
                heapq.heappush(ready, (order[child], child))
    return now


@given(plan=plans(), slots=st.integers(1, 4), data=st.data())
def test_no_schedule_beats_the_bound(
    plan: tuple[list[float], list[list[int]]], slots: int, data: st.DataObject
) -> None:
    """Whatever order the subtasks take their slots in."""
    seconds, parents = plan
    order = data.draw(st.permutations(range(len(seconds))))
    assert bounds.makespan(seconds, parents, slots) <= listed(seconds, parents, order, slots) * (1 + 1e-6)


@given(plan=plans(), slots=st.integers(1, 4))
def test_the_bound_is_at_least_the_longest_path_and_an_even_share(
    plan: tuple[list[float], list[list[int]]], slots: int
) -> None:
    """What is proven beyond these only adds to them."""
    seconds, parents = plan
    assert bounds.makespan(seconds, parents, slots) >= max(*bounds.ends(seconds, parents), sum(seconds) / slots)


def test_work_that_waits_for_all_the_rest_is_added_to_an_even_share() -> None:
    """Eight equal halves on four slots take two rounds, and what needs them all comes after."""
    assert bounds.makespan([*[1.0] * 8, 3.0], [*[[]] * 8, list(range(8))], 4) > 4.999
