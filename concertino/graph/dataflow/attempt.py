"""One attempt at one subtask by one specialist: brief, body, deadline, reading the answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from langchain_core.runnables import RunnableConfig
from langgraph.errors import GraphBubbleUp, GraphInterrupt

from concertino.contracts.clock import Clock
from concertino.contracts.errors import BreakerOpen, ConcertinoError
from concertino.contracts.finding import Declined, Finding
from concertino.contracts.json import JsonObject, digest
from concertino.contracts.plan import Subtask
from concertino.contracts.scope import Scope, scoped
from concertino.graph.dataflow.asking import Replies, within
from concertino.graph.dataflow.bodies import CoroutineWork, Raised, ThreadWork, Work
from concertino.graph.dataflow.desk import AttemptDesk
from concertino.graph.dataflow.dispatch import SPECIALIST
from concertino.graph.dataflow.nested import AnswerOf, Asked, start_graph, start_runnable
from concertino.graph.runs.run import Run
from concertino.nodes.specialists.answer import read_answer
from concertino.nodes.specialists.brief import Assignment, AsyncBrief, BlockingBrief
from concertino.nodes.specialists.declare import Specialist
from concertino.nodes.specialists.in_place import run_in_place
from concertino.nodes.specialists.process import run_in_process
from concertino.tools.breaker import Permit
from concertino.tools.crew import Remains, working_for
from concertino.tools.models.foreign import binding
from concertino.tools.threads import host

LATE_S = 0.05
"""Seconds after its deadline by which an answer still counts; above what a loop takes to notice, chosen by hand."""


class Stopped(ConcertinoError, RuntimeError):
    """An attempt was stopped from outside before it answered."""

    def __init__(self, *, kind: Literal["deadline", "sla", "cancelled"], reason: str, is_leaked: bool) -> None:
        self.kind, self.reason, self.is_leaked = kind, reason, is_leaked
        super().__init__(reason + ("; it could not be stopped and still runs" if is_leaked else ""))


@dataclass(slots=True)
class Order:
    """What one attempt is made of."""

    run: Run
    subtask: Subtask
    specialist: Specialist
    inputs: JsonObject
    path: tuple[str, ...]
    """The subtask's account below the run; opened by whoever spends first."""
    hash: str
    """Digest of what the result depends on."""
    number: int
    """Attempt on this specialist, from 1."""
    label: str
    """Identity of the attempt within the subtask, the same for nothing else, also after a resume."""
    config: RunnableConfig
    is_sync: bool
    deadline: float | None
    """Monotonic time that bounds the subtask on this specialist, all attempts together."""
    answer: AnswerOf
    """Answers to what a compiled graph asks."""
    replies: Replies
    """Answers to what a function or Runnable has asked."""


Outcome = Finding | Declined | Asked | BaseException
"""What an attempt comes to. `Asked` is a question to people; make the attempt again once it is answered. `GraphBubbleUp` among the exceptions is some other control flow of LangGraph's."""


async def attempt(order: Order) -> Outcome:
    """Run one attempt to its end; raises nothing but cancellation."""
    breaker, permit = order.run.options.breakers, None
    if order.specialist.breaker is not None:
        try:
            permit = breaker.get(order.specialist.name, SPECIALIST, policy=order.specialist.breaker).enter()
        except BreakerOpen as error:
            return error
    began = order.run.clock.monotonic()
    try:
        outcome = await _run_body(order)
    except BaseException:
        if permit is not None:
            permit.abandon()
        raise
    if permit is not None:
        _report(permit, outcome, order.run.clock.monotonic() - began)
    return outcome


def _report(permit: Permit, outcome: Outcome, seconds: float) -> None:
    if isinstance(outcome, Finding | Declined):
        permit.success(seconds)
    elif isinstance(outcome, GraphBubbleUp | Asked) or (isinstance(outcome, Stopped) and outcome.kind == "cancelled"):
        permit.abandon()
    else:
        permit.failure(seconds)


async def _run_body(order: Order) -> Outcome:
    run, subtask, card = order.run, order.subtask, order.specialist.card
    sla_s = subtask.sla_s or card.sla_s
    now = run.clock.monotonic()
    until, kind = order.deadline, "deadline"
    if sla_s is not None and (until is None or now + sla_s < until):
        until, kind = now + sla_s, "sla"
    if until is not None and until <= now:
        return Stopped(kind="deadline", reason="no time was left", is_leaked=False)
    scope = Scope(card.name, subtask.id, order.number)
    desk = AttemptDesk(
        run, order.specialist, path=order.path, subtask=subtask, attempt=order.label, scope=scope, deadline=until
    )
    facts = Assignment(
        task_id=run.task_id,
        run_id=run.run_id,
        subtask_id=subtask.id,
        attempt=order.number,
        objective=subtask.objective,
        inputs=order.inputs,
        upstream=run.upstream(subtask),
        task=run.task_json,
        deadline=until,
    )
    watch = Watch(run.clock)
    with scoped(scope):
        work = within(
            order.config,
            order.replies,
            attempt=order.number,
            start=lambda config: _held(order, facts, desk, config, watch),
        )
    run.at_work[work] = None
    timer: asyncio.TimerHandle | None = None
    try:
        if until is not None:
            timer = run.loop.call_later(max(0.0, until - run.clock.monotonic()), work.halt)
        halted_for = await work.woken
        if work.is_over:
            late_s = 0.0 if until is None else watch.ended_at() - until
            # A body that blocks the loop of its own deadline cannot be stopped by it, and gains nothing by that.
            if late_s > LATE_S and not isinstance(work.outcome, Raised | Asked):
                reason = f"answered {late_s:.3g} s after its {'SLA' if kind == 'sla' else 'deadline'}"
                return Stopped(kind="sla" if kind == "sla" else "deadline", reason=reason, is_leaked=False)
            if desk.crew.strays:
                strays = Remains(run.stray_ended)
                desk.crew.count_strays(strays)
                if strays.any():
                    run.stray_began(subtask.id, card.name)
            return _read(work.outcome, order)
        # The slot is counted under the specialist that the plan names, also where an alternative works.
        slot_of = subtask.specialist or card.name
        remains = Remains(partial(run.leak_ended, slot_of))
        body_ended = remains.one()
        desk.crew.give_up(remains)  # first: a body may wait for its threads when it is cancelled
        if not await work.stop(body_ended):
            body_ended()
        is_leaked = remains.any()
        if is_leaked:
            run.leak_began(subtask.id, card.name, slot_of=slot_of)
        if halted_for is not None:
            return Stopped(kind="cancelled", reason=halted_for, is_leaked=is_leaked)
        limit = f"{until - now:.3g} s" if until is not None else ""
        reason = f"did not answer within its SLA of {limit}" if kind == "sla" else f"did not answer within {limit}"
        return Stopped(kind="sla" if kind == "sla" else "deadline", reason=reason, is_leaked=is_leaked)
    except asyncio.CancelledError:
        desk.crew.give_up(Remains(_nobody))
        work.cancel()
        raise
    finally:
        desk.close()
        run.at_work.pop(work, None)
        if timer is not None:
            timer.cancel()


