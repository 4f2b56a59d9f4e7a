"""The pack's specialists: agents over the documents, each with its field, its authority and its part of the budget."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any, NamedTuple

from pydantic import JsonValue

from concertino.contracts.brief import Brief
from concertino.contracts.errors import BudgetExceeded, InputError, SetupError
from concertino.contracts.finding import Declined, Finding
from concertino.contracts.json import JsonObject
from concertino.nodes.specialists.declare import Specialist, specialist
from concertino.packs.diligence.answers import FORMS, Answer, Domain, Regulatory
from concertino.packs.diligence.desk import TOOLS, Desk
from concertino.packs.diligence.documents import Library
from concertino.packs.diligence.evidence import check, place_of
from concertino.packs.diligence.policy import Policy, read_policy
from concertino.packs.diligence.reading import Reading
from concertino.packs.diligence.request import Asked, asked, request_text, system_prompt
from concertino.packs.diligence.shelf import SHELF
from concertino.packs.diligence.stages import STAGES, Stage, stage_of

VERSION = "0.1.0"


class Seat(NamedTuple):
    """One specialist's place in the hierarchy."""

    domain: Domain
    authority: float
    description: str


SEATS: Mapping[str, Seat] = {
    "financial_agent": Seat(
        "financial", 0.8, "Judges financial condition and value: revenue, margins, debt, valuation."
    ),
    "legal_agent": Seat("legal", 0.8, "Judges contracts, litigation, ownership and liabilities."),
    "market_agent": Seat("market", 0.6, "Judges market, competition, customers and growth."),
    "technical_agent": Seat("technical", 0.6, "Judges technology, technical debt, security and key people."),
    "regulatory_agent": Seat(
        "regulatory", 1.0, "Judges regulatory compliance and approvals; may veto the acquisition."
    ),
}
"""Specialists by name. Source of the regulatory authority and of the steps 0.8 and 0.6: document 004, authority hierarchy; who
stands on which of the lower two was chosen by hand."""

REGULATORY = "regulatory_agent"

INPUTS: JsonObject = {
    "type": "object",
    "properties": {"stage": {"enum": list(STAGES), "description": "How deep to look; focused where left out."}},
    "additionalProperties": False,
}
OUTPUTS: JsonObject = {
    "type": "object",
    "properties": {
        "recommendation": {"enum": ["proceed", "caution", "stop", None]},
        "risk": {"enum": ["low", "medium", "high", None]},
        "score": {"type": ["number", "null"], "minimum": 0, "maximum": 100},
        "summary": {"type": "string"},
        "red_flags": {"type": "array"},
        "open_questions": {"type": "array"},
    },
    "required": ["recommendation", "risk", "score", "summary"],
}

NO_MODEL = "needs a model: give model= (or models= by specialist), on the command line --model"


def require_langchain() -> None:
    """Check that what the agents are made of is installed.

    Raises:
        SetupError: naming the extra.
    """
    if find_spec("langchain") is None:
        raise SetupError(
            field="diligence", value="langchain", rule="not installed: pip install 'concertino[diligence]'"
        )


def build_specialists(policy: Policy | None = None) -> tuple[Specialist, ...]:
    """Return the pack's five specialists.

    Raises:
        SetupError: LangChain is not installed.
    """
    require_langchain()
    rules = policy or read_policy()
    return tuple(_specialist(name, seat, rules) for name, seat in SEATS.items())


def _specialist(name: str, seat: Seat, policy: Policy) -> Specialist:
    @specialist(
        name,
        capabilities={f"{seat.domain}-diligence"},
        domain=seat.domain,
        description=seat.description,
        authority=seat.authority,
        budget=policy.budget_of(seat.domain),
        input_schema=INPUTS,
        output_schema=OUTPUTS,
        version=VERSION,
        max_attempts=1,  # the model's calls have their own retries, and a refused answer is asked for again
        tools=TOOLS,
    )
    async def examine(brief: Brief) -> Finding | Declined:
        return await _examine(brief, name=name, domain=seat.domain, policy=policy)

    return examine


