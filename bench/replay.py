"""Replays: model calls against vcrpy's, cases against a bare LangGraph graph, and whether two replays are ever different.

`python bench/replay.py [calls|cases|shuffled|repeats]...` prints JSON; all of it where nothing is named. Rates are taken in
turns in one process, on one core, warm. vcrpy is asked for only where it is installed (`pip install vcrpy`).
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from langchain_core.messages import HumanMessage, SystemMessage

from bench.replay_cases import ROUNDS, cases, rate
from concertino.contracts.scope import Scope, scoped
from concertino.evals.playing import replaying
from concertino.evals.recording import record_suite
from concertino.evals.reports.report import report
from concertino.evals.running import run_suite
from concertino.evals.suites import list_suites, load_suite
from concertino.evals.virtual import VirtualClock, run_virtually
from concertino.tools.models.sources import as_model
from concertino.tools.tape.files import Tape, read_tape, write_tape
from concertino.tools.tape.lines import Head
from concertino.tools.tape.played_model import PlayedSource
from concertino.tools.tape.player import Player
from concertino.tools.tape.recorded_model import RecordedSource
from concertino.tools.tape.recorder import Recorder

ROOT = Path(__file__).parent.parent
CALLS = 100
SYSTEM = SystemMessage("You are a careful analyst of invented companies. " * 20)


def question(n: int) -> list[Any]:
    return [SYSTEM, HumanMessage(f"Question {n}: " + "assess the figures of the last quarter. " * 20)]


# Model calls, against vcrpy.


def calls() -> dict[str, Any]:
    """One case of `CALLS` different requests, its recording opened anew each time, as a run of an eval does."""
    with tempfile.TemporaryDirectory() as folder:
        ours, theirs = _record_calls(Path(folder))
        rates: dict[str, list[float]] = {"ours": [], "opened": [], "vcrpy": [], "vcrpy_opened": []}
        for _ in range(ROUNDS):
            rates["opened"].append(rate(lambda: _play(ours), CALLS))
            rates["ours"].append(rate(functools.partial(_play, read_tape(ours)), CALLS))
            if theirs is not None:
                rates["vcrpy_opened"].append(rate(lambda: _play_vcr(theirs), CALLS))
                rates["vcrpy"].append(_play_vcr(theirs))
        middle = {name: statistics.median(found) for name, found in rates.items() if found}
        ratio = (
            {"ratio": middle["opened"] / middle["vcrpy_opened"], "ratio_in_memory": middle["ours"] / middle["vcrpy"]}
            if theirs
            else {}
        )
        return {"calls": CALLS, "per_s": middle, "at_least": 20, "at_least_per_s": 3_000, **ratio}


def _record_calls(folder: Path) -> tuple[Path, Path | None]:
    """Record the same requests of the same client both ways, against the loopback server."""
    from langchain_openai import ChatOpenAI

    from tests.loopback.openai_server import OpenAIServer, Say
    from tests.tools.models.governing import Governing

    with OpenAIServer(Say("word " * 100, input_tokens=700, output_tokens=100)) as server:
        options: Any = {"model": "gpt-5-mini", "base_url": server.url, "api_key": "key", "max_tokens": 500}
        client = ChatOpenAI(**options, max_retries=0)
        governing = Governing()
        recorder = Recorder(governing.clock)
        model = governing.model(RecordedSource(as_model(client, field="model"), recorder))

        async def ask() -> None:
            with scoped(Scope("w", "a")):
                for n in range(CALLS):
                    await model.ainvoke(question(n))

        asyncio.run(ask())
        write_tape(folder / "tape.jsonl", Tape(Head(case="c", models={**recorder.models}), recorder.lines()))
        try:
            import vcr
        except ImportError:
            return folder / "tape.jsonl", None
        cassette = folder / "cassette.yaml"
        with vcr.VCR(match_on=["method", "path", "body"]).use_cassette(str(cassette), record_mode="once"):
            for n in range(CALLS):
                client.invoke(question(n))
    return folder / "tape.jsonl", cassette


def _play(tape: Tape | Path) -> None:
    from tests.tools.models.governing import Governing

    async def main() -> None:
        clock = VirtualClock(asyncio.get_running_loop())  # type: ignore[arg-type]  # it is one
        known = read_tape(tape) if isinstance(tape, Path) else tape
        governing = Governing(clock=clock)
        model = governing.model(PlayedSource(as_model("openai:gpt-5-mini", field="model"), Player(known, clock)))
        with scoped(Scope("w", "a")):
            for n in range(CALLS):
                await model.ainvoke(question(n))

    with replaying():
        run_virtually(main)


def _play_vcr(cassette: Path) -> float:
    """Replay a cassette; return the rate of the calls alone."""
    import vcr
    from langchain_openai import ChatOpenAI

    options: Any = {"model": "gpt-5-mini", "base_url": "http://127.0.0.1:1/v1", "api_key": "key", "max_tokens": 500}
    client = ChatOpenAI(**options, max_retries=0)
    with vcr.VCR(match_on=["method", "path", "body"]).use_cassette(str(cassette), record_mode="none"):
        return rate(lambda: [client.invoke(question(n)) for n in range(CALLS)], CALLS)


# Orders and repeats.

SHUFFLED = """
import asyncio, random
from concertino import Budget, Finding, create_planner, specialist


