"""Due diligence: from a folder of documents to a decision with evidence, by five specialists. Source: document 004."""

from __future__ import annotations

from concertino.packs.diligence.declaration import pack

__all__ = ["pack"]
