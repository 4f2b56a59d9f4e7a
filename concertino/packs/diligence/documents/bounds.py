"""How much a folder of documents may hold, and how much of it is shown at once."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class DocumentLimits(BaseModel):
    """Bounds on a folder of documents. All are settable by the pack's policy; the defaults were chosen by hand."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    files: Annotated[int, Field(ge=1, le=10_000)] = 300
    """Documents in the folder; more are refused."""
    entries: Annotated[int, Field(ge=1, le=100_000)] = 3_000
    """Files of any kind in the folder; more are refused."""
    depth: Annotated[int, Field(ge=1, le=32)] = 8
    """Folders within folders; what lies deeper is listed as unreadable."""
    file_bytes: Annotated[int, Field(ge=1, le=200_000_000)] = 10_000_000
    """Size of one document; a larger one is listed as unreadable."""
    total_bytes: Annotated[int, Field(ge=1, le=1_000_000_000)] = 50_000_000
    """Size of all documents together; more is refused."""
    pdf_pages: Annotated[int, Field(ge=1, le=10_000)] = 500
    """Pages read of one PDF; the rest is left out with a note."""
    pdf_seconds: Annotated[float, Field(gt=0, le=600)] = 30.0
    """Seconds for reading one PDF; one that takes longer is listed as unreadable."""
    pdf_memory_bytes: Annotated[int, Field(ge=100_000_000, le=16_000_000_000)] = 1_500_000_000
    """Address space of the process that reads one PDF."""
    text_chars: Annotated[int, Field(ge=1_000, le=100_000_000)] = 5_000_000
    """Characters of text in one document; the rest is left out with a note."""
    part_chars: Annotated[int, Field(ge=100, le=100_000)] = 6_000
    """Characters shown of one line or page."""
    read_parts: Annotated[int, Field(ge=1, le=10_000)] = 200
    """Lines of one read; of a PDF, pages."""
    read_chars: Annotated[int, Field(ge=100, le=1_000_000)] = 8_000
    """Characters of one read."""
    hits: Annotated[int, Field(ge=1, le=100)] = 8
    """Places that one search shows."""
    query_chars: Annotated[int, Field(ge=10, le=10_000)] = 400
    """Characters of a search that are looked at."""
