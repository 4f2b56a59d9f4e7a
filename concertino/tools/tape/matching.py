"""Finding the recorded call that a replayed one is: by content, within the part of the run that makes it.

What is found depends on who asks, for what, and for the how-manieth time, and on nothing that others ask meanwhile: so the
order in which parallel parts of a run come makes no difference. A part that the tape does not know, e.g. a second attempt
that the recorded run had no need of, is answered as the first was; what is asked more often than it was recorded gets the
last answer again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from pydantic import JsonValue

from concertino.contracts.errors import TapeMiss
from concertino.contracts.json import JsonObject
from concertino.tools.tape.lines import Line, key_of
from concertino.tools.tape.secrecy import cleaned

MOST_CHANGES = 1_000
"""Differences that a miss tells of; its message of the first of them."""
AROUND = 40
"""Characters shown of a text from where it begins to differ."""


class Deck:
    """The calls of one run, ready to be found. Not shared between runs: it counts what was asked."""

    def __init__(self, lines: Iterable[Line]) -> None:
        self.lines = tuple(lines)
        self._by_scope: defaultdict[tuple[str, str], list[Line]] = defaultdict(list)
        self._by_place: defaultdict[tuple[str, str], list[Line]] = defaultdict(list)
        self._by_content: defaultdict[str, list[Line]] = defaultdict(list)
        for line in sorted(self.lines, key=lambda one: (one.scope, one.n)):
            key = line.key
            self._by_scope[line.scope, key].append(line)
            self._by_place[_place(line.scope), key].append(line)
            self._by_content[key].append(line)
        self._asked: defaultdict[tuple[str, str], int] = defaultdict(int)
        self._played: set[int] = set()

    def find(self, kind: str, name: str, scope: str, request: JsonObject) -> Line:
        """Return the call that answers this one.

        Raises:
            TapeMiss: none has this content.
        """
        key = key_of(kind, name, request)
        known = (
            self._by_scope.get((scope, key)) or self._by_place.get((_place(scope), key)) or self._by_content.get(key)
        )
        if not known:
            raise self.miss(kind, name, scope, request)
        at = self._asked[scope, key]
        self._asked[scope, key] = at + 1
        line = known[min(at, len(known) - 1)]
        self._played.add(id(line))
        return line

    def peek(self, kind: str, name: str, scope: str, request: JsonObject) -> Line | None:
        """Return what `find` would, and count nothing; `None` for a call that is not on the tape."""
        key = key_of(kind, name, request)
        known = (
            self._by_scope.get((scope, key)) or self._by_place.get((_place(scope), key)) or self._by_content.get(key)
        )
        return known[min(self._asked.get((scope, key), 0), len(known) - 1)] if known else None

    def unplayed(self) -> list[Line]:
        """Return the calls that nobody has made."""
        return [line for line in self.lines if id(line) not in self._played]

    def miss(self, kind: str, name: str, scope: str, request: JsonObject) -> TapeMiss:
        """Return the error of a call that is not on the tape, with the nearest one that is."""
        nearest, found = self._nearest(kind, name, scope, request)
        said = [cleaned(one) for one in found[:MOST_CHANGES]]
        if len(found) > MOST_CHANGES:
            said.append(f"… and {len(found) - MOST_CHANGES} more")
        label = None if nearest is None else nearest.label
        return TapeMiss(kind=kind, name=name, scope=scope, nearest=label, changes=said)

    def _nearest(self, kind: str, name: str, scope: str, request: JsonObject) -> tuple[Line | None, list[str]]:
        best: tuple[tuple[int, int, str, int], Line, list[str]] | None = None
        for line in self.lines:
            if line.kind != kind:
                continue
            found = list(changes(line.request, request, ""))
            if line.name != name:
                found.insert(0, f"name: recorded {line.name!r}, now {name!r}")
            far = 0 if line.scope == scope else 1 if _place(line.scope) == _place(scope) else 2
            rank = (len(found), far, line.scope, line.n)
            if best is None or rank < best[0]:
                best = rank, line, found
        return (None, []) if best is None else (best[1], best[2])


def _place(scope: str) -> str:
    return scope.rpartition("#")[0]


def changes(recorded: JsonValue, now: JsonValue, place: str) -> Iterator[str]:
    """Yield each field that differs, as `path: recorded …, now …`."""
    if isinstance(recorded, dict) and isinstance(now, dict):
        for name in sorted(recorded.keys() | now.keys()):
            where = f"{place}.{name}" if place else name
            if name not in now:
                yield f"{where}: recorded {_short(recorded[name])}, now nothing"
            elif name not in recorded:
                yield f"{where}: recorded nothing, now {_short(now[name])}"
            else:
                yield from changes(recorded[name], now[name], where)
    elif isinstance(recorded, list) and isinstance(now, list):
        for at in range(max(len(recorded), len(now))):
            where = f"{place}[{at}]"
            if at >= len(now):
                yield f"{where}: recorded {_short(recorded[at])}, now nothing"
            elif at >= len(recorded):
                yield f"{where}: recorded nothing, now {_short(now[at])}"
            else:
                yield from changes(recorded[at], now[at], where)
    elif recorded != now or type(recorded) is not type(now):
        if isinstance(recorded, str) and isinstance(now, str):
            yield _texts(recorded, now, place)
        else:
            yield f"{place}: recorded {_short(recorded)}, now {_short(now)}"


def _texts(recorded: str, now: str, place: str) -> str:
    at = next((i for i, (a, b) in enumerate(zip(recorded, now, strict=False)) if a != b), min(len(recorded), len(now)))
    begin = max(0, at - AROUND // 4)
    where = f"{place} from character {at}" if at else place
    return f"{where}: recorded {_piece(recorded, begin)}, now {_piece(now, begin)}"


def _piece(text: str, begin: int) -> str:
    shown = text[begin : begin + AROUND]
    return repr(("…" if begin else "") + shown + ("…" if begin + AROUND < len(text) else ""))


def _short(value: JsonValue | Sequence[object]) -> str:
    text = repr(value)
    return text if len(text) <= 2 * AROUND else f"{text[: 2 * AROUND - 1]}…"
