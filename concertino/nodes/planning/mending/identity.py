"""Ids given twice: the later ones get their own, and what speaks of them means the nearest before it."""

from __future__ import annotations

from concertino.nodes.planning import references
from concertino.nodes.planning.mending.workpiece import Workpiece, shown

ID_CHARS = 64


def part_ids(piece: Workpiece) -> None:
    """Give every subtask an id of its own; each change leaves a note."""
    taken = set(piece.positions)
    if len(taken) == len(piece.rows):
        return
    seen: set[str] = set()
    latest: dict[str, str] = {}
    for row in piece.rows:
        own = row["id"]
        renamed = {old: new for old, new in latest.items() if old != new}
        if renamed:
            row["needs"] = [renamed.get(need, need) for need in row["needs"]]
            row["inputs"] = {key: references.rename(value, renamed) for key, value in (row.get("inputs") or {}).items()}
        if own in seen:
            number = 2
            while (name := f"{own[: ID_CHARS - 6]}-{number}") in taken:
                number += 1
            taken.add(name)
            row["id"] = name
            piece.note(
                f"a second subtask {shown(own)} is now {name}; what speaks of {shown(own)} means the nearest before it"
            )
        seen.add(own)
        latest[own] = row["id"]
