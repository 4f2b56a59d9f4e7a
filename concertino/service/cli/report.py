"""`concertino report`: one journalled run, as a page or as JSON."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from concertino.service.cli.database import DEFAULT, Database, existing
from concertino.service.cli.evals import AsJson, Html, printed, written
from concertino.service.cli.output import say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from concertino.contracts.event import Event
    from concertino.contracts.json import JsonObject

EVENTS = 1_000_000
"""Most events of a task that are read; a run of 1,000 subtasks has some ten thousand."""


def report(
    task_id: Annotated[str, typer.Argument(metavar="TASK", help="A task id, as `agent run` printed it.")],
    html: Html = None,
    as_json: AsJson = False,
    tape: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The run's tape, for its prompts and answers.")
    ] = None,
    database: Database = DEFAULT,
) -> None:
    """Show one run: plan, timeline, budgets, breakers, weights.

    Prompts and answers are on tapes alone. Secrets are taken out.
    """
    from concertino.contracts.clock import SystemClock
    from concertino.evals.disclosure import without_secrets
    from concertino.evals.reports.report import run_report
    from concertino.journal import open_journal
    from concertino.journal.views import run_events
    from concertino.service.cli.account import account
    from concertino.service.cli.control import newest

    journal = open_journal(existing(database), clock=SystemClock())
    try:
        row = newest(journal, task_id)
        events = run_events(journal.events(task_id, limit=EVENTS).result(), row.run_id)
    finally:
        journal.close()
    told = without_secrets([event.model_dump(mode="json") for event in events])
    result = _result(told)
    made = run_report(result, told, _calls(tape, events) if tape is not None else ())
    if as_json:
        printed(made)
    written(made, junit=None, html=html)
    for line in account(result or {}):
        say(line)
    say(f"{row.state}: task {task_id}")


def _result(events: list[JsonObject]) -> JsonObject | None:
    """Return the newest result on the record; `None` where the run has none yet."""
    results: list[Any] = [event["payload"] for event in events if str(event["type"]).startswith("RUN_")]
    return next((payload["result"] for payload in reversed(results) if isinstance(payload.get("result"), dict)), None)


def _calls(tape: Path, events: Sequence[Event]) -> list[JsonObject]:
    from concertino.evals.disclosure import calls_of_run

    return calls_of_run(tape, events)
