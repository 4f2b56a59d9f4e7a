"""The settled past as arithmetic wants it: sources, options and log odds instead of findings."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

STATED_LOW, STATED_HIGH = 0.02, 0.98
"""Stated confidences are cut to this range before their log odds are taken; 0 and 1 would be infinite. Chosen by hand."""

FEW_OPTIONS = 20
"""At most so many different answers make a closed set. Chosen by hand."""
USES_OF_AN_OPTION = 3
"""In a closed set each answer was given so often on average per question that there is; below it they are names. By hand."""


class Said(NamedTuple):
    """One source's answer to one question."""

    source: str
    option: int
    """Which of the question's options; -1 for one that a closed set does not have."""
    stated: float
    """Log odds of the stated confidence."""
    part: float = 1.0
    """How much of a voice it is, 0-1: sources that copy each other share one."""
    authority: float = 1.0
    """As the finding or the hierarchy has it, 0-1."""


@dataclass(frozen=True, slots=True)
class Case:
    """One question with its answers as options."""

    question_id: str
    domain: str | None
    said: tuple[Said, ...]
    options: int
    """How many options there are. In an open set the last one stands for whatever nobody said."""
    truth: int = -1
    """The right option; -1 where it is not settled."""
    weight: float = 1.0
    """How much of it is remembered, 0-1."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One raw answer."""

    source: str
    label: str
    """Canonical text of the answer: equal answers have equal texts."""
    confidence: float
    authority: float = 1.0


@dataclass(frozen=True, slots=True)
class Asked:
    """One raw question."""

    question_id: str
    domain: str | None
    replies: tuple[Reply, ...]
    truth: str | None = None
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class History:
    """All questions of one kind, with the options they share, if they share any."""

    settled: tuple[Case, ...]
    unsettled: tuple[Case, ...]
    labels: Mapping[str, int] = field(default_factory=dict)
    """Options by canonical text; empty for an open set."""

    @property
    def is_closed(self) -> bool:
        """Whether all questions have the same options."""
        return bool(self.labels)

    def case(self, asked: Asked) -> tuple[Case, tuple[str, ...]]:
        """Return a question in these options, and each option's text, `""` for whatever nobody said."""
        return _case(asked, self.labels)


def log_odds(p: float) -> float:
    """Return log(p / (1 - p))."""
    return math.log(p / (1 - p))


def stated(confidence: float) -> float:
    """Return the log odds of a stated confidence, cut to a finite range."""
    return log_odds(min(STATED_HIGH, max(STATED_LOW, confidence)))


def sigmoid(z: float) -> float:
    """Return 1 / (1 + exp(-z)) without overflow."""
    if z >= 0:
        return 1 / (1 + math.exp(-z))
    raised = math.exp(z)
    return raised / (1 + raised)


def history_of(settled: Sequence[Asked], unsettled: Sequence[Asked]) -> History:
    """Return the history; the options are closed where few different answers were used again and again."""
    uses: dict[str, int] = {}
    for asked in (*settled, *unsettled):
        for label in {reply.label for reply in asked.replies} | ({asked.truth} if asked.truth is not None else set()):
            uses[label] = uses.get(label, 0) + 1
    questions = len(settled) + len(unsettled)
    closed = len(uses) <= FEW_OPTIONS and len(uses) * USES_OF_AN_OPTION <= 2 * questions
    labels = {label: n for n, label in enumerate(sorted(uses))} if closed and len(uses) > 1 else {}
    return History(
        settled=tuple(_case(asked, labels)[0] for asked in settled),
        unsettled=tuple(_case(asked, labels)[0] for asked in unsettled),
        labels=labels,
    )


def standing_of(questions: Iterable[Asked]) -> dict[str, float]:
    """Return the authority of each source as it stood in its latest answer; questions oldest first."""
    return {reply.source: reply.authority for asked in questions for reply in asked.replies}


def domain_of(named: Iterable[str | None]) -> str | None:
    """Return the domain that most answers name; of several the first by name."""
    counts = Counter(domain for domain in named if domain is not None)
    return min(counts, key=lambda domain: (-counts[domain], domain), default=None)


def _case(asked: Asked, labels: Mapping[str, int]) -> tuple[Case, tuple[str, ...]]:
    if labels:
        place, texts = dict(labels), list(labels)
        for reply in asked.replies:
            if reply.label not in place:
                place[reply.label] = len(texts)
                texts.append(reply.label)
        options = len(texts)
    else:
        texts = list(dict.fromkeys(reply.label for reply in asked.replies))
        place = {label: n for n, label in enumerate(texts)}
        texts.append("")
        options = len(texts)
    said = tuple(
        Said(reply.source, place[reply.label], stated(reply.confidence), 1.0, reply.authority)
        for reply in asked.replies
    )
    truth = -1 if asked.truth is None else place.get(asked.truth, options - 1 if not labels else -1)
    return Case(asked.question_id, asked.domain, said, options, truth, asked.weight), tuple(texts)
