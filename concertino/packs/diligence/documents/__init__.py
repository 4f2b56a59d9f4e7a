"""What the user gives to be examined: a folder, read once and safely; from then on everything is looked up in memory."""

from __future__ import annotations

from concertino.packs.diligence.documents.bounds import DocumentLimits
from concertino.packs.diligence.documents.library import Document, Library, Part, Unreadable, open_library

__all__ = ["Document", "DocumentLimits", "Library", "Part", "Unreadable", "open_library"]
