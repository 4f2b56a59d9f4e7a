"""Cells: one dimension of one account, and the arithmetic along a chain of them from an account up to the run.

With `load` for what an account has settled and promised below it, an account claims `max(load, granted)` from its
parent, and the parent's load is the sum of such claims and of its own reservations. So a grant is money that the
parent counts as held until the account is closed; what fits into a grant moves nothing above it. Everything is a
function of loads and grants: refunds may come in any order. Nothing here locks; the caller holds the ledger's lock.
"""

from __future__ import annotations

from concertino.budgets.amounts import UNBOUNDED, shown
from concertino.contracts.budget import Dimension
from concertino.contracts.errors import BudgetExceeded


class Cell:
    """One dimension of one account."""

    __slots__ = ("alert_at", "dimension", "free", "granted", "is_floor", "limit", "parent", "path", "settled")

    def __init__(self, path: str, dimension: Dimension, parent: Cell | None) -> None:
        self.path = path
        self.dimension: Dimension = dimension
        self.parent = parent
        self.limit = UNBOUNDED
        self.free = UNBOUNDED
        """Limit less load; negative only after a breach or a restored charge."""
        self.settled = 0
        """Of the account and everything below it."""
        self.granted = 0
        """The load up to which a grant of its own covers it; 0 without a grant."""
        self.is_floor = False
        """Its grant is the floor: nobody outside may count on getting it back."""
        self.alert_at = UNBOUNDED
        """Settled sum from which alerts must be looked at; set on the run's cells only."""

    @property
    def pool(self) -> int:
        """What is left of its grant, neither settled nor held below."""
        rest = self.granted - self.limit + self.free
        return max(0, rest)

    def bound(self, limit: int) -> None:
        """Set the limit; what is settled and held already counts against it."""
        self.free += limit - self.limit
        self.limit = limit


Chain = tuple[tuple[Cell, ...], ...]
"""For every dimension the cells from an account up to the run."""


def take(chain: Chain, asked: tuple[int, ...]) -> bool:
    """Add `asked` to the load if all of it fits; else, or when an amount is negative, change nothing. Say which."""
    for cells, n in zip(chain, asked, strict=True):
        if n > 0:
            for cell in cells:
                free = cell.free
                if free < n:
                    _untake(chain, asked, cells, cell)
                    return False
                cell.free = free - n
                if cell.granted:
                    # Here and below: `pool` written out, signed; below 0 is what was claimed beyond the grant.
                    pool = cell.granted - cell.limit + free
                    if pool >= n:
                        break
                    if pool > 0:
                        n -= pool
        elif n:
            _untake(chain, asked, cells, cells[0])
            return False
    return True


def _untake(chain: Chain, asked: tuple[int, ...], last: tuple[Cell, ...], failed: Cell) -> None:
    """Give back what was taken before `failed` in `last`."""
    for cells, n in zip(chain, asked, strict=True):
        if cells is last:
            settle((cells[: cells.index(failed)],), (n,), (0,))
            return
        settle((cells,), (n,), (0,))


def hold(chain: Chain, amounts: tuple[int, ...]) -> None:
    """Add `amounts` to the load, without asking whether they fit."""
    for cells, n in zip(chain, amounts, strict=True):
        if n:
            for cell in cells:
                if cell.granted:
                    pool = cell.granted - cell.limit + cell.free
                    cell.free -= n
                    if pool >= n:
                        break
                    if pool > 0:
                        n -= pool
                else:
                    cell.free -= n


def settle(chain: Chain, held: tuple[int, ...], used: tuple[int, ...]) -> bool:
    """Turn `held` into `used`, which may be more. Return whether it was more, or alerts must be looked at."""
    notable = False
    for cells, a, n in zip(chain, held, used, strict=True):
        if (a or n) and cells:
            back = a - n
            if back < 0:
                notable = True
            cell = cells[0]
            for cell in cells:
                cell.settled += n
                if back:
                    if cell.granted:
                        pool = cell.granted - cell.limit + cell.free
                        cell.free += back
                        rest = pool + back
                        if rest > 0:
                            back = -pool if pool < 0 else 0
                        elif pool > 0:
                            back = rest
                    else:
                        cell.free += back
            if cell.settled >= cell.alert_at:
                notable = True
    return notable


def grant(cells: tuple[Cell, ...], n: int) -> None:
    """Promise `n` to the first cell's account, out of all above it."""
    own = cells[0]
    own.granted = max(own.granted, own.limit - own.free) + n
    hold((cells[1:],), (n,))


def revoke(cells: tuple[Cell, ...], n: int) -> None:
    """Give back to those above up to `n` of what is left of the first cell's grant."""
    own = cells[0]
    n = min(n, own.pool)
    if n:
        own.granted -= n
        settle((cells[1:],), (n,), (0,))


def room(cells: tuple[Cell, ...], *, granting: bool) -> int:
    """Return the most that could be held now (or, when `granting`, granted to the first cell's account)."""
    most, drawable = UNBOUNDED, 0
    for cell in cells:
        free = cell.free
        if granting and cell is cells[0]:
            free -= cell.pool
        most = min(most, max(0, free) + drawable)
        if cell.granted and not (granting and cell is cells[0]):
            drawable += cell.pool
    return most


def tight(cells: tuple[Cell, ...], n: int, *, granting: bool) -> list[Cell]:
    """Return the cells in which `n` does not fit now."""
    found, drawable = [], 0
    for cell in cells:
        own = granting and cell is cells[0]
        free = cell.free - cell.pool if own else cell.free
        if max(0, free) + drawable < n:
            found.append(cell)
        if cell.granted and not own:
            drawable += cell.pool
    return found


def reach(cells: tuple[Cell, ...], n: int, *, granting: bool) -> tuple[Cell, ...]:
    """Return the cells whose load `n` would change: those up to the grant that covers it."""
    for i, cell in enumerate(cells):
        if cell.granted and not (granting and not i):
            n -= cell.pool
            if n <= 0:
                return cells[: i + 1]
    return cells


def refusal(cell: Cell, *, asked: int, left: int) -> BudgetExceeded:
    """Return the error for a cell in which `asked` does not fit."""
    dimension = cell.dimension
    return BudgetExceeded(
        scope=cell.path, dimension=dimension, asked=shown(dimension, asked), left=shown(dimension, max(0, left))
    )
