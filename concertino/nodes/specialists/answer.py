"""Reading what a specialist returned: a finding, a refusal to answer, or nonsense."""

from __future__ import annotations

from typing import Any, Final

from pydantic import ValidationError

from concertino.contracts.finding import Declined, Finding
from concertino.contracts.limits import Limits
from concertino.contracts.specialist import SpecialistCard
from concertino.contracts.task import input_error
from concertino.nodes.specialists.plain import AnswerRefused, plain
from concertino.nodes.specialists.schema import complaint

__all__ = ["AnswerRefused", "read_answer"]

FIELD: Final = "answer"
"""Where every refusal's place begins."""

_FIELDS: Final = frozenset(Finding.model_fields)


def read_answer(raw: object, *, card: SpecialistCard, limits: Limits) -> Finding | Declined:
    """Return what a specialist answered as a clean finding that names it, or its refusal to answer.

    A dict with `output` and either `confidence` or nothing but a finding's fields is read as a finding, unless the
    card's output schema has a property `output` of its own. Anything else but `None` is an output held with full
    confidence. Name and authority come from the card whatever the answer says; the domain where it says none.

    Raises:
        AnswerRefused: nothing was returned, it is not JSON, over `limits`, no valid finding, or against the card's
            output schema; with field, value and rule.
    """
    if raw is None:
        raise AnswerRefused(field=FIELD, value=None, rule="returned nothing; must be a Finding, Declined or JSON")
    if isinstance(raw, Declined):
        return _declined(raw, limits=limits)
    given = _as_fields(raw, card)
    given.pop("specialist", None)
    given.pop("authority", None)
    data = plain(given, field=FIELD, nesting=limits.nesting + 1, max_bytes=limits.output_bytes)
    assert isinstance(data, dict)  # it was a dict going in
    data["specialist"], data["authority"] = card.name, card.authority
    if data.get("domain") is None:
        data["domain"] = card.domain
    try:
        finding = Finding.model_validate(data)
    except ValidationError as error:
        first = input_error(error, field=FIELD)
        place = error.errors(include_url=False, include_context=False)[0]
        raise AnswerRefused(field=first.field, value=place["input"], rule=first.rule) from error
    if card.output_schema is not None:
        breach = complaint(finding.output, schema=card.output_schema)
        if breach is not None:
            raise AnswerRefused(field=f"{FIELD}.output{breach.path}", value=breach.value, rule=breach.rule)
    return finding


def _declined(raw: Declined, *, limits: Limits) -> Declined:
    reason = plain(vars(raw).get("reason"), field=f"{FIELD}.reason", nesting=1, max_bytes=limits.output_bytes)
    if not isinstance(reason, str):
        raise AnswerRefused(field=f"{FIELD}.reason", value=reason, rule="must be text")
    return Declined(reason=reason)


def _as_fields(raw: object, card: SpecialistCard) -> dict[str, object]:
    if isinstance(raw, Finding):
        # Not `model_dump`: one made by `model_construct` may hold anything, and must be seen as it is.
        return dict(vars(raw))
    if isinstance(raw, dict) and "output" in raw and _means_finding(raw, card):
        return dict(raw)
    return {"output": raw}


def _means_finding(raw: dict[Any, object], card: SpecialistCard) -> bool:
    declared = (card.output_schema or {}).get("properties")
    if isinstance(declared, dict) and "output" in declared:
        return False
    return "confidence" in raw or all(key in _FIELDS for key in raw)
