"""`concertino eval`: run suites from their tapes, record tapes, compare reports."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from concertino.service.cli.database import DEFAULT, Database, existing
from concertino.service.cli.exits import ExitCode
from concertino.service.cli.output import emit, emit_line, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from concertino.contracts.json import JsonObject
    from concertino.evals.outcomes import Outcome
    from concertino.evals.suites import Suite

app = typer.Typer(help="Run eval suites from their tapes, record them, compare reports.", no_args_is_help=True)

SuiteName = Annotated[str, typer.Argument(metavar="SUITE", help="A suite's name or folder.")]
Cases = Annotated[list[str] | None, typer.Option("--case", metavar="ID", help="Only this case; may be given again.")]
Suites = Annotated[Path, typer.Option("--suites", envvar="CONCERTINO_EVALS", help="Where suites are looked for.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the report on stdout.")]
Html = Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write the report as one page.")]
Junit = Annotated[Path | None, typer.Option("--junit", metavar="FILE", help="Write the report as JUnit XML.")]
ROOT = Path("evals")


@app.command("list")
def list_(suites: Suites = ROOT) -> None:
    """Print every suite with its cases; of one that cannot be read its error, which makes the exit code 2."""
    from concertino.contracts.errors import FileInvalid
    from concertino.evals.suites import list_suites, load_suite

    listed: list[JsonObject] = []
    broken: list[str] = []
    for name in list_suites(suites):
        try:
            listed.append(_described(load_suite(name, root=suites)))
        except FileInvalid as error:
            broken.append(str(error))
            listed.append({"name": name, "error": str(error)})
    emit(listed)
    for message in broken:
        say(f"error: {message}")
    raise typer.Exit(ExitCode.BAD_INPUT if broken else ExitCode.SUCCESS)


@app.command("run")
def run(
    suite: SuiteName,
    as_json: AsJson = False,
    junit: Junit = None,
    html: Html = None,
    case: Cases = None,
    repeats: Annotated[int | None, typer.Option(min=1, max=100, help="Run every case so often.")] = None,
    side_by_side: Annotated[int, typer.Option(min=1, max=64, help="How many cases run at once.")] = 1,
    seed: Annotated[int, typer.Option(help="Of ids, jitter and resampling.")] = 0,
    record_to: Annotated[
        Path | None, typer.Option("--record", metavar="FILE", help="Add answers and expected truths to a track record.")
    ] = None,
    suites: Suites = ROOT,
) -> None:
    """Run a suite from its tapes, offline, and judge it.

    The exit code says how it went: 0 every case passed, 3 some did, 4 none, or there is no case.
    """
    from concertino.evals.running import run_suite
    from concertino.evals.suites import load_suite

    chosen = _repeated(load_suite(suite, root=suites), repeats)
    outcomes = run_suite(chosen, side_by_side=side_by_side, seed=seed, cases=case or None)
    if record_to is not None:
        _settled(chosen, outcomes, record_to)
    _tell(chosen, outcomes, as_json=as_json, junit=junit, html=html, seed=seed)


@app.command("record")
def record(
    suite: SuiteName,
    case: Cases = None,
    stand_in: Annotated[
        bool, typer.Option("--stand-in", help="Let the suite's script answer instead of its live models.")
    ] = False,
    as_json: AsJson = False,
    junit: Junit = None,
    html: Html = None,
    suites: Suites = ROOT,
) -> None:
    """Run cases against their live models and write what crossed the boundary as tapes.

    Then judge them, as `run` would.
    """
    from concertino.evals.recording import record_suite
    from concertino.evals.suites import load_suite

    chosen = load_suite(suite, root=suites)
    outcomes = record_suite(chosen, cases=case or None, live=not stand_in)
    _tell(chosen, outcomes, as_json=as_json, junit=junit, html=html, seed=0)


@app.command("add")
def add(
    task_id: Annotated[str, typer.Argument(metavar="TASK", help="A task that was run and is over.")],
    suite: Annotated[str, typer.Option("--suite", metavar="SUITE", help="Where the case goes.")],
    case_id: Annotated[str | None, typer.Option("--as", metavar="ID", help="What the case is called.")] = None,
    database: Database = DEFAULT,
    suites: Suites = ROOT,
) -> None:
    """Make a case of a journalled run; it expects what the run came to."""
    from concertino.evals.adding import add_case
    from concertino.evals.suites import load_suite

    chosen = load_suite(suite, root=suites)
    made = add_case(chosen, task_id, database=existing(database), case_id=case_id)
    emit(made.model_dump(mode="json", exclude_defaults=True, by_alias=True))
    say(f"case {made.id} is in suite {chosen.name}; look at what it expects")


@app.command("diff")
def diff(
    before: Annotated[Path, typer.Argument(metavar="A", help="A report that `run --json` printed.")],
    after: Annotated[Path, typer.Argument(metavar="B", help="A later one.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the differences on stdout.")] = False,
    seed: Annotated[int, typer.Option(help="Of the bootstrap.")] = 0,
) -> None:
    """Show what changed between two reports, case by case.

    Exits with 1 where something got worse.
    """
    from concertino.evals.reports.difference import compare
    from concertino.evals.reports.files import read_report
    from concertino.evals.reports.table import show_difference

    found = compare(read_report(before), read_report(after), seed=seed)
    show_difference(found, _console())
    if as_json:
        emit(found.as_json())
    raise typer.Exit(ExitCode.REGRESSION if found.is_regression else ExitCode.SUCCESS)


def written(report: JsonObject, *, junit: Path | None, html: Path | None) -> None:
    """Write a report to the files that were asked for.

    Raises:
        OSError: one of them cannot be written.
    """
    if junit is not None:
        from concertino.evals.reports.junit import junit as as_junit

        junit.write_text(as_junit(report), encoding="utf-8")
    if html is not None:
        from concertino.evals.reports.page import page

        html.write_text(page(report), encoding="utf-8")
        say(f"page: {html}")


def printed(report: JsonObject) -> None:
    """Print a report on stdout, on one line: with indentation it takes ten times as long."""
    emit_line(report)


def _tell(
    suite: Suite, outcomes: Sequence[Outcome], *, as_json: bool, junit: Path | None, html: Path | None, seed: int
) -> None:
    from concertino.evals.disclosure import without_secrets
    from concertino.evals.reports.report import report
    from concertino.evals.reports.table import show

    made: Any = without_secrets(report(suite, outcomes, seed=seed), allowed=suite.file.allow)
    show(made, _console())
    if as_json:
        printed(made)
    written(made, junit=junit, html=html)
    passed, cases = made["summary"]["passed"], made["summary"]["cases"]
    if not cases:
        say(f"suite {suite.name} has no cases")
    raise typer.Exit(ExitCode.FAILED if not passed else ExitCode.SUCCESS if passed == cases else ExitCode.PARTIAL)


def _settled(suite: Suite, outcomes: Sequence[Outcome], path: Path) -> None:
    """Add to a saved track record, or begin one.

    Raises:
        InputError: the file is no saved record, or cannot be written.
    """
    from concertino.evals.settling import settle_by_cases
    from concertino.nodes.synthesis import TrackRecord

    record = TrackRecord.load(path) if path.exists() else TrackRecord()
    count = settle_by_cases(record, outcomes, suite=suite.name)
    record.save(path)
    say(f"record: {path}, {count} of {len(outcomes)} runs settled by what their cases expect")


def _console() -> Console:
    from rich.console import Console

    return Console(stderr=True, highlight=False, markup=False, emoji=False)


def _repeated(suite: Suite, repeats: int | None) -> Suite:
    from dataclasses import replace

    if repeats is None:
        return suite
    return replace(suite, cases=tuple(case.model_copy(update={"repeats": repeats}) for case in suite.cases))


def _described(suite: Suite) -> JsonObject:
    cases: list[Any] = [{"id": case.id, "tags": list(case.tags), "repeats": case.repeats} for case in suite.cases]
    return {
        "name": suite.name,
        "target": suite.target,
        "description": suite.file.description,
        "cases": cases,
        "faulty": [{"id": one.id, "error": str(one.error)} for one in suite.faulty],
        "orphans": list(suite.orphans),
    }
