"""What a tape is stale for: every change of what its calls were made by, wherever it is written, and nothing else."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest
from langchain_core.tools import tool as langchain_tool

from concertino.evals.fingerprints import tool_code
from concertino.evals.outcomes import Outcome
from concertino.evals.recording import record_suite
from concertino.evals.running import run_suite
from concertino.evals.suites import load_suite
from concertino.tools.registry import Tool, as_tool
from concertino.tools.tape.recorder import tool_print
from tests.evals.suite_folders import CASES, make_suite

PLANNER = """
import sys
sys.path.insert(0, __file__.rpartition("/")[0])
from {0}_agents import writer
from {0}_tools import look
from concertino import Budget, create_planner

def create(model=None):
    return create_planner(specialists=[writer], tools=[look], model=model, budget=Budget(tokens=20_000), replans=0)
"""
FILES = {
    "agents": """
from {0}_prompts import PROMPT
from {0}_tools import search
from concertino import Finding, specialist

@specialist("writer", max_attempts=1)
async def writer(brief):
    said = await brief.model.ainvoke(PROMPT + brief.objective)
    found = await brief.tools.look(word="a")
    await brief.model.bind_tools([search]).ainvoke("search")
    return Finding(output={"text": said.text, **found}, confidence=0.8)
""",
    "prompts": "PROMPT = 'Write about '\n",
    "tools": """
from concertino import tool
from {0}_words import LETTERS

FACTOR = 1
OTHER = 2

@tool("look")
async def look(word: str) -> dict:
    \"\"\"Look a word up.\"\"\"
    return {"letters": counted(word)}

def counted(word):
    return len(word) * FACTOR * LETTERS

def unused():
    return OTHER

def search(query: str) -> str:
    \"\"\"Search.\"\"\"
    return query
""",
    "words": "LETTERS = 1\n",
}
FACTS = {
    "a tool's argument": ("tools", "look(word: str)", "look(word: str, more: int = 3)", {"tool look", "code of tool look"}),
    "a tool's body": ("tools", "counted(word)}", "counted(word) + 1}", {"code of tool look"}),
    "what a tool calls": ("tools", "len(word) *", "1 + len(word) *", {"code of tool look"}),
    "a constant that it uses": ("tools", "FACTOR = 1", "FACTOR = 3", {"code of tool look"}),
    "a module that it imports": ("words", "1", "4", {"code of tool look"}),
    "what no tool uses": ("tools", "OTHER = 2", "OTHER = 3", set()),
    "a prompt in a module of its own": ("prompts", "Write about", "Tell of", {"prompt of model openai:gpt-5-mini by writer/a#1"}),
    "a bound function's schema": ("tools", "query: str", "query: str, n: int", {"prompt of model openai:gpt-5-mini by writer/a#1"}),
}  # fmt: skip
"""Which file, what in it, what instead, and what is told beside the code of the specialist that imports it all."""


def run(root: Path, name: str, files: dict[str, str]) -> Outcome:
    """Write the suite, record it where it has no tape, and run its first case."""
    cases = CASES[: CASES.index("- id: two")]
    suite = make_suite(root, cases=cases, planner=PLANNER.replace("{0}", name), name=name)
    for part, text in files.items():
        (suite.folder / f"{name}_{part}.py").write_text(text.replace("{0}", name))
        sys.modules.pop(f"{name}_{part}", None)
    path = suite.folder / "planner.py"
    path.write_text(path.read_text() + f"# {hash(str(files))}\n")
    suite = load_suite(name, root=root)
    if not suite.tape_file("one").exists():
        record_suite(suite)
    return run_suite(suite)[0]


@pytest.mark.parametrize("fact", FACTS)
def test_a_change_anywhere_makes_a_tape_stale(tmp_path: Path, fact: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prompt, tool and specialist in modules of their own; it says what has changed, and never that calls are left over."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    name = f"fp{list(FACTS).index(fact)}"
    ran = run(tmp_path, name, FILES)
    assert (ran.tape, ran.notes) == ("fresh", [])
    part, old, new, told = FACTS[fact]
    ran = run(tmp_path, name, {**FILES, part: FILES[part].replace(old, new)})
    assert ran.tape == "stale"
    assert {str(note["what"]) for note in ran.notes} == {"code writer", *told}


def test_a_tools_print_knows_its_arguments() -> None:
    """Of plain functions and of LangChain's; an object's address says nothing."""

    def look(word: str) -> str:
        """Look."""
        return word

    def wider(word: str, more: int = 3) -> str:
        """Look."""
        return word

    def pointed(word: str, more: Any = os.path.join) -> str:
        """Look."""
        return word

    one, two, three = (Tool(name="look", fn=fn) for fn in (look, wider, pointed))
    assert len({tool_print(one), tool_print(two), tool_print(three)}) == 3
    known = [as_tool(langchain_tool(name)(fn)) for name, fn in (("look", look), ("look", wider))]
    assert tool_print(known[0]) != tool_print(known[1])
    assert tool_code(one) != tool_code(two)
