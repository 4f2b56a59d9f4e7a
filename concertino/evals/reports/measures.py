"""Texts once each, times as whole ticks, weights as few digits: how the page's data are written small."""

from __future__ import annotations

import math
from typing import Any

DIGITS = 4
"""Significant digits of weights; bars are drawn with them."""


class Words:
    """Texts once each. A new text is written 0, a known one by its number from 1."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._known: dict[str, int] = {}

    def put(self, text: str) -> int:
        known = self._known.get(text)
        if known is None:
            self.texts.append(text)
            self._known[text] = len(self.texts)
            return 0
        return known

    def number(self, text: str) -> int:
        """Return the text's place, from 0, whether it is new or not."""
        self.put(text)
        return self._known[text] - 1


class Ticks:
    """Seconds as whole numbers of ticks."""

    def __init__(self, seconds: float, *, most: int) -> None:
        power = math.ceil(math.log10(seconds / most)) if seconds > 0 else -6
        self.tick = 10.0 ** max(-9, power)

    def of(self, seconds: float) -> int:
        return round(seconds / self.tick)


def short(value: Any) -> Any:
    """Return a float with `DIGITS` significant digits, and anything else as it is."""
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value
