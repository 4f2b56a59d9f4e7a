"""From a journal's address to a journal."""

from __future__ import annotations

from contextvars import ContextVar
from pathlib import Path

from concertino.contracts.clock import Clock
from concertino.contracts.errors import SetupError
from concertino.contracts.journal import Journal
from concertino.journal.sqlite import SqliteJournal
from concertino.journal.storage import MEMORY

_SCHEME = "sqlite://"
_RULE = "must be sqlite:///FILE (four slashes: an absolute path)"

standing_in: ContextVar[Journal | None] = ContextVar("concertino_standing_journal", default=None)
"""What takes the place of every journal that is opened in this context: of replays, which leave none behind."""


def sqlite_path(url: str | None) -> str:
    """Return the absolute file of a `sqlite:` address, or `:memory:`.

    `sqlite:///relative.db`, `sqlite:////absolute.db`; `None`, `sqlite://` and `sqlite:///:memory:` are in memory. A
    relative file is relative to the folder that is current now.

    Raises:
        SetupError: another scheme, or an address without a file.
    """
    if url is None or url in {_SCHEME, f"{_SCHEME}/", f"{_SCHEME}/{MEMORY}"}:
        return MEMORY
    if not isinstance(url, str):
        raise SetupError(field="journal", value=url, rule=_RULE)
    if not url.startswith(f"{_SCHEME}/") or "\x00" in url:
        raise SetupError(field="journal", value=url, rule=_RULE)
    return str(Path.cwd() / url.removeprefix(f"{_SCHEME}/"))


def open_journal(url: str | None, *, clock: Clock) -> Journal:
    """Return the journal at `url`; see `sqlite_path` for its forms. Nothing is touched before the first call.

    Raises:
        SetupError: the address is not one of a journal.
    """
    return standing_in.get() or SqliteJournal(sqlite_path(url), clock=clock)
