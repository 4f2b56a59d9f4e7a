"""Reading files of cases and suites: YAML or JSON lines, every fault with its file, line and rule."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, JsonValue, ValidationError

from concertino.contracts.errors import FileInvalid, InputError, SetupError, TapeMiss
from concertino.contracts.ids import is_id
from concertino.contracts.json import JsonObject, parse
from concertino.contracts.limits import Limits
from concertino.contracts.task import input_error
from concertino.evals.cases import Case
from concertino.nodes.planning.yaml_source import plain_yaml

CASES_BYTES = 8_000_000
"""Largest file of cases."""
ROW_BYTES = 4_000_000
"""Largest row of a data set."""
_LOADER: type = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_LINE = re.compile(r"line (\d+)")

Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Faulty:
    """A case that cannot be run as it stands; the others can."""

    id: str
    error: FileInvalid


def read_cases(path: Path, *, shown: str) -> Iterator[Case | Faulty]:
    """Yield the cases of a file: one case, or a list of them; JSON lines where it ends in `.jsonl`.

    `shown` is what errors call the file.
    """
    text = ""
    try:
        text = read_text(path, shown=shown, most=CASES_BYTES)
        if path.suffix == ".jsonl":
            yield from (_case(row, shown, at) for at, row in rows_of(text, shown=shown))
            return
        value, marks = read_marked(text, shown=shown)
    except FileInvalid as error:
        parts = _apart(text) if text.startswith("- ") or "\n- " in text else []
        if len(parts) < 2:
            yield Faulty(_id_of(None, path.stem), error)
        for at, part in enumerate(parts):
            yield from _part(part, shown, default=f"{path.stem}-{at + 1}")
        return
    if isinstance(value, list):
        for at, one in enumerate(value):
            yield _marked_case(one, shown, marks, (at,), default=f"{path.stem}-{at + 1}")
    else:
        yield _marked_case(value, shown, marks, (), default=path.stem)


def _apart(text: str) -> list[str]:
    """Return the entries of a list that is not readable as a whole, each with as many empty lines before it as it needs."""
    lines = text.split("\n")
    begins = [at for at, line in enumerate(lines) if line.startswith("- ")]
    return ["\n" * at + "\n".join(lines[at:end]) for at, end in pairwise([*begins, len(lines)])]


def _part(text: str, shown: str, *, default: str) -> Iterator[Case | Faulty]:
    try:
        value, marks = read_marked(text, shown=shown)
    except FileInvalid as error:
        known = re.search(r"^- id: *[\"']?([\w-]+)", text, re.MULTILINE)
        yield Faulty(_id_of({"id": known[1]} if known else None, default), error)
        return
    for at, one in enumerate(value if isinstance(value, list) else [value]):
        yield _marked_case(one, shown, marks, (at,), default=default)


def _marked_case(value: object, shown: str, marks: Marks, place: tuple[int, ...], *, default: str) -> Case | Faulty:
    try:
        return validated(Case, value, shown=shown, line=lambda loc: marks.line((*place, *loc)))
    except FileInvalid as error:
        return Faulty(_id_of(value, default), error)


def _case(row: JsonValue | FileInvalid, shown: str, at: int) -> Case | Faulty:
    if isinstance(row, FileInvalid):
        return Faulty(f"line-{at}", row)
    try:
        return validated(Case, row, shown=shown, line=lambda _: at)
    except FileInvalid as error:
        return Faulty(_id_of(row, f"line-{at}"), error)


def _id_of(value: object, default: str) -> str:
    known = value.get("id") if isinstance(value, Mapping) else None
    if isinstance(known, str) and is_id(known):
        return known
    made = re.sub(r"[^A-Za-z0-9_-]", "-", default).lstrip("-_")[:64]
    return made or "case"


def validated(kind: type[Model], value: object, *, shown: str, line: Any) -> Model:
    """Return a value as a model.

    Raises:
        FileInvalid: the first rule that it breaks, with the line of the field.
    """
    if not isinstance(value, dict):
        raise FileInvalid(file=shown, line=line(()), value=value, rule="must be an object")
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        told = input_error(error, field=kind.__name__.removesuffix("File").lower())
        if first["type"] == "missing":
            raise FileInvalid(
                file=shown, line=line(first["loc"]), value=sorted(value), rule=f"{told.field}: is needed"
            ) from error
        rule = f"{told.field}: {told.rule.removeprefix('Value error, ')}"
        raise FileInvalid(file=shown, line=line(first["loc"]), value=first["input"], rule=rule) from error


class Marks:
    """Where in a YAML text each field stands."""

    def __init__(self, node: yaml.Node | None) -> None:
        self._node = node

    def line(self, place: Sequence[object]) -> int:
        """Return the line of a place, from 1; of the nearest field around it where it is not there."""
        node, found = self._node, 1 if self._node is None else self._node.start_mark.line + 1
        for part in place:
            inner: yaml.Node | None = None
            if isinstance(node, yaml.MappingNode):
                for key, value in node.value:
                    if key.value == str(part):
                        inner, found = value, key.start_mark.line + 1
            elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
                inner = node.value[part]
                found = node.value[part].start_mark.line + 1
            if inner is None:
                break
            node = inner
        return int(found)


def read_marked(text: str, *, shown: str) -> tuple[JsonValue, Marks]:
    """Return what a YAML text holds, and where.

    Raises:
        FileInvalid: not YAML, or more than plain data.
    """
    try:
        value = plain_yaml(text, shown)
    except SetupError as error:
        found = _LINE.search(error.value)
        line = int(found[1]) if found else None
        raise FileInvalid(file=shown, line=line, value=error.value, rule=error.rule) from error
    return value, Marks(yaml.compose(text, Loader=_LOADER))


def rows_of(text: str, *, shown: str) -> Iterator[tuple[int, JsonValue | FileInvalid]]:
    """Yield the rows of JSON lines with their line; a row that cannot be read as its error. Empty lines are skipped."""
    for at, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            yield at, parse(line, field="row", limits=Limits(bytes=ROW_BYTES))
        except InputError as error:
            yield at, FileInvalid(file=shown, line=at, value=error.value, rule=error.rule)


def read_text(path: Path, *, shown: str, most: int) -> str:
    """Return a file's text.

    Raises:
        FileInvalid: it cannot be read, is larger than `most` bytes, or not UTF-8.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(most + 1)
    except OSError as error:
        raise FileInvalid(
            file=shown, line=None, value=error.strerror, rule="must be a file that can be read"
        ) from error
    if len(raw) > most:
        raise FileInvalid(file=shown, line=None, value=f"over {most} bytes", rule=f"at most {most} bytes")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise FileInvalid(file=shown, line=line, value=f"byte {error.start}", rule="must be UTF-8") from error


def as_error(error: BaseException) -> JsonObject:
    """Return an error as outcomes have it: `{"type", "message", "file"?, "line"?, "rule"?}`.

    A `TapeMiss` has `kind`, `name`, `scope`, `nearest` and `changes` as well: one text for each field that differs.
    """
    made: JsonObject = {"type": type(error).__name__, "message": str(error)}
    if isinstance(error, FileInvalid):
        made |= {"file": error.file, "line": error.line, "rule": error.rule}
    elif isinstance(error, InputError):
        made["rule"] = error.rule
    elif isinstance(error, TapeMiss):
        made |= {"kind": error.kind, "name": error.name, "scope": error.scope, "nearest": error.nearest}
        made["changes"] = [*error.changes]
    return made
