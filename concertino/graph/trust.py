"""Whom a planner believes: a track record that its runs add to and its synthesis learns from.

Learning may take seconds, so all of it happens in worker threads; one lock per record keeps it in order.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, cast

from pydantic import JsonValue
from typing_extensions import TypeIs

from concertino.contracts.clock import Clock
from concertino.contracts.errors import InputError, SetupError
from concertino.contracts.event import Event, message_type
from concertino.contracts.finding import Finding
from concertino.contracts.journal import Journal, LessonJournal
from concertino.contracts.json import JsonObject, dump
from concertino.journal.awaiting import wait
from concertino.nodes.synthesis import Missing, Synthesis, TrackRecord, synthesize
from concertino.nodes.synthesis.authority import DEFAULT_AUTHORITY
from concertino.nodes.synthesis.learned.memory import learn
from concertino.tools import threads

T = TypeVar("T")

PAGE = 1_000
"""Lessons that are read from the journal at once; chosen by hand."""
MOST_BYTES = 16_384
"""Larger answers are not remembered: they are prose or data, of which nothing is learned. Chosen by hand."""
IN_JOURNAL = "journal"


class Trust:
    """A planner's track record. Every method blocks and works in any thread; `apart` calls one without blocking a loop."""

    def __init__(self, book: TrackRecord, *, journal: _Pages | None = None, path: Path | None = None) -> None:
        self._book, self._pages, self._path = book, journal, path
        self._lock = threading.RLock()
        self._takes = True

    def at(self, journal: Journal) -> Trust | None:
        """Return the same trust at another journal: what happens there changes neither the record nor its file.

        A record that is kept in the journal is then that journal's own; `None` where that one cannot keep any.
        """
        if self._pages is not None:
            return in_journal(journal) if _keeps_lessons(journal) else None
        other = Trust(self._book)
        other._lock, other._takes = self._lock, False
        return other

    def remember(self, findings: Iterable[Finding], *, task_id: str) -> None:
        """Keep what a run found, as answers to their own questions or else to the task. Doing it again changes nothing.

        A record in the journal needs no telling: the run's own events are its answers.
        """
        if self._pages is not None or not self._takes:
            return
        with self._lock:
            before = (len(self._book), self._book.revision)
            for finding in findings:
                if (answer := answer_of(finding, task_id)) is not None:
                    _is_kept(self._book, answer)
            if (len(self._book), self._book.revision) != before:
                self._save()

    def settle(self, question_id: str, truth: JsonValue, *, tolerance: float | None, clock: Clock) -> None:
        """State what was true; see `TrackRecord.settle`."""
        with self._lock:
            self._refresh()
            if self._pages is None:
                self._book.settle(question_id, truth, tolerance=tolerance)
                self._save()
                return
            self._pages.settle(question_id, truth, tolerance=tolerance, clock=clock)
            self._refresh()

    def record(self) -> TrackRecord:
        """Return the record as it stands, as a copy."""
        with self._lock:
            self._refresh()
            return self._book.copy()

    def synthesize(
        self, findings: Sequence[Finding], *, task_id: str, plainly: Callable[[], Synthesis], **more: Any
    ) -> tuple[Synthesis, JsonObject | None]:
        """Return the learned synthesis and what is told of the record; `plainly` gives it where nothing is settled.

        A question that is settled already is answered as if it were not.
        """
        with self._lock:
            self._refresh()
            book = self._book.unknowing({finding.question_id or task_id for finding in findings})
            if not book.settled:
                return plainly(), None
            merged = synthesize(findings, authority=book, calibrate=True, remember=False, **more)
            memory = learn(book, default=DEFAULT_AUTHORITY)
            points = memory.curve() if memory is not None else ()
            curve = [[one.confidence, one.coverage, one.accuracy] for one in points]
            return merged, {"settled": book.settled, "answers": len(book), "curve": cast("Any", curve)}

    def worth(self, findings: Sequence[Finding], missing: Missing) -> float | None:
        """Return by how much hearing one more specialist would raise the probability of a right answer; of several claims, most.

        `None` where the record says nothing of these answers.
        """
        with self._lock:
            self._refresh()
            book = self._book.unknowing(
                {finding.question_id for finding in findings if finding.question_id is not None}
            )
            if not book.settled or not findings:
                return None
            merged = synthesize(findings, authority=book, calibrate=True, remember=False, missing=[missing])
        told = [
            one.gain
            for claim in merged.provenance
            if claim.learned is not None
            for one in claim.learned.worth
            if one.specialist == missing.specialist
        ]
        return max(told, default=None)

    def _refresh(self) -> None:
        if self._pages is not None:
            self._pages.read_on()

    def _save(self) -> None:
        if self._path is not None:
            self._book.save(self._path)


