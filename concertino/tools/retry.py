"""The one retry layer, on tenacity: what is retried, how long is waited, and when to stop.

Nothing else in Concertino retries an outside call, and SDKs are told not to: layered defaults multiply.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from tenacity import AsyncRetrying, RetryCallState, Retrying, retry_if_exception

from concertino.contracts.clock import Clock
from concertino.contracts.errors import SetupError

MAX_ATTEMPTS = 3
"""Attempts a call, the first included. Source: document 002."""
BASE_S = 0.5
"""Upper bound of the first wait; each further one doubles it. Chosen by hand."""
MAX_WAIT_S = 30.0
"""Upper bound of a wait of our own, and the longest `Retry-After` that is waited for. Chosen by hand."""
RATIO = 0.2
"""Retries a run may make, as a share of its calls. Chosen by hand."""
MINIMUM = 10
"""Retries a run may make whatever the ratio says. Chosen by hand."""

_TRANSIENT_NAMES = {
    ("httpx", "TransportError"),
    ("httpcore", "NetworkError"),
    ("httpcore", "TimeoutException"),
    ("aiohttp", "ClientConnectionError"),
    ("requests", "ConnectionError"),
    ("requests", "Timeout"),
    ("urllib3", "TimeoutError"),
    ("openai", "APIConnectionError"),
    ("anthropic", "APIConnectionError"),
}
"""Clients' own network errors, which do not subclass Python's; by package and class, so that none is imported."""


class Transient(RuntimeError):
    """Raised by a tool to say: this may go well the next time.

    `retry_after` is the least wait in seconds; `usage` a `Cost` when it is known what the failed attempt used,
    otherwise it is charged in full.
    """

    def __init__(
        self, message: str = "transient failure", *, retry_after: float | None = None, usage: Any = None
    ) -> None:
        self.retry_after, self.usage = retry_after, usage
        super().__init__(message)


def status_code(error: BaseException) -> int | None:
    """Return the HTTP status an error carries, as `status_code` or on its `response`."""
    for holder in (error, getattr(error, "response", None)):
        code = getattr(holder, "status_code", None)
        if isinstance(code, int) and not isinstance(code, bool):
            return code
    return None


def is_named(error: BaseException, names: set[tuple[str, str]]) -> bool:
    """Say whether one of an error's classes is (top-level package, class name) in `names`."""
    return any((kind.__module__.partition(".")[0], kind.__name__) in names for kind in type(error).__mro__)


def is_transient(error: BaseException) -> bool:
    """Say whether an error is known to pass: a marker, a timeout, a connection, HTTP 408, 429 or 5xx."""
    code = status_code(error)
    if code is not None:
        return code in {408, 429} or 500 <= code <= 599
    return isinstance(error, Transient | TimeoutError | ConnectionError) or is_named(error, _TRANSIENT_NAMES)


def retry_after_s(error: BaseException, *, now: float) -> float | None:
    """Return the least wait that an error asks for, in seconds; `now` is the wall clock, for a date.

    Read from a `retry_after` attribute (seconds or timedelta) or the response's `Retry-After` header (seconds or an
    HTTP date); what cannot be read is ignored.
    """
    asked: object = getattr(error, "retry_after", None)
    if asked is None:
        headers = getattr(getattr(error, "response", None), "headers", None)
        if isinstance(headers, Mapping):
            asked = next((value for name, value in headers.items() if str(name).lower() == "retry-after"), None)
    if isinstance(asked, timedelta):
        asked = asked.total_seconds()
    if isinstance(asked, str):
        asked = _seconds(asked, now)
    if isinstance(asked, bool) or not isinstance(asked, int | float) or not asked >= 0:
        return None
    return float(asked)


def _seconds(text: str, now: float) -> float | None:
    try:
        return float(text)
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now)
    except ValueError:
        return None


class RetryBudget:
    """Bounds the retries of a whole run: at most `ratio` of its calls, plus `minimum`. Safe in threads."""

    def __init__(self, *, ratio: float = RATIO, minimum: int = MINIMUM) -> None:
        if not 0 <= ratio <= MAX_ATTEMPTS - 1:
            raise SetupError(field="retry.ratio", value=ratio, rule=f"must be within 0 and {MAX_ATTEMPTS - 1}")
        if minimum < 0:
            raise SetupError(field="retry.minimum", value=minimum, rule="must be 0 or more")
        self._ratio, self._minimum = ratio, minimum
        self._lock = threading.Lock()
        self.calls = self.retries = 0

    def note_call(self) -> None:
        """Count a call, its retries not included."""
        with self._lock:
            self.calls += 1

    def take(self) -> bool:
        """Take one retry and say whether it was there."""
        with self._lock:
            allowed = self.retries + 1 <= self._ratio * self.calls + self._minimum
            self.retries += allowed
            return allowed


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """The rules for one call."""

    clock: Clock
    random: Callable[[], float]
    """Uniform in 0-1; the jitter."""
    budget: RetryBudget
    attempts: int = MAX_ATTEMPTS
    """1 to `MAX_ATTEMPTS`."""
    deadline: float | None = None
    """On the monotonic clock."""

    def wait_s(self, attempt: int, error: BaseException) -> float:
        """Return the wait after failed attempt number `attempt`: full jitter under a doubling bound, or what was asked.

        Source of full jitter: AWS Architecture Blog, "Exponential Backoff And Jitter", 2015.
        """
        own = self.random() * min(MAX_WAIT_S, BASE_S * 2.0 ** (attempt - 1))
        return max(own, retry_after_s(error, now=self.clock.now()) or 0.0)

    def stops(self, *, attempt: int, wait_s: float, duration_s: float) -> bool:
        """Say whether there is no further attempt; if there is one, it is taken from the run's retries.

        An attempt is expected to take as long as the one before, so nothing starts that cannot end in time.
        """
        if attempt >= min(self.attempts, MAX_ATTEMPTS) or wait_s > MAX_WAIT_S:
            return True
        if self.deadline is not None and self.clock.monotonic() + wait_s + duration_s >= self.deadline:
            return True
        return not self.budget.take()

    def in_coroutine(self, *, began: float | None = None) -> AsyncRetrying:
        """Return the driver for coroutines; a fresh one for every call.

        `began` is when the first attempt was made, on the monotonic clock, where the driver is only told of its error.
        """
        return AsyncRetrying(sleep=self.clock.asleep, **self._rules(began))

    def in_thread(self, *, began: float | None = None) -> Retrying:
        """Return the driver for plain functions; a fresh one for every call."""
        return Retrying(sleep=self.clock.sleep, **self._rules(began))

    def _rules(self, began: float | None) -> dict[str, Any]:
        if began is None:
            self.budget.note_call()
        started = self.clock.monotonic() if began is None else began

        def before(state: RetryCallState) -> None:
            nonlocal started
            if began is None or state.attempt_number > 1:
                started = self.clock.monotonic()

        def wait(state: RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome else None
            return self.wait_s(state.attempt_number, error) if error is not None else 0.0

        def stop(state: RetryCallState) -> bool:
            duration_s = self.clock.monotonic() - started
            return self.stops(attempt=state.attempt_number, wait_s=state.upcoming_sleep, duration_s=duration_s)

        return {
            "retry": retry_if_exception(is_transient),
            "before": before,
            "wait": wait,
            "stop": stop,
            "reraise": True,
        }
