"""Cases out of data sets of others: JSON lines, read where they lie, every row put into a template.

A placeholder is `${row.path}`, `${file}` or `${number}` (the row's line). One that is the whole text keeps its JSON type.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from concertino.contracts.errors import FileInvalid
from concertino.contracts.json import JsonObject, dump
from concertino.evals.case_files import Faulty, rows_of, validated
from concertino.evals.case_files import read_text as read_bounded
from concertino.evals.cases import Case

SET_BYTES = 256_000_000
"""Largest data set."""
_PLACE = re.compile(r"\$\{([^{}]*)\}")
_PATH = re.compile(r"(?:row(?:\.[^.\s{}]+)*|file|number)")


class DataSet(BaseModel):
    """Where a suite's cases come from, beside its own files."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: str
    """Path of JSON lines; relative to the suite's folder."""
    case: JsonObject
    """Template of a case."""
    where: dict[str, JsonValue] = Field(default_factory=dict)
    """Only rows that have these values, by dotted path."""
    skip: Annotated[int, Field(ge=0)] = 0
    limit: Annotated[int, Field(ge=1)] | None = None
    """At most so many cases."""


def cases_of(data: DataSet, folder: Path, *, shown: str) -> Iterator[Case | Faulty]:
    """Yield the cases of a data set; a row that makes none is an error of its own."""
    path = folder / data.file
    name = Path(data.file).name
    try:
        text = read_bounded(path, shown=data.file, most=SET_BYTES)
    except FileInvalid as error:
        yield Faulty(re.sub(r"[^A-Za-z0-9_-]", "-", f"{shown}-{name}").lstrip("-_")[:64], error)
        return
    made = 0
    for at, row in rows_of(text, shown=data.file):
        if data.limit is not None and made >= data.limit + data.skip:
            return
        if isinstance(row, FileInvalid):
            yield Faulty(f"line-{at}", row)
            continue
        if not _fits(row, data.where):
            continue
        made += 1
        if made > data.skip:
            yield _case(data, row, name, at)


def _fits(row: JsonValue, where: Mapping[str, JsonValue]) -> bool:
    return all(_looked_up(row, path.split(".")) == (True, value) for path, value in where.items())


def _case(data: DataSet, row: JsonValue, name: str, at: int) -> Case | Faulty:
    known: JsonObject = {"row": row, "file": name, "number": at}
    try:
        value = _filled(data.case, known, data.file, at)
        return validated(Case, value, shown=data.file, line=lambda _: at)
    except FileInvalid as error:
        return Faulty(f"line-{at}", error)


def _filled(template: JsonValue, known: JsonObject, file: str, at: int) -> JsonValue:
    if isinstance(template, dict):
        return {key: _filled(value, known, file, at) for key, value in template.items()}
    if isinstance(template, list):
        return [_filled(value, known, file, at) for value in template]
    if not isinstance(template, str):
        return template
    whole = _PLACE.fullmatch(template)
    if whole is not None:
        return _value(whole[1], known, file, at)

    def text(found: re.Match[str]) -> str:
        value = _value(found[1], known, file, at)
        return value if isinstance(value, str) else dump(value)

    return _PLACE.sub(text, template)


def _value(path: str, known: JsonObject, file: str, at: int) -> JsonValue:
    if not _PATH.fullmatch(path):
        raise FileInvalid(file=file, line=at, value=path, rule="a placeholder is ${row.path}, ${file} or ${number}")
    found = _looked_up(known, path.split("."))
    if not found.is_there:
        raise FileInvalid(file=file, line=at, value=path, rule="the row has no such field")
    return found.value


class _Found(NamedTuple):
    is_there: bool
    value: JsonValue = None


def _looked_up(value: JsonValue, path: list[str]) -> _Found:
    for part in path:
        if isinstance(value, Mapping) and part in value:
            value = value[part]
        elif isinstance(value, list) and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        else:
            return _Found(False)
    return _Found(True, value)
