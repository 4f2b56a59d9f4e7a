"""What each specialist has to answer, field by field."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

Domain = Literal["financial", "legal", "market", "technical", "regulatory"]

SUMMARY_CHARS = 2_000
LINE_CHARS = 400
LISTED = 20
"""Entries kept of a list."""

_NUMBER = re.compile(r"\d+")


def _word(given: object) -> object:
    return given.strip().lower().replace(" ", "_") if isinstance(given, str) else given


def _cut(length: int) -> BeforeValidator:
    return BeforeValidator(lambda given: given.strip()[:length] if isinstance(given, str) else given)


def _listed(given: object) -> object:
    return given[:LISTED] if isinstance(given, list) else [] if given is None else given


def _percent(given: object) -> object:
    return given.strip().removesuffix("%") if isinstance(given, str) else given


def _number_in(given: object) -> object:
    """Return the first whole number of `12-15` or `p. 3`; models write lines and pages in many ways."""
    if isinstance(given, str):
        found = _NUMBER.search(given)
        return int(found.group()[:9]) if found else None
    return None if isinstance(given, bool) or (isinstance(given, int) and given < 1) else given


Level = Annotated[Literal["low", "medium", "high"], BeforeValidator(_word)]
Line = Annotated[str, _cut(LINE_CHARS)]
Number = Annotated[float, Field(allow_inf_nan=False, ge=-1e15, le=1e15)]
Percent = Annotated[float, Field(allow_inf_nan=False, ge=-1e4, le=1e5), BeforeValidator(_percent)]
Lines = Annotated[list[Line], BeforeValidator(_listed)]
Currency = Annotated[str, _cut(8)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Citation(_Part):
    """One place in the documents that carries a claim."""

    file: Annotated[str, _cut(LINE_CHARS)] = Field(description="Name of the document, exactly as listed.")
    line: Annotated[int | None, BeforeValidator(_number_in)] = Field(
        None, description="Line in the document, from 1; in a PDF the page."
    )
    quote: Annotated[str, _cut(1_000)] = Field("", description="The words of that place, copied exactly.")
    claim: Line = Field("", description="What the quoted words show, one clause.")

    @model_validator(mode="before")
    @classmethod
    def _other_forms(cls, given: object) -> object:
        """Read `"file.md:12"` as a citation, and `page` or `source` for what is called otherwise here."""
        if isinstance(given, str):
            given = {"file": given}
        if not isinstance(given, dict):
            return {"file": ""}
        data = {str(key): value for key, value in given.items()}
        for ours, theirs in (("file", ("source", "document")), ("line", ("page", "from_line")), ("quote", ("text",))):
            for name in theirs:
                if data.get(ours) in (None, "") and name in data:
                    data[ours] = data[name]
        name, mark, place = str(data.get("file") or "").rpartition(":")
        if mark and data.get("line") is None and (found := _NUMBER.search(place)) is not None:
            data["file"], data["line"] = name, int(found.group()[:9])
        for key in ("file", "quote", "claim"):
            data[key] = data.get(key) if isinstance(data.get(key), str) else ""
        if not isinstance(data.get("line"), int | str):
            data["line"] = None
        return data


class RedFlag(_Part):
    """Something that speaks against the acquisition."""

    title: Line = Field(description="What it is, one clause.")
    severity: Level


class Veto(_Part):
    """A regulatory bar to the acquisition as it stands."""

    reason: Annotated[str, _cut(LINE_CHARS), Field(min_length=1)]
    evidence: Annotated[list[Citation], BeforeValidator(_listed)] = Field(
        default_factory=list, description="Where the documents show it; a veto without this does not bind."
    )


class Answer(_Part):
    """What every specialist answers."""

    recommendation: Annotated[Literal["proceed", "caution", "stop"], BeforeValidator(_word)]
    risk: Level = Field(description="Risk in your field.")
    score: Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)] = Field(
        description="How attractive the target is in your field: 0 worthless, 50 neutral, 100 excellent."
    )
    summary: Annotated[str, _cut(SUMMARY_CHARS), Field(min_length=1)] = Field(
        description="What you found, in a few sentences."
    )
    red_flags: Annotated[list[RedFlag], BeforeValidator(_listed)] = Field(default_factory=list)
    open_questions: Lines = Field(
        default_factory=list, description="What should be looked into more closely; empty if nothing."
    )
    confidence: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)] = Field(
        description="Your own probability that this holds, 0 to 1."
    )
    evidence: Annotated[list[Citation], BeforeValidator(_listed)] = Field(
        default_factory=list, description="The places that carry your findings. Each is looked up."
    )


class Financial(Answer):
    """The financial specialist's answer."""

    currency: Currency | None = Field(None, description="Code of the currency of all amounts, e.g. EUR.")
    valuation: Number | None = Field(None, description="What the target is worth, in whole units of the currency.")
    annual_revenue: Number | None = Field(None, description="Latest full year, in whole units of the currency.")
    revenue_growth_percent: Percent | None = Field(None, description="Against the year before.")
    ebitda_margin_percent: Percent | None = None


class Legal(Answer):
    """The legal specialist's answer."""

    currency: Currency | None = Field(None, description="Code of the currency of all amounts, e.g. EUR.")
    litigation_exposure: Number | None = Field(None, description="Open claims, in whole units of the currency.")
    change_of_control: Annotated[Literal["none", "consent_needed", "unknown"], BeforeValidator(_word)] = Field(
        "unknown", description="Whether contracts let others object to the acquisition."
    )


class Market(Answer):
    """The market specialist's answer."""

    market_growth_percent: Percent | None = Field(None, description="A year.")
    market_share_percent: Percent | None = None
    position: Annotated[Literal["leader", "challenger", "niche", "unknown"], BeforeValidator(_word)] = "unknown"


class Technical(Answer):
    """The technical specialist's answer."""

    currency: Currency | None = Field(None, description="Code of the currency of all amounts, e.g. EUR.")
    remediation_cost: Number | None = Field(None, description="To mend what was found, in whole units of the currency.")
    technical_debt: Annotated[Literal["low", "medium", "high", "unknown"], BeforeValidator(_word)] = "unknown"
    key_person_dependency: Annotated[Literal["low", "medium", "high", "unknown"], BeforeValidator(_word)] = "unknown"


class Regulatory(Answer):
    """The regulatory specialist's answer."""

    compliance: Annotated[Literal["compliant", "unclear", "breach"], BeforeValidator(_word)]
    approvals_needed: Lines = Field(default_factory=list, description="Whose consent the acquisition needs.")
    veto: Veto | None = Field(
        None, description="Only where a rule forbids the acquisition as it stands; it decides the whole matter."
    )


FORMS: dict[Domain, type[Answer]] = {
    "financial": Financial,
    "legal": Legal,
    "market": Market,
    "technical": Technical,
    "regulatory": Regulatory,
}


def own_fields(domain: Domain) -> tuple[str, ...]:
    """Return the fields that only this domain answers, in order."""
    return tuple(name for name in FORMS[domain].model_fields if name not in Answer.model_fields and name != "veto")
