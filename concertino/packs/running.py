"""A run of a pack's agent around its planner: taken up from the journal, and never without its artifacts, however it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import cast

from pydantic import JsonValue

from concertino.contracts.errors import RunBusy, RunNotFound, RunStateError, StaleLease, TaskConflict
from concertino.contracts.event import Event
from concertino.contracts.journal import RunRow
from concertino.contracts.json import JsonObject
from concertino.graph.planner import Planner
from concertino.journal import open_journal
from concertino.journal.views import run_events
from concertino.packs.artifacts import ArtifactError, Artifacts
from concertino.packs.manifest import EXIT_CODES, AgentRun, EventSink, Resumption, RunOptions, RunStatus

UNDER_WAY = ("admitted", "planned", "running")
"""States of a run that is neither over nor waiting: another process works on it, or was killed while it did."""

NOT_OURS = (TaskConflict, RunBusy, StaleLease, RunStateError)
"""Refusals of what another run or process has."""


async def observed(
    artifacts: Artifacts,
    *,
    begin: Callable[[], Awaitable[Planner]],
    work: Callable[[Planner], Awaitable[JsonObject]],
    finish: Callable[[JsonObject, Sequence[Event]], AgentRun],
    fail: Callable[[BaseException, Sequence[Event]], None],
) -> AgentRun:
    """Run, and leave artifacts behind whatever happens.

    Args:
        artifacts: the run's; its directory goes where nothing was written.
        begin: makes the planner, which is closed at the end.
        work: has it work, and returns the result.
        finish: writes artifacts of a result and the run's events, and returns what came of it.
        fail: writes artifacts of an error, which is raised on, and of the events that could be read.
    """
    planner: Planner | None = None
    events: list[Event] = []
    try:
        planner = await begin()
        result = await work(planner)
        events = run_events(await planner.aevents(artifacts.run_id))
        return finish(result, events)
    except NOT_OURS:
        # The artifacts belong to the run that is there already.
        raise
    except BaseException as error:
        if planner is not None and not events:
            events = await _events_or_none(planner, artifacts.run_id)
        try:
            fail(error, events)
        except ArtifactError as unwritten:  # what went wrong first is what has to be known
            error.add_note(str(unwritten))
        raise
    finally:
        artifacts.discard_if_empty()
        if planner is not None:
            planner.close()


async def take_up(planner: Planner, run_id: str, how: Resumption, *, on_event: EventSink | None) -> JsonObject:
    """Carry on with a run, or begin again with it, and return its result."""
    if how.restart:
        return await planner.arestart(run_id, on_event=on_event)
    if how.gate is not None:
        await planner.aanswer(run_id, how.gate, how.decision)
    return await planner.aresume(run_id, on_event=on_event)


async def known_run(options: RunOptions, run_id: str) -> RunRow:
    """Return the run as the journal knows it; its task's payload is an object with the policy it began with.

    Raises:
        RunNotFound: the journal has no such run of an agent.
    """
    journal = open_journal(options.database, clock=options.clock)
    try:
        row = await asyncio.wrap_future(journal.latest(run_id))
    finally:
        journal.close()
    payload = row.task.get("payload") if row is not None else None
    if row is None or not isinstance(payload, dict) or "policy" not in payload:
        raise RunNotFound(task_id=run_id)
    return row


def status_of(result: Mapping[str, JsonValue]) -> RunStatus:
    """Return how the run stands that a planner's result, or its status where another process has the run, speaks of."""
    status = result.get("status")
    if status in UNDER_WAY:
        return "running"
    return cast("RunStatus", status) if status in EXIT_CODES else "failed"


def open_gates(events: Sequence[Event]) -> list[JsonObject]:
    """Return the questions that wait: `{gate, question}`."""
    waiting: dict[str, JsonObject] = {}
    for event in events:
        gate = str(event.payload.get("gate"))
        if event.type == "GATE_OPENED":
            waiting[gate] = {"gate": gate, "question": str(event.payload.get("question", ""))}
        elif event.type in {"GATE_ANSWERED", "GATE_WITHDRAWN"}:
            waiting.pop(gate, None)
    return list(waiting.values())


async def _events_or_none(planner: Planner, run_id: str) -> list[Event]:
    """Return the events of a run that failed; a journal that cannot be read has none, its error is on its way already."""
    try:
        return run_events(await planner.aevents(run_id))
    except (ValueError, RuntimeError):
        return []
