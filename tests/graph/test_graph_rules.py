"""Rules of a run: breakers and bounds of specialists, stages, reviews, budgets."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.types import Command

from concertino import Brief, Budget, BudgetExceeded, specialist
from concertino.tools.breaker import BreakerPolicy
from concertino.tools.registry import tool
from tests.graph.plans import alpha, on, outputs, planner, states, subtask, task

BOTH = pytest.mark.parametrize("is_sync", [True, False])


async def _run(graph: Any, given: Any, config: Any = None, *, is_sync: bool, **kwargs: Any) -> Any:
    out = graph.invoke(given, config, **kwargs) if is_sync else await graph.ainvoke(given, config, **kwargs)
    return out if "__interrupt__" in out else out["result"]


def _entry(result: Any, subtask_id: str = "s") -> Any:
    return next(entry for entry in result["subtasks"] if entry["subtask_id"] == subtask_id)


def _events(graph: Any, task_id: str) -> list[Any]:
    found: list[Any] = graph.conductor.options.journal.events(task_id).result()
    return found


@BOTH
async def test_an_open_breaker_blocks_without_a_call(is_sync: bool) -> None:
    """A specialist's own breaker opens after its failures; later subtasks are blocked, and the result shows it."""
    asked: list[int] = []

    @specialist("weak", breaker=BreakerPolicy(failure_threshold=2), max_attempts=3)
    def weak(brief: Brief) -> Any:
        asked.append(1)
        raise ConnectionError("down")

    graph = planner(weak)
    first = await _run(graph, task("t1", subtask("s", "weak")), is_sync=is_sync)
    second = await _run(graph, task("t2", subtask("s", "weak")), is_sync=is_sync)
    assert len(asked) == 2
    assert _entry(first)["state"] == "blocked"
    assert (_entry(second)["state"], _entry(second)["error"]["type"]) == ("blocked", "BreakerOpen")
    assert [breaker["state"] for breaker in second["breakers"]] == ["OPEN"]
    kinds = [event.type for event in _events(graph, "t2")]
    assert "TASK_BLOCKED" in kinds


@BOTH
async def test_a_specialists_own_concurrency_is_kept(is_sync: bool) -> None:
    """`max_concurrency` bounds one specialist while others run beside it."""
    running, most = [0], [0]
    lock = threading.Lock()

    @specialist("narrow", max_concurrency=2)
    def narrow(brief: Brief) -> int:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        threading.Event().wait(0.002)
        with lock:
            running[0] -= 1
        return 1

    many = [subtask(f"s{number}", "narrow") for number in range(9)]
    result = await _run(planner(narrow), task("t", *many), is_sync=is_sync)
    assert (result["status"], most[0]) == ("success", 2)


@BOTH
async def test_a_missed_sla_is_tried_again_and_flagged(is_sync: bool) -> None:
    """The first attempt is stopped at its SLA, the second answers; the miss is on the record and up for review."""

    @specialist("late", sla_s=0.02)
    async def late(brief: Brief) -> int:
        if brief.attempt == 1:
            await asyncio.Event().wait()
        return brief.attempt

    graph = planner(late)
    result = await _run(graph, task("t", subtask("s", "late")), is_sync=is_sync)
    assert (result["status"], _entry(result)["outputs"], _entry(result)["sla_missed"]) == ("success", 2, True)
    assert result["needs_review"] == ["s"]
    assert "SLA_MISSED" in [event.type for event in _events(graph, "t")]


@BOTH
async def test_what_never_returns_is_stopped_at_its_deadline(is_sync: bool) -> None:
    """A subtask's seconds bound all its attempts; its siblings and the result are not held up."""

    @specialist("stuck", budget=Budget(seconds=0.02))
    async def stuck(brief: Brief) -> int:
        await asyncio.Event().wait()
        return 1

    result = await _run(planner(stuck), task("t", subtask("s", "stuck")), is_sync=is_sync)
    entry = _entry(result)
    assert (entry["state"], entry["error"]["type"], entry["attempts"]) == ("failed", "DeadlineExceeded", 1)
    assert result["failed_agents"][0]["error"] == "timeout_after_1_attempt"


# Stages.


