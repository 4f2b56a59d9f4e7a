"""`--model` and `--models`: agents that need a model get it on the command line, also when they are carried on."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from concertino.contracts.errors import InputError, SetupError
from concertino.graph.planner import Planner
from concertino.service.cli.models import Named, named
from tests.loopback.openai_server import OpenAIServer, Received, Reply, Say
from tests.packs.diligence.models import finding
from tests.service.commands import Told, run_command

EXAMPLE = Path(__file__).parents[3] / "examples" / "diligence"
SLUG = "due-diligence-agent"


def works(received: Received) -> Reply:
    """Read a document, then hand in a finding."""
    if "84 employees" not in received.text:
        return Say(tool_calls=[("read_document", {"file": "overview.md"})], input_tokens=500, output_tokens=20)
    return Say(tool_calls=[("submit_finding", finding(confidence=0.9))], input_tokens=900, output_tokens=150)


@pytest.fixture
def concertino(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that runs a command in a directory with documents and a request."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    shutil.copytree(EXAMPLE, "papers")
    Path("request.json").write_text(json.dumps({"target": "Nordlicht", "documents": "papers"}))
    Path("profile.json").write_text(
        json.dumps(
            {"role": "Engineering Director", "level": "Director", "location": "Austin, TX", "experience_years": 20}
        )
    )

    def command(*arguments: str) -> Told:
        return run_command(capsys, arguments)

    return command


def test_an_agent_works_with_the_models_that_are_named(concertino: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """One for all, others by role; restarting names them again, and what was finished is not paid for again."""
    pytest.importorskip("langchain")
    with OpenAIServer(works) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        models = (
            "--model",
            "openai:gpt-5-mini",
            "--models",
            "simple=openai:gpt-5-nano",
            "--models",
            "regulatory_agent=openai:gpt-5",
        )
        told = concertino("agent", "run", SLUG, "--json", "request.json", "--task-id", "d-1", *models)
        assert told.code == 0
        assert told.json()["models"]["roles"] == {
            "default": "openai:gpt-5-mini", "simple": "openai:gpt-5-nano", "regulatory_agent": "openai:gpt-5",
        }  # fmt: skip
        assert {received.body["model"] for received in server.requests} == {"gpt-5-nano", "gpt-5"}
        billed = server.billed.calls
        refused = concertino("restart", "d-1")
        assert (refused.code, "needs a model" in refused.err) == (2, True)
        again = concertino("restart", "d-1", "--model", "openai:gpt-5-mini")
        assert (again.code, server.billed.calls) == (0, billed)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "due-diligence-agent needs a model"),
        (["--models", "regulatory_agent=openai:m"], "needs a model"),
        (["--model", "m"], "--model: 'm' refused: must be \"provider:name\""),
        (["--models", "m"], "--models: 'm' refused: must be ROLE=PROVIDER:NAME"),
        (["--models", "simple=openai:a", "--models", "simple=openai:b"], "simple has a model already"),
        (["--model", "openai:m", "--models", "nobody=openai:m"], "models.nobody"),
    ],
)
def test_a_missing_or_faulty_model_is_one_clear_error(
    options: list[str], words: str, concertino: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing was run then."""
    pytest.importorskip("langchain")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    told = concertino("agent", "run", SLUG, "--json", "request.json", *options)
    assert (told.code, told.out) == (2, "")
    assert words in told.err


def test_an_agent_by_rules_alone_takes_no_model(concertino: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be paid for and never asked."""
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    told = concertino("agent", "run", "offer-orchestrator-mag", "--json", "profile.json", "--model", "openai:m")
    assert (told.code, "works by rules alone" in told.err) == (2, True)


def test_what_is_said_without_a_model_is_recorded(concertino: Any) -> None:
    """Carrying on needs a model; an answer stands until somebody names one, and stopping needs none."""
    pytest.importorskip("langchain")
    database = "sqlite:///runs.db"

    def anybody(brief: object) -> str:
        return "done"

    with Planner(specialists=[anybody], database=database, require_approval=True) as planner:
        assert planner.run({"task_id": "g-1", "title": "x", "metadata": {"agent": SLUG}})["status"] == "waiting"
    told = concertino("answer", "g-1", "plan", "accept", "--database", database)
    assert (told.code, told.json()["status"]) == (0, "waiting")
    assert "concertino resume g-1 --database sqlite:///runs.db --model PROVIDER:NAME" in told.err
    assert concertino("cancel", "g-1", "--database", database).json()["status"] == "cancelled"


def test_models_are_written_as_they_would_be_given_again() -> None:
    """What is told to carry on with can be pasted into a shell."""
    assert Named().as_options() == ""
    assert Named("openai:a b", {"simple": "openai:c"}).as_options() == " --model 'openai:a b' --models simple=openai:c"


def test_models_are_checked_before_anything_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    """A role without a model, and a provider that is not there."""
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    assert named("openai:m", ["simple=openai:n"]) == Named("openai:m", {"simple": "openai:n"})
    with pytest.raises(InputError):
        named(None, ["=openai:n"])
    with pytest.raises(SetupError):
        named(None, ["simple=n"])
