"""Accounts: the places in the tree run > node > specialist > subtask > tool where money is reserved and spent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from pydantic import JsonValue

from concertino.budgets.admission import Hold
from concertino.budgets.amounts import UNBOUNDED, Amounts, bounds, check, shown, usage
from concertino.budgets.books import Books, Reservation
from concertino.budgets.cells import Cell, Chain, hold, refusal, revoke, room, take
from concertino.budgets.waiting import Ticket
from concertino.contracts.budget import DIMENSIONS, Budget, Dimension, Usage
from concertino.contracts.clock import Clock
from concertino.contracts.errors import BudgetExceeded, DeadlineExceeded

Path = tuple[str, ...]
"""Names below the run, e.g. `("work", "financial", "financial::t-1::1", "search")`; `()` is the run."""


class Account:
    """One account. Made by `Ledger.account`; safe to use from any thread and any event loop.

    A reservation is for one outside call that ends by itself. Whoever must hold budget while it asks for more holds a
    grant, or says `within` which reservation it asks; only so can a deadlock be seen and refused.
    """

    __slots__ = ("_books", "_clock", "chain", "children", "closed", "path")

    def __init__(self, books: Books, clock: Clock, path: Path, chain: Chain) -> None:
        self._books = books
        self._clock = clock
        self.path = path
        self.chain = chain
        self.children: dict[str, Account] = {}
        self.closed = False

    def reserve(
        self, asked: Amounts, *, key: str, minimum: Amounts | None = None, within: Hold | None = None
    ) -> Reservation:
        """Hold `asked`, or what there is of it down to `minimum` in every dimension, without waiting.

        It takes what is there even if others wait for it.

        Raises:
            BudgetExceeded: it does not fit; nothing was held.
            ValueError: the key was used before, an amount is negative, or the minimum is above what is asked.
        """
        books = self._books
        with books.lock:
            if key in books.keys:
                raise books.known(key)
            if self.closed or not take(self.chain, asked):
                asked = self._shrunk(asked, minimum)
                hold(self.chain, asked)
            made = Reservation(books, self.chain, asked, key=key, within=within)
            books.enter(made)
            return made

    async def acquire(
        self,
        asked: Amounts,
        *,
        key: str,
        minimum: Amounts | None = None,
        priority: int = 0,
        deadline: float | None = None,
        within: Hold | None = None,
    ) -> Reservation:
        """Hold `asked`: wait while others' holds could make room, then take less, down to `minimum`, then refuse.

        Higher `priority` is served first. `deadline` is on the monotonic clock and bounds the wait only. `within`
        names a reservation that stays open until this one is settled.

        Raises:
            BudgetExceeded: it cannot fit any more, at once where even a full refund of all holds would not do.
            DeadlineExceeded: still waiting at the deadline. Nothing is held.
            ValueError: as for `reserve`.
        """
        at_once = self._at_once(asked, key, within)
        if at_once is not None:
            return at_once
        ticket = self._ask(asked, minimum, key=key, priority=priority, within=within)
        patience_s = self._patience(deadline)
        if not ticket.decided:
            await ticket.wait(patience_s)
        self._on_time(ticket, patience_s)
        return ticket.reserved()

    def acquire_blocking(
        self,
        asked: Amounts,
        *,
        key: str,
        minimum: Amounts | None = None,
        priority: int = 0,
        deadline: float | None = None,
        within: Hold | None = None,
    ) -> Reservation:
        """Do as `acquire` does, in a plain thread. Never call it in a thread that runs an event loop."""
        at_once = self._at_once(asked, key, within)
        if at_once is not None:
            return at_once
        ticket = self._ask(asked, minimum, key=key, priority=priority, within=within)
        patience_s = self._patience(deadline)
        if not ticket.decided:
            ticket.wait_blocking(patience_s)
        self._on_time(ticket, patience_s)
        return ticket.reserved()

    def charge(self, spent: Amounts, key: str) -> Amounts:
        """Book what was spent already, whether it fits or not, and return what this key was charged.

        For a resume. A key that was settled stays as it was; an open reservation of that key is settled.

        Raises:
            ValueError: an amount is negative.
        """
        check(spent)
        books = self._books
        with books.lock:
            charged = books.keys.get(key)
            if charged is not None:
                return charged
            known = books.open.get(key)
            if known is None:
                hold(self.chain, spent)
                known = Reservation(books, self.chain, spent, key=key, within=None)
                books.enter(known)
            books.turn(known, spent)
            news = books.news()
        news.tell()
        return spent

    def grant(self, asked: Amounts, *, minimum: Amounts | None = None) -> Amounts:
        """Take `asked` out of all accounts above, for this account and those below alone, until it is closed.

        Returns what was granted, less than asked only down to `minimum`. Reservations below draw on it first; a
        second grant adds to the first. Ask for it once the work can start: others may wait for its return.

        Raises:
            BudgetExceeded: it does not fit now.
            ValueError: as for `reserve`, or this is the run's own account.
        """
        ticket = self._ask(asked, minimum, key=None, priority=0, within=None, waits=False)
        return ticket.result()

    async def acquire_grant(
        self, asked: Amounts, *, minimum: Amounts | None = None, priority: int = 0, deadline: float | None = None
    ) -> Amounts:
        """Do as `grant` does, but wait as `acquire` does."""
        ticket = self._ask(asked, minimum, key=None, priority=priority, within=None)
        patience_s = self._patience(deadline)
        if not ticket.decided:
            await ticket.wait(patience_s)
        self._on_time(ticket, patience_s)
        return ticket.result()

    def close(self) -> None:
        """Give back what is left of grants here and below; whoever still waits or asks here is refused.

        Open reservations stay and are settled by their holders. `Ledger.account` opens it again.
        """
        books = self._books
        with books.lock:
            for account in self.below():
                account.shut()
            news = books.news()
        news.tell()

    def shut(self) -> None:
        """Close this account alone; the lock is held, and news follow."""
        if self.closed:  # so nobody waits here, and it holds no grant
            return
        self.closed = True
        queue = self._books.queue
        for waiter in [one for one in queue.waiters if one.chain is self.chain]:
            d = waiter.dimensions[0]
            queue.refuse(waiter, self._is_closed(d, waiter.least[d]))
        for cells in self.chain:
            own = cells[0]
            if own.granted:
                revoke(cells, own.pool)
                own.granted, own.is_floor = 0, False
        self._books.grants.discard(self.chain[0][0].path)

    def below(self) -> Iterator[Account]:
        """Yield everything below, deepest first, then this account."""
        for child in self.children.values():
            yield from child.below()
        yield self

    def limit(self, budget: Budget) -> None:
        """Set limits where there are none; the lock is held.

        Raises:
            ValueError: another limit stands already.
        """
        for cells, bound in zip(self.chain, bounds(budget), strict=True):
            own = cells[0]
            if bound is None or own.limit == bound:
                continue
            if own.limit != UNBOUNDED:
                stands, given = shown(own.dimension, own.limit), shown(own.dimension, bound)
                raise ValueError(f"{own.path} has a limit of {stands:g} {own.dimension} already, not {given:g}")
            own.bound(bound)

    def cap(self, most: Sequence[int | None]) -> None:
        """Set limits, by dimension, over those that stand; what is settled and held counts against them."""
        with self._books.lock:
            for cells, bound in zip(self.chain, most, strict=True):
                if bound is not None:
                    cells[0].bound(bound)

    def load(self) -> Amounts:
        """Return what is settled, held and granted here and below."""
        with self._books.lock:
            return Amounts(*(cells[0].limit - cells[0].free for cells in self.chain))

    def left(self) -> Budget:
        """Return what could be reserved here now; `None` where nothing bounds it."""
        with self._books.lock:
            bounded = [cells for cells in self.chain if any(cell.limit != UNBOUNDED for cell in cells)]
            rooms = {cells[0]: room(cells, granting=False) for cells in bounded}
        return Budget.model_validate(_figures(rooms))

    def is_bounded(self, dimension: Dimension) -> bool:
        """Say whether anything bounds a dimension here."""
        with self._books.lock:
            return any(cell.limit != UNBOUNDED for cell in self.chain[DIMENSIONS.index(dimension)])

    def usage(self) -> Usage:
        """Return what was settled here and below."""
        with self._books.lock:
            return usage(Amounts(*(cells[0].settled for cells in self.chain)))

    def report(self) -> dict[str, JsonValue]:
        """Return limit, settled and held (grants included) here and below as JSON; the lock is held."""
        own = [cells[0] for cells in self.chain]
        return {
            "path": own[0].path,
            "limit": _figures({cell: cell.limit for cell in own if cell.limit != UNBOUNDED}),
            "settled": _figures({cell: cell.settled for cell in own if cell.settled}),
            "held": _figures({cell: held for cell in own if (held := _held(cell))}),
            "children": {name: child.report() for name, child in self.children.items()},
        }

    def _at_once(self, asked: Amounts, key: str, within: Hold | None) -> Reservation | None:
        """Take it all where it fits and nobody is passed over; else the queue decides."""
        books = self._books
        with books.lock:
            if books.queue.waiters or self.closed or key in books.keys or not take(self.chain, asked):
                return None
            made = Reservation(books, self.chain, asked, key=key, within=within)
            books.enter(made)
            return made

    def _ask(
        self,
        asked: Amounts,
        minimum: Amounts | None,
        *,
        key: str | None,
        priority: int,
        within: Hold | None,
        waits: bool = True,
    ) -> Ticket:
        check(asked)
        least = _least(asked, minimum)
        if key is None and not self.path:
            raise ValueError("the run has its limit; grants are for accounts below it")
        books = self._books
        ticket = Ticket(books, self.chain, asked, key=key, least=least, priority=priority, within=within)
        with books.lock:
            if key is not None and key in books.keys:
                raise books.known(key)
            if self.closed and ticket.dimensions:
                raise self._is_closed(ticket.dimensions[0], least[ticket.dimensions[0]])
            if waits:
                books.queue.join(ticket)
            else:
                ticket.admit(self._shrunk(asked, minimum, granting=True))
                ticket.decided = True
            news = books.news()
        news.tell()
        return ticket

    def _shrunk(self, asked: Amounts, minimum: Amounts | None, *, granting: bool = False) -> Amounts:
        check(asked)
        least = _least(asked, minimum)
        share = list(asked)
        for d, (cells, n) in enumerate(zip(self.chain, asked, strict=True)):
            if not n:
                continue
            if self.closed:
                raise self._is_closed(d, least[d])
            share[d] = min(n, room(cells, granting=granting))
            if share[d] < least[d]:
                cell = next(
                    cell for cell in cells if room(cells[: cells.index(cell) + 1], granting=granting) < least[d]
                )
                raise refusal(cell, asked=least[d], left=share[d])
        return Amounts(*share)

    def _is_closed(self, dimension: int, asked: int) -> BudgetExceeded:
        cell = self.chain[dimension][0]
        refused = refusal(cell, asked=asked, left=0)
        return BudgetExceeded(
            scope=f"{cell.path} (closed)", dimension=refused.dimension, asked=refused.asked, left=refused.left
        )

    def _patience(self, deadline: float | None) -> float | None:
        return None if deadline is None else max(0.0, deadline - self._clock.monotonic())

    def _on_time(self, ticket: Ticket, patience_s: float | None) -> None:
        if not ticket.decided and ticket.leave():
            raise DeadlineExceeded(scope=f"{self.chain[0][0].path} (waiting for budget)", limit_s=patience_s or 0.0)


def _least(asked: Amounts, minimum: Amounts | None) -> Amounts:
    if minimum is None:
        return asked
    check(minimum)
    if any(low > n for low, n in zip(minimum, asked, strict=True)):
        raise ValueError(f"minimum {minimum} is above what is asked, {asked}")
    return minimum


def _held(cell: Cell) -> int:
    return cell.limit - cell.free - cell.settled + cell.pool


def _figures(numbers: Mapping[Cell, int]) -> dict[str, JsonValue]:
    return {cell.dimension: shown(cell.dimension, n) for cell, n in numbers.items()}