class _Pages:
    """A record as a fold over a journal's events, read on from where the last call stopped. Its user holds a lock."""

    def __init__(self, journal: LessonJournal, book: TrackRecord) -> None:
        self._journal, self._book = journal, book
        self._cursor = 0
        self._asked: dict[str, _Place] = {}

    def read_on(self) -> None:
        """Take in what is new."""
        while True:
            self._cursor, events = self._journal.lessons(after=self._cursor, limit=PAGE).result()
            for event in events:
                self._take(event)
            if len(events) < PAGE:
                return

    def settle(self, question_id: str, truth: JsonValue, *, tolerance: float | None, clock: Clock) -> None:
        """Put a truth on the record of the run that answered the question last."""
        place = self._asked.get(question_id)
        if place is None:
            raise InputError(field="question_id", value=question_id, rule="no recorded answer to this question")
        trial = TrackRecord()
        trial.record(Finding(output=None, specialist="-", question_id=question_id))
        trial.settle(question_id, truth, tolerance=tolerance)
        event = Event(
            task_id=place.task_id, run_id=place.run_id, type="TRUTH_SETTLED", message_type=message_type("TRUTH_SETTLED"),
            payload={"question_id": question_id, "truth": truth, "tolerance": tolerance}, timestamp=clock.now(),
        )  # fmt: skip
        self._journal.append([event], lease=None).result()

    def _take(self, event: Event) -> None:
        payload: Any = event.payload
        if event.type == "TRUTH_SETTLED":
            if payload["question_id"] in self._asked:
                self._book.settle(payload["question_id"], payload["truth"], tolerance=payload["tolerance"])
            return
        found = payload.get("finding")
        if found is None or payload.get("answers") is False:
            return
        answer = answer_of(Finding.model_validate(found), event.task_id)
        if answer is not None and answer.question_id is not None and _is_kept(self._book, answer):
            self._asked[answer.question_id] = _Place(event.task_id, event.run_id)


@dataclass(frozen=True, slots=True)
class _Place:
    task_id: str
    run_id: str


def answer_of(finding: Finding, task_id: str) -> Finding | None:
    """Return a finding as an answer to its own question, else to its task; `None` where it is too large to be remembered."""
    if finding.specialist is None or len(dump(finding.output).encode()) > MOST_BYTES:
        return None
    return finding.model_copy(update={"question_id": finding.question_id or task_id, "evidence": (), "notes": None})


def _is_kept(book: TrackRecord, answer: Finding) -> bool:
    """Record an answer and say whether the record takes it: names may be too long for it, and answers too deep."""
    try:
        book.record(answer)
    except InputError:
        return False
    return True


def in_journal(journal: Journal) -> Trust:
    """Return the trust that a journal's own events teach.

    Raises:
        SetupError: it is a journal of somebody's own that cannot keep a record.
    """
    if not _keeps_lessons(journal):
        rule = "this journal has no `lessons` (see LessonJournal); give a TrackRecord or a file"
        raise SetupError(field="track_record", value=IN_JOURNAL, rule=rule)
    book = TrackRecord()
    return Trust(book, journal=_Pages(journal, book))


def _keeps_lessons(journal: Journal) -> TypeIs[LessonJournal]:
    return callable(getattr(journal, "lessons", None))


def trust_of(given: object, *, journal: Journal) -> Trust | None:
    """Return what `create_planner` was given as `track_record`; `None` for `None`.

    Raises:
        SetupError: none of what it may be.
        InputError: a file that is no saved record.
    """
    if given is None or isinstance(given, Trust):
        return given
    if given is True or given == IN_JOURNAL:
        return in_journal(journal)
    if isinstance(given, TrackRecord):
        return Trust(given)
    if isinstance(given, str | os.PathLike) and str(given):
        path = Path(cast("str", given))
        return Trust(TrackRecord.load(path), path=path)
    raise SetupError(
        field="track_record", value=given, rule='must be a TrackRecord, the path of a saved one, or "journal"'
    )


async def apart(work: Callable[..., T], *given: Any, **more: Any) -> T:
    """Do blocking work in a worker thread and wait for it without blocking the loop."""
    call: Future[T] = threads.submit(partial(work, *given, **more))
    return await wait(call)
