"""A subtask whose tool failed: tried again where that can help, without multiplying requests."""

from __future__ import annotations

from typing import Any

import pytest

from concertino import BreakerPolicy, Brief, Transient, create_planner, specialist, tool
from tests.graph import isolated
from tests.graph.plans import subtask, task

LENIENT = BreakerPolicy(failure_threshold=99)


class NotFound(Exception):
    status_code = 404


async def tried(*errors: Exception, attempts: int = 3, kind: str = "coroutine") -> tuple[dict[str, Any], int]:
    """Return the entry of a subtask whose one tool raises `errors` in turn and then answers, and how often it was called."""
    left, calls = list(errors), 0

    def add(a: int, b: int) -> int:
        nonlocal calls
        calls += 1
        if left:
            raise left.pop(0)
        return a + b

    @specialist("coroutine")
    async def coroutine(brief: Brief) -> Any:
        return await brief.tools.add(a=2, b=3)

    @specialist("function")
    def function(brief: Brief) -> Any:
        return brief.tools.add(a=2, b=3)

    team = [coroutine, function, isolated.adder]
    graph = create_planner(specialists=team, tools=[tool("add", attempts=attempts, breaker=LENIENT)(add)])
    out = await graph.ainvoke(task("t", subtask("s", kind)))
    return out["result"]["subtasks"][0], calls


@pytest.mark.parametrize("kind", ["coroutine", "function", "adder"])
@pytest.mark.parametrize("error", [RuntimeError("r"), ValueError("v"), OSError("o")])
async def test_a_failure_of_unknown_kind_is_tried_again_by_the_subtask(error: Exception, kind: str) -> None:
    """The guard gives up at once, the subtask does not; also across a process boundary."""
    entry, calls = await tried(error, error, kind=kind)
    assert (entry["state"], entry["attempts"], calls) == ("completed", 3, 3)


GONE = ConnectionError("gone")
FOR_GOOD: dict[str, tuple[list[Exception], int, int, int]] = {
    "unknown": ([ValueError("v")] * 9, 3, 3, 3),
    "transient": ([Transient("t", retry_after=0)] * 9, 3, 1, 3),
    "unknown, then transient": ([ValueError("v"), *[Transient("t")] * 9], 3, 2, 3),
    "transient, then unknown": ([GONE, *[ValueError("v")] * 9], 3, 1, 2),
    "refused": ([NotFound("n")] * 9, 3, 1, 1),
    "once only": ([ValueError("v")] * 9, 1, 1, 1),
    "transient, once only": ([GONE] * 9, 1, 1, 1),
}
"""Errors, the tool's attempts; then attempts of the subtask, and requests."""


@pytest.mark.parametrize("case", FOR_GOOD)
async def test_requests_of_one_call_are_not_multiplied(case: str) -> None:
    """The tool's attempts bound the requests of one call over all attempts of its subtask."""
    errors, attempts, tries, requests = FOR_GOOD[case]
    entry, calls = await tried(*errors, attempts=attempts)
    assert (entry["state"], entry["attempts"], calls) == ("failed", tries, requests)
    assert entry["error"]["type"] == "ToolFailed"
