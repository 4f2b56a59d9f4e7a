"""Threads that own a connection: one that commits in groups, one that reads."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import groupby
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from concertino.contracts.errors import ConcertinoError, JournalError
from concertino.journal.storage import roll_back, storage_error

T = TypeVar("T")

BATCH = 1_000
"""Most operations in one commit; bounds how long the first of them waits."""


@dataclass(slots=True, eq=False)
class Operation:
    """One thing to do on the connection. It fails with a `ConcertinoError` only before it has written anything."""

    run: Callable[[sqlite3.Connection], Any]
    future: Future[Any]
    argument: Any = None
    """Set on operations that the worker may do together with their neighbours; see `Writer`."""
    reads: bool = False
    """Writes nothing and must not see what is not committed."""


class Worker:
    """One daemon thread, started by the first operation, that opens a connection and serves a queue.

    An operation cannot be withdrawn by cancelling its future: what was handed in is done.
    """

    def __init__(self, connect: Callable[[], sqlite3.Connection], *, place: str, name: str) -> None:
        self._connect, self._place, self._name = connect, place, name
        self._queue: SimpleQueue[Operation | None] = SimpleQueue()
        self._gate = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._pid = os.getpid()
        self._connection: sqlite3.Connection | None = None

    def submit(self, run: Callable[[sqlite3.Connection], T], *, argument: Any = None, reads: bool = False) -> Future[T]:
        """Queue an operation. After `close`, or in a forked child, its future fails with `JournalError`."""
        future: Future[T] = Future()
        future.set_running_or_notify_cancel()
        if os.getpid() != self._pid:
            # Another process must neither use the connection nor wait for a thread that fork did not copy.
            future.set_exception(JournalError(place=self._place, reason="opened before fork(); open it anew here"))
            return future
        with self._gate:
            if not self._closed:
                if self._thread is None:
                    self._thread = threading.Thread(target=self._serve, name=self._name, daemon=True)
                    self._thread.start()
                self._queue.put(Operation(run, future, argument, reads))
                return future
        future.set_exception(JournalError(place=self._place, reason="closed"))
        return future

    def stop(self) -> None:
        """Let the thread do what is queued and end, without waiting for it. Safe in a finalizer."""
        if os.getpid() != self._pid:
            return
        with self._gate:
            first, self._closed = not self._closed, True
            if first and self._thread is not None:
                self._queue.put(None)

    def close(self) -> None:
        """Do what is queued, then let go of the connection. Idempotent; does nothing in a forked child."""
        self.stop()
        thread = self._thread
        if os.getpid() == self._pid and thread is not None and thread is not threading.current_thread():
            thread.join()

    def _serve(self) -> None:
        last = False
        while not last:
            operation = self._queue.get()
            batch: list[Operation] = []
            while operation is not None:
                batch.append(operation)
                if len(batch) >= BATCH:
                    break
                try:
                    operation = self._queue.get_nowait()
                except Empty:
                    break
            else:
                last = True
            if batch:
                self._open_and_do(batch)
        if self._connection is not None:
            self._connection.close()

    def _open_and_do(self, batch: Sequence[Operation]) -> None:
        # Opening is tried again with every batch: a missing folder may be made, a full disk emptied.
        try:
            if self._connection is None:
                self._connection = self._connect()
        except ConcertinoError as error:
            for operation in batch:
                operation.future.set_exception(error)
            return
        for operation, outcome in zip(batch, self._do(self._connection, batch), strict=True):
            if isinstance(outcome, BaseException):
                operation.future.set_exception(outcome)
            else:
                operation.future.set_result(outcome)

    def _do(self, connection: sqlite3.Connection, batch: Sequence[Operation]) -> Sequence[Any]:
        """Return an outcome or an exception for each operation."""
        return [self._alone(connection, operation) for operation in batch]

    def _alone(self, connection: sqlite3.Connection, operation: Operation) -> Any:
        try:
            return operation.run(connection)
        except sqlite3.Error as error:
            return storage_error(self._place, error)
        except Exception as error:  # noqa: BLE001  # the waiter must learn of any bug; this thread must live on
            return error


class Writer(Worker):
    """Commits whatever is queued as one transaction.

    Neighbouring operations that carry an `argument` and the same `together` are done by one call of it.
    """

    def __init__(
        self,
        connect: Callable[[], sqlite3.Connection],
        *,
        place: str,
        name: str,
        lock: AbstractContextManager[Any],
        together: Callable[[sqlite3.Connection, list[Any]], Sequence[Any]],
    ) -> None:
        super().__init__(connect, place=place, name=name)
        self._lock, self._together = lock, together

    def submit_together(self, argument: Any) -> Future[Any]:
        """Queue an argument for `together`, which returns one outcome or exception for each."""
        return self.submit(lambda connection: self._together(connection, [argument])[0], argument=argument)

    def _do(self, connection: sqlite3.Connection, batch: Sequence[Operation]) -> Sequence[Any]:
        if any(operation.reads for operation in batch):
            return self._divided(connection, batch)
        with self._lock:
            outcomes = self._transact(connection, batch)
            if len(batch) > 1 and isinstance(outcomes, Exception):
                # Something in the batch cannot be stored; only its own waiter shall hear of it.
                return [self._single(connection, operation) for operation in batch]
        return [outcomes] * len(batch) if isinstance(outcomes, Exception) else outcomes

    def _divided(self, connection: sqlite3.Connection, batch: Sequence[Operation]) -> list[Any]:
        outcomes: list[Any] = []
        for reads, run in groupby(batch, key=lambda operation: operation.reads):
            part = list(run)
            outcomes.extend(super()._do(connection, part) if reads else self._do(connection, part))
        return outcomes

    def _single(self, connection: sqlite3.Connection, operation: Operation) -> Any:
        outcomes = self._transact(connection, [operation])
        return outcomes if isinstance(outcomes, Exception) else outcomes[0]

    def _transact(self, connection: sqlite3.Connection, batch: Sequence[Operation]) -> list[Any] | Exception:
        try:
            connection.execute("BEGIN IMMEDIATE")
            outcomes = self._outcomes(connection, batch)
            connection.execute("COMMIT")
        except Exception as error:  # noqa: BLE001  # handed to the waiters; the transaction must end either way
            self._abandon(connection)
            if isinstance(error, ConcertinoError):
                return error
            # ValueError and OverflowError: NaN in JSON, a lone surrogate, an integer beyond 64 bits.
            if isinstance(error, sqlite3.Error | ValueError | OverflowError):
                return storage_error(self._place, error)
            return error
        return outcomes

    def _abandon(self, connection: sqlite3.Connection) -> None:
        try:
            roll_back(connection)
        except sqlite3.Error:
            # A connection that cannot even roll back is of no use; the next batch opens another one.
            connection.close()
            self._connection = None

    def _outcomes(self, connection: sqlite3.Connection, batch: Sequence[Operation]) -> list[Any]:
        outcomes: list[Any] = []
        waiting: list[Any] = []
        for operation in batch:
            if operation.argument is not None:
                waiting.append(operation.argument)
                continue
            if waiting:
                outcomes.extend(self._together(connection, waiting))
                waiting = []
            try:
                outcomes.append(operation.run(connection))
            except ConcertinoError as error:
                outcomes.append(error)
        if waiting:
            outcomes.extend(self._together(connection, waiting))
        return outcomes
