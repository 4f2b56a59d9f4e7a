"""The SQLite file: opening it, its schema by version, and its errors in our words."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from concertino.contracts.clock import Clock
from concertino.contracts.errors import JournalError

MEMORY = ":memory:"

BUSY_S = 5.0
"""How long a statement waits for another process's transaction; chosen by hand, ours take milliseconds."""

WAL_TRIES, WAL_PAUSE_S = 100, 0.02
"""Two processes that create one file at once collide in the switch to WAL, which does not wait by itself."""

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """CREATE TABLE runs (
            n INTEGER PRIMARY KEY AUTOINCREMENT,
            run_id TEXT NOT NULL UNIQUE,
            task_id TEXT NOT NULL,
            thread_id TEXT NOT NULL,
            content_hash TEXT NOT NULL,
            task TEXT NOT NULL,
            state TEXT NOT NULL,
            parent_run_id TEXT,
            token TEXT UNIQUE,
            policy TEXT NOT NULL,
            epoch INTEGER NOT NULL DEFAULT 0,
            owner TEXT,
            lease_until REAL NOT NULL DEFAULT 0,
            created REAL NOT NULL,
            updated REAL NOT NULL
        )""",
        "CREATE INDEX runs_task ON runs (task_id)",
        "CREATE INDEX runs_thread ON runs (thread_id)",
        """CREATE TABLE events (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            task_id TEXT NOT NULL,
            seq INTEGER NOT NULL,
            run_id TEXT NOT NULL REFERENCES runs (run_id),
            type TEXT NOT NULL,
            message_type TEXT NOT NULL,
            agent_id TEXT NOT NULL,
            subtask_id TEXT,
            payload TEXT NOT NULL,
            confidence REAL,
            timestamp REAL NOT NULL,
            parent_task_id TEXT,
            epoch INTEGER NOT NULL,
            UNIQUE (task_id, seq)
        )""",
        # Partial: other events do not pay for them. A query must repeat the condition word for word.
        "CREATE INDEX events_control ON events (type) WHERE type IN ('CANCEL_REQUESTED', 'GATE_ANSWERED')",
        "CREATE INDEX events_outcome ON events (type) WHERE type IN ('AGENT_FAILED', 'TASK_COMPLETED')",
        """CREATE TABLE outbox (
            n INTEGER PRIMARY KEY AUTOINCREMENT,
            key TEXT NOT NULL UNIQUE,
            topic TEXT NOT NULL,
            payload TEXT NOT NULL,
            created REAL NOT NULL,
            delivered REAL
        )""",
        "CREATE INDEX outbox_pending ON outbox (n) WHERE delivered IS NULL",
    ),
    ("CREATE INDEX events_truth ON events (type) WHERE type = 'TRUTH_SETTLED'",),
)
"""Statements per schema version, from 1. A published version is never edited; a change is a new one."""

VERSION = len(MIGRATIONS)


def connect(path: str, *, clock: Clock) -> sqlite3.Connection:
    """Open `path` (or `MEMORY`) with WAL, synchronous NORMAL, foreign keys and a busy timeout.

    The connection runs in autocommit: whoever uses it says BEGIN.

    Raises:
        JournalError: no such folder, a directory, no permission, not a database.
    """
    if path != MEMORY:
        _check_place(path)
    try:
        connection = sqlite3.connect(
            path, timeout=BUSY_S, isolation_level=None, check_same_thread=False, cached_statements=256
        )
    except sqlite3.Error as error:
        raise storage_error(path, error) from error
    try:
        connection.execute("PRAGMA foreign_keys = ON")
        if path != MEMORY:
            _switch_to_wal(connection, path, clock)
        # A commit survives the death of the process; a power cut may take the newest commits, never tear one.
        connection.execute("PRAGMA synchronous = NORMAL")
    except sqlite3.Error as error:
        connection.close()
        raise storage_error(path, error) from error
    except JournalError:
        connection.close()
        raise
    return connection


def migrate(connection: sqlite3.Connection, *, path: str) -> None:
    """Bring the schema to `VERSION` in one transaction; safe when several processes do it at once.

    Raises:
        JournalError: a newer version wrote the file, or it cannot be written.
    """
    try:
        if _version(connection, path) == VERSION:
            return
        connection.execute("BEGIN IMMEDIATE")
        try:
            for statements in MIGRATIONS[_version(connection, path) :]:
                for statement in statements:
                    connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {VERSION}")
            connection.execute("COMMIT")
        except BaseException:
            roll_back(connection)
            raise
    except sqlite3.Error as error:
        raise storage_error(path, error) from error


def roll_back(connection: sqlite3.Connection) -> None:
    """Undo the open transaction; SQLite has undone it already after some errors, a full disk among them."""
    if connection.in_transaction:
        connection.execute("ROLLBACK")


def storage_error(path: str, error: Exception) -> JournalError:
    """Return SQLite's error as ours."""
    return JournalError(place=path, reason=str(error) or type(error).__name__)


def _version(connection: sqlite3.Connection, path: str) -> int:
    found = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if found > VERSION:
        raise JournalError(
            place=path, reason=f"written by a newer version (schema {found}, this one knows up to {VERSION})"
        )
    return found


def _check_place(path: str) -> None:
    place = Path(path)
    try:
        if place.is_dir():
            raise JournalError(place=path, reason="is a directory")
        if not place.parent.is_dir():
            raise JournalError(place=path, reason=f"folder {place.parent} does not exist")
        missing = not place.exists()
    except OSError as error:
        raise JournalError(place=path, reason=error.strerror or str(error)) from error
    if not os.access(place.parent if missing else place, os.W_OK):
        raise JournalError(place=path, reason="no permission to write")


def _switch_to_wal(connection: sqlite3.Connection, path: str, clock: Clock) -> None:
    for left in range(WAL_TRIES, 0, -1):
        try:
            mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        except sqlite3.OperationalError as error:
            if left == 1 or "locked" not in str(error):
                raise
            clock.sleep(WAL_PAUSE_S)
            continue
        if mode != "wal":
            raise JournalError(place=path, reason=f"no write-ahead log here (journal mode {mode}); use a local disk")
        return
