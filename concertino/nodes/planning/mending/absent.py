"""Subtasks that nobody can do: left out where no other loses an input by it, else left to be refused.

One can be left out if everybody behind it is served all the same: whoever refers to its output, or speaks of it in arguments,
because there is just one before it, which gives the kind of thing that is taken, and the reference can be turned to that one;
whoever merely needs it, because one before it gives that kind, or its own arguments have it, or nothing is known of kinds. These
then need what it needed. It is all of them or none: a plan is not half a plan. Each leaves a note that begins with `NOT PLANNED`.
"""

from __future__ import annotations

from typing import Any

from concertino.contracts.specialist import Cards
from concertino.nodes.planning import paths, references
from concertino.nodes.planning.mending.kinds import Kinds, kinds_in, kinds_of
from concertino.nodes.planning.mending.staffing import is_known
from concertino.nodes.planning.mending.words import plain
from concertino.nodes.planning.mending.workpiece import Workpiece, shown


def leave_out(piece: Workpiece, cards: Cards) -> None:
    """Leave out who is absent, all of them or nobody; each leaves a note."""
    absent = [row["id"] for row in piece.rows if not is_known(row, cards)]
    if not absent or len(absent) == len(piece.rows):
        return
    # Last first: whoever is behind one has gone or stays by the time it is judged.
    places = piece.positions
    ordered = paths.order(
        [[places[name] for name in piece.before(at) if name in places] for at in range(len(piece.rows))]
    )
    trial = _Trial(piece, cards)
    last_first = [piece.rows[at]["id"] for at in reversed(ordered)]
    gone = set(absent)
    if len(ordered) < len(piece.rows) or not all(trial.remove(name) for name in last_first if name in gone):
        return
    piece.rows = list(trial.rows.values())
    answer = piece.plan.get("answer")
    if isinstance(answer, list | tuple):
        piece.plan["answer"] = [name for name in answer if name in trial.rows] or None
    for note in trial.notes:
        piece.note(note)


class _Trial:
    """The plan as it would be without some."""

    def __init__(self, piece: Workpiece, cards: Cards) -> None:
        self.rows: dict[str, dict[str, Any]] = {row["id"]: dict(row) for row in piece.rows}
        self.notes: list[str] = []
        self._cards = cards
        self._workers = {row["id"]: piece.worker(at) for at, row in enumerate(piece.rows)}
        self._said = {row["id"]: f" {plain(str(row['inputs']))} " for row in piece.rows if row.get("inputs")}
        self._behind: dict[str, set[str]] = {name: set() for name in self.rows}
        for name, row in self.rows.items():
            for before in _before(row):
                self._behind.setdefault(before, set()).add(name)

    def remove(self, own: str) -> bool:
        """Take one out, if everybody behind it is served; else change nothing."""
        before = [name for name in _before(self.rows[own]) if name in self.rows and name != own]
        behind = {name: self.rows[name] for name in sorted(self._behind[own]) if name in self.rows and name != own}
        word = f" {plain(self._workers[own])} "
        if word.strip() and any(word in said for name, said in self._said.items() if name != own and name in self.rows):
            return False
        if not all(self._is_served(row, own, before) for row in behind.values()):
            return False
        for name, row in behind.items():
            needs = [need for need in row["needs"] if need != own]
            self.rows[name]["needs"] = list(dict.fromkeys([*needs, *before]))
            if own in _referred(row):
                inputs = row["inputs"].items()
                self.rows[name]["inputs"] = {key: references.rename(value, {own: before[0]}) for key, value in inputs}
            for need in before:
                self._behind[need].add(name)
        del self.rows[own]
        turned = (
            f"; {', '.join(behind)} now takes what it took, from {' and '.join(before) or 'nobody'}" if behind else ""
        )
        self.notes.append(f"NOT PLANNED: {own}, for no specialist does {shown(self._workers[own])}{turned}")
        return True

    def _is_served(self, row: dict[str, Any], own: str, before: list[str]) -> bool:
        takes = self._kinds(row).takes
        given = [self._kinds(self.rows[name]).gives for name in before]
        if own in _referred(row):
            return len(before) == 1 and bool(takes & given[0]) and not _parts(row, own)
        if takes & kinds_in([row.get("inputs") or {}]):
            return True
        return not takes or any(not gives or takes & gives for gives in given)

    def _kinds(self, row: dict[str, Any]) -> Kinds:
        worker = row.get("specialist")
        if isinstance(worker, str) and worker in self._cards:
            return kinds_of(self._cards[worker])
        return Kinds(frozenset(), frozenset())


def _before(row: dict[str, Any]) -> list[str]:
    return list(dict.fromkeys((*row["needs"], *_referred(row))))


def _referred(row: dict[str, Any]) -> list[str]:
    return [found.subtask for found in _found(row)]


def _parts(row: dict[str, Any], own: str) -> bool:
    """Say whether a row takes a part of an output by its path, which another's output need not have."""
    return any(found.subtask == own and found.path for found in _found(row))


def _found(row: dict[str, Any]) -> list[references.Reference]:
    return [found for found in references.find(row.get("inputs") or {}) if isinstance(found, references.Reference)]
