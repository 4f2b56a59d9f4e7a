"""One attempt of one guarded call: the bookkeeping that both drivers share.

`with attempt.holding(reservation)` is what makes it exact: whatever happens inside, the reservation is settled once
and the breaker's permit reported once before the block is left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from concertino.budgets import Amounts
from concertino.budgets.amounts import NANO, nano
from concertino.contracts.clock import Clock
from concertino.contracts.errors import BreakerOpen, BudgetExceeded, DeadlineExceeded
from concertino.contracts.json import JsonObject
from concertino.tools import outcome
from concertino.tools.breaker import Breakers, Change, Permit
from concertino.tools.outcome import Label, Verdict
from concertino.tools.registry import NOTHING, Cost, Tool


class Reservation(Protocol):
    """A hold on an account; exactly one of its endings counts."""

    @property
    def path(self) -> str: ...
    @property
    def amounts(self) -> Amounts:
        """What is held, which may be less than was asked."""
        ...

    def settle(self, used: Amounts, /) -> object: ...
    def refund(self) -> object: ...
    def settle_in_full(self) -> object: ...


class Account(Protocol):
    """One account of the ledger, as far as the guard needs it: `budgets.Account` is one."""

    async def acquire(
        self,
        asked: Amounts,
        /,
        *,
        key: str,
        deadline: float | None = None,
        minimum: Amounts | None = None,
    ) -> Reservation: ...
    def acquire_blocking(
        self,
        asked: Amounts,
        /,
        *,
        key: str,
        deadline: float | None = None,
        minimum: Amounts | None = None,
    ) -> Reservation: ...


class Emit(Protocol):
    """Takes an event's type and payload; called from any thread, must not block."""

    def __call__(self, kind: str, payload: JsonObject, /) -> None: ...


class Announce(Protocol):
    """Told of a reservation before its call leaves, and of its settlement: key, account path, amounts.

    May return a future to wait for, as the journal does; the call leaves only after it. If it fails, the call does not
    leave and the reservation goes back.
    """

    def __call__(self, key: str, path: str, amounts: Mapping[str, float], /) -> Future[Any] | None: ...


Call = str | Callable[[], str]
"""A call's identity, or what works it out: it is asked for only where something has failed."""


def named(call: Call) -> str:
    """Return a call's identity."""
    return call if isinstance(call, str) else call()


def _never() -> None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One call that somebody wants made, with all its attempts."""

    tool: Tool
    account: Account
    key: str
    """Unique in the run; attempt n reserves under `key#n`."""
    call: Call = ""
    """What this is one of several tries of, the same on every attempt of the subtask; empty where there is one only."""
    deadline: float | None = None
    """On the monotonic clock."""
    least: Amounts | None = None
    """What an attempt can do with where its whole cost does not fit; `None` asks for all or nothing."""
    granted: Callable[[Amounts], None] | None = None
    """Told what an attempt holds, before its call is made."""
    revoked: Callable[[], Exception | None] = _never
    """Returns an error once nothing may leave any more, e.g. for a thread that outlived its run."""
    heeds: bool = False
    """Whether the tool's coroutine is known to end at once when it is cancelled; then it gets no task of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What all calls of a run share."""

    breakers: Breakers
    clock: Clock
    emit: Emit
    on_reserved: Announce | None = None
    on_settled: Announce | None = None


