"""The plan that was carried out, against the one that was expected; and who was given which part of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, cast

from concertino.contracts.errors import InputError
from concertino.contracts.json import JsonObject
from concertino.evals.cases import PlanExpected
from concertino.evals.judging.order import Agreement, Order, Step, compare
from concertino.evals.judging.verdict import Verdict, yes_or_no

DRAFTING = ("PLAN_DRAFTED", "PLAN_REJECTED", "PLAN_REPAIRED", "PLAN_FALLBACK", "RUN_REPLANNED")


def plan_verdicts(expected: PlanExpected, subtasks: Sequence[Mapping[str, Any]]) -> list[Verdict]:
    """Judge a plan's steps and their order, each by its F1; passed at the F1 that the case asks for."""
    try:
        wanted = Order(_expected(expected), field="expect.plan.edges")
    except InputError as error:
        return [Verdict("plan", False, 0.0, {"error": {"type": "InputError", "message": str(error)}})]
    found = compare(_planned(subtasks, wanted.labels), wanted)
    nodes: JsonObject = {"missing": cast("Any", found.missing), "extra": cast("Any", found.extra)}
    edges: JsonObject = {
        "missing": cast("Any", [list(edge) for edge in found.missing_edges]),
        "extra": cast("Any", [list(edge) for edge in found.extra_edges]),
    }
    return [
        _by_f1("plan.nodes", found.nodes, expected.min_node_f1, nodes),
        _by_f1("plan.edges", found.edges, expected.min_edge_f1, edges),
    ]


def drafting_verdict(events: Sequence[Mapping[str, Any]], *, origins: Sequence[str]) -> Verdict:
    """Judge where the plan came from, and tell how often a draft had to be mended or refused."""
    count = {kind: sum(event["type"] == kind for event in events) for kind in DRAFTING}
    planned = next((event["payload"].get("plan") or {} for event in events if event["type"] == "RUN_PLANNED"), {})
    origin = planned.get("origin")
    detail: JsonObject = {"expected": cast("Any", list(origins)), "found": origin, **count}
    return yes_or_no("plan.origin", origin in origins, detail)


def routing_verdict(expected: Mapping[str, str | list[str]], subtasks: Sequence[Mapping[str, Any]]) -> Verdict:
    """Judge which specialist did what: the share of expected subtasks that the right one did in the end.

    A key is a subtask's id or name, else a piece of its objective, whatever the case of its letters; where several
    objectives hold it, all of them must be right.
    """
    wrong: list[JsonObject] = []
    for key, allowed in expected.items():
        names = [allowed] if isinstance(allowed, str) else allowed
        found = _named(key, subtasks)
        done = sorted({str(subtask.get("specialist")) for subtask in found})
        if not found or not set(done) <= set(names):
            wrong.append({"subtask": key, "expected": cast("Any", names), "found": cast("Any", done)})
    score = 1 - len(wrong) / len(expected) if expected else 1.0
    return Verdict("routing", not wrong, score, {"asked": len(expected), "wrong": cast("Any", wrong)})


def states_verdict(expected: Mapping[str, str], subtasks: Sequence[Mapping[str, Any]]) -> Verdict:
    """Judge in which state subtasks ended."""
    wrong: list[JsonObject] = []
    for key, state in expected.items():
        found = sorted({str(subtask.get("state")) for subtask in _named(key, subtasks)})
        if found != [state]:
            wrong.append({"subtask": key, "expected": state, "found": cast("Any", found)})
    score = 1 - len(wrong) / len(expected) if expected else 1.0
    return Verdict("states", not wrong, score, {"asked": len(expected), "wrong": cast("Any", wrong)})


def _named(key: str, subtasks: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    by_id = [subtask for subtask in subtasks if key in (subtask["id"], subtask.get("name"))]
    piece = key.casefold()
    return by_id or [subtask for subtask in subtasks if piece in str(subtask.get("objective") or "").casefold()]


def _by_f1(name: str, found: Agreement, least: float, detail: JsonObject) -> Verdict:
    measured: JsonObject = {"precision": found.precision, "recall": found.recall, "f1": found.f1, "at_least": least}
    return Verdict(name, found.f1 >= least - 1e-9, found.f1, measured | detail)


def _expected(plan: PlanExpected) -> list[Step]:
    """Return the expected steps; an edge at a label that stands twice holds for each of its steps.

    An edge from such a label to itself puts its steps one after another.

    Raises:
        InputError: an edge names a step that is not expected.
    """
    places: dict[str, list[int]] = {}
    for number, label in enumerate(plan.nodes):
        places.setdefault(label, []).append(number)
    needs: dict[int, list[int]] = {}
    for earlier, later in plan.edges:
        for end in (earlier, later):
            if end not in places:
                raise InputError(field="expect.plan.edges", value=end, rule="must name one of expect.plan.nodes")
        if earlier == later and len(places[later]) > 1:
            for before, after in pairwise(places[later]):
                needs.setdefault(after, []).append(before)
            continue
        for number in places[later]:
            needs.setdefault(number, []).extend(places[earlier])
    return [Step(label, tuple(needs.get(number, ()))) for number, label in enumerate(plan.nodes)]


def _planned(subtasks: Sequence[Mapping[str, Any]], expected: Sequence[str]) -> Order:
    """Return the plan's steps under the labels that the case speaks of: id, else short name, else specialist."""
    wanted, place = set(expected), {str(subtask["id"]): number for number, subtask in enumerate(subtasks)}
    ids = {str(subtask[key]) for subtask in subtasks for key in ("id", "name") if subtask.get(key)}
    steps: list[Step] = []
    for subtask in subtasks:
        known = [str(subtask[key]) for key in ("id", "name") if subtask.get(key) in wanted]
        specialist = str(subtask.get("specialist") or "")
        # A label that is somebody's id speaks of that subtask alone.
        label = known[0] if known else specialist if specialist in wanted - ids else specialist or str(subtask["id"])
        label = label if known or label not in ids else str(subtask["id"])
        steps.append(Step(label, tuple(place[need] for need in subtask.get("needs", ()) if need in place)))
    return Order(steps, field="plan.subtasks")
