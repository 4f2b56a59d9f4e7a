"""Needs that lead nowhere, to oneself or round in a circle."""

from __future__ import annotations

from typing import NamedTuple

from concertino.nodes.planning import paths, references
from concertino.nodes.planning.mending.meant import Subtasks
from concertino.nodes.planning.mending.workpiece import Workpiece, shown, told

CIRCLES = 1_000
"""Rounds in which circles are taken apart in one plan, at most; chosen by hand."""


class _Edge(NamedTuple):
    at: int
    before: int


def settle_needs(piece: Workpiece, subtasks: Subtasks) -> None:
    """Turn needs that name no id to whom they mean; drop those that mean nobody in the plan, and those of oneself.

    What several could be meant by stays a fault: the plan is then refused. Each change leaves a note.
    """
    ids = piece.positions
    for at, row in enumerate(piece.rows):
        kept: list[str] = []
        for need in dict.fromkeys(row["needs"]):
            if need == row["id"]:
                piece.note(f"{row['id']} needed itself: left out")
                continue
            if need in ids:
                kept.append(need)
                continue
            meant = subtasks.find(need, at)
            if meant.at is not None:
                target = piece.rows[meant.at]["id"]
                piece.note(f"{row['id']} needs {shown(need)}: taken as {target}, {meant.reason}")
                kept.append(target)
            elif meant.rivals:
                piece.note(f"{row['id']} needs {shown(need)}, which could be {told(meant.rivals)}: none was taken")
                kept.append(need)
            else:
                piece.note(f"{row['id']} needed {shown(need)}, which the plan has not: left out")
        row["needs"] = list(dict.fromkeys(kept))


def break_circles(piece: Workpiece) -> None:
    """Take one edge out of every circle.

    It is one against the order of the plan, where there is one. Of these, and else of all: a need that no argument bears out, the
    longest first. An argument against the order that others depend on by needs along it is turned to what its subtask needs
    before it, if that is one alone; a circle of arguments alone is left to be refused.
    """
    ids = piece.positions
    for _ in range(CIRCLES):
        needs = [
            sorted({ids[need] for need in piece.before(at) if need in ids and need != row["id"]})
            for at, row in enumerate(piece.rows)
        ]
        # Disjoint, so that each can be broken whatever becomes of the others.
        broken = [_break(piece, circle) for circle in paths.cycles(needs)]
        if not any(broken):
            return


def _break(piece: Workpiece, circle: list[int]) -> bool:
    edges = [_Edge(circle[n], circle[(n + 1) % len(circle)]) for n in range(len(circle))]
    rows = piece.rows
    shape = " needs ".join([*(rows[n]["id"] for n in circle[:12]), rows[circle[0]]["id"]])
    loose = [edge for edge in edges if rows[edge.before]["id"] not in piece.referred(edge.at)]
    against = [edge for edge in loose if edge.before > edge.at]
    if not against:
        for edge in edges:
            if edge.before > edge.at and edge not in loose and _turn(piece, edge, shape):
                return True
    if not loose:
        return False
    at, before = max(against or loose, key=lambda edge: abs(edge.before - edge.at))
    need = rows[before]["id"]
    rows[at]["needs"].remove(need)
    piece.note(f"a circle, {shape}: that {rows[at]['id']} needs {need} is left out")
    return True


def _turn(piece: Workpiece, edge: _Edge, shape: str) -> bool:
    """Turn an argument that refers to a later subtask to the one subtask that its own needs."""
    row, later = piece.rows[edge.at], piece.rows[edge.before]["id"]
    ids = piece.positions
    earlier = [need for need in row["needs"] if need != later and need in ids and ids[need] < edge.at]
    free = [need for need in earlier if need not in piece.referred(edge.at)] or earlier
    if len(free) != 1:
        return False
    row["inputs"] = {key: references.rename(value, {later: free[0]}) for key, value in row["inputs"].items()}
    row["needs"] = [need for need in row["needs"] if need != later]
    piece.note(
        f"a circle, {shape}: what {row['id']} takes from {later}, which comes after it, it takes from {free[0]}, which it needs"
    )
    return True
