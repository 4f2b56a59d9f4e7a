"""Waiting: how a coroutine or a thread sits in the admission queue and hears that it was decided."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

from concertino.budgets.admission import Hold, Waiter
from concertino.budgets.amounts import Amounts
from concertino.budgets.books import Books, Reservation
from concertino.budgets.cells import Chain, grant, hold, revoke


class Ticket(Waiter):
    """A request of ours: it asks for a reservation under `key`, or for a grant when there is no key."""

    __slots__ = ("_books", "_first", "_key", "_signal", "reservation", "share")

    def __init__(
        self,
        books: Books,
        chain: Chain,
        wanted: Amounts,
        *,
        key: str | None,
        least: Amounts,
        priority: int,
        within: Hold | None,
    ) -> None:
        super().__init__(chain, wanted, least=least, priority=priority, within=within, granting=key is None)
        self._books = books
        self._key = key
        self._first = False
        """Whether it brought the account its first grant."""
        self._signal: Callable[[], object] | None = None
        self.share: Amounts | None = None
        self.reservation: Reservation | None = None

    def admit(self, share: Amounts) -> None:
        """Take the share; it fits."""
        self.share = share
        if self._key is None:
            for cells, n in zip(self.chain, share, strict=True):
                if n:
                    grant(cells, n)
            grants, path = self._books.grants, self.chain[0][0].path
            self._first = path not in grants
            grants.add(path)
            self._books.queue.granted(self.chain[0][0])
            return
        hold(self.chain, share)
        self.reservation = Reservation(self._books, self.chain, share, key=self._key, within=self.within)
        self._books.enter(self.reservation)

    def wake(self) -> None:
        """Signal whoever waits."""
        if self._signal is None:
            return
        try:
            self._signal()
        except RuntimeError:
            # Its event loop was closed under it: nobody will ever use what it was given.
            self._give_back()

    def result(self) -> Amounts:
        """Return the share of a decided ticket.

        Raises:
            BudgetExceeded: it was refused.
        """
        if self.refused is not None:
            raise self.refused
        assert self.share is not None
        return self.share

    def reserved(self) -> Reservation:
        """Return the reservation of a decided ticket; raises as `result` does."""
        self.result()
        assert self.reservation is not None
        return self.reservation

    async def wait(self, timeout_s: float | None) -> None:
        """Wait until it is decided or the time is over, in any event loop. When cancelled it holds nothing."""
        loop = asyncio.get_running_loop()
        told: asyncio.Future[None] = loop.create_future()

        def tell() -> None:
            if not told.done():
                told.set_result(None)

        if not self._listen(lambda: loop.call_soon_threadsafe(tell)):
            return
        try:
            await asyncio.wait((told,), timeout=timeout_s)
        except BaseException:
            self.withdraw()
            raise

    def wait_blocking(self, timeout_s: float | None) -> None:
        """Wait until it is decided or the time is over, in a plain thread."""
        told = threading.Event()
        if not self._listen(told.set):
            return
        try:
            told.wait(timeout_s)
        except BaseException:
            self.withdraw()
            raise

    def _listen(self, signal: Callable[[], object]) -> bool:
        with self._books.lock:
            if self.decided:
                return False
            self._signal = signal
            return True

    def leave(self) -> bool:
        """Step out of the queue. Return whether that was still possible, else it is decided."""
        with self._books.lock:
            if self.decided:
                return False
            self._books.queue.leave(self)
            news = self._books.news()
        news.tell()
        return True

    def withdraw(self) -> None:
        """Step out, and give back what was received meanwhile."""
        if not self.leave():
            self._give_back()

    def _give_back(self) -> None:
        if self.reservation is not None:
            self.reservation.refund()
        elif self.share is not None:
            with self._books.lock:
                for cells, n in zip(self.chain, self.share, strict=True):
                    own = cells[0]
                    revoke(cells, own.pool if self._first else n)
                    if self._first:
                        own.granted = 0
                if self._first:
                    self._books.grants.discard(self.chain[0][0].path)
                news = self._books.news()
            news.tell()
