"""What a tape was recorded with, as hashes by name, to tell later whether that has changed."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from concertino.contracts.json import JsonObject, digest_of_text
from concertino.evals.sources import file_of, function_print, home_of, innermost, with_neighbours
from concertino.nodes.specialists.declare import Specialist
from concertino.tools.registry import Tool
from concertino.tools.tape.lines import Line
from concertino.tools.tape.recorder import tool_print

CHARS = 12
KINDS = {"code": "code", "models": "model", "prompts": "prompt", "tools": "tool", "tool_code": "code of tool"}
"""The kinds of fingerprints, and what notes call what they are of."""
OWN_NODES = ("plan", "synthesize", "judge")
"""Whose prompts are Concertino's own."""

FRAMEWORKS = ("langchain", "langchain_core", "langgraph")


@dataclass(slots=True)
class Seen:
    """What stands at a planner's boundary, as the boundary is told of it."""

    specialists: dict[str, Specialist] = field(default_factory=dict)
    tools: dict[str, Tool] = field(default_factory=dict)
    models: set[str] = field(default_factory=set)
    prints: dict[str, str] = field(default_factory=dict)
    """Fingerprints of specialists, and of tools, by name, worked out once; whoever looks at one planner again and again shares them."""

    def specialist(self, one: Specialist) -> Specialist:
        """Take note of a specialist."""
        self.specialists[one.name] = one
        return one

    def code(self, scope: str) -> str:
        """Return the fingerprint of the code behind a scope; of our own nodes there is none."""
        node = node_of(scope)
        known = self.specialists.get(node)
        if known is None:
            return ""
        if node not in self.prints:
            self.prints[node] = specialist_print(known)
        return self.prints[node]

    def tool(self, name: str) -> str:
        """Return the fingerprint of a tool's code."""
        key = f"tool {name}"
        if key not in self.prints:
            self.prints[key] = tool_code(self.tools[name])
        return self.prints[key]


def node_of(scope: str) -> str:
    """Return the node that a scope, `node/subtask#attempt`, is of."""
    return scope.partition("/")[0].partition("#")[0]


def specialist_print(specialist: Specialist) -> str:
    """Return the hash of the file that a specialist is written in, of what it imports from its neighbours, and of its version.

    Neighbours are the modules of the suite's folder, of the same package, or of the same pack. An agent or a chain is no
    file of its own: its framework's code says nothing of it, and its prompts, tools and model are in what it asks.
    """
    body = innermost(specialist.body)
    file = None if body.__module__.partition(".")[0] in FRAMEWORKS else file_of(body)
    files = [] if file is None else with_neighbours(file, home_of(body))
    return digest_of_text(
        "\n".join([specialist.card.version, *([_file(str(one)) for one in files] or [body.__qualname__])])
    )[:CHARS]


def tool_code(tool: Tool) -> str:
    """Return the hash of what a tool does: the text of its functions, and of what they are made of."""
    functions = [one for one in (tool.fn, tool.afn) if one is not None]
    return digest_of_text("\n".join(function_print(one, lambda path: _file(str(path))) for one in functions))[:CHARS]


def _file(name: str) -> str:
    """Return the digest of a file's text; its name where it cannot be read."""
    try:
        told = Path(name).stat()
        return _digest(name, told.st_mtime_ns, told.st_size)
    except OSError:
        return name


@functools.lru_cache(maxsize=512)
def _digest(name: str, changed_ns: int, size: int) -> str:
    return digest_of_text(Path(name).read_text(encoding="utf-8"))


def prompts_of(package: str) -> Mapping[str, str]:
    """Return the hashes of a package's prompt files by `package/name`."""
    module = sys.modules.get(package)
    file = getattr(module, "__file__", None)
    if file is None:
        return {}
    folder = Path(file).parent / "prompts"
    return {f"{package}/{path.stem}": _file(str(path))[:CHARS] for path in sorted(folder.glob("*.md"))}


def prints_now(seen: Seen, lines: Iterable[Line]) -> JsonObject:
    """Return the fingerprints of whatever these calls were made by, as it is now.

    `code` of specialists, `models`, `prompts`, `tools` by what they say of themselves, and `tool_code` by what they do.

    Of a model only its name is known before it is built.
    """
    code: JsonObject = {}
    models: JsonObject = {}
    prompts: dict[str, str] = {}
    tools: JsonObject = {}
    tool_prints: JsonObject = {}
    for line in lines:
        node = node_of(line.scope)
        specialist = seen.specialists.get(node)
        if specialist is not None:
            code[node] = seen.code(node)
            if line.kind == "model":
                prompts |= prompts_of(_package_of(specialist))
        if node in OWN_NODES:
            prompts |= prompts_of("concertino.evals" if node == "judge" else "concertino")
        if line.kind == "tool" and line.name in seen.tools and line.name not in tools:
            tools[line.name] = tool_print(seen.tools[line.name])
            tool_prints[line.name] = seen.tool(line.name)
        if line.kind == "model" and line.name in seen.models:
            models[line.name] = line.name
    return {"code": code, "models": models, "prompts": {**prompts}, "tools": tools, "tool_code": tool_prints}


def _package_of(specialist: Specialist) -> str:
    module = inspect.getmodule(inspect.unwrap(specialist.body) if callable(specialist.body) else type(specialist.body))
    return (getattr(module, "__name__", "") or "").rpartition(".")[0]


def differences(recorded: Mapping[str, Any], now: Mapping[str, Any]) -> list[JsonObject]:
    """Return what has changed since the recording: `{"what", "recorded", "now"}` each."""
    found: list[JsonObject] = []
    for kind, told in KINDS.items():
        before: Mapping[str, Any] = recorded.get(kind) or {}
        after: Mapping[str, Any] = now.get(kind) or {}
        found += [
            {"what": f"{told} {name}", "recorded": before[name], "now": after.get(name)}
            for name in sorted(before)
            if before[name] != after.get(name)
        ]
    return found
