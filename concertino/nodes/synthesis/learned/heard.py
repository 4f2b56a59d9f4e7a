"""What was merged with a record, in passing: unsettled answers that nobody wrote into it.

Sources that change after the settled past, and strangers who copy each other, show in later answers alone: one question does
not tell a panel that is right from three who lie together. So what is merged is remembered beside the record, in this process,
for as long as the record lives. The record itself stays as it is.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from weakref import WeakKeyDictionary

from concertino.contracts.finding import Finding
from concertino.nodes.synthesis.ballot import canonical
from concertino.nodes.synthesis.outcomes import Answer
from concertino.nodes.synthesis.track_record import TrackRecord

MOST = 2_000
"""Questions that are remembered, the latest ones; chosen by hand."""
FIRST, GROWTH = 16, 1.5
"""How many questions there must be before they are learned from, and by how much more again; chosen by hand: a dozen lessons
over a thousand questions. No step is larger than a quarter of `MOST`, so that most of what is kept is always learned from."""
MOST_CHARS = 20_000
"""Of all answers to a question together; longer ones are not remembered. Chosen by hand."""


class Heard:
    """What was merged with one record. Safe in threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: deque[tuple[int, str, tuple[Answer, ...]]] = deque()
        self._known: set[str] = set()
        self._count = 0

    def hear(self, findings: Sequence[Finding]) -> None:
        """Remember answers; the same ones again change nothing."""
        by_question: dict[str, list[Answer]] = {}
        for answer in answers_in(findings):
            by_question.setdefault(answer.question_id, []).append(answer)
        with self._lock:
            for question_id, answers in by_question.items():
                if question_id in self._known or sum(len(canonical(one.output)) for one in answers) > MOST_CHARS:
                    continue
                self._known.add(question_id)
                self._kept.append((self._count, question_id, tuple(answers)))
                self._count += 1
                if len(self._kept) > MOST:
                    self._known.discard(self._kept.popleft()[1])

    def block(self) -> int:
        """Return the largest block of questions that is complete."""
        size, count = 0, self._count
        while (larger := max(FIRST, size + min(int(size * (GROWTH - 1)), MOST // 4))) <= count:
            size = larger
        return size

    def questions(self, block: int, record: TrackRecord) -> list[tuple[Answer, ...]]:
        """Return the answers of a block, without those to questions that the record has itself."""
        with self._lock:
            kept = [(question_id, answers) for n, question_id, answers in self._kept if n < block]
        written = {one[0].question_id for _, one, _ in record.remembered(unsettled=record.unsettled)}
        return [answers for question_id, answers in kept if question_id not in written]


def heard_with(record: TrackRecord) -> Heard:
    """Return what was merged with a record so far."""
    return _heard.setdefault(record, Heard())


_heard: WeakKeyDictionary[TrackRecord, Heard] = WeakKeyDictionary()


def answers_in(findings: Sequence[Finding]) -> Iterator[Answer]:
    """Yield findings as answers, by question, specialist and what they say; questions without an id are known by all that was said."""
    named = [one for one in findings if one.specialist is not None and one.output is not None]
    said = [(canonical(one.output), one) for one in named]
    said.sort(key=lambda pair: (pair[1].question_id or "", pair[1].specialist or "", pair[0]))
    nameless = [f"{text}\0{one.specialist}\0{one.confidence}" for text, one in said if one.question_id is None]
    own = f"heard:{blake2b(chr(1).join(nameless).encode('utf-8', 'replace'), digest_size=16).hexdigest()}"
    for _, one in said:
        yield Answer.model_construct(
            question_id=one.question_id or own,
            specialist=one.specialist or "",
            domain=one.domain,
            output=one.output,
            confidence=one.confidence,
            authority=one.authority,
        )
