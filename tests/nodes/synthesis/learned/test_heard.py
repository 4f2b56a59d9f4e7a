"""What is merged with a record is remembered beside it: sources that have changed are found out without anybody recording."""

from __future__ import annotations

import gc
import random

from hypothesis import given
from hypothesis import strategies as st

from concertino.contracts.finding import Finding
from concertino.nodes.synthesis import TrackRecord, synthesize
from concertino.nodes.synthesis.learned import heard
from concertino.nodes.synthesis.learned.heard import FIRST, MOST, MOST_CHARS, Heard, heard_with
from tests.nodes.synthesis.learned.panel import labelled, votes

HONEST = {f"h{n}": 0.75 for n in range(6)}
SLEEPERS = {f"s{n}": 1.0 for n in range(3)}
OPTIONS = ("a", "b", "c", "d")


def asked(count: int, *, named: bool = True) -> list[tuple[str, list[Finding]]]:
    """Questions with their truth, on which three that were always right tell one lie together."""
    draw, made = random.Random(5), []
    for n in range(count):
        truth = draw.choice(OPTIONS)
        wrong = [option for option in OPTIONS if option != truth]
        said = {name: truth if draw.random() < skill else draw.choice(wrong) for name, skill in HONEST.items()}
        findings = votes({**said, **dict.fromkeys(SLEEPERS, draw.choice(wrong))}, f"later{n}")
        made.append((truth, findings if named else [one.model_copy(update={"question_id": None}) for one in findings]))
    return made


def right(record: TrackRecord, questions: list[tuple[str, list[Finding]]], *, remember: bool = True) -> int:
    return sum(
        synthesize(findings, authority=record, calibrate=True, remember=remember).answer == truth
        for truth, findings in questions
    )


def test_sleepers_are_found_out_by_what_is_merged() -> None:
    """With ids or without; not remembering leaves them in power."""
    for named in (True, False):
        questions = asked(120, named=named)
        record = labelled({**HONEST, **SLEEPERS}, settled=20, options=OPTIONS)
        assert right(record, questions[:90]) < 80
        assert right(record, questions[90:]) >= 24
        other = labelled({**HONEST, **SLEEPERS}, settled=20, options=OPTIONS)
        assert right(other, questions, remember=False) < 30


def test_the_record_itself_stays_as_it_is() -> None:
    """Nothing is written into it, and a copy has heard nothing."""
    record = labelled(HONEST, settled=20, options=OPTIONS)
    before = record.content()
    right(record, asked(FIRST))
    assert record.content() == before
    assert heard_with(record).block() == FIRST
    assert heard_with(record.copy()).block() == 0


def test_the_same_question_again_changes_nothing() -> None:
    """However often it is asked, in whatever order its findings come."""
    record = labelled(HONEST, settled=20, options=OPTIONS)
    ((_, findings),) = asked(1, named=False)
    first = synthesize(findings, authority=record, calibrate=True)
    for _ in range(FIRST + 5):
        again = synthesize(findings[::-1], authority=record, calibrate=True)
    assert heard_with(record).block() == 0
    assert (again.answer, again.confidence) == (first.answer, first.confidence)


def test_a_question_on_record_does_not_count_twice() -> None:
    """Whoever records what he merges has it once."""
    record = labelled(HONEST, settled=20, options=OPTIONS)
    questions = asked(FIRST)
    right(record, questions)
    for _, findings in questions[:10]:
        for finding in findings:
            record.record(finding)
    assert len(heard_with(record).questions(FIRST, record)) == FIRST - 10


def test_without_settled_answers_nothing_is_remembered() -> None:
    """The formula needs none."""
    record = TrackRecord()
    right(record, asked(FIRST))
    assert heard_with(record).block() == 0


@given(st.integers(0, 3 * FIRST))
def test_blocks_are_whole_and_grow(count: int) -> None:
    """The block is at most what was heard, and the next is half as large again."""
    one = Heard()
    for n in range(count):
        one.hear(votes({"a": "x"}, f"q{n}"))
    block = one.block()
    assert block <= count
    assert block == 0 or block >= FIRST
    assert count < max(FIRST, int(block * heard.GROWTH))


def test_most_of_what_is_kept_is_learned_from_however_long_it_goes_on() -> None:
    """Blocks end near what was heard last, and the latest questions are kept."""
    record, one = TrackRecord(), Heard()
    for n in range(6 * MOST):
        one.hear(votes({"a": "x"}, f"q{n}"))
        if n > MOST and n % 211 == 0:
            assert len(one.questions(one.block(), record)) >= MOST * 3 // 4 - 1


def test_what_is_too_long_is_not_remembered() -> None:
    """By all answers to the question together."""
    one = Heard()
    one.hear(votes({"a": "x" * (MOST_CHARS // 2), "b": "y" * (MOST_CHARS // 2)}, "long"))
    one.hear(votes({"a": "x"}, "short"))
    assert [answers[0].question_id for answers in one.questions(FIRST, TrackRecord())] == ["short"]


def test_what_is_remembered_is_bounded_and_goes_with_the_record() -> None:
    """The latest questions are kept."""
    record = TrackRecord()
    one = heard_with(record)
    for n in range(MOST + 3):
        one.hear(votes({"a": "x"}, f"q{n}"))
    kept = one.questions(MOST + 3, record)
    assert len(kept) == MOST
    assert kept[0][0].question_id == "q3"
    count = len(heard._heard)
    del record
    gc.collect()
    assert len(heard._heard) == count - 1
