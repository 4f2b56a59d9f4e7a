"""A track record in a planner: what runs add to it, what it teaches their synthesis, and who may settle it."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from random import Random
from typing import Any

import pytest

from concertino import Finding, InputError, Planner, SetupError, TrackRecord, create_planner, specialist, synthesize
from concertino.contracts.clock import SystemClock
from concertino.graph.boundary import Boundary
from concertino.journal import MemoryJournal
from concertino.nodes.synthesis import report_on
from tests.graph.plans import subtask

SKILLS = {"good": 0.95, "fair": 0.7, "poor": 0.3}


def voice(name: str, skill: float) -> Any:
    """Return a specialist that is right so often, by a fixed chance of the task's id."""

    @specialist(name)
    async def answer(brief: Any) -> Finding:
        truth = "pass" if Random(brief.task["task_id"]).random() < 0.5 else "fail"
        is_right = Random(f"{brief.task['task_id']} {name}").random() < skill
        return Finding(output=truth if is_right else {"pass": "fail", "fail": "pass"}[truth], confidence=0.8)

    return answer


def truth_of(task_id: str) -> str:
    """Return what turns out to be so."""
    return "pass" if Random(task_id).random() < 0.5 else "fail"


def task(task_id: str, **plan: Any) -> dict[str, Any]:
    """Return a task that all three answer."""
    return {"task_id": task_id, "title": "t", "plan": {"subtasks": [subtask(n, n) for n in SKILLS], **plan}}


def panel() -> list[Any]:
    """Return the three specialists."""
    return [voice(name, skill) for name, skill in SKILLS.items()]


def taught(planner: Planner, count: int = 20) -> None:
    """Run and settle so many tasks."""
    for n in range(count):
        planner.run(task(f"past-{n}"))
        planner.settle(f"past-{n}", truth_of(f"past-{n}"))


def book() -> TrackRecord:
    """Return a record of twenty settled answers of each."""
    made = TrackRecord()
    for n in range(20):
        for name, skill in SKILLS.items():
            truth = truth_of(f"past-{n}")
            is_right = Random(f"past-{n} {name}").random() < skill
            output = truth if is_right else {"pass": "fail", "fail": "pass"}[truth]
            made.record(Finding(output=output, confidence=0.8, specialist=name, question_id=f"past-{n}"))
        made.settle(f"past-{n}", truth_of(f"past-{n}"))
    return made


COMMON = ("answer", "share", "confidence", "calibration", "abstain", "abstain_reason", "method", "dissent", "provenance",
          "weights", "fallback")  # fmt: skip


