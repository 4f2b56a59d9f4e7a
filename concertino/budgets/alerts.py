"""Alerts: the marks a run's spending passes, each told once."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from concertino.budgets.amounts import UNBOUNDED, shown
from concertino.budgets.cells import Cell
from concertino.contracts.budget import Dimension

MARKS: tuple[int, ...] = (50, 80, 95)
"""Per cent of the limit less the unused floor. Source: DESIGN §3."""

WRAP_UP = 80
"""Per cent from which no new refinement starts. Source: DESIGN §3."""


@dataclass(frozen=True, slots=True)
class Alert:
    """A run's spending passed a mark."""

    dimension: Dimension
    percent: int
    """One of `MARKS`."""
    used: float
    """Settled so far; dollars for `usd`."""
    limit: float
    """The run's limit less the unused floor, in the same unit."""


class Meter:
    """One bounded dimension of a run: what is settled, against the limit less the unused floor."""

    __slots__ = ("_floors", "_marks", "run")

    def __init__(self, run: Cell, *, floors: Collection[Cell], told: Collection[int]) -> None:
        self.run = run
        self._floors = floors
        self._marks = [mark for mark in MARKS if mark not in told]
        self._arm()

    def limit(self) -> int:
        """Return the limit less what is left of the floor."""
        unused = sum(max(0, cell.granted - cell.settled) for cell in self._floors if cell.is_floor)
        return self.run.limit - unused

    def reaches(self, percent: int) -> bool:
        """Say whether at least so much is settled. What nobody may use and nobody used is at no mark."""
        return self.run.settled > 0 and self.run.settled * 100 >= percent * self.limit()

    def fraction(self) -> float:
        """Return settled / limit, 0 when nothing is settled; above 1 only after a breach or a restored charge."""
        limit = self.limit()
        return 0.0 if not self.run.settled else self.run.settled / limit if limit > 0 else float(self.run.settled)

    def passed(self) -> list[Alert]:
        """Return the marks passed since last asked. Cheap to skip while `run.settled < run.alert_at`."""
        dimension = self.run.dimension
        alerts: list[Alert] = []
        while self._marks and self.reaches(self._marks[0]):
            alerts.append(
                Alert(
                    dimension=dimension,
                    percent=self._marks.pop(0),
                    used=shown(dimension, self.run.settled),
                    limit=shown(dimension, self.limit()),
                )
            )
        self._arm()
        return alerts

    def _arm(self) -> None:
        # The limit only grows from here, as the floor is used or given up: asking at this sum is never too late.
        self.run.alert_at = max(1, -(-self._marks[0] * self.limit() // 100)) if self._marks else UNBOUNDED
