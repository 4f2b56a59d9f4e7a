"""Tools from functions and from LangChain, and what is refused."""

import asyncio
import functools
from typing import Any

import pytest
from langchain_core.tools import BaseTool, StructuredTool
from langchain_core.tools import tool as langchain_tool

from concertino.contracts.budget import Budget
from concertino.contracts.errors import SetupError
from concertino.tools.breaker import BreakerPolicy
from concertino.tools.registry import Cost, Tool, as_tool, collect, tool


def test_function_becomes_a_tool_with_its_name_and_first_paragraph() -> None:
    """A plain function is called in a thread, an async one on the loop."""

    @tool
    def find(query: str) -> str:
        """Find things
        by name.

        And more.
        """
        return query

    @tool("look", cost=Cost(tokens=5), timeout_s=None, attempts=1)
    async def find_too(query: str) -> str:
        return query

    assert (find.name, find.description, find.afn) == ("find", "Find things\nby name.", None)
    assert (look := find_too).name == "look"
    assert (look.fn, look.timeout_s, look.attempts, look.cost) == (None, None, 1, Cost(tokens=5))


def test_async_is_seen_through_partials_and_objects() -> None:
    """What is async behind a wrapper runs on the loop; a function that merely returns a coroutine is run to its end."""

    async def add(a: int, b: int) -> int:
        return a + b

    class Adder:
        async def __call__(self, a: int) -> int:
            return a

    assert as_tool(functools.partial(add, 1), name="add").afn is not None
    assert as_tool(Adder()).afn is not None
    hidden = as_tool(lambda a, b: add(a, b), name="hidden").fn
    assert hidden is not None
    assert hidden(1, 2) == 3


def test_langchain_tools_are_read_by_shape() -> None:
    """Only a truly async LangChain tool runs on the loop; arguments become its one input."""

    @langchain_tool
    def plain(a: int) -> int:
        """Double."""
        return 2 * a

    @langchain_tool
    async def later(a: int) -> int:
        """Triple."""
        return 3 * a

    class Own(BaseTool):
        name: str = "own"
        description: str = "Quadruple."

        def _run(self, a: int) -> int:
            return 4 * a

    class Both(Own):
        name: str = "both"

        async def _arun(self, a: int) -> int:
            return 5 * a

    found = collect([plain, later, Own(), Both()])
    assert {name: (one.fn is not None, one.afn is not None) for name, one in found.items()} == {
        "plain": (True, False),
        "later": (False, True),
        "own": (True, False),
        "both": (True, True),
    }
    assert found["plain"].description == "Double."
    assert found["plain"].fn is not None
    assert (found["plain"].fn(a=2), found["plain"].fn({"a": 3})) == (4, 6)
    afn: Any = found["both"].afn
    assert asyncio.run(afn(a=2)) == 10
    with pytest.raises(TypeError, match="exactly one by position"):
        found["plain"].fn(1, 2)


def test_structured_tool_with_both_sides_keeps_both() -> None:
    """Each caller gets the side that fits it."""

    def sync(a: int) -> int:
        """Add."""
        return a

    async def later(a: int) -> int:
        return a

    both = as_tool(StructuredTool.from_function(func=sync, coroutine=later))
    assert both.fn is not None
    assert both.afn is not None


def test_mapping_names_its_tools() -> None:
    """In a mapping the key is the name."""
    assert list(collect({"one": lambda: 1, "two": lambda: 2})) == ["one", "two"]


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ([lambda: 1], "tool.name"),
        ({"a b": len}, "tool.name"),
        ({"names": len}, "tool.name"),
        ([len, len], "tools"),
        ([42], "tools"),
    ],
)
def test_unusable_tools_are_refused(given: Any, field: str) -> None:
    """A bad, taken or repeated name, and what is no tool at all, is refused by field."""
    with pytest.raises(SetupError) as caught:
        collect(given)
    assert caught.value.field == field


