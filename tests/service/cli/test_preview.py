"""`concertino plan "free words"`: what would run and what it may cost, by rules, by a model, or by nobody's plan."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.loopback.openai_server import Fail, OpenAIServer, Reply, Say
from tests.service.commands import Told, run_command

STAFF = [{"name": "reader", "description": "Reads pages."}, {"name": "writer", "description": "Writes texts."}]
PYTHON = """
from concertino import specialist
from concertino.tools.registry import tool

@tool(cost={"usd": 0.01, "calls": 1})
def look(where): ...

@specialist("reader", budget={"tokens": 1000, "calls": 5, "seconds": 10}, tools=[look])
def reader(brief): ...

@specialist("writer", budget={"tokens": 500, "calls": 2, "seconds": 4})
def writer(brief): ...

staff = [reader, writer]
"""
RULE = """
name: report
match: {keywords: {any: [report]}}
plan:
  subtasks:
    - {id: read, specialist: reader, estimate_s: 5}
    - {id: more, specialist: reader, estimate_s: 5}
    - {id: write, specialist: writer, needs: [read, more], estimate_s: 2}
"""
DRAFTED = {
    "subtasks": [
        {"id": "a", "specialist": "reader", "objective": "Read it."},
        {"id": "b", "specialist": "writer", "objective": "Write it.", "needs": ["a"]},
    ]
}


@pytest.fixture
def concertino(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that runs `plan` in a directory with specialists and a rule."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    Path("staff.json").write_text(json.dumps(STAFF))
    Path("rules.yaml").write_text(RULE)
    Path("staff_of_previews.py").write_text(PYTHON)

    def command(*options: str) -> Told:
        return run_command(capsys, ["plan", *options])

    return command


@pytest.fixture
def served(concertino: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that runs `plan` with a model on this machine."""

    def command(answer: Callable[[Any], Reply] | Reply, *options: str) -> tuple[Told, OpenAIServer]:
        pytest.importorskip("langchain_openai")
        with OpenAIServer(answer) as server:
            monkeypatch.setenv("OPENAI_BASE_URL", server.url)
            told = concertino(*options, "--model", "openai:gpt-5-mini", "--json")
        return told, server

    return command


def test_a_request_is_planned_by_a_rule(concertino: Any) -> None:
    """Its words choose the rule; plan and longest path are there before anything runs."""
    told = concertino("Write a report on the pages", "--workflows", "rules.yaml", "--json")
    found = told.json()
    assert told.code == 0
    assert (found["plan"]["origin"], found["plan"]["workflow"]) == ("rule", "report")
    assert found["critical_path"]["seconds"] == 7.0
    assert "planning" not in found


def test_a_request_without_a_rule_is_for_everybody(concertino: Any) -> None:
    """Without a model the fallback plan is what would run."""
    found = concertino("Look into it", "--specialists", "staff.json", "--json").json()
    assert found["plan"]["origin"] == "fallback"
    assert {one["objective"] for one in found["plan"]["subtasks"]} == {"Look into it"}


def test_a_long_request_has_a_title_and_a_description(concertino: Any) -> None:
    """Nothing of it is lost."""
    text = "Find out what happened.\n\n" + "Every detail counts. " * 50
    told = concertino(text, "--specialists", "staff.json", "--json")
    assert text.strip() in told.json()["plan"]["subtasks"][0]["objective"]


def test_costs_are_bounded_by_budgets(concertino: Any) -> None:
    """A specialist's budget holds over all its subtasks; seconds add up along the longest path; tools show their cost."""
    told = concertino("A report", "--workflows", "rules.yaml", "--specialists", "staff_of_previews:staff")
    costs = told.json()["estimate"]
    assert [one["at_most"]["tokens"] for one in costs["subtasks"]] == [1000, 1000, 500]
    assert costs["total"] == {"tokens": 1500, "calls": 7, "usd": None, "documents": None, "seconds": 14.0}
    assert costs["tools"]["look"]["usd"] == 0.01
    assert "cost: at most 1,500 tokens, 7 calls, 14 seconds; no bound on usd, documents" in told.err


