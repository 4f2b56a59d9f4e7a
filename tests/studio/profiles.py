"""Candidates of the offers pack: one that needs no approval, one that does."""

from __future__ import annotations

from typing import Any

SENIOR: dict[str, Any] = {
    "role": "Senior Software Engineer",
    "level": "Senior",
    "location": "San Francisco, CA",
    "experience_years": 8,
}
HIGH: dict[str, Any] = {
    "role": "Director of Engineering",
    "level": "Director",
    "location": "San Francisco, CA",
    "experience_years": 25,
}
