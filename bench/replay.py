"""Replays against the bare library: whole cases, model calls, parallel order, bytes.

    python bench/replay.py [--cases 200] [--rounds 5]

Cases are planner runs with five model calls each, recorded here against a script, played in this process and judged. Beside
them run bare LangGraph graphs with LangChain's fake chat model, in turns: one of the planner's own eight supersteps, and one of
three. Model calls are replayed through a governed model, against vcrpy replaying the same through `ChatOpenAI`. Times are of the
processor, which other work on the machine does not lengthen.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import operator
import os
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Annotated, Any

from langchain_core.language_models.fake_chat_models import FakeListChatModel
from langgraph.graph import END, START, StateGraph
from langgraph.types import Send
from typing_extensions import TypedDict

from concertino.evals.recording import record_suite
from concertino.evals.reports import page, report
from concertino.evals.running import run_suite
from concertino.evals.suites import Suite, load_suite

ROOT = Path(__file__).parents[1]
CALLS = 5
RATE_AT_LEAST, BARE_AT_MOST, VCR_AT_LEAST = 0.8, 1_500, 20.0
PLANNER = (
    """
from concertino import Brief, Finding, create_planner, specialist


def made(name):
    @specialist(name)
    async def asked(brief: Brief) -> Finding:
        said = await brief.model.ainvoke(brief.objective)
        return Finding(output=said.text, confidence=0.8)

    return asked


def create(model=None, **options):
    return create_planner(
        specialists=[made(f"s{at}") for at in range(%d)], model=model, budget={"tokens": 100_000, "calls": 100}, **options
    )
"""
    % CALLS
)
STAND_IN = """
from langchain_core.language_models.fake_chat_models import GenericFakeChatModel
from langchain_core.messages import AIMessage
from langchain_core.outputs import ChatGeneration, ChatResult


class Echo(GenericFakeChatModel):
    max_tokens: int = 100

    def _generate(self, messages, stop=None, run_manager=None, **kwargs):
        text = "heard: " + messages[-1].text
        usage = {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}
        return ChatResult(generations=[ChatGeneration(message=AIMessage(content=text, usage_metadata=usage))])


def echo(case):
    return Echo(messages=iter(()))
"""


def suite_of(folder: Path, count: int, *, calls: int = CALLS) -> Suite:
    """Return a suite of `count` cases, recorded against its script."""
    (folder / "planner.py").write_text(PLANNER)
    (folder / "stand_in.py").write_text(STAND_IN)
    (folder / "suite.yaml").write_text(
        'name: replayed\ntarget: "planner:create"\nmodel: "openai:gpt-5-mini"\nstand_in: "stand_in:echo"\n'
    )
    rows = [
        {
            "id": f"c{number}",
            "task": {
                "title": f"case {number}",
                "plan": {
                    "subtasks": [
                        {"id": f"t{at}", "specialist": f"s{at % CALLS}", "objective": f"ask {number} of {at}"}
                        for at in range(calls)
                    ]
                },
            },
            "expect": {"status": "success", "budget": "kept"},
        }
        for number in range(count)
    ]
    (folder / "cases.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    record_suite(load_suite(folder))
    return load_suite(folder)


class State(TypedDict):
    """What the bare graphs carry."""

    out: Annotated[list[str], operator.add]


def bare_graph(before: int, after: int) -> Any:
    """Return five calls of a fake model side by side, with so many nodes before and after them."""
    model = FakeListChatModel(responses=["heard"])

    async def step(state: State) -> dict[str, Any]:
        return {}

    async def ask(state: State) -> dict[str, Any]:
        return {"out": [(await model.ainvoke("ask")).text]}

    graph = StateGraph(State)
    ahead, behind = [f"before{at}" for at in range(before)], [f"after{at}" for at in range(after)]
    for name in (*ahead, *behind):
        graph.add_node(name, step)
    graph.add_node("ask", ask)
    for one, other in zip((START, *ahead[:-1]), ahead, strict=True):
        graph.add_edge(one, other)
    graph.add_conditional_edges(ahead[-1], lambda state: [Send("ask", {}) for _ in range(CALLS)], ["ask"])
    for one, other in zip(("ask", *behind), (*behind, END), strict=True):
        graph.add_edge(one, other)
    return graph.compile()


def spent(work: Callable[[], Any]) -> float:
    """Return processor seconds."""
    began = time.process_time()
    work()
    return time.process_time() - began


def whole_cases(cases: int, rounds: int) -> dict[str, Any]:
    """Return milliseconds a case, played, judged or with its report, beside bare graphs."""
    with tempfile.TemporaryDirectory() as given, asyncio.Runner() as runner:
        suite = suite_of(Path(given), cases)
        shapes = {"its own 8 supersteps": bare_graph(4, 3), "3 supersteps": bare_graph(1, 1)}

        def played() -> None:
            outcomes = run_suite(suite)
            assert all(one.error is None for one in outcomes)

        def reported() -> None:
            made = report(suite, run_suite(suite))
            assert all(case["passed"] for case in made["cases"])
            assert page(made)

        async def many(graph: Any) -> None:
            for _ in range(cases):
                await graph.ainvoke({"out": []})

        works: dict[str, Callable[[], Any]] = {"played": played, "reported": reported}
        works |= {name: lambda graph=graph: runner.run(many(graph)) for name, graph in shapes.items()}
        for work in works.values():
            work()
        took: dict[str, list[float]] = {name: [] for name in works}
        for _ in range(rounds):
            for name, work in works.items():
                took[name].append(spent(work) / cases * 1e3)
    ms = {name: statistics.median(times) for name, times in took.items()}
    return {
        "ms_a_case": {name: round(one, 3) for name, one in ms.items()},
        "rate": {name: round(ms[name] / ms["played"], 3) for name in shapes},
        "bare_in_the_time_of_1000_with_report": {name: round(1_000 * ms["reported"] / ms[name]) for name in shapes},
        "at_least": RATE_AT_LEAST,
        "at_most": BARE_AT_MOST,
    }


class _Answering(BaseHTTPRequestHandler):
    """Answers as the protocol does, for vcrpy to record."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        message = {"role": "assistant", "content": "heard: ask"}
        usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
        body = json.dumps(
            {
                "id": "c", "object": "chat.completion", "created": 1, "model": "m", "usage": usage,
                "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
            }
        ).encode()  # fmt: skip
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


