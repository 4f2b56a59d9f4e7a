"""Who is there, from what a person names with `--specialists`: a JSON file, or a list in Python.

The file is a list of objects: `name` (or `id`), `description` (or `desc`), and what each takes and gives, as `inputs` and `outputs`
(or `input-type`, `output-type`, `input_schema`, ...): a JSON Schema, a list of names, or a list of kinds of media such as `image`.
A schema is held to the letter. A list says what there is, and requires nothing; an entry `{"name": ..., "required": true}` does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from concertino.contracts.errors import InputError
from concertino.contracts.limits import Limits
from concertino.contracts.specialist import SpecialistCard
from concertino.service.cli.source import read_bytes

if TYPE_CHECKING:
    from concertino.contracts.json import JsonObject

FIELD = "--specialists"
LIMITS = Limits(bytes=2_000_000)
"""Size of a file of specialists; chosen by hand."""
MOST = 1_000
"""Specialists in one file; chosen by hand."""
NAME_CHARS = 128
"""Longest name; longer ones are not looked up by mending either."""
DESCRIPTION_CHARS = 10_000

NAMES = ("name", "id", "tool", "api_name")
DESCRIPTIONS = ("description", "desc", "summary")
TAKES = ("inputs", "input_schema", "input-type", "input_type", "input", "parameters")
GIVES = ("outputs", "output_schema", "output-type", "output_type", "output", "returns")
SCHEMA_WORDS = frozenset({
    "type", "properties", "required", "$schema", "$ref", "$defs", "anyOf", "oneOf", "allOf", "additionalProperties",
    "patternProperties", "enum", "const",
})  # fmt: skip
"""Words by one of which an object is a JSON Schema; else its keys are names."""


def is_reference(given: str) -> bool:
    """Say whether `MODULE:NAME` is meant rather than a file."""
    module, colon, name = given.partition(":")
    return bool(colon) and name.isidentifier() and all(part.isidentifier() for part in module.split("."))


def read_cards(place: str) -> dict[str, SpecialistCard]:
    """Return the specialists in a JSON file, or on standard input for `-`.

    Raises:
        InputError: no such file, too large, not JSON, or an entry that is no specialist: field, value, rule.
    """
    from concertino.contracts.json import parse

    given = parse(read_bytes(place, field=FIELD, limits=LIMITS), field=FIELD, limits=LIMITS)
    listed = given.get("specialists", given.get("tools")) if isinstance(given, dict) else given
    if not isinstance(listed, list):
        raise InputError(
            field=FIELD, value=given, rule='must be a list of {"name", "description", "inputs"?, "outputs"?}'
        )
    if not listed:
        raise InputError(field=FIELD, value=[], rule="must have at least one specialist")
    if len(listed) > MOST:
        raise InputError(field=FIELD, value=f"{len(listed)} specialists", rule=f"at most {MOST}")
    cards: dict[str, SpecialistCard] = {}
    for at, entry in enumerate(listed):
        card = _card(entry, f"{FIELD}[{at}]")
        if card.name in cards:
            raise InputError(field=f"{FIELD}[{at}].name", value=card.name, rule="this name is taken already")
        cards[card.name] = card
    return cards


def _card(entry: object, field: str) -> SpecialistCard:
    if isinstance(entry, str):
        entry = {"name": entry}
    if not isinstance(entry, Mapping):
        raise InputError(field=field, value=entry, rule='must be {"name", "description", "inputs"?, "outputs"?}')
    name = _first(entry, NAMES)
    if not isinstance(name, str) or not name.strip() or len(name) > NAME_CHARS or not name.isprintable():
        raise InputError(field=f"{field}.name", value=name, rule=f"must be 1-{NAME_CHARS} printable characters")
    described = _first(entry, DESCRIPTIONS)
    if described is not None and (not isinstance(described, str) or len(described) > DESCRIPTION_CHARS):
        raise InputError(
            field=f"{field}.description", value=described, rule=f"must be text, at most {DESCRIPTION_CHARS} characters"
        )
    capabilities = entry.get("capabilities")
    if capabilities is not None and not (
        isinstance(capabilities, list) and all(isinstance(one, str) for one in capabilities)
    ):
        raise InputError(field=f"{field}.capabilities", value=capabilities, rule="must be a list of names")
    return SpecialistCard(
        name=name,
        description=described or "",
        capabilities=frozenset(capabilities or ()),
        input_schema=_schema(_first(entry, TAKES), f"{field}.inputs"),
        output_schema=_schema(_first(entry, GIVES), f"{field}.outputs"),
    )


def _first(entry: Mapping[str, Any], keys: tuple[str, ...]) -> Any:
    return next((entry[key] for key in keys if entry.get(key) is not None), None)


def _schema(given: Any, field: str) -> JsonObject | None:
    """Return what is declared as a JSON Schema; `None` where nothing is.

    Raises:
        InputError: of none of the forms, or no valid schema.
    """
    from concertino.contracts.errors import SetupError
    from concertino.nodes.specialists.schema import check_schema

    if given is None or given in ([], {}, ""):
        return None
    if isinstance(given, str):
        given = [given]
    if isinstance(given, Mapping) and SCHEMA_WORDS & set(given) and not _is_named_type(given):
        if field.endswith(".inputs") and given.get("type") not in (None, "object"):
            return None  # inputs have names, so a schema of a bare value tells nothing of them
        try:
            check_schema(dict(given), field=field)
        except SetupError as error:
            raise InputError(field=field, value=given, rule=error.rule) from error
        return dict(given)
    if isinstance(given, Mapping):
        given = [{"name": name, **(kind if isinstance(kind, Mapping) else {})} for name, kind in given.items()]
    if not isinstance(given, list):
        raise InputError(field=field, value=given, rule="must be a JSON Schema, or a list of names or kinds")
    names: list[str] = []
    required: list[str] = []
    for at, one in enumerate(given):
        name = _first(one, ("name", "id", "type")) if isinstance(one, Mapping) else one
        if not isinstance(name, str) or not name or len(name) > NAME_CHARS:
            raise InputError(field=f"{field}[{at}]", value=one, rule='must be a name or {"name", "required"?}')
        names.append(name)
        if isinstance(one, Mapping) and one.get("required") is True:
            required.append(name)
    made: JsonObject = {"type": "object", "properties": {name: {} for name in names}, "additionalProperties": True}
    return {**made, "required": [*dict.fromkeys(required)]} if required else made


def _is_named_type(given: Mapping[str, Any]) -> bool:
    """Say whether an object is a mapping of names to types in which an input happens to be called as a word of schemas."""
    kind = given.get("type")
    return not isinstance(given.get("properties"), Mapping) and isinstance(kind, Mapping)
