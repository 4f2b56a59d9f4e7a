"""Where workflows stand: objects, files and folders of files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from pydantic import BaseModel, JsonValue

from concertino.contracts.errors import InputError, SetupError
from concertino.contracts.json import parse
from concertino.contracts.limits import Limits
from concertino.nodes.planning.yaml_source import FILE_BYTES, FILE_NESTING, read_yaml


def opened(source: object, *, place: str) -> Iterable[tuple[str, object]]:
    """Return what stands in a source, each with its place for error messages.

    A source is an object, a YAML or JSON file, or a folder of such files, taken by name.

    Raises:
        SetupError: no such thing, or not readable.
    """
    if isinstance(source, Mapping):
        return _listed(source, place)
    if not isinstance(source, str | Path):
        raise SetupError(field=place, value=source, rule="must be a file, an object or a Workflow")
    if "\0" in str(source):
        raise SetupError(field=place, value=str(source), rule="cannot be read: a NUL in its name")
    path = Path(source)
    try:
        if path.is_dir():
            files = sorted(file for file in path.iterdir() if file.suffix in {".yaml", ".yml", ".json"})
            return [entry for file in files for entry in _listed(_read(file), str(file))]
    except OSError as error:
        raise SetupError(field=place, value=str(source), rule=f"cannot be read: {error}") from error
    return _listed(_read(path), str(path))


def _listed(given: object, place: str) -> list[tuple[str, object]]:
    if isinstance(given, Mapping) and set(given) == {"workflows"}:
        given, place = given["workflows"], f"{place}: workflows"
    if isinstance(given, list | tuple):
        return [(f"{place}[{at}]", item) for at, item in enumerate(given)]
    return [(place, given)]


def _read(path: Path) -> JsonValue:
    if path.suffix != ".json":
        return read_yaml(path)
    try:
        with path.open("rb") as file:
            raw = file.read(FILE_BYTES + 1)
    except OSError as error:
        raise SetupError(field=str(path), value=str(path), rule=f"cannot be read: {error.strerror}") from error
    try:
        return parse(raw, field=str(path), limits=Limits(bytes=FILE_BYTES, nesting=FILE_NESTING))
    except InputError as error:
        raise SetupError(field=error.field, value=error.value, rule=error.rule) from error


def as_json(value: object) -> object:
    """Return `value` with the models in it (a `Budget`, say) as plain data."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", exclude_unset=True)
    if isinstance(value, Mapping):
        return {key: as_json(item) for key, item in value.items()}
    return [as_json(item) for item in value] if isinstance(value, list | tuple) else value
