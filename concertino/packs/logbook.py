"""The log of a run, begun by one process and perhaps carried on by others: what was written stays, what is new is added."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from pydantic import JsonValue

from concertino.contracts.clock import Clock
from concertino.contracts.event import Event
from concertino.contracts.json import JsonObject
from concertino.packs.artifacts import Artifacts, LogLine, Told
from concertino.packs.manifest import EventSink, RunStatus

FALLBACK = "skill_fallback"
ROUNDED_S = 0.001
"""How far a written timestamp may lie from the moment itself."""
MESSAGE_CHARS = 2_000


class Logbook:
    """Writes `logs.jsonl` and `metrics.json` of one run of an agent; made when its work begins.

    Every view of a run's own events comes from the journal. What only the log has, namely the start, errors, and skills
    that failed before the run was admitted, is kept from what earlier processes wrote, and so are earlier runs of the task.
    """

    def __init__(
        self,
        artifacts: Artifacts,
        *,
        clock: Clock,
        agent: str,
        begins: bool,
        opening: Mapping[str, JsonValue] | None = None,
    ) -> None:
        """Open the log.

        Args:
            artifacts: Where it is written.
            clock: Where time comes from.
            agent: The agent's name, as the start line has it.
            begins: Whether a new run may begin here; a resume carries on with one that has begun.
            opening: What the start line says besides.
        """
        self._artifacts, self._clock, self._agent = artifacts, clock, agent
        self._head = [LogLine("start", clock.now(), {"agent": agent, **(opening or {})})] if begins else []
        self._tail: list[tuple[str, JsonObject]] = []
        self._began = False
        self._worked = False

    def fell_back(self, skill: str, reason: str) -> None:
        """Note, before the run is admitted, that a skill was replaced by its fallback."""
        self._head.append(LogLine(FALLBACK, self._clock.now(), {"skill": skill, "reason": reason}))

    def add(self, event: str, data: JsonObject) -> None:
        """Note what is done after the planner's own record."""
        self._tail.append((event, data))

    def listening(self, listener: EventSink | None) -> EventSink:
        """Return a listener that also lets the log know whose run it is."""

        def listen(event: Event) -> None:
            self._worked = True
            self._began |= event.type == "RUN_ADMITTED"
            if listener is not None:
                listener(event)

        return listen

    def close(self, told: Told, *, successful: int, status: RunStatus) -> None:
        """Write what the run came to; one that waits has no end yet, one that another process has is that one's to write.

        A run that was over before is not written again.

        Raises:
            ArtifactError: the disk is full or may not be written.
        """
        if status == "running":
            return
        own = self._own(told)
        if not self._worked and own.last == ("waiting" if status == "waiting" else "end"):
            return
        at = self._at(told)
        duration_ms = own.duration_ms(told, at=at)
        data: JsonObject = {
            "status": status, "duration_ms": duration_ms, "tasks": told.task_count, "successful": successful,
        }  # fmt: skip
        tail = [*self._tail, ("end", data)] if status != "waiting" else self._tail
        self._write(own, told, [LogLine(event, at, said) for event, said in tail], successful, duration_ms, at=at)

    def fail(self, told: Told, error: BaseException) -> None:
        """Write how far the run came, and the error that ended this process's work on it.

        Raises:
            ArtifactError: the disk is full or may not be written.
        """
        own, at = self._own(told), self._clock.now()
        duration_ms = own.duration_ms(told, at=at)
        data: JsonObject = {
            "type": type(error).__name__, "message": str(error)[:MESSAGE_CHARS], "duration_ms": duration_ms,
        }  # fmt: skip
        tail = [*((event, said) for event, said in self._tail), ("error", data)]
        self._write(own, told, [LogLine(event, at, said) for event, said in tail], told.successful, duration_ms, at=at)

    def _at(self, told: Told) -> float:
        """Return the moment of what is added: now, or for a run that others carried to its end, when they did."""
        return self._clock.now() if self._worked or told.ended_at is None else told.ended_at

    def _own(self, told: Told) -> _Own:
        logged = self._artifacts.logged()
        if self._began or told.started_at is None:
            return _Own(logged, self._head, None)
        own = _parted(logged, started_at=told.started_at)
        if not any(line.event == "start" for line in own.head):
            # A process that was killed left no start, so it is the journal's.
            own = own._replace(head=[LogLine("start", told.started_at, {"agent": self._agent}), *own.head])
        return own

    def _write(
        self, own: _Own, told: Told, tail: list[LogLine], successful: int, duration_ms: int, *, at: float
    ) -> None:
        lines = sorted([*own.head, *told.lines], key=lambda line: line.timestamp)
        metrics = {"latency_ms": duration_ms, "task_count": told.task_count, "success_count": successful}
        self._artifacts.write([*own.before, *lines, *tail], metrics, at=at)


class _Own(NamedTuple):
    """What is on file, seen from one run."""

    before: Sequence[LogLine]
    """Of runs of the task that were over when this one began, and attempts that began none."""
    head: Sequence[LogLine]
    """Of this run, what the journal does not have."""
    last: str | None
    """The event of the newest line of this run."""

    def duration_ms(self, told: Told, *, at: float) -> int:
        """Return the milliseconds from the start line to `at`, less those in which nobody worked on the run."""
        start = next((line.timestamp for line in self.head if line.event == "start"), at)
        if told.started_at is None or told.ended_at is None:
            return round(max(0.0, at - start) * 1_000)
        around = max(0.0, told.started_at - start) + max(0.0, at - told.ended_at)
        return round((told.active_s + around) * 1_000)


def _parted(logged: Sequence[LogLine], *, started_at: float) -> _Own:
    """Part what is on file at the beginning of the run that was admitted at `started_at`."""
    early = started_at + ROUNDED_S
    begins = [index for index, line in enumerate(logged) if line.event == "start" and line.timestamp <= early]
    ends = [index for index, line in enumerate(logged) if line.event == "end" and line.timestamp <= early]
    over = ends[-1] + 1 if ends else 0
    cut = max(begins[-1] if begins else 0, over)
    mine = logged[cut:]
    head = [
        line
        for line in mine
        if line.event in {"start", "error"} or (line.event == FALLBACK and line.timestamp <= early)
    ]
    return _Own(logged[:cut], head, mine[-1].event if mine else None)
