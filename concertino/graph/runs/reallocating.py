"""Reallocation in a run: whose budget is free, because nothing of the plan can be given to him any more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from concurrent.futures import Future

from concertino.budgets import Ledger, Move, Party
from concertino.budgets.amounts import bounds, shown
from concertino.contracts.budget import DIMENSIONS
from concertino.contracts.json import JsonObject
from concertino.contracts.plan import Plan, Subtask
from concertino.graph.options import Options
from concertino.nodes.planning.routing import alternatives

Asked = tuple[str, str | None]
"""What a subtask asks for: its specialist, and the capability, if it asked for one."""


class Reallocation:
    """Moves what is left of specialists' shares, or of their budgets too, to those that still have work.

    A specialist is done once no unfinished subtask of the plan is his, or could come to him as an alternative. Shares
    are parts of the run's budget and move by default, within what each specialist's own `budget` allows; these budgets
    are promises and move only where the planner is told so.
    """

    def __init__(self, options: Options, ledger: Ledger, emit: Callable[..., Future[list[int]]], *, node: str) -> None:
        self._options, self._ledger, self._emit, self._node = options, ledger, emit, node
        self._left: Counter[Asked] = Counter()
        self._takers: dict[Asked, frozenset[str]] = {}
        self._given: dict[str, tuple[int | None, ...]] = {}
        """Bounds of the specialists as the run began."""
        self._most: dict[str, tuple[int | None, ...]] = {}
        self.is_possible = False

    def begin(self, plan: Plan, over: Collection[str], *, quietly: bool) -> None:
        """Look at a plan of which `over` are finished; `quietly` where the record tells of it already."""
        if not self._given:
            self._given = {name: self._ledger.limits((self._node, name)) for name in self._options.specialists}
            is_hard = self._options.reallocate == "shares"
            self._most = {
                name: bounds(one.card.budget) if is_hard else (None,) * len(DIMENSIONS)
                for name, one in self._options.specialists.items()
            }
            self.is_possible = self._options.reallocate != "nothing" and any(
                sum(given[d] is not None for given in self._given.values()) > 1 for d in range(len(DIMENSIONS))
            )
        if not self.is_possible:
            return
        self._left = Counter()
        for subtask in plan.subtasks:
            if subtask.id not in over:
                self._left[self._asked(subtask)] += 1
        self._move(quietly=quietly)

    def ended(self, subtask: Subtask) -> None:
        """Note that a subtask is over."""
        if not self.is_possible:
            return
        asked = self._asked(subtask)
        self._left[asked] -= 1
        if not self._left[asked]:
            self._move(quietly=False)

    def _asked(self, subtask: Subtask) -> Asked:
        asked = (subtask.specialist or "", subtask.capability)
        if asked not in self._takers:
            others = alternatives(subtask, self._options.cards, {}, "")
            self._takers[asked] = frozenset((asked[0], *others))
        return asked

    def _move(self, *, quietly: bool) -> None:
        busy = {name for asked, count in self._left.items() if count > 0 for name in self._takers[asked]}
        moves = self._ledger.reallocate(
            {
                (self._node, name): Party(given, self._most[name], is_done=name not in busy)
                for name, given in self._given.items()
            }
        )
        if moves and not quietly:
            self._emit("BUDGET_REALLOCATED", payload=_told(moves))


def _told(moves: Collection[Move]) -> JsonObject:
    taken: dict[str, JsonObject] = {}
    given: dict[str, JsonObject] = {}
    for path, dimension, before, after in moves:
        side = given if after > before else taken
        side.setdefault(path[-1], {})[dimension] = shown(dimension, abs(after - before))
    return {"from": dict(taken), "to": dict(given)}
