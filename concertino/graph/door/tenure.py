"""Holding a run: who may work on it now."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from concertino.contracts.event import TERMINAL, RunState
from concertino.contracts.journal import Journal, Lease, RunRow
from concertino.journal.awaiting import wait
from concertino.journal.owner import is_dead, this_owner


def is_free(row: RunRow, now: float) -> bool:
    """Say whether nobody seems to hold the run; acquiring its lease decides."""
    return row.owner is None or row.lease_until <= now or is_dead(row.owner)


async def take(journal: Journal, row: RunRow) -> Lease:
    """Return the lease of a run.

    Raises:
        RunBusy: another live process holds it.
    """
    return await wait(journal.acquire(row.run_id, owner=this_owner()))


async def take_unless_over(journal: Journal, row: RunRow, *, state: RunState | None = None) -> Lease | None:
    """Return the lease of a run that has not ended meanwhile (nor left `state`, where given), else `None`.

    Between a look at a run and its lease, another process may have taken it up, finished it and let it go.

    Raises:
        RunBusy: another live process holds it.
    """
    if row.state in TERMINAL:
        return None
    lease = await take(journal, row)
    now = await wait(journal.run(row.run_id))
    if now is not None and now.state not in TERMINAL and state in (None, now.state):
        return lease
    await wait(journal.release(lease))
    return None


@contextlib.asynccontextmanager
async def holding(journal: Journal, row: RunRow) -> AsyncIterator[Lease]:
    """Hold the lease of a run that nobody works on."""
    lease = await take(journal, row)
    try:
        yield lease
    finally:
        await wait(journal.release(lease))
