"""Where a run's events are heard beside the journal: by listeners, and on LangGraph's `custom` stream."""

from __future__ import annotations

import contextvars
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future

from concertino.contracts.event import Event

Writer = Callable[[object], None]
Listener = Callable[[Event], None]

stream_writer: contextvars.ContextVar[Writer | None] = contextvars.ContextVar("concertino_stream_writer", default=None)
"""Where LangGraph's `custom` stream takes our events from; set inside each node."""
listening: contextvars.ContextVar[Listener | None] = contextvars.ContextVar("concertino_listening", default=None)
"""Who hears the run that is being let in."""

KEPT = 1_000
"""Events kept for the stream while no node is at work, the newest ones; chosen by hand."""


class Voice:
    """One run's. Works from any thread."""

    def __init__(self, listeners: Sequence[Listener]) -> None:
        own = listening.get()
        self._listeners = (*listeners, own) if own is not None else tuple(listeners)
        self._untold: deque[Event] = deque(maxlen=KEPT)

    def tell(self, event: Event) -> None:
        """Let everybody know; what happens outside any node, as at the door, is streamed with what comes next."""
        self._untold.append(event)
        writer = stream_writer.get()
        if writer is not None:
            while self._untold:
                told = self._untold.popleft()
                writer({**vars(told), "payload": told.payload})
        for listener in self._listeners:
            listener(event)


def mute(*args: object, **kwargs: object) -> Future[list[int]]:
    """Stand in for `Run.emit` where what is on record is only read."""
    return Future()
