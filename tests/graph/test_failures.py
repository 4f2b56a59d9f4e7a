"""A specialist's failure is data: nothing it raises, returns or withholds reaches the caller as an exception."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any

import pytest

from concertino import Brief, Declined, Finding, specialist
from tests.graph import isolated
from tests.graph.plans import outputs, planner, states, subtask, task

BOTH = pytest.mark.parametrize("is_sync", [True, False])


async def _run(graph: Any, given: Any, *, is_sync: bool) -> Any:
    out = graph.invoke(given) if is_sync else await graph.ainvoke(given)
    return out["result"]


def _entry(result: Any, subtask_id: str = "s") -> Any:
    return next(entry for entry in result["subtasks"] if entry["subtask_id"] == subtask_id)


class Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


RAISED: list[BaseException] = [
    ValueError("v"),
    SystemExit(3),
    KeyboardInterrupt(),
    asyncio.CancelledError(),
    StopIteration("s"),
    StopAsyncIteration("s"),
    GeneratorExit(),
    BaseException("b"),
    ExceptionGroup("g", [ValueError("v")]),
    RecursionError("deep"),
    TimeoutError("t"),
    MemoryError(),
    Mute(),
    ValueError("x" * 1_000_000 + "\x00\ud800"),
]


@BOTH
@pytest.mark.parametrize("kind", ["coroutine", "function"])
@pytest.mark.parametrize("error", RAISED, ids=lambda error: type(error).__name__)
async def test_whatever_is_raised_fails_the_subtask_alone(error: BaseException, kind: str, is_sync: bool) -> None:
    """After its attempts the subtask is failed with type and message; its sibling completes."""
    if kind == "coroutine":

        @specialist("bad", max_attempts=2)
        async def bad(brief: Brief) -> Any:
            raise error
    else:

        @specialist("bad", max_attempts=2)
        def bad(brief: Brief) -> Any:
            raise error

    @specialist("good")
    def good(brief: Brief) -> int:
        return 1

    graph = planner(bad, good)
    result = await _run(graph, task("t", subtask("s", "bad"), subtask("g", "good")), is_sync=is_sync)
    assert states(result) == {"s": "failed", "g": "completed"}
    entry = _entry(result)
    assert entry["attempts"] == 2
    assert entry["error"]["type"]
    assert 0 < len(entry["error"]["message"]) <= 2_000
    json.dumps(result, allow_nan=False).encode()


def test_an_exit_is_named() -> None:
    """`sys.exit(3)` in a specialist is reported as what it is."""

    @specialist("bad", max_attempts=1)
    def bad(brief: Brief) -> Any:
        raise SystemExit(3)

    result = planner(bad).invoke(task("t", subtask("s", "bad")))["result"]
    assert _entry(result)["error"] == {"type": "SystemExit", "message": "called sys.exit(3)"}
    assert _entry(result)["reason"] == "called sys.exit(3)"


def _cycle() -> list[Any]:
    found: list[Any] = []
    found.append(found)
    return found


NONSENSE: dict[str, tuple[Any, str]] = {
    "nothing": (None, "returned nothing"),
    "object": (object(), "must be JSON"),
    "confidence 7": ({"output": 1, "confidence": 7}, "less than or equal to 1"),
    "confidence text": ({"output": 1, "confidence": "high"}, "valid number"),
    "confidence NaN": ({"output": 1, "confidence": float("nan")}, "finite"),
    "NaN": ({"a": [float("nan")]}, "finite"),
    "huge integer": (2**70, "64 bits"),
    "10 MB": ("x" * 10_000_000, "at most 4000000 bytes"),
    "cycle": (_cycle(), "recursive"),
    "number keys": ({1: 2}, "keys must be text"),
    "bytes": (b"x", "must be JSON"),
    "unchecked finding": (Finding.model_construct(output=1, confidence=9), "less than or equal to 1"),
}


@BOTH
@pytest.mark.parametrize("kind", NONSENSE)
async def test_nonsense_is_refused_with_its_rule(kind: str, is_sync: bool) -> None:
    """An answer that is no finding fails the subtask, naming field, value and rule."""
    answer, rule = NONSENSE[kind]

    @specialist("bad", max_attempts=1)
    async def bad(brief: Brief) -> Any:
        return answer

    result = await _run(planner(bad), task("t", subtask("s", "bad")), is_sync=is_sync)
    error = _entry(result)["error"]
    assert (_entry(result)["state"], error["type"]) == ("failed", "AnswerRefused")
    assert rule in error["message"]
    assert error["data"]["field"].startswith("answer")


@BOTH
async def test_nul_bytes_and_lone_surrogates_are_taken_out(is_sync: bool) -> None:
    """Text that no database can hold is cleaned, not refused."""

    @specialist("odd")
    def odd(brief: Brief) -> Any:
        return {"t": "a\x00b\ud800c"}

    result = await _run(planner(odd), task("t", subtask("s", "odd")), is_sync=is_sync)
    assert outputs(result) == {"s": {"t": "abc"}}


@BOTH
async def test_an_answer_against_the_output_schema_is_refused(is_sync: bool) -> None:
    """A declared output schema is enforced."""
    schema = {"type": "object", "properties": {"v": {"type": "integer"}}, "required": ["v"]}

    @specialist("bad", max_attempts=1, output_schema=schema)
    def bad(brief: Brief) -> Any:
        return {"v": "seven"}

    result = await _run(planner(bad), task("t", subtask("s", "bad")), is_sync=is_sync)
    assert "answer.output.v" in _entry(result)["error"]["message"]


# Retries, alternatives, dependents.


@BOTH
async def test_a_failure_is_tried_again_at_once(is_sync: bool) -> None:
    """The second and third attempt follow while a sibling still runs, and the third may succeed."""
    third = threading.Event()

    @specialist("shaky")
    def shaky(brief: Brief) -> int:
        if brief.attempt < 3:
            raise ConnectionError("try again")
        third.set()
        return brief.attempt

    @specialist("slow")
    def slow(brief: Brief) -> int:
        assert third.wait(10)
        return 1

    result = await _run(planner(shaky, slow), task("t", subtask("s", "shaky"), subtask("w", "slow")), is_sync=is_sync)
    assert result["status"] == "success"
    assert (_entry(result)["attempts"], _entry(result)["outputs"]) == (3, 3)


@BOTH
@pytest.mark.parametrize("how", ["capability", "variant"])
async def test_an_alternative_takes_over(how: str, is_sync: bool) -> None:
    """After its own attempts, another specialist with the capability, or a variant, does the subtask."""

    @specialist("first", capabilities={"count"}, authority=1.0)
    def first(brief: Brief) -> int:
        raise ConnectionError("no")

    options: dict[str, Any] = {"variant_of": "first"} if how == "variant" else {"capabilities": {"count"}}

    @specialist("second", authority=0.1, **options)
    async def second(brief: Brief) -> int:
        return 2

    given = task("t", subtask("s", "first"))
    if how == "variant":  # the draw between variants must begin with the one that fails
        graph = planner(first, second)
        for number in range(50):
            given = task(f"t{number}", subtask("s", "first"))
            result = await _run(graph, given, is_sync=is_sync)
            if _entry(result)["attempts"] > 1:
                break
    else:
        result = await _run(planner(first, second), given, is_sync=is_sync)
    entry = _entry(result)
    assert (entry["state"], entry["specialist"], entry["outputs"]) == ("completed", "second", 2)
    assert entry["attempts"] == 4


@BOTH
async def test_a_refusal_is_not_tried_again(is_sync: bool) -> None:
    """`Declined` is asked of nobody twice; an alternative is asked, else its reason stands."""
    asked: list[int] = []

    @specialist("shy")
    def shy(brief: Brief) -> Any:
        asked.append(1)
        return Declined(reason="not my field")

    result = await _run(planner(shy), task("t", subtask("s", "shy")), is_sync=is_sync)
    assert (len(asked), _entry(result)["error"]) == (1, {"type": "Declined", "message": "not my field"})
    assert result["failed_agents"][0]["error"] == "declined: not my field"


@BOTH
async def test_what_may_run_once_is_tried_once(is_sync: bool) -> None:
    """`delivery="at_most_once"` has one attempt."""
    asked: list[int] = []

    @specialist("once", delivery="at_most_once")
    def once(brief: Brief) -> Any:
        asked.append(1)
        raise ConnectionError("lost")

    result = await _run(planner(once), task("t", subtask("s", "once")), is_sync=is_sync)
    assert (len(asked), _entry(result)["state"]) == (1, "failed")


@BOTH
async def test_partial_success_has_document_004s_shape(is_sync: bool) -> None:
    """What works is delivered; what is missing is named with its impact and what to do about it."""

    @specialist("financial_agent", authority=0.8)
    def financial(brief: Brief) -> Any:
        return Finding(output=10, confidence=0.5)

    @specialist("legal_agent", max_attempts=2, authority=0.9)
    async def legal(brief: Brief) -> Any:
        raise TimeoutError

    @specialist("writer")
    def writer(brief: Brief) -> Any:
        return 1

    given = task(
        "t",
        subtask("f", "financial_agent"),
        subtask("l", "legal_agent", objective="Confirm legal compliance."),
        subtask("w", "writer", "l"),
    )
    result = await _run(planner(financial, legal, writer), given, is_sync=is_sync)
    assert result["status"] == "partial_success"
    assert result["completed_agents"] == ["financial_agent"]
    assert result["results"] == {"financial_agent": 10}
    first = result["failed_agents"][0]
    assert (first["agent"], first["error"]) == ("legal_agent", "timeout_after_2_attempts")
    assert first["impact"] == "Not done: Confirm legal compliance. Skipped in consequence: w"
    assert result["recommendations"][0] == "Retry legal analysis with extended timeout"
    assert "Manual legal review recommended" in result["recommendations"]
    assert _entry(result, "w")["reason"] == "needs l, which is failed"
    assert {missing["specialist"] for missing in result["missing"]} == {"legal_agent", "writer"}
    assert result["confidence"] < 0.5
    assert result["needs_review"] == ["l"]


@BOTH
async def test_an_optional_failure_is_no_partial_success(is_sync: bool) -> None:
    """A subtask with `required: false` may fail."""

    @specialist("bad", max_attempts=1)
    def bad(brief: Brief) -> Any:
        raise ValueError("no")

    @specialist("good")
    def good(brief: Brief) -> int:
        return 1

    given = task("t", subtask("s", "bad", required=False), subtask("g", "good"))
    assert (await _run(planner(bad, good), given, is_sync=is_sync))["status"] == "success"


@pytest.mark.parametrize("kind", ["function", "process", "tool"])
def test_a_refused_model_gives_a_reason_in_one_line(kind: str) -> None:
    """Of Pydantic's complaints the first is told, by field, value and rule, without its web address."""

    @specialist("function", max_attempts=1)
    def function(brief: Brief) -> Finding:
        return Finding(output=1, confidence=7)

    @specialist("tool", max_attempts=1)
    def caller(brief: Brief) -> Any:
        return brief.tools.find()

    def find() -> Finding:
        return Finding(output=1, confidence=7)

    team = {"function": function, "process": isolated.overconfident, "tool": caller}
    result = planner(team[kind], tools=[find]).invoke(task("t", subtask("s", team[kind].name)))["result"]
    reason = _entry(result)["reason"]
    assert "Finding.confidence: 7 refused: Input should be less than or equal to 1" in reason
    assert "\n" not in reason
    assert "http" not in reason
