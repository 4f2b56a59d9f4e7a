"""What a record says of itself."""

from __future__ import annotations

from concertino.nodes.synthesis import RecordReport, TrackRecord, report_on
from tests.nodes.synthesis.learned.panel import labelled, measured, said


def test_an_empty_record_has_nothing_to_report() -> None:
    """No settled question, no figures."""
    report = report_on(TrackRecord())
    assert (report.settled, report.unsettled, report.calibration, report.curve, report.fields) == (0, 0, None, (), ())


def test_the_report_tells_who_knows_and_who_overstates() -> None:
    """Right answers are counted, by domain too; skills are ordered as the specialists are."""
    record = labelled({"good": 0.95, "poor": 0.4}, settled=30, domain="law")
    report = report_on(record)
    tallies = {(one.specialist, one.domain): one for one in report.specialists}
    assert set(tallies) == {("good", None), ("good", "law"), ("poor", None), ("poor", "law")}
    assert tallies["good", None].settled == 30
    assert tallies["poor", None].stated > tallies["poor", None].right / 30
    (field,) = report.fields
    assert field.skills["good"] > field.skills["poor"]
    assert report.curve[-1].coverage == 1
    assert report.calibration is not None
    assert RecordReport.model_validate_json(report.model_dump_json()) == report


def test_numbers_are_reported_by_error() -> None:
    """The exact one has the least error."""
    report = report_on(measured({"exact": (0.0, 0.3), "wild": (0.0, 6.0)}, settled=15))
    (field,) = report.fields
    assert field.kind == "numbers"
    assert field.errors["exact"] < field.errors["wild"]


def test_a_record_that_grows_is_learned_from_in_blocks() -> None:
    """A few more unsettled answers do not make it learn anew, a new truth does."""
    record = labelled({"a": 0.9, "b": 0.6}, settled=10, unsettled=100)
    before = record.revision
    record.record(said("a", "a", "later"))
    assert record.revision == before
    record.settle("later", "a")
    assert record.revision > before
    record.record(said("b", "b", "later"))
    assert record.revision > before + 1
