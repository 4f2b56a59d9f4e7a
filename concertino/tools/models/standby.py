"""A guard of foreign models that is made when the first call asks for it: most bodies never make one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from concertino.tools.models.foreign import ForeignGuard
from concertino.tools.models.foreign_request import Asked


class Standby:
    """Stands for the guard of one attempt. Safe in threads."""

    def __init__(self, make: Callable[[], ForeignGuard], *, double: Callable[[Any], Any] | None = None) -> None:
        """Make it; `double` is given every model of LangChain's that the attempt calls, and returns who is called instead."""
        self._make, self.double = make, double
        self._made: ForeignGuard | None = None
        self._is_closed = False
        self._lock = threading.Lock()

    async def start(self, run_id: UUID, asked: Asked) -> None:
        """Admit a call from a coroutine; what it raises is kept for `check`."""
        await self._guard().start(run_id, asked)

    def start_blocking(self, run_id: UUID, asked: Asked) -> None:
        """Admit a call from a plain thread, or raise why it is refused."""
        self._guard().start_blocking(run_id, asked)

    def check(self, run_id: UUID) -> None:
        """Raise what `start` has kept, once."""
        if self._made is not None:
            self._made.check(run_id)

    def ended(self, run_id: UUID, usage: Mapping[str, Any] | None) -> None:
        """Settle a call that was answered."""
        if self._made is not None:
            self._made.ended(run_id, usage)

    def failed(self, run_id: UUID, error: BaseException) -> None:
        """Settle a call that failed."""
        if self._made is not None:
            self._made.failed(run_id, error)

    def close(self) -> None:
        """End it: what is still out is charged in full, and nothing more may leave."""
        with self._lock:
            self._is_closed = True
            if self._made is not None:
                self._made.close()

    def _guard(self) -> ForeignGuard:
        with self._lock:
            if self._made is None:
                self._made = self._make()
                if self._is_closed:
                    self._made.close()
            return self._made