@BOTH
@pytest.mark.parametrize(("fit", "ran"), [(True, ["completed", "completed"]), (False, ["completed", "skipped"])])
async def test_a_stage_can_end_the_run_early(fit: bool, ran: list[str], is_sync: bool) -> None:
    """A stage's condition is looked at when the stage is over; what follows is left out and missed by nobody."""

    @specialist("screener")
    def screener(brief: Brief) -> Any:
        return {"fit": fit}

    @specialist("offerer")
    def offerer(brief: Brief) -> Any:
        return 1

    plan = {
        "subtasks": [
            subtask("screen", "screener", stage="screening"),
            subtask("offer", "offerer", stage="offer"),
        ],
        "stop_when": {"screening": "!findings.screen.fit"},
    }
    result = await _run(planner(screener, offerer), {"task": {"task_id": "t", "plan": plan}}, is_sync=is_sync)
    assert list(states(result).values()) == ran
    assert (result["status"], result["missing"]) == ("success", [])


@BOTH
async def test_stages_run_one_after_another(is_sync: bool) -> None:
    """Nothing of a later stage starts before the earlier one is over."""
    order: list[str] = []

    @specialist("noter")
    def noter(brief: Brief) -> int:
        order.append(brief.subtask_id)
        return 1

    subtasks = [subtask(f"{stage}{n}", "noter", stage=stage) for stage in ("x", "y", "z") for n in range(3)]
    result = await _run(planner(noter), task("t", *subtasks), is_sync=is_sync)
    assert result["status"] == "success"
    assert [name[0] for name in order] == ["x"] * 3 + ["y"] * 3 + ["z"] * 3


# Reviews of what stayed failed.


@BOTH
@pytest.mark.parametrize(
    ("answer", "status", "state"),
    [
        ("accept", "partial_success", "failed"),
        ("reject", "failed", "failed"),
        ({"decision": "edit", "inputs": {"works": True}}, "success", "completed"),
    ],
)
async def test_a_person_decides_about_a_failure(answer: Any, status: str, state: str, is_sync: bool) -> None:
    """With `escalate="ask"` a required subtask that stays failed parks: go on without, give up, or try with new inputs."""

    @specialist("picky", max_attempts=1)
    def picky(brief: Brief) -> Any:
        if not brief.inputs.get("works"):
            raise ValueError("bad inputs")
        return 1

    graph, where = planner(picky, alpha, escalate="ask", checkpointer=InMemorySaver()), on("t")
    given = task("t", subtask("s", "picky", inputs={"works": False}), subtask("a", "alpha"), subtask("b", "alpha", "s"))
    parked = await _run(graph, given, where, is_sync=is_sync)
    asked = parked["__interrupt__"][0].value
    assert asked["gate"] == "s.review"
    assert asked["gates"][0]["details"]["error"]["message"] == "bad inputs"
    result = await _run(graph, Command(resume=answer), where, is_sync=is_sync)
    assert (result["status"], _entry(result)["state"]) == (status, state)
    assert _entry(result, "b")["state"] == ("completed" if state == "completed" else "skipped")


# Budgets.


def _spender(tokens: int, **options: Any) -> Any:
    @specialist("spender", max_attempts=1, **options)
    async def spender(brief: Brief) -> int:
        await brief.spend(tokens=tokens)
        return 1

    return spender


async def look() -> int:
    """Look."""
    return 1


MANY = [subtask(f"s{number}", "spender") for number in range(10)]


@BOTH
@pytest.mark.parametrize("level", ["run", "context", "node", "specialist", "plan"])
async def test_a_limit_holds_at_every_level(level: str, is_sync: bool) -> None:
    """Ten subtasks want 10 tokens each of 45: four get them, six fail with the reason, not one token more is spent."""
    limit = Budget(tokens=45)
    spender = _spender(10, budget=limit if level == "specialist" else None)
    graph = planner(
        spender,
        budget=limit if level == "run" else None,
        node_budgets={"work": limit} if level == "node" else None,
    )
    given = task("t", *MANY)
    if level == "plan":
        given["task"]["plan"]["budget"] = {"tokens": 45}
    context = {"tokens": 45} if level == "context" else None
    result = await _run(graph, given, is_sync=is_sync, context=context)
    assert list(states(result).values()).count("completed") == 4
    assert result["usage"]["tokens"] == 40
    failed = next(entry for entry in result["subtasks"] if entry["state"] == "failed")
    assert failed["error"]["type"] == "BudgetExceeded"
    assert failed["error"]["data"]["dimension"] == "tokens"
    assert result["status"] == "partial_success"


