"""The report of a run as JSON: document 004's parts, the decision, and everything a reader needs to check it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from pydantic import JsonValue

from concertino.contracts.json import JsonObject
from concertino.packs.diligence.decision import NOBODY, UNHEARD
from concertino.packs.diligence.documents import Library
from concertino.packs.diligence.request import Asked
from concertino.packs.diligence.specialists import REGULATORY, SEATS
from concertino.packs.manifest import RunStatus

NOTHING: JsonObject = {
    "decision": None, "reasons": [NOBODY], "risk": None, "final_score": None,
    "confidence": 0.0, "share": 0.0, "calibration": None, "veto": None, "vetoes": [], "weighted": {}, "domains": {},
    "dissent": [],
}  # fmt: skip
"""What is decided where nobody answered."""


def report_of(
    result: JsonObject,
    *,
    about: Asked,
    metadata: JsonObject,
    status: RunStatus,
    library: Library | None,
    prompts: Mapping[str, str],
    gates: Sequence[JsonObject] = (),
) -> JsonObject:
    """Return the report.

    Args:
        result: The planner's result.
        about: What was asked.
        metadata: Who made it and when.
        status: How the run ended.
        library: The documents, where this process has them.
        prompts: Hash of each prompt by name.
        gates: Questions that wait for an answer.
    """
    answer = result.get("answer")
    decided: dict[str, Any] = dict(answer) if isinstance(answer, dict) and "domains" in answer else dict(NOTHING)
    report: JsonObject = {
        "target": about.target,
        "questions": list(about.questions),
        "status": status,
        **{key: decided.get(key) for key in NOTHING},
        "evidence": cast("JsonValue", _evidence(decided["domains"])),
        "missing": cast("JsonValue", _missing(decided)),
        "completed_agents": result.get("completed_agents", []),
        "failed_agents": result.get("failed_agents", []),
        "recommendations": result.get("recommendations", []),
        "documents": _documents(library, about),
        "subtasks": cast("JsonValue", _subtasks(result)),
        "cost": _cost(result),
        "prompts": dict(prompts),
        "metadata": metadata,
    }
    for key in ("models", "reason"):
        if result.get(key):
            report[key] = result[key]
    if gates:
        report["gates"] = list(gates)
    return report


def _evidence(domains: Mapping[str, Any]) -> list[JsonObject]:
    """Return every verified place with who cites it for what, numbered from 1."""
    found: list[JsonObject] = []
    for domain, told in domains.items():
        for one in told["evidence"]:
            found.append(
                {
                    "number": len(found) + 1,
                    "place": one["place"],
                    "source": one["source"],
                    "line": one.get("line"),
                    "page": one.get("page"),
                    "quote": one.get("quote"),
                    "claim": one.get("claim"),
                    "domain": domain,
                    "specialist": told["specialist"],
                }
            )
    return found


def _missing(decided: Mapping[str, Any]) -> list[JsonObject]:
    if "missing" in decided:
        return list(decided["missing"])
    return [
        {
            "specialist": name,
            "authority": seat.authority,
            "reason": "no conclusive finding",
            **({"impact": UNHEARD} if name == REGULATORY else {}),
        }
        for name, seat in SEATS.items()
    ]


def _documents(library: Library | None, about: Asked) -> JsonObject:
    if library is None:
        return {"folder": about.documents, "read": [], "unreadable": []}
    return {
        "folder": about.documents,
        "read": [
            {"name": one.name, "kind": one.kind, f"{one.unit}s": one.last, "notes": list(one.notes)}
            for one in library.documents
        ],
        "unreadable": [{"name": one.name, "reason": one.reason} for one in library.unreadable],
    }


def _subtasks(result: JsonObject) -> list[JsonObject]:
    listed = result.get("subtasks")
    keys = ("name", "specialist", "stage", "state", "confidence", "usage", "reason")
    return [
        {key: item.get(key) for key in keys}
        for item in (listed if isinstance(listed, list) else [])
        if isinstance(item, dict)
    ]


def _cost(result: JsonObject) -> JsonObject:
    """Return what the run used, in all and by specialist."""
    by: dict[str, dict[str, float]] = {}
    for item in _subtasks(result):
        usage = item.get("usage")
        if isinstance(usage, dict):
            sums = by.setdefault(str(item.get("specialist")), {})
            for name, amount in usage.items():
                if isinstance(amount, int | float):
                    sums[name] = round(sums.get(name, 0) + amount, 9)
    return {
        "total": result.get("usage", {}),
        "by_specialist": cast("JsonValue", by),
        "limits": result.get("limits", {}),
    }
