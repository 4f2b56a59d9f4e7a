"""Reading what a run's record says of its past."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from concertino.contracts.journal import LEASE_S, Journal, RunRow
from concertino.contracts.json import JsonObject
from concertino.graph.runs.restore import History, fold
from concertino.journal.awaiting import wait

EVENTS = 1_000_000
"""Events of one task that are read at most."""


async def history_of(journal: Journal, row: RunRow) -> History:
    """Return what a run's record says of it until now."""
    events = await wait(journal.events(row.task_id, run_id=row.run_id, limit=EVENTS))
    is_held = row.owner is not None and math.isfinite(row.lease_until)  # an endless lease says nothing of when
    return fold(events, alive_at=row.lease_until - LEASE_S if is_held else 0.0)


async def whole(journal: Journal, record: JsonObject) -> JsonObject:
    """Return a record with its finding, fetched from the run that found it where state has only the reference."""
    ref = record.get("ref")
    if record.get("finding") is not None or ref is None:
        return record
    row = await wait(journal.run(str(ref)))
    past = await history_of(journal, row) if row is not None else History()
    return past.records.get(str(record["subtask_id"]), record)


def in_force(values: Mapping[str, Any], history: History) -> JsonObject | None:
    """Return the plan that a checkpoint's run goes on with: the checkpoint's, unless the record knows of a later one."""
    if history.replans and history.plan:
        return history.plan
    return values.get("plan") or history.plan
