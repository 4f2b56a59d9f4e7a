"""Commands on a task that was submitted before: where it stands, what happened, and what should happen next."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, cast

import typer

from concertino.service.cli.agent import again, finish, resuming
from concertino.service.cli.database import DEFAULT, DEFAULT_RUNS_DIR, Database, RunsDir, existing
from concertino.service.cli.models import ModelName, ModelNames, Named, lacks_model, named
from concertino.service.cli.named import PlannerName, carry_on
from concertino.service.cli.output import emit, emit_line, say

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from concertino.contracts.event import Event
    from concertino.contracts.journal import RunRow
    from concertino.journal import SqliteJournal
    from concertino.packs.manifest import AgentRun
    from concertino.service.cli.named import OwnRun

TaskId = Annotated[str, typer.Argument(metavar="TASK", help="A task id, as `agent run` printed it.")]

POLL_S = 0.2
"""How often `events --follow` looks for new events; chosen by hand."""


class Decision(StrEnum):
    """What a gate can be answered with."""

    ACCEPT = "accept"
    REJECT = "reject"
    EDIT = "edit"


def status(
    task_id: Annotated[str | None, typer.Argument(metavar="[TASK]", help="Without it: the newest tasks.")] = None,
    database: Database = DEFAULT,
) -> None:
    """Print where a task stands.

    Its subtasks, open gates, budget and history; without a task, the newest ones.
    """
    from concertino.contracts.event import TERMINAL
    from concertino.journal import views
    from concertino.service.cli.control import is_live, newest

    journal = _journal(database)
    if task_id is None:
        rows = journal.runs().result()
        emit(
            [
                {"task_id": row.task_id, "run_id": row.run_id, "status": row.state, "updated": row.updated}
                for row in rows
            ]
        )
        return
    row = newest(journal, task_id)
    now = journal.clock.now()
    events = journal.events(task_id).result()
    emit(views.status(events, run_id=row.run_id, now=now))
    asks = row.state == "waiting" and views.open_gates([one for one in events if one.run_id == row.run_id])
    if row.state not in TERMINAL and not asks and not is_live(row, now=now):
        say(f"no process works on it; carry on with: {resuming(task_id, database)}")


def events(
    task_id: TaskId,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the run ends or waits.")] = False,
    after: Annotated[int, typer.Option(min=0, help="Leave out events up to this number.")] = 0,
    database: Database = DEFAULT,
) -> None:
    """Print a task's journal, one JSON object a line."""
    from concertino.contracts.event import TERMINAL
    from concertino.service.cli.control import newest

    journal = _journal(database)
    newest(journal, task_id)
    while True:
        # The state first: what happens after it was read is caught by the next look.
        is_last = not follow or newest(journal, task_id).state in TERMINAL | {"waiting"}
        batch = journal.events(task_id, after=after).result()
        for event in batch:
            if not emit_line(event.model_dump(mode="json")):
                return
            after = event.seq
        if not batch and is_last:
            return
        if not batch:
            journal.clock.sleep(POLL_S)


def resume(
    task_id: TaskId,
    database: Database = DEFAULT,
    runs_dir: RunsDir = DEFAULT_RUNS_DIR,
    planner: PlannerName = None,
    model: ModelName = None,
    models: ModelNames = None,
) -> None:
    """Carry on with a task that waited or was killed.

    Finished subtasks are not run again.
    """
    from concertino.service.cli.control import newest

    led = named(model, models)
    _take_up(newest(_journal(database), task_id), database=database, runs_dir=runs_dir, planner=planner, led=led)


def answer(
    task_id: TaskId,
    gate: Annotated[str, typer.Argument(metavar="GATE", help="Which question; `status` lists the open ones.")],
    decision: Annotated[Decision, typer.Argument(help="What to do.")],
    reason: Annotated[str | None, typer.Option(help="Why; kept on the record.")] = None,
    inputs: Annotated[str | None, typer.Option(metavar="JSON", help="With edit: the inputs that change.")] = None,
    database: Database = DEFAULT,
    runs_dir: RunsDir = DEFAULT_RUNS_DIR,
    planner: PlannerName = None,
    model: ModelName = None,
    models: ModelNames = None,
) -> None:
    """Answer a gate.

    A run that no process works on is carried on at once.
    """
    from concertino.contracts.limits import Limits
    from concertino.service.cli.control import put_answer
    from concertino.service.cli.source import parse_object

    led = named(model, models)
    given: dict[str, object] = {"decision": decision.value}
    if reason is not None:
        given["reason"] = reason
    if inputs is not None:
        given["inputs"] = parse_object(inputs, field="--inputs", limits=Limits())
    put_answer(existing(database), task_id, gate, given)
    _go_on(task_id, {"gate": gate, "answer": given}, database=database, runs_dir=runs_dir, planner=planner, led=led)


