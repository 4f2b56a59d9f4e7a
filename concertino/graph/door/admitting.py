"""Admission: the rows of new runs, and which run a resume works on."""

from __future__ import annotations

from concertino.contracts.journal import Admission, RunRow
from concertino.contracts.json import JsonObject, digest
from concertino.contracts.task import Task
from concertino.graph.door.forks import FORK
from concertino.graph.options import Options
from concertino.graph.state import Policy
from concertino.journal.awaiting import wait


def admission(
    options: Options,
    task: Task,
    policy: Policy,
    thread_id: str,
    *,
    parent: str | None = None,
    token: str | None = None,
) -> Admission:
    """Return what a new run asks the journal for."""
    content = task.model_dump(mode="json")
    return Admission(
        run_id=options.ids("run"),
        task_id=task.task_id,
        thread_id=thread_id,
        content_hash=digest(content),  # as `Task.content_hash` has it
        task=content,
        timestamp=options.clock.now(),
        parent_run_id=parent,
        token=token,
        policy=policy.model_dump(mode="json"),
    )


async def row_to_resume(
    options: Options, known: JsonObject, task: Task, policy: Policy, fork: str | None, thread_id: str
) -> RunRow:
    """Return the run that a resume works on: the checkpoint's own, the fork made of it, or a new fork."""
    journal, run_id = options.journal, str(known["run_id"])
    if fork is None:
        head = await wait(journal.head(thread_id))
        # One with another task was admitted, and its input never taken in.
        if (
            head is not None
            and head.parent_run_id == run_id
            and (head.token or "").startswith(FORK)
            and head.content_hash == task.content_hash()
        ):
            return head
        row = await wait(journal.run(run_id))
        if row is not None:
            return row
        fork = f"{FORK}lost:{run_id}"  # the checkpoint outlived its journal
    token = fork if fork.startswith(FORK) else f"{FORK}{fork}"
    asked = admission(options, task, policy, thread_id, parent=run_id, token=token)
    return (await wait(journal.admit(asked))).row
