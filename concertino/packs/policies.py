"""A pack's policy, as its file has it and a caller overrides it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import yaml
from pydantic import BaseModel, JsonValue, ValidationError

from concertino.contracts.errors import SetupError

P = TypeVar("P", bound=BaseModel)


def merged(kind: type[P], text: str, overrides: Mapping[str, JsonValue]) -> P:
    """Return the policy in YAML `text` with overrides, merged section by section.

    Raises:
        SetupError: an override that the policy does not know or allow, by name.
    """
    if not isinstance(overrides, Mapping):
        raise SetupError(field="policy", value=overrides, rule="must be a mapping of the policy's sections")
    sections: dict[str, object] = dict(yaml.safe_load(text))
    for name, value in overrides.items():
        section = sections.get(name)
        sections[name] = {**section, **value} if isinstance(section, dict) and isinstance(value, dict) else value
    try:
        return kind.model_validate(sections)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(("policy", *(str(part) for part in first["loc"])))
        raise SetupError(field=place, value=first["input"], rule=first["msg"]) from error