def model_calls(count: int, rounds: int) -> dict[str, Any]:
    """Return milliseconds a replayed call: one subtask's calls in a case, less the case, against vcrpy's."""
    import vcr
    from langchain_openai import ChatOpenAI
    from openai import DefaultHttpxClient
    from pydantic import SecretStr

    few, many = CALLS, CALLS + count
    with tempfile.TemporaryDirectory() as given:
        folder = Path(given)
        for name in ("few", "many"):
            (folder / name).mkdir()
        suites = {"few": suite_of(folder / "few", 1, calls=few), "many": suite_of(folder / "many", 1, calls=many)}
        server = ThreadingHTTPServer(("127.0.0.1", 0), _Answering)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with DefaultHttpxClient() as http:
            model = ChatOpenAI(
                model="m",
                base_url=f"http://127.0.0.1:{server.server_port}/v1",
                api_key=SecretStr("k"),
                http_client=http,
            )
            cassette = str(folder / "calls.yaml")
            said = [f"ask {at}" for at in range(count)]
            with vcr.use_cassette(cassette, match_on=["method", "uri", "body"]):
                for text in said:
                    model.invoke(text)
            server.shutdown()
            server.server_close()

            def by_vcr() -> None:
                with vcr.use_cassette(cassette, match_on=["method", "uri", "body"], record_mode="none"):
                    for text in said:
                        model.invoke(text)

            theirs, ours = [], []
            for _ in range(rounds):
                theirs.append(spent(by_vcr) / count * 1e3)
                ours.append(
                    (spent(lambda: run_suite(suites["many"])) - spent(lambda: run_suite(suites["few"]))) / count * 1e3
                )
    mine, other = statistics.median(ours), statistics.median(theirs)
    return {
        "ms_a_subtask_with_its_call": round(mine, 4),
        "vcrpy_ms_a_call": round(other, 4),
        "ratio": round(other / mine, 1),
        "at_least": VCR_AT_LEAST,
    }


def shuffled(runs: int) -> dict[str, Any]:
    """Return how often subtasks in another order, side by side, were given another's answer."""
    wrong = 0
    with tempfile.TemporaryDirectory() as given:
        folder = Path(given)
        suite_of(folder, runs)
        chance = random.Random(0)
        rows = [json.loads(line) for line in (folder / "cases.jsonl").read_text().splitlines()]
        for row in rows:
            chance.shuffle(row["task"]["plan"]["subtasks"])
        (folder / "cases.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        for outcome in run_suite(load_suite(folder)):
            number = outcome.case.id.removeprefix("c")
            results = (outcome.result or {}).get("results") or {}
            heard = {json.dumps(one) for one in results.values()} if isinstance(results, dict) else set()
            expected = all(any(f"heard: ask {number} of {at}" in text for text in heard) for at in range(CALLS))
            wrong += outcome.error is not None or not expected
    return {"runs": runs, "mismatches": wrong}


def identical() -> dict[str, Any]:
    """Return how many different reports there are over hash seeds and cases at once."""
    seen: dict[str, set[str]] = {}
    for suite in ("routing", "budgets", "faults"):
        for seed in ("0", "1", "2"):
            for at_once in ("1", "2", "8"):
                done = subprocess.run(
                    [
                        sys.executable, "-c", "from concertino.service.cli.main import main; main()",
                        "eval", "run", suite, "--json", "--side-by-side", at_once, "--suites", str(ROOT / "evals"),
                    ],
                    check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=ROOT,
                    env={**os.environ, "PYTHONHASHSEED": seed},
                )  # fmt: skip
                seen.setdefault(suite, set()).add(hashlib.sha256(done.stdout).hexdigest())
    return {"reports": 9 * len(seen), "different": {suite: len(found) for suite, found in seen.items()}}


def main() -> None:
    parser = argparse.ArgumentParser(description="Replays against the bare library.")
    parser.add_argument("--cases", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    found = {
        "cases": whole_cases(asked.cases, asked.rounds),
        "calls": model_calls(200, asked.rounds),
        "shuffled": shuffled(1_000),
        "identical": identical(),
    }
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
