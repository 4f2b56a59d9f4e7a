"""Circuit breakers: one for each tool and endpoint, shared by all runs of a planner.

A breaker is asked before a call (`enter`) and told afterwards (`Permit`); it holds no lock while the call runs.
What a call reports counts only in the period it was admitted in: a straggler from before a change changes nothing.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Literal, NamedTuple

from concertino.contracts.clock import Clock, SystemClock
from concertino.contracts.errors import BreakerOpen, SetupError
from concertino.contracts.json import JsonObject

State = Literal["CLOSED", "OPEN", "HALF_OPEN"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerPolicy:
    """When a breaker opens and how it tries again.

    The default is document 004's: 3 failures in a row open it, after 300 s one call may try. Rates are judged over the
    window, which ends at the first of its bounds that is set; they apply beside `failure_threshold`.
    """

    failure_threshold: int | None = 3
    """Consecutive failures that open it; `None` leaves it to the rates. Source: document 004."""
    reset_timeout_s: float = 300.0
    """Seconds from opening until a probe may pass. Source: document 004."""
    probes: int = 1
    """Calls that may pass while half-open. All must succeed to close it; the first that fails opens it again."""
    failure_rate: float | None = None
    """Share of failed calls in the window, 0-1, from which it opens."""
    slow_rate: float | None = None
    """Share of slow calls in the window, 0-1, from which it opens; a slow probe then counts as failed."""
    slow_s: float = 60.0
    """Seconds from which a call is slow. Chosen by hand, after resilience4j's default."""
    min_calls: int = 10
    """Calls the window must hold before a rate is judged; chosen by hand."""
    window_calls: int | None = 100
    """The window holds at most this many latest calls. Source: resilience4j's default."""
    window_s: float | None = None
    """The window holds calls that ended within this many seconds."""

    def __post_init__(self) -> None:
        for name in ("failure_threshold", "probes", "min_calls", "window_calls"):
            self._check(name, lambda n: type(n) is int and n >= 1, "must be a whole number from 1")
        for name in ("reset_timeout_s", "slow_s", "window_s"):
            self._check(name, lambda n: is_number(n) and 0 < n < math.inf, "must be seconds above 0")
        for name in ("failure_rate", "slow_rate"):
            self._check(name, lambda n: is_number(n) and 0 < n <= 1, "must be above 0 and at most 1")
        if self.window_calls is None and self.window_s is None:
            raise SetupError(
                field="breaker.window_calls", value=None, rule="the window needs a bound, in calls or seconds"
            )
        rates = self.failure_rate is not None or self.slow_rate is not None
        if rates and self.window_calls is not None and self.min_calls > self.window_calls:
            raise SetupError(field="breaker.min_calls", value=self.min_calls, rule="must fit into window_calls")

    def _check(self, name: str, holds: Callable[[Any], bool], rule: str) -> None:
        value = getattr(self, name)
        may_be_none = name in ("failure_threshold", "window_calls", "window_s", "failure_rate", "slow_rate")
        if not (may_be_none and value is None) and not holds(value):
            raise SetupError(field=f"breaker.{name}", value=value, rule=rule)


