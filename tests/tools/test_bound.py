"""`brief.tools`: one subtask attempt's tools, for coroutines and for threads."""

import asyncio
from typing import Any

import pytest

from concertino.contracts.errors import DeadlineExceeded
from concertino.tools.bound import BoundTools
from concertino.tools.registry import Cost, as_tool, collect, tool
from tests.tools.world import World


def bound(world: World, *declared: Any, blocking: bool = False, deadline: float | None = None) -> BoundTools:
    return BoundTools(
        collect(declared),
        guard=world.guard,
        account=lambda _: world.account,
        key="sub:2",
        blocking=blocking,
        deadline=deadline,
    )


def test_bound_tools_answer_coroutines() -> None:
    """By attribute, by item and by name it is the same tool, under keys counted per tool."""
    world = World()

    @tool("add", cost=Cost())
    async def add(a: int, b: int = 1) -> int:
        return a + b

    @tool
    def double(a: int) -> int:
        """Return twice `a`."""
        return 2 * a

    tools = bound(world, add, double)

    async def main() -> list[int]:
        return [await tools.add(a=1), await tools["add"](2, b=2), await tools.call("double", a=4), await tools.add(5)]

    assert asyncio.run(main()) == [2, 4, 8, 6]
    assert list(world.account.made) == ["sub:2:add:1#1", "sub:2:add:2#1", "sub:2:double:1#1", "sub:2:add:3#1"]


def test_bound_tools_answer_threads() -> None:
    """In a plain function a call returns its result, whether the tool is async or not."""
    world = World()
    tools = bound(world, world.script("async"), blocking=True)
    assert tools.search() == "async"
    assert ("search" in tools, "other" in tools) == (True, False)


def test_unknown_tool_is_named_with_what_there_is() -> None:
    """Each way of asking fails as Python expects, and tells the names."""
    tools = bound(World(), as_tool(lambda: 1, name="one"))
    with pytest.raises(AttributeError, match="no tool 'two'; there are: one"):
        _ = tools.two
    with pytest.raises(KeyError, match="no tool 'two'"):
        _ = tools["two"]
    with pytest.raises(KeyError, match="no tool 'two'"):
        tools.call("two")


def test_open_tool_is_not_offered() -> None:
    """A tool whose breaker is open is absent from the names."""
    world = World()
    tools = bound(world, world.script("x"), as_tool(lambda: 1, name="one"))
    assert tools.names() == ("search", "one")
    for _ in range(3):
        world.breakers.get("search", "").enter().failure(0.1)
    assert tools.names() == ("one",)


def test_closed_tools_send_nothing_more() -> None:
    """A thread that outlived its run is refused at its next call."""
    world = World()
    tools = bound(world, world.plain("x", "y"), blocking=True)
    assert tools.search() == "x"
    tools.close(DeadlineExceeded(scope="run", limit_s=1.0))
    with pytest.raises(DeadlineExceeded, match="run"):
        tools.search()
    assert world.calls == 1
