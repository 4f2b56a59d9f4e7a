"""LangGraph's saver beside the journal."""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import ormsgpack
import pytest
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, RemoveMessage, SystemMessage, ToolMessage
from langgraph.checkpoint.base import empty_checkpoint
from langgraph.checkpoint.serde._msgpack import SAFE_MSGPACK_TYPES
from langgraph.graph import END, START, StateGraph
from langgraph.graph.message import add_messages
from langgraph.types import Command, Interrupt, Send, interrupt
from pydantic import BaseModel
from typing_extensions import TypedDict

from concertino.contracts.clock import SystemClock
from concertino.contracts.errors import JournalError
from concertino.graph.checkpoints import Checkpoints, StrictSerializer, open_checkpoints
from concertino.journal import SqliteJournal, open_journal

CONFIG: Any = {"configurable": {"thread_id": "th", "checkpoint_ns": ""}}
METADATA: Any = {"source": "input", "step": -1, "parents": {}}


class State(TypedDict):
    messages: Annotated[list[Any], add_messages]
    note: str


class Note(BaseModel):
    text: str


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[SqliteJournal]:
    """Give a journal in a file."""
    found = open_journal(f"sqlite:///{tmp_path / 'x.db'}", clock=SystemClock())
    assert isinstance(found, SqliteJournal)
    yield found
    found.close()


@pytest.fixture(params=["file", "memory"])
def saver(request: pytest.FixtureRequest, journal: SqliteJournal) -> Iterator[Checkpoints]:
    """Give a saver in the journal's file, and one in memory."""
    found = open_checkpoints(None if request.param == "file" else ":memory:", journal)
    yield found
    found.close()


def _graph(saver: Any) -> Any:
    def ask(state: State) -> dict[str, Any]:
        return {"note": interrupt({"question": "May I?"}), "messages": [AIMessage("done")]}

    builder = StateGraph(State)
    builder.add_node("ask", ask)
    builder.add_node("fan", lambda state: {})
    builder.add_node("leaf", lambda state: {"messages": [AIMessage(state["note"])]})
    builder.add_edge(START, "ask").add_edge("ask", "fan")
    builder.add_conditional_edges("fan", lambda state: [Send("leaf", {"note": str(n)}) for n in range(20)], ["leaf"])
    builder.add_edge("leaf", END)
    return builder.compile(checkpointer=saver)


def test_a_graph_runs_and_resumes_synchronously(saver: Checkpoints) -> None:
    """Interrupt, resume, fan-out, state and history, with looks at the state while history is read."""
    graph = _graph(saver)
    graph.invoke({"messages": [HumanMessage("hi")], "note": ""}, CONFIG, durability="sync")
    assert graph.get_state(CONFIG).next == ("ask",)
    out = graph.invoke(Command(resume="yes"), CONFIG, durability="sync")
    assert (out["note"], len(out["messages"])) == ("yes", 22)
    steps = [
        (snapshot.metadata["step"], graph.get_state(snapshot.config).next)
        for snapshot in graph.get_state_history(CONFIG)
    ]
    assert [step for step, _ in steps] == [3, 2, 1, 0, -1]


async def test_a_graph_runs_and_resumes_asynchronously(saver: Checkpoints) -> None:
    """The same through the async methods, and both see each other's work."""
    graph = _graph(saver)
    await graph.ainvoke({"messages": [HumanMessage("hi")], "note": ""}, CONFIG, durability="sync")
    out = await graph.ainvoke(Command(resume="yes"), CONFIG, durability="sync")
    assert (out["note"], len(out["messages"])) == ("yes", 22)
    history = [snapshot.values.get("note") async for snapshot in graph.aget_state_history(CONFIG)]
    assert history == [snapshot.values.get("note") for snapshot in graph.get_state_history(CONFIG)]
    await graph.checkpointer.adelete_thread("th")
    assert graph.get_state(CONFIG).values == {}


