"""Where a command's journal and artifacts are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DEFAULT = "sqlite:///.runs/concertino.db"
"""Beside the run artifacts, in the directory that the command is started in."""
DEFAULT_RUNS_DIR = Path(".runs/agents")
"""Source: document 000."""

Database = Annotated[
    str, typer.Option("--database", envvar="CONCERTINO_DATABASE", metavar="URL", help="The journal, sqlite:///FILE.")
]
RunsDir = Annotated[
    Path, typer.Option("--runs-dir", envvar="CONCERTINO_RUNS_DIR", help="Where agents put their artifacts.")
]


def existing(url: str) -> str:
    """Return `url` if there is a journal, so that asking after a task never makes an empty one.

    Raises:
        InputError: the file is not there.
        SetupError: not the address of a journal.
    """
    from concertino.contracts.errors import InputError
    from concertino.journal.open import sqlite_path

    if not Path(sqlite_path(url)).is_file():
        raise InputError(field="--database", value=url, rule="no such journal; name the one that the task was run with")
    return url


def prepared(url: str) -> str:
    """Return `url`, its default directory made; any other directory must exist, or a typing error would pass.

    Raises:
        JournalError: the default directory cannot be made.
    """
    from concertino.contracts.errors import JournalError
    from concertino.journal.open import sqlite_path

    path = Path(sqlite_path(url))
    if url == DEFAULT:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise JournalError(place=str(path.parent), reason=str(error.strerror or error)) from error
    return url
