"""From a file's bytes to numbered parts: lines of text, rows of CSV, pages of PDF."""

from __future__ import annotations

import codecs
import csv
import io
import re
from dataclasses import dataclass
from typing import Literal

from concertino.packs.diligence.documents.bounds import DocumentLimits
from concertino.packs.diligence.documents.folder import RawFile, Unreadable
from concertino.packs.diligence.documents.pdf_pages import PdfUnreadable, read_pdf

Unit = Literal["line", "page"]

_BREAK = re.compile(r"\r\n|\n|\r")
_BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""UTF-32 before UTF-16: the one's mark begins with the other's."""


@dataclass(frozen=True, slots=True)
class Part:
    """A line, a row or a page."""

    at: int
    """Line or page in the file, from 1; of a row that spans lines, its first."""
    text: str
    """As it is shown: a row says its columns' names."""
    raw: str
    """As it stands in the file."""


@dataclass(frozen=True, slots=True)
class Document:
    """One document, ready to be searched and cited."""

    name: str
    kind: str
    unit: Unit
    parts: tuple[Part, ...]
    bytes: int
    notes: tuple[str, ...] = ()
    """What a reader should know: a guessed encoding, pages left out."""

    @property
    def last(self) -> int:
        """Return the number of the last line or page; 0 for an empty document."""
        return self.parts[-1].at if self.parts else 0


def read_document(file: RawFile, limits: DocumentLimits) -> Document | Unreadable:
    """Return a file as a document, or why it is none. A PDF takes its time: call this in a thread."""
    if file.kind == "pdf":
        return _pdf(file, limits)
    decoded = _decoded(file.data)
    if decoded is None:
        return Unreadable(file.name, "not text, whatever its name says")
    text, encoding = decoded
    notes = [] if encoding.startswith("utf-8") else [f"read as {encoding}"]
    if len(text) > limits.text_chars:
        text = text[: limits.text_chars]
        notes.append(f"cut after {limits.text_chars} characters")
    lines = _BREAK.split(text)
    if lines and not lines[-1]:
        lines.pop()
    parts: tuple[Part, ...] | None = None
    if file.kind == "csv":
        parts = _rows(text, lines, delimiter="\t" if file.name.lower().endswith(".tsv") else None)
        if parts is None:
            notes.append("not well-formed CSV, so it is read as plain lines")
    if parts is None:
        parts = tuple(Part(number, line, line) for number, line in enumerate(lines, 1))
    return Document(file.name, file.kind, "line", parts, len(file.data), tuple(notes))


def _pdf(file: RawFile, limits: DocumentLimits) -> Document | Unreadable:
    try:
        read = read_pdf(file.data, limits)
    except PdfUnreadable as error:
        return Unreadable(file.name, str(error))
    parts = tuple(Part(number, page, page) for number, page in enumerate(read.pages, 1))
    return Document(file.name, "pdf", "page", parts, len(file.data), read.notes)


def _decoded(data: bytes) -> tuple[str, str] | None:
    """Return text and encoding; UTF-8 unless a mark says otherwise, else Windows' Latin. `None` for what is no text."""
    encoding = next((name for mark, name in _BOMS if data.startswith(mark)), "utf-8")
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        if encoding != "utf-8":
            return None
        text, encoding = data.decode("cp1252", "replace"), "cp1252"
    return None if "\0" in text else (text, encoding)


def _rows(text: str, lines: list[str], *, delimiter: str | None) -> tuple[Part, ...] | None:
    """Return CSV rows under their columns' names; `None` where the text does not hold together as CSV."""
    head = next((line for line in lines if line.strip()), "")
    mark = delimiter or max(",;\t|", key=head.count)
    found: list[Part] = []
    names: list[str] = []
    # One line more than there is would be counted where breaks differ from the reader's own.
    reader = csv.reader(io.StringIO("\n".join(lines)), delimiter=mark, strict=True)
    before = 0
    try:
        for row in reader:
            at, before = before + 1, reader.line_num
            raw = "\n".join(lines[at - 1 : before])
            if not any(cell.strip() for cell in row):
                continue
            if not names:
                names = [cell.strip() or f"column {number}" for number, cell in enumerate(row, 1)]
                found.append(Part(at, " | ".join(names), raw))
                continue
            cells = [
                f"{names[number] if number < len(names) else f'column {number + 1}'}: {' '.join(cell.split())}"
                for number, cell in enumerate(row)
                if cell.strip()
            ]
            found.append(Part(at, " | ".join(cells), raw))
    except csv.Error:
        return None
    return tuple(found)
