"""A track record in several threads, and its way through pickle."""

from __future__ import annotations

import copy
import pickle
import sys
import threading

from concertino.contracts.finding import Finding
from concertino.nodes.synthesis import TrackRecord


def answer(question: str) -> Finding:
    return Finding(output="yes", confidence=0.8, specialist="a", question_id=question)


def settled(questions: int) -> TrackRecord:
    record = TrackRecord()
    for n in range(questions):
        record.record(answer(f"q{n}"))
        record.settle(f"q{n}", "yes")
    return record


def test_a_record_may_be_read_while_it_is_written() -> None:
    """No reader fails, and each sees a moment in which every truth has its answers."""
    record = settled(30)
    faults: list[Exception] = []
    written = threading.Event()

    def write(writer: int) -> None:
        for n in range(400):
            record.record(answer(f"new-{writer}-{n}"))
            record.settle(f"new-{writer}-{n}", "no")

    def read() -> None:
        try:
            while not written.is_set():
                assert TrackRecord.of(record.content()).settled >= 30
                assert len(record.copy()) <= len(record)
                assert record.forgotten(keep=5).settled == 5
                assert record.unknowing(["q0"]).settled >= 29
                assert record.unsettled >= 0
                assert 0 < record.authority_of("a", prior=0.5) < 1
                assert all(answers for _, answers, _ in record.remembered(unsettled=9))
        except Exception as error:  # whatever it is, the main thread shows it
            faults.append(error)

    writers = [threading.Thread(target=write, args=(n,)) for n in range(2)]
    readers = [threading.Thread(target=read) for _ in range(2)]
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for thread in (*readers, *writers):
            thread.start()
        for thread in writers:
            thread.join()
        written.set()
        for thread in readers:
            thread.join()
    finally:
        sys.setswitchinterval(before)
    assert faults == []
    assert record.settled == 830


def test_a_record_can_be_pickled_and_deeply_copied() -> None:
    """Both give a record of its own that knows the same and can be written to."""
    record = settled(3)
    for twin in (pickle.loads(pickle.dumps(record)), copy.deepcopy(record)):
        assert twin.content() == record.content()
        twin.record(answer("more"))
        assert (len(record), len(twin)) == (3, 4)
