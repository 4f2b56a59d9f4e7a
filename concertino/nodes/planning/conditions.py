"""Conditions in CEL: bounded, compiled once, never an exception at run time.

A condition sees `task` (the whole task as JSON), `payload` (`task.payload`), and where it stands also `item`, `index`
(in a `for_each` template) or `findings` (in `stop_when`). What it cannot decide, it does not assert: an error at run time, such
as a field that is not there, makes the condition false and leaves a note. `has(task.payload.x)` asks without an error as
long as `task.payload` is an object; `a || b` is true when one side is, even if the other fails.

The library compiles and runs in Rust, so a hostile expression cannot be interrupted. Hence the static bounds here.
Source: docs/decisions/0002-cel.md.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import re
import sys
import threading
from collections.abc import Mapping
from functools import lru_cache
from types import ModuleType
from typing import Any, NamedTuple

from pydantic import JsonValue

from concertino.contracts.errors import InputError
from concertino.contracts.json import clean

EXPRESSION_CHARS = 1_000
"""Longest condition, chosen by hand."""
MACRO_LIMIT = 4
"""Most `all`, `exists`, `exists_one`, `map` and `filter` in one condition, chosen by hand; of these one `map`."""
NESTING_LIMIT = 2
"""One macro may stand in another, as in `items.exists(i, i.tags.exists(t, t == 'x'))`."""
PLUS_LIMIT = 16
"""Most `+` in one condition: with one `map` text can grow 16-fold, where chained maps would double it each time."""
RESULT_NESTING = 32

VARIABLES = frozenset({"task", "payload"})

_TOKEN = re.compile(
    r"""(?P<text>[rRbB]{0,2}(?:'''(?:\\.|[^\\])*?'''|\"\"\"(?:\\.|[^\\])*?\"\"\"|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"))"""
    r"""|(?P<comment>//[^\n]*)|(?P<name>[A-Za-z_]\w*)|(?P<mark>\S)""",
    re.DOTALL,
)
_EXTENSION = "cel.cel"
_loading = threading.Lock()
_MACROS = frozenset({"all", "exists", "exists_one", "map", "filter"})
_LITERALS = frozenset({"true", "false", "null"})


class Outcome(NamedTuple):
    """What became of a condition."""

    value: JsonValue
    """The result; `False` where it could not be decided."""
    note: str | None
    """Why it could not be decided."""


class Scope:
    """The variables of one planning, turned into CEL values once, when first asked for."""

    def __init__(self, task: Mapping[str, JsonValue], **variables: JsonValue) -> None:
        self._variables: dict[str, JsonValue] = {"task": dict(task), "payload": task.get("payload"), **variables}
        self._context: Any = None  # the extension's own type

    def bind(self, name: str, value: JsonValue) -> None:
        """Set a variable, such as `item`."""
        self._variables[name] = value
        if self._context is not None:
            self._context.add_variable(name, value)

    def context(self) -> Any:
        """Return the variables in the library's form."""
        if self._context is None:
            self._context = _library().Context(variables=self._variables)
        return self._context


def check(expression: str, *, names: frozenset[str] = VARIABLES, macros: bool = True) -> None:
    """Refuse a condition that is faulty, too large, or could run without bound.

    Args:
        expression: CEL.
        names: the variables it may use.
        macros: whether it may go over lists; not for conditions that came in with a request, for a macro's cost is the
            number of entries times the size of whatever its body touches.

    Raises:
        ValueError: with the rule that is broken.
    """
    if not expression.strip():
        raise ValueError("a condition must not be empty")
    if len(expression) > EXPRESSION_CHARS:
        raise ValueError(f"a condition has at most {EXPRESSION_CHARS} characters, this has {len(expression)}")
    if not expression.isprintable() and any(not (c.isprintable() or c in "\n\t\r") for c in expression):
        raise ValueError("a condition must be printable text")
    _check_tokens(expression, allowed=macros)
    program = _program(expression)
    bound = _bound_names(expression)
    unknown = sorted(set(program.variables()) - names - bound - _LITERALS)
    if unknown:
        raise ValueError(f"unknown name {unknown[0]!r} in a condition; known: {', '.join(sorted(names))}")


def decide(expression: str, scope: Scope) -> Outcome:
    """Return whether a checked condition holds."""
    outcome = evaluate(expression, scope)
    if outcome.note is None and not isinstance(outcome.value, bool):
        return Outcome(False, f"condition `{expression}` gave {type(outcome.value).__name__}, not true or false")
    return outcome


