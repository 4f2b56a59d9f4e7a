"""A clock that only tests move, and every store that implements the journal's port."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from concertino.contracts.journal import LEASE_S, Journal
from concertino.journal import MemoryJournal, SqliteJournal, open_journal
from tests.clocks import StillClock


@pytest.fixture
def clock() -> StillClock:
    """Give a clock at 1,000 s."""
    return StillClock(epoch=0.0)


Opener = Callable[[], Journal]


@pytest.fixture(params=["file", "memory", "objects"])
def store(request: pytest.FixtureRequest, tmp_path: Path, clock: StillClock) -> Iterator[Opener]:
    """Give a function that opens the store, and closes what was opened. A further store is one more parameter."""
    opened: list[Journal] = []

    def open_store() -> Journal:
        if request.param == "objects":
            opened.append(MemoryJournal(clock=clock, ttl_s=LEASE_S))
            return opened[-1]
        url = f"sqlite:///{tmp_path / 'journal.db'}" if request.param == "file" else None
        opened.append(open_journal(url, clock=clock))
        return opened[-1]

    yield open_store
    for journal in opened:
        journal.close()


@pytest.fixture
def journal(store: Opener) -> Journal:
    """Give an open, empty journal."""
    return store()


@pytest.fixture
def on_file(tmp_path: Path, clock: StillClock) -> Iterator[SqliteJournal]:
    """Give a journal in a file."""
    found = open_journal(f"sqlite:///{tmp_path / 'journal.db'}", clock=clock)
    assert isinstance(found, SqliteJournal)
    yield found
    found.close()
