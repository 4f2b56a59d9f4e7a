"""Reading a PDF's text in a process of its own: `python -m concertino.packs.diligence.documents.pdf_pages PAGES CHARS BYTES`.

The PDF comes on standard input; one JSON object goes to standard output: `{"pages": [...], "notes": [...]}` or `{"error": ...}`. A PDF
can loop, eat memory or crash its reader; here it does so where it can be killed.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec

from concertino.packs.diligence.documents.bounds import DocumentLimits


class PdfUnreadable(RuntimeError):
    """A PDF gave no text; the message says why."""


@dataclass(frozen=True, slots=True)
class Pages:
    """A PDF's text, page by page."""

    pages: tuple[str, ...]
    notes: tuple[str, ...]


def read_pdf(data: bytes, limits: DocumentLimits) -> Pages:
    """Return the text of a PDF; blocks for up to `limits.pdf_seconds`.

    Raises:
        PdfUnreadable: encrypted, faulty, without text, too slow or too large.
    """
    if find_spec("pypdf") is None:
        raise PdfUnreadable("pypdf is not installed: pip install 'concertino[diligence]'")
    command = [
        sys.executable, "-m", __name__, str(limits.pdf_pages), str(limits.text_chars), str(limits.pdf_memory_bytes),
    ]  # fmt: skip
    try:
        done = subprocess.run(command, input=data, capture_output=True, timeout=limits.pdf_seconds, check=False)
    except subprocess.TimeoutExpired as error:
        raise PdfUnreadable(f"reading took longer than {limits.pdf_seconds:g} s") from error
    try:
        said: object = json.loads(done.stdout)
    except ValueError as error:
        raise PdfUnreadable(f"the reader ended with code {done.returncode}") from error
    assert isinstance(said, dict)  # our own child's
    if "error" in said:
        raise PdfUnreadable(str(said["error"]))
    return Pages(tuple(said["pages"]), tuple(said["notes"]))


def _pages(data: bytes, *, most: int, chars: int) -> dict[str, object]:
    import io
    import logging

    from pypdf import PdfReader
    from pypdf.errors import PyPdfError

    logging.disable(logging.CRITICAL)
    try:
        reader = PdfReader(io.BytesIO(data), strict=False)
        if reader.is_encrypted and not reader.decrypt(""):
            return {"error": "encrypted; a password is needed"}
        count = len(reader.pages)
    except PyPdfError as error:
        return {"error": f"faulty PDF: {error}"[:300]}
    except Exception as error:  # noqa: BLE001 - a faulty file makes the reader raise whatever it likes
        return {"error": f"faulty PDF: {type(error).__name__}: {error}"[:300]}
    found: list[str] = []
    notes: list[str] = []
    left = chars
    for number in range(min(count, most)):
        try:
            text = reader.pages[number].extract_text()
        except Exception as error:  # noqa: BLE001 - as above; the other pages may be sound
            text = ""
            notes.append(f"page {number + 1} is faulty: {type(error).__name__}")
        found.append(text[:left])
        left -= len(found[-1])
        if left <= 0:
            notes.append(f"cut after {chars} characters, on page {number + 1}")
            break
    if count > most:
        notes.append(f"only the first {most} of {count} pages were read")
    if not any(page.strip() for page in found):
        return {"error": "no text in it; scanned pages are not read"}
    empty = sum(not page.strip() for page in found)
    if empty:
        notes.append(f"{empty} page(s) without text")
    return {"pages": found, "notes": notes[:20]}


def main() -> None:
    """Read one PDF from standard input."""
    import resource

    most, chars, memory = (int(given) for given in sys.argv[1:4])
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    data = sys.stdin.buffer.read()
    try:
        said = _pages(data, most=most, chars=chars)
    except MemoryError:
        said = {"error": "reading took too much memory"}
    except RecursionError:
        said = {"error": "faulty PDF: nested too deep"}
    sys.stdout.write(json.dumps(said))


if __name__ == "__main__":
    main()
