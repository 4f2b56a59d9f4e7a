"""The simulator: promises hold, a seed plays the same everywhere, and a failing scenario is cut down."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from collections import Counter
from unittest.mock import patch

import pytest

from bench.planted_bugs import planted
from concertino.evals.simulator import main, simulate
from concertino.evals.simulator.generating import scenario_of
from concertino.evals.simulator.shrinking import shrink, simpler
from concertino.evals.simulator.simulating import judge
from concertino.graph.runs.board import Board


def test_no_seed_breaks_a_promise() -> None:
    """The first hundred seeds end well, through every door and every kind of end."""
    reports = [simulate(seed) for seed in range(100)]
    assert [(report.seed, one) for report in reports for one in report.breaks] == []
    statuses = Counter(status for report in reports for status in report.statuses)
    assert set(statuses) == {"success", "partial_success", "failed", "cancelled"}
    assert {report.scenario.door for report in reports} == {"lean", "graph", "saved"}
    assert sum(report.processes > 1 for report in reports) > 10
    assert not any(report.is_refused for report in reports)


def test_every_kind_of_fault_comes_up() -> None:
    """The seeds cover what can go wrong, in tools, specialists and from outside."""
    scenarios = [scenario_of(seed) for seed in range(400)]
    assert {fault.kind for one in scenarios for fault in one.faults} == {
        "crash", "partition", "jump", "cancel", "cut", "resubmit",
    }  # fmt: skip
    answers = {answer.what for one in scenarios for tool in one.tools for answer in tool.answers}
    assert len(answers) == 11
    ops = {op[0] for one in scenarios for task in one.tasks for work in task.work for op in work.ops}
    assert ops == {
        "wait", "spend", "call", "effect", "publish", "fail", "decline", "bad answer", "hang", "deaf",
    }  # fmt: skip
    gates = [work.gate for one in scenarios for task in one.tasks for work in task.work if work.gate]
    assert {answer.decision for gate in gates for answer in gate} == {"accept", "reject"}
    assert any(len(gate) > 1 for gate in gates)
    bounds = {name for one in scenarios for task in one.tasks for name in task.budget}
    assert bounds == {"tokens", "calls", "usd", "documents", "seconds"}


def test_a_seed_makes_one_scenario_that_can_be_written_out() -> None:
    """A scenario is data, and a function of its seed and size."""
    assert scenario_of(11) == scenario_of(11)
    assert scenario_of(11) != scenario_of(12)
    assert json.loads(json.dumps(scenario_of(11).as_json()))["seed"] == 11
    assert max(len(task.work) for seed in range(1, 20) for task in scenario_of(seed, size=3).tasks) == 3


def test_a_seed_plays_the_same_in_another_process() -> None:
    """Everything that is seen is the same whatever the hash seed, the memory and what was played before."""
    seeds = range(20, 40)
    code = (
        "from concertino.evals.simulator import simulate\n"
        f"print(*[simulate(seed).digest for seed in reversed({seeds!r})])"
    )
    env = {**os.environ, "PYTHONHASHSEED": "4242"}
    told = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True).stdout
    assert [simulate(seed).digest for seed in seeds] == told.split()[::-1]


def test_a_failing_scenario_is_cut_down() -> None:
    """What is left breaks the same promise with less."""
    with planted("one prerequisite is ignored"):
        report = next(found for seed in range(50) if (found := simulate(seed)).breaks)
        small = shrink(report)
        assert (small.breaks[0].check, small.breaks[0].rule) == ("scheduling", "prerequisites first")
        assert judge(small.scenario).breaks == small.breaks
    assert len(small.scenario.tasks) == 1
    assert len(small.scenario.tasks[0].work) == 2
    assert small.scenario.faults == ()
    assert judge(small.scenario).breaks == ()


def test_simpler_scenarios_are_simpler() -> None:
    """Every step of cutting down gives another scenario that still plays."""
    scenario = scenario_of(3, size=4)
    steps = list(simpler(scenario))
    assert len(steps) > 10
    assert all(step != scenario for step in steps)
    assert all(judge(step).breaks == () for step in steps[::7])


def test_the_command_tells_figures_and_exits_well(capsys: pytest.CaptureFixture[str]) -> None:
    """Figures come as one JSON object on stdout."""
    assert main(["--seeds", "12", "--from", "100", "--workers", "1"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["seeds"], told["broken"], told["failing_seeds"]) == (12, 0, [])
    assert told["events"] > 100


def test_the_command_shows_what_fails(capsys: pytest.CaptureFixture[str]) -> None:
    """A broken promise is exit 1, and its seed and small scenario are shown."""
    with planted("one prerequisite is ignored"):
        assert main(["--seeds", "3", "--workers", "1", "--size", "4"]) == 1
    out, err = capsys.readouterr()
    seed = json.loads(out)["failing_seeds"][0]
    assert f"seed {seed} breaks:" in err
    assert "prerequisites first" in err


def test_a_run_that_hangs_is_found_out() -> None:
    """A scenario in which nothing can happen any more is a broken promise, and what waits is named."""
    given = scenario_of(1)
    unlimited = tuple(dataclasses.replace(task, budget={}) for task in given.tasks)
    scenario = dataclasses.replace(given, door="lean", faults=(), tasks=unlimited)
    with patch.object(Board, "_advance", lambda board: None):
        broken = judge(scenario).breaks[0]
    assert (broken.check, broken.rule) == ("ends", "stalled")
    assert "these wait" in broken.detail
    assert judge(scenario).breaks == ()