async def test_the_loop_never_touches_the_database(saver: Checkpoints, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every cursor of an async call is opened in the saver's own thread."""
    seen: set[str] = set()
    original = Checkpoints.cursor

    def spy(self: Checkpoints, transaction: bool = True) -> Any:
        seen.add(threading.current_thread().name)
        return original(self, transaction)

    monkeypatch.setattr(Checkpoints, "cursor", spy)
    await _graph(saver).ainvoke({"messages": [], "note": ""}, CONFIG)
    assert seen == {"concertino-checkpoints"}


async def test_waiting_writes_share_a_commit(journal: SqliteJournal) -> None:
    """A thousand writes awaited together take a handful of transactions, and all arrive."""
    saver = open_checkpoints(None, journal)
    config = await saver.aput(CONFIG, empty_checkpoint(), METADATA, {})
    commits: list[str] = []
    saver.conn.set_trace_callback(lambda text: commits.append(text) if text == "COMMIT" else None)
    await asyncio.gather(*(saver.aput_writes(config, [("note", n)], f"task{n}") for n in range(1_000)))
    found = await saver.aget_tuple(config)
    assert found is not None
    assert sorted(write[2] for write in found.pending_writes or ()) == list(range(1_000))
    assert len(commits) < 100
    saver.close()


async def test_a_write_that_cannot_be_stored_fails_alone(saver: Checkpoints) -> None:
    """Its neighbours in the same commit arrive; nothing of it does."""
    config = await saver.aput(CONFIG, empty_checkpoint(), METADATA, {})
    writes: list[Any] = [[("note", 1)], [("note", 2), ("note", object())], [("note", 3)]]
    outcomes = await asyncio.gather(
        *(saver.aput_writes(config, one, f"task{n}") for n, one in enumerate(writes)), return_exceptions=True
    )
    assert [isinstance(outcome, TypeError) for outcome in outcomes] == [False, True, False]
    found = await saver.aget_tuple(config)
    assert found is not None
    assert [write[2] for write in found.pending_writes or ()] == [1, 3]


def test_saver_and_journal_share_file_and_lock(journal: SqliteJournal, tmp_path: Path) -> None:
    """In the journal's file they take turns; elsewhere the saver has its own lock."""
    assert open_checkpoints(None, journal).lock is journal.write_lock
    assert open_checkpoints(tmp_path / "x.db", journal).lock is journal.write_lock
    assert open_checkpoints(f"sqlite:///{tmp_path / 'x.db'}", journal).lock is journal.write_lock
    assert open_checkpoints(tmp_path / "y.db", journal).lock is not journal.write_lock


def test_a_listing_holds_no_lock_while_somebody_looks(saver: Checkpoints) -> None:
    """Else a look at one checkpoint in the midst of the list would wait for ever."""
    for _ in range(3):
        saver.put(CONFIG, empty_checkpoint(), METADATA, {})
    listing = saver.list(CONFIG)
    next(listing)
    assert not saver.lock.locked()
    assert len(list(listing)) == 2


def test_nothing_is_opened_before_the_first_call(journal: SqliteJournal, tmp_path: Path) -> None:
    """Compiling a graph leaves no file behind."""
    _graph(open_checkpoints(None, journal)).get_graph()
    assert list(tmp_path.iterdir()) == []


async def test_faults_are_journal_errors(tmp_path: Path) -> None:
    """A missing folder, a file that is no database, a closed saver: place and reason."""
    missing = open_checkpoints(tmp_path / "no" / "x.db")
    with pytest.raises(JournalError, match="does not exist"):
        await missing.aget_tuple(CONFIG)
    (tmp_path / "y.db").write_text("minutes of a meeting " * 100)
    with pytest.raises(JournalError, match="not a database"):
        open_checkpoints(tmp_path / "y.db").get_tuple(CONFIG)
    missing.close()
    for call in (lambda: missing.get_tuple(CONFIG), lambda: asyncio.run(missing.aget_tuple(CONFIG))):
        with pytest.raises(JournalError, match="closed"):
            await asyncio.to_thread(call)


VALUES = [
    HumanMessage("h", id="1"),
    AIMessage("a", tool_calls=[{"name": "f", "args": {}, "id": "c", "type": "tool_call"}]),
    AIMessageChunk(content="a"),
    SystemMessage("s"),
    ToolMessage("t", tool_call_id="c"),
    RemoveMessage(id="1"),
    Interrupt(value={"question": "May I?"}, id="i"),
    Send("leaf", {"n": 1}),
    {"a": [1, None, 2.5, "ü"], "s": {1, 2}},
    b"bytes",
    None,
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_what_graphs_store_comes_back(value: Any) -> None:
    """Messages, interrupts, sends and plain data survive the allow-list."""
    serializer = StrictSerializer()
    found = serializer.loads_typed(serializer.dumps_typed(value))
    assert (type(found), found) == (type(value), value)


@pytest.mark.parametrize("code", range(8))
def test_a_forged_value_runs_nothing(code: int, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Stored bytes that name `os.mkdir`, in every form of constructor there is, make no folder."""
    caplog.set_level(logging.CRITICAL)
    target = str(tmp_path / "made")
    for arguments in (target, [target], {"path": target}):
        for module, name in (("os", "mkdir"), ("os", "makedirs"), ("posix", "mkdir"), ("pathlib", "os.mkdir")):
            inner = ormsgpack.packb([module, name, arguments, "mkdir"])
            StrictSerializer().loads_typed(("msgpack", ormsgpack.packb({"x": [ormsgpack.Ext(code, inner)]})))
    assert not os.path.exists(target)  # noqa: PTH110


@pytest.mark.parametrize("form", ["pickle", "json", "yaml"])
def test_older_forms_are_not_read(form: str) -> None:
    """Pickle and LangChain's JSON, which can name constructors, are refused."""
    with pytest.raises(JournalError, match=f"serialized form '{form}' refused"):
        StrictSerializer().loads_typed((form, b"{}"))


def test_other_classes_come_back_as_data_unless_allowed(caplog: pytest.LogCaptureFixture) -> None:
    """A model of somebody's own has to be listed."""
    stored = StrictSerializer().dumps_typed(Note(text="x"))
    assert StrictSerializer().loads_typed(stored) == {"text": "x"}
    assert StrictSerializer(allow=[Note]).loads_typed(stored) == Note(text="x")


def test_langgraph_itself_allows_only_what_was_reviewed() -> None:
    """Its strict mode adds types of its own; a new module among them has to be looked at."""
    assert {module.split(".")[0] if module.startswith("pathlib") else module for module, *_ in SAFE_MSGPACK_TYPES} <= {
        "builtins",
        "collections",
        "datetime",
        "decimal",
        "ipaddress",
        "langchain_core.documents.base",
        "langgraph.store.base",
        "langgraph.types",
        "pathlib",
        "re",
        "uuid",
        "zoneinfo",
        *(
            f"langchain_core.messages.{name}"
            for name in ("ai", "base", "chat", "function", "human", "modifier", "system", "tool")
        ),
    }


def test_a_foreign_transaction_is_waited_for(journal: SqliteJournal) -> None:
    """A writer of this process that holds the lock delays the saver, no more."""
    saver = open_checkpoints(None, journal)
    saver.get_tuple(CONFIG)
    other = sqlite3.connect(journal.path, timeout=0, isolation_level=None)
    put = threading.Thread(target=saver.put, args=(CONFIG, empty_checkpoint(), METADATA, {}))
    with journal.write_lock:
        other.execute("BEGIN IMMEDIATE")
        put.start()
        other.execute("COMMIT")
    put.join()
    assert saver.get_tuple(CONFIG) is not None
    other.close()
    saver.close()