async def _examine(brief: Brief, *, name: str, domain: Domain, policy: Policy) -> Finding | Declined:
    stage = stage_of(brief.inputs)
    if brief.model is None:
        return Declined(reason=f"{name} {NO_MODEL}")
    about = asked(brief.task)
    if about.documents is None:
        return Declined(reason="the task names no folder of documents: payload.documents")
    try:
        library = await asyncio.to_thread(SHELF.open, brief.task_id, about.documents, policy.documents)
    except InputError as error:
        return Declined(reason=str(error))
    desk = Desk(brief, library)
    try:
        reading = await _ask(brief, desk, library, about, name=name, domain=domain, stage=stage, policy=policy)
    except BudgetExceeded as error:
        if stage != "screening":
            raise
        return _inconclusive(domain, f"the screening was cut short: {error}")
    if reading.answer is None:
        reason = f"the model's answer was refused twice: {'; '.join(reading.faults)}"[:1_000]
        # A screening that tells nothing must not keep the work after it from being done.
        return _inconclusive(domain, reason) if stage == "screening" else Declined(reason=reason)
    # Looking up quotes reads whole documents, which must not hold up the loop.
    finding = await asyncio.to_thread(
        _finding, reading.answer, library, desk, domain=domain, stage=stage, notes=reading.notes
    )
    await _publish(brief, finding)
    return finding


async def _ask(
    brief: Brief, desk: Desk, library: Library, about: Asked, *, name: str, domain: Domain, stage: Stage, policy: Policy
) -> Reading:
    # LangChain takes a second to import, which must not hold up the loop.
    interview: Any = await asyncio.to_thread(_interview)
    system = await asyncio.to_thread(system_prompt, domain, stage)
    request = request_text(brief, library, about=about)
    turns: int = getattr(policy.turns, stage)
    reading: Reading = await interview(
        brief.model, desk, name=name, system=system, request=request, form=FORMS[domain], turns=turns
    )
    return reading


def _interview() -> Any:
    from concertino.packs.diligence.interview import interview

    return interview


def _finding(
    answer: Answer, library: Library, desk: Desk, *, domain: Domain, stage: Stage, notes: tuple[str, ...]
) -> Finding:
    checked = check(answer.evidence, library)
    output: JsonObject = {
        "domain": domain,
        "stage": stage,
        **answer.model_dump(mode="json", exclude={"evidence", "confidence", "veto"}),
        "stated_confidence": answer.confidence,
        "read": list[JsonValue](desk.places[:100]),
    }
    said = [*notes, *checked.notes]
    if checked.cited == 0:
        said.append("no evidence was cited, which halves the confidence")
    evidence = checked.kept
    if isinstance(answer, Regulatory):
        output["veto"] = None
        if answer.veto is not None:
            grounds = check(answer.veto.evidence, library)
            binds = grounds.quoted > 0
            output["veto"] = {
                "reason": answer.veto.reason,
                "binds": binds,
                "evidence": [place_of(one) for one in grounds.kept],
            }
            output["recommendation"] = "stop" if binds else output["recommendation"]
            said += grounds.notes
            if not binds:
                said.append("the veto does not bind: no document says what it rests on")
            evidence = (*grounds.kept, *(one for one in evidence if one not in grounds.kept))
    return Finding(
        output=output,
        confidence=checked.confidence(answer.confidence),
        evidence=evidence,
        domain=domain,
        notes="; ".join(said)[:4_000] or None,
    )


def _inconclusive(domain: Domain, reason: str) -> Finding:
    output: JsonObject = {
        "domain": domain, "stage": "screening", "recommendation": None, "risk": None, "score": None, "summary": reason,
        "red_flags": [], "open_questions": [],
    }  # fmt: skip
    return Finding(output=output, confidence=0.0, domain=domain, notes=reason)


async def _publish(brief: Brief, finding: Finding) -> None:
    """Let the others and whoever watches know what was found. Source: document 004, `finding_discovered`."""
    output = finding.output
    assert isinstance(output, dict)  # made above
    told: JsonObject = {key: output[key] for key in ("domain", "stage", "recommendation", "risk", "score", "red_flags")}
    if output.get("veto"):
        told["veto"] = output["veto"]
    await brief.publish("diligence_finding", told | {"confidence": finding.confidence})
