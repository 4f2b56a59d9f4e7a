"""Source text as fingerprints see it: a file with what it imports from its neighbours, and what a function is made of."""

from __future__ import annotations

import ast
import functools
import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from concertino.contracts.json import digest_of_text

MOST_FILES = 400
"""Files that are followed from one; chosen by hand, above what a pack has."""


def innermost(body: Any) -> Any:
    """Return the function behind partials and decorators; an object's type where it is none."""
    while isinstance(body, functools.partial):
        body = body.func
    body = inspect.unwrap(body) if callable(body) else body
    return body if inspect.isroutine(body) or inspect.isclass(body) else type(body)


def file_of(body: Any) -> Path | None:
    """Return the file that a function or type is written in."""
    code = getattr(body, "__code__", None)
    name = code.co_filename if code is not None else getattr(inspect.getmodule(body), "__file__", None)
    return Path(name) if name and Path(name).is_file() else None


def home_of(body: Any) -> tuple[Path, str] | None:
    """Return the folder whose modules belong together with a function's, and what imports call it; `""` for a suite's."""
    name, file = str(getattr(body, "__module__", "")), file_of(body)
    if file is None:
        return None
    if name.startswith("concertino_suite_"):
        return file.parents[max(0, name.count(".") - 1)], ""
    parts = name.split(".")
    depth = 3 if parts[:2] == ["concertino", "packs"] else 1
    if (
        len(parts) <= depth and file.stem != "__init__"
    ):  # of no package: what lies beside it, where that is no installation
        return None if {"site-packages", "dist-packages"} & {*file.parts} else (file.parent, "")
    return _package(file, len(parts), depth), ".".join(parts[:depth])


def _package(file: Path, size: int, depth: int) -> Path:
    return file.parents[size - depth if file.stem == "__init__" else size - depth - 1]


def with_neighbours(file: Path, home: tuple[Path, str] | None) -> list[Path]:
    """Return a file and those of its home that it imports, and so on."""
    found: dict[Path, None] = {file: None}
    waiting = [file]
    while waiting and len(found) < MOST_FILES:
        one = waiting.pop()
        for near in _neighbours(one, home, tuple(_imports(one))):
            if near not in found:
                found[near] = None
                waiting.append(near)
    return sorted(found)


def _neighbours(file: Path, home: tuple[Path, str] | None, names: tuple[tuple[int, str], ...]) -> Iterator[Path]:
    if home is None:
        return
    folder, prefix = home
    for level, name in names:
        base = file.parents[level - 1] if level else folder
        if level == 0 and prefix:
            if name != prefix and not name.startswith(f"{prefix}."):
                continue
            name = name[len(prefix) + 1 :]
        place = base.joinpath(*name.split(".")) if name else base
        for path in (place.with_suffix(".py"), place / "__init__.py"):
            if path.is_file() and folder in path.parents:
                yield path


def _imports(file: Path) -> Iterator[tuple[int, str]]:
    """Yield level and name of every module that a file may import: of `from a import b` both `a` and `a.b`."""
    yield from _named(parsed(file))


def _named(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((0, one.name) for one in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            yield node.level, module
            yield from ((node.level, f"{module}.{one.name}".lstrip(".")) for one in node.names)


def parsed(file: Path) -> ast.Module:
    """Return a file's syntax tree; an empty one where it cannot be read."""
    try:
        told = file.stat()
        return _parsed(str(file), told.st_mtime_ns, told.st_size)
    except (OSError, SyntaxError, ValueError):
        return ast.Module([], [])


@functools.lru_cache(maxsize=512)
def _parsed(name: str, changed_ns: int, size: int) -> ast.Module:
    return ast.parse(Path(name).read_bytes())


def function_print(function: Callable[..., Any], digest: Callable[[Path], str]) -> str:
    """Return the hash of a function: its own text, what it uses of its module, and the neighbours that this imports.

    `digest` gives a file's. What cannot be found in a file counts by its name.
    """
    body = innermost(function)
    file, code = file_of(body), getattr(body, "__code__", None)
    if file is None or code is None:
        return digest_of_text(getattr(body, "__qualname__", "") if file is None else digest(file))
    tree = parsed(file)
    begins = code.co_firstlineno
    own = next((one for one in ast.walk(tree) if isinstance(one, Stated) and _begins(one) == begins), None)
    if own is None:
        return digest_of_text(digest(file))
    used = _used(own, tree)
    home = home_of(body)
    names = tuple(name for one in used for name in _named(one))
    near = sorted({path for one in _neighbours(file, home, names) for path in with_neighbours(one, home)} - {file})
    lines = file.read_text(encoding="utf-8").split("\n")
    texts = ["\n".join(lines[_line(one) - 1 : one.end_lineno]) for one in used]
    return digest_of_text("\n".join([*texts, *(digest(path) for path in near)]))


Stated = ast.stmt | ast.Lambda


def _begins(node: ast.AST) -> int | None:
    return _line(node) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) else None


def _line(node: Stated) -> int:
    """Return the line in which a statement begins, its decorators included."""
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return min([node.lineno, *(one.lineno for one in decorators)])


def _used(own: Stated, tree: ast.Module) -> list[Stated]:
    """Return a function, and the statements of its module that make what it speaks of, in the module's order."""
    makers: dict[str, list[ast.stmt]] = {}
    for statement in tree.body:
        for name in _made(statement):
            makers.setdefault(name, []).append(statement)
    found: dict[int, Stated] = {id(own): own}
    waiting: list[ast.AST] = [own]
    while waiting:
        for node in ast.walk(waiting.pop()):
            for maker in makers.get(node.id, ()) if isinstance(node, ast.Name) else ():
                if id(maker) not in found:
                    found[id(maker)] = maker
                    waiting.append(maker)
    return [own, *(one for one in tree.body if id(one) in found and one is not own)]


def _made(statement: ast.stmt) -> Iterator[str]:
    """Yield the names that a statement of a module gives something to."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield statement.name
    elif isinstance(statement, ast.Import | ast.ImportFrom):
        yield from ((one.asname or one.name).partition(".")[0] for one in statement.names)
    else:
        yield from (
            one.id for one in ast.walk(statement) if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)
        )
