"""A synthesis packed for the page: weights, claims with their supporters, dissent, missing specialists."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from concertino.evals.reports.measures import Words, short

MOST_ROWS = 100
"""Dissenting answers, missing specialists and supporters of one claim that the page lists; the JSON report has all."""

MOST_OPTIONS = 8
"""Answers, specialists and warnings that the page lists of one learned claim."""
LEAST_SHARE = 0.05
"""Ways of merging that were believed less are left to the JSON report."""


def packed_synthesis(
    synthesis: Mapping[str, Any], subtasks: Sequence[Mapping[str, Any]], names: Words
) -> dict[str, Any]:
    """Return a report's synthesis as the page reads it; names are numbers of `names`."""
    told: dict[str, Any] = {key: synthesis[key] for key in ("method", "fallback", "vetoes") if synthesis.get(key)}
    if synthesis.get("weights"):
        is_long = synthesis.get("track_record") is not None and len(synthesis["weights"]) > MOST_ROWS
        weights = _by_specialist(synthesis["weights"]) if is_long else synthesis["weights"]
        told["weights"] = _weights(weights, subtasks, names)
        if is_long:
            told["added_up"] = len(synthesis["weights"])
    told["claims"] = [
        {key: claim[key] for key in ("question_id", "field", "method", "tied", "fallback") if claim.get(key)}
        | {"answer": claim.get("answer")}
        | {key: short(claim.get(key)) for key in ("share", "confidence")}
        | {"supporters": _supporters(claim.get("supporters") or (), names)}
        | ({"learned": _learned(claim["learned"])} if claim.get("learned") else {})
        for claim in (synthesis.get("provenance") or ())[:MOST_ROWS]
    ]
    dissent = sorted(synthesis.get("dissent") or (), key=lambda one: -(one.get("share") or 0.0))
    told["dissent"] = [
        {key: one[key] for key in ("question_id", "field", "tied", "switches") if one.get(key)}
        | {"answer": one.get("answer")}
        | {"who": _counted(one.get("specialists") or ())}
        | {key: short(one.get(key)) for key in ("share", "weight_to_flip", "distance") if one.get(key) is not None}
        for one in dissent[:MOST_ROWS]
    ]
    missing = synthesis.get("missing") or ()
    told["missing"] = list(missing[:MOST_ROWS])
    if record := synthesis.get("track_record"):
        told["record"] = {
            **record,
            "curve": [[short(number) for number in point] for point in record.get("curve") or ()],
        }
    if synthesis.get("worth"):
        told["worth"] = [
            {key: one.get(key) for key in ("name", "asked", "reason")} for one in synthesis["worth"][:MOST_ROWS]
        ]
    told["left_out"] = max(0, len(dissent) - MOST_ROWS) + max(0, len(missing) - MOST_ROWS)
    return told if synthesis else {}


def _learned(learned: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the record says of a claim, the likeliest answers and the most worthwhile specialists first."""
    options = sorted(learned.get("options") or (), key=lambda one: -one["probability"])[:MOST_OPTIONS]
    worth = sorted(learned.get("worth") or (), key=lambda one: -one["gain"])[:MOST_OPTIONS]
    told: dict[str, Any] = {
        "settled": learned.get("settled"),
        "ways": {way: short(share) for way, share in (learned.get("ways") or {}).items() if share >= LEAST_SHARE},
        "options": [{"answer": one["answer"], "probability": short(one["probability"])} for one in options],
        "interval": learned.get("interval"),
        "voices_worth": short(learned.get("voices_worth")),
        "worth": [one | {"gain": short(one["gain"])} for one in worth],
        "warnings": list(learned.get("warnings") or ())[:MOST_OPTIONS],
    }
    return {key: value for key, value in told.items() if value not in (None, [], {})}


def _supporters(supporters: Sequence[Mapping[str, Any]], names: Words) -> list[list[Any]]:
    """Return specialist, weight, how many findings and what evidence; the findings of one specialist are added up."""
    by_name: dict[str, list[Any]] = {}
    for one in supporters:
        row = by_name.setdefault(str(one.get("specialist")), [0.0, 0, []])
        row[0] += one.get("weight") or 0.0
        row[1] += 1
        row[2] += [_evidence(said) for said in one.get("evidence") or ()][: max(0, 5 - len(row[2]))]
    ranked = sorted(by_name.items(), key=lambda pair: (-pair[1][0], pair[0]))
    return [[names.number(name), short(weight), count, said] for name, (weight, count, said) in ranked[:MOST_ROWS]]


def _counted(specialists: Sequence[str]) -> str:
    """Return names once each, with how often they stand there."""
    counts = Counter(specialists).most_common(12)
    more = len(set(specialists)) - len(counts)
    named = ", ".join(name if count == 1 else f"{name} ×{count}" for name, count in counts)
    return f"{named} and {more} more" if more else named


def _evidence(said: Any) -> str:
    if not isinstance(said, dict):
        return str(said)
    line = f", line {said['line']}" if said.get("line") else ""
    quote = f": “{said['quote']}”" if said.get("quote") else ""
    return f"{said.get('source', '')}{line}{quote}"


def _by_specialist(weights: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return one row a specialist and question: weights added up, means of the stated confidences.

    Learned weights follow from nothing else on the page, and a thousand of them would be a tenth of it.
    """
    rows: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for one in weights:
        rows.setdefault((str(one.get("specialist")), str(one.get("question_id") or "")), []).append(one)
    return [
        {
            "specialist": specialist, "question_id": question or None, "authority": some[-1].get("authority"),
            "confidence": math.fsum(one.get("confidence") or 0.0 for one in some) / len(some),
            "weight": math.fsum(one.get("weight") or 0.0 for one in some),
        }
        for (specialist, question), some in rows.items()
    ]  # fmt: skip


def _weights(
    weights: Sequence[Mapping[str, Any]], subtasks: Sequence[Mapping[str, Any]], names: Words
) -> dict[str, Any]:
    """Return the weights as columns, or only the authorities where all else follows from the subtasks' confidences."""
    found = [(one["specialist"], one["confidence"]) for one in subtasks if one.get("confidence") is not None]
    told = [(one.get("specialist"), one.get("confidence")) for one in weights]
    authority = {str(one.get("specialist")): one.get("authority") for one in weights}
    is_plain = found == told and all(authority[str(one.get("specialist"))] == one.get("authority") for one in weights)
    if is_plain and not any(one.get("question_id") for one in weights):
        products = [(confidence or 0.0) * (authority[str(name)] or 0.0) for name, confidence in told]
        whole = math.fsum(products)
        if whole and all(
            abs(p / whole - (one.get("weight") or 0.0)) < 1e-6 for p, one in zip(products, weights, strict=True)
        ):
            return {"authority": [[names.number(name), value] for name, value in authority.items()]}
    return {
        "specialist": [names.number(str(one.get("specialist"))) for one in weights],
        "question": [names.number(str(one.get("question_id") or "")) for one in weights],
        **{key: [short(one.get(key)) for one in weights] for key in ("confidence", "authority", "weight")},
    }
