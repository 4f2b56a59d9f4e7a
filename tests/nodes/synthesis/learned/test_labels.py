"""Learned synthesis of labels, through the public door."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from concertino.contracts.finding import Finding
from concertino.nodes.synthesis import Missing, TrackRecord, synthesize
from concertino.nodes.synthesis.result import Learned
from tests.nodes.synthesis.learned.panel import labelled, said, votes

GOOD_AND_BAD = {"good": 0.95, "poor1": 0.4, "poor2": 0.4, "poor3": 0.4}
FIVE = {f"s{n}": 0.75 for n in range(5)}


def learned_of(findings: list[Finding], record: TrackRecord) -> Learned:
    learned = synthesize(findings, authority=record, calibrate=True).provenance[0].learned
    assert learned is not None
    return learned


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=8))
def test_without_history_the_formula_stays_to_the_last_bit(rows: list[tuple[str, float, float]]) -> None:
    """Nothing settled, nothing learned: unsettled answers alone change nothing either."""
    findings = [
        Finding(output=output, confidence=confidence, authority=authority, specialist=f"s{n}", question_id="q")
        for n, (output, confidence, authority) in enumerate(rows)
    ]
    record = TrackRecord()
    for finding in findings:
        record.record(finding)
    assert synthesize(findings, authority=record, calibrate=True) == synthesize(findings)


def test_one_who_knows_outvotes_many_who_do_not() -> None:
    """The poor agree, the good one is believed."""
    record = labelled(GOOD_AND_BAD, settled=40)
    findings = votes({"poor1": "a", "poor2": "a", "good": "b"})
    assert synthesize(findings).answer == "a"
    result = synthesize(findings, authority=record, calibrate=True)
    assert result.answer == "b"
    assert result.method == "learned_vote"
    assert result.weights[2].weight > result.weights[0].weight


def test_confidence_is_what_history_says_and_not_what_is_stated() -> None:
    """Whoever states 99 % and is right in half of the cases is believed in half of the cases."""
    record = labelled({"loud": 0.5}, settled=60, options=("yes", "no", "maybe", "later"))
    result = synthesize([said("loud", "yes", confidence=0.99)], authority=record, calibrate=True)
    assert 0.35 < result.confidence < 0.65


def test_a_short_history_leaves_hierarchy_in_charge() -> None:
    """One settled question does not overthrow who ranks higher; many do."""
    findings = [
        Finding(output="a", confidence=0.8, specialist="regulatory_agent", question_id="now"),
        Finding(output="b", confidence=0.8, specialist="general_agent", question_id="now"),
    ]
    skills = {"regulatory_agent": 0.3, "general_agent": 0.95}
    assert synthesize(findings, authority=labelled(skills, settled=1), calibrate=True).answer == "a"
    assert synthesize(findings, authority=labelled(skills, settled=40), calibrate=True).answer == "b"


def test_skill_is_learned_by_domain() -> None:
    """Each of two is believed where it is good."""
    record = labelled({"lawyer": 0.95, "engineer": 0.35}, settled=30, domain="law", prefix="l")
    labelled({"lawyer": 0.35, "engineer": 0.95}, settled=30, domain="bridges", prefix="b", record=record)
    for domain, answer in (("law", "a"), ("bridges", "b")):
        findings = votes({"lawyer": "a", "engineer": "b"}, domain=domain)
        assert synthesize(findings, authority=record, calibrate=True).answer == answer


def test_a_source_that_changed_is_left_out_and_named() -> None:
    """Right as long as answers were settled, wrong ever since: its history does not speak for it any more."""
    later = FIVE | {"sleeper": 0.0}
    record = labelled(FIVE | {"sleeper": 0.95}, settled=30, unsettled=60, later=later)
    findings = votes({"s0": "a", "s1": "a", "sleeper": "b"})
    learned = learned_of(findings, record)
    assert any(warning.startswith("sleeper is left out") for warning in learned.warnings)
    asleep = synthesize(findings, authority=record, calibrate=True)
    without = synthesize(findings[:2], authority=record, calibrate=True)
    assert (asleep.answer, asleep.weights[2].weight) == ("a", 0.0)
    assert abs(asleep.confidence - without.confidence) < 0.1


def test_one_call_with_many_questions_shows_who_changed() -> None:
    """What is merged in one call counts as unsettled history, recorded or not."""
    known = labelled(FIVE | {"sleeper": 0.95}, settled=30)
    later = labelled(FIVE | {"sleeper": 0.0}, settled=0, unsettled=60, prefix="later")
    findings = [
        said(answer.specialist, answer.output, answer.question_id)
        for _, answers, _ in later.remembered(unsettled=60)
        for answer in answers
    ]
    result = synthesize(findings, authority=known, calibrate=True)
    warnings = result.provenance[0].learned.warnings if result.provenance[0].learned else ()
    assert any(warning.startswith("sleeper is left out") for warning in warnings)


def test_sources_that_err_together_share_one_voice() -> None:
    """Copies are named, and many of them say no more than one."""
    record = labelled(FIVE, settled=40)
    for copy in ("copy1", "copy2", "copy3"):
        for truth, answers, _ in list(record.remembered(unsettled=0)):
            first = next(answer for answer in answers if answer.specialist == "s0")
            record.record(said(copy, first.output, first.question_id))
            assert truth is not None
    findings = votes({"s0": "a", "copy1": "a", "copy2": "a", "copy3": "a", "s1": "b", "s2": "b"})
    result = synthesize(findings, authority=record, calibrate=True)
    assert result.answer == "b"
    learned = result.provenance[0].learned
    assert learned is not None
    assert any("share one voice" in warning for warning in learned.warnings)


def test_strangers_are_heard_as_hardly_more_than_one() -> None:
    """Five that nobody knows do not outvote three that are known to be good."""
    record = labelled({f"s{n}": 0.9 for n in range(3)}, settled=30)
    findings = votes({**{f"new{n}": "b" for n in range(5)}, **{f"s{n}": "a" for n in range(3)}})
    result = synthesize(findings, authority=record, calibrate=True)
    assert result.answer == "a"
    assert "no history: new0, new1, new2, new3, new4" in learned_of(findings, record).warnings


def test_fewer_voices_are_less_sure() -> None:
    """One of five that agree is less sure than all five, and both are near what they are worth."""
    record = labelled(FIVE, settled=60)
    all_five = synthesize(votes(dict.fromkeys(FIVE, "a")), authority=record, calibrate=True)
    alone = synthesize(votes({"s0": "a"}), authority=record, calibrate=True, missing=["s1", "s2", "s3", "s4"])
    assert 0.9 < all_five.confidence < 1
    assert 0.6 < alone.confidence < 0.88


def test_what_one_more_would_be_worth() -> None:
    """A good specialist that is missing is worth more than a poor one, and only its vote could turn the answer."""
    record = labelled(GOOD_AND_BAD, settled=40)
    findings = votes({"poor1": "a", "poor2": "b"})
    result = synthesize(findings, authority=record, calibrate=True, missing=["good", Missing(specialist="poor3")])
    learned = result.provenance[0].learned
    assert learned is not None
    worth = {one.specialist: one for one in learned.worth}
    assert set(worth) == {"good", "poor3", None}
    assert worth["good"].gain > worth["poor3"].gain
    assert worth["good"].could_flip


def test_switches_turn_the_answer() -> None:
    """What is said to flip it does flip it."""
    record = labelled(FIVE, settled=40)
    answers = {"s0": "a", "s1": "a", "s2": "a", "s3": "b", "s4": "b"}
    result = synthesize(votes(answers), authority=record, calibrate=True)
    rival = result.dissent[0]
    assert (result.answer, rival.answer) == ("a", "b")
    assert rival.switches
    turned = synthesize(votes(answers | dict.fromkeys(rival.switches, "b")), authority=record, calibrate=True)
    assert turned.answer == "b"


def test_an_unsure_answer_is_not_to_be_acted_on() -> None:
    """Below the least confidence the result abstains and says why; the answer is there all the same."""
    record = labelled(FIVE, settled=40)
    findings = votes({"s0": "a", "s1": "b", "s2": "c"})
    result = synthesize(findings, authority=record, calibrate=True)
    assert result.abstain
    assert result.answer == "a"
    assert result.abstain_reason is not None
    assert "asked are 0.50" in result.abstain_reason
    assert not synthesize(findings, authority=record, calibrate=True, abstain_below=0.0).abstain


def test_what_a_half_life_has_made_faint_hardly_decides() -> None:
    """Two that changed places thirty questions ago: remembering all believes the old one, forgetting the new one, and says how surely."""

    def book(half_life: float | None) -> TrackRecord:
        record = TrackRecord(half_life=half_life)
        for n in range(100):
            truth, lie = ("a", "b") if n % 2 else ("b", "a")
            for name, output in (("old", truth if n < 70 else lie), ("new", lie if n < 70 else truth)):
                record.record(said(name, output, f"q{n}"))
            record.settle(f"q{n}", truth)
        return record

    findings = votes({"old": "a", "new": "b"})
    assert synthesize(findings, authority=book(None), calibrate=True).answer == "a"
    result = synthesize(findings, authority=book(10), calibrate=True)
    assert result.answer == "b"
    assert result.confidence > 0.8
    assert result.calibration is not None
    assert (result.calibration.n, result.calibration.ece < 0.1) == (100, True)


def test_a_field_that_only_faint_questions_know_is_merged_by_them() -> None:
    """However short the half-life, the last that is known of a field is what it is merged by."""
    record = TrackRecord(half_life=0.001)
    for n in range(50):
        record.record(said("a", {"size": 10.0} if n < 5 else {"colour": "red"}, f"q{n}"))
        record.settle(f"q{n}", {"size": 12.0} if n < 5 else {"colour": "red"})
    result = synthesize([said("a", {"size": 20.0, "colour": "blue"})], authority=record, calibrate=True)
    assert [claim.learned is not None for claim in result.provenance] == [True, True]


def test_unknown_answers_and_open_questions_are_merged_too() -> None:
    """A label that history has not seen can win; where every question has its own names, history still tells who knows."""
    record = labelled(FIVE, settled=40)
    assert synthesize(votes({"s0": "new", "s1": "new"}), authority=record, calibrate=True).answer == "new"
    names = TrackRecord()
    for n in range(40):
        names.record(said("good", f"name {n}", f"q{n}"))
        names.record(said("poor", f"other {n}", f"q{n}"))
        names.settle(f"q{n}", f"name {n}" if n % 10 else f"other {n}")
    result = synthesize(votes({"poor": "x", "good": "y"}), authority=names, calibrate=True)
    assert result.answer == "y"
    assert result.confidence > 0.75


def test_objects_are_merged_field_by_field() -> None:
    """Each field has its own history, a field without any borrows from all; the object is as sure as its weakest field."""
    record = TrackRecord()
    for n in range(30):
        record.record(said("a", {"colour": "red", "size": 10.0}, f"q{n}"))
        record.record(said("b", {"colour": "blue", "size": 12.0}, f"q{n}"))
        record.settle(f"q{n}", {"colour": "blue", "size": 10.0 + n / 100}, tolerance=0.5)
    findings = [
        said("a", {"colour": "red", "size": 11.0, "shape": "round"}),
        said("b", {"colour": "blue", "size": 13.0}),
    ]
    result = synthesize(findings, authority=record, calibrate=True)
    assert isinstance(result.answer, dict)
    assert result.answer["colour"] == "blue"
    assert isinstance(result.answer["size"], float)
    assert abs(result.answer["size"] - 11.0) < 0.5
    assert result.confidence == min(claim.confidence for claim in result.provenance)
    assert [claim.learned is not None for claim in result.provenance] == [True, True, True]


@settings(max_examples=30, deadline=None)
@given(st.permutations(list(FIVE)), st.lists(st.sampled_from("abcd"), min_size=5, max_size=5))
def test_the_order_of_findings_decides_nothing_but_ties(order: list[str], outputs: list[str]) -> None:
    """The probabilities of all options are the same in any order, are in 0-1 and sum to at most 1."""
    record = labelled(FIVE, settled=20)
    answers = dict(zip(FIVE, outputs, strict=True))
    one = learned_of(votes(answers), record)
    other = learned_of(votes({name: answers[name] for name in order}), record)
    chances = {str(option.answer): option.probability for option in one.options}
    assert all(abs(chances[str(option.answer)] - option.probability) < 1e-9 for option in other.options)
    assert sum(chances.values()) <= 1 + 1e-9


def test_the_same_record_teaches_the_same() -> None:
    """A record that was saved and read again gives the same result, however it grew."""
    record = labelled(FIVE, settled=25, unsettled=40)
    findings = votes({"s0": "a", "s1": "b", "s2": "a"})
    again = TrackRecord.of(record.content())
    assert synthesize(findings, authority=record, calibrate=True) == synthesize(
        findings, authority=again, calibrate=True
    )