def is_number(value: object) -> bool:
    """Say whether `value` is an int or float; a bool is none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


@dataclass(frozen=True, slots=True)
class Change:
    """A breaker went from one state to another."""

    tool: str
    endpoint: str
    old: State
    new: State
    reason: str
    number: int
    """Counts the changes of this breaker from 1, in the order in which they happened."""

    def payload(self) -> JsonObject:
        """Return the payload of `BREAKER_CHANGED`."""
        return {
            "tool": self.tool,
            "endpoint": self.endpoint,
            "from": self.old,
            "to": self.new,
            "reason": self.reason,
            "number": self.number,
        }


class _Ended(NamedTuple):
    at: float
    failed: bool
    slow: bool


@dataclass(slots=True)
class _Window:
    """The latest ended calls of a closed breaker, with their sums."""

    calls: deque[_Ended] = field(default_factory=deque)
    failed: int = 0
    slow: int = 0

    def add(self, ended: _Ended, *, policy: BreakerPolicy) -> None:
        self.calls.append(ended)
        self.failed += ended.failed
        self.slow += ended.slow
        while self.calls and (
            (policy.window_calls is not None and len(self.calls) > policy.window_calls)
            or (policy.window_s is not None and self.calls[0].at <= ended.at - policy.window_s)
        ):
            oldest = self.calls.popleft()
            self.failed -= oldest.failed
            self.slow -= oldest.slow

    def verdict(self, policy: BreakerPolicy) -> str | None:
        """Return why a rate says open, or `None`."""
        total = len(self.calls)
        if total < policy.min_calls:
            return None
        if policy.failure_rate is not None and self.failed / total >= policy.failure_rate:
            return f"{self.failed} of {total} calls failed"
        if policy.slow_rate is not None and self.slow / total >= policy.slow_rate:
            return f"{self.slow} of {total} calls took {policy.slow_s:g} s or more"
        return None


class Permit:
    """The right to make one call. Exactly one of its reports counts; leaving a `with` block unreported abandons it."""

    __slots__ = ("_breaker", "_reported", "change", "number")

    def __init__(self, breaker: Breaker, *, number: int, change: Change | None) -> None:
        self._breaker, self._reported = breaker, False
        self.number = number
        """The breaker's period (number of changes) in which it was given."""
        self.change = change
        """The change that giving it made, if any: from open to half-open."""

    def success(self, duration_s: float) -> Change | None:
        """Report that the call succeeded; return the change that follows, if any."""
        return self._report(failed=False, duration_s=duration_s)

    def failure(self, duration_s: float) -> Change | None:
        """Report that the call failed; return the change that follows, if any."""
        return self._report(failed=True, duration_s=duration_s)

    def abandon(self) -> None:
        """Report that nothing is known (cancelled, not sent): neither success nor failure; a probe's place is free."""
        self._report(failed=None, duration_s=0.0)

    def _report(self, *, failed: bool | None, duration_s: float) -> Change | None:
        if self._reported:
            return None
        self._reported = True
        return self._breaker.report(self.number, failed=failed, duration_s=duration_s)

    def __enter__(self) -> Permit:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.abandon()


