"""Admission: who waits for budget, in which order they are served, and who can no longer hope.

Order: higher priority first, within one priority first come, first served. A waiter that does not fit bars the cells
it was ever short in: nobody behind it may take from those, so a large request is never starved by small ones of its
own or a lower priority, while requests that do not touch those cells pass. Only a stream of higher priority, or a
`reserve` that does not wait, can take what a waiter waits for.

A waiter waits as long as what others hold could make more room for it. Holds that nobody can be expected to give back
are *pinned* and do not count: the floor; the grant of every account under which somebody waits (it ends when that
account closes, which is after the wait); a reservation that a waiter declared itself to be `within`. When the rest
cannot enlarge the waiter's share, it takes the share there is, if that reaches its minimum. When not even its minimum
could come from the rest, it hopes for other waiters to get on and unpin what they hold. If none of these can get on,
even with every unpinned hold refunded in full, they wait for each other: the newest of the lowest priority is refused,
and the question is asked again. So whoever is left waits, directly or through others, on a hold whose owner does
not wait here; a wait ends if every such owner settles or closes in finite time.

All of this runs under the ledger's lock, on events only; no code of others is called.
"""

from __future__ import annotations

import bisect
from abc import ABC, abstractmethod
from collections.abc import Iterable

from concertino.budgets.amounts import NOTHING, UNBOUNDED, Amounts
from concertino.budgets.cells import Cell, Chain, reach, refusal, room, tight
from concertino.contracts.errors import BudgetExceeded

Pins = dict[Cell, int]
"""How much of a cell's load is pinned."""


class Hold:
    """A live sum in a chain of cells."""

    __slots__ = ("amounts", "chain", "used", "within")

    def __init__(self, chain: Chain, amounts: Amounts, within: Hold | None) -> None:
        self.chain = chain
        self.amounts = amounts
        self.within = within
        """The hold that stays open at least as long as this one."""
        self.used: Amounts | None = None
        """What was charged; `None` while it is open."""


class Waiter(ABC):
    """A request in the queue. `decided` and `refused` are written under the lock."""

    __slots__ = (
        "barred",
        "chain",
        "decided",
        "dimensions",
        "granting",
        "holding",
        "least",
        "mask",
        "order",
        "outcome",
        "refused",
        "wanted",
        "within",
    )

    def __init__(
        self, chain: Chain, wanted: Amounts, *, least: Amounts, priority: int, within: Hold | None, granting: bool
    ) -> None:
        self.chain = chain
        self.wanted = wanted
        self.least = least
        self.within = within
        self.granting = granting
        """Whether it asks for a grant to the chain's first account, not for a reservation."""
        self.dimensions = tuple(d for d, n in enumerate(wanted) if n)
        self.mask = sum(1 << d for d in self.dimensions)
        self.order: tuple[int, int] = (-priority, 0)
        self.holding = False
        """Whether it may pin anything; kept by the queue."""
        self.barred: set[Cell] = set()
        self.decided = False
        self.refused: BudgetExceeded | None = None

    @abstractmethod
    def admit(self, share: Amounts) -> None:
        """Take the share; it fits. Called under the lock."""

    @abstractmethod
    def wake(self) -> None:
        """Tell the one who waits that it is decided. Called without the lock, from any thread."""

    def pins(self) -> Iterable[Hold]:
        """Yield the open holds that cannot end before this wait."""
        outer = self.within
        while outer is not None:
            if outer.used is None:
                yield outer
            outer = outer.within

    def granted(self) -> Iterable[Cell]:
        """Yield the cells on the way up that have something left of a grant."""
        for cells in self.chain:
            for cell in cells:
                if cell.granted:
                    yield cell

    def could_have(self, dimension: int, pins: Pins) -> tuple[int, Cell]:
        """Return what it could get if all but `pins` were refunded, and the cell that decides it."""
        cells = self.chain[dimension]
        most, drawable, narrowest = UNBOUNDED, 0, cells[0]
        for cell in cells:
            own = self.granting and cell is cells[0]
            best = cell.limit - cell.settled - pins.get(cell, 0) - (cell.pool if own else 0)
            best = max(0, best) + drawable
            if best < most:
                most, narrowest = best, cell
            if cell.granted and not own:
                drawable += cell.pool
        return most, narrowest

    def hopeless(self, pins: Pins) -> BudgetExceeded | None:
        """Return why its minimum could not be had even if all but `pins` were refunded, or `None`."""
        for d in self.dimensions:
            most, cell = self.could_have(d, pins)
            if most < self.least[d]:
                return refusal(cell, asked=self.least[d], left=most)
        return None


