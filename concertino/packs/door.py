"""A pack's doors: JSON Schema contracts on what comes in and what goes out."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import lru_cache
from importlib.resources.abc import Traversable
from typing import TYPE_CHECKING

from concertino.contracts.errors import InputError, SetupError
from concertino.contracts.json import JsonObject, clean, dump
from concertino.contracts.limits import Limits

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import ValidationError


class Door:
    """One contract, enforced."""

    def __init__(self, schema: Traversable, *, field: str, limits: Limits | None = None) -> None:
        """Open the door that `schema` describes; `field` is what errors call the thing that passes."""
        self.field = field
        self.limits = limits or Limits()
        self._validator = _validator(schema.name, schema.read_text(encoding="utf-8"))

    @property
    def schema(self) -> JsonObject:
        """Return the contract itself."""
        schema = self._validator.schema
        assert isinstance(schema, dict)
        return dict(schema)

    def check(self, value: object) -> JsonObject:
        """Return `value` as plain JSON that satisfies the contract.

        Raises:
            InputError: naming the first place in reading order that breaks a rule, its value and the rule; also over
                `limits`, not finite, or not JSON at all.
        """
        data = clean(value, field=self.field, nesting=self.limits.nesting)
        if not isinstance(data, dict):
            raise InputError(field=self.field, value=value, rule="must be an object")
        size = len(dump(data).encode())
        if size > self.limits.bytes:
            raise InputError(field=self.field, value=f"{size} bytes", rule=f"at most {self.limits.bytes} bytes")
        faults = sorted(
            self._validator.iter_errors(data), key=lambda fault: (list(map(str, fault.path)), fault.message)
        )
        if faults:
            raise _input_error(_deepest(faults[0]), field=self.field)
        return data


@lru_cache(maxsize=64)
def _validator(name: str, text: str) -> Draft202012Validator:
    # jsonschema costs a tenth of a second, and listing agents does not need it.
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import SchemaError

    try:
        contract: object = json.loads(text)
        if not isinstance(contract, dict):
            raise SetupError(field=name, value=contract, rule="must be a JSON Schema object")
        Draft202012Validator.check_schema(contract)
    except json.JSONDecodeError as error:
        raise SetupError(field=name, value=str(error), rule="must be JSON") from error
    except SchemaError as error:
        raise SetupError(field=name, value=error.json_path, rule=error.message) from error
    return Draft202012Validator(contract)


def _deepest(fault: ValidationError) -> ValidationError:
    """Follow `anyOf` and `oneOf` to the branch that came nearest."""
    while fault.context:
        fault = max(fault.context, key=lambda inner: (len(inner.path), -len(inner.message)))
    return fault


def _input_error(fault: ValidationError, *, field: str) -> InputError:
    place = "".join((field, *(f"[{part}]" if isinstance(part, int) else f".{part}" for part in fault.absolute_path)))
    given: object = fault.instance
    if fault.validator == "required" and isinstance(given, dict):
        name = _first(name for name in _names(fault.validator_value) if name not in given)
        return InputError(field=f"{place}.{name}", value=None, rule="required, but missing")
    if fault.validator == "additionalProperties" and isinstance(given, dict):
        properties = fault.schema.get("properties", {}) if isinstance(fault.schema, dict) else {}
        name = _first(name for name in given if name not in properties)
        known = ", ".join(properties)
        return InputError(field=f"{place}.{name}", value=given.get(name), rule=f"unknown field; known are {known}")
    return InputError(field=place, value=given, rule=_rule(fault))


def _names(value: object) -> Iterable[str]:
    return [str(name) for name in value] if isinstance(value, list) else []


def _first(names: Iterable[str]) -> str:
    return next(iter(names), "?")


def _rule(fault: ValidationError) -> str:
    """Return the rule in words that do not repeat the value, which may be huge."""
    wanted: object = fault.validator_value
    sayings = {
        "type": f"must be of type {wanted}",
        "minLength": f"must have at least {wanted} character(s)",
        "maxLength": f"must have at most {wanted} characters",
        "minimum": f"must be at least {wanted}",
        "maximum": f"must be at most {wanted}",
        "exclusiveMinimum": f"must be more than {wanted}",
        "enum": f"must be one of {wanted}",
        "pattern": f"must match {wanted}",
        "uniqueItems": "must not repeat an item",
        "minItems": f"must have at least {wanted} item(s)",
        "maxItems": f"must have at most {wanted} items",
        "contains": f"must contain {wanted}",
    }
    return sayings.get(str(fault.validator), f"breaks the contract's {fault.validator} {wanted}")