@BOTH
async def test_a_plan_narrows_what_its_node_has(is_sync: bool) -> None:
    """A plan's budget beside one for the node `work`: the lower bound holds."""
    graph = planner(_spender(10), node_budgets={"work": Budget(tokens=35)})
    given = task("t", *MANY)
    given["task"]["plan"]["budget"] = {"tokens": 45, "calls": 7}
    result = await _run(graph, given, is_sync=is_sync)
    assert result["usage"]["tokens"] == 30


@BOTH
async def test_a_plans_seconds_end_its_work(is_sync: bool) -> None:
    """A workflow's own deadline stops its specialists, and the run still answers."""

    @specialist("stuck")
    async def stuck(brief: Brief) -> int:
        await asyncio.Event().wait()
        return 1

    given = task("t", subtask("s", "stuck", estimate_s=0.01), subtask("a", "alpha", estimate_s=0.01))
    given["task"]["plan"]["budget"] = {"seconds": 0.05}
    result = await _run(planner(stuck, alpha), given, is_sync=is_sync)
    assert (_entry(result)["state"], result["status"]) == ("failed", "partial_success")


@BOTH
async def test_a_subtasks_own_limit_is_for_all_its_attempts(is_sync: bool) -> None:
    """A subtask with 25 tokens can spend 10 twice, not three times."""

    @specialist("spender")
    async def spender(brief: Brief) -> int:
        await brief.spend(tokens=10)
        raise ConnectionError("again")

    graph = planner(spender, budget=Budget(tokens=100))
    result = await _run(graph, task("t", subtask("s", "spender", budget={"tokens": 25})), is_sync=is_sync)
    assert (_entry(result)["error"]["type"], result["usage"]["tokens"]) == ("BudgetExceeded", 20)


@BOTH
async def test_tool_calls_count_against_the_run(is_sync: bool) -> None:
    """Calls of a tool are counted one by one; the first over a run's limit is refused before it leaves."""
    seen: list[Any] = []

    @specialist("caller", max_attempts=1)
    async def caller(brief: Brief) -> Any:
        for _ in range(5):
            try:
                await brief.tools.look()
            except BudgetExceeded as error:
                seen.append(error.dimension)
                return "stopped"
        return "done"

    graph = planner(caller, tools=[look], budget=Budget(calls=3))
    result = await _run(graph, task("t", subtask("s", "caller")), is_sync=is_sync)
    assert (outputs(result)["s"], seen, result["usage"]["calls"]) == ("stopped", ["calls"], 3)


@BOTH
async def test_a_tools_limit_is_for_one_subtasks_work(is_sync: bool) -> None:
    """A tool with a budget of its own of 2 calls is refused on the third, in each subtask anew."""

    @specialist("caller", max_attempts=1)
    async def caller(brief: Brief) -> Any:
        done = 0
        try:
            for _ in range(5):
                await brief.tools.look()
                done += 1
        except BudgetExceeded:
            return done
        return done

    graph = planner(caller, tools=[tool("look", budget=Budget(calls=2))(look)])
    result = await _run(graph, task("t", subtask("s", "caller"), subtask("u", "caller")), is_sync=is_sync)
    assert outputs(result) == {"s": 2, "u": 2}


@BOTH
async def test_alerts_come_once_each(is_sync: bool) -> None:
    """The record and the stream tell of 50, 80 and 95 % as they are reached."""
    graph = planner(_spender(5), budget=Budget(tokens=50))
    await _run(graph, task("t", *MANY), is_sync=is_sync)
    alerts = [event.payload["percent"] for event in _events(graph, "t") if event.type == "BUDGET_ALERT"]
    assert alerts == [50, 80, 95]


@BOTH
async def test_the_floor_is_kept_for_synthesis(is_sync: bool) -> None:
    """What the floor holds no specialist can spend, and the run still answers."""
    graph = planner(_spender(10), budget=Budget(tokens=50), floor=Budget(tokens=15))
    result = await _run(graph, task("t", *MANY), is_sync=is_sync)
    assert result["usage"]["tokens"] == 30
    assert result["answer"] == 1
