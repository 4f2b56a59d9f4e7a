"""JSON Schemas of specialists: compiled once, never fetched from anywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import JsonValue

from concertino.contracts.errors import SetupError, quote
from concertino.contracts.json import JsonObject

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

KEPT = 512
"""Compiled schemas kept at once; chosen by hand, above any number of specialists seen."""

_compiled: dict[int, tuple[JsonObject, Validator]] = {}
"""By identity; the schema is held, so that its id cannot pass to another object."""


class Complaint:
    """What a value breaks in a schema."""

    __slots__ = ("path", "rule", "value")

    def __init__(self, *, path: str, value: object, rule: str) -> None:
        self.path, self.value, self.rule = path, value, rule


def check_schema(schema: JsonObject, *, field: str) -> None:
    """Refuse what is no JSON Schema.

    Raises:
        SetupError: with the place inside the schema.
    """
    from jsonschema.exceptions import SchemaError
    from jsonschema.validators import validator_for

    try:
        validator_for(schema, default=_draft()).check_schema(schema)
    except SchemaError as error:
        place = f"{field}{error.json_path[1:]}"
        raise SetupError(field=place, value=error.instance, rule=_short(error.message)) from error


def complaint(value: JsonValue, *, schema: JsonObject) -> Complaint | None:
    """Return the most telling breach of `schema` in `value`, or `None`. `$ref` reaches only into the schema itself."""
    from jsonschema.exceptions import best_match
    from referencing.exceptions import Unresolvable

    try:
        worst = best_match(_validator(schema).iter_errors(value))
    except Unresolvable as error:
        return Complaint(path="", value=value, rule=f"its schema refers to what is not there: {quote(error.ref)}")
    except RecursionError:
        return Complaint(path="", value="…", rule="its schema recurses too deep")
    if worst is None:
        return None
    return Complaint(path=worst.json_path[1:], value=worst.instance, rule=_short(worst.message))


def _validator(schema: JsonObject) -> Validator:
    entry = _compiled.get(id(schema))
    if entry is not None:
        return entry[1]
    from jsonschema.validators import validator_for
    from referencing import Registry

    cls: Any = validator_for(schema, default=_draft())
    # A registry of one's own: the default one fetches remote references over the network.
    made: Validator = cls(schema, registry=Registry())
    while len(_compiled) >= KEPT:
        _compiled.pop(next(iter(_compiled)), None)
    _compiled[id(schema)] = (schema, made)
    return made


def _draft() -> Any:
    from jsonschema import Draft202012Validator

    return Draft202012Validator


def _short(message: str) -> str:
    return message if len(message) <= 300 else f"{message[:120]} … {message[-120:]}"
