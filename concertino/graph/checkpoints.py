"""Checkpoints on SQLite: LangGraph's own saver, for sync and async callers, beside the journal."""

from __future__ import annotations

import os
import sqlite3
import threading
import weakref
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import chain, groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, TypeVar, cast

from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.base import (
    ChannelVersions,
    Checkpoint,
    CheckpointMetadata,
    CheckpointTuple,
    DeltaChannelHistory,
)
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from langgraph.checkpoint.sqlite import SqliteSaver

from concertino.contracts.clock import Clock, SystemClock
from concertino.contracts.errors import JournalError
from concertino.contracts.journal import Journal
from concertino.journal import SqliteJournal, wait
from concertino.journal.open import sqlite_path
from concertino.journal.storage import MEMORY, connect, roll_back, storage_error
from concertino.journal.worker import Writer

T = TypeVar("T")

ALLOWED: tuple[tuple[str, str], ...] = (
    ("langgraph.types", "Send"),
    ("langgraph.types", "Interrupt"),
    ("langgraph.types", "Command"),
    ("langgraph.types", "Overwrite"),
    ("langgraph.types", "TimeoutPolicy"),
    *(
        (f"langchain_core.messages.{module}", name + suffix)
        for module, name in (
            ("human", "HumanMessage"),
            ("ai", "AIMessage"),
            ("system", "SystemMessage"),
            ("tool", "ToolMessage"),
            ("chat", "ChatMessage"),
            ("function", "FunctionMessage"),
        )
        for suffix in ("", "Chunk")
    ),
    ("langchain_core.messages.modifier", "RemoveMessage"),
)
"""Classes that stored bytes may build, besides the plain values (dates, UUIDs, decimals, paths, sets) that LangGraph's
strict mode always takes. Everything else comes back as the plain data it was made of."""

FORMS = frozenset({"null", "bytes", "bytearray", "msgpack"})
"""Serialized forms that are read. `json` and `pickle` are older forms of LangGraph's; we never wrote them."""


class StrictSerializer(JsonPlusSerializer):
    """LangGraph's serializer, which builds nothing from stored bytes but what is listed."""

    def __init__(self, allow: Iterable[type] = ()) -> None:
        listed = [(kind.__module__, kind.__name__) for kind in allow]
        super().__init__(pickle_fallback=False, allowed_json_modules=None, allowed_msgpack_modules=[*ALLOWED, *listed])

    def loads_typed(self, data: tuple[str, bytes]) -> Any:
        """Return the stored value.

        Raises:
            JournalError: it is in a form that was never written here.
        """
        if data[0] not in FORMS:
            raise JournalError(place="checkpoint", reason=f"serialized form {data[0]!r} refused")
        return super().loads_typed(data)


class _Store:
    """The saver's connection, opened at first use. Apart from the saver, so that its thread does not keep it alive."""

    def __init__(self, path: str, *, clock: Clock, lock: threading.Lock) -> None:
        self.path, self.lock = path, lock
        self._clock, self._pid = clock, os.getpid()
        self._connection: sqlite3.Connection | None = None
        self._closed = False
        self.grouped: int | None = None
        """Ident of the thread whose open transaction the next cursor joins."""
        self.rows: _Rows | None = None
        """Where that thread's next cursor only notes what to insert."""

    def opened(self) -> sqlite3.Connection:
        """Return the connection; the caller holds `lock`."""
        if os.getpid() != self._pid:
            raise JournalError(place=self.path, reason="opened before fork(); open it anew here")
        if self._closed:
            raise JournalError(place=self.path, reason="closed")
        if self._connection is None:
            connection = connect(self.path, clock=self._clock)
            try:
                SqliteSaver(connection).setup()
            except sqlite3.Error as error:
                connection.close()
                raise storage_error(self.path, error) from error
            self._connection = connection
        return self._connection

    def connect(self) -> sqlite3.Connection:
        """Return the connection for the thread that commits in groups."""
        with self.lock:
            return self.opened()

    def together(self, connection: sqlite3.Connection, puts: list[Callable[[], None]]) -> list[None]:
        """Do several `put_writes` in the open transaction of the thread that commits in groups."""
        self.grouped, self.rows = threading.get_ident(), _Rows()
        try:
            for put in puts:
                put()
            self.rows.insert(connection)
        finally:
            self.grouped = self.rows = None
        return [None] * len(puts)

    def close(self) -> None:
        """Let go of the connection."""
        with self.lock:
            self._closed = True
            if self._connection is not None and os.getpid() == self._pid:
                self._connection.close()


ROWS = 64
"""Most rows in one INSERT. Every statement gives up the interpreter lock, which takes up to 5 ms to get back beside a
busy event loop (900 rows: 58 ms one by one, 38 ms together)."""


class _Rows:
    """Takes a saver's inserts and makes them in few statements, in order."""

    def __init__(self) -> None:
        self._noted: list[tuple[str, Sequence[Any]]] = []

    def executemany(self, query: str, rows: Iterable[Sequence[Any]]) -> None:
        """Note rows; `query` ends with the places of one."""
        self._noted.extend((query, row) for row in rows)

    def close(self) -> None:
        """Stand in for a cursor's."""

    def insert(self, connection: sqlite3.Connection) -> None:
        """Insert what was noted."""
        for query, noted in groupby(self._noted, key=itemgetter(0)):
            rows = [row for _, row in noted]
            places = query[query.rindex("(") :]
            for start in range(0, len(rows), ROWS):
                part = rows[start : start + ROWS]
                connection.execute(query + f", {places}" * (len(part) - 1), list(chain.from_iterable(part)))


