"""Plans compared as partial orders: who does something, and who has to be done before whom.

Parallel steps may swap, and an edge that follows from others counts for nothing. Matching steps to steps is by label; where a
label stands more than once, the steps whose surroundings are most alike are paired.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from typing import NamedTuple

from concertino.contracts.errors import InputError

MOST_PAIRS = 4_096
"""Pairs of equally labelled steps that are looked at; beyond, they are paired in topological order. Chosen by hand."""


class Step(NamedTuple):
    """One node: what it is called, and the positions of those that it directly needs."""

    label: str
    needs: tuple[int, ...]


class Order:
    """A partial order over labelled steps. Sets of steps are bit masks, bit i for step i."""

    def __init__(self, steps: Sequence[Step], *, field: str) -> None:
        """Close the order.

        Raises:
            InputError: the steps need each other in a circle.
        """
        self.labels = tuple(step.label for step in steps)
        needs = {number: step.needs for number, step in enumerate(steps)}
        try:
            self.sorted = tuple(TopologicalSorter(needs).static_order())
        except CycleError as error:
            circle = " → ".join(steps[number].label for number in error.args[1])
            raise InputError(field=field, value=circle, rule="edges must not form a circle") from error
        self.before: list[int] = [0] * len(steps)
        """All that must be done before a step: the transitive closure."""
        self.direct: list[int] = [0] * len(steps)
        """What a step needs and no other need of it implies: the transitive reduction, which is unique for a DAG.
        Source: Aho, Garey, Ullman 1972, "The Transitive Reduction of a Directed Graph"."""
        self.depth: list[int] = [0] * len(steps)
        for number in self.sorted:
            own, implied = 0, 0
            for need in needs[number]:
                own |= 1 << need
                implied |= self.before[need]
                self.depth[number] = max(self.depth[number], self.depth[need] + 1)
            self.before[number] = own | implied
            self.direct[number] = own & ~implied

    @cached_property
    def after(self) -> list[int]:
        """Return all that waits for each step."""
        after = [0] * len(self.before)
        for number, mask in enumerate(self.before):
            for earlier in bits(mask):
                after[earlier] |= 1 << number
        return after

    def edges(self) -> list[tuple[int, int]]:
        """Return the edges of the reduction, (earlier, later)."""
        return [(need, number) for number, mask in enumerate(self.direct) for need in bits(mask)]

    def around(self, number: int) -> tuple[Counter[str], Counter[str]]:
        """Return how often which label stands before a step, and after it."""
        before, after = self.before[number], self.after[number]
        return Counter(self.labels[n] for n in bits(before)), Counter(self.labels[n] for n in bits(after))


@dataclass(frozen=True, slots=True)
class Agreement:
    """Precision and recall of one kind of thing."""

    right: int
    """Of what was planned."""
    planned: int
    found: int
    """Of what was expected."""
    expected: int

    @property
    def precision(self) -> float:
        return self.right / self.planned if self.planned else 1.0

    @property
    def recall(self) -> float:
        return self.found / self.expected if self.expected else 1.0

    @property
    def f1(self) -> float:
        """Return the harmonic mean of precision and recall; nothing planned where nothing was expected is 1."""
        both = self.precision + self.recall
        return 2 * self.precision * self.recall / both if both else 0.0


class Comparison(NamedTuple):
    """A plan against what was expected of it."""

    nodes: Agreement
    """Source: node F1 of TaskBench (Shen et al. 2023, arXiv:2311.18760), labels as a multiset."""
    edges: Agreement
    """An edge of the plan's reduction is right where the expected order implies it, one of the expected reduction is found
    where the plan's order implies it. Source: UzZaman, Allen 2011, "Temporal Evaluation" (ACL), there over time relations."""
    missing: list[str]
    extra: list[str]
    missing_edges: list[tuple[str, str]]
    extra_edges: list[tuple[str, str]]


def compare(planned: Order, expected: Order) -> Comparison:
    """Compare a plan with the expected partial order. Edges at steps that the other side lacks count as wrong or missing."""
    partner = _paired(planned, expected)
    back = {theirs: ours for ours, theirs in partner.items()}
    wrong = [edge for edge in planned.edges() if not _implied(edge, partner, expected)]
    missed = [edge for edge in expected.edges() if not _implied(edge, back, planned)]
    edges, wanted = len(planned.edges()), len(expected.edges())
    return Comparison(
        nodes=Agreement(len(partner), len(planned.labels), len(partner), len(expected.labels)),
        edges=Agreement(edges - len(wrong), edges, wanted - len(missed), wanted),
        missing=[label for n, label in enumerate(expected.labels) if n not in back],
        extra=[label for n, label in enumerate(planned.labels) if n not in partner],
        missing_edges=_named(missed, expected),
        extra_edges=_named(wrong, planned),
    )


def bits(mask: int) -> Iterable[int]:
    """Yield the positions of the set bits, lowest first."""
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low


def _implied(edge: tuple[int, int], partner: Mapping[int, int], other: Order) -> bool:
    earlier, later = partner.get(edge[0]), partner.get(edge[1])
    return earlier is not None and later is not None and bool(other.before[later] >> earlier & 1)


def _named(edges: Iterable[tuple[int, int]], order: Order) -> list[tuple[str, str]]:
    return [(order.labels[earlier], order.labels[later]) for earlier, later in edges]


def _paired(planned: Order, expected: Order) -> dict[int, int]:
    """Return which planned step is which expected one."""
    ours, theirs = _by_label(planned), _by_label(expected)
    partner: dict[int, int] = {}
    for label, mine in ours.items():
        wanted = theirs.get(label, [])
        if len(mine) == 1 and len(wanted) == 1:
            partner[mine[0]] = wanted[0]
        elif len(mine) * len(wanted) > MOST_PAIRS:
            partner.update(zip(mine, wanted, strict=False))
        elif wanted:
            partner.update(_alike(mine, wanted, planned, expected))
    return partner


def _by_label(order: Order) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for number in order.sorted:
        found.setdefault(order.labels[number], []).append(number)
    return found


def _alike(mine: list[int], wanted: list[int], planned: Order, expected: Order) -> dict[int, int]:
    """Pair steps of one label, those first whose predecessors and successors differ least."""
    ours = {number: planned.around(number) for number in mine}
    theirs = {number: expected.around(number) for number in wanted}
    ranked = sorted(
        (_apart(ours[m][0], theirs[w][0]) + _apart(ours[m][1], theirs[w][1]), i, j)
        for i, m in enumerate(mine)
        for j, w in enumerate(wanted)
    )
    partner: dict[int, int] = {}
    taken: set[int] = set()
    for _, i, j in ranked:
        if mine[i] not in partner and wanted[j] not in taken:
            partner[mine[i]] = wanted[j]
            taken.add(wanted[j])
    return partner


def _apart(one: Counter[str], other: Counter[str]) -> int:
    return (one - other).total() + (other - one).total()
