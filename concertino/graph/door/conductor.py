"""Letting invocations in and out: admission, leases, resumes, forks, restarts, and what people ask of live runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import CheckpointTuple

from concertino.contracts.errors import InputError, RunBusy, TaskConflict
from concertino.contracts.event import TERMINAL
from concertino.contracts.journal import Lease, RunRow
from concertino.contracts.json import JsonObject
from concertino.contracts.plan import Plan
from concertino.contracts.task import Task
from concertino.graph.dataflow.dispatch import lay_board
from concertino.graph.door.admitting import admission, row_to_resume
from concertino.graph.door.drafting import draft
from concertino.graph.door.forks import FORK, announce, give_answers, is_begun, keep, origin_of
from concertino.graph.door.heart import Heart
from concertino.graph.door.lineage import outer_line
from concertino.graph.door.live import check_staff, live
from concertino.graph.door.past import EVENTS, history_of, in_force, whole
from concertino.graph.door.requests import allowed, prepared, requested
from concertino.graph.door.tenure import is_free, take, take_unless_over
from concertino.graph.door.watch import stands_on
from concertino.graph.options import Options
from concertino.graph.runs.entry import CHECKPOINTER, RESTART, TAKE_OVER, Entry, configurable
from concertino.graph.runs.restore import History
from concertino.graph.runs.reuse import check_specialists, drop_outdated, is_kept, undecided
from concertino.graph.runs.run import Run
from concertino.graph.state import Policy
from concertino.journal.awaiting import wait
from concertino.journal.views import status


class Conductor:
    """The door of one planner: every invocation passes it on its way in and on its way out."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.heart = Heart(options.journal, options.clock)

    # In.

    async def begin(
        self,
        given: Any,
        config: RunnableConfig,
        *,
        context: object,
        fork: str | None = None,
        at: CheckpointTuple | None = None,
        goes_on: bool = False,
        lacks_thread: bool = False,
    ) -> Entry:
        """Let a new task in, or find that it was submitted before; with a `fork` token it is a new run in any case.

        Args:
            given: The graph's input.
            config: The invocation's.
            context: The invocation's.
            fork: Token of a new run.
            at: The checkpoint that the caller put the input at; a task that ran on its thread is a fork then.
            goes_on: Whether the input is one that LangGraph has kept, and whose run may have been admitted.
            lacks_thread: Whether a checkpointer is there and no thread for it; only what is known can be told then.

        Raises:
            InputError: a faulty task, plan or context; nothing was recorded.
            TaskConflict: a known task id with another content.
        """
        task = requested(given, self.options)
        policy = allowed(context, config, self.options)
        restarted = configurable(config).get(RESTART)
        journal, thread_id = self.options.journal, self._thread(config)
        if restarted is not None:
            return await self._restart(task, policy, str(restarted), thread_id)
        if fork is None and goes_on and (head := await wait(journal.head(thread_id))) is not None:
            fork = head.token if is_begun(head, task) else None
        if fork is not None:
            return await self._branch(task, policy, thread_id, token=fork)
        known = await wait(journal.latest(task.task_id))
        if at is not None and (origin := origin_of(at, known, task.task_id, thread_id)) is not None:
            token = f"{FORK}{at.checkpoint['id']}:{self.options.ids('at')}"
            return await self._branch(task, policy, thread_id, token=token, origin=origin, context=context)
        if known is not None:
            if known.content_hash != task.content_hash():
                if known.thread_id == thread_id and (line := await outer_line(config)) is not None:
                    return await self._branch(task, policy, known.thread_id, token=f"{FORK}{line}")
                raise TaskConflict(task_id=task.task_id, known=known.content_hash, given=task.content_hash())
            if not await self._is_adrift(known, config):
                return Entry(known=await self.known(known))
        if lacks_thread:
            rule = "must name a thread, as there is a checkpointer"
            raise InputError(field="config.configurable.thread_id", value=None, rule=rule)
        if known is not None:
            if known.state != "admitted":
                return await self._take_over(known, task, config)
            policy = Policy.model_validate(known.policy)
        plan, complexity = await draft(self.options, task, policy)
        admitted = await wait(journal.admit(admission(self.options, task, policy, thread_id)))
        if not admitted.created and known is None:
            return Entry(known=await self.known(admitted.row))  # somebody submitted it at the same moment
        lease = await self._lease_of(admitted.row, config)
        if lease is None:
            return Entry(known=await self.known(admitted.row))
        # What people said while nobody worked on it holds.
        history = History() if admitted.created else await self._history(admitted.row)
        return await self._enter(admitted.row, task, policy, lease, plan=plan, complexity=complexity, history=history)

    async def resume(self, values: Mapping[str, Any], config: RunnableConfig, *, fork: str | None) -> Entry:
        """Take up a run where its checkpoint stands; with a `fork` token as a new run with a parent.

        Raises:
            RunBusy: another process works on it.
        """
        known = cast("JsonObject", values["run"])
        parent, thread_id = str(known["run_id"]), self._thread(config)
        fork = fork or cast("str | None", known.get("fork"))
        if fork and values.get("plan"):
            check_specialists(Plan.model_validate(values["plan"]), values.get("records") or {}, self.options)
        # A fork's task may have been changed by hand, so it passes the door again.
        task = prepared(values["task"], self.options) if fork else Task.model_validate(values["task"])
        policy = Policy.model_validate(values.get("policy") or {}).within(config.get("max_concurrency"))
        row = await row_to_resume(self.options, known, task, policy, fork, thread_id)
        lease = await take_unless_over(self.options.journal, row)
        if lease is None:
            return Entry(known=await self.known(row))
        history = await self._history(row)
        await check_staff(self.options, in_force(values, history), history, lease)
        run = await live(self.options, row, task, policy, lease, history)
        for sid, record in cast("dict[str, JsonObject]", values.get("records") or {}).items():
            run.records.setdefault(sid, await whole(self.options.journal, record))
        entry = Entry(run=run, policy=policy, complexity=values.get("complexity") or history.complexity or {})
        # LangGraph may have kept what a node returned although its checkpoint was never written: the journal knows.
        if made := in_force(values, history):
            entry.plan = Plan.model_validate(made)
        else:
            entry.plan, entry.complexity = await draft(self.options, task, policy)
        if entry.plan is not None:
            run.adopt_plan(entry.plan)
        self.heart.keep(run)
        if row.run_id != parent:
            await self._take_after(run, parent, planned=bool(values.get("plan")) and history.plan is None)
        dispatch = history.dispatch or cast("JsonObject", values.get("dispatch") or {})
        for sid in cast("list[str]", dispatch.get("subtasks") or []):
            if run.records.get(sid, {}).get("dispatch") not in (None, dispatch["id"]):
                del run.records[sid]  # it was sent out again after this record
        # What review has closed already is not opened again.
        is_closed = "branch:to:synthesize" in values or "branch:to:deliver" in values
        again = [] if is_closed or entry.plan is None else drop_outdated(run, entry.plan)
        if row.run_id != parent:
            keep(run, run.records)
        run.emit(
            "RUN_RESUMED",
            state="running" if entry.plan is not None else None,
            payload={"active_s": history.active_s, "again": cast("Any", again)},
        )
        if dispatch:
            # LangGraph may have kept what the nodes of those returned, and then does not run them again.
            lay_board(run, dispatch, absent=again)
        return entry

    async def _branch(
        self,
        task: Task,
        policy: Policy,
        thread_id: str,
        *,
        token: str,
        origin: str | None = None,
        context: object = None,
    ) -> Entry:
        """Start over with a task changed by hand, as a new run whose parent is `origin` or the thread's own.

        The parent's policy holds; `context` may narrow it.
        """
        if origin is not None:
            parent = await wait(self.options.journal.run(origin))
        else:
            head = parent = await wait(self.options.journal.head(thread_id))
            if head is not None and head.state == "admitted" and head.content_hash == task.content_hash():
                token = head.token or token  # its process died before LangGraph took it in
            while parent is not None and parent.parent_run_id is not None and (parent.token or "").startswith(FORK):
                parent = await wait(self.options.journal.run(parent.parent_run_id))
        if parent is not None:
            policy = Policy.of(Policy.model_validate(parent.policy), context).within(policy.concurrency)
        plan, complexity = await draft(self.options, task, policy)
        asked = admission(self.options, task, policy, thread_id, parent=parent.run_id if parent else None, token=token)
        row = (await wait(self.options.journal.admit(asked))).row
        lease, history = await self._lease(row), await self._history(row)
        entry = await self._enter(row, task, policy, lease, plan=plan, complexity=complexity, history=history)
        if parent is not None and entry.run is not None:
            await self._take_after(entry.run, parent.run_id, planned=False)
        return entry

    async def _take_after(self, run: Run, parent: str, *, planned: bool) -> None:
        """Put on a fork's record what it has from its parent: the plan, and rejections unless the task was changed."""
        if planned:
            announce(run, parent)
        row = await wait(self.options.journal.run(parent))
        if row is not None and row.content_hash == run.task.content_hash():
            give_answers(run, (await self._history(row)).gates, only_rejects=True)

    async def _is_adrift(self, row: RunRow, config: RunnableConfig) -> bool:
        """Say whether a submission may carry on with a run: nobody holds it, and no checkpoint can take it up."""
        if row.state in TERMINAL:
            return False
        if not is_free(row, self.options.clock.now()):
            if configurable(config).get(TAKE_OVER):
                raise RunBusy(
                    run_id=row.run_id, owner=str(row.owner), expires_in_s=row.lease_until - self.options.clock.now()
                )
            return False
        if row.state == "admitted":
            return True
        saver = configurable(config).get(CHECKPOINTER)
        if saver is not None and not configurable(config).get(TAKE_OVER):
            return not await stands_on(saver, row)
        return row.state != "waiting" or not (await self._history(row)).gates.open()

    async def _take_over(self, row: RunRow, task: Task, config: RunnableConfig) -> Entry:
        """Carry on with a run from the journal alone: its plan and finished subtasks stand, the rest goes out again."""
        lease = await self._lease_of(row, config)
        if lease is None:
            return Entry(known=await self.known(row))
        history = await self._history(row)
        await check_staff(self.options, history.plan, history, lease)
        policy, plan = Policy.model_validate(row.policy), Plan.model_validate(history.plan)
        run = await live(self.options, row, task, policy, lease, history)
        self.heart.keep(run)
        again = drop_outdated(run, plan)
        run.emit("RUN_RESUMED", state="running", payload={"again": cast("Any", again)})
        adopted = dict(run.records)
        return Entry(run=run, plan=plan, complexity=history.complexity or {}, policy=policy, adopted=adopted)

    async def _restart(self, task: Task, policy: Policy, old_id: str, thread_id: str) -> Entry:
        """Start a finished run anew: its completed subtasks and answers are kept, the budget is fresh."""
        old = await wait(self.options.journal.run(old_id))
        if old is None:
            raise InputError(field="restart", value=old_id, rule="no such run")
        past, policy = await self._history(old), Policy.model_validate(old.policy)
        if past.plan:
            known = Plan.model_validate(past.plan)
            check_specialists(known, past.records, self.options)
            plan: Plan | None = known
            complexity = past.complexity or {}
        else:
            plan, complexity = await draft(self.options, task, policy)
        token = f"restart:{old_id}:{thread_id}"
        asked = admission(self.options, task, policy, thread_id, parent=old_id, token=token)
        admitted = await wait(self.options.journal.admit(asked))
        lease = await self._lease(admitted.row)
        adopted = {sid: record for sid, record in past.records.items() if is_kept(record)}
        adopted |= undecided(past, plan, self.options) if plan is not None else {}
        history = await self._history(admitted.row)
        entry = await self._enter(admitted.row, task, policy, lease, plan=plan, complexity=complexity, history=history)
        assert entry.run is not None
        entry.run.records.update(adopted)
        give_answers(entry.run, past.gates, only_rejects=False)
        again = drop_outdated(entry.run, plan) if plan is not None else []
        entry.adopted = {sid: record for sid, record in adopted.items() if sid not in again}
        keep(entry.run, entry.adopted)
        return entry

    async def _enter(
        self,
        row: RunRow,
        task: Task,
        policy: Policy,
        lease: Lease,
        *,
        plan: Plan | None,
        complexity: JsonObject,
        history: History | None = None,
    ) -> Entry:
        run = await live(self.options, row, task, policy, lease, history or History())
        self.heart.keep(run)
        run.emit(
            "RUN_ADMITTED",
            payload={"title": task.title, "task_type": task.task_type, "parent_run_id": row.parent_run_id},
        )
        return Entry(run=run, plan=plan, complexity=complexity, policy=policy)

    # Out.

    async def leave(self, entry: Entry) -> None:
        """Let an invocation out: park or finish its run and give the lease back."""
        run = entry.run
        if run is None:
            return
        self.heart.drop(run)
        try:
            # Also when the invocation was cancelled or failed: nobody works on the run then, and its time stands still.
            if run.plan is not None and not run.is_delivered and run.lease is not None and not run.is_lost:
                gates = [question.gate for question in run.questions.book.open()]
                run.emit(
                    "RUN_PARKED",
                    state="waiting",
                    payload={"remaining_s": run.remaining_s(), "gates": cast("Any", gates)},
                )
            run.close()
            await run.flush()
        finally:
            run.close()
            if run.lease is not None:
                await wait(self.options.journal.release(run.lease))

    # Parts.

    async def _history(self, row: RunRow) -> History:
        return await history_of(self.options.journal, row)

    async def _lease(self, row: RunRow) -> Lease:
        return await take(self.options.journal, row)

    async def _lease_of(self, row: RunRow, config: RunnableConfig) -> Lease | None:
        """Return the lease of a run that is still as it was; `None` when another submission was faster.

        Raises:
            RunBusy: another process works on it, and this is no submission but a resume.
        """
        try:
            return await take_unless_over(self.options.journal, row, state=row.state)
        except RunBusy:
            if configurable(config).get(TAKE_OVER):
                raise
            return None

    async def known(self, row: RunRow) -> JsonObject:
        """Return plan and status of a run, for whoever submits its task again."""
        history = await self._history(row)
        if history.result is not None:
            return history.result
        events = await wait(self.options.journal.events(row.task_id, run_id=row.run_id, limit=EVENTS))
        return {**status(events), "status": row.state, "run_id": row.run_id, "plan": history.plan}

    def _thread(self, config: RunnableConfig) -> str:
        return str(configurable(config).get("thread_id") or self.options.ids("thread"))