class TestLearning:
    def test_without_a_settled_question_the_formula_stands_bit_for_bit(self) -> None:
        """An empty record changes nothing of what is said of an answer."""
        with Planner(specialists=panel()) as plain, Planner(specialists=panel(), track_record="journal") as taught_one:
            for n in range(3):
                first, second = plain.run(task(f"t{n}")), taught_one.run(task(f"t{n}"))
                assert {key: first[key] for key in COMMON} == {key: second[key] for key in COMMON}
                assert "track_record" not in second
                assert "worth" not in second

    def test_what_is_settled_is_learned_from(self) -> None:
        """Confidence is measured, and every claim says what it rests on."""
        with Planner(specialists=panel(), track_record=True) as planner:
            taught(planner)
            result: Any = planner.run(task("now"))
        assert result["calibration"]["n"] == 20
        claim = result["provenance"][0]
        assert claim["method"] == "learned_vote"
        assert claim["learned"]["settled"] == 20
        assert result["track_record"]["settled"] == 20
        assert result["track_record"]["curve"][-1][1] == 1.0
        assert result["fallback"] is None

    def test_an_answer_is_not_judged_by_its_own_truth(self) -> None:
        """A settled task that is done again learns from the others alone."""
        with Planner(specialists=panel(), track_record="journal") as planner:
            taught(planner, 6)
            again: Any = planner.restart("past-3")
            taught_by_one: Any = planner.run(task("now"))
        assert again["track_record"]["settled"] == 5
        assert taught_by_one["track_record"]["settled"] == 6

    def test_what_is_on_the_record_reaches_the_events(self) -> None:
        """The event of the synthesis says how far its confidence was from the truth."""
        with Planner(specialists=panel(), track_record=book()) as planner:
            planner.run(task("now"))
            merged = next(event for event in planner.events("now") if event.type == "SYNTHESIZED")
        calibration: Any = merged.payload["calibration"]
        assert calibration["n"] == 20
        assert merged.payload["abstain"] is False

    def test_learning_is_not_done_on_the_loop(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A loop that serves others goes on while a record is learned from."""
        where: list[int] = []
        real = synthesize

        def noted(*args: Any, **kwargs: Any) -> Any:
            where.append(threading.get_ident())
            return real(*args, **kwargs)

        monkeypatch.setattr("concertino.graph.trust.synthesize", noted)
        with Planner(specialists=panel(), track_record=book()) as planner:
            asyncio.run(planner.arun(task("now")))
        assert where
        assert threading.get_ident() not in where

    def test_a_record_that_cannot_be_read_leaves_the_formula(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The result says so, and the run succeeds."""

        def broken(*args: Any, **kwargs: Any) -> Any:
            raise InputError(field="record", value=1, rule="is broken")

        monkeypatch.setattr("concertino.graph.trust.synthesize", broken)
        with Planner(specialists=panel(), track_record=book()) as planner:
            result: Any = planner.run(task("now"))
        assert result["status"] == "success"
        assert result["calibration"] is None
        assert "the formula stands in" in result["fallback"]


class TestRecording:
    def test_every_answer_is_recorded_once(self) -> None:
        """Under the task's id; asking for a finished run again adds nothing."""
        with Planner(specialists=panel(), track_record="journal") as planner:
            planner.run(task("one"))
            planner.run(task("one"))
            planner.resume("one")
            found = planner.track_record()
        assert (len(found), found.settled, found.unsettled) == (3, 0, 1)

    def test_a_restart_records_nothing_twice(self) -> None:
        """A new run of the same task answers the same question."""
        own = TrackRecord()
        with Planner(specialists=panel(), track_record=own) as planner:
            planner.run(task("one"))
            planner.restart("one")
        assert len(own) == 3

    def test_a_finding_may_name_its_own_question(self) -> None:
        """What it names goes before the task's id."""

        @specialist("asked")
        async def asked(brief: Any) -> Finding:
            return Finding(output=1, question_id="q-7")

        with Planner(specialists=[asked]) as planner:
            planner.run({"task_id": "one", "title": "t", "plan": {"subtasks": [subtask("a", "asked")]}})
            planner.settle("q-7", 1)
            assert planner.track_record().settled == 1

    def test_what_does_not_make_the_answer_is_no_answer(self) -> None:
        """A finding that others only build on is no vote on the task's question."""
        with Planner(specialists=panel()) as planner:
            planner.run(task("one", answer=["good"]))
            assert len(planner.track_record()) == 1

    def test_a_file_is_read_and_kept(self, tmp_path: Path) -> None:
        """Another planner finds in it what runs added and what was settled."""
        path = tmp_path / "record.json"
        book().save(path)
        with Planner(specialists=panel(), track_record=str(path)) as planner:
            result: Any = planner.run(task("now"))
            planner.settle("now", truth_of("now"))
        assert result["calibration"]["n"] == 20
        assert TrackRecord.load(path).settled == 21

    def test_a_database_keeps_answers_and_truths(self, tmp_path: Path) -> None:
        """A later process reads them from the events."""
        url = f"sqlite:///{tmp_path / 'journal.db'}"
        with Planner(specialists=panel(), database=url) as planner:
            taught(planner, 4)
        with Planner(specialists=panel(), database=url, track_record="journal") as planner:
            assert (len(planner.track_record()), planner.track_record().settled) == (12, 4)
            result: Any = planner.run(task("now"))
        assert result["track_record"]["settled"] == 4

    def test_at_another_boundary_the_record_is_only_read(self) -> None:
        """Replays and simulations teach nothing, however often they are done, and all give the same."""
        own = book()
        graph = create_planner(specialists=panel(), track_record=own)
        before = own.content()
        results: list[Any] = []
        for _ in range(2):
            clock = SystemClock()
            placed = graph.at(Boundary(clock=clock, journal=MemoryJournal(clock=clock)))
            results.append(placed.invoke({"task": task("now")})["result"])
        assert own.content() == before
        assert results[0]["calibration"]["n"] == 20
        assert results[0]["provenance"] == results[1]["provenance"]


class TestSettling:
    def test_a_truth_is_on_the_run_s_record(self) -> None:
        """As an event without a lease, after the run's end; a later one corrects it."""
        with Planner(specialists=panel()) as planner:
            planner.run(task("one"))
            planner.settle("one", "pass")
            asyncio.run(planner.asettle("one", "fail"))
            truths = [event for event in planner.events("one") if event.type == "TRUTH_SETTLED"]
            assert [event.payload["truth"] for event in truths] == ["pass", "fail"]
            assert planner.status("one")["state"] == "success"
            tallies = {one.specialist: one.right for one in report_on(planner.track_record()).specialists}
        assert sum(tallies.values()) == sum(planner_said == "fail" for planner_said in _said("one"))

    @pytest.mark.parametrize(
        ("question", "truth", "tolerance"), [("none", "pass", None), ("one", None, None), ("one", 1, -1)]
    )
    def test_what_cannot_be_settled_is_refused(self, question: str, truth: Any, tolerance: float | None) -> None:
        """An unknown question, no truth, a tolerance below 0; nothing is put on record."""
        with Planner(specialists=panel()) as planner:
            planner.run(task("one"))
            with pytest.raises(InputError):
                planner.settle(question, truth, tolerance)
            assert planner.track_record().settled == 0
            assert [event.type for event in planner.events("one")][-1] == "RUN_COMPLETED"

    def test_a_record_is_one_of_three_things(self) -> None:
        """Anything else is refused when the planner is made."""
        given: Any = 3
        with pytest.raises(SetupError, match="track_record"):
            create_planner(specialists=panel(), track_record=given)
        with pytest.raises(InputError, match="cannot be read"):
            create_planner(specialists=panel(), track_record="no-such-file.json")


def _said(task_id: str) -> list[str]:
    truth = truth_of(task_id)
    wrong = {"pass": "fail", "fail": "pass"}[truth]
    return [truth if Random(f"{task_id} {name}").random() < skill else wrong for name, skill in SKILLS.items()]


class TestWorth:
    @staticmethod
    def deeper(task_id: str, **refine: Any) -> dict[str, Any]:
        """Return a task whose second stage asks one more."""
        stages = {"subtasks": [subtask("good", "good", stage="broad"), subtask("fair", "fair", stage="broad"),
                               subtask("more", "poor", "good", stage="deep")], "refine": refine or True}  # fmt: skip
        return {"task_id": task_id, "title": "t", "plan": stages}

    def test_what_is_worth_too_little_is_not_started(self) -> None:
        """The result says what hearing it would have been worth, and what was asked for."""
        with Planner(specialists=panel(), track_record=book()) as planner:
            result: Any = planner.run(self.deeper("now", min_worth=0.9))
        assert [one["name"] for one in result["ended_early"]] == ["more"]
        weighed = result["worth"][0]
        assert (weighed["specialist"], weighed["asked"], weighed["least"]) == ("poor", False, 0.9)
        assert result["ended_early"][0]["reason"] == weighed["reason"]

    def test_what_is_worth_enough_is_started(self) -> None:
        """With no least worth everything is, and the weighing is on the record of the dispatch."""
        with Planner(specialists=panel(), track_record=book()) as planner:
            result: Any = planner.run(self.deeper("now", min_worth=0.0))
            sent = [event.payload for event in planner.events("now") if event.type == "RUN_DISPATCHED"]
        assert result["ended_early"] == []
        assert result["worth"][0]["asked"] is True
        assert sent[-1]["worth"] == result["worth"]

    def test_without_a_record_everything_is_started(self) -> None:
        """However much was asked for."""
        with Planner(specialists=panel()) as planner:
            result: Any = planner.run(self.deeper("now", min_worth=0.9))
        assert result["ended_early"] == []
        assert "worth" not in result
