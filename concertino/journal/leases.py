"""Admission and leases, each as one step inside the caller's transaction."""

# ruff: noqa: S608  # column lists and conditions are literals of ours; every value is bound
from __future__ import annotations

import sqlite3

from concertino.contracts.errors import RunBusy, RunNotFound, TaskConflict
from concertino.contracts.journal import Admission, Admitted, Lease, RunRow
from concertino.contracts.json import dump
from concertino.journal.appends import fence
from concertino.journal.owner import is_dead
from concertino.journal.rows import RUN_COLUMNS, run_row


def admit(connection: sqlite3.Connection, admission: Admission) -> Admitted:
    """Create a run, or return the one that is there.

    Raises:
        TaskConflict: no token, and the task id is known with other contents only.
        ValueError: the task is not JSON.
    """
    known = _known(connection, admission)
    if known is not None:
        return Admitted(row=known, created=False)
    connection.execute(
        "INSERT INTO runs (run_id, task_id, thread_id, content_hash, task, state, parent_run_id, token, policy,"
        " created, updated) VALUES (?, ?, ?, ?, ?, 'admitted', ?, ?, ?, ?, ?)",
        (
            admission.run_id,
            admission.task_id,
            admission.thread_id,
            admission.content_hash,
            dump(admission.task),
            admission.parent_run_id,
            admission.token,
            dump(dict(admission.policy)),
            admission.timestamp,
            admission.timestamp,
        ),
    )
    row = find(connection, "run_id = ?", admission.run_id)
    if row is None:
        raise RunNotFound(task_id=admission.task_id)
    return Admitted(row=row, created=True)


def _known(connection: sqlite3.Connection, admission: Admission) -> RunRow | None:
    if admission.token is not None:
        return find(connection, "token = ?", admission.token)
    known = own_run(connection, admission.task_id)
    if known is not None and known.content_hash != admission.content_hash:
        raise TaskConflict(task_id=admission.task_id, known=known.content_hash, given=admission.content_hash)
    return known


def own_run(connection: sqlite3.Connection, task_id: str) -> RunRow | None:
    """Return a task's newest run that is no fork: a fork may have changed the task under the same id.

    Where only forks are left, the newest of them.
    """
    is_own = "COALESCE(token, '') NOT LIKE 'fork:%'"
    return find(connection, f"task_id = ? AND {is_own}", task_id) or find(connection, "task_id = ?", task_id)


def find(connection: sqlite3.Connection, where: str, *values: str) -> RunRow | None:
    """Return the newest run that matches; `where` is ours, never from outside."""
    try:
        row = connection.execute(
            f"SELECT {RUN_COLUMNS} FROM runs WHERE {where} ORDER BY n DESC LIMIT 1", values
        ).fetchone()
    except UnicodeEncodeError:  # a lone surrogate, as in an argument that was no UTF-8: no run is called so
        return None
    return run_row(row) if row else None


def acquire(connection: sqlite3.Connection, run_id: str, *, owner: str, ttl_s: float, now: float) -> Lease:
    """Take a run's lease.

    Raises:
        RunBusy: another live owner holds it.
        RunNotFound: no such run.
    """
    row = find(connection, "run_id = ?", run_id)
    if row is None:
        raise RunNotFound(task_id=run_id)
    if row.owner is not None and row.owner != owner and row.lease_until > now and not is_dead(row.owner):
        raise RunBusy(run_id=run_id, owner=row.owner, expires_in_s=row.lease_until - now)
    connection.execute(
        "UPDATE runs SET owner = ?, epoch = ?, lease_until = ? WHERE run_id = ?",
        (owner, row.epoch + 1, now + ttl_s, run_id),
    )
    return Lease(run_id=run_id, task_id=row.task_id, owner=owner, epoch=row.epoch + 1)


def renew(connection: sqlite3.Connection, lease: Lease, *, ttl_s: float, now: float) -> None:
    """Extend a lease.

    Raises:
        StaleLease: another owner took the run over, or the lease was released.
        RunNotFound: the run is gone.
    """
    refusal = fence(connection, lease)
    if refusal is not None:
        raise refusal
    connection.execute("UPDATE runs SET lease_until = ? WHERE run_id = ?", (now + ttl_s, lease.run_id))


def release(connection: sqlite3.Connection, lease: Lease) -> None:
    """Give a lease back, if it is still ours."""
    connection.execute(
        "UPDATE runs SET owner = NULL, lease_until = 0 WHERE run_id = ? AND epoch = ? AND owner = ?",
        (lease.run_id, lease.epoch, lease.owner),
    )
