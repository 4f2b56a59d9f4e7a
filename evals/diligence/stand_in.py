"""What stands in for the examiners' model: it reads one document, then hands in what a case says for its field."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from langchain_core.messages import BaseMessage, ToolMessage

from concertino.contracts.json import JsonObject
from concertino.evals.cases import Case
from concertino.evals.scripted import Said, ScriptedModel

FIELDS = {
    "financial": "Your field: financial", "legal": "Your field: legal", "market": "Your field: market",
    "technical": "Your field: technology", "regulatory": "Your field: regulatory",
}  # fmt: skip
"""By what of their prompts they are told apart."""
SECONDS = {"financial": 3.0, "legal": 2.5, "market": 2.0, "technical": 1.5, "regulatory": 3.5}
READS = {
    "financial": "financials.csv", "legal": "contracts/framework-agreement.md", "market": "overview.md",
    "technical": "technology.txt", "regulatory": "contracts/letters.md",
}  # fmt: skip
EMPLOYEES = {"file": "overview.md", "line": 5, "quote": "84 employees", "claim": "size"}
SOUND: JsonObject = {
    "recommendation": "proceed", "risk": "low", "score": 70, "summary": "Nothing stands out.", "confidence": 0.8,
    "evidence": [EMPLOYEES], "compliance": "compliant", "open_questions": ["What of the second half of the year?"],
}  # fmt: skip
LETTER = {
    "file": "contracts/letters.md",
    "line": 4,
    "quote": "Meters without type approval must not be put on the market",
}
VETO = {"reason": "no type approval from January", "evidence": [LETTER]}
STOP = {"recommendation": "stop", "risk": "high", "score": 15}
SUEDWIND = {
    "file": "overview.md",
    "line": 6,
    "quote": "All permits of the works were renewed in May",
    "claim": "permits",
}

Says = dict[str, Any]
SCRIPTS: dict[str, Says] = {
    "sound-papers-lead-to-proceed": {},
    "a-sure-screening-ends-early": {"all": {"confidence": 0.95, "open_questions": []}},
    "a-grounded-veto-stops-everything": {"regulatory": {**STOP, "veto": VETO}},
    "a-veto-out-of-thin-air-binds-nobody": {
        "regulatory": {**STOP, "veto": {"reason": "I do not like it", "evidence": []}},
    },
    "one-voice-of-caution-is-dissent": {"financial": {"recommendation": "caution", "risk": "medium", "score": 40}},
    "four-voices-say-stop": dict.fromkeys(("financial", "legal", "market", "technical"), STOP),
    "an-invented-quote-carries-nothing": {
        "market": {"evidence": [{"file": "overview.md", "line": 3, "quote": "leads the world market", "claim": "position"}]},
    },
    "who-hands-in-nothing-is-missing": {"regulatory": None},
    "an-answer-in-a-wrong-form-is-asked-for-again": {"legal": [{"recommendation": "perhaps", "score": "high"}, {}]},
    "another-company": {"all": {"evidence": [SUEDWIND]}, "reads": "overview.md"},
    "a-throttled-model-costs-time-alone": {},
    "an-examiner-that-refuses-is-missing": {},
    "little-budget-cuts-the-screening-short": {},
}  # fmt: skip


def examiners(case: Case) -> ScriptedModel:
    """Return the model of a case."""
    says = SCRIPTS.get(case.id, {})
    handed: dict[str, int] = {}

    def answer(messages: Sequence[BaseMessage], tools: Sequence[str]) -> Said:
        field = next((name for name, mark in FIELDS.items() if mark in str(messages[0].content)), None)
        if field is None:
            return Said(text="I know no other way.", seconds=2.0)
        if "read_document" in tools and not any(isinstance(one, ToolMessage) for one in messages):
            file = says.get("reads", READS[field])
            return Said(calls=[("read_document", {"file": file, "first": 1, "last": 40})], seconds=SECONDS[field] / 2)
        given = says.get(field, says.get("all", {}))
        if given is None:
            return Said(text="I would rather not say.", seconds=1.0)
        if isinstance(given, list):
            handed[field] = at = handed.get(field, -1) + 1
            given = given[at % len(given)]
            if at % len(says[field]) == 0:
                return Said(calls=[("submit_finding", given)], seconds=SECONDS[field])
        return Said(calls=[("submit_finding", {**SOUND, **given})], seconds=SECONDS[field])

    made: Callable[[Sequence[BaseMessage], Sequence[str]], Said] = answer
    return ScriptedModel(script=made, max_tokens=2_000)
