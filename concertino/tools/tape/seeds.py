"""Ids and jitter of a recorded run: derived from a seed and from who asks, so that a replay makes the same."""

from __future__ import annotations

import threading
from collections import defaultdict
from hashlib import blake2b

from concertino.contracts.scope import SCOPE
from concertino.tools.tape.lines import NOWHERE

ID_BYTES = 10
"""Twenty hex digits, as `contracts.ids.new_id` gives."""


def scope_now() -> str:
    """Return who is at work in this context."""
    scope = SCOPE.get()
    return NOWHERE if scope is None else str(scope)


class Seeded:
    """Gives ids and chances in a sequence of its own for every part of a run. Safe in threads."""

    def __init__(self, seed: int, *, run: int = 1) -> None:
        """Begin; another repeat of a case is another sequence."""
        self._seed = f"{seed}.{run}"
        self._lock = threading.Lock()
        self._given: defaultdict[tuple[str, str], int] = defaultdict(int)

    def new_id(self, prefix: str) -> str:
        """Return the next id of a prefix: the prefix, a dash, 20 hex digits."""
        return f"{prefix}-{self._digest('id', prefix, ID_BYTES).hex()}"

    def random(self) -> float:
        """Return the next number in 0-1, 1 excluded."""
        return int.from_bytes(self._digest("random", "", 7), "big") / 2**56

    def _digest(self, what: str, prefix: str, size: int) -> bytes:
        scope = scope_now()
        with self._lock:
            number = self._given[scope, f"{what}.{prefix}"] = self._given[scope, f"{what}.{prefix}"] + 1
        return blake2b(f"{self._seed}\n{scope}\n{what}\n{prefix}\n{number}".encode(), digest_size=size).digest()
