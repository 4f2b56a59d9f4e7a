"""Track records: what history does to trust, and that a file is whole or refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import JsonValue

from concertino.contracts.errors import InputError
from concertino.contracts.finding import Finding
from concertino.nodes.synthesis import TrackRecord, synthesize
from concertino.nodes.synthesis.track_record import FILE_LIMITS, PRIOR_ANSWERS


def answered(question: str, specialist: str, output: JsonValue, confidence: float = 0.8, **more: Any) -> Finding:
    return Finding(output=output, confidence=confidence, specialist=specialist, question_id=question, **more)


def history(right: int, wrong: int, specialist: str = "a") -> TrackRecord:
    """A record in which one specialist was right and wrong so many times."""
    record = TrackRecord()
    for n in range(right + wrong):
        record.record(answered(f"q{n}", specialist, "yes" if n < right else "no"))
        record.settle(f"q{n}", "yes")
    return record


def test_authority_moves_from_the_prior_to_the_success_rate() -> None:
    """Few answers move little, many decide."""
    assert history(0, 0).authority_of("a", prior=0.6) == 0.6
    assert history(1, 0).authority_of("a", prior=0.6) == (0.6 * PRIOR_ANSWERS + 1) / (PRIOR_ANSWERS + 1)
    assert history(90, 10).authority_of("a", prior=0.1) == pytest.approx(0.9, abs=0.04)
    assert history(5, 5).authority_of("stranger", prior=0.3) == 0.3


def test_whoever_was_right_outvotes_whoever_was_wrong() -> None:
    """A record turns a tie into a decision."""
    record = history(8, 0, "good")
    for n in range(8):
        record.record(answered(f"q{n}", "bad", "no"))
    findings = [answered("now", "bad", "x"), answered("now", "good", "y")]
    assert synthesize(findings).answer == "x"
    assert synthesize(findings, authority=record).answer == "y"


def test_unsettled_and_null_answers_count_neither_way() -> None:
    """Only a settled answer is evidence."""
    record = TrackRecord()
    record.record(answered("q1", "a", "yes"))
    record.record(answered("q2", "a", None))
    record.settle("q2", "yes")
    assert record.authority_of("a", prior=0.5) == 0.5


def test_a_later_answer_and_a_later_truth_replace_the_earlier() -> None:
    """Corrections count once."""
    record = history(1, 0)
    record.record(answered("q0", "a", "no"))
    assert len(record) == 1
    assert record.authority_of("a", prior=0.5) < 0.5
    record.settle("q0", "no")
    assert record.authority_of("a", prior=0.5) > 0.5


@pytest.mark.parametrize(
    ("output", "truth", "tolerance", "right"),
    [
        (104.0, 100, None, True),
        (106.0, 100, None, False),
        (106.0, 100, 10, True),
        (True, 1, None, False),
        ({"a": 1, "b": 2}, {"a": 1}, None, True),
        ({"b": 2}, {"a": 1}, None, False),
        ([1, 2.0], [1, 2], None, True),
    ],
)
def test_right_means_within_tolerance_and_field_by_field(output, truth, tolerance, right) -> None:
    """Numbers may be a little off, objects must be right wherever the truth is known."""
    record = TrackRecord()
    record.record(answered("q", "a", output))
    record.settle("q", truth, tolerance=tolerance)
    assert (record.authority_of("a", prior=0.5) > 0.5) is right


@pytest.mark.parametrize("finding", [Finding(output=1, specialist="a"), Finding(output=1, question_id="q")])
def test_a_finding_without_question_or_specialist_is_refused(finding) -> None:
    """A record needs to know who answered what."""
    with pytest.raises(InputError):
        TrackRecord().record(finding)


def test_settling_what_nobody_answered_is_refused() -> None:
    """A mistyped question id is an error, and so are a null truth and a negative tolerance."""
    record = history(1, 0)
    refused: list[tuple[str, JsonValue, float | None]] = [
        ("q00", 1, None),
        ("q0", None, None),
        ("q0", 1, -1),
        ("q0", float("nan"), None),
    ]
    for question, truth, tolerance in refused:
        with pytest.raises(InputError):
            record.settle(question, truth, tolerance=tolerance)


def test_calibration_measures_confidence_against_the_truth() -> None:
    """Whoever was always right is believed; how far that was off on the settled past comes with its count."""
    result = synthesize([answered("now", "a", "yes")], authority=history(20, 0), calibrate=True)
    assert result.calibration is not None
    assert result.calibration.n == 20
    assert result.confidence > 0.85
    assert result.calibration.ece <= 0.1
    assert synthesize([answered("now", "a", "yes")], authority=history(20, 0)).calibration is None


def test_calibration_follows_the_record() -> None:
    """A settled question more is measured, not remembered from before."""
    record = history(2, 0)
    findings = [answered("now", "a", "yes")]
    before = synthesize(findings, authority=record, calibrate=True).calibration
    record.record(answered("q9", "a", "no"))
    record.settle("q9", "yes")
    after = synthesize(findings, authority=record, calibrate=True).calibration
    assert before is not None
    assert after is not None
    assert (before.n, after.n) == (2, 3)
    assert after.ece != before.ece


def test_calibration_does_not_look_at_the_truth_it_is_measured_on() -> None:
    """Two sources that disagreed once: without its own truth the question is a toss-up, whoever was right."""
    record = TrackRecord()
    record.record(answered("q", "first", "no"))
    record.record(answered("q", "second", "yes"))
    record.settle("q", "yes")
    calibration = synthesize([answered("now", "first", "x")], authority=record, calibrate=True).calibration
    assert calibration is not None
    assert calibration.n == 1
    assert calibration.ece >= 0.4


def test_records_merge_and_contradictions_are_refused() -> None:
    """Two records know what either knows, unless they contradict each other."""
    one, two = history(2, 0), TrackRecord()
    two.record(answered("q0", "b", "no"))
    two.settle("q0", "yes")
    both = one.merged(two)
    assert len(both) == 3
    assert both.authority_of("b", prior=0.5) < 0.5
    assert len(one.merged(one)) == len(one) == 2
    two.settle("q0", "no")
    with pytest.raises(InputError) as caught:
        one.merged(two)
    assert caught.value.field == "truths.q0"


def test_a_saved_record_comes_back_whole(tmp_path: Path) -> None:
    """Saving and loading changes nothing, deeply nested outputs included, and leaves no other file."""
    record = history(3, 1)
    deep: JsonValue = 1
    for _ in range(32):
        deep = [deep]
    record.record(answered("deep", "a", deep, domain="d", authority=0.4))
    record.settle("deep", deep, tolerance=2)
    path = tmp_path / "record.json"
    record.save(path)
    again = TrackRecord.load(path)
    again.save(tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == path.read_bytes()
    assert again.authority_of("a", prior=0.5) == record.authority_of("a", prior=0.5)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["again.json", "record.json"]


def test_a_failed_save_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk costs neither the old record nor leaves half a new one."""
    path = tmp_path / "record.json"
    history(1, 0).save(path)
    before = path.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(InputError, match="No space left"):
        history(2, 0).save(path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["record.json"]


ANSWER = {"question_id": "q", "specialist": "a", "output": 1, "confidence": 0.5}
TRUTH = {"question_id": "q", "truth": 1}


def content(**parts: object) -> str:
    return json.dumps({"format": "concertino.track_record/1", **parts})


@pytest.mark.parametrize(
    ("text", "field", "rule"),
    [
        ("{", "", "must be JSON"),
        ("{}", ".format", "required"),
        ('{"format": "other"}', ".format", "concertino.track_record/1"),
        (content(extra=1), ".extra", "unknown field"),
        (content(answers=[ANSWER | {"confidence": 7}]), ".answers.0.confidence", "less than or equal to 1"),
        (content(answers=[ANSWER | {"confidence": "0.5"}]), ".answers.0.confidence", "valid number"),
        (content(answers=[ANSWER, ANSWER]), ".answers.1", "one answer"),
        (content(truths=[TRUTH]), ".truths.0.question_id", "no recorded answer"),
        (content(answers=[ANSWER], truths=[TRUTH, TRUTH]), ".truths.1.question_id", "one truth"),
        ('{"format": NaN}', "", "finite"),
        ('{"format": 1, "format": 1}', ".format", "duplicate"),
    ],
)
def test_a_faulty_file_is_refused_with_file_field_and_rule(tmp_path: Path, text: str, field: str, rule: str) -> None:
    """Every fault is named by its place."""
    path = tmp_path / "record.json"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        TrackRecord.load(path)
    assert caught.value.field == f"{path}{field}"
    assert rule in caught.value.rule


def test_a_missing_or_oversized_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No file, a folder, a file over the limit: one clear error each; an unwritable place likewise."""
    for path in (tmp_path / "none.json", tmp_path):
        with pytest.raises(InputError, match="cannot be read"):
            TrackRecord.load(path)
    monkeypatch.setattr(
        "concertino.nodes.synthesis.track_record.FILE_LIMITS", FILE_LIMITS.model_copy(update={"bytes": 1_000})
    )
    large = tmp_path / "large.json"
    large.write_text(" " * 2_000)
    with pytest.raises(InputError, match="at most 1000 bytes"):
        TrackRecord.load(large)
    with pytest.raises(InputError, match="at most 1000 bytes"):
        history(20, 0).save(large)
    with pytest.raises(InputError, match="cannot be written"):
        TrackRecord().save(tmp_path / "no" / "such" / "place.json")


def test_older_outcomes_may_count_less() -> None:
    """With a half-life the latest outcomes decide; without one all count alike."""
    forgetful, faithful = TrackRecord(half_life=2.0), TrackRecord()
    for record in (forgetful, faithful):
        for n in range(20):
            record.record(answered(f"q{n}", "a", "yes" if n < 10 else "no"))
            record.settle(f"q{n}", "yes")
    assert faithful.authority_of("a", prior=0.5) == 0.5
    assert forgetful.authority_of("a", prior=0.5) < 0.35
    assert [weight for _, _, weight in forgetful.remembered(unsettled=0)][-3:] == [0.5, 0.5**0.5, 1.0]
    assert TrackRecord.of(forgetful.content()).half_life == 2.0
    for wrong in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(InputError):
            TrackRecord(half_life=wrong)


def test_what_is_forgotten_is_gone_and_the_unsettled_stay() -> None:
    """Only the latest settled questions are kept; the record it came from is as it was."""
    record = history(3, 2)
    record.record(answered("open", "a", "yes"))
    rest = record.forgotten(keep=2)
    assert (rest.settled, rest.unsettled, len(rest)) == (2, 1, 3)
    assert rest.authority_of("a", prior=0.5) < 0.5
    assert (record.settled, len(record)) == (5, 6)
    assert record.forgotten(keep=0).settled == 0
    with pytest.raises(InputError):
        record.forgotten(keep=-1)


def test_content_is_json_and_comes_back_whole() -> None:
    """What a store keeps is what `of` reads; faults are named by the place that is given."""
    record = history(2, 1)
    again = TrackRecord.of(json.loads(json.dumps(record.content())))
    assert again.content() == record.content()
    with pytest.raises(InputError) as caught:
        TrackRecord.of({"format": "other"}, place="row 7")
    assert caught.value.field == "row 7.format"


def test_a_copy_is_a_record_of_its_own() -> None:
    """What the copy learns the original does not know."""
    record = history(2, 0)
    other = record.copy()
    other.record(answered("more", "a", "yes"))
    assert (len(record), len(other)) == (2, 3)


def test_a_boolean_and_a_number_are_not_the_same_answer_or_truth() -> None:
    """Correcting `True` to 1 corrects, in lists too, and records that differ by it contradict each other."""
    record = TrackRecord()
    record.record(answered("q", "a", [True]))
    record.record(answered("q", "a", [1]))
    record.settle("q", [True])
    record.settle("q", [1])
    assert record.authority_of("a", prior=0.5) > 0.5
    assert json.dumps(record.content()["truths"]).count("[1]") == 1
    other = TrackRecord()
    other.record(answered("q", "a", [1.0]))
    other.settle("q", [1.0])
    assert record.merged(other).content() == record.content()
    for output, truth in ((True, 1), (1, True)):
        one, two = TrackRecord(), TrackRecord()
        one.record(answered("q", "a", 1))
        one.settle("q", 1)
        two.record(answered("q", "a", output))
        two.settle("q", truth)
        with pytest.raises(InputError, match="other record"):
            one.merged(two)
