"""Playing a scenario: processes, callers and people act on one virtual loop, and everything is written down."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import random
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, cast

from concertino.contracts.budget import Budget
from concertino.contracts.errors import JournalError, PlanInvalid, RunBusy, StaleLease
from concertino.contracts.event import TERMINAL, Event, EventType, message_type
from concertino.contracts.journal import LEASE_S
from concertino.contracts.json import JsonObject
from concertino.evals.simulator.outside import CAPABILITY, Outside
from concertino.evals.simulator.processes import OUTSIDE, PROCESS, Died, Line, Process
from concertino.evals.simulator.scenario import Fault, Scenario, TaskSetup, Work, planned_id
from concertino.evals.simulator.traces import Append, Entry, Told, Trace
from concertino.evals.virtual import Stalled, VirtualClock, VirtualLoop, run_virtually
from concertino.graph.boundary import Boundary
from concertino.graph.build import create_planner
from concertino.graph.memory_checkpoints import MemoryCheckpoints
from concertino.journal.memory import MemoryJournal

EPOCH = 1_700_000_000.0
"""The wall clock's start."""
BOOT_S = 0.1
"""How long a process takes to come up after the one before it died."""
ROUNDS = 60
"""Invocations after which a task that has not ended never will; chosen by hand, above what any fault schedule asks for."""
TAKE_OVER_S = LEASE_S + 2.0
"""When another process tries to take over from one whose renewals are lost."""
LONGEST_S = 30_000.0
"""Virtual seconds after which a scenario is given up."""
EXPECTED = (JournalError, RunBusy, StaleLease)
"""What an invocation may raise where a process died or lost its lease."""


def play(scenario: Scenario) -> Trace:
    """Play a scenario to its end and return what was seen."""
    trace = Trace()
    stages: list[_Stage] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        stages.append(_Stage(scenario, trace, loop))
        await stages[0].play()

    try:
        run_virtually(main)
    except Stalled as stalled:
        trace.fault = ("stalled", str(stalled))
    for stage in stages:
        stage.collect()
    return trace


