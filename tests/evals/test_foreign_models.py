"""Models that specialists bring themselves: recorded live over a server, and answered from the tape once it is gone."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from concertino.evals.outcomes import Outcome
from concertino.evals.recording import record_suite
from concertino.evals.running import run_suite
from concertino.evals.suites import Suite, load_suite
from tests.evals.foreign_suites import APART, CASES, KEY, PLANNER, SUITE, TEXTS, Answering
from tests.evals.suite_folders import make_suite
from tests.loopback.openai_server import OpenAIServer


@dataclass
class Kept:
    """A suite as it was recorded, and the files that make it."""

    suite: Suite
    recorded: dict[str, Outcome]
    requests: int
    port: str

    def again(self, root: Path, **changed: str) -> dict[str, Outcome]:
        """Run it with some of its files changed."""
        made = make_suite(root, **{"planner": PLANNER, "suite": SUITE, "cases": CASES, **changed})
        for path in (self.suite.folder / "tapes").iterdir():
            made.tape_file(path.stem).parent.mkdir(exist_ok=True)
            made.tape_file(path.stem).write_bytes(path.read_bytes())
        return by_id(run_suite(load_suite("small", root=root)))


def by_id(outcomes: list[Outcome]) -> dict[str, Outcome]:
    return {outcome.case.id: outcome for outcome in outcomes}


def subtasks(outcome: Outcome, *names: str) -> list[Any]:
    assert outcome.result is not None
    listed: Any = outcome.result["subtasks"]
    return [tuple(one[name] for name in names) for one in listed]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    """Return the suite, recorded live; its server is gone."""
    suite = make_suite(tmp_path_factory.mktemp("foreign"), planner=PLANNER, suite=SUITE, cases=CASES)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENAI_API_KEY", KEY)
        with OpenAIServer(Answering()) as server, warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Pydantic serializer", UserWarning)  # of OpenAI's own client
            patch.setenv("OPENAI_BASE_URL", server.url)
            recorded = by_id(record_suite(suite, live=True))
            requests = len(server.requests)
            port = server.url.split(":")[2].split("/")[0]
        yield Kept(suite, recorded, requests, port)


def test_calls_of_a_specialists_own_models_are_on_the_tape_and_played(kept: Kept) -> None:
    """With the answers, usage and charges of then, nothing leaving: agents, plain calls, streams, batches and threads."""
    ran = by_id(run_suite(kept.suite))
    assert {name: (one.tape, one.error, one.stand_in) for name, one in ran.items()} == dict.fromkeys(
        ("agent", "twins", "ways", "blocking", "moody", "refused"), ("fresh", None, True)
    )
    del ran["refused"]
    for name, one in ran.items():
        assert subtasks(one, "outputs", "state", "attempts") == subtasks(
            kept.recorded[name], "outputs", "state", "attempts"
        )
        for told, was in zip(subtasks(one, "usage"), subtasks(kept.recorded[name], "usage"), strict=True):
            assert {**told[0], "seconds": 0} == {**was[0], "seconds": 0}
    calls = [call for one in ran.values() for call in one.calls]
    assert {(call["kind"], call["name"]) for call in calls} == {("model", "openai:gpt-5-mini")}
    assert len(calls) == kept.requests - 2 == 17
    assert [(call["scope"], call["n"]) for call in ran["agent"].calls] == [("research/a#1", 1), ("research/a#1", 2)]
    assert {call["scope"] for call in ran["ways"].calls} == {"ways/a#1"}


def test_no_key_and_no_address_is_on_a_tape(kept: Kept) -> None:
    """That a server on this machine answered is."""
    for path in (kept.suite.folder / "tapes").iterdir():
        text = path.read_text()
        assert KEY not in text
        assert kept.port not in text
        assert '"stand_in":true' in text


def test_a_recorded_error_is_raised_again(kept: Kept) -> None:
    """The attempt after it is answered."""
    ran = by_id(run_suite(kept.suite, cases=["moody"]))["moody"]
    assert subtasks(ran, "state", "attempts") == [("completed", 2)]
    first: Any = ran.calls[0]["error"]
    assert (first["kind"], first["status"]) == ("status", 503)
    assert "not now" in first["message"]
    assert "error" not in ran.calls[1]


def test_what_a_fault_brings_up_is_recorded_beyond_the_sound_run(kept: Kept) -> None:
    """The second question is on the tape, and the first refused."""
    ran = by_id(run_suite(kept.suite, cases=["refused"]))["refused"]
    assert [one.get("fault") for one in ran.calls] == ["refuse", None]
    assert subtasks(ran, "outputs") == subtasks(kept.recorded["refused"], "outputs")
    (outputs,) = subtasks(ran, "outputs")[0]
    assert "Please, about owls." in outputs["text"]


def test_two_replays_are_the_same_to_the_byte(kept: Kept) -> None:
    """Ids that LangChain makes up are in no result."""
    first, second = (
        json.dumps([[one.result, one.events, one.calls, one.makespan_s] for one in run_suite(kept.suite)])
        for _ in range(2)
    )
    assert first == second


def test_parallel_subtasks_that_ask_the_same_get_their_own_answers(kept: Kept) -> None:
    """A call is found within its subtask."""
    ran = by_id(run_suite(kept.suite, cases=["twins"]))["twins"]
    texts = [outputs["text"] for (outputs,) in subtasks(ran, "outputs")]
    assert len(set(texts)) == 2
    assert [(outputs,) for (outputs,) in subtasks(kept.recorded["twins"], "outputs")] == subtasks(ran, "outputs")
    took = {call["scope"]: call["took"] for call in ran.calls}
    assert {f"plain/{sid}#1": usage["seconds"] for sid, usage in subtasks(ran, "subtask_id", "usage")} == took


def test_a_call_waits_in_virtual_time_as_long_as_it_took(kept: Kept) -> None:
    """The agent's two turns are one after the other."""
    ran = by_id(run_suite(kept.suite, cases=["agent"]))["agent"]
    took: list[Any] = [call["took"] for call in ran.calls]
    assert ran.makespan_s == pytest.approx(sum(took), abs=1e-5)