class _Handle:
    """Stops the thread when the saver and all its copies (LangGraph makes some) are gone."""

    def __init__(self, store: _Store) -> None:
        self.store = store
        self.writer = Writer(
            store.connect, place=store.path, name="concertino-checkpoints", lock=store.lock, together=store.together
        )
        weakref.finalize(self, self.writer.stop).atexit = False


class Checkpoints(SqliteSaver):
    """LangGraph's SQLite saver for both kinds of callers.

    Async calls go to one daemon thread, which commits those that wait at the same time together; sync calls run in the
    caller's thread. WAL, synchronous NORMAL: a checkpoint survives `kill -9`, a power cut may take the newest ones.
    Fails with `JournalError`.
    """

    def __init__(self, path: str, *, clock: Clock, lock: threading.Lock, allow: Iterable[type] = ()) -> None:
        """Make a saver at `path`, absolute or `:memory:`; `lock` is shared with other writers to the same file."""
        self._handle = _Handle(_Store(path, clock=clock, lock=lock))
        strict = StrictSerializer(allow)
        # The connection comes later: creating a graph must not touch the disk. `cursor` puts it in place.
        super().__init__(sqlite3.connect(MEMORY, check_same_thread=False), serde=strict)
        self.conn.close()
        self.jsonplus_serde = strict
        self.lock = lock
        self.is_setup = True

    @contextmanager
    def cursor(self, transaction: bool = True) -> Iterator[sqlite3.Cursor]:
        """Give a cursor, in a transaction that is undone as a whole on any error."""
        store = self._handle.store
        if store.grouped == threading.get_ident():
            yield cast("Any", store.rows) or self.conn.cursor()
            return
        with store.lock:
            self.conn = connection = store.opened()
            try:
                if transaction:
                    connection.execute("BEGIN IMMEDIATE")
                yield connection.cursor()
                if transaction:
                    connection.execute("COMMIT")
            except sqlite3.Error as error:
                roll_back(connection)
                raise storage_error(store.path, error) from error
            except BaseException:
                roll_back(connection)
                raise

    def list(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,  # noqa: A002  # LangGraph's name
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> Iterator[CheckpointTuple]:
        """Return checkpoints, newest first. All are read at once: the lock must not be held while a caller looks."""
        yield from tuple(super().list(config, filter=filter, before=before, limit=limit))

    async def aget_tuple(self, config: RunnableConfig) -> CheckpointTuple | None:
        """See `get_tuple`."""
        return await self._read(lambda: self.get_tuple(config))

    async def alist(
        self,
        config: RunnableConfig | None,
        *,
        filter: dict[str, Any] | None = None,  # noqa: A002  # LangGraph's name
        before: RunnableConfig | None = None,
        limit: int | None = None,
    ) -> AsyncIterator[CheckpointTuple]:
        """See `list`."""
        found = await self._read(lambda: tuple(self.list(config, filter=filter, before=before, limit=limit)))
        for checkpoint in found:
            yield checkpoint

    async def aput(
        self,
        config: RunnableConfig,
        checkpoint: Checkpoint,
        metadata: CheckpointMetadata,
        new_versions: ChannelVersions,
    ) -> RunnableConfig:
        """See `put`."""
        return await self._write(lambda: self.put(config, checkpoint, metadata, new_versions))

    async def aput_writes(
        self, config: RunnableConfig, writes: Sequence[tuple[str, Any]], task_id: str, task_path: str = ""
    ) -> None:
        """See `put_writes`."""
        put = partial(self.put_writes, config, writes, task_id, task_path)
        await wait(self._handle.writer.submit_together(put))

    async def adelete_thread(self, thread_id: str) -> None:
        """See `delete_thread`."""
        await self._write(lambda: self.delete_thread(thread_id))

    async def aget_delta_channel_history(
        self, *, config: RunnableConfig, channels: Sequence[str]
    ) -> Mapping[str, DeltaChannelHistory]:
        """See `get_delta_channel_history`."""
        return await self._read(lambda: self.get_delta_channel_history(config=config, channels=channels))

    def close(self) -> None:
        """Write what is queued and let go of the file. Idempotent."""
        self._handle.writer.close()
        self._handle.store.close()

    async def _read(self, call: Callable[[], T]) -> T:
        return await wait(self._handle.writer.submit(lambda _: call(), reads=True))

    async def _write(self, call: Callable[[], T]) -> T:
        store = self._handle.store

        def grouped(connection: sqlite3.Connection) -> T:
            # The writer holds the lock and has begun the transaction that it will commit.
            self.conn, store.grouped = connection, threading.get_ident()
            try:
                return call()
            finally:
                store.grouped = None

        return await wait(self._handle.writer.submit(grouped))


def open_checkpoints(
    place: str | Path | None, beside: Journal | None = None, *, allow: Iterable[type] = ()
) -> Checkpoints:
    """Return the saver at a file or `sqlite:` address; `None` is the journal's own file.

    In one file, saver and journal share a write lock and so never wait for each other by back-off; in memory each has
    its own database. `allow` lists further classes that may be built from stored bytes, such as the state models of a
    compiled graph used as specialist. Nothing is opened before the first call.

    Raises:
        SetupError: not an address of SQLite.
    """
    journal = beside if isinstance(beside, SqliteJournal) else None
    if place is None:
        path = journal.path if journal else MEMORY
    elif isinstance(place, str) and ("://" in place or place == MEMORY):
        path = sqlite_path(None if place == MEMORY else place)
    else:
        path = str(Path.cwd() / place)
    shared = journal is not None and journal.path == path != MEMORY
    lock = journal.write_lock if journal and shared else threading.Lock()
    return Checkpoints(path, clock=journal.clock if journal else SystemClock(), lock=lock, allow=allow)
