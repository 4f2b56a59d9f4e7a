"""A folder's documents in memory: listed, searched, read, and asked whether they say what somebody quotes.

A name that a model gives is looked up among the names found, and never opened: there is no path that leads out of the folder.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from concertino.contracts.errors import InputError
from concertino.packs.diligence.documents.bounds import DocumentLimits
from concertino.packs.diligence.documents.folder import FIELD, Folder, Unreadable, read_folder
from concertino.packs.diligence.documents.formats import Document, Part, read_document
from concertino.packs.diligence.documents.quotes import Quotes
from concertino.packs.diligence.documents.search import Index, terms
from concertino.tools import threads

__all__ = ["Document", "Library", "Part", "Unreadable", "open_library"]

READERS = 4
"""PDFs that are read at the same time; chosen by hand."""
EXCERPT_CHARS = 500


@dataclass(frozen=True, slots=True)
class Shown:
    """What a model gets to see."""

    text: str
    source: str
    """What the text is from, for the fence around it."""
    is_document: bool = False
    """Whether a document was read: then it counts as one in the budget."""


@dataclass(frozen=True, slots=True)
class Library:
    """Documents by name. Never changes."""

    documents: tuple[Document, ...]
    unreadable: tuple[Unreadable, ...]
    limits: DocumentLimits
    index: Index
    quotes: Quotes
    by_name: dict[str, Document] = field(default_factory=dict)

    def listing(self) -> Shown:
        """Return the names of all documents with their size, then those that cannot be read."""
        lines = [
            f"{one.name} ({one.kind}, {one.last} {one.unit}s)" + (f"; {'; '.join(one.notes)}" if one.notes else "")
            for one in self.documents
        ]
        if self.unreadable:
            lines += ["", "Not readable:", *(f"{one.name}: {one.reason}" for one in self.unreadable)]
        return Shown("\n".join(lines) or "The folder holds no documents.", "the list of documents")

    def search(self, query: str) -> Shown:
        """Return the places where a search's words stand, best first, each as `file:line` with its text."""
        asked = query[: self.limits.query_chars]
        if not terms(asked):
            return Shown("A search needs words.", "a search")
        blocks: list[str] = []
        for place in self.index.find(asked, most=self.limits.hits):
            document = self.documents[place.document]
            blocks.append(
                f"{document.name}:{document.parts[place.part].at}\n{self._excerpt(document, place.part, asked)}"
            )
        return Shown("\n\n".join(blocks) or "Nothing found.", "a search of the documents")

    def read(self, name: str, first: int = 1, last: int | None = None) -> Shown:
        """Return lines (of a PDF, pages) `first` to `last` of a document, numbered; what is no document, or past its end, is said."""
        document = self.by_name.get(name) or self.by_name.get(name.removeprefix("./"))
        if document is None:
            return Shown("There is no such document; list_documents has the names.", "the library")
        begin = max(1, first)
        wanted = [part for part in document.parts if begin <= part.at and (last is None or part.at <= last)]
        if not wanted:
            return Shown(f"It has {document.last} {document.unit}s; none in this range.", document.name)
        shown: list[str] = []
        left = self.limits.read_chars
        rest: int | None = None
        for count, part in enumerate(wanted):
            text = part.text if len(part.text) <= self.limits.part_chars else f"{part.text[: self.limits.part_chars]}…"
            if shown and (count >= self.limits.read_parts or len(text) > left):
                rest = part.at
                break
            head = f"--- page {part.at} ---\n" if document.unit == "page" else f"{part.at}: "
            shown.append(f"{head}{text[:left]}" + ("…" if len(text) > left else ""))
            left -= len(text)
        if rest is not None:
            shown.append(f"(cut here; go on from {document.unit} {rest} of {document.last})")
        return Shown("\n".join(shown), document.name, is_document=True)

    def _excerpt(self, document: Document, at: int, query: str) -> str:
        if document.unit == "page":
            text = document.parts[at].text
            lowered = text.casefold()
            hits = [where for word in terms(query) if (where := lowered.find(word)) >= 0]
            start = max(0, min(hits, default=0) - 100)
            return " ".join(text[start : start + EXCERPT_CHARS].split())
        around = document.parts[max(0, at - 1) : at + 3]
        return "\n".join(f"{part.at}: {part.text[:EXCERPT_CHARS]}" for part in around)


def open_library(path: str, limits: DocumentLimits | None = None) -> Library:
    """Read a folder. Blocks: call it in a thread.

    Raises:
        InputError: no folder, over the limits, or not one document in it that can be read.
    """
    bounds = limits or DocumentLimits()
    folder = read_folder(path, bounds)
    documents, unreadable = _read(folder, bounds)
    if not documents:
        why = "; ".join(f"{one.name}: {one.reason}" for one in unreadable[:5])
        raise InputError(
            field=FIELD, value=path, rule=f"holds no document that can be read{f' ({why})' if why else ''}"
        )
    return library_of(documents, unreadable, bounds)


def library_of(
    documents: Sequence[Document], unreadable: Sequence[Unreadable] = (), limits: DocumentLimits | None = None
) -> Library:
    """Return a library of documents that are in memory already."""
    kept = tuple(documents)
    by_name = {document.name: document for document in kept}
    return Library(kept, tuple(unreadable), limits or DocumentLimits(), Index(kept), Quotes(by_name), by_name)


def _read(folder: Folder, limits: DocumentLimits) -> tuple[list[Document], list[Unreadable]]:
    found: dict[int, Document | Unreadable] = {}
    left = deque(enumerate(folder.files))

    def read() -> None:
        while left:
            try:
                at, file = left.popleft()
            except IndexError:  # another reader was faster
                return
            found[at] = read_document(file, limits)

    for reader in [threads.submit(read) for _ in range(min(READERS, len(left)))]:
        reader.result()
    documents = [found[at] for at in sorted(found)]
    bad = [*folder.unreadable, *(one for one in documents if isinstance(one, Unreadable))]
    return [one for one in documents if isinstance(one, Document)], sorted(bad, key=lambda one: one.name)
