"""From the subtasks that a model wrote to a draft: a whole plan, or what goes into a workflow's open places.

What the workflow has set stays as it is, whatever the model or mending made of it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from pydantic import JsonValue

from concertino.contracts.json import JsonObject
from concertino.contracts.plan import Fault
from concertino.contracts.specialist import Cards
from concertino.nodes.planning import references
from concertino.nodes.planning.draft import Draft
from concertino.nodes.planning.filling import fill_holes, may_work
from concertino.nodes.planning.holes import Hole


def fill(bound: Draft, rows: Sequence[JsonObject], links: Sequence[Any], *, cards: Cards) -> tuple[Draft, list[Fault]]:
    """Return a workflow's draft with a model's subtasks in its holes, and what has no place there.

    A subtask belongs to the hole that its id begins with; else to the only open one, or the only one that its specialist is
    allowed in. Fault found: outside_hole.
    """
    rows = _linked(rows, links)
    notes: list[str] = []
    faults: list[Fault] = []
    inside: dict[str, list[JsonObject]] = {hole.id: [] for hole in bound.open_holes}
    fixed = fixed_ids(bound)
    for at, row in enumerate(rows):
        if row.get("id") in fixed:
            notes.append(f"{row['id']}: the workflow's own, what a model said of it is left out")
            continue
        hole = _hole_of(row, bound.open_holes, cards)
        if hole is None:
            faults.append(_homeless(row, at, bound.open_holes))
        else:
            inside[hole.id].append(row)
    draft = replace(bound, notes=(*bound.notes, *notes))
    known: dict[str, str] = {}
    for hole in _in_order(bound.open_holes):
        members = [_covering(_renamed(row, known, draft), hole, inside[hole.id]) for row in inside[hole.id]]
        draft = fill_holes(draft, {hole.id: members})
        if hole.id in draft.parts:
            ids = draft.parts[hole.id]
            known |= {
                str(row["id"]): new
                for row, new in zip(inside[hole.id], ids, strict=True)
                if isinstance(row.get("id"), str)
            }
    return draft, faults


def kept_as_set(before: Draft, after: Draft, fixed: frozenset[str]) -> Draft:
    """Return a mended draft in which everything but the subtasks outside `fixed` is again as it was before mending.

    Of these, each in a hole needs what the hole needs, whatever became of its needs.
    """
    own = {str(row.get("id")): row for row in rows_of(before) if row.get("id") in fixed}
    first = {name: hole.needs for hole in before.holes for name in before.parts.get(hole.id, ())}
    rows: list[JsonValue] = []
    for row in rows_of(after):
        name = str(row.get("id"))
        rows.append(own.pop(name) if name in own else _after(row, first.get(name, ())))
    return replace(
        after, plan={**before.plan, "subtasks": [*rows, *own.values()]}, holes=before.holes, parts=before.parts
    )


def _after(row: JsonObject, first: Sequence[str]) -> JsonObject:
    needs = row.get("needs")
    return {**row, "needs": list(dict.fromkeys((*needs, *first)))} if first and isinstance(needs, list) else row


def fixed_ids(draft: Draft) -> frozenset[str]:
    """Return the ids of the subtasks that a draft has."""
    return frozenset(str(row["id"]) for row in rows_of(draft) if "id" in row)


def rows_of(draft: Draft) -> list[JsonObject]:
    """Return the subtasks of a draft that are objects."""
    listed = draft.plan.get("subtasks")
    return [row for row in listed if isinstance(row, dict)] if isinstance(listed, list) else []


def _linked(rows: Sequence[JsonObject], links: Sequence[Any]) -> list[JsonObject]:
    """Return the subtasks with their links as needs; a link that is not between two of them says nothing here."""
    found = {str(row.get("id")): dict(row) for row in rows}
    for link in links:
        before, after = (link.get("from"), link.get("to")) if isinstance(link, Mapping) else (None, None)
        if before in found and after in found:
            needs = found[str(after)].get("needs")
            found[str(after)]["needs"] = [*(needs if isinstance(needs, list) else []), str(before)]
    return list(found.values()) if len(found) == len(rows) else [dict(row) for row in rows]


def _hole_of(row: JsonObject, holes: Sequence[Hole], cards: Cards) -> Hole | None:
    name = str(row.get("id") or "")
    named = [hole for hole in holes if name == hole.id or re.fullmatch(rf"{re.escape(hole.id)}[-_.]?\d+", name)]
    if named:
        return max(named, key=lambda hole: len(hole.id))
    if len(holes) == 1:
        return holes[0]
    able = [hole for hole in holes if may_work(hole, str(row.get("specialist") or ""), cards)]
    return able[0] if len(able) == 1 else None


def _homeless(row: JsonObject, at: int, holes: Sequence[Hole]) -> Fault:
    names = ", ".join(hole.id for hole in holes[:8])
    return Fault(
        code="outside_hole",
        place=f"plan.subtasks[{at}].id",
        value=str(row.get("id"))[:64],
        message="it does not say which open place it is for",
        fix=f"begin its id with one of {names}, and a dash",
        subtasks=(str(row.get("id"))[:64],),
    )


def _in_order(holes: Sequence[Hole]) -> list[Hole]:
    """Return holes such that each comes after those it needs; of a circle, which the validator refuses, as they stand."""
    left, found = list(holes), []
    while left:
        open_ids = {hole.id for hole in left}
        ready = next((hole for hole in left if open_ids.isdisjoint(hole.needs)), left[0])
        found.append(ready)
        left.remove(ready)
    return found


def _renamed(row: JsonObject, known: Mapping[str, str], draft: Draft) -> JsonObject:
    """Return a subtask that speaks of what stands in other holes by the names it has there."""
    changed = dict(row)
    if isinstance(needs := row.get("needs"), list):
        spread: dict[str, JsonValue] = {}
        for need in needs:
            meant = draft.parts.get(str(need), ()) if need not in fixed_ids(draft) else ()
            for each in meant or (known.get(str(need), str(need)),):
                spread.setdefault(str(each), each)
        changed["needs"] = list(spread.values())
    if isinstance(inputs := row.get("inputs"), dict):
        changed["inputs"] = references.rename(inputs, known)
    return changed


def _covering(row: JsonObject, hole: Hole, members: Sequence[JsonObject]) -> JsonObject:
    """Return the subtask; the only one in a hole answers for all that the hole is to cover."""
    if len(members) == 1 and isinstance(hole.covers, tuple) and hole.covers:
        return {**row, "covers": list(hole.covers)}
    return row