class Breaker:
    """One breaker. Safe to use from any thread and any event loop."""

    def __init__(
        self,
        tool: str,
        endpoint: str,
        *,
        policy: BreakerPolicy | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.tool, self.endpoint = tool, endpoint
        self.policy = policy or BreakerPolicy()
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._state: State = "CLOSED"
        self._number = 0
        self._opened_at = 0.0
        self._opened = self._refused = 0
        self._window, self._row = _Window(), 0
        self._probing = self._probed = 0

    @property
    def name(self) -> str:
        """Return `tool@endpoint`."""
        return f"{self.tool}@{self.endpoint}" if self.endpoint else self.tool

    @property
    def state(self) -> State:
        """Return the state; an open one stays OPEN until a call tries it after its reset timeout."""
        return self._state

    @property
    def is_open(self) -> bool:
        """Say whether a call would be refused now."""
        with self._lock:
            return self._wait_s(self._clock.monotonic()) is not None

    def enter(self) -> Permit:
        """Return a permit for one call.

        Raises:
            BreakerOpen: open, or half-open with every probe out; `retry_after_s` is then 0 or the rest of the timeout.
        """
        change = None
        with self._lock:
            now = self._clock.monotonic()
            wait_s = self._wait_s(now)
            if wait_s is not None:
                self._refused += 1
                raise BreakerOpen(name=self.name, retry_after_s=wait_s)
            if self._state == "OPEN":
                change = self._move("HALF_OPEN", now=now, reason=f"{self.policy.reset_timeout_s:g} s passed")
            if self._state == "HALF_OPEN":
                self._probing += 1
            return Permit(self, number=self._number, change=change)

    def report(self, number: int, *, failed: bool | None, duration_s: float) -> Change | None:
        """Take a permit's report (`failed=None`: nothing known). For `Permit`; call its methods instead."""
        with self._lock:
            if number != self._number:
                return None
            now = self._clock.monotonic()
            change = self._probe(failed, duration_s, now) if self._state == "HALF_OPEN" else None
            if self._state == "CLOSED" and change is None and failed is not None:
                change = self._count(failed, duration_s, now)
        return change

    def snapshot(self) -> JsonObject:
        """Return the breaker as the result shows it."""
        with self._lock:
            return {
                "tool": self.tool,
                "endpoint": self.endpoint,
                "state": self._state,
                "consecutive_failures": self._row,
                "window": {
                    "calls": len(self._window.calls),
                    "failed": self._window.failed,
                    "slow": self._window.slow,
                },
                "probes": {"permitted": self.policy.probes, "running": self._probing, "succeeded": self._probed},
                "opened": self._opened,
                "refused": self._refused,
                "retry_after_s": round(self._wait_s(self._clock.monotonic()) or 0.0, 3),
            }

    def _wait_s(self, now: float) -> float | None:
        """Return `None` if a call may pass at `now`, else the seconds until one is worth trying."""
        if self._state == "OPEN":
            left = self._opened_at + self.policy.reset_timeout_s - now
            return left if left > 0 else None
        if self._state == "HALF_OPEN" and self._probing + self._probed >= self.policy.probes:
            return 0.0
        return None

    def _probe(self, failed: bool | None, duration_s: float, now: float) -> Change | None:
        self._probing -= 1
        if failed is None:
            return None
        if failed:
            return self._move("OPEN", now=now, reason="a probe failed")
        if self.policy.slow_rate is not None and duration_s >= self.policy.slow_s:
            return self._move("OPEN", now=now, reason=f"a probe took {self.policy.slow_s:g} s or more")
        self._probed += 1
        if self._probed < self.policy.probes:
            return None
        return self._move("CLOSED", now=now, reason=f"{self._probed} probe(s) succeeded")

    def _count(self, failed: bool, duration_s: float, now: float) -> Change | None:
        self._row = self._row + 1 if failed else 0
        self._window.add(_Ended(now, failed, duration_s >= self.policy.slow_s), policy=self.policy)
        if self.policy.failure_threshold is not None and self._row >= self.policy.failure_threshold:
            return self._move("OPEN", now=now, reason=f"{self._row} failures in a row")
        reason = self._window.verdict(self.policy)
        return None if reason is None else self._move("OPEN", now=now, reason=reason)

    def _move(self, new: State, *, now: float, reason: str) -> Change:
        old, self._state = self._state, new
        self._number += 1
        self._probing = self._probed = 0
        if new == "OPEN":
            self._opened_at, self._opened = now, self._opened + 1
        elif new == "CLOSED":
            self._window, self._row = _Window(), 0
        return Change(self.tool, self.endpoint, old, new, reason, self._number)


class Breakers:
    """All breakers of a planner, made when first asked for."""

    def __init__(self, *, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._breakers: dict[tuple[str, str], Breaker] = {}

    def get(self, tool: str, endpoint: str, *, policy: BreakerPolicy | None = None) -> Breaker:
        """Return the breaker of a tool at an endpoint; the first to ask decides its policy."""
        with self._lock:
            known = self._breakers.get((tool, endpoint))
            if known is None:
                known = Breaker(tool, endpoint, policy=policy, clock=self._clock)
                self._breakers[tool, endpoint] = known
            return known

    def snapshot(self) -> list[JsonObject]:
        """Return every breaker that was asked for, by tool and endpoint."""
        with self._lock:
            known = sorted(self._breakers.items())
        return [breaker.snapshot() for _, breaker in known]
