"""What the journal costs: microseconds per append, by how appends arrive. `python bench/journal.py`."""

from __future__ import annotations

import asyncio
import json
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from concertino.contracts.clock import SystemClock
from concertino.contracts.event import Event
from concertino.contracts.journal import Admission, Lease
from concertino.journal import SqliteJournal, open_journal, this_owner, wait

WAITERS = 100


def _event(number: int) -> Event:
    return Event(
        task_id="t", run_id="r", type="TASK_STARTED", message_type="TASK", agent_id="a", timestamp=0.0,
        payload={"dispatch": "d-1", "specialist": "a", "attempt": number},
    )  # fmt: skip


def _begin(journal: SqliteJournal) -> Lease:
    journal.admit(Admission("r", "t", "th", "hash", {}, 0.0)).result()
    return journal.acquire("r", owner=this_owner()).result()


def _sequential(journal: SqliteJournal, lease: Lease, events: list[Event]) -> None:
    for event in events:
        journal.append([event], lease=lease).result()


def _waiters(journal: SqliteJournal, lease: Lease, events: list[Event]) -> None:
    async def one(event: Event) -> None:
        await wait(journal.append([event], lease=lease))

    async def rounds() -> None:
        for start in range(0, len(events), WAITERS):
            await asyncio.gather(*(one(event) for event in events[start : start + WAITERS]))

    asyncio.run(rounds())


def _beside_work(journal: SqliteJournal, lease: Lease, events: list[Event]) -> None:
    stop = threading.Event()

    def spin() -> None:
        while not stop.is_set():
            sum(range(500))

    worker = threading.Thread(target=spin, daemon=True)
    worker.start()
    _waiters(journal, lease, events[:1_000])
    stop.set()
    worker.join()


def _cost_us(work: Callable[[SqliteJournal, Lease, list[Event]], None], url: str | None, count: int) -> float:
    journal = open_journal(url, clock=SystemClock())
    lease = _begin(journal)
    events = [_event(number) for number in range(count)]
    start = time.perf_counter()
    work(journal, lease, events)
    spent = time.perf_counter() - start
    journal.close()
    return spent / min(count, 1_000 if work is _beside_work else count) * 1e6


def _read_us(url: str, count: int) -> float:
    journal = open_journal(url, clock=SystemClock())
    start = time.perf_counter()
    found = len(journal.events("t", limit=count).result())
    spent = time.perf_counter() - start
    journal.close()
    return spent / found * 1e6


def measure_checkpoints(count: int = 1_000, repeats: int = 5) -> dict[str, float]:
    """Return microseconds per `aput_writes`, `count` awaited together: ours and LangGraph's AsyncSqliteSaver."""
    from langgraph.checkpoint.base import empty_checkpoint
    from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver

    from concertino.graph.checkpoints import open_checkpoints

    async def cost(saver: Any) -> float:
        start_at: Any = {"configurable": {"thread_id": "t", "checkpoint_ns": ""}}
        config = await saver.aput(start_at, empty_checkpoint(), {"source": "input", "step": -1, "parents": {}}, {})
        writes = [("findings", {"subtask_id": "s", "output": "x" * 50})]
        start = time.perf_counter()
        await asyncio.gather(*(saver.aput_writes(config, writes, f"task{n}") for n in range(count)))
        return (time.perf_counter() - start) / count * 1e6

    async def both(folder: str) -> dict[str, float]:
        found: dict[str, list[float]] = {"checkpoints_us": [], "async_sqlite_saver_us": []}
        for turn in range(repeats):
            ours = open_checkpoints(Path(folder, f"ours{turn}.db"))
            found["checkpoints_us"].append(await cost(ours))
            ours.close()
            async with AsyncSqliteSaver.from_conn_string(str(Path(folder, f"theirs{turn}.db"))) as theirs:
                found["async_sqlite_saver_us"].append(await cost(theirs))
        return {name: round(statistics.median(costs), 1) for name, costs in found.items()}

    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(both(folder))


def measure(repeats: int = 3) -> dict[str, float]:
    """Return microseconds per event, medians: SQLite in a file (WAL, synchronous NORMAL) and in memory."""
    costs: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(repeats):
            for name, work, count in (
                ("append_and_wait", _sequential, 2_000),
                (f"append_{WAITERS}_waiters", _waiters, 20_000),
                (f"append_{WAITERS}_waiters_beside_a_busy_thread", _beside_work, 1_000),
            ):
                url = f"sqlite:///{Path(folder, f'{name}{turn}.db')}"
                costs.setdefault(f"file_{name}_us", []).append(_cost_us(work, url, count))
                costs.setdefault(f"memory_{name}_us", []).append(_cost_us(work, None, count))
                if work is _waiters:
                    costs.setdefault("file_read_us", []).append(_read_us(url, count))
    return {name: round(statistics.median(found), 1) for name, found in sorted(costs.items())}


if __name__ == "__main__":
    print(json.dumps(measure() | measure_checkpoints(), indent=2))
