"""What the pack's tests share: the invented folder, with a PDF that is made here."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from concertino.packs.diligence.shelf import SHELF
from tests.packs.diligence.pdfs import pdf

EXAMPLE = Path(__file__).parents[3] / "examples" / "diligence"

SURVEY = ("Trade association survey\nThe market grew by 6.5 percent.", "Shares by supplier\nNordlicht: 8 percent.")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Return a copy of the example's documents with a PDF of two pages."""
    path = tmp_path / "documents"
    shutil.copytree(EXAMPLE, path)
    (path / "survey.pdf").write_bytes(pdf(*SURVEY))
    yield path
    for key in list(SHELF._kept):
        SHELF.drop(*key)
