"""Which model endpoints are not worth another request now, by what became of the last one there."""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping

from pydantic import JsonValue

from concertino.contracts.clock import Clock

REFUSING = frozenset({400, 401, 403, 404})
"""HTTP statuses that the next request would get as well: a key, a name or a form that the server does not take."""


class Endpoints:
    """What a run's requests to models came to. Safe in threads: one dict, each entry replaced as a whole."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._until: dict[str, tuple[float, str]] = {}

    def note(self, payload: Mapping[str, JsonValue]) -> None:
        """Take the payload of a `TOOL_CALLED`. An answer clears its endpoint; a call that never left says nothing of it."""
        endpoint, outcome = str(payload.get("endpoint")), payload.get("outcome")
        status, wait_s = payload.get("status"), payload.get("retry_after_s")
        with self._lock:
            if outcome == "ok":
                self._until.pop(endpoint, None)
            elif isinstance(status, int) and status in REFUSING:
                self._until[endpoint] = math.inf, f"{endpoint} answered the last request with HTTP {status}"
            elif isinstance(wait_s, int | float):
                until = self._clock.monotonic() + wait_s
                self._until[endpoint] = until, f"{endpoint} asked to be left alone for {wait_s:g} s"

    def why_not(self, endpoint: str) -> str | None:
        """Return why a request to `endpoint` is not worth making now; `None` where nothing speaks against it."""
        with self._lock:
            until, reason = self._until.get(endpoint, (-math.inf, ""))
        return reason if self._clock.monotonic() < until else None
