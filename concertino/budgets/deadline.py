"""Time as a budget: deadlines on the monotonic clock, and the active seconds of a run that may park overnight."""

from __future__ import annotations

from dataclasses import dataclass

from concertino.contracts.clock import Clock
from concertino.contracts.errors import DeadlineExceeded


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment on the clock's monotonic scale; `at=None` never comes."""

    clock: Clock
    at: float | None = None
    limit_s: float | None = None
    """Seconds it was set for; what the error names."""
    scope: str = "run"
    """Whose it is, as a readable path."""

    def left_s(self) -> float | None:
        """Return the seconds until then, at least 0; `None` without a limit."""
        return None if self.at is None else max(0.0, self.at - self.clock.monotonic())

    @property
    def is_over(self) -> bool:
        """Whether no time is left."""
        return self.at is not None and self.clock.monotonic() >= self.at

    def fits(self, seconds: float) -> bool:
        """Say whether something that takes so long can finish in time."""
        return self.at is None or self.clock.monotonic() + seconds <= self.at

    def check(self) -> None:
        """Raise DeadlineExceeded when it is over."""
        if self.is_over:
            raise self.error()

    def error(self) -> DeadlineExceeded:
        """Return the error that says it is over."""
        return DeadlineExceeded(scope=self.scope, limit_s=self.limit_s or 0.0)

    def child(self, seconds: float | None, *, scope: str) -> Deadline:
        """Return the earlier of this and `seconds` from now; when this one is earlier, its scope stays."""
        if seconds is None:
            return self
        own = self.clock.monotonic() + seconds
        if self.at is not None and self.at <= own:
            return self
        return Deadline(self.clock, own, seconds, scope)


class ActiveTime:
    """A run's active seconds: they pass while it runs and stand still while it is parked, also over a restart.

    What goes into the journal is `spent_s` (or `left_s`, the same against the limit). Used by one owner at a time.
    """

    __slots__ = ("_clock", "_limit_s", "_scope", "_spent_s", "_started")

    def __init__(
        self,
        limit_s: float | None,
        *,
        clock: Clock,
        spent_s: float = 0.0,
        left_s: float | None = None,
        scope: str = "run",
    ) -> None:
        self._clock = clock
        self._limit_s = limit_s
        self._scope = scope
        self._spent_s = max(0.0, limit_s - left_s) if limit_s is not None and left_s is not None else spent_s
        self._started: float | None = None

    def start(self) -> Deadline:
        """Let time run and return the deadline that follows; harmless when it runs already."""
        if self._started is None:
            self._started = self._clock.monotonic()
        if self._limit_s is None:
            return Deadline(self._clock, scope=self._scope)
        return Deadline(self._clock, self._started + self._limit_s - self._spent_s, self._limit_s, self._scope)

    def park(self) -> float | None:
        """Stop time and return the seconds left, at least 0; `None` without a limit. Harmless when it stands still."""
        self._spent_s, self._started = self.spent_s, None
        return self.left_s

    @property
    def spent_s(self) -> float:
        """Active seconds so far."""
        running = 0.0 if self._started is None else self._clock.monotonic() - self._started
        return self._spent_s + running

    @property
    def left_s(self) -> float | None:
        """Active seconds left, at least 0; `None` without a limit."""
        return None if self._limit_s is None else max(0.0, self._limit_s - self.spent_s)