@pytest.mark.parametrize(
    ("case", "old", "new", "field"),
    [
        ("agent", "Be brief.", "Be long.", "messages[0].content"),
        ("twins", "Tell me about", "Tell us about", "messages[0].content"),
        ("agent", "Look a word up.", "Look it up.", "tools[0].description"),
        ("ways", "in pieces", "piecemeal", "messages[0].content"),
        ("twins", 'model="gpt-5-mini"', 'model="gpt-5"', "name: recorded 'openai:gpt-5-mini', now 'openai:gpt-5'"),
    ],
)
def test_another_question_is_a_miss_with_what_differs(
    kept: Kept, tmp_path: Path, case: str, old: str, new: str, field: str
) -> None:
    """It is raised past whatever retries, and the tape is stale."""
    ran = kept.again(tmp_path, planner=PLANNER.replace(old, new))[case]
    assert ran.error is not None
    assert (ran.error["type"], ran.tape, ran.result) == ("TapeMiss", "stale", None)
    assert field in str(ran.error["message"])
    tried = [one["payload"] for one in ran.events if one["type"] == "TASK_RETRIED"]
    assert tried == []


def test_a_miss_passes_langchains_own_retries(kept: Kept, tmp_path: Path) -> None:
    """The agent's middleware does not ask the tape again for what it does not have."""
    ran = kept.again(tmp_path, planner=PLANNER.replace("Be brief.", "Be long."))["agent"]
    assert [note["what"] for note in ran.notes] == ["prompt of model openai:gpt-5-mini by research/a#1"]
    assert ran.calls == []


def faulty(case: str, fault: str) -> str:
    return CASES.replace(f"- id: {case}\n", f"- id: {case}\n  faults: [{fault}]\n")


@pytest.mark.parametrize("case", ["agent", "twins"])
@pytest.mark.parametrize("what", ["429", "timeout", "500", "cut"])
def test_a_fault_hits_them_and_what_retries_is_answered(kept: Kept, tmp_path: Path, case: str, what: str) -> None:
    """The agent's middleware within its attempt, a plain call by another attempt; an answer that is cut is one."""
    scope = {"agent": "research/a#1", "twins": "plain/a#1"}[case]
    cases = faulty(case, f"{{where: {{kind: model, scope: '{scope}', n: 1}}, what: '{what}'}}")
    ran = kept.again(tmp_path, cases=cases)[case]
    assert ran.error is None
    assert [(one["scope"], one["n"]) for one in ran.calls if one.get("fault") == what] == [(scope, 1)]
    attempts = 2 if case == "twins" and what != "cut" else 1
    assert subtasks(ran, "state", "attempts")[0] == ("completed", attempts)
    outputs = subtasks(ran, "outputs"), subtasks(kept.recorded[case], "outputs")
    assert (outputs[0] == outputs[1]) is (what != "cut")


