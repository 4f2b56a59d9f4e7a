"""Checking what a specialist cites: every place is looked up, and what cannot be found counts against its confidence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from concertino.contracts.finding import Evidence
from concertino.packs.diligence.answers import Citation
from concertino.packs.diligence.documents import Document, Library
from concertino.packs.diligence.documents.quotes import LEAST_CHARS, normal

NEAR = 2
"""Lines by which a citation may be off without a word."""
QUOTE_CHARS = 300
"""How much of a line stands in for a quote that was not given."""
LOCATION_ONLY = 0.5
"""What a citation without a quote (of `LEAST_CHARS`) counts: its place exists, but nothing shows that it says so. Chosen by hand."""


@dataclass(frozen=True, slots=True)
class Checked:
    """Citations after they were looked up."""

    kept: tuple[Evidence, ...]
    notes: tuple[str, ...]
    """What was dropped or moved, and why."""
    cited: int
    found: float
    """How many of them hold; one without a quote counts `LOCATION_ONLY`."""
    quoted: int = 0
    """How many of them hold by their quote."""

    def confidence(self, stated: float) -> float:
        """Return stated · (found + 1) / (cited + 1), where citing nothing counts as one citation that does not hold.

        So all found leaves it as it is, one wrong of two takes a third of it, and nothing found leaves half at most. Laplace's rule of
        succession over the citations, relative to a perfect record; chosen by hand.
        """
        return stated * min(1.0, (self.found + 1) / (max(1, self.cited) + 1))


def check(citations: Sequence[Citation], library: Library) -> Checked:
    """Look up every citation; the same place twice counts once."""
    kept: dict[tuple[str, int, str], Evidence] = {}
    notes: list[str] = []
    cited, found, quoted = 0, 0.0, 0
    for citation in citations:
        document = _document(citation.file, library)
        place = f"{citation.file or '?'}:{citation.line if citation.line is not None else '?'}"
        if document is None:
            cited += 1
            notes.append(f"evidence dropped: {place}: no such document")
            continue
        at, worth, why = _located(citation, document, library)
        if at is None:
            cited += 1
            notes.append(f"evidence dropped: {place}: {why}")
            continue
        if why:
            notes.append(f"evidence moved: {place}: {why}")
        quote = citation.quote or _line(document, at)
        key = (document.name, at, quote)
        if key not in kept:
            cited, found, quoted = cited + 1, found + worth, quoted + (worth == 1.0)
            kept[key] = Evidence.model_validate(
                {"source": document.name, document.unit: at, "quote": quote}
                | ({"claim": citation.claim} if citation.claim else {})
            )
    return Checked(tuple(kept.values()), tuple(notes), cited, found, quoted)


def place_of(evidence: Evidence | str) -> str:
    """Return `file:line`, for a PDF `file:p3`."""
    if isinstance(evidence, str):
        return evidence
    page = (evidence.model_extra or {}).get("page")
    where = f":p{page}" if page is not None else f":{evidence.line}" if evidence.line is not None else ""
    return f"{evidence.source}{where}"


def _document(name: str, library: Library) -> Document | None:
    """Return the document of this name, or the only one whose path ends in it."""
    known = library.by_name.get(name.removeprefix("./"))
    if known is not None:
        return known
    ends = [one for one in library.documents if PurePosixPath(one.name).name == name]
    return ends[0] if len(ends) == 1 else None


def _located(citation: Citation, document: Document, library: Library) -> tuple[int | None, float, str]:
    """Return line or page, what the citation is worth, and what is to be said about it."""
    stated = citation.line
    exists = stated is not None and any(part.at == stated for part in document.parts)
    if len(normal(citation.quote)) < LEAST_CHARS:
        if exists:
            return stated, LOCATION_ONLY, ""
        return None, 0.0, f"no such {document.unit}; it has {document.last}"
    at = library.quotes.find(document.name, citation.quote, near=stated)
    if at is None:
        return None, 0.0, "the document does not say what is quoted"
    if stated is None or abs(at - stated) <= NEAR:
        return at, 1.0, ""
    return at, 1.0, f"the quoted words stand on {document.unit} {at}"


def _line(document: Document, at: int) -> str:
    return next((part.text for part in document.parts if part.at == at), "")[:QUOTE_CHARS]