def evaluate(expression: str, scope: Scope) -> Outcome:
    """Return the JSON value of a checked expression."""
    try:
        value = _program(expression).execute(scope.context())
        return Outcome(clean(value, field="condition", nesting=RESULT_NESTING), None)
    except KeyError as error:
        return Outcome(False, f"condition `{expression}` could not be decided: no field {error}")
    except InputError as error:
        return Outcome(False, f"condition `{expression}` gave what JSON has no form for: {error.rule}")
    except (ValueError, TypeError, RuntimeError, LookupError, ArithmeticError) as error:
        return Outcome(False, f"condition `{expression}` could not be decided: {_first_line(error)}")
    except BaseException as error:
        if not _is_panic(error):
            raise
        return Outcome(False, f"condition `{expression}` could not be decided: the CEL library failed")


def _check_tokens(expression: str, *, allowed: bool) -> None:
    """Hold the bounds that only the text shows: macros, their nesting, growth by `+`, regular expressions."""
    tokens = [match for match in _TOKEN.finditer(expression) if match.lastgroup != "comment"]
    words = [match.group() for match in tokens]
    if words.count("+") > PLUS_LIMIT:
        raise ValueError(f"a condition has at most {PLUS_LIMIT} `+`")
    macros, maps, depth = 0, 0, 0
    open_macros: list[int] = []
    for at, token in enumerate(tokens):
        word = words[at]
        if token.lastgroup == "mark":
            if word in "([{":
                depth += 1
            elif word in ")]}":
                depth -= 1
                while open_macros and open_macros[-1] > depth:
                    open_macros.pop()
            continue
        if token.lastgroup != "name" or words[at + 1 : at + 2] != ["("]:
            continue
        if word == "matches":
            pattern = tokens[at + 2 : at + 4]
            literal = [match.lastgroup for match in pattern] == ["text", "mark"] and pattern[1].group() == ")"
            if at == 0 or words[at - 1] != "." or not literal:
                raise ValueError("`matches` takes one literal pattern: text.matches('...')")
        elif word in _MACROS and at > 0 and words[at - 1] == ".":
            if not allowed:
                raise ValueError(f"macros are for workflows; `{word}` cannot stand in a plan that came with a task")
            macros += 1
            maps += word == "map"
            open_macros.append(depth + 1)
            if len(open_macros) > NESTING_LIMIT:
                raise ValueError(f"macros nest at most {NESTING_LIMIT} deep; `{word}` stands too deep")
    if macros > MACRO_LIMIT or maps > 1:
        raise ValueError(f"a condition has at most {MACRO_LIMIT} macros, of these one `map`")


def _bound_names(expression: str) -> frozenset[str]:
    """Return the names that macros bind, such as the `x` in `list.all(x, ...)`."""
    words = [match.group() for match in _TOKEN.finditer(expression) if match.lastgroup != "comment"]
    return frozenset(
        words[at + 2]
        for at, word in enumerate(words[:-3])
        if word in _MACROS and words[at + 1] == "(" and words[at + 3] == ","
    )


@lru_cache(maxsize=4_096)
def _program(expression: str) -> Any:
    """Return the compiled expression.

    Raises:
        ValueError: not CEL.
    """
    try:
        return _library().compile(expression)
    except ValueError as error:
        raise ValueError(f"not a CEL expression: {_first_line(error)}") from error
    except BaseException as error:
        if not _is_panic(error):
            raise
        raise ValueError("not a CEL expression: the library failed on it") from error


def _library() -> ModuleType:
    """Return the CEL extension module without its package.

    The package's `__init__` imports its command line, with it prompt_toolkit and rich: 0.2 s, against 8 ms for the
    extension alone. It is entered under its own name and loaded under a lock, because loading it twice in one process panics.
    """
    with _loading:
        known = sys.modules.get(_EXTENSION)
        if known is not None:
            return known
        package = importlib.util.find_spec("cel")
        places = package.submodule_search_locations if package is not None else None
        spec = importlib.machinery.PathFinder.find_spec(_EXTENSION, places)
        if spec is None or spec.loader is None:
            raise ModuleNotFoundError(
                f"No module named {_EXTENSION!r}; install common-expression-language", name=_EXTENSION
            )
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        sys.modules[_EXTENSION] = module
        return module


def _is_panic(error: BaseException) -> bool:
    """Say whether a Rust panic came through: pyo3 derives it from BaseException."""
    return type(error).__name__ == "PanicException"


def _first_line(error: BaseException) -> str:
    """Return what the library complained of, without its echo of the whole expression."""
    text = str(error)
    found = re.search(r"Syntax error: ([^\n]{1,160})", text)
    return found.group(1) if found else text.split("\n", 1)[0][:200]