def test_a_text_that_is_no_json_any_more_reaches_the_specialist(kept: Kept, tmp_path: Path) -> None:
    """A tool call whose arguments cannot be read ends the agent's turn, as it does live."""
    ran = kept.again(tmp_path, cases=faulty("agent", "{where: {kind: model, n: 1}, what: bad_json}"))["agent"]
    assert ran.error is None
    assert [one.get("fault") for one in ran.calls] == ["bad_json"]
    (told,) = ran.calls
    response: Any = told["response"]
    assert response["invalid_tool_calls"][0]["error"] == "arguments are not JSON"


def test_a_call_that_hangs_ends_with_the_run(kept: Kept, tmp_path: Path) -> None:
    """In virtual time."""
    ran = kept.again(tmp_path, cases=faulty("twins", "{where: {kind: model, scope: plain/a}, what: hang}"))["twins"]
    assert ran.makespan_s == pytest.approx(60, abs=5)
    assert [state for (state,) in subtasks(ran, "state")] != ["completed", "completed"]


def test_calls_that_nobody_makes_any_more_are_told(kept: Kept, tmp_path: Path) -> None:
    """The tape is unplayed in part."""
    cases = CASES.replace(", {id: b, specialist: plain, objective: dogs}]}", "]}")
    ran = kept.again(tmp_path, cases=cases)["twins"]
    assert (ran.tape, ran.notes[0]["recorded"]) == ("unplayed", ["model openai:gpt-5-mini (plain/b#1 call 1)"])


def test_recording_against_a_script_refuses_them_by_specialist(tmp_path: Path) -> None:
    """There is nothing that could stand in, and nothing is written."""
    stand_in = SUITE + "stand_in: stand_in:model\nmodel: openai:gpt-5-mini\n"
    planner = PLANNER.replace("def create():", "def create(model=None):")
    suite = make_suite(tmp_path, planner=planner, suite=stand_in, cases=CASES)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENAI_API_KEY", "any")
        recorded = by_id(record_suite(suite))
    told = recorded["twins"].error
    assert told is not None
    assert "specialists.plain: 'openai:gpt-5-mini' refused: no stand-in" in str(told["message"])
    assert "record it live" in str(told["rule"])
    assert not (suite.folder / "tapes").exists()


def test_models_of_texts_are_refused_by_name(tmp_path: Path) -> None:
    """While they are recorded already, before anything leaves."""
    suite = make_suite(tmp_path, planner=PLANNER, suite=SUITE, cases=TEXTS)
    with pytest.MonkeyPatch.context() as patch, OpenAIServer(Answering()) as server:
        patch.setenv("OPENAI_API_KEY", "any")
        patch.setenv("OPENAI_BASE_URL", server.url)
        recorded = by_id(record_suite(suite, live=True))["texts"]
        assert server.requests == []
        ran = by_id(run_suite(suite))["texts"]
    assert recorded.error is not None
    assert "specialists.texts: 'OpenAI' refused: a model of texts" in str(recorded.error["message"])
    assert "take a chat model" in json.dumps(ran.result)


def test_what_a_child_process_has_asked_is_not_on_the_tape_and_said_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its function works in this process then, and its call is refused by name."""
    monkeypatch.setenv("OPENAI_API_KEY", "any")
    ran = by_id(run_suite(make_suite(tmp_path, planner=PLANNER, suite=SUITE, cases=APART)))["apart"]
    assert ran.error is not None
    assert "openai:gpt-5-mini called by apart/a#1 is not on the tape" in str(ran.error["message"])


def test_nothing_of_langchain_stays_changed(kept: Kept) -> None:
    """Outside of recordings and replays its methods are its own, and models are called as they are."""
    from langchain_core.language_models import BaseChatModel

    for name in ("generate", "agenerate", "stream", "astream"):
        assert not hasattr(vars(BaseChatModel)[name], "__wrapped__")
