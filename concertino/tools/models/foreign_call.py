"""One call of a foreign model: its bounds, and its reservations, one for each request that leaves."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from concertino.budgets import Amounts
from concertino.contracts.errors import ConcertinoError, DeadlineExceeded, InputError, ToolFailed
from concertino.contracts.json import JsonObject
from concertino.journal.awaiting import wait
from concertino.tools.attempt import Account, Attempt, Call, Order, Reservation, named, shown
from concertino.tools.guard import Guard
from concertino.tools.models.foreign_request import Asked, Bounds
from concertino.tools.models.own import BREAKER, TOOL, CheckedTool, unretried
from concertino.tools.outcome import reason
from concertino.tools.registry import Cost
from concertino.tools.retry import MAX_ATTEMPTS

COMMIT_S = 1.0
"""Seconds that a blocking call on an event loop waits for its reservation to be on the record; chosen by hand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """Under what a call is held; the same for all calls of an attempt."""

    guard: Guard
    account: Account
    deadline: float | None
    revoked: Callable[[], Exception | None]
    on_breach: Callable[[JsonObject], None]


class ForeignCall:
    """Holds one call. Every request that leaves has a reservation of its own, settled once; see `wire.Sender`."""

    def __init__(
        self, asked: Asked, bounds: Bounds, terms: Terms, *, key: str, call: Call, within: ForeignCall | None = None
    ) -> None:
        """Make it; `call` is what identifies it, and `within` is a call of the same context that has not ended, and may be waiting for this one."""
        self._asked, self._bounds, self._terms, self._key, self._call = asked, bounds, terms, key, call
        self._within = within
        self.reservation: Reservation | None = None
        """Its latest."""
        self._lock = threading.Lock()
        self._attempt: Attempt | None = None
        self._holding: AbstractContextManager[None] | None = None
        self._number = 0
        self._was_seen = False
        """Whether its requests pass the wire, one by one."""
        self._end: BaseException | None = None
        """Why the latest request that passed the wire failed; `None` while it is out, or was answered."""
        self.is_over = False
        self._requests = 1 + asked.unseen_retries
        self._cost = bounds.cost(self._requests)

    async def admit(self) -> None:
        """Wait for a reservation, for the first request or another.

        Raises:
            ToolFailed: this very call has failed as often as it may.
            BudgetExceeded, DeadlineExceeded, BreakerOpen: as any guarded call.
        """
        attempt = self._next(_Within(self._terms, self._within))
        self._hold(attempt, await attempt.reserve())
        try:
            committed = attempt.enter()
            if committed is not None:
                await wait(committed)
            attempt.send()
        except BaseException as error:
            self._close(error)
            raise

    def admit_blocking(self) -> None:
        """Do as `admit`, in a plain thread; on an event loop what does not fit at once is refused."""
        on_loop = _is_on_loop()
        attempt = self._next(_AtOnce(self._terms, self._within) if on_loop else _Within(self._terms, self._within))
        self._hold(attempt, attempt.reserve_blocking())
        try:
            committed = attempt.enter()
            if committed is not None:
                committed.result(COMMIT_S if on_loop else None)
            attempt.send()
        except BaseException as error:
            self._close(error)
            raise

    async def leave(self) -> float | None:
        """Let a request leave; every one after the first needs a reservation of its own."""
        if self._is_again():
            try:
                await self.admit()
            except Exception as error:
                raise refusal(error) from error
        return self._left_s()

    def leave_blocking(self) -> float | None:
        """Do as `leave`, in a plain thread."""
        if self._is_again():
            try:
                self.admit_blocking()
            except Exception as error:
                raise refusal(error) from error
        return self._left_s()

    def returned(self, status: int) -> None:
        """Take in an answer's HTTP status."""
        self._end = HttpFailure(status) if status >= 400 else None

    def broke(self, error: BaseException) -> None:
        """Take in that no answer came."""
        self._end = error

    def answered(self, usage: Mapping[str, Any] | None) -> None:
        """Settle by what was reported: in full where nothing was."""
        self.is_over = True
        told = self._bounds.used(usage)
        held = self._cost
        if told is not None and self._requests > 1 and not self._was_seen:
            # Nobody knows which of the requests were made and billed before the one that was answered.
            rest = self._bounds.cost(self._requests - 1)
            told = Cost(tokens=told.tokens + rest.tokens, calls=held.calls, usd=told.usd + rest.usd)
        if told is not None and self._asked.is_text and self._asked.batch > 1:
            told = Cost(tokens=min(told.tokens, held.tokens), usd=min(told.usd, held.usd))
        if self._close(None, told) and told is not None and (told.tokens > held.tokens or told.usd > held.usd):
            over: JsonObject = {"key": self._key, "model": self._asked.model, "held": {**shown(held)}}
            self._terms.on_breach({**over, "used": {**shown(told)}})

    def failed(self, error: BaseException) -> None:
        """Settle a call that failed: as its last request ended where that was seen, else by the error."""
        self.is_over = True
        self._close(self._end or error)

    def _next(self, account: Account) -> Attempt:
        made = self._terms.guard.made_in_vain(self._call)
        if made + self._requests > MAX_ATTEMPTS:
            why = "" if made else "; set max_retries=0 on the model: Concertino retries by itself"
            text = f"the same request has failed {made} times already" if made else f"may send {self._requests}{why}"
            raise ToolFailed(tool=TOOL, attempts=made, reason=text)
        self._number += 1
        tool = CheckedTool(
            name=TOOL, fn=_nothing, endpoint=self._asked.endpoint, cost=self._cost, breaker=BREAKER,
            timeout_s=None, used=_as_told,
        )  # fmt: skip
        terms = self._terms
        limit_s = self._left_s() or 0.0
        order = Order(tool=tool, account=account, key=self._key, deadline=terms.deadline, revoked=terms.revoked)
        return Attempt(terms.guard.desk, order, number=self._number, limit_s=limit_s)

    def _hold(self, attempt: Attempt, reservation: Reservation) -> None:
        holding = attempt.holding(reservation)
        holding.__enter__()
        with self._lock:
            self._attempt, self._holding, self.reservation = attempt, holding, reservation

    def _is_again(self) -> bool:
        """Note a request; say whether another was made before it, and settle that one."""
        is_first, self._was_seen = not self._was_seen, True
        if is_first:
            if self._requests > 1:
                self._requests, self._cost = 1, self._bounds.cost()
            return False
        # An answer whose usage nobody was told of is charged in full.
        self._close(self._end)
        self._end = None
        return True

    def _close(self, error: BaseException | None, told: Cost | None = None) -> bool:
        """Settle what is held; say whether something was. An error's requests count as made in vain."""
        with self._lock:
            attempt, holding, self._attempt, self._holding = self._attempt, self._holding, None, None
        if attempt is None or holding is None:
            return False
        if error is None:
            self._terms.guard.forget(self._call)
            attempt.answered(told)
            holding.__exit__(None, None, None)
            return True
        if attempt.has_left:
            self._terms.guard.note_vain(named(self._call), self._requests)
        holding.__exit__(type(error), error, error.__traceback__)
        return True

    def _left_s(self) -> float | None:
        deadline = self._terms.deadline
        return None if deadline is None else max(0.001, deadline - self._terms.guard.desk.clock.monotonic())


