"""A plan before it is validated: what a caller hands in, a rule expands to, or a model answers, all in one form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from concertino.contracts.json import JsonObject
from concertino.contracts.plan import Origin
from concertino.contracts.requirements import Requirements
from concertino.nodes.planning.constraints import Constraints
from concertino.nodes.planning.gate_policy import GatePolicy
from concertino.nodes.planning.holes import Hole


@dataclass(frozen=True, slots=True)
class Draft:
    """Raw JSON in the shape that a caller's ready plan has, and where it came from."""

    plan: JsonObject
    """`{"subtasks": [...], "gate"?, "budget"?, "answer"?, "stop_when"?}`; nothing in it is trusted."""
    origin: Origin
    workflow: str | None = None
    """Name of the rule that made it."""
    notes: tuple[str, ...] = ()
    """What its maker left out or could not decide, one sentence each."""
    holes: tuple[Hole, ...] = ()
    """What the rule leaves to a model; a hole is open until `parts` has it. `needs`, `answer` and references speak of an open hole
    by its id, as of one subtask."""
    constraints: Constraints | None = None
    """What holds for the whole plan, whoever fills the holes."""
    gates: tuple[GatePolicy, ...] = ()
    """Which of the finished plan's subtasks a person is asked about, beside those that ask by themselves."""
    requirements: Requirements | None = None
    """What a rule read from the task's text; the subtasks' `covers` speak of its criteria where the task states none."""
    parts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Ids of the subtasks that each template and each filled hole of the workflow gave."""

    @property
    def open_holes(self) -> tuple[Hole, ...]:
        """Return the holes that nothing was put into yet."""
        return tuple(hole for hole in self.holes if hole.id not in self.parts)
