"""The answer: exactly, within a tolerance, by a JSON schema, or by what a judge model said of it."""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

from pydantic import JsonValue

from concertino.contracts.errors import quote
from concertino.contracts.json import JsonObject, canonical
from concertino.evals.cases import AnswerExpected, Numeric
from concertino.evals.judging.verdict import Verdict, yes_or_no

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

ROUNDING = Fraction(1, 2**50)
"""Of the greater of two numbers, what rounding may have added beyond a tolerance: some units in the last place of a float."""
FAULTS = 5
"""Differences that a verdict lists."""


class Absent:
    """There is nothing at a path."""


ABSENT = Absent()


def answer_verdicts(expected: AnswerExpected, answer: JsonValue, *, judgement: Verdict | None) -> list[Verdict]:
    """Judge an answer by all that is given; `judgement` is what the judge model said."""
    found = at(answer, expected.path)
    where: JsonObject = {"path": expected.path} if expected.path else {}
    if isinstance(found, Absent):
        return [Verdict("answer", False, 0.0, {**where, "error": "there is nothing at this path"})]
    verdicts: list[Verdict] = []
    if "exact" in expected.model_fields_set:
        detail: JsonObject = {**where, "expected": expected.exact, "found": found}
        verdicts.append(yes_or_no("answer.exact", same(found, expected.exact), detail))
    if expected.numeric is not None:
        verdicts.append(_numeric(found, expected.numeric, where))
    if expected.json_schema is not None:
        verdicts.append(_schema(found, expected.json_schema, where))
    if expected.rubric is not None:
        absent: JsonObject = {"error": "no judgement of this answer is on the tape; record it"}
        verdicts.append(judgement or Verdict("answer.rubric", False, None, absent))
    return verdicts


def at(value: JsonValue, path: str | None) -> JsonValue | Absent:
    """Return what stands at a dotted path; a number is a place in a list."""
    for part in path.split(".") if path else ():
        if isinstance(value, dict) and part in value:
            value = value[part]
        elif isinstance(value, list) and part.isdecimal() and int(part) < len(value):
            value = value[int(part)]
        else:
            return ABSENT
    return value


def same(one: JsonValue, other: JsonValue) -> bool:
    """Say whether two JSON values are equal: 1 is 1.0, but no boolean is a number."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


def _numeric(found: JsonValue, expected: Numeric, where: JsonObject) -> Verdict:
    """Judge numbers: the share of them within the tolerance, which is absolute and inclusive."""
    wrong: list[JsonObject] = []
    count = _off(found, expected.value, expected.tolerance, "", wrong)
    detail: JsonObject = {**where, "tolerance": expected.tolerance, "wrong": cast("Any", wrong[:FAULTS])}
    return Verdict("answer.numeric", not wrong, 1 - len(wrong) / max(1, count), detail)


def _off(found: JsonValue, expected: JsonValue, tolerance: float, place: str, wrong: list[JsonObject]) -> int:
    """Note every leaf of `expected` that `found` does not hold, and return how many leaves there are."""
    if isinstance(expected, dict | list):
        parts = expected.items() if isinstance(expected, dict) else enumerate(expected)
        count = 0
        for key, value in parts:
            here = f"{place}.{key}" if place else str(key)
            below = _field(found, key) if isinstance(key, str) else at(found, str(key))
            count += _off(None if isinstance(below, Absent) else below, value, tolerance, here, wrong)
        return count
    if not _near(found, expected, tolerance):
        wrong.append({"place": place, "expected": expected, "found": found})
    return 1


def _near(found: JsonValue, expected: JsonValue, tolerance: float) -> bool:
    if isinstance(expected, bool) or isinstance(found, bool):
        return found is expected
    if isinstance(expected, int | float) and isinstance(found, int | float):
        far, most = abs(_exact(found) - _exact(expected)), _exact(tolerance)
        # Exactly as the numbers are written, 12.4 being 0.4 from 12; what was computed may be off by its last places.
        return far <= most or (most > 0 and far - most <= ROUNDING * max(abs(_exact(found)), abs(_exact(expected))))
    return same(found, expected)


def _exact(number: float) -> Fraction:
    """Return a finite number as it is written in JSON."""
    return Fraction(number) if isinstance(number, int) else Fraction(repr(number))


def _field(value: JsonValue, key: str) -> JsonValue | Absent:
    return value[key] if isinstance(value, dict) and key in value else ABSENT


def _schema(found: JsonValue, schema: JsonObject, where: JsonObject) -> Verdict:
    from jsonschema.exceptions import SchemaError
    from referencing.exceptions import Unresolvable

    try:
        validator = _validator(canonical(schema))
        faults = sorted(validator.iter_errors(found), key=lambda fault: (fault.json_path, fault.message))
    except (SchemaError, Unresolvable) as error:
        return Verdict("answer.schema", False, None, {**where, "error": f"no usable JSON schema: {quote(str(error))}"})
    listed = [f"{fault.json_path}: {quote(fault.message)}" for fault in faults[:FAULTS]]
    return yes_or_no("answer.schema", not faults, {**where, "faults": cast("Any", listed), "count": len(faults)})


@lru_cache(maxsize=64)
def _validator(schema: str) -> Validator:
    """Return a schema's validator. References to other documents resolve to nothing, so that judging fetches nothing."""
    import json

    from jsonschema.validators import validator_for
    from referencing import Registry

    loaded: Any = json.loads(schema)
    kind = validator_for(loaded)
    kind.check_schema(loaded)
    return kind(loaded, registry=Registry())