@specialist("worker")
async def worker(brief):
    chance = random.Random(f"{brief.task['metadata']['order']}.{brief.subtask_id}")
    said = []
    for turn in range(3):
        await asyncio.sleep(chance.random())
        said.append((await brief.model.ainvoke(f"the same question {turn % 2}")).text)
    return Finding(output={brief.subtask_id: said}, confidence=0.8)


def create(model=None):
    return create_planner(specialists=[worker], model=model, budget=Budget(calls=100, tokens=100_000))
"""
ANSWERS = """
import itertools
from concertino.evals.scripted import Said, ScriptedModel


def model(case):
    numbers = itertools.count()
    return ScriptedModel(script=lambda messages, tools: Said(f"answer {next(numbers)}", seconds=0.1))
"""


def shuffled() -> dict[str, Any]:
    """Runs of eight parallel subtasks that ask the same questions, each in another order than the tape was recorded in."""
    from concertino.evals.cases import Case
    from concertino.evals.playing import play_case
    from concertino.evals.targets import Target

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "mixed"
        folder.mkdir()
        (folder / "suite.yaml").write_text(
            "name: mixed\ntarget: planner:create\nmodel: openai:gpt-5-mini\nstand_in: stand_in:model\n"
        )
        (folder / "planner.py").write_text(SHUFFLED)
        (folder / "stand_in.py").write_text(ANSWERS)
        plan: Any = {"subtasks": [{"id": f"t{n}", "specialist": "worker"} for n in range(8)]}
        task: Any = {"task_id": "mixed", "metadata": {"order": 0}, "plan": plan}
        (folder / "cases.jsonl").write_text(json.dumps({"id": "mixed", "task": task, "expect": {"status": "success"}}))
        suite = load_suite("mixed", root=name)
        (recorded,) = record_suite(suite)
        with replaying():
            target = Target(suite)
        orders, mismatches = set(), 0
        for order in range(1, 1_001):
            case = Case.model_validate(
                {"id": "mixed", "task": {**task, "metadata": {"order": order}}, "expect": {"status": "success"}}
            )
            (outcome,) = play_case(target, case)
            mismatches += _said(outcome) != _said(recorded) or outcome.error is not None
            orders.add(tuple(one["scope"] for one in sorted(outcome.calls, key=lambda one: (one["at"], one["scope"]))))  # type: ignore[arg-type,return-value]
    return {"runs": 1_000, "orders": len(orders), "mismatches": mismatches}


def _said(outcome: Any) -> Any:
    return {one["subtask_id"]: one["outputs"] for one in (outcome.result or {}).get("subtasks", ())}


def repeats() -> dict[str, Any]:
    """Every suite's report, over three hash seeds with one, two and eight cases side by side: how many different ones."""
    if not list_suites(ROOT / "evals"):
        return {"absent": "evals"}
    found: dict[str, set[str]] = {}
    for seed in (1, 2, 3):
        for side_by_side in (1, 2, 8):
            told = subprocess.run(
                [sys.executable, __file__, "report", str(side_by_side)], check=True, stdout=subprocess.PIPE, text=True,
                env={**os.environ, "PYTHONHASHSEED": str(seed)},
            )  # fmt: skip
            for name, digest in json.loads(told.stdout).items():
                found.setdefault(name, set()).add(digest)
    return {"runs_of_each": 9, "different": {name: len(digests) for name, digests in found.items()}}


def _reports(side_by_side: int) -> dict[str, str]:
    made: dict[str, str] = {}
    for name in list_suites(ROOT / "evals"):
        suite = load_suite(name, root=ROOT / "evals")
        text = json.dumps(report(suite, run_suite(suite, side_by_side=side_by_side)))
        made[name] = hashlib.sha256(text.encode()).hexdigest()
    return made


BENCHES: dict[str, Callable[[], dict[str, Any]]] = {
    "calls": calls, "cases": cases, "shuffled": shuffled, "repeats": repeats,
}  # fmt: skip


def main() -> None:
    names = sys.argv[1:] or list(BENCHES)
    if names[0] == "report":
        print(json.dumps(_reports(int(names[1]))))
        return
    random.seed(0)
    print(json.dumps({name: BENCHES[name]() for name in names}, indent=2))


if __name__ == "__main__":
    main()