def test_tokens_of_a_priced_model_bound_the_dollars(served: Any) -> None:
    """Every token at the dearest rate, and the tools' calls beside them."""
    told, server = served(
        Say(text="never asked"), "A report", "--workflows", "rules.yaml", "--specialists", "staff_of_previews:staff"
    )
    costs = told.json()["estimate"]
    reading, _, writing = costs["subtasks"]
    assert 0.05 < reading["at_most"]["usd"] < 0.06
    assert 0 < writing["at_most"]["usd"] < 0.01
    assert costs["total"]["usd"] == pytest.approx(2 * reading["at_most"]["usd"] + writing["at_most"]["usd"])
    assert costs["first_requests"]["requests"] == 3
    assert reading["model"]["first_request"]["usd"] > 0
    assert server.requests == []


def test_a_model_plans_what_no_rule_covers(served: Any) -> None:
    """Its plan is validated, what it used is told, and nothing of the plan runs."""
    told, server = served(
        Say(text=f"```json\n{json.dumps(DRAFTED)}\n```"), "Look into it", "--specialists", "staff.json"
    )
    found = told.json()
    assert told.code == 0
    assert (found["plan"]["origin"], found["planning"]["origin"]) == ("model", "model")
    assert [one["specialist"] for one in found["plan"]["subtasks"]] == ["reader", "writer"]
    assert found["planning"]["used"]["tokens"] == server.billed.tokens
    assert server.billed.calls == 1


@pytest.mark.parametrize(
    "answer", [Say(text="I cannot."), Fail(400), Say(text='{"subtasks": [{"specialist": "nobody"}]}')]
)
def test_a_model_that_fails_leaves_the_fallback_plan(answer: Reply, served: Any) -> None:
    """The reason is told."""
    told, _ = served(answer, "Look into it", "--specialists", "staff.json")
    found = told.json()
    assert (told.code, found["plan"]["origin"]) == (0, "fallback")
    assert found["planning"]["steps"][-1]["type"] == "PLAN_FALLBACK"
    assert found["planning"]["steps"][-1]["reason"]


def test_a_ready_plan_is_not_planned_again(served: Any) -> None:
    """A model is asked only for what neither the task nor a rule says."""
    Path("task.json").write_text(json.dumps({"plan": DRAFTED}))
    told, server = served(Say(text="never asked"), "task.json", "--specialists", "staff.json")
    assert told.json()["plan"]["origin"] == "caller"
    assert server.requests == []


def test_planning_uses_no_more_tokens_than_it_may(served: Any) -> None:
    """A limit that no request fits into lets none leave."""
    told, server = served(
        Say(text=json.dumps(DRAFTED)), "Look into it", "--specialists", "staff.json", "--tokens", "50"
    )
    found = told.json()
    assert (found["plan"]["origin"], found["planning"]["used"]["tokens"]) == ("fallback", 0)
    assert server.requests == []


def test_a_pack_brings_its_own(concertino: Any) -> None:
    """Its specialists, rules and budget."""
    pytest.importorskip("langchain")
    payload = json.dumps({"target": "Nordlicht", "documents": "papers"})
    found = concertino(
        "Assess the acquisition of Nordlicht", "--pack", "diligence", "--payload", payload, "--json"
    ).json()
    assert found["plan"]["workflow"].startswith("due")
    assert found["estimate"]["total"]["tokens"] <= 250_000


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["Look into it"], "--specialists: None refused: nobody is there"),
        (["nowhere.json"], "FILE|TEXT: 'nowhere.json' refused: no such file"),
        ([" "], "FILE|TEXT: ' ' refused"),
        ([], "FILE|TEXT: None refused"),
        (["Look", "--pack", "nothing"], "--pack: 'nothing' refused: must be one of"),
        (["Look", "--pack", "offers", "--specialists", "staff.json"], "cannot go with --pack"),
        (["Look", "--specialists", "staff.json", "--model", "gpt"], "--model: 'gpt' refused"),
        (["Look", "--specialists", "staff.json", "--model", "openai:m"], "OPENAI_API_KEY"),
        (["Look", "--specialists", "staff.json", "--payload", "[1]"], "--payload: [1] refused: must be a JSON object"),
        (["staff.json", "--payload", "{}"], "--payload: '{}' refused"),
        (["x" * 200_000, "--specialists", "staff.json"], "task.description"),
    ],
)
def test_bad_input_is_one_clear_error(options: list[str], words: str, concertino: Any) -> None:
    """Field, value and rule; code 2, and nothing on stdout."""
    told = concertino(*options)
    assert (told.code, told.out) == (2, "")
    assert words in told.err
