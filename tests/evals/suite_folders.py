"""Suites made for one test each: a planner of two specialists, a model by a script, cases as YAML."""

from __future__ import annotations

from pathlib import Path

from concertino.evals.suites import Suite, load_suite

PLANNER = '''
import asyncio
from concertino import Budget, Finding, create_planner, specialist


@specialist("writer", max_attempts=2)
async def writer(brief):
    said = await brief.model.ainvoke(f"Write about {brief.objective}.")
    found = await brief.tools.look(word=brief.objective)
    return Finding(output={"text": said.text, **found}, confidence=0.8)


@specialist("idler")
async def idler(brief):
    await asyncio.sleep(brief.inputs.get("seconds", 1))
    return Finding(output="done", confidence=0.5)


async def look(word: str) -> dict:
    """Look a word up."""
    await asyncio.sleep(0.25)
    return {"letters": len(word)}


def create(model=None, seconds=60.0):
    return create_planner(
        specialists=[writer, idler], model=model, tools=[look], budget=Budget(tokens=20_000, seconds=seconds), replans=0
    )
'''

STAND_IN = """
from concertino.evals.scripted import Said, ScriptedModel


def model(case):
    return ScriptedModel(script=lambda messages, tools: Said(f"{case.id}: {messages[-1].content}", seconds=1.5))
"""

SUITE = "name: small\ntarget: planner:create\nmodel: openai:gpt-5-mini\nstand_in: stand_in:model\n"

CASES = """
- id: one
  task: {title: t, plan: {subtasks: [{id: a, specialist: writer, objective: cats}]}}
  expect: {status: success}
- id: two
  task: {title: t, plan: {subtasks: [{id: a, specialist: writer, objective: cats}, {id: b, specialist: writer, objective: dogs}]}}
  expect: {status: success}
- id: idle
  task: {title: t, plan: {subtasks: [{id: a, specialist: idler, inputs: {seconds: 3}}]}}
  expect: {status: success}
"""


def make_suite(
    root: Path, *, cases: str = CASES, planner: str = PLANNER, suite: str = SUITE, name: str = "small"
) -> Suite:
    """Write a suite and load it."""
    folder = root / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "suite.yaml").write_text(suite)
    (folder / "planner.py").write_text(planner)
    (folder / "stand_in.py").write_text(STAND_IN)
    (folder / "cases.yaml").write_text(cases)
    return load_suite(name, root=root)
