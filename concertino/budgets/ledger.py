"""The ledger of one run: a tree of accounts that together never pass a limit at any level."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from pydantic import JsonValue

from concertino.budgets.account import Account, Path
from concertino.budgets.alerts import WRAP_UP, Alert, Meter
from concertino.budgets.amounts import UNBOUNDED, bounds, shown
from concertino.budgets.books import Books, Breach, Leak
from concertino.budgets.cells import Cell, grant
from concertino.budgets.reallocation import Move, Party, Share, divided
from concertino.contracts.budget import DIMENSIONS, Budget, Dimension, Usage
from concertino.contracts.clock import Clock, SystemClock
from concertino.contracts.errors import SetupError

SYNTHESIZE: Path = ("synthesize",)
"""The node whose accounts alone may draw on the floor."""

RUN = "run"


class Ledger:
    """A run's ledger. `floor` is held for synthesis from the start: everybody else sees the limit less the floor.

    Settled and held stay within every limit, save for breaches and restored charges, which were spent already.
    `seconds` of a budget are not counted here: whoever runs sets deadlines. `on_alert` is called outside the lock, in
    the thread that settles. `told` are the alerts that a run resumed has sent before.
    """

    def __init__(
        self,
        limit: Budget,
        *,
        floor: Budget | None = None,
        on_alert: Callable[[Alert], None] | None = None,
        told: Collection[tuple[Dimension, int]] = (),
        clock: Clock | None = None,
    ) -> None:
        cells = [Cell(RUN, dimension, None) for dimension in DIMENSIONS]
        chain = tuple((cell,) for cell in cells)
        self._books = Books(chain, on_alert)
        self._clock = clock or SystemClock()
        self._run = Account(self._books, self._clock, (), chain)
        self._accounts: dict[Path, Account] = {(): self._run}
        self._run.limit(limit)
        floors = self._books.queue.floors
        for cells_up, n in zip(self.account(SYNTHESIZE).chain, bounds(floor or Budget()), strict=True):
            own, run = cells_up
            if not n or run.limit == UNBOUNDED:
                continue
            if n > run.limit:
                most = shown(run.dimension, run.limit)
                raise SetupError(
                    field=f"floor.{run.dimension}", value=shown(run.dimension, n), rule=f"at most {most:g}"
                )
            grant(cells_up, n)
            own.is_floor = True
            floors.append(own)
        self._meters = {
            cell.dimension: Meter(
                cell,
                floors=[own for own in floors if own.dimension == cell.dimension],
                told={percent for dimension, percent in told if dimension == cell.dimension},
            )
            for cell in cells
            if cell.limit != UNBOUNDED
        }
        self._books.measure(self._meters.values())

    def account(self, path: Path, *, limit: Budget | None = None) -> Account:
        """Return the account at `path`, opened (again) together with those above it.

        A limit is a cap, it takes nothing from others (`Account.grant` does); `None` in it leaves what stands.

        Raises:
            ValueError: another limit stands already, or a name is empty.
        """
        with self._books.lock:
            account = self._accounts.get(path)
            if account is None or account.closed:
                account = self._open(path)
            if limit is not None:
                account.limit(limit)
            return account

    def find(self, path: Path) -> Account | None:
        """Return the account at `path` if anybody has opened it, and leave it as it is."""
        return self._accounts.get(path)

    def limits(self, path: Path) -> tuple[int | None, ...]:
        """Return the limits of the account at `path`, in the order of `DIMENSIONS`; `None` where nothing bounds it."""
        account = self._accounts.get(path)
        if account is None:
            return (None,) * len(DIMENSIONS)
        with self._books.lock:
            return tuple(None if cells[0].limit == UNBOUNDED else cells[0].limit for cells in account.chain)

    def reallocate(self, parties: Mapping[Path, Party]) -> tuple[Move, ...]:
        """Give what those that are done did not use to the others, and return the caps that changed.

        No level above them may use more for it. Whoever waits and now fits is admitted.
        """
        books, moves = self._books, list[Move]()
        with books.lock:
            for d, dimension in enumerate(DIMENSIONS):
                cells = {
                    path: self._accounts[path].chain[d][0]
                    for path, party in parties.items()
                    if party.bound[d] is not None and path in self._accounts
                }
                shares = [
                    Share(
                        bound=parties[path].bound[d] or 0,
                        used=max(cell.limit - cell.free, cell.granted),
                        most=parties[path].most[d],
                        is_done=parties[path].is_done,
                    )
                    for path, cell in cells.items()
                ]
                if all(share.is_done for share in shares):
                    continue
                for (path, cell), cap in zip(cells.items(), divided(shares), strict=True):
                    if cap != cell.limit:
                        moves.append(Move(path, dimension, cell.limit, cap))
                        cell.bound(cap)
            news = books.news()
        news.tell()
        return tuple(moves)

    def usage(self) -> Usage:
        """Return what the run has settled; seconds are kept elsewhere."""
        return self._run.usage()

    def report(self) -> dict[str, JsonValue]:
        """Return limit, settled and held of every account as a JSON tree; money in dollars."""
        with self._books.lock:
            return self._run.report()

    def left(self) -> Budget:
        """Return what anybody but synthesis could reserve now; `None` where nothing bounds it."""
        return self._run.left()

    def used_fraction(self, dimension: Dimension | None = None) -> float:
        """Return settled / (limit less unused floor) of one dimension, by default of the one nearest its end."""
        with self._books.lock:
            if dimension is not None:
                return self._meters[dimension].fraction() if dimension in self._meters else 0.0
            return max((meter.fraction() for meter in self._meters.values()), default=0.0)

    @property
    def is_wrapping_up(self) -> bool:
        """Whether a dimension is used to 80 %: admitted subtasks finish, no new refinement starts."""
        return self._reaches(WRAP_UP)

    @property
    def is_halted(self) -> bool:
        """Whether a dimension is used up: only synthesis may still spend, from its floor."""
        return self._reaches(100)

    def open_holds(self) -> int:
        """Return how many reservations and grants are open, without the floor; 0 at the end of a run."""
        with self._books.lock:
            return len(self._books.open) + len(self._books.grants)

    def breaches(self) -> tuple[Breach, ...]:
        """Return where more was used than reserved, in order."""
        with self._books.lock:
            return tuple(self._books.breaches)

    def close(self) -> tuple[Leak, ...]:
        """End it: settle open reservations in full and return them as leaked, end grants, refuse all who wait or ask."""
        books = self._books
        with books.lock:
            if books.closed and not books.open:
                return ()
            books.closed = True
            open_now = tuple(books.open.values())
            for reservation in open_now:
                books.turn(reservation, reservation.amounts)
            for account in self._run.below():
                account.shut()
            news = books.news()
        news.tell()
        return tuple(Leak(one.path, one.key, one.amounts) for one in open_now)

    def _reaches(self, percent: int) -> bool:
        with self._books.lock:
            return any(meter.reaches(percent) for meter in self._meters.values())

    def _open(self, path: Path) -> Account:
        account = self._run
        for depth, name in enumerate(path, 1):
            below = path[:depth]
            child = self._accounts.get(below)
            if child is None:
                if not name:
                    raise ValueError(f"account names must not be empty: {path}")
                place = "/".join((RUN, *below))
                chain = tuple((Cell(place, up[0].dimension, up[0]), *up) for up in account.chain)
                child = Account(self._books, self._clock, below, chain)
                self._accounts[below] = account.children[name] = child
            child.closed = self._books.closed
            account = child
        return account
