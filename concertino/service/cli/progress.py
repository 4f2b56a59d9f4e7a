"""What a person sees while a run is under way: lines in a pipe, a live view on a terminal."""

from __future__ import annotations

import os
import sys
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Protocol, Self

from concertino.contracts.clock import Clock
from concertino.contracts.event import Event
from concertino.service.cli.output import say
from concertino.service.cli.wording import sentence


class Progress(AbstractContextManager["Progress"], Protocol):
    """Takes a run's events as they happen, from any thread."""

    def __call__(self, event: Event) -> None: ...


def progress_on_stderr(*, clock: Clock) -> Progress:
    """Return the live view where stderr is a terminal that can show it, else plain lines."""
    if sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb":
        # rich costs a tenth of a second, which a pipe need not pay.
        from concertino.service.cli.live import Live

        return Live(clock=clock)
    return Lines()


class Lines:
    """One line an event on stderr, with the seconds since the first."""

    def __init__(self) -> None:
        self._started: float | None = None

    def __call__(self, event: Event) -> None:
        """Print the event, if people want to see it."""
        if self._started is None:
            self._started = event.timestamp
        text = sentence(event)
        if text is not None:
            say(f"{event.timestamp - self._started:8.2f} s  {text}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        pass