class _Stage:
    """One playing."""

    def __init__(self, scenario: Scenario, trace: Trace, loop: VirtualLoop) -> None:
        self._scenario, self._trace, self._loop = scenario, trace, loop
        self._clock = VirtualClock(loop, EPOCH)
        self._journal = MemoryJournal(clock=self._clock, ttl_s=LEASE_S)
        self._saver = MemoryCheckpoints() if scenario.door == "saved" else None
        self._outside = Outside(scenario, clock=self._clock, trace=trace)
        self._chance = random.Random(scenario.seed)  # noqa: S311  # reproducible, not secret
        self._planner = create_planner(
            specialists=self._outside.specialists(),
            tools=self._outside.tools(),
            floor=Budget.model_validate(scenario.floor) if scenario.floor else None,
            node_budgets={"work": Budget.model_validate(scenario.work)} if scenario.work else {},
            journal=self._journal,
            clock=self._clock,
            on_event=self._hear,
        )
        self._processes: list[Process] = []
        self._graphs: list[Any] = []
        self._current: dict[int, asyncio.Task[Any]] = {}
        """The newest invocation of each task."""
        self._ended: set[int] = set()
        self._asked: set[tuple[str, str]] = set()
        self._open: dict[str, list[asyncio.Event]] = {task.id: [] for task in scenario.tasks}
        """By task: its questions so far, each set once it has its answer."""
        self._works = {(task.id, one.id): one for task in scenario.tasks for one in task.work}
        self._holders: dict[tuple[str, int], int] = {}
        self._all: asyncio.Future[Any] | None = None
        self._process = self._boot()
        loop.set_exception_handler(self._notice)

    def _notice(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Take an error that nobody has caught for what it is: a bug.

        Errors that nobody has looked at are told when the garbage is collected, which is at no certain time.
        """
        error = context.get("exception")
        if isinstance(error, Died) or "never retrieved" in str(context.get("message")):
            return
        self._trace.fault = ("raised", f"{context.get('message')}: {type(error).__name__}: {error}")

    async def play(self) -> None:
        scenario = self._scenario
        for fault in scenario.faults:
            if fault.append is None:
                self._loop.call_at(fault.at or 0.0, self._strike, fault)
        self._loop.call_in_background(LONGEST_S, self._give_up)
        following = [self._loop.create_task(self._follow(n, task)) for n, task in enumerate(scenario.tasks)]
        self._all = asyncio.gather(*following)
        with contextlib.suppress(asyncio.CancelledError):
            await self._all
        self._trace.ended = self._clock.monotonic()
        for process in self._processes:
            left = sorted(process.invocations, key=hash)
            for task in left:
                task.cancel()
            if left:
                await asyncio.wait(left)

    def collect(self) -> None:
        """Read what is on record."""
        for task in self._scenario.tasks:
            self._trace.records[task.id] = self._journal.events(task.id, limit=100_000).result()

    def _give_up(self) -> None:
        if self._all is not None and not self._all.done():
            self._trace.fault = ("endless", f"it has not ended after {LONGEST_S:g} s")
            self._all.cancel()

    # Processes.

    def _boot(self) -> Process:
        process = Process(
            len(self._processes), order=self._outside.order, time=self._clock.monotonic, trace=self._trace
        )
        process.on_death, process.on_written = self._buried, self._written
        for fault in self._scenario.faults:
            if fault.append is not None and fault.process == process.number:
                process.dies[fault.append] = fault.is_written
        numbers = iter(range(1, 1_000_000))
        chance = random.Random(f"{self._scenario.seed}.{process.number}")  # noqa: S311  # reproducible, not secret
        boundary = Boundary(
            clock=self._clock,
            journal=Line(self._journal, process),
            ids=lambda prefix: f"{prefix}-{process.number}-{next(numbers)}",
            random=chance.random,
            checkpointer=self._saver.through(process.check_line) if self._saver is not None else None,
        )
        self._processes.append(process)
        self._graphs.append(self._planner.at(boundary))
        return process

    def _buried(self, process: Process) -> None:
        if process is self._process:
            self._process = self._boot()

    def _hear(self, event: Event) -> None:
        trace = self._trace
        for one in trace.acquired[len(self._holders) :]:
            self._holders[one.run_id, one.epoch] = one.process
        number = self._holders.get((event.run_id, event.epoch), OUTSIDE)
        if number != OUTSIDE and not self._processes[number].is_dead:
            trace.told.append(Told(number, self._clock.monotonic(), self._outside.order(), event))

    # Callers.

    async def _follow(self, number: int, setup: TaskSetup) -> None:
        """Have a task done as a patient caller does: submit it, wait, come back."""
        await asyncio.sleep(setup.starts_s)
        pause_s = 1.0
        for _ in range(ROUNDS):
            status = await self._invoke(number, setup, self._process)
            if status in TERMINAL or status == "refused":
                self._ended.add(number)
                return
            await asyncio.sleep(BOOT_S)
            for question in list(self._open[setup.id]):
                await question.wait()
            if status not in ("asks", "cut", "died"):  # somebody else has it, or the lease of a dead process holds
                await asyncio.sleep(pause_s)
                pause_s = min(600.0, 2 * pause_s)
        self._trace.fault = ("endless", f"{setup.id} has not ended after {ROUNDS} invocations")

    async def _invoke(self, number: int, setup: TaskSetup, process: Process) -> str:
        began = self._clock.monotonic()
        context = contextvars.copy_context()
        context.run(PROCESS.set, process)
        work = self._entering(setup, process)
        task = self._loop.create_task(work, context=context)
        process.invocations.add(task)
        self._current[number] = task
        await asyncio.wait({task})
        process.invocations.discard(task)
        status = self._outcome(setup, task, process)
        self._trace.entries.append(Entry(setup.id, process.number, began, self._clock.monotonic(), status))
        return status

    def _entering(self, setup: TaskSetup, process: Process) -> Coroutine[Any, Any, Any]:
        graph = self._graphs[process.number]
        config = {"configurable": {"thread_id": setup.id}}
        given: Any = {"task": task_of(setup)}
        context = {**{k: int(n) if k != "usd" and k != "seconds" else n for k, n in setup.budget.items()}}
        if setup.concurrency is not None:
            context["concurrency"] = setup.concurrency
        if self._scenario.door == "saved":
            return self._saved(graph, given, config, context)
        if self._scenario.door == "graph":
            return cast("Coroutine[Any, Any, Any]", graph.ainvoke(given, config, context=context))
        if graph._parked.get(setup.id) is not None and self._chance.random() < 0.5:
            given = None
        return cast("Coroutine[Any, Any, Any]", graph.conduct(given, config, context=context))

    async def _saved(self, graph: Any, given: Any, config: Any, context: Any) -> Any:
        """Submit a task, or go on from the newest checkpoint of its thread."""
        row = self._journal.latest(given["task"]["task_id"]).result()
        assert self._saver is not None
        if row is not None and row.state != "admitted" and self._saver.get_tuple(config) is not None:
            return await graph.ainvoke(None, config)
        return await graph.ainvoke(given, config, context=context)

    def _outcome(self, setup: TaskSetup, task: asyncio.Task[Any], process: Process) -> str:
        if process.is_dead:
            if not task.cancelled():
                task.exception()
            return "died"
        if task.cancelled():
            return "cut"
        error = task.exception()
        if isinstance(error, PlanInvalid):
            self._trace.fault = ("known", f"{setup.id} refused at the door: {error}")
            return "refused"
        if isinstance(error, EXPECTED):
            return type(error).__name__
        if error is not None:
            self._trace.fault = ("raised", f"{setup.id}: {type(error).__name__}: {error}")
            return "refused"
        out = task.result()
        if "__interrupt__" in out:
            return "asks"
        result: JsonObject = out.get("result") or {"status": "nothing"}
        status = str(result["status"])
        if status in TERMINAL:
            self._trace.results.setdefault(setup.id, result)
        return status

    # People and accidents.

    def _strike(self, fault: Fault) -> None:
        number, setup = fault.task, self._scenario.tasks[fault.task]
        process, act = self._process, cast("Callable[[], None] | None", None)
        match fault.kind:
            case "crash":
                process.die()
            case "jump":
                self._trace.jumps += 1
                self._clock.adjust(fault.for_s)
            case "cancel":
                self._say(setup, "CANCEL_REQUESTED", {"reason": "by hand"})
            case "cut":
                current = self._current.get(number)
                if current is not None and not current.done():
                    current.cancel()
            case "resubmit":
                act = self._again(number, setup, self._boot())
            case "partition":
                process.is_cut_off = True
                self._loop.call_later(fault.for_s, setattr, process, "is_cut_off", False)
                if fault.for_s > TAKE_OVER_S:
                    other = self._boot()
                    self._loop.call_later(TAKE_OVER_S, lambda: self._again(number, setup, other)())
        if act is not None:
            act()

    def _again(self, number: int, setup: TaskSetup, process: Process) -> Callable[[], None]:
        def begin() -> None:
            if number not in self._ended:
                task = self._loop.create_task(self._invoke(number, setup, process))
                self._processes[process.number].invocations.add(task)
                task.add_done_callback(process.invocations.discard)

        return begin

    def _written(self, events: Sequence[Event]) -> None:
        for event in events:
            if event.type == "GATE_OPENED" and event.subtask_id is not None:
                self._asked_by(event)

    def _asked_by(self, event: Event) -> None:
        if (event.task_id, str(event.subtask_id)) in self._asked:
            return
        self._asked.add((event.task_id, str(event.subtask_id)))
        work = self._works[event.task_id, planned_id(str(event.subtask_id))]
        setup = next(task for task in self._scenario.tasks if task.id == event.task_id)
        question = asyncio.Event()
        self._open[event.task_id].append(question)
        for answer in work.gate or ():
            self._loop.call_later(answer.after_s, self._answer, setup, str(event.subtask_id), answer.decision, question)

    def _answer(self, setup: TaskSetup, gate: str, decision: str, question: asyncio.Event) -> None:
        self._say(setup, "GATE_ANSWERED", {"gate": gate, "decision": decision}, subtask_id=gate)
        question.set()

    def _say(self, setup: TaskSetup, kind: EventType, payload: Any, *, subtask_id: str | None = None) -> None:
        row = self._journal.latest(setup.id).result()
        if row is None or row.state in TERMINAL:
            return
        event = Event(
            task_id=setup.id, run_id=row.run_id, type=kind, message_type=message_type(kind), subtask_id=subtask_id,
            payload=payload, timestamp=self._clock.now(),
        )  # fmt: skip
        numbers = self._journal.append([event], lease=None).result()
        at = self._clock.monotonic()
        self._trace.appends.append(Append(OUTSIDE, at, self._outside.order(), 0, tuple(numbers), (event,), None))


def task_of(setup: TaskSetup) -> dict[str, Any]:
    """Return a task as it is submitted."""
    return {"task_id": setup.id, "title": setup.id, "plan": {"subtasks": [_subtask(one) for one in setup.work]}}


def _subtask(work: Work) -> dict[str, Any]:
    made: dict[str, Any] = {
        "id": work.id,
        "needs": list(work.needs),
        "objective": "simulated",
        "required": work.is_required,
        "max_attempts": work.max_attempts,
    }
    made |= {"capability": CAPABILITY} if work.by_capability else {"specialist": work.specialist}
    if work.gate is not None:
        made["gate"] = True
    if work.budget is not None:
        made["budget"] = {name: int(n) for name, n in work.budget.items()}
    if work.sla_s is not None:
        made["sla_s"] = work.sla_s
    if work.stage is not None:
        made["stage"] = work.stage
    return made
