"""What turns out to be so, told to a planner after the fact."""

from __future__ import annotations

from functools import cached_property

from pydantic import JsonValue

from concertino.contracts.clock import Clock
from concertino.contracts.journal import Journal
from concertino.graph.door.conductor import Conductor
from concertino.graph.trust import Trust, apart, in_journal
from concertino.nodes.synthesis import TrackRecord


class Settling:
    """The part of a planner that keeps its track record: the one that it was given, else the one that its journal's runs make."""

    _conductor: Conductor
    _journal: Journal
    _clock: Clock

    @cached_property
    def _trust(self) -> Trust:
        return self._conductor.options.trust or in_journal(self._journal)

    def settle(self, question_id: str, truth: JsonValue, tolerance: float | None = None) -> None:
        """State what was true; from then on it is learned from. Settling again corrects it.

        Args:
            question_id: What the findings answered: their own question, else the task's id.
            truth: In the shape of the answers; of an object, the fields that are known.
            tolerance: How far off a number may be, in its own unit; 5 % of the truth where left out.

        Raises:
            InputError: nobody answered this question; the truth is null; a tolerance below 0; a record that cannot be saved.
            RunNotFound: the journal has forgotten the run that answered.
        """
        self._trust.settle(question_id, truth, tolerance=tolerance, clock=self._clock)

    async def asettle(self, question_id: str, truth: JsonValue, tolerance: float | None = None) -> None:
        """State what was true; see `settle`."""
        await apart(self._trust.settle, question_id, truth, tolerance=tolerance, clock=self._clock)

    def track_record(self) -> TrackRecord:
        """Return what is on record by now, as a copy: all answers, and the truths of those that are settled."""
        return self._trust.record()

    async def atrack_record(self) -> TrackRecord:
        """Return what is on record by now; see `track_record`."""
        return await apart(self._trust.record)
