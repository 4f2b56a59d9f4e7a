"""`concertino plan`: what would run, before anything does."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from concertino.service.cli.exits import ExitCode
from concertino.service.cli.output import emit, emit_line, say

if TYPE_CHECKING:
    from concertino.contracts.specialist import SpecialistCard
    from concertino.contracts.task import Task
    from concertino.service.cli.written import Verdict


def plan(
    given: Annotated[
        str | None,
        typer.Argument(
            metavar="[FILE|TEXT]",
            help="A file with a task or a plan, `-` for standard input, or a request in free words.",
        ),
    ] = None,
    workflows: Annotated[
        list[str] | None, typer.Option(metavar="FILE", help="Rules that plan; may be repeated.")
    ] = None,
    specialists: Annotated[
        str | None,
        typer.Option(
            metavar="MODULE:NAME|FILE", help="Who is there: a list in Python, or a JSON file of descriptions."
        ),
    ] = None,
    pack: Annotated[
        str | None, typer.Option(metavar="NAME", help="A pack's specialists and rules: diligence, offers.")
    ] = None,
    payload: Annotated[
        str | None, typer.Option(metavar="JSON", help="The task's payload, for a request in free words.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(metavar="PROVIDER:NAME", help="The model that plans what no rule covers, e.g. openai:NAME."),
    ] = None,
    tokens: Annotated[int, typer.Option(min=1, help="Most tokens that planning by a model may use.")] = 50_000,
    from_text: Annotated[
        str | None,
        typer.Option("--from-text", metavar="FILE", help="A text that a model wrote: read and mended by rule alone."),
    ] = None,
    batch: Annotated[
        Path | None, typer.Option("--batch", metavar="DIR", help="A folder of such texts: one line of JSON for each.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON alone, without the table.")] = False,
    mermaid: Annotated[bool, typer.Option("--mermaid", help="A Mermaid drawing instead of JSON.")] = False,
) -> None:
    """Show what would run: of a request, a task, a ready plan, or a text that a model wrote.

    With what it may cost, and its longest path. Faults are named with their place and a fix.
    """
    from concertino.contracts.errors import InputError

    if from_text is not None or batch is not None:
        for name, value in (("--workflows", workflows), ("--pack", pack), ("--payload", payload), ("--model", model)):
            if value:
                rule = (
                    "cannot go with --from-text or --batch, which go by rule alone over the specialists that are named"
                )
                raise InputError(field=name, value=value, rule=rule)
        _written(given, from_text, batch, specialists, as_json=as_json, mermaid=mermaid)
        return
    if given is None:
        raise InputError(
            field="FILE|TEXT", value=None, rule="name a file, write a request, or give --from-text or --batch"
        )
    from concertino.service.cli.preview import Asked, preview

    preview(
        Asked(
            given,
            workflows=tuple(workflows or ()),
            specialists=specialists,
            pack=pack,
            payload=payload,
            model=model,
            tokens=tokens,
        ),
        as_json=as_json,
        mermaid=mermaid,
    )


def _written(
    request: str | None, file: str | None, folder: Path | None, specialists: str | None, *, as_json: bool, mermaid: bool
) -> None:
    """Judge one text, or a folder of texts.

    Raises:
        InputError: both or neither is named, or what is named cannot be read.
    """
    from concertino.contracts.errors import InputError
    from concertino.contracts.limits import Limits
    from concertino.service.cli.wording import plain
    from concertino.service.cli.written import judge_all, judge_file, texts

    if file is not None and folder is not None:
        raise InputError(field="--batch", value=str(folder), rule="cannot go with --from-text; name one of them")
    if mermaid and folder is not None:
        raise InputError(field="--mermaid", value=True, rule="cannot go with --batch")
    limits = Limits()
    cards = _cards(specialists, stdin_taken=file == "-")
    task = _about(request)
    if folder is not None:
        unread = 0
        for name, found in judge_all(texts(folder, field="--batch"), cards, task=task, limits=limits):
            if isinstance(found, InputError):
                unread += 1
                emit_line({"file": name.name, "status": "refused", "plan": None, "notes": [str(found)]})
                say(f"error: {plain(name.name)}: {found}")
            else:
                emit_line({"file": name.name, **found.as_json()})
        if unread:
            raise typer.Exit(ExitCode.BAD_INPUT)
        return
    assert file is not None
    verdict = judge_file(file, cards, field="--from-text", task=task, limits=limits)
    _show(verdict, task, as_json=as_json, mermaid=mermaid)


def _show(verdict: Verdict, task: Task, *, as_json: bool, mermaid: bool) -> None:
    from concertino.service.cli.drawing import as_mermaid, as_table
    from concertino.service.cli.wording import plain

    if mermaid and verdict.plan is not None:
        typer.echo(as_mermaid(verdict.made(task)))
    else:
        emit(verdict.as_json())
    if not as_json and not mermaid:
        if verdict.plan is not None:
            say(as_table(verdict.made(task)))
        for note in verdict.notes:
            say(f"note: {plain(note)}")
        say(verdict.status)
    if verdict.plan is None:
        raise typer.Exit(ExitCode.FAILED)


def _cards(specialists: str | None, *, stdin_taken: bool) -> dict[str, SpecialistCard]:
    from concertino.contracts.errors import InputError
    from concertino.service.cli.declared import FIELD, is_reference, read_cards
    from concertino.service.cli.named import specialists_of

    if specialists is None:
        raise InputError(field=FIELD, value=None, rule="name the file that says who is there")
    if specialists == "-" and stdin_taken:
        raise InputError(field=FIELD, value="-", rule="standard input is the text already")
    if is_reference(specialists):
        return {one.name: one.card for one in specialists_of(specialists)}
    return read_cards(specialists)


def _about(request: str | None) -> Task:
    """Return the task that a text answered, as far as it is told; its id is always the same, so that plans are, too."""
    from concertino.service.cli.request import task_of

    return task_of(request or "", task_id="text")
