"""Offers: from a candidate profile to an offer packet. Source: document 000."""

from __future__ import annotations

from concertino.packs.offers.declaration import pack

__all__ = ["pack"]
