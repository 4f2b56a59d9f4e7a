"""What anybody may put on a task's record without holding its run: an answer to a gate, a request to stop.

The live process that works on the run sees it within moments; where there is none, the command takes the run up itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from concertino.contracts.errors import RunNotFound, RunStateError
from concertino.contracts.journal import Journal, RunRow
from concertino.contracts.json import JsonObject
from concertino.journal import is_dead

if TYPE_CHECKING:
    from concertino.graph.planner import Planner


def newest(journal: Journal, task_id: str) -> RunRow:
    """Return a task's newest run.

    Raises:
        RunNotFound: the journal does not know the task.
    """
    row = journal.latest(task_id).result()
    if row is None:
        raise RunNotFound(task_id=task_id)
    return row


def is_live(row: RunRow, *, now: float) -> bool:
    """Say whether a process works on the run, as far as can be told from here."""
    return row.owner is not None and row.lease_until > now and not is_dead(row.owner)


def put_answer(database: str, task_id: str, gate: str, answer: Mapping[str, object]) -> JsonObject:
    """Record an answer and return the task's status; errors are those of `Planner.answer`."""
    with _record_keeper(database) as planner:
        return planner.answer(task_id, gate, dict(answer))


def put_cancel(database: str, task_id: str, reason: str) -> JsonObject:
    """Record that a run is to be stopped and return the task's status; errors are those of `Planner.cancel`."""
    with _record_keeper(database) as planner:
        return planner.cancel(task_id, reason)


@contextmanager
def _record_keeper(database: str) -> Iterator[Planner]:
    """Open a planner that runs nothing: it only reads and writes what is on a task's record."""
    from concertino.graph.planner import Planner

    def nobody(brief: object) -> None:
        raise RunStateError(task_id="-", state="only being kept", asked="run it here")

    with Planner(specialists=[nobody], database=database) as planner:
        yield planner
