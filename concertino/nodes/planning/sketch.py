"""A plan on the drawing board: what the checks of the validator share and add to."""

from __future__ import annotations

from dataclasses import dataclass, field

from concertino.contracts.json import JsonObject
from concertino.contracts.plan import Origin, Subtask
from concertino.contracts.specialist import Cards, SpecialistCard, Standings
from concertino.contracts.task import Task
from concertino.nodes.planning.faults import Faults
from concertino.nodes.planning.reading import Header, Reading


@dataclass(slots=True)
class Sketch:
    """Subtasks by position, in the order of the draft."""

    task: Task
    cards: Cards
    standings: Standings
    origin: Origin
    header: Header
    subtasks: list[Subtask]
    places: list[str]
    position: dict[str, int]
    """Position by the draft's own id."""
    faulty: set[str]
    """Ids that exist but whose subtasks could not be read."""
    aside: list[tuple[Subtask, str]]
    """Subtasks that have no position, and where they stood."""
    faults: Faults
    notes: list[str]
    needs: list[dict[int, None]] = field(default_factory=list)
    """Prerequisites by position, declared and derived; a dict keeps their order."""
    staff: list[SpecialistCard | None] = field(default_factory=list)
    """Who does each; `None` where nobody could be found."""
    added: dict[int, JsonObject] = field(default_factory=dict)
    """Inputs that were derived, by position."""
    stages: list[str | None] = field(default_factory=list)

    @classmethod
    def of(
        cls, reading: Reading, *, task: Task, cards: Cards, standings: Standings, origin: Origin, faults: Faults,
        notes: list[str],
    ) -> Sketch:  # fmt: skip
        """Return the sketch of a draft that was read."""
        return cls(
            task=task, cards=cards, standings=standings, origin=origin, header=reading.header,
            subtasks=reading.subtasks, places=reading.places, position=reading.position, faulty=reading.faulty,
            aside=reading.aside, faults=faults, notes=notes,
        )  # fmt: skip

    def id(self, position: int) -> str:
        """Return the draft's id of a subtask."""
        return self.subtasks[position].id

    def inputs(self, position: int) -> JsonObject:
        """Return a subtask's inputs, the derived ones included."""
        given = self.subtasks[position].inputs
        return {**given, **self.added[position]} if position in self.added else given
