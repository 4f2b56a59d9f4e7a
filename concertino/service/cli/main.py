"""The `concertino` command: its subcommands, and how it ends."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Annotated, NoReturn

import typer

from concertino import __version__
from concertino.contracts.errors import ConcertinoError
from concertino.service.cli import agent, dev, evals, plan, report, runs, trust
from concertino.service.cli.exits import ExitCode, of_error
from concertino.service.cli.output import STDOUT
from concertino.service.cli.streams import make_ready

app = typer.Typer(
    help="Plan a task over specialists, run it within its budgets, merge what they find.",
    epilog="Exit codes: 0 success, 1 worse (eval diff), 2 bad input, 3 partial, 4 failed, 5 waiting for approval.",
    no_args_is_help=True,
    add_completion=False,
    # Plain help: rich alone would double the time to the first line.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.add_typer(agent.app, name="agent")
app.add_typer(evals.app, name="eval")
app.command("plan")(plan.plan)
app.command("status")(runs.status)
app.command("events")(runs.events)
app.command("resume")(runs.resume)
app.command("answer")(runs.answer)
app.command("cancel")(runs.cancel)
app.command("restart")(runs.restart)
app.command("report")(report.report)
app.command("settle")(trust.settle)
app.command("record")(trust.record)
app.command("dev", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})(dev.dev)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Show it.")] = False,
) -> None:
    pass


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; `None` takes the process's own arguments."""
    try:
        app(args=arguments, prog_name="concertino")
    except SystemExit as exit_:
        code = exit_.code if isinstance(exit_.code, int) else ExitCode.FAILED
        return _flushed(code)
    except ConcertinoError as error:
        return _told(str(error), code=of_error(error))
    except OSError as error:
        # A full disk or an unwritable directory: whoever runs the command can mend it, a traceback would not help.
        return _told(_of_system(error), code=ExitCode.FAILED)
    except KeyboardInterrupt:
        return _told("interrupted", code=ExitCode.INTERRUPTED)
    return _flushed(ExitCode.SUCCESS)


def main() -> NoReturn:
    """Run the process's command on its standard streams, and end the process at once.

    Leaving through the interpreter's own shutdown would wait for threads that a deadline has given up; everything
    that must be kept has been committed and closed by now.
    """
    make_ready()
    os._exit(run())


def _flushed(code: int) -> int:
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read our output has seen enough.
        return code
    except OSError as error:
        return _told(f"{STDOUT}: {error.strerror or error}", code=ExitCode.FAILED)
    return code


def _told(message: str, *, code: ExitCode) -> int:
    sys.stderr.write(f"error: {message}\n")
    sys.stderr.flush()
    return code


def _of_system(error: OSError) -> str:
    place = f"{error.filename}: " if error.filename else ""
    return f"{place}{error.strerror or error}"