def _nobody() -> None:
    """Tell nobody: the run is not here any more."""


def _read(raw: Any, order: Order) -> Outcome:
    if isinstance(raw, Raised):
        if isinstance(raw.error, GraphInterrupt) and (asked := raw.error.args[0] if raw.error.args else ()):
            return Asked(tuple(asked), tuple(order.replies.questions(asked)), is_called_again=True)
        return raw.error
    if isinstance(raw, Asked):
        return raw
    try:
        return read_answer(raw, card=order.specialist.card, limits=order.run.options.limits)
    except ConcertinoError as error:
        return error


class Watch:
    """Notes when a function or coroutine ends, which may be long before its loop is free to take notice."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ended_at: float | None = None

    def ended_at(self) -> float:
        """Return the monotonic time at which the body ended, or now for bodies that are not watched."""
        return self._clock.monotonic() if self._ended_at is None else self._ended_at

    async def waited(self, body: Awaitable[Any]) -> Any:
        """Await a body."""
        try:
            return await body
        finally:
            self._ended_at = self._clock.monotonic()

    def called(self, body: Callable[[], Any]) -> Any:
        """Call a body."""
        try:
            return body()
        finally:
            self._ended_at = self._clock.monotonic()


def _held(order: Order, facts: Assignment, desk: AttemptDesk, config: RunnableConfig, watch: Watch) -> Work:
    """Start a body with whatever models of its own it calls held by the guard of foreign ones, and its threads known."""
    if order.specialist.kind == "process" and host() is None:  # LangChain code in a child is out of reach
        return _start(order, facts, desk, config, watch)
    with binding(desk.foreign), working_for(desk.crew):
        return _start(order, facts, desk, config, watch)


def _start(order: Order, facts: Assignment, desk: AttemptDesk, config: RunnableConfig, watch: Watch) -> Work:
    specialist, body = order.specialist, order.specialist.body
    match specialist.kind:
        case "coroutine":
            brief = AsyncBrief(facts, desk=desk)
            return CoroutineWork(lambda: watch.waited(body(brief)), is_sync=order.is_sync)
        case "function":
            blocking = BlockingBrief(facts, desk=desk)
            return ThreadWork(lambda: watch.called(lambda: body(blocking)))
        case "process":
            assert specialist.target is not None
            target = specialist.target
            served = Served(desk)
            if host() is not None:  # a loop that keeps its threads in its own time has no child processes
                return CoroutineWork(
                    lambda: run_in_place(
                        body, facts.as_json(), serve=served, deadline=facts.deadline, clock=order.run.clock
                    ),
                    is_sync=False,
                )
            # A child process needs no loop of its own: it is watched from the conducting one.
            return CoroutineWork(
                lambda: run_in_process(
                    target, facts.as_json(), serve=served, deadline=facts.deadline, clock=order.run.clock
                ),
                is_sync=False,
            )
        case "runnable":
            return start_runnable(body, facts, config=config, is_sync=order.is_sync)
        case "graph":
            # Another version or input starts over: the thread of a graph that has ended would give the old answer.
            of = digest([order.hash, specialist.card.version])[:16]
            thread_id = f"{order.run.run_id}.{facts.subtask_id}.{specialist.name}.{order.number}.{of}"
            return start_graph(
                body, facts, config=order.config, is_sync=order.is_sync, thread_id=thread_id, answer=order.answer
            )


class Served:
    """What a child process may ask for: its tools, spending, publishing and news, behind the parent's guard."""

    def __init__(self, desk: AttemptDesk) -> None:
        self._desk = desk

    async def __call__(self, operation: str, arguments: JsonObject) -> Any:
        given: dict[str, Any] = dict(arguments)
        match operation:
            case "tool":
                return await self._desk.tools.call(given["name"], **given["arguments"])
            case "tools":
                return list(self._desk.tools.names())
            case "spend":
                await self._desk.spend(**given)
            case "publish":
                await self._desk.publish(given["finding"], *given["payload"])
            case "now":
                return self._desk.now()
            case "seed":
                return self._desk.seed()
            case "new_id":
                return self._desk.new_id(given["prefix"])
            case "discoveries":
                return [one.as_json() for one in self._desk.discoveries]
            case "sync":
                return [one.as_json() for one in await self._desk.sync(**given)]
            case _:
                raise ValueError(f"a child process asked for {operation!r}")
        return None