class Attempt:
    """Reserve → breaker → call → settle → event, once."""

    def __init__(self, desk: Desk, order: Order, *, number: int, limit_s: float) -> None:
        self._desk, self._order, self._number, self._limit_s = desk, order, number, limit_s
        self.key = f"{order.key}#{number}"
        self.announced: Future[Any] | None = None
        """What `on_settled` returned, for the driver to wait for."""
        self._amounts = _sums(order.tool.cost)
        self._held = order.tool.cost
        self._permit: Permit | None = None
        self._told = self._closed = False
        self._sent_at: float | None = None

    @property
    def has_left(self) -> bool:
        """Whether its call left the process."""
        return self._sent_at is not None

    async def reserve(self) -> Reservation:
        """Wait for the reservation in a coroutine.

        Raises:
            BudgetExceeded: it cannot fit.
            DeadlineExceeded: it did not come in time, or no time was left to begin with.
            Exception: what `Order.revoked` returned.
        """
        self._check()
        order = self._order
        try:
            return await order.account.acquire(
                self._amounts, key=self.key, deadline=order.deadline, minimum=order.least
            )
        except (BudgetExceeded, DeadlineExceeded) as error:
            self._refused(error)
            raise

    def reserve_blocking(self) -> Reservation:
        """Wait for the reservation in a thread; raises as `reserve`."""
        self._check()
        order = self._order
        try:
            return order.account.acquire_blocking(
                self._amounts, key=self.key, deadline=order.deadline, minimum=order.least
            )
        except (BudgetExceeded, DeadlineExceeded) as error:
            self._refused(error)
            raise

    @contextmanager
    def holding(self, reservation: Reservation) -> Iterator[None]:
        """Close the attempt in every case: by `answered` inside, else by how the block is left."""
        self._reservation = reservation
        try:
            if self._order.least is not None and reservation.amounts != self._amounts:
                self._held = _cost(reservation.amounts)
            if self._order.granted is not None:
                self._order.granted(reservation.amounts)
            yield
        except BaseException as error:
            if not self._closed:
                self._fail(error)
            raise
        if not self._closed:
            raise RuntimeError(f"{self.key}: left without an outcome")

    def enter(self) -> Future[Any] | None:
        """Pass the breaker, announce the reservation and return what to wait for before `send`.

        Raises:
            BreakerOpen: refused; the reservation goes back.
        """
        tool = self._order.tool
        breaker = self._desk.breakers.get(tool.name, tool.endpoint, policy=tool.breaker)
        self._permit = breaker.enter()
        self._tell(self._permit.change)
        if self._desk.on_reserved is None:
            return None
        self._told = True
        return self._desk.on_reserved(self.key, self._reservation.path, shown(self._held))

    def send(self) -> float | None:
        """Mark the call as leaving and return the seconds it may take; `None` is for ever.

        Raises:
            Exception: as `reserve`; the time went by, or the revocation came, since then.
        """
        error = self._stop()
        if error is not None:
            raise error
        deadline, timeout_s = self._order.deadline, self._order.tool.timeout_s
        self._sent_at = now = self._desk.clock.monotonic()
        left = [bound for bound in (timeout_s, None if deadline is None else deadline - now) if bound is not None]
        return max(0.0, min(left)) if left else None

    def timed_out(self) -> Exception:
        """Return the error of a call that did not answer in the seconds it had."""
        deadline, timeout_s = self._order.deadline, self._order.tool.timeout_s
        assert self._sent_at is not None
        if timeout_s is not None and (deadline is None or self._sent_at + timeout_s < deadline):
            return TimeoutError(f"no answer within {timeout_s:g} s")
        return self._late()

    def answered(self, result: object) -> None:
        """Close the attempt with an answer; any other way out of the block closes it with its error."""
        self._close(outcome.judge_result(self._order.tool, result), error=None)

    def _check(self) -> None:
        error = self._stop()
        if error is not None:
            self._refused(error)
            raise error

    def _refused(self, error: Exception) -> None:
        labels: dict[type[Exception], Label] = {BudgetExceeded: "over_budget", DeadlineExceeded: "deadline"}
        self._emit(labels.get(type(error), "not_sent"), usage=shown(NOTHING), error=error, duration_s=0.0)

    def _fail(self, error: BaseException) -> None:
        if self._sent_at is not None:
            self._close(outcome.judge_error(self._order.tool, error), error=error)
        elif isinstance(error, BreakerOpen):
            self._close(Verdict("breaker_open", NOTHING, "unknown"), error=error)
        else:
            label: Label = "deadline" if isinstance(error, DeadlineExceeded) else "not_sent"
            self._close(Verdict(label, NOTHING, "unknown"), error=error)

    def _close(self, verdict: Verdict, *, error: BaseException | None) -> None:
        self._closed = True
        duration_s = 0.0 if self._sent_at is None else self._desk.clock.monotonic() - self._sent_at
        if verdict.charge is None:
            self._reservation.settle_in_full()
        elif verdict.charge == NOTHING:
            self._reservation.refund()
        else:
            self._reservation.settle(_sums(verdict.charge))
        used = self._held if verdict.charge is None else verdict.charge
        told = shown(used)
        change = self._report(verdict, duration_s)
        if self._told and self._desk.on_settled is not None:
            self.announced = self._desk.on_settled(self.key, self._reservation.path, told)
        self._emit(verdict.label, usage=told, error=error, duration_s=duration_s)
        if verdict.charge is not None and _exceeds(verdict.charge, self._held):
            over: JsonObject = {"key": self.key, "path": self._reservation.path, "held": {**shown(self._held)}}
            self._desk.emit("BUDGET_BREACH", {**over, "used": {**told}})
        self._tell(change)

    def _report(self, verdict: Verdict, duration_s: float) -> Change | None:
        if self._permit is None:
            return None
        if verdict.report == "success":
            return self._permit.success(duration_s)
        if verdict.report == "failure":
            return self._permit.failure(duration_s)
        self._permit.abandon()
        return None

    def _stop(self) -> Exception | None:
        revoked = self._order.revoked()
        if revoked is not None:
            return revoked
        late = self._order.deadline is not None and self._desk.clock.monotonic() >= self._order.deadline
        return self._late() if late else None

    def _late(self) -> DeadlineExceeded:
        return DeadlineExceeded(scope=f"tool {self._order.tool.name}", limit_s=self._limit_s)

    def _tell(self, change: Change | None) -> None:
        if change is not None:
            self._desk.emit("BREAKER_CHANGED", change.payload())

    def _emit(
        self, label: Label, *, usage: Mapping[str, float], error: BaseException | None, duration_s: float
    ) -> None:
        told = outcome.payload(
            self._order.tool,
            key=self.key,
            attempt=self._number,
            label=label,
            duration_s=duration_s,
            usage=usage,
            error=error,
            now=self._desk.clock.now(),
        )
        self._desk.emit("TOOL_CALLED", told)


def shown(cost: Cost) -> dict[str, float]:
    """Return a cost by dimension, money in dollars."""
    return {"tokens": cost.tokens, "calls": cost.calls, "usd": cost.usd, "documents": cost.documents}


def _exceeds(used: Cost, held: Cost) -> bool:
    return (
        used.tokens > held.tokens or used.calls > held.calls or used.usd > held.usd or used.documents > held.documents
    )


def _cost(amounts: Amounts) -> Cost:
    return Cost(tokens=amounts.tokens, calls=amounts.calls, usd=amounts.nano_usd / NANO, documents=amounts.documents)


def _sums(cost: Cost) -> Amounts:
    return Amounts(cost.tokens, cost.calls, nano(cost.usd), cost.documents)
