"""Whether a document says what somebody quotes from it, and where."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass

from concertino.packs.diligence.documents.formats import Document

LEAST_CHARS = 4
"""A shorter quote proves nothing: it stands everywhere."""
GAP_CHARS = 2_000
"""How far apart the pieces of a quote with an ellipsis may stand. Chosen by hand."""
MOST_PLACES = 1_000

_ELLIPSIS = re.compile(r"…|\.\.\.|\[…\]")
_SAME = str.maketrans(
    {"‘": "'", "’": "'", "“": '"', "”": '"', "–": "-", "—": "-", "−": "-", "\u00ad": None, "\u200b": None}
)


def normal(text: str) -> str:
    """Return a text without what typesetting changes: case, kinds of quotes and dashes, breaks and spaces."""
    return " ".join(unicodedata.normalize("NFKC", text).translate(_SAME).casefold().split())


@dataclass(frozen=True, slots=True)
class _Text:
    """A document as one normal text."""

    text: str
    starts: tuple[int, ...]
    """Where each part begins."""
    ats: tuple[int, ...]
    """Line or page of each part."""

    def at(self, position: int) -> int:
        return self.ats[bisect_right(self.starts, position) - 1]


class Quotes:
    """Finds quotes in a library's documents. A document's normal text is made when first asked for, and kept."""

    def __init__(self, documents: Mapping[str, Document]) -> None:
        self._documents = documents
        self._texts: dict[str, tuple[_Text, ...]] = {}

    def find(self, name: str, quote: str, *, near: int | None) -> int | None:
        """Return the line or page where a document says this, the nearest to `near`; `None` where it does not.

        The words must stand there as quoted, apart from what typesetting changes; an ellipsis stands for a gap.
        """
        pieces = [piece for part in _ELLIPSIS.split(quote) if (piece := normal(part).strip(" \"'"))]
        if not pieces or max(map(len, pieces)) < LEAST_CHARS or name not in self._documents:
            return None
        found = [at for text in self._of(name) for at in _places(text, pieces)]
        return min(found, key=lambda at: (abs(at - near) if near is not None else 0, at), default=None)

    def _of(self, name: str) -> tuple[_Text, ...]:
        known = self._texts.get(name)
        if known is None:
            document = self._documents[name]
            as_shown = _text([(part.at, part.text) for part in document.parts])
            as_it_stands = _text([(part.at, part.raw) for part in document.parts]) if document.kind == "csv" else None
            known = self._texts[name] = (as_shown, as_it_stands) if as_it_stands else (as_shown,)
        return known


def _text(parts: list[tuple[int, str]]) -> _Text:
    pieces: list[str] = []
    starts: list[int] = []
    ats: list[int] = []
    length = 0
    for at, given in parts:
        text = normal(given)
        if not text:
            continue
        starts.append(length)
        ats.append(at)
        pieces.append(text)
        length += len(text) + 1
    return _Text(" ".join(pieces), tuple(starts), tuple(ats))


def _places(text: _Text, pieces: list[str]) -> list[int]:
    found: list[int] = []
    start = -1
    for _ in range(MOST_PLACES):
        start = text.text.find(pieces[0], start + 1)
        if start < 0:
            break
        end: int | None = start + len(pieces[0])
        for piece in pieces[1:]:
            follows = text.text.find(piece, end, (end or 0) + GAP_CHARS + len(piece))
            end = follows + len(piece) if follows >= 0 else None
            if end is None:
                break
        if end is not None:
            found.append(text.at(start))
    return found
