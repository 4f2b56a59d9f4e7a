"""Commands on the track record that a journal's runs make: what was true, and whom to believe by it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from concertino.service.cli.database import DEFAULT, Database, existing
from concertino.service.cli.output import emit, say

if TYPE_CHECKING:
    from concertino.contracts.clock import Clock
    from concertino.graph.trust import Trust
    from concertino.nodes.synthesis import RecordReport

SHOWN = 6
"""Points of the selective-prediction curve that a person is shown; `--json` has all."""


def settle(
    question: Annotated[
        str, typer.Argument(metavar="QUESTION", help="What was answered: a task's id, or a finding's own question.")
    ],
    truth: Annotated[str, typer.Argument(metavar="TRUTH", help="What was true, as JSON in the shape of the answers.")],
    tolerance: Annotated[
        float | None, typer.Option(min=0, help="How far off a number may be; 5 % where left out.")
    ] = None,
    database: Database = DEFAULT,
) -> None:
    """State what turned out to be true.

    Planners that learn from this journal's record learn from it; settling again corrects it.
    """
    from concertino.contracts.json import parse
    from concertino.contracts.limits import Limits

    given = parse(truth, field="TRUTH", limits=Limits())
    with _trust(database) as (trust, clock):
        trust.settle(question, given, tolerance=tolerance, clock=clock)
        known = trust.record()
    emit({"question_id": question, "truth": given, "tolerance": tolerance, "settled": known.settled})


def record(
    as_json: Annotated[bool, typer.Option("--json", help="Print the report on stdout.")] = False,
    save: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the record to a file.")] = None,
    merge: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="Add a saved record; may be given again.")
    ] = None,
    database: Database = DEFAULT,
) -> None:
    """Show whom the record teaches to believe.

    Specialists with what they got right, how honest confidence was, and what answering less would bring.
    """
    from concertino.nodes.synthesis import TrackRecord, report_on

    with _trust(database) as (trust, _):
        known = trust.record()
    for path in merge or ():
        known = known.merged(TrackRecord.load(path))
    made = report_on(known)
    if as_json:
        emit(made.model_dump(mode="json"))
    if save is not None:
        known.save(save)
        say(f"record: {save}")
    for line in told(made):
        say(line)


def told(report: RecordReport) -> Iterator[str]:
    """Yield a record's report as lines for a person."""
    yield f"{report.settled} settled questions, {report.unsettled} unsettled"
    if report.specialists:
        wide = max(len(_who(one.specialist, one.domain)) for one in report.specialists)
        yield f"{'specialist':{wide}}  settled  right  stated"
        for one in report.specialists:
            who = _who(one.specialist, one.domain)
            yield f"{who:{wide}}  {one.settled:7}  {one.right / one.settled:5.0%}  {one.stated:6.0%}"
    if report.calibration is not None:
        yield f"calibration: ECE {report.calibration.ece:.3f} over {report.calibration.n}"
    if report.curve:
        yield "answer only from this confidence on: how many are answered, how many of these are right"
        every = range(len(report.curve))
        for n in sorted({round(k * (len(every) - 1) / (SHOWN - 1)) for k in range(SHOWN)}):
            point = report.curve[n]
            yield f"  {point.confidence:.2f}  {point.coverage:5.0%}  {point.accuracy:5.0%}"
    for field in report.fields:
        for kind, names in (("copy each other", [*map(", ".join, field.copies)]), ("changed", [*field.changed])):
            if names:
                yield f"{field.field or 'answer'}: {kind}: {'; '.join(names)}"


def _who(specialist: str, domain: str | None) -> str:
    return specialist if domain is None else f"{specialist} ({domain})"


@contextmanager
def _trust(database: str) -> Iterator[tuple[Trust, Clock]]:
    from concertino.contracts.clock import SystemClock
    from concertino.graph.trust import in_journal
    from concertino.journal import open_journal

    clock = SystemClock()
    journal = open_journal(existing(database), clock=clock)
    try:
        yield in_journal(journal), clock
    finally:
        journal.close()
