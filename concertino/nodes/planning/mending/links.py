"""Links by names of tools, turned into needs by ids.

Where a tool is used several times, a link means, of all pairs of its ends: one along the order of the plan, if there is one; of
these one that no other link has taken; of these one that the arguments bear out; of these the nearest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from concertino.nodes.planning.mending.names import Asked, Names
from concertino.nodes.planning.mending.words import stems
from concertino.nodes.planning.mending.workpiece import Workpiece, shown


class Links:
    """The links of one plan, resolved in two goes: before and after its specialists have their names."""

    def __init__(self, piece: Workpiece) -> None:
        self._piece = piece
        self._taken: set[tuple[int, int]] = set()
        self._left: list[tuple[str, str]] = []
        given = piece.links
        for link in given if isinstance(given, list | tuple) else [] if given is None else [given]:
            ends = _ends(link)
            if ends is None:
                piece.note(f"the link {shown(link)} has not two ends and is left out")
            else:
                self._left.append(ends)

    def resolve(self, names: Names | None = None) -> None:
        """Turn links into needs as far as their ends are found; with `names`, drop the others, with a note each."""
        waiting: list[tuple[str, str]] = []
        ends = _Ends(self._piece, names)
        for before, after in self._left:
            sources, targets = ends.find(before), ends.find(after)
            if sources and targets:
                self._join(before, after, sources, targets)
            elif names is None:
                waiting.append((before, after))
            else:
                absent = " and ".join(shown(end) for end, found in ((before, sources), (after, targets)) if not found)
                self._piece.note(
                    f"the link from {shown(before)} to {shown(after)} is left out: the plan has no {absent}"
                )
        self._left = waiting

    def _join(self, before: str, after: str, sources: Sequence[int], targets: Sequence[int]) -> None:
        piece = self._piece
        pairs = [(source, target) for source in sources for target in targets if source != target]
        if not pairs:
            piece.note(f"the link from {shown(before)} to itself is left out")
            return
        pair = min(pairs, key=self._rank)
        self._taken.add(pair)
        if len(pairs) > 1:
            chosen = f"{piece.rows[pair[0]]['id']} before {piece.rows[pair[1]]['id']}"
            piece.note(
                f"the link from {shown(before)} to {shown(after)} could mean several subtasks: taken as {chosen}"
            )
        piece.add_need(pair[1], piece.rows[pair[0]]["id"])

    def _rank(self, pair: tuple[int, int]) -> tuple[bool, bool, bool, int, int]:
        before, after = pair
        refers = self._piece.rows[before]["id"] in self._piece.referred(after)
        return before > after, pair in self._taken, not refers, abs(after - before), before


class _Ends:
    """Which subtasks the ends of links may mean: by id, by who does it, as written or as it was meant."""

    def __init__(self, piece: Workpiece, names: Names | None) -> None:
        self._names = names
        self._ids = piece.positions
        self._by_name: dict[str, dict[int, None]] = {}
        self._by_stems: dict[tuple[str, ...], list[int]] = {}
        for at, row in enumerate(piece.rows):
            worker, now = piece.worker(at), row.get("specialist")
            for name in (worker, now):
                if isinstance(name, str):
                    self._by_name.setdefault(name, {})[at] = None
            self._by_stems.setdefault(stems(worker), []).append(at)
        self._by_stems.pop((), None)

    def find(self, end: str) -> list[int]:
        """Return their positions."""
        if end in self._ids:
            return [self._ids[end]]
        if end in self._by_name:
            return list(self._by_name[end])
        if wanted := stems(end):
            found = self._by_stems.get(wanted)
            if found is not None:
                return found
        meant = self._names.meant(Asked(end)) if self._names is not None else None
        return list(self._by_name.get(meant.name, ())) if meant is not None else []


def _ends(link: Any) -> tuple[str, str] | None:
    if isinstance(link, Mapping) and "from" in link and "to" in link:
        link = (link["from"], link["to"])
    if not isinstance(link, list | tuple) or len(link) != 2:
        return None
    ends = tuple(
        str(end) for end in link if isinstance(end, str | int) and not isinstance(end, bool) and str(end).strip()
    )
    return (ends[0], ends[1]) if len(ends) == 2 else None
