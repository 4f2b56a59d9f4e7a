"""Ranked search for terms over a library's parts: BM25, by rule alone.

Source of the formula: Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009); `K1` and `B` are
their usual values.
"""

from __future__ import annotations

import math
import re
import unicodedata
from array import array
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from concertino.packs.diligence.documents.formats import Document

K1, B = 1.5, 0.75
CHUNK = 12
"""Lines that are ranked together; a PDF's page is ranked alone. Chosen by hand."""
TERMS = 32
"""Different terms of one search that count."""

_WORD = re.compile(r"\w+")


class Chunk(NamedTuple):
    """A stretch of one document."""

    document: int
    first: int
    """Position among the document's parts, from 0."""
    end: int


class Place(NamedTuple):
    """Where the terms stand closest together, as positions in the library."""

    document: int
    part: int
    score: float


def terms(text: str) -> list[str]:
    """Return a text's words in one normal form."""
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())


class Index:
    """The words of a library. Built once, never changed."""

    def __init__(self, documents: Sequence[Document]) -> None:
        self._documents = documents
        self._chunks: list[Chunk] = []
        self._lengths: list[int] = []
        # A number for the chunk, then one for the count, and so on: pairs would take ten times the memory.
        self._postings: dict[str, array[int]] = {}
        for number, document in enumerate(documents):
            size = 1 if document.unit == "page" else CHUNK
            for first in range(0, len(document.parts), size):
                end = min(first + size, len(document.parts))
                counts = Counter(word for part in document.parts[first:end] for word in terms(part.text))
                for word, count in counts.items():
                    self._postings.setdefault(word, array("I")).extend((len(self._chunks), count))
                self._chunks.append(Chunk(number, first, end))
                self._lengths.append(sum(counts.values()))
        self._mean = (sum(self._lengths) / len(self._lengths) if self._lengths else 0.0) or 1.0

    def find(self, query: str, *, most: int) -> list[Place]:
        """Return the best places, best first, at most one a chunk; ties go by name and position."""
        wanted = list(dict.fromkeys(terms(query)))[:TERMS]
        scores: dict[int, float] = {}
        for word in wanted:
            postings = self._postings.get(word, array("I"))
            known = len(postings) // 2
            rarity = math.log1p((len(self._chunks) - known + 0.5) / (known + 0.5))
            for chunk, count in zip(postings[::2], postings[1::2], strict=True):
                long = 1 - B + B * self._lengths[chunk] / self._mean
                scores[chunk] = scores.get(chunk, 0.0) + rarity * count * (K1 + 1) / (count + K1 * long)
        best = sorted(scores, key=lambda chunk: (-scores[chunk], chunk))[:most]
        return [self._place(self._chunks[chunk], frozenset(wanted), scores[chunk]) for chunk in best]

    def _place(self, chunk: Chunk, wanted: frozenset[str], score: float) -> Place:
        parts = self._documents[chunk.document].parts
        part = max(range(chunk.first, chunk.end), key=lambda at: (len(wanted.intersection(terms(parts[at].text))), -at))
        return Place(chunk.document, part, score)
