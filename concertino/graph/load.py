"""What a planner's specialists work on now, over all its live runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping


class Load:
    """Subtasks that run now, by specialist. Of this planner's own process; works from any thread."""

    def __init__(self) -> None:
        self._runs: dict[str, Mapping[str, int]] = {}

    def watch(self, run_id: str, running: Mapping[str, int]) -> None:
        """Count what a run works on, of which `running` is the live count by specialist."""
        self._runs[run_id] = running

    def drop(self, run_id: str, running: Mapping[str, int]) -> None:
        """Count no more what was watched as `running`; who has taken the run over since counts on."""
        if self._runs.get(run_id) is running:
            del self._runs[run_id]

    def now(self) -> Counter[str]:
        """Return how many subtasks each specialist works on."""
        total: Counter[str] = Counter()
        for running in list(self._runs.values()):
            total.update(dict(running))
        return total
