"""One run while it is live in this process: identity, record, time, and how it is stopped."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Protocol

from concertino.contracts.budget import Usage
from concertino.contracts.errors import InputError, StaleLease
from concertino.contracts.finding import Finding
from concertino.contracts.journal import Lease, RunRow
from concertino.contracts.json import JsonObject
from concertino.contracts.plan import Plan, Subtask
from concertino.contracts.specialist import Standing
from concertino.contracts.task import Task
from concertino.graph.options import Options
from concertino.graph.runs.board import Board, Turn
from concertino.graph.runs.discoveries import Discoveries
from concertino.graph.runs.imprint import Imprint, imprint
from concertino.graph.runs.lull import MANY, Lull
from concertino.graph.runs.models import Models
from concertino.graph.runs.money import Money
from concertino.graph.runs.questions import Questions
from concertino.graph.runs.record import Record
from concertino.graph.runs.restore import History
from concertino.graph.runs.voice import Voice
from concertino.graph.state import Policy
from concertino.nodes.planning.draft import Draft
from concertino.nodes.planning.references import Unresolved, resolve
from concertino.nodes.refinement import Refinement, without
from concertino.nodes.specialists.brief import Upstream

FLOOR_SHARE = 0.02
"""Share of the seconds kept for synthesis and delivery (at most `FLOOR_MAX_S`); chosen by hand."""
FLOOR_MAX_S = 0.5


class Haltable(Protocol):
    """What may be told to stop, and why."""

    def halt(self, reason: str | None = None) -> None: ...


class Run:
    """One live run. Its board belongs to `loop`; emitting, spending and cancelling work from any thread."""

    def __init__(
        self,
        options: Options,
        *,
        row: RunRow,
        task: Task,
        policy: Policy,
        lease: Lease | None,
        loop: asyncio.AbstractEventLoop,
        history: History,
    ) -> None:
        self.options, self.row, self.task, self.policy, self.lease, self.loop = options, row, task, policy, lease, loop
        self.clock, self.history = options.clock, history
        self.run_id, self.task_id = row.run_id, row.task_id
        self.task_json: JsonObject = task.model_dump(mode="json", exclude={"plan"})
        self.records: dict[str, JsonObject] = dict(history.records)
        self.plan: Plan | None = None
        self.bound_by: Draft | None = None
        """What binds every plan of the task, once somebody wanted to know."""
        self.refinement: Refinement | None = None
        self.replans = list(history.replans)
        self.board: Board | None = None
        self.dispatch = ""
        self.standings: Mapping[str, Standing] = {}
        self._record = record = Record(
            options.journal, row, lease, parent_task_id=task.parent_task_id,
            clock=options.clock, voice=Voice(options.listeners), loop=loop, on_lost=self.lose,
        )  # fmt: skip
        # The record's own, so that whoever writes does not keep the run alive.
        self.emit, self.commit, self.flush = record.emit, record.commit, record.flush
        self.at_work: dict[Haltable, None] = {}
        """Bodies of attempts under way, in the order in which they were started; a set would follow memory addresses."""
        self.leaks: Counter[str] = Counter()
        """Work given up that still runs, by the specialist whose slot it keeps, in this dispatch and later ones."""
        self.strays = 0
        """Calls of tools given up that still run, of attempts that went on without them; they keep no slot."""
        self.cancel_reason: str | None = history.cancel_reason
        self.is_over = False
        self.is_delivered = False
        self._lost: StaleLease | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._lull: Lull | None = None
        self._subtasks: dict[str, Subtask] = {}
        self._findings: dict[str, Finding] = {}
        self._imprints: dict[str, Imprint] = {}
        self._began = self.clock.monotonic()
        seconds = policy.budget.seconds
        self.deadline: float | None = None
        """Monotonic time by which the caller has control back."""
        self.work_deadline: float | None = None
        """Monotonic time by which specialists are stopped."""
        if seconds is not None:
            self.deadline = self._began + max(0.0, seconds - history.active_s)
            self.work_deadline = self.deadline - min(FLOOR_SHARE * seconds, FLOOR_MAX_S)
        self.questions = Questions(history.gates, record.emit)
        self.discoveries = Discoveries(history.discoveries, most_bytes=options.limits.bytes)
        self.money = Money(
            options, budget=policy.budget, emit=record.emit, charges=history.charges, told=history.alerts
        )
        self.models = Models(options, options.models.led_by(policy.model), self.money)

    # Plan and results.

    def adopt_plan(self, plan: Plan) -> None:
        """Take a validated plan; the workflow's own budget narrows the run's."""
        self._take_plan(plan)
        self.money.bound(plan.budget)
        if plan.budget is not None and plan.budget.seconds is not None:
            left_s = max(0.0, plan.budget.seconds - self.history.active_s)
            self.work_deadline = self.not_after(self._began + left_s)

    def change_plan(self, plan: Plan, replan: JsonObject) -> None:
        """Take another plan for what stayed failed, which is on the record; its bounds are what they were."""
        self._take_plan(plan)
        self.replans.append(replan)

    def _take_plan(self, plan: Plan) -> None:
        self.plan, self.refinement = plan, Refinement(plan)
        self._subtasks = {subtask.id: subtask for subtask in plan.subtasks}

    def planned(self, subtask_id: str) -> Subtask:
        """Return a subtask as it was planned."""
        return self._subtasks[subtask_id]

    def subtask(self, subtask_id: str, *, by: str | None = None) -> Subtask:
        """Return a subtask of the plan, with the inputs a person's edit gave it; see `edited`."""
        return self.edited(self._subtasks[subtask_id], by=by)

    def edited(self, subtask: Subtask, *, by: str | None = None) -> Subtask:
        """Return a subtask of any plan with the inputs that people's edits gave it, without paths that ended early.

        With `by` as that specialist gets it, who may not be the planned one.
        """
        edited = self.questions.edited_inputs(subtask.id, by=by)
        made = subtask.model_copy(update={"inputs": {**subtask.inputs, **edited}}) if edited else subtask
        return without(made, [need for need in made.needs if self.records.get(need, {}).get("ended_early")])

    def resolve_inputs(self, subtask: Subtask) -> JsonObject:
        """Return a subtask's inputs with every reference replaced by what it refers to.

        Raises:
            InputError: an upstream finding lacks what is referred to.
        """
        if not subtask.inputs:
            return {}
        outputs = {need: found.output for need in subtask.needs if (found := self.finding(need)) is not None}
        try:
            return resolve(subtask.inputs, outputs)
        except Unresolved as error:
            raise InputError(field=error.reference.place, value=error.reference.subtask, rule=str(error)) from error

    def upstream(self, subtask: Subtask) -> Upstream:
        """Return the findings of a subtask's prerequisites."""
        found = {need: finding for need in subtask.needs if (finding := self.finding(need)) is not None}
        names = {name: need for need in found if (name := self._subtasks[need].name)}
        return Upstream(found, names)

    def name_of(self, subtask_id: str) -> str | None:
        """Return the short name that the workflow's template gave a subtask."""
        return self._subtasks[subtask_id].name

    def in_state(self, record: JsonObject) -> JsonObject:
        """Return a record as graph state carries it: a large finding stays in the journal, under this run's id."""
        if self.imprint(str(record["subtask_id"])).size <= self.options.limits.inline_bytes:
            return record
        return {**record, "finding": None, "ref": self.run_id}

    def imprint(self, subtask_id: str) -> Imprint:
        """Return the imprint of what a finished subtask found."""
        finding = self.records[subtask_id].get("finding")
        known = self._imprints.get(subtask_id)
        if known is None or known.of is not finding:
            known = self._imprints[subtask_id] = imprint(finding)
        return known

    def finding(self, subtask_id: str) -> Finding | None:
        """Return what a completed subtask found."""
        known = self._findings.get(subtask_id)
        if known is None:
            given = self.records.get(subtask_id, {}).get("finding")
            if given is None:
                return None
            known = self._findings[subtask_id] = Finding.model_validate(given)
        return known

    def record(self, record: JsonObject, finding: Finding | None) -> None:
        """Keep a finished subtask's record."""
        subtask_id = str(record["subtask_id"])
        self.records[subtask_id] = record
        if finding is not None:
            self._findings[subtask_id] = finding

    def usage(self) -> Usage:
        """Return what the run has used so far, active seconds included."""
        return self.money.ledger.usage().model_copy(update={"seconds": round(self.active_s(), 6)})

    # Time and stopping.

    def active_s(self) -> float:
        """Return the run's active seconds so far, those before a resume included."""
        return self.history.active_s + self.clock.monotonic() - self._began

    def remaining_s(self) -> float | None:
        """Return the active seconds that are left; `None` without a limit."""
        return None if self.deadline is None else max(0.0, self.deadline - self.clock.monotonic())

    def not_after(self, deadline: float | None) -> float | None:
        """Return the earlier of `deadline` and the work deadline."""
        known = [moment for moment in (deadline, self.work_deadline) if moment is not None]
        return min(known) if known else None

    def deadline_within(self, seconds: float | None) -> float | None:
        """Return the moment `seconds` from now, no later than the work deadline."""
        return self.not_after(None if seconds is None else self.clock.monotonic() + seconds)

    def has_time(self, deadline: float | None = None) -> bool:
        """Say whether anything may still be started."""
        until = self.not_after(deadline)
        return self.cancel_reason is None and (until is None or self.clock.monotonic() < until)

    def lay_board(self, board: Board) -> None:
        """Put up the board of a dispatch and watch the work deadline for it."""
        self.board = board
        self.options.load.watch(self.run_id, board.load())
        if self._lull is None and len(board) >= MANY:
            self._lull = Lull(self.loop)
        self.questions.watch(board)
        if self._timer is not None:
            self._timer.cancel()
        if self.cancel_reason is not None:
            board.stop(Turn("cancel", self.cancel_reason))
        elif self.work_deadline is not None:
            reason = f"the run's deadline of {_seconds(self.policy, self.plan):g} s passed"
            left_s = max(0.0, self.work_deadline - self.clock.monotonic())
            self._timer = self.loop.call_later(left_s, board.stop, Turn("skip", reason))

    def leak_began(self, subtask_id: str, specialist: str, *, slot_of: str) -> None:
        """Count work that could not be stopped; it keeps its slot until it really ends."""
        self.leaks[slot_of] += 1
        self.emit("TASK_LEAKED", subtask_id=subtask_id, agent=specialist)

    def leak_ended(self, slot_of: str) -> None:
        """Free the slot of leaked work that has ended. Works from any thread."""

        def free() -> None:
            self.leaks[slot_of] -= 1
            if self.board is not None:
                self.board.free_slot(slot_of)

        self.on_loop(free)

    def stray_began(self, subtask_id: str, specialist: str) -> None:
        """Count what tools still do for an attempt that is over and was not stopped."""
        self.strays += 1
        self.emit("TASK_LEAKED", subtask_id=subtask_id, agent=specialist)

    def stray_ended(self) -> None:
        """Count it no more. Works from any thread."""

        def forget() -> None:
            self.strays -= 1

        self.on_loop(forget)

    def cancel(self, reason: str) -> None:
        """Stop everything that waits or runs, at once. Works from any thread."""
        self.cancel_reason = self.cancel_reason or reason

        def stop() -> None:
            if self.board is not None:
                self.board.stop(Turn("cancel", reason))
            for work in list(self.at_work):
                work.halt(reason)

        self.on_loop(stop)

    def lose(self, error: StaleLease) -> None:
        """Stop because another process took over; nothing more is written."""
        if self._lost is None:
            self._lost = error
            self.cancel(str(error))

    @property
    def is_lost(self) -> bool:
        """Say whether another process took the run over."""
        return self._lost is not None or self._record.lost is not None

    def check(self) -> None:
        """Raise StaleLease when the run was taken over, JournalError when an event could not be written."""
        if (error := self._lost or self._record.lost or self._record.hole) is not None:
            raise error

    def on_loop(self, act: Callable[[], None]) -> None:
        """Do something on the run's own loop, soon; nothing when the run is over."""
        if not self.is_over and not self.loop.is_closed():
            self.loop.call_soon_threadsafe(act)

    def close(self) -> None:
        """Stop timers and close the books; the run leaves this process."""
        self.is_over = True
        if self.board is not None:
            self.options.load.drop(self.run_id, self.board.load())
        if self._timer is not None:
            self._timer.cancel()
        if self._lull is not None:
            self._lull.end()
        self._record.close()
        if self.board is not None:
            self.board.retire()
        self.money.close()


def _seconds(policy: Policy, plan: Plan | None) -> float:
    """Return the active seconds that a run with a deadline has."""
    own = plan.budget.seconds if plan is not None and plan.budget is not None else None
    return min(seconds for seconds in (policy.budget.seconds, own) if seconds is not None)
