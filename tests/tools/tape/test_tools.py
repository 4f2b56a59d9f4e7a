"""Tools on tape: plain and async ones, what they are given and what they give back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest
from pydantic import BaseModel

from concertino.contracts.errors import InputError
from concertino.contracts.scope import Scope, scoped
from concertino.tools.registry import Tool
from concertino.tools.retry import Transient
from concertino.tools.tape.failures import failure_of, raised
from concertino.tools.tape.files import Tape, read_tape, write_tape
from concertino.tools.tape.lines import Head
from concertino.tools.tape.player import Player
from concertino.tools.tape.recorder import Recorder
from concertino.tools.tape.seeds import Seeded
from concertino.tools.tape.values import decode, encode
from tests.clocks import StillClock


class Row(NamedTuple):
    name: str
    number: int


@dataclass(frozen=True)
class Page:
    rows: tuple[Row, ...]
    text: str = ""


class Shape(BaseModel):
    size: int


class Library:
    """A whole world that no tape can hold."""


def through(tool: Tool, ask: Any, path: Any) -> tuple[Any, Any, Player]:
    """Record a call of a tool, and play it without the tool."""
    clock = StillClock()
    recorder = Recorder(clock)
    with scoped(Scope("w")):
        first = ask(recorder.tool(tool))
    write_tape(path / "c.jsonl", Tape(Head(case="c"), recorder.lines()))
    player = Player(read_tape(path / "c.jsonl"), StillClock())
    dead = Tool(name=tool.name, fn=tool.fn and never, afn=tool.afn and never_async)
    with scoped(Scope("w")):
        second = ask(player.tool(dead))
    return first, second, player


def never(*args: Any, **kwargs: Any) -> Any:
    raise AssertionError("was called")


async def never_async(*args: Any, **kwargs: Any) -> Any:
    raise AssertionError("was called")


VALUES: list[Any] = [
    None,
    3,
    (1, (2,)),
    2.5,
    "text",
    [1, [2]],
    {"a": {"b": []}},
    Page((Row("a", 1),), "t"),
    Row("b", 2),
    [Shape(size=3)],
]


@pytest.mark.parametrize("value", VALUES, ids=str)
def test_what_a_tool_gives_back_comes_back_as_it_was(value: Any, tmp_path: Any) -> None:
    """Dataclasses, named tuples and Pydantic models too."""
    tool = Tool(name="t", fn=lambda library, **_: value)
    first, second, player = through(tool, lambda one: one.fn(Library(), q=[1, "x"]), tmp_path)
    assert first == second == value
    assert type(second) is type(value)
    assert player.calls()[0]["request"] == {"args": [{"$object": "Library"}], "arguments": {"q": [1, "x"]}}


async def test_an_async_tool_takes_its_time(tmp_path: Any) -> None:
    """On the run's clock."""
    clock = StillClock()
    recorder = Recorder(clock)

    async def slow() -> str:
        await clock.asleep(1.5)
        return "done"

    known = recorder.tool(Tool(name="t", afn=slow))
    assert known.afn is not None
    assert await known.afn() == "done"
    later = StillClock()
    player = Player(Tape(Head(case="c"), recorder.lines()), later)
    played = player.tool(Tool(name="t", afn=never_async))
    assert played.afn is not None
    assert (await played.afn(), later.slept) == ("done", [1.5])


def test_an_error_of_a_tool_is_raised_again(tmp_path: Any) -> None:
    """As what the guard makes of it, with its name and its words."""

    def fail() -> None:
        raise Transient("busy", retry_after=4.0)

    def ask(one: Tool) -> Any:
        assert one.fn is not None
        try:
            one.fn()
        except Exception as error:
            return type(error).__name__, str(error), getattr(error, "retry_after", None), isinstance(error, Transient)

    first, second, _ = through(Tool(name="t", fn=fail), ask, tmp_path)
    assert first == second == ("Transient", "busy", 4.0, True)


@pytest.mark.parametrize(
    "error",
    [TimeoutError("t"), ConnectionResetError("r"), ConnectionRefusedError("n"), ValueError("v"), Transient("x")],
    ids=repr,
)
def test_an_error_keeps_its_kind(error: Exception) -> None:
    """Recorded again, what is raised gives the same record."""
    known = failure_of(error, now=0.0)
    assert failure_of(raised(known), now=0.0) == known


def test_what_no_tape_can_hold_is_refused_when_the_tape_is_made() -> None:
    """The run itself goes on; the tool is named."""
    recorder = Recorder(StillClock())
    tool = recorder.tool(Tool(name="t", fn=Library))
    assert tool.fn is not None
    assert isinstance(tool.fn(), Library)
    with pytest.raises(InputError, match=r"tools.t: 'Library' refused"):
        recorder.lines()


@pytest.mark.parametrize("named", ["os:system", "subprocess:Popen", "builtins:dict", "nowhere:Thing", "sys:modules"])
def test_a_tape_cannot_make_anything_else(named: str) -> None:
    """Only data classes that are loaded are made of what is recorded, and nothing is imported."""
    with pytest.raises(InputError, match="must be a dataclass"):
        decode({"$type": named, "fields": {"args": "x"}}, field="tools.t")


def test_a_value_nests_only_so_deep() -> None:
    """A circle is refused, and does not exhaust the stack."""
    circle: list[Any] = []
    circle.append(circle)
    with pytest.raises(InputError, match="nested at most"):
        encode(circle, field="f", is_strict=True)


def test_ids_and_chances_follow_from_seed_and_scope() -> None:
    """Each part of a run has a sequence of its own, so that no order of parts can change it."""
    one, other = Seeded(1), Seeded(1)
    with scoped(Scope("a")):
        first = [one.new_id("run"), one.random()]
    with scoped(Scope("b")):
        second = [one.new_id("run"), one.random()]
        assert [other.new_id("run"), other.random()] == second
    with scoped(Scope("a")):
        assert [other.new_id("run"), other.random()] == first
    assert first != second
    assert Seeded(2).new_id("run") != Seeded(1).new_id("run") != Seeded(1, run=2).new_id("run")
    assert 0 <= Seeded(3).random() < 1