def refusal(error: Exception) -> Exception:
    """Return an error as LangChain's own retries pass it on, if it is ours."""
    return unretried(error) if isinstance(error, ConcertinoError) else error


class HttpFailure(RuntimeError):
    """An HTTP status that an SDK has kept to itself."""

    def __init__(self, status_code: int) -> None:
        self.status_code = status_code
        super().__init__(f"HTTP {status_code}")


class _Within:
    """The attempt's account, asked from inside another call that is held: so a wait for oneself is seen and refused."""

    def __init__(self, terms: Terms, outer: ForeignCall | None) -> None:
        self._account: Any = terms.account
        self._clock = terms.guard.desk.clock
        around = outer.reservation if outer is not None else None
        self._options = {} if around is None else {"within": around}

    async def acquire(self, asked: Amounts, /, **options: Any) -> Reservation:
        made: Reservation = await self._account.acquire(asked, **options, **self._options)
        return made

    def acquire_blocking(self, asked: Amounts, /, **options: Any) -> Reservation:
        made: Reservation = self._account.acquire_blocking(asked, **options, **self._options)
        return made


class _AtOnce(_Within):
    """The same for who must not wait: what does not fit now is refused."""

    def acquire_blocking(self, asked: Amounts, /, **options: Any) -> Reservation:
        try:
            return super().acquire_blocking(asked, **{**options, "deadline": self._clock.monotonic()})
        except DeadlineExceeded as error:
            raise InputError(
                field="model.invoke",
                value=reason(error),
                rule="a blocking call on an event loop cannot wait for budget: use `await model.ainvoke(...)`",
            ) from error


def _nothing() -> None:
    return None


def _as_told(told: Any) -> Any:
    return told


def _is_on_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
