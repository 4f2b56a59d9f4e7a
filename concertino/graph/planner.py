"""`Planner`: a planner graph with a database behind it, and document 004's life cycle as plain methods."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Mapping
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Self, TypeVar, cast

from langchain_core.runnables import RunnableConfig

from concertino.contracts.clock import Clock, SystemClock
from concertino.contracts.errors import RunNotFound, RunStateError
from concertino.contracts.event import TERMINAL, Event, EventType, message_type
from concertino.contracts.gate import read_reason
from concertino.contracts.journal import RunRow
from concertino.contracts.json import JsonObject
from concertino.contracts.task import Task, read_task
from concertino.graph.build import create_planner
from concertino.graph.checkpoints import open_checkpoints
from concertino.graph.door.past import EVENTS
from concertino.graph.door.tenure import holding, is_free
from concertino.graph.runs.entry import LISTENER, RESTART, TAKE_OVER, with_configurable
from concertino.graph.runs.questions import Questions
from concertino.graph.runs.restore import History, fold
from concertino.graph.runs.voice import mute
from concertino.graph.settling import Settling
from concertino.graph.summary import interim
from concertino.journal.awaiting import wait
from concertino.journal.open import open_journal
from concertino.journal.views import status as status_view
from concertino.tools.background import conducting

T = TypeVar("T")
Listener = Callable[[Event], None]


class Planner(Settling):
    """A planner with persistence. Every method has an async twin: `arun`, `astream`, `aresume`, ...

    Methods that run something return its result; a run that waits for people returns `status: "waiting"` with its
    open gates.
    """

    def __init__(
        self, *, specialists: Any, database: str | None = None, clock: Clock | None = None, **options: Any
    ) -> None:
        """Open a planner.

        Args:
            specialists: As for `create_planner`.
            database: `sqlite:///file.db` for journal and checkpoints; in memory where left out.
            clock: Where time comes from.
            **options: Whatever else `create_planner` takes.

        Raises:
            SetupError: something cannot work as given.
        """
        now = self._clock = clock or SystemClock()
        self._journal = open_journal(database, clock=now)
        self._checkpoints = open_checkpoints(None, self._journal)
        self.graph = create_planner(
            specialists=specialists, journal=self._journal, checkpointer=self._checkpoints, clock=now, **options
        )
        self._conductor = self.graph.conductor

    def close(self) -> None:
        """Write what is queued and let go of the database. Idempotent."""
        self._checkpoints.close()
        self._journal.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # Running.

    def run(self, task: Mapping[str, Any] | Task, *, on_event: Listener | None = None, **kwargs: Any) -> JsonObject:
        """Run a task to its end, or until it waits for people."""
        given = self._read(task)
        return self._settle(given.task_id, self._invoke({"task": given}, _on_thread(given.task_id), on_event, kwargs))

    async def arun(
        self, task: Mapping[str, Any] | Task, *, on_event: Listener | None = None, **kwargs: Any
    ) -> JsonObject:
        """Run a task to its end, or until it waits for people."""
        given = self._read(task)
        out = await self._ainvoke({"task": given}, _on_thread(given.task_id), on_event, kwargs)
        return await self._asettle(given.task_id, out)

    def stream(self, task: Mapping[str, Any] | Task, **kwargs: Any) -> Generator[Event]:
        """Run a task and yield its events as they happen, then raise its error, if any.

        Closing the iterator leaves the run to its end; `cancel` stops it.
        """
        events: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        done: Future[JsonObject] = Future()

        def work() -> None:
            try:
                done.set_result(self.run(task, on_event=events.put, **kwargs))
            except BaseException as error:  # noqa: BLE001 - raised again below, in the caller's thread
                done.set_exception(error)
            events.put(None)

        threading.Thread(target=work, name="concertino-stream", daemon=True).start()
        while (event := events.get()) is not None:
            yield event
        done.result()

    async def astream(self, task: Mapping[str, Any] | Task, **kwargs: Any) -> AsyncGenerator[Event]:
        """Run a task and yield its events as they happen; closing the iterator cancels the invocation."""
        loop = asyncio.get_running_loop()
        events: asyncio.Queue[Event | None] = asyncio.Queue()
        running = asyncio.ensure_future(self.arun(task, on_event=lambda event: _put(loop, events, event), **kwargs))
        running.add_done_callback(lambda _: events.put_nowait(None))
        try:
            while (event := await events.get()) is not None:
                yield event
            await running
        finally:
            running.cancel()
            await asyncio.wait({running})  # its lease is given back before anything else is done

    def resume(self, task_id: str, *, on_event: Listener | None = None) -> JsonObject:
        """Carry on with a run that crashed or waits; a finished one gives its result.

        Raises:
            RunNotFound: no such task.
            RunBusy: another process works on it.
        """
        row = self._now(self._row(task_id))
        if row.state in TERMINAL:
            return self._now(self._conductor.known(row))
        given, config = self._now(self._again(row))
        return self._settle(task_id, self._invoke(given, config, on_event, {}))

    async def aresume(self, task_id: str, *, on_event: Listener | None = None) -> JsonObject:
        """Carry on with a run that crashed or waits; a finished one gives its result."""
        row = await self._row(task_id)
        if row.state in TERMINAL:
            return await self._conductor.known(row)
        given, config = await self._again(row)
        return await self._asettle(task_id, await self._ainvoke(given, config, on_event, {}))

    def restart(self, task_id: str, *, on_event: Listener | None = None) -> JsonObject:
        """Start a finished or cancelled task anew from its last good state, as a new run with a budget of its own.

        Completed subtasks and given answers are kept, everything else is done again.

        Raises:
            RunStateError: the task is not finished; `resume` it.
        """
        given, config = self._now(self._anew(task_id))
        return self._settle(task_id, self._invoke(given, config, on_event, {}))

    async def arestart(self, task_id: str, *, on_event: Listener | None = None) -> JsonObject:
        """Start a finished or cancelled task anew from its last good state, as a new run."""
        given, config = await self._anew(task_id)
        return await self._asettle(task_id, await self._ainvoke(given, config, on_event, {}))

    # What people say.

    def answer(self, task_id: str, gate: str, decision: Any) -> JsonObject:
        """Answer a gate, of a live run too; a run that waits goes on with `resume`. Returns the task's status.

        Args:
            task_id: The task.
            gate: `plan`, a subtask's id or its short name, or a name from the status' open gates.
            decision: `{"decision": "accept" | "reject" | "edit", "reason"?, "inputs"?}`, or `"accept"`, `"reject"`.

        Raises:
            InputError: a malformed answer, an unknown gate, or inputs that the subtask could not run with.
            RunStateError: the run is over, or the gate was answered already.
        """
        return self._now(self.aanswer(task_id, gate, decision))

    async def aanswer(self, task_id: str, gate: str, decision: Any) -> JsonObject:
        """Answer a gate; see `answer`."""
        row = await self._row(task_id)
        if row.state in TERMINAL:
            raise RunStateError(task_id=task_id, state=row.state, asked=f"answer gate {gate}")
        if (live := self._conductor.heart.live(task_id)) is not None:
            await live.flush(must_hold=False)  # whoever hears of a gate may answer it before it is on the record
        history = await self._history(row)
        edits = history.edits(self._conductor.options.cards, self._conductor.options.limits)
        gate = edits.gate_of(gate)
        answer = Questions(history.gates, mute).read(gate, decision, edits)
        known = history.gates.answer_of(gate)
        if known is not None:
            raise RunStateError(task_id=task_id, state=f"past gate {gate} ({known.decision})", asked="answer it again")
        question = history.gates.get(gate)
        payload: JsonObject = {"gate": gate, **answer.model_dump(exclude_none=True)}
        await self._control(row, "GATE_ANSWERED", payload, subtask_id=question.subtask_id if question else None)
        if (live := self._conductor.heart.live(task_id)) is not None:
            live.on_loop(lambda: live.questions.take(gate, answer))
        return await self.astatus(task_id)

    def cancel(self, task_id: str, reason: str = "cancelled") -> JsonObject:
        """Stop a run at once, wherever it runs, and leave it restartable. Returns the task's status.

        Raises:
            InputError: the reason is no text.
            RunStateError: the run is over.
        """
        return self._now(self.acancel(task_id, reason))

    async def acancel(self, task_id: str, reason: str = "cancelled") -> JsonObject:
        """Stop a run at once; see `cancel`."""
        reason = read_reason(reason, otherwise="cancelled")
        row = await self._row(task_id)
        if row.state in TERMINAL:
            raise RunStateError(task_id=task_id, state=row.state, asked="cancel")
        await self._control(row, "CANCEL_REQUESTED", {"reason": reason})
        if (live := self._conductor.heart.live(task_id)) is not None:
            live.cancel(reason)
        elif is_free(row, self._clock.now()):
            async with holding(self._journal, row) as lease:
                result = interim(row, await self._history(row), reason, self._conductor.options)
                payload: JsonObject = {"reason": reason, "status": "cancelled", "result": result}
                event = self._event(row, "RUN_CANCELLED", payload, epoch=lease.epoch)
                await wait(self._journal.append([event], lease=lease, state="cancelled"))
        return await self.astatus(task_id)

    # What can be seen.

    def status(self, task_id: str) -> JsonObject:
        """Return a task's plan, subtasks, gates, usage and history, in document 002's shape."""
        return self._now(self.astatus(task_id))

    async def astatus(self, task_id: str) -> JsonObject:
        """Return a task's plan, subtasks, gates, usage and history, in document 002's shape."""
        row = await self._row(task_id)
        events = await wait(self._journal.events(row.task_id, run_id=row.run_id, limit=EVENTS))
        return {**status_view(events, now=self._clock.now()), "state": row.state}

    def events(self, task_id: str, *, after: int = 0) -> list[Event]:
        """Return a task's events in order, those with `seq` above `after`."""
        return self._now(self.aevents(task_id, after=after))

    async def aevents(self, task_id: str, *, after: int = 0) -> list[Event]:
        """Return a task's events in order, those with `seq` above `after`."""
        row = await self._row(task_id)
        return await wait(self._journal.events(row.task_id, after=after, limit=EVENTS))

    def runs(self, *, limit: int = 100) -> list[RunRow]:
        """Return runs, newest first."""
        return self._journal.runs(limit=limit).result()

    # Parts.

    def _read(self, task: Mapping[str, Any] | Task) -> Task:
        return read_task(task, limits=self._conductor.options.limits, ids=self._conductor.options.ids)

    def _now(self, work: Coroutine[Any, Any, T]) -> T:
        return conducting().run(work)

    async def _row(self, task_id: str) -> RunRow:
        # A fork goes by its run's id: the task's own run stays what the task's id means.
        row = await wait(self._journal.latest(task_id)) or await wait(self._journal.run(task_id))
        if row is None:
            raise RunNotFound(task_id=task_id)
        return row

    async def _history(self, row: RunRow) -> History:
        return fold([*await wait(self._journal.events(row.task_id, run_id=row.run_id, limit=EVENTS))])

    async def _again(self, row: RunRow) -> tuple[Any, RunnableConfig]:
        """Return what takes up a run: its checkpoint, or its task where the process died before the first one."""
        config = _on_thread(row.thread_id)
        head = await wait(self._journal.head(row.thread_id))
        if head is not None and head.run_id != row.run_id:  # the thread has gone on with a fork
            return {"task": row.task}, with_configurable(self._new_thread(), **{TAKE_OVER: True})
        if row.state == "admitted" and row.parent_run_id is not None and (row.token or "").startswith("restart:"):
            return {"task": row.task}, with_configurable(config, **{RESTART: row.parent_run_id})
        saved = await self._checkpoints.aget_tuple(config) if self.graph.checkpointer else None
        if saved is None or row.state == "admitted":
            return {"task": row.task}, with_configurable(config, **{TAKE_OVER: True})
        return None, config

    async def _anew(self, task_id: str) -> tuple[Any, RunnableConfig]:
        row = await self._row(task_id)
        if row.state not in TERMINAL:
            raise RunStateError(task_id=task_id, state=row.state, asked="restart; resume it")
        return {"task": row.task}, with_configurable(self._new_thread(), **{RESTART: row.run_id})

    def _new_thread(self) -> RunnableConfig:
        return _on_thread(self._conductor.options.ids("thread"))

    async def _control(
        self, row: RunRow, type_: EventType, payload: JsonObject, *, subtask_id: str | None = None
    ) -> None:
        event = self._event(row, type_, payload, subtask_id=subtask_id)
        await wait(self._journal.append([event], lease=None))

    def _event(
        self, row: RunRow, type_: EventType, payload: JsonObject, *, subtask_id: str | None = None, epoch: int = 0
    ) -> Event:
        return Event(
            task_id=row.task_id, run_id=row.run_id, type=type_, message_type=message_type(type_), subtask_id=subtask_id,
            payload=payload, timestamp=self._clock.now(), epoch=epoch,
        )  # fmt: skip

    def _invoke(self, given: Any, config: RunnableConfig, on_event: Listener | None, kwargs: Mapping[str, Any]) -> Any:
        return self.graph.invoke(given, _listening(config, on_event), **kwargs)

    async def _ainvoke(
        self, given: Any, config: RunnableConfig, on_event: Listener | None, kwargs: Mapping[str, Any]
    ) -> Any:
        return await self.graph.ainvoke(given, _listening(config, on_event), **kwargs)

    def _settle(self, task_id: str, out: Any) -> JsonObject:
        return _result(out) or self._now(self._waiting(task_id))

    async def _asettle(self, task_id: str, out: Any) -> JsonObject:
        return _result(out) or await self._waiting(task_id)

    async def _waiting(self, task_id: str) -> JsonObject:
        return {**await self.astatus(task_id), "status": "waiting"}


def _result(out: Any) -> JsonObject | None:
    """Return the result that an invocation ended with; `None` when it parked."""
    if not isinstance(out, Mapping) or "__interrupt__" in out:
        return None
    return cast("JsonObject | None", out.get("result") or None)


def _on_thread(thread_id: str) -> RunnableConfig:
    return {"configurable": {"thread_id": thread_id}}


def _listening(config: RunnableConfig, on_event: Listener | None) -> RunnableConfig:
    return config if on_event is None else with_configurable(config, **{LISTENER: on_event})


def _put(loop: asyncio.AbstractEventLoop, events: asyncio.Queue[Event | None], event: Event) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(events.put_nowait, event)
