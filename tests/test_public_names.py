"""The package's door: which names it offers, what they cost, and the shape of the house behind it."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from pathlib import Path

import pytest

import concertino
from concertino.contracts import errors

ROOT = Path(concertino.__file__).parent

PROMISED = {
    "BreakerPolicy",
    "Brief",
    "Budget",
    "Cost",
    "Finding",
    "Limits",
    "Planner",
    "TrackRecord",
    "Transient",
    "create_planner",
    "run_agent",
    "specialist",
    "synthesize",
}
"""Source: DESIGN §10, and what the options of `tool` and `specialist` are made of."""

MAX_LINES = 350
"""About where a room gets crowded. Source: DESIGN §1."""


def loaded_by(statement: str) -> set[str]:
    """Return the top-level packages that a fresh interpreter has loaded after `statement`."""
    code = f"{statement}\nimport json, sys\nprint(json.dumps(sorted({{n.partition('.')[0] for n in sys.modules}})))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout))


def test_every_promised_name_is_offered() -> None:
    """The names that acceptance is tried against can be imported from the door."""
    assert set(concertino.__all__) >= PROMISED
    assert all(getattr(concertino, name) is not None for name in concertino.__all__)


def test_every_error_of_the_tree_is_offered() -> None:
    """Whoever catches our errors finds each of them at the door."""
    tree = {name for name, value in inspect.getmembers(errors, inspect.isclass) if value.__module__ == errors.__name__}
    assert tree <= set(concertino.__all__)


def test_every_error_reaches_clients_of_a_server() -> None:
    """Each deliberate error is a ValueError or RuntimeError: LangGraph's server hides all others."""
    tree = [value for _, value in inspect.getmembers(errors, inspect.isclass) if issubclass(value, Exception)]
    kinds = [kind for kind in tree if kind is not errors.ConcertinoError]
    assert all(issubclass(kind, ValueError | RuntimeError) for kind in kinds)


def test_unknown_name_is_an_attribute_error() -> None:
    """A name that is not offered fails as it would in any module."""
    with pytest.raises(AttributeError, match="nothing_of_ours"):
        _ = concertino.nothing_of_ours  # type: ignore[attr-defined]  # the point of the test


def test_the_door_loads_nothing_heavy() -> None:
    """Importing the package loads no library at all."""
    heavy = {"langgraph", "langchain_core", "pydantic", "typer", "rich", "yaml", "jsonschema", "sqlalchemy"}
    assert not loaded_by("import concertino") & heavy


def test_help_loads_nothing_heavy() -> None:
    """The command's help waits for neither LangGraph nor pydantic nor rich."""
    heavy = {"langgraph", "langchain_core", "pydantic", "rich", "yaml", "jsonschema", "sqlalchemy", "asyncio"}
    assert not loaded_by("import concertino.service.cli.main") & heavy


LIGHT_MODELS = {"__init__", "prices", "roster", "sources", "tokens"}
"""What is needed of models before one is called."""
TAPED_MODELS = {"foreign_model", "messages", "played_model", "recorded_model", "traits"}
"""What of tapes is of LangChain's kind."""


@pytest.mark.parametrize("room", ["contracts", "budgets", "journal", "tools"])
def test_lower_rooms_load_no_framework(room: str) -> None:
    """The rooms below the graph can be used, and tested, without LangGraph or LangChain: all but models of LangChain's kind."""
    modules = [
        ".".join(path.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(".__init__")
        for path in sorted((ROOT / room).rglob("*.py"))
        if (path.parent.name != "models" or path.stem in LIGHT_MODELS)
        and (path.parent.name != "tape" or path.stem not in TAPED_MODELS)
    ]
    assert modules
    heavy = {"langgraph", "langchain", "langchain_core", "langchain_openai", "sqlalchemy", "rich", "typer"}
    assert not loaded_by(f"import {', '.join(modules)}") & heavy


def test_files_stay_small() -> None:
    """A file is a room with one purpose; one that outgrows its lines is split by subject."""
    sizes = {path.relative_to(ROOT).as_posix(): len(path.read_text().splitlines()) for path in ROOT.rglob("*.py")}
    assert {name: lines for name, lines in sizes.items() if lines > MAX_LINES} == {}


def test_rooms_are_named_for_a_subject() -> None:
    """No file collects leftovers."""
    leftovers = {"utils", "util", "helpers", "helper", "common", "misc", "manager", "shared"}
    assert not [path for path in ROOT.rglob("*.py") if path.stem in leftovers or path.parent.name in leftovers]
