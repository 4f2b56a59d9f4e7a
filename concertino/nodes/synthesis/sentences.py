"""Which specialists stand behind each sentence of a merged text: by the words and figures they share with it.

A sentence is a source's where the source's text holds at least `LEAST` of the sentence's words of three or more characters and
every one of its figures, and no less than `NEAR` times as many as the best source. This is attribution by containment, not
entailment: it shows where to look, and a sentence without any source where not to trust.

Source of containment as a measure: Broder 1997, "On the resemblance and containment of documents". Thresholds chosen by hand.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from concertino.nodes.synthesis.ballot import WeightedText
from concertino.nodes.synthesis.result import Sentence

LEAST = 0.5
NEAR = 0.8
WORD = re.compile(r"[^\W\d_]{3,}|\d+(?:[.,]\d+)*")
END = re.compile(r"(?<=[.!?…])[\"'”’)\]]*\s+(?=\S)|\n+")


def attribute(text: str, sources: Sequence[WeightedText]) -> tuple[Sentence, ...]:
    """Return the sentences of `text` in order, each with the specialists behind it, heaviest first; perhaps none."""
    known = [(source.specialist, _words(source.text)) for source in sorted(sources, key=lambda one: -one.weight)]
    found: list[Sentence] = []
    for sentence in filter(None, (part.strip() for part in END.split(text))):
        words = _words(sentence)
        figures = {word for word in words if word[0].isdigit()}
        parts = {name: len(words & said) / len(words) if words and figures <= said else 0.0 for name, said in known}
        bound = max(LEAST, NEAR * max(parts.values(), default=0.0))
        found.append(Sentence(text=sentence, specialists=tuple(name for name, part in parts.items() if part >= bound)))
    return tuple(found)


def _words(text: str) -> set[str]:
    return {word.casefold() for word in WORD.findall(text)}
