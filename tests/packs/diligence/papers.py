"""Documents that are in no folder."""

from __future__ import annotations

from concertino.packs.diligence.documents import Document, DocumentLimits
from concertino.packs.diligence.documents.folder import RawFile
from concertino.packs.diligence.documents.formats import read_document


def document(text: str | bytes, name: str = "a.txt", kind: str = "text") -> Document:
    """Return a document with this text."""
    data = text.encode() if isinstance(text, str) else text
    read = read_document(RawFile(name, kind, data), DocumentLimits())
    assert isinstance(read, Document)
    return read
