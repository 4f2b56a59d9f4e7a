"""The life of one subtask inside its own node instance: turn, attempts, alternatives, record.

Never raises for a specialist's failure: failure is a record. What does leave are cancellation, a lost lease, a
storage failure, and control flow of LangGraph's that is not ours to read (`GraphBubbleUp`).
"""

from __future__ import annotations

import asyncio
import dataclasses

from langchain_core.runnables import RunnableConfig
from langgraph.errors import GraphBubbleUp

from concertino.budgets import NOTHING, Amounts
from concertino.budgets.amounts import bounds
from concertino.contracts.budget import Budget, Usage
from concertino.contracts.errors import (
    BreakerOpen,
    BudgetExceeded,
    DeadlineExceeded,
    GateRejected,
    InputError,
    TapeMiss,
    ToolFailed,
)
from concertino.contracts.event import EventType
from concertino.contracts.finding import Declined, Finding
from concertino.contracts.json import JsonObject
from concertino.graph.dataflow.asking import Replies
from concertino.graph.dataflow.attempt import Order, Stopped, attempt
from concertino.graph.dataflow.nested import Asked
from concertino.graph.dataflow.progress import Progress
from concertino.graph.dataflow.reviewing import reviewed
from concertino.graph.dataflow.takeover import Takeover
from concertino.graph.runs.board import Board, SubtaskState, Turn
from concertino.graph.runs.failure import as_data
from concertino.graph.runs.money import WORK
from concertino.graph.runs.refining import judge
from concertino.graph.runs.reuse import fingerprint
from concertino.graph.runs.run import Run
from concertino.journal.awaiting import wait
from concertino.nodes.specialists.declare import Specialist

NOT_RETRIED = (BudgetExceeded, DeadlineExceeded, BreakerOpen, TapeMiss, Declined)
"""What another attempt on the same specialist cannot mend, as a tool that failed for good: nothing is left."""

_EVENTS: dict[str, EventType] = {
    "completed": "TASK_COMPLETED",
    "skipped": "TASK_SKIPPED",
    "cancelled": "TASK_CANCELLED",
    "blocked": "TASK_BLOCKED",
    "failed": "AGENT_FAILED",
}


class Deferred(Exception):
    """The subtask lets go of its node until somebody has answered; `bubble` is LangGraph's own request for that."""

    def __init__(self, bubble: GraphBubbleUp | None = None) -> None:
        super().__init__()
        self.bubble = bubble