class Queue:
    """All waiters of one ledger, in the order in which they are served."""

    __slots__ = ("_arrivals", "_common", "_decided", "_largest", "_run", "floors", "waiters")

    def __init__(self, run: Chain) -> None:
        self.waiters: list[Waiter] = []
        self.floors: list[Cell] = []
        """Cells that hold the floor."""
        self._run = [cells[0] for cells in run]
        self._decided: list[Waiter] = []
        self._arrivals = 0
        self._common = 0
        """Bits of dimensions that everybody in the queue asks for."""
        self._largest = list(NOTHING)
        """For every dimension at least the largest minimum of anybody in the queue."""

    def join(self, waiter: Waiter) -> None:
        """Put a waiter in its place; `serve` must follow."""
        if not self.waiters:
            self._largest, self._common = list(NOTHING), waiter.mask
        self._common &= waiter.mask
        self._largest = [max(pair) for pair in zip(self._largest, waiter.least, strict=True)]
        self._arrivals += 1
        waiter.order = (waiter.order[0], self._arrivals)
        waiter.holding = waiter.within is not None or any(True for _ in waiter.granted())
        bisect.insort(self.waiters, waiter, key=lambda one: one.order)

    def granted(self, account: Cell) -> None:
        """Note that an account, given by its first cell, was granted something."""
        for waiter in self.waiters:
            if account in waiter.chain[0]:
                waiter.holding = True

    def leave(self, waiter: Waiter) -> None:
        """Take out a waiter that was not decided; `serve` must follow, as others may have waited behind it."""
        self.waiters.remove(waiter)

    def refuse(self, waiter: Waiter, reason: BudgetExceeded) -> None:
        """Decide against a waiter and take it out; `serve` must follow."""
        waiter.refused = reason
        self._decide(waiter)

    def serve(self) -> list[Waiter]:
        """Admit or refuse whoever can be; return all decided since last asked, to be woken once the lock is free."""
        while self.waiters:
            if not any(waiter.holding for waiter in self.waiters):
                # Nobody here pins anything: one look at each settles it, and nobody waits for another waiter.
                self._pass(self._pins(()), alone=False)
                break
            if not self._pass(self._pins(self.waiters), alone=True) and not self._break_deadlock():
                break
        decided, self._decided = self._decided, []
        return decided

    def _decide(self, waiter: Waiter) -> None:
        waiter.decided = True
        self.waiters.remove(waiter)
        self._decided.append(waiter)

    def _pass(self, pins: Pins, *, alone: bool) -> bool:
        """Decide whoever can be, one at most when `alone`, as that changes the pins. Return whether there was one.

        Whoever pins nothing and comes behind a bar on the run itself is looked at only for hope.
        """
        floor = self._pins(()) if alone else pins
        ceiling = [cell.limit - cell.settled - floor.get(cell, 0) for cell in self._run]
        roomy = all(largest <= most for largest, most in zip(self._largest, ceiling, strict=True))
        barred: set[Cell] = set()
        shut = 0
        found = False
        for waiter in tuple(self.waiters):
            behind = shut & waiter.mask and not waiter.holding
            if behind and (roomy or all(waiter.least[d] <= ceiling[d] for d in waiter.dimensions)):
                continue
            reason = waiter.hopeless(floor)
            share = None if reason is not None else _share(waiter, pins, barred)
            if reason is not None:
                self.refuse(waiter, reason)
            elif share is not None:
                waiter.admit(share)
                self._decide(waiter)
            else:
                shut = sum(1 << d for d, cell in enumerate(self._run) if cell in barred)
                if roomy and shut & self._common and not alone:
                    break
                continue
            found = True
            if alone:
                break
        return found

    def _break_deadlock(self) -> bool:
        """Refuse the last of those who can only wait for each other. Return whether there was one."""
        stuck = list(self.waiters)
        while stuck:
            pins = self._pins(stuck)
            still = [(waiter, reason) for waiter in stuck if (reason := waiter.hopeless(pins)) is not None]
            if len(still) == len(stuck):
                self.refuse(*still[-1])
                return True
            stuck = [waiter for waiter, _ in still]
        return False

    def _pins(self, waiting: Iterable[Waiter]) -> Pins:
        """Return what cannot come free before one of `waiting` has got on; the floor never does."""
        granted = {cell: None for cell in self.floors if cell.is_floor}
        holds: dict[Hold, None] = {}
        for waiter in waiting:
            granted.update(dict.fromkeys(waiter.granted()))
            holds.update(dict.fromkeys(waiter.pins()))
        return _pinned(granted, holds)


def _pinned(granted: Iterable[Cell], holds: Iterable[Hold]) -> Pins:
    pins: Pins = {}
    for cell in granted:
        pool, above = cell.pool, cell.parent
        while above is not None:
            pins[above] = pins.get(above, 0) + pool
            above = above.parent
    for one in holds:
        for cells, n in zip(one.chain, one.amounts, strict=True):
            for cell in cells if n else ():
                pins[cell] = pins.get(cell, 0) + n
    return pins


def _share(waiter: Waiter, pins: Pins, barred: set[Cell]) -> Amounts | None:
    """Return what the waiter takes now, or `None` when it waits; then its cells are added to `barred`."""
    share, enough, final = list(waiter.wanted), True, True
    short: list[Cell] = []
    for d in waiter.dimensions:
        cells, wanted = waiter.chain[d], waiter.wanted[d]
        now = room(cells, granting=waiter.granting)
        if now < wanted:
            short += tight(cells, wanted, granting=waiter.granting)
            share[d] = now
            enough = enough and now >= waiter.least[d]
            final = final and min(wanted, waiter.could_have(d, pins)[0]) <= now
    behind = bool(barred) and any(
        cell in barred
        for d in waiter.dimensions
        for cell in reach(waiter.chain[d], waiter.wanted[d], granting=waiter.granting)
    )
    if enough and final and not behind:
        return Amounts(*share)
    if waiter.hopeless(pins) is None:
        # Who can only be helped by other waiters bars nobody: they may be the ones behind.
        waiter.barred.update(short)
        barred |= waiter.barred
    return None
