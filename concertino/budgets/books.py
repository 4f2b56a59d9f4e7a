"""The books of one run: open and settled reservations, under one lock that is never held across a wait."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from concertino.budgets.admission import Hold, Queue, Waiter
from concertino.budgets.alerts import Alert, Meter
from concertino.budgets.amounts import NOTHING, Amounts, check
from concertino.budgets.cells import Chain, settle
from concertino.contracts.budget import DIMENSIONS, Dimension


@dataclass(frozen=True, slots=True)
class Breach:
    """More was used than was reserved; it was charged all the same."""

    path: str
    key: str
    reserved: Amounts
    used: Amounts


@dataclass(frozen=True, slots=True)
class Leak:
    """A reservation that nobody settled; it was charged in full when the ledger closed."""

    path: str
    key: str
    amounts: Amounts


class Reservation(Hold):
    """The right to spend up to `amounts` until it is settled, once."""

    __slots__ = ("_books", "key")

    def __init__(self, books: Books, chain: Chain, amounts: Amounts, *, key: str, within: Hold | None) -> None:
        self.chain = chain
        self.amounts = amounts
        self.within = within
        self.used = None
        self.key = key
        self._books = books

    @property
    def path(self) -> str:
        """Where it was reserved, e.g. `run/work/financial`."""
        return self.chain[0][0].path

    @property
    def breach(self) -> tuple[Dimension, ...]:
        """Dimensions in which more was used than reserved; empty while it is open."""
        used = self.used or NOTHING
        return tuple(d for d, held, n in zip(DIMENSIONS, self.amounts, used, strict=True) if n > held)

    def settle(self, used: Amounts) -> Amounts:
        """Charge `used`, give the rest back and return what was charged.

        Settling again changes nothing and returns the first outcome. More than reserved is charged as it is and
        recorded as a breach.

        Raises:
            ValueError: an amount is negative.
        """
        if min(used) < 0:
            check(used)
        books = self._books
        with books.lock:
            if self.used is not None:
                return self.used
            if not books.turn(self, used):
                return used
            told = books.news()
        told.tell()
        return used

    def refund(self) -> Amounts:
        """Give everything back: nothing left the process."""
        return self.settle(NOTHING)

    def settle_in_full(self) -> Amounts:
        """Charge everything: the outcome is unknown or was cancelled."""
        return self.settle(self.amounts)


class News:
    """What has to be told once the lock is free."""

    __slots__ = ("_alerts", "_on_alert", "_waiters")

    def __init__(self, waiters: list[Waiter], alerts: list[Alert], on_alert: Callable[[Alert], None] | None) -> None:
        self._waiters = waiters
        self._alerts = alerts
        self._on_alert = on_alert

    def tell(self) -> None:
        """Wake the decided waiters, then send the alerts. An error of the alert's receiver reaches the caller."""
        for waiter in self._waiters:
            waiter.wake()
        if self._on_alert is not None:
            for alert in self._alerts:
                self._on_alert(alert)


class Books:
    """Everything that one run's accounts share. Methods without `lock` in their text want it held by the caller."""

    __slots__ = ("_meters", "_on_alert", "breaches", "closed", "grants", "keys", "lock", "open", "queue")

    def __init__(self, run: Chain, on_alert: Callable[[Alert], None] | None) -> None:
        self.lock = threading.Lock()
        self.keys: dict[str, Amounts | None] = {}
        """What was charged under each key; `None` while its reservation is open."""
        self.open: dict[str, Reservation] = {}
        self.grants: set[str] = set()
        """Paths of accounts with a grant that was not given back, without the floor."""
        self.breaches: list[Breach] = []
        self.queue = Queue(run)
        self.closed = False
        self._meters: list[Meter] = []
        self._on_alert = on_alert

    def measure(self, meters: Iterable[Meter]) -> None:
        """Set what alerts look at."""
        self._meters = list(meters)

    def enter(self, reservation: Reservation) -> None:
        """Write down a reservation whose amounts are held already."""
        self.keys[reservation.key] = None
        self.open[reservation.key] = reservation

    def turn(self, reservation: Reservation, used: Amounts) -> bool:
        """Settle an open reservation. Return whether there is news."""
        held = reservation.amounts
        notable = settle(reservation.chain, held, used)
        reservation.used = self.keys[reservation.key] = used
        del self.open[reservation.key]
        if notable and any(n > most for n, most in zip(used, held, strict=True)):
            self.breaches.append(Breach(reservation.path, reservation.key, held, used))
        return notable or bool(self.queue.waiters)

    def news(self) -> News:
        """Serve the queue, look at the alerts, and return what has to be told."""
        served = self.queue.serve()
        alerts: list[Alert] = []
        for meter in self._meters:
            if meter.run.settled >= meter.run.alert_at:
                alerts += meter.passed()
        return News(served, alerts, self._on_alert)

    def known(self, key: str) -> ValueError:
        """Return the error for a key that was used before."""
        return ValueError(f"reservation key {key!r} was used before: every attempt reserves anew, under its own key")