class SubtaskWork:
    """One subtask of one dispatch, from its node's start to its record."""

    def __init__(self, run: Run, subtask_id: str, *, config: RunnableConfig, is_sync: bool) -> None:
        self._run, self._config, self._is_sync = run, config, is_sync
        self._subtask = run.subtask(subtask_id)
        self._progress = Progress(self._subtask.specialist or "")

    @property
    def _board(self) -> Board:
        if self._run.board is None:
            raise RuntimeError(f"run {self._run.run_id}: no dispatch is under way in this process")
        return self._run.board

    async def perform(self) -> JsonObject | None:
        """Bring the subtask to its end and return its record, or `None` when it defers."""
        run, subtask_id = self._run, self._subtask.id
        run.check()
        known = run.records.get(subtask_id)
        if known is not None and known.get("dispatch") == run.dispatch:
            done = run.subtask(subtask_id, by=str(known.get("specialist")))
            if known.get("hash") in ("", fingerprint(done, run)):
                return known
        board = self._board
        try:
            turn = await board.arrive(subtask_id)
            if turn.kind == "go" and not self._ends_here():
                return await self._finish(await self._work_reviewed())
            if turn.kind == "go":
                return await self._finish("skipped")
            if turn.kind == "defer":
                raise Deferred
            self._progress.reason, self._progress.early = turn.reason, turn.early
            return await self._finish("cancelled" if turn.kind == "cancel" else "skipped")
        except asyncio.CancelledError:
            board.leave(subtask_id)
            raise
        except Deferred as deferred:
            run.history.suspend(subtask_id, run.dispatch, attempts=self._progress.attempts - self._progress.before)
            await run.commit("TASK_SUSPENDED", subtask_id=subtask_id, payload={"dispatch": run.dispatch})
            if deferred.bubble is None:
                return None
            raise deferred.bubble from None

    def _ends_here(self) -> bool:
        """Look once more whether it is worth starting: the budget may have run low while it waited for a slot."""
        early, self._progress.note = judge(self._run, self._subtask.id)
        if early is not None:
            self._progress.early, self._progress.reason = early
        return early is not None

    async def _work_reviewed(self) -> SubtaskState:
        """Work on it, again as long as people who are asked about its failure say so."""
        while (state := await self._work()) in ("failed", "blocked"):
            said = await reviewed(self._run, self._subtask, self._progress, self._board)
            if said != "again":
                return "cancelled" if said == "cancel" else state
            self._progress.begin_again(self._run.planned(self._subtask.id).specialist or "")
        return state

    async def _work(self) -> SubtaskState:
        run, progress = self._run, self._progress
        began = progress.started_at or run.clock.now()
        progress.started_at, progress.hash = began, fingerprint(run.subtask(self._subtask.id), run)
        takeover = Takeover(run, self._subtask.id, progress)
        who = await takeover.first(self._board)
        while isinstance(who, str):
            # A gate's edit may have come while it waited; the one of a takeover is for whoever takes over.
            self._subtask = run.subtask(self._subtask.id, by=who)
            progress.hash = fingerprint(self._subtask, run)
            try:
                state = await self._try(who, run.resolve_inputs(self._subtask))
            except InputError as error:
                self._note(error)
                return "failed"
            if state is not None:
                return state
            who = await takeover.next(self._board)
        return self._left(who)

    def _left(self, told: Turn | None) -> SubtaskState:
        """Return how a subtask ends that nobody takes over, or for which the board did not wait until people let somebody."""
        progress = self._progress
        if told is not None and told.kind == "defer":
            raise Deferred
        if told is not None and (told.kind == "cancel" or told.early is not None):
            progress.reason, progress.early = told.reason, told.early
            return "cancelled" if told.kind == "cancel" else "skipped"
        if told is not None:
            progress.reason = f"{progress.reason}; {told.reason}"
        return "blocked" if progress.error and progress.error["type"] == "BreakerOpen" else "failed"

    async def _try(self, name: str, inputs: JsonObject) -> SubtaskState | None:
        """Try one specialist under its account; `None` means another one may be asked."""
        run, progress = self._run, self._progress
        progress.specialist = name
        progress.tried.append(name)
        path = (WORK, name, self._subtask.id)
        try:
            if self._subtask.budget is not None:
                await self._grant(path, self._subtask.budget)
            return await self._try_one(run.options.specialists[name], inputs, path)
        except (BudgetExceeded, DeadlineExceeded) as error:  # while it waited for its own budget
            self._note(error)
            return "failed"
        finally:
            account = run.money.ledger.find(path)
            if account is not None:
                account.close()

    async def _grant(self, path: tuple[str, ...], budget: Budget) -> None:
        """Open the subtask's account and take a budget of its own out of the run's, so that nobody else spends it."""
        money = self._run.money
        # It bounds all attempts together: what other specialists used on this subtask is gone.
        elsewhere = NOTHING
        for name in self._run.options.specialists:
            other = money.ledger.find((WORK, name, self._subtask.id)) if name != path[1] else None
            elsewhere = elsewhere.plus(other.load()) if other is not None else elsewhere
        most = [None if n is None else max(0, n - gone) for n, gone in zip(bounds(budget), elsewhere, strict=True)]
        account = money.account(path)
        account.cap(most)
        asked = Amounts(*(n or 0 for n in most))
        if any(asked):
            await account.acquire_grant(asked, minimum=NOTHING, deadline=self._run.work_deadline)

    async def _try_one(self, specialist: Specialist, inputs: JsonObject, path: tuple[str, ...]) -> SubtaskState | None:
        """Try one specialist up to its attempts; `None` means another one may be asked."""
        run, subtask, progress = self._run, self._subtask, self._progress
        card = specialist.card
        allowed = min(subtask.max_attempts, card.max_attempts)
        if card.delivery == "at_most_once":
            allowed = 1
            if card.name in run.history.begun.get(subtask.id, ()) and subtask.id not in run.history.suspended:
                progress.reason = (
                    "its outcome is unknown: it was under way when its process ended, delivery at_most_once"
                )
                return "failed"
        allowed_s = [b.seconds for b in (card.budget, subtask.budget or card.budget) if b.seconds is not None]
        deadline = run.deadline_within(min(allowed_s, default=None))
        for number in range(1, allowed + 1):
            progress.attempts += 1
            await self._announce(specialist, number)
            order = Order(
                run=run, subtask=subtask, specialist=specialist, inputs=inputs, path=path,
                hash=progress.hash, number=number, label=f"{run.history.started.get(subtask.id, 0) + progress.attempts - progress.before}", config=self._config,
                is_sync=self._is_sync, deadline=deadline,
                answer=lambda details: run.questions.nested_answer(subtask.id, details), replies=Replies(card.name),
            )  # fmt: skip
            outcome = await self._attempt(order)
            if isinstance(outcome, Finding):
                progress.finding, progress.error, progress.reason = outcome, None, None
                return "completed"
            self._note(outcome)
            if isinstance(outcome, GateRejected):
                return "skipped"
            if isinstance(outcome, Stopped):
                if outcome.kind == "cancelled":
                    return "cancelled"
                progress.sla_missed = progress.sla_missed or outcome.kind == "sla"
                if outcome.is_leaked and number < allowed and outcome.kind == "sla":
                    turn = await self._board.again(subtask.id)
                    if turn.kind != "go":
                        progress.keeps_slot = True
                        return "cancelled" if turn.kind == "cancel" else "failed"
                elif outcome.is_leaked:
                    progress.keeps_slot = True
                    return "failed"
            is_final = isinstance(outcome, NOT_RETRIED) or (isinstance(outcome, ToolFailed) and outcome.is_final)
            last = number == allowed or is_final or not run.has_time(deadline)
            run.emit("AGENT_FAILED", subtask_id=subtask.id, agent=card.name, payload=self._about(number, final=False))
            if last:
                return None
        return None

    async def _attempt(self, order: Order) -> Finding | Declined | BaseException:
        """Run one attempt, letting people answer what it asks on the way."""
        run, progress = self._run, self._progress
        began = run.clock.monotonic()
        try:
            while True:
                outcome = await attempt(order)
                if isinstance(outcome, GraphBubbleUp):
                    turn = await self._board.pause(self._subtask.id)
                    if turn.kind == "defer":
                        raise Deferred(outcome)
                    return Stopped(kind="cancelled", reason=turn.reason, is_leaked=False)
                if not isinstance(outcome, Asked):
                    return outcome
                asked_at = run.clock.monotonic()
                rejected = await self._ask(outcome, order)
                order = dataclasses.replace(order, label=f"{order.label}+")  # what is spent now is spent anew
                waited = run.clock.monotonic() - asked_at
                began += waited
                if rejected is not None:
                    return rejected
                if order.deadline is not None:
                    order = dataclasses.replace(order, deadline=run.not_after(order.deadline + waited))
        finally:
            progress.active_s += max(0.0, run.clock.monotonic() - began)

    async def _ask(self, asked: Asked, order: Order) -> BaseException | None:
        """Turn a body's interrupts into gates and wait, without a slot, until each is answered."""
        run, subtask_id = self._run, self._subtask.id
        questions = run.questions
        gates = questions.ask_nested(subtask_id, asked.details)
        while any(questions.book.answer_of(gate) is None for gate in gates):
            turn = await self._board.pause(subtask_id)
            if turn.kind == "defer":
                raise Deferred
            if turn.kind != "go":
                return Stopped(kind="cancelled", reason=turn.reason, is_leaked=False)
        if (rejected := questions.rejection(gates)) is not None:
            return rejected
        if asked.is_called_again:
            order.replies.take(
                asked.interrupts, [answer for gate in gates if (answer := questions.book.answer_of(gate))]
            )
        return None

    async def _announce(self, specialist: Specialist, number: int) -> None:
        started = self._run.emit(
            "TASK_STARTED" if number == 1 else "TASK_RETRIED",
            subtask_id=self._subtask.id,
            agent=specialist.name,
            payload=self._about(number),
        )
        if specialist.card.delivery == "at_most_once":
            # Else a crash right after the effect would leave no trace that it was begun.
            await wait(started)

    def _about(self, attempt: int, *, final: bool | None = None) -> JsonObject:
        about: JsonObject = {
            "dispatch": self._run.dispatch, "specialist": self._progress.specialist, "attempt": attempt,
        }  # fmt: skip
        return about if final is None else {**about, "final": final, "error": self._progress.error}

    def _note(self, outcome: Declined | BaseException) -> None:
        """Keep why the last attempt failed."""
        self._progress.error = as_data(outcome, kind="DeadlineExceeded" if isinstance(outcome, Stopped) else None)
        self._progress.reason = str(self._progress.error["message"])

    async def _finish(self, state: SubtaskState) -> JsonObject:
        """Commit the record of a subtask that is over, then let its dependents know."""
        run, progress, subtask = self._run, self._progress, self._subtask
        run.check()
        finding = progress.finding
        record = progress.record(run, subtask, state, self._usage())
        if progress.sla_missed:
            run.emit("SLA_MISSED", subtask_id=subtask.id, agent=progress.specialist, payload={"sla_s": subtask.sla_s})
        await run.commit(
            _EVENTS[state],
            subtask_id=subtask.id,
            agent=progress.specialist,
            confidence=finding.confidence if finding else None,
            payload={key: value for key, value in record.items() if key != "subtask_id"},
        )
        run.record(record, finding)
        run.history.handed.pop(subtask.id, None)
        run.money.reallocation.ended(subtask)
        self._board.finish(subtask.id, state, keeps_slot=progress.keeps_slot, is_early=progress.early is not None)
        return record

    def _usage(self) -> Usage:
        """Return what all specialists tried have used on this subtask."""
        total = Usage(seconds=round(self._progress.active_s, 6))
        for name in dict.fromkeys((*self._progress.earlier, *self._progress.tried)):
            account = self._run.money.ledger.find((WORK, name, self._subtask.id))
            if account is not None:
                total += account.usage()
        return total