def cancel(
    task_id: TaskId,
    reason: Annotated[str, typer.Option(help="Why; kept on the record.")] = "cancelled by hand",
    database: Database = DEFAULT,
    runs_dir: RunsDir = DEFAULT_RUNS_DIR,
    planner: PlannerName = None,
    model: ModelName = None,
    models: ModelNames = None,
) -> None:
    """Stop a task at once.

    `restart` begins again from what was finished.
    """
    from concertino.service.cli.control import put_cancel

    led = named(model, models)
    put_cancel(existing(database), task_id, reason)
    _go_on(
        task_id,
        {"cancel": reason},
        database=database,
        runs_dir=runs_dir,
        planner=planner,
        led=led,
        wanted="cancelled",
    )


def restart(
    task_id: TaskId,
    database: Database = DEFAULT,
    runs_dir: RunsDir = DEFAULT_RUNS_DIR,
    planner: PlannerName = None,
    model: ModelName = None,
    models: ModelNames = None,
) -> None:
    """Run a task again that is over.

    It begins from its last good state.
    """
    from concertino.service.cli.control import newest

    led = named(model, models)
    row = newest(_journal(database), task_id)
    _take_up(row, database=database, runs_dir=runs_dir, planner=planner, led=led, restart=True)


def _journal(database: str) -> SqliteJournal:
    from concertino.contracts.clock import SystemClock
    from concertino.journal import open_journal

    return cast("SqliteJournal", open_journal(existing(database), clock=SystemClock()))


def _go_on(
    task_id: str,
    recorded: dict[str, object],
    *,
    database: str,
    runs_dir: Path,
    planner: str | None,
    led: Named,
    wanted: str = "success",
) -> None:
    """Take a run up that no process works on; where one does, or the run is over by now, say so."""
    from concertino.contracts.event import TERMINAL
    from concertino.packs.agents import agent_of
    from concertino.service.cli.control import is_live, newest

    journal = _journal(database)
    row = newest(journal, task_id)
    is_held = is_live(row, now=journal.clock.now())
    slug = agent_of(row.task)
    without = not is_held and slug is not None and lacks_model(slug, led)
    if not is_held and row.state not in TERMINAL and not without and (planner is not None or slug is not None):
        _take_up(row, database=database, runs_dir=runs_dir, planner=planner, led=led, wanted=wanted)
        return
    emit({"task_id": task_id, "run_id": row.run_id, "status": row.state, **recorded})
    if is_held:
        say(f"recorded; {row.owner} works on the run")
    elif row.state not in TERMINAL and without:
        how = resuming(task_id, database, f"{again(led, runs_dir)} --model PROVIDER:NAME")
        say(f"recorded; {slug} needs a model: carry on with `{how}`")
    elif row.state not in TERMINAL:
        how = resuming(task_id, database, " --planner MODULE:NAME")
        say(f"recorded; the task is no agent's: carry it on with `{how}`")


def _take_up(
    row: RunRow,
    *,
    database: str,
    runs_dir: Path,
    planner: str | None,
    led: Named,
    wanted: str = "success",
    restart: bool = False,
) -> None:
    from concertino.contracts.errors import InputError
    from concertino.packs.agents import agent_of, resume_agent

    slug, task_id = agent_of(row.task), row.task_id

    def start(listener: Callable[[Event], None]) -> AgentRun | OwnRun:
        if slug is not None:
            return resume_agent(
                slug,
                task_id,
                database=database,
                runs_dir=runs_dir,
                restart=restart,
                model=led.default,
                models=led.own,
                on_event=listener,
            )
        if led:
            rule = "goes with an agent's task; a planner of one's own brings its models"
            raise InputError(field="--model", value=led.default or led.own, rule=rule)
        if planner is None:
            rule = "is no agent's task; say with --planner what makes its planner"
            raise InputError(field="TASK", value=task_id, rule=rule)
        return carry_on(planner, task_id, database=database, restart=restart, on_event=listener)

    finish(start, database=database, wanted=wanted, options=again(led, runs_dir, planner))
