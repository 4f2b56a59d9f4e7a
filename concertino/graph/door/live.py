"""From a run's row and lease to the live run, or the lease given back where this planner cannot work on it."""

from __future__ import annotations

import asyncio

from concertino.contracts.errors import SetupError
from concertino.contracts.journal import Lease, RunRow
from concertino.contracts.plan import Plan
from concertino.contracts.task import Task
from concertino.graph.options import Options
from concertino.graph.runs.restore import History
from concertino.graph.runs.reuse import check_specialists
from concertino.graph.runs.run import Run
from concertino.graph.state import Policy
from concertino.journal.awaiting import wait


async def live(options: Options, row: RunRow, task: Task, policy: Policy, lease: Lease, history: History) -> Run:
    """Return the live run, its models ready.

    Raises:
        SetupError: a model cannot be built.
    """
    try:
        run = Run(
            options,
            row=row,
            task=task,
            policy=policy,
            lease=lease,
            loop=asyncio.get_running_loop(),
            history=history,
        )
        await run.models.ready()
    except SetupError:
        await wait(options.journal.release(lease))
        raise
    return run


async def check_staff(options: Options, plan: object, history: History, lease: Lease) -> None:
    """Check that this planner has every specialist that a run still needs.

    Raises:
        SetupError: it has not.
    """
    try:
        if plan:
            check_specialists(Plan.model_validate(plan), history.records, options)
    except SetupError:
        await wait(options.journal.release(lease))
        raise