@pytest.mark.parametrize(
    "options",
    [
        {"attempts": 0},
        {"attempts": 4},
        {"attempts": True},
        {"timeout_s": 0.0},
        {"timeout_s": float("nan")},
        {"fn": None},
    ],
)
def test_unusable_options_are_refused(options: dict[str, Any]) -> None:
    """Attempts are 1-3, a timeout is above 0, and there is something to call."""
    with pytest.raises(SetupError):
        Tool(**{"name": "x", "fn": len, **options})


@pytest.mark.parametrize("options", [{"tokens": -1}, {"calls": 1.5}, {"usd": float("inf")}, {"documents": True}])
def test_unusable_cost_is_refused(options: dict[str, Any]) -> None:
    """Costs are whole and finite."""
    with pytest.raises(SetupError):
        Cost(**options)


def test_options_may_be_mappings() -> None:
    """Breaker, cost and budget are given as values or as mappings of their fields, and become what they stand for."""

    @tool("look", breaker={"probes": 2}, cost={"usd": 0.01}, budget={"tokens": 5})
    def look() -> None: ...

    assert (look.breaker, look.cost, look.budget) == (BreakerPolicy(probes=2), Cost(usd=0.01), Budget(tokens=5))
    assert as_tool(len, cost={"tokens": 3}).cost == Cost(tokens=3)


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"breaker": {"failures": 2}}, "tools.look.breaker.failures"),
        ({"breaker": {"probes": 0}}, "breaker.probes"),
        ({"breaker": {"probes": None}}, "breaker.probes"),
        ({"breaker": {"reset_timeout_s": "1"}}, "breaker.reset_timeout_s"),
        ({"breaker": {"slow_s": None}}, "breaker.slow_s"),
        ({"breaker": {"failure_rate": "0.5"}}, "breaker.failure_rate"),
        ({"breaker": {"slow_rate": float("nan")}}, "breaker.slow_rate"),
        ({"breaker": {"window_s": True}}, "breaker.window_s"),
        ({"breaker": 3}, "tools.look.breaker"),
        ({"cost": 3}, "tools.look.cost"),
        ({"cost": {"dollars": 3}}, "tools.look.cost.dollars"),
        ({"cost": {"usd": "1"}}, "cost.usd"),
        ({"cost": {"usd": True}}, "cost.usd"),
        ({"cost": {"tokens": None}}, "cost.tokens"),
        ({"budget": 3}, "tools.look.budget"),
        ({"budget": {"tokens": 1.5}}, "tools.look.budget.tokens"),
        ({"budget": {"cents": 1}}, "tools.look.budget.cents"),
        ({"timeout_s": "5"}, "tools.look.timeout_s"),
        ({"timeout_s": True}, "tools.look.timeout_s"),
        ({"attempts": "2"}, "tools.look.attempts"),
        ({"endpoint": 5}, "tools.look.endpoint"),
        ({"description": 5}, "tools.look.description"),
        ({"used": 5}, "tools.look.used"),
        ({"retries": 5}, "tool.retries"),
        ({"fn": len}, "tool.fn"),
    ],
)
def test_wrong_options_are_refused_where_the_tool_is_declared(options: dict[str, Any], field: str) -> None:
    """An option that no run could use is refused by field, value and rule."""
    declare: Any = tool
    with pytest.raises(SetupError) as caught:
        declare("look", **options)(lambda: None)
    assert caught.value.field == field
    assert caught.value.rule


def test_options_reach_a_tool_that_is_given_at_once() -> None:
    """`tool(function, option=...)` keeps its options."""
    declare: Any = tool
    assert declare(len, attempts=1).attempts == 1


@pytest.mark.parametrize("given", [len, "search", 5])
def test_what_is_no_list_of_tools_is_refused(given: Any) -> None:
    """One tool alone, or none at all, is refused as a list of tools."""
    with pytest.raises(SetupError) as caught:
        collect(given)
    assert caught.value.field == "tools"
