"""The one order around every outside call: reserve → breaker → timeout(call) → settle → event, each attempt anew.

Two thin drivers, one for coroutines and one for plain threads; what they share and decide is in `attempt`, `outcome`
and `retry`. Either returns the tool's result or raises `BudgetExceeded`, `BreakerOpen`, `DeadlineExceeded` or
`ToolFailed`; when it returns or raises, nothing is held any more.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Mapping, Sequence
from concurrent import futures
from typing import Any

from concertino.contracts.errors import ConcertinoError, ToolFailed
from concertino.journal.awaiting import wait
from concertino.tools import background, crew, threads
from concertino.tools.attempt import Attempt, Call, Desk, Order, named
from concertino.tools.outcome import is_ours, reason
from concertino.tools.retry import Retry, RetryBudget, is_transient, status_code
from concertino.tools.threads import Stray

_strays: set[asyncio.Future[Any]] = set()
"""Tasks that were cancelled and have not ended: kept, or the loop would drop them unfinished."""


def leaked() -> int:
    """Return how many calls were given up and still run, as tasks that ignore cancellation or in threads."""
    return len(_strays) + threads.leaked()


class Guard:
    """Makes a run's outside calls."""

    def __init__(self, desk: Desk, *, retries: RetryBudget, random: Callable[[], float]) -> None:
        self.desk, self._retries, self._random = desk, retries, random
        self._made: dict[str, int] = {}
        """Requests that earlier tries of a call made in vain, by `Order.call`."""

    def made_in_vain(self, call: Call) -> int:
        """Return how many requests failed tries of a call have made, by `Order.call`."""
        return self._made.get(named(call), 0) if self._made else 0

    def forget(self, call: Call) -> None:
        """Begin anew with a call that was answered: the same request made again is another one."""
        if self._made:
            self._made.pop(named(call), None)

    def note_vain(self, call: str, requests: int) -> None:
        """Count requests that a try of a call has made in vain, where they were not made here."""
        self._made[call] = self._made.get(call, 0) + requests

    async def call(self, order: Order, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Make a call from a coroutine, with its retries. An async tool runs on this loop, a plain one in a thread."""
        tries = self._tries(order)

        async def attempt() -> Any:
            tries.tell_first()
            return await _attempt(tries.next(), order, args, kwargs)

        try:
            try:
                return await attempt()
            except Exception as error:
                if not is_transient(error):
                    raise
                tries.first = error
            return await self._retry(order).in_coroutine(began=tries.began)(attempt)
        except Exception as error:
            if (failed := self._failed(order, tries, error)) is error:
                raise
            raise failed from error

    def call_blocking(self, order: Order, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Make a call from a plain function in a thread, with its retries.

        A plain tool runs in a thread of its own, so that a timeout can give it up; in this thread where it has neither
        timeout nor deadline. A tool that is only async runs on the background loop. Timeouts follow real time.
        """
        tries = self._tries(order)

        def attempt() -> Any:
            tries.tell_first()
            return _attempt_blocking(tries.next(), order, args, kwargs)

        try:
            try:
                return attempt()
            except Exception as error:
                if not is_transient(error):
                    raise
                tries.first = error
            return self._retry(order).in_thread(began=tries.began)(attempt)
        except Exception as error:
            if (failed := self._failed(order, tries, error)) is error:
                raise
            raise failed from error

    def _failed(self, order: Order, tries: _Tries, error: Exception) -> Exception:
        """Return the error of a call that failed: ours as it is, any other as `ToolFailed`.

        Its subtask may make it again after an error of unknown kind: an HTTP status speaks for itself, what is known to
        be transient has been retried here, and the tool's attempts bound the requests of all tries together.
        """
        is_own = is_ours(error)
        call = named(order.call)
        made = self._made.get(call, 0) + tries.sent
        if call and (isinstance(error, ConcertinoError) or not is_own):
            self._made[call] = made
        if is_own:
            return error
        known = is_transient(error) or status_code(error) is not None
        return ToolFailed(
            tool=order.tool.name,
            attempts=tries.number,
            reason=reason(error),
            is_final=known or tries.number > 1 or made >= order.tool.attempts,
        )

    def _tries(self, order: Order) -> _Tries:
        self._retries.note_call()
        return _Tries(self.desk, order)

    def _retry(self, order: Order) -> Retry:
        return Retry(
            clock=self.desk.clock,
            random=self._random,
            budget=self._retries,
            attempts=max(1, order.tool.attempts - self.made_in_vain(order.call)),
            deadline=order.deadline,
        )


class _Tries:
    """The attempts of one call so far.

    The first is made without tenacity, which costs 40 µs a call; where that one's error is transient, tenacity is told
    of it and sees to the rest.
    """

    def __init__(self, desk: Desk, order: Order) -> None:
        self._desk, self._order = desk, order
        self.began = desk.clock.monotonic()
        self._limit_s = 0.0 if order.deadline is None else max(0.0, order.deadline - self.began)
        self._made: list[Attempt] = []
        self.first: Exception | None = None
        """The first one's error, until it is told."""

    def tell_first(self) -> None:
        """Raise the first attempt's error, once, if it failed."""
        if self.first is not None:
            error, self.first = self.first, None
            raise error

    def next(self) -> Attempt:
        """Return the next attempt."""
        made = Attempt(self._desk, self._order, number=self.number + 1, limit_s=self._limit_s)
        self._made.append(made)
        return made

    @property
    def number(self) -> int:
        """How many there were."""
        return len(self._made)

    @property
    def sent(self) -> int:
        """How many of them left the process."""
        return sum(one.has_left for one in self._made)


async def _attempt(attempt: Attempt, order: Order, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    reservation = await attempt.reserve()
    try:
        with attempt.holding(reservation):
            await _committed(attempt.enter())
            result = await (_here if order.heeds else _beside)(attempt, order, args, kwargs)
            attempt.answered(result)
    except Exception:
        await _committed(attempt.announced)
        raise
    # Cancelled, nothing is waited for: the settlement is queued, and without it the hold is charged in full anyway.
    await _committed(attempt.announced)
    return result


def _attempt_blocking(attempt: Attempt, order: Order, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    reservation = attempt.reserve_blocking()
    try:
        with attempt.holding(reservation):
            announced = attempt.enter()
            if announced is not None:
                announced.result()
            result = _perform(order, args, kwargs, attempt)
            attempt.answered(result)
    finally:
        if attempt.announced is not None:
            attempt.announced.result()
    return result


async def _committed(announced: futures.Future[Any] | None) -> None:
    if announced is not None:
        await wait(announced)  # which takes no write out of the journal's queue when it is cancelled


async def _here(attempt: Attempt, order: Order, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """Await a tool in this task, which takes a third of the time that another task and the wait for it take."""
    assert order.tool.afn is not None
    timing: asyncio.Timeout | None = None
    try:
        async with asyncio.timeout(attempt.send()) as timing:
            return await order.tool.afn(*args, **kwargs)
    except (Exception, SystemExit) as error:
        if timing is not None and timing.expired():
            raise attempt.timed_out() from None
        if isinstance(error, SystemExit):
            raise Stray("the tool raised SystemExit") from error
        raise
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is not None and not task.cancelling():
            raise Stray("the tool cancelled itself") from error
        raise


async def _beside(attempt: Attempt, order: Order, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    """Await a tool in a task or thread of its own, and give it up when its time is over."""
    timeout_s = attempt.send()
    running, give_up = _start(order, args, kwargs)
    try:
        await asyncio.wait({running}, timeout=timeout_s)
        if not running.done():
            raise attempt.timed_out()
        return _result(running)
    finally:
        if not running.done():
            give_up()
        elif not running.cancelled():
            running.exception()  # it may have failed just when its caller was cancelled, and nobody has looked


def _start(
    order: Order, args: Sequence[Any], kwargs: Mapping[str, Any]
) -> tuple[asyncio.Future[Any], Callable[[], Any]]:
    """Start a tool from a coroutine; return what to wait for and how to give it up."""
    tool = order.tool
    if tool.afn is not None:
        task = asyncio.get_running_loop().create_task(_contained(tool.afn, args, kwargs))
        return task, functools.partial(_cancel, task)
    assert tool.fn is not None
    call = threads.submit(functools.partial(tool.fn, *args, **kwargs))
    running = asyncio.wrap_future(call)

    def give_up() -> None:
        running.cancel()
        crew.abandon(call)

    return running, give_up


def _perform(order: Order, args: Sequence[Any], kwargs: Mapping[str, Any], attempt: Attempt) -> Any:
    """Run a tool from a plain function and return its result, giving it up when its time is over."""
    tool = order.tool
    timeout_s = attempt.send()
    if tool.fn is not None and timeout_s is None:
        try:
            return tool.fn(*args, **kwargs)
        except SystemExit as error:
            raise Stray("the tool raised SystemExit") from error
    running: futures.Future[Any]
    tasks: list[asyncio.Task[Any]] = []
    if tool.fn is not None:
        running = call = threads.submit(functools.partial(tool.fn, *args, **kwargs))
        give_up: Callable[[], Any] = functools.partial(crew.abandon, call)
    else:
        assert tool.afn is not None
        running = background.working().submit(_contained(tool.afn, args, kwargs, tasks))
        give_up = functools.partial(_cancel_in_background, running, tasks)
    try:
        futures.wait((running,), timeout_s)
        if not running.done():
            raise attempt.timed_out()
        return _result(running)
    finally:
        if not running.done():
            give_up()


async def _contained(
    afn: Callable[..., Any],
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    tasks: list[asyncio.Task[Any]] | None = None,
) -> Any:
    """Await a tool so that its `sys.exit` does not end the event loop."""
    task = asyncio.current_task()
    if tasks is not None and task is not None:
        tasks.append(task)
    try:
        return await afn(*args, **kwargs)
    except SystemExit as error:
        raise Stray("the tool raised SystemExit") from error


def _cancel(task: asyncio.Task[Any]) -> None:
    task.cancel()
    _keep(task)


def _cancel_in_background(running: futures.Future[Any], tasks: Sequence[asyncio.Task[Any]]) -> None:
    background.working().cancel(running)
    for task in tasks:  # none, if the loop had not come to it
        background.working().loop.call_soon_threadsafe(_keep, task)


def _keep(task: asyncio.Task[Any]) -> None:
    _strays.add(task)
    task.add_done_callback(_ended)


def _ended(task: asyncio.Task[Any]) -> None:
    _strays.discard(task)
    if not task.cancelled():
        task.exception()  # nobody else will look at it


def _result(ended: asyncio.Future[Any] | futures.Future[Any]) -> Any:
    """Return a call's result or raise its error, as an `Exception` in every case."""
    if ended.cancelled():
        raise Stray("the tool cancelled itself")
    error = ended.exception()
    if error is None:
        return ended.result()
    if isinstance(error, Exception):
        raise error
    raise Stray(f"the tool raised {type(error).__name__}") from error
