"""`concertino agent`: run a pack's agent, or see which there are."""

from __future__ import annotations

from collections.abc import Callable
from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from concertino.service.cli.database import DEFAULT, DEFAULT_RUNS_DIR, Database, RunsDir, prepared
from concertino.service.cli.models import ModelName, ModelNames, Named, named
from concertino.service.cli.output import emit, say

if TYPE_CHECKING:
    from pathlib import Path

    from concertino.contracts.event import Event
    from concertino.contracts.journal import Journal, RunRow
    from concertino.packs.manifest import AgentRun
    from concertino.service.cli.interrupt import Interruptible
    from concertino.service.cli.named import OwnRun

app = typer.Typer(help="Run a pack's agent, or list them.", no_args_is_help=True)

Start = Callable[[Callable[["Event"], None]], "AgentRun | OwnRun"]
"""Runs an agent or somebody's own planner, showing its events to the listener."""


@app.command("list")
def list_() -> None:
    """Print every installed agent with what it declares."""
    from concertino.packs.agents import list_agents

    emit(list_agents())


@app.command("run")
def run(
    slug: Annotated[str, typer.Argument(help="Which agent, e.g. offer-orchestrator-mag.")],
    json: Annotated[str, typer.Option("--json", metavar="FILE", help="Its payload; `-` reads standard input.")],
    task_id: Annotated[
        str | None, typer.Option("--task-id", help="Key of idempotency; the same again gives the existing run.")
    ] = None,
    model: ModelName = None,
    models: ModelNames = None,
    database: Database = DEFAULT,
    runs_dir: RunsDir = DEFAULT_RUNS_DIR,
) -> None:
    """Run an agent on a payload and print its output; the exit code says how it went."""
    from concertino.contracts.errors import InputError
    from concertino.contracts.ids import ID_RULE, is_id
    from concertino.contracts.limits import Limits
    from concertino.service.cli.source import read_object

    if task_id is not None and not is_id(task_id):
        raise InputError(field="--task-id", value=task_id, rule=f"must match {ID_RULE}")
    payload = read_object(json, field="--json", limits=Limits())
    led = named(model, models)
    from concertino.packs.agents import start_agent

    url = prepared(database)
    finish(
        lambda listener: start_agent(
            slug,
            payload,
            run_id=task_id,
            database=url,
            runs_dir=runs_dir,
            model=led.default,
            models=led.own,
            on_event=listener,
        ),
        database=url,
        options=again(led, runs_dir),
    )


def finish(start: Start, *, database: str, wanted: str = "success", options: str = "") -> None:
    """Carry a run to where it ends or waits, in view of whoever watches; print its output and exit with its code.

    `wanted` is the state that the command was to bring about; reaching it is a success. `options` are those that
    whoever carries on has to give again.
    """
    from concertino.contracts.clock import SystemClock
    from concertino.journal import open_journal, views
    from concertino.service.cli.account import account
    from concertino.service.cli.exits import ExitCode, of_state
    from concertino.service.cli.interrupt import Interruptible, Terminated
    from concertino.service.cli.progress import progress_on_stderr
    from concertino.service.cli.wording import plain

    clock = SystemClock()
    journal = open_journal(database, clock=clock)
    try:
        with progress_on_stderr(clock=clock) as progress, Interruptible(journal, clock=clock) as interruptible:

            def listen(event: Event) -> None:
                interruptible(event)
                progress(event)

            done = _started(start, listen, journal, interruptible, database, options)
        waiting = views.open_gates(journal.events(done.run_id).result()) if done.status == "waiting" else []
        owner = _owner(journal, done.run_id, now=clock.now()) if done.status == "running" else None
    except Terminated:
        raise typer.Exit(ExitCode.TERMINATED) from None
    finally:
        journal.close()
    emit(done.output)
    for line in account(done.result):
        say(line)
    left = f", artifacts in {done.artifacts}" if done.artifacts and done.status != "running" else ""
    say(f"{done.status}: task {done.run_id}{left}")
    if owner is not None:
        say(f"{owner} works on it")
    elif done.status == "running" or (done.status == "waiting" and not waiting):
        say(f"no process works on it; carry on with: {resuming(done.run_id, database, options)}")
    for gate in waiting:
        say(f"gate {plain(gate['gate'])}: {plain(gate.get('question'))}")
        say(
            f"  concertino answer {done.run_id} {plain(gate['gate'])} accept|reject|edit --database {quote(database)}{options}"
        )
    if interruptible.was_interrupted:
        raise typer.Exit(ExitCode.INTERRUPTED)
    raise typer.Exit(ExitCode.SUCCESS if done.status == wanted else of_state(done.status))


def _started(
    start: Start,
    listen: Callable[[Event], None],
    journal: Journal,
    interruptible: Interruptible,
    database: str,
    options: str,
) -> AgentRun | OwnRun:
    """Return what `start` does; where it fails midway, say how to go on."""
    from concertino.contracts.errors import ConcertinoError

    try:
        return start(listen)
    except (ConcertinoError, KeyboardInterrupt):
        task_id = interruptible.task_id
        row = _row(journal, task_id) if task_id is not None else None
        if row is not None:
            say(
                f"task {task_id} is {row.state} on the record; carry on with: {resuming(row.task_id, database, options)}"
            )
        raise


def again(led: Named, runs_dir: Path, planner: str | None = None) -> str:
    """Return the options that whoever carries on has to give again, as on a command line, with a space before."""
    words = [] if runs_dir == DEFAULT_RUNS_DIR else ["--runs-dir", str(runs_dir)]
    words += [] if planner is None else ["--planner", planner]
    return "".join(f" {quote(word)}" for word in words) + led.as_options()


def resuming(task_id: str, database: str, options: str = "") -> str:
    """Return the command that carries on with a task."""
    where = "" if database == DEFAULT else f" --database {quote(database)}"
    return f"concertino resume {task_id}{where}{options}"


def _owner(journal: Journal, task_id: str, *, now: float) -> str | None:
    """Return which process works on a task, as far as can be told from here."""
    from concertino.service.cli.control import is_live

    row = _row(journal, task_id)
    return row.owner if row is not None and is_live(row, now=now) else None


def _row(journal: Journal, task_id: str) -> RunRow | None:
    from concertino.contracts.errors import JournalError

    try:
        return journal.latest(task_id).result()
    except JournalError:  # the error that is on its way says so already
        return None
