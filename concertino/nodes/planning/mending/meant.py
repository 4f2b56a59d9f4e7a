"""Which subtask a name means that is no id: in `needs`, in links and in references of inputs."""

from __future__ import annotations

import difflib
import re
from typing import NamedTuple

from concertino.nodes.planning.mending.names import CLOSE, CLOSE_JOINED, LETTERS, MARGIN, NAME_CHARS, Asked, Names
from concertino.nodes.planning.mending.words import plain, stems
from concertino.nodes.planning.mending.workpiece import Workpiece

MOST = 1_000
"""Subtasks up to which close spellings are looked for; chosen by hand."""


class Meant(NamedTuple):
    """What a name comes to."""

    at: int | None
    """Where the subtask stands, if just one can be meant."""
    reason: str = ""
    rivals: tuple[str, ...] = ()
    """Ids of those that can be meant, where there are several."""


class Subtasks:
    """The subtasks of a plan as they may be spoken of.

    In this order, the first that anybody answers to: the id, the id but for case and marks, who does it, its name or objective,
    a close spelling of an id, and who is meant by a specialist's name that is not quite one. Of several only those count that
    stand before the one that speaks, if there are any: a plan is written in order. If still more than one is left, none is taken.
    """

    def __init__(self, piece: Workpiece, names: Names) -> None:
        self._piece = piece
        self._names = names
        self._ids = piece.positions
        self._by: dict[str, dict[str, dict[int, None]]] = {"id": {}, "worker": {}, "title": {}}
        for at, row in enumerate(piece.rows):
            self._add("id", row["id"], at)
            for name in (piece.worker(at), row.get("specialist"), row.get("capability")):
                self._add("worker", name, at)
            for title in (row.get("name"), row.get("objective"), row.get("stage")):
                self._add("title", title, at)

    def _add(self, kind: str, name: object, at: int) -> None:
        if isinstance(name, str) and 0 < len(name) <= 4 * NAME_CHARS and (words := plain(name)):
            self._by[kind].setdefault(words, {})[at] = None

    def find(self, name: str, own: int, *, close: bool = True) -> Meant:
        """Return whom `name` means where the subtask at `own` speaks of it; `close` spellings and names are the last resort."""
        if name in self._ids:
            return Meant(self._ids[name])
        words = plain(name)
        if not words or len(name) > 4 * NAME_CHARS:
            return Meant(None)
        for kind, reason in (
            ("id", "its id but for spelling"),
            ("worker", "the one of that specialist"),
            ("title", "what it is called"),
        ):
            if found := [at for at in self._by[kind].get(words, ()) if at != own]:
                return self._one(found, own, reason)
        if not close or len(name) > NAME_CHARS:
            return Meant(None)
        if (near := self._near(words, own)) is not None:
            return Meant(near, "a close spelling of its id")
        if (who := self._names.meant(Asked(name))) is not None:
            found = [at for at in self._by["worker"].get(plain(who.name), ()) if at != own]
            return self._one(found, own, f"the one of {who.name}: {who.reason}")
        return Meant(None)

    def _one(self, found: list[int], own: int, reason: str) -> Meant:
        if len(found) > 1:
            found = [at for at in found if at < own] or found
        if len(found) == 1:
            return Meant(found[0], reason)
        return Meant(None, rivals=tuple(self._piece.rows[at]["id"] for at in found))

    def _near(self, words: str, own: int) -> int | None:
        """Return whose id differs by letters alone; numbers have to be the same."""
        joined = words.replace(" ", "")
        letters, digits = re.sub(r"\d", "", joined), re.findall(r"\d+", words)
        if len(letters) < LETTERS or len(self._ids) > MOST:
            return None
        ranked: list[tuple[float, int]] = []
        for known, places in self._by["id"].items():
            if re.findall(r"\d+", known) != digits or own in places:
                continue
            least = CLOSE if len(known.split()) == len(words.split()) else CLOSE_JOINED
            if stems(known) and stems(known) == stems(words):
                ratio = 1.0
            else:
                matcher = difflib.SequenceMatcher(None, joined, known.replace(" ", ""))
                ratio = (
                    matcher.ratio() if matcher.real_quick_ratio() >= least and matcher.quick_ratio() >= least else 0.0
                )
            if ratio >= least - MARGIN:
                ranked += [(ratio if ratio >= least else least - MARGIN, at) for at in places]
        ranked.sort(reverse=True)
        if not ranked or ranked[0][0] < CLOSE or (len(ranked) > 1 and ranked[0][0] - ranked[1][0] < MARGIN):
            return None
        return ranked[0][1]
