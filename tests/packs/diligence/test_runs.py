"""Assessments from end to end: what goes in, what is decided, what is left on disk."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage

from concertino.contracts.errors import InputError, SetupError
from concertino.contracts.json import JsonObject
from concertino.packs.agents import resume_agent, start_agent
from concertino.packs.diligence import pack
from concertino.packs.diligence.planner import diligence_planner
from concertino.packs.manifest import AgentRun
from concertino.packs.offers import pack as offers
from concertino.packs.registry import Registry
from tests.packs.diligence.models import Scripted, calls, domain_of, submission

SLUG = "due-diligence-agent"
LETTER = {"file": "letters.md", "line": 4, "quote": "Meters without type approval must not be put on the market"}

Start = Callable[..., AgentRun]


@pytest.fixture
def start(tmp_path: Path, folder: Path) -> Start:
    """Return a way to start the agent on the example's folder."""

    def run(model: Any, payload: JsonObject | None = None, **options: Any) -> AgentRun:
        given: dict[str, Any] = {
            "runs_dir": tmp_path / "runs",
            "database": f"sqlite:///{tmp_path / 'journal.db'}",
            "registry": Registry([pack]),
        }
        asked: JsonObject = {"target": "Nordlicht", "documents": str(folder), **(payload or {})}
        return start_agent(SLUG, asked, model=model, **(given | options))

    return run


def stage_in(messages: Sequence[BaseMessage]) -> str:
    text = str(messages[0].content)
    return next(
        stage for stage in ("screening", "focused", "detailed") if f"{stage} stage" in text or f"broad {stage}" in text
    )


def by_domain(**said: Any) -> Scripted:
    """Return a model whose finding in a domain has these changes; a function of the stage may give them."""

    def reply(messages: Sequence[BaseMessage], offered: Sequence[str]) -> AIMessage:
        changes = said.get(domain_of(messages), said.get("others", {"open_questions": ["More?"]}))
        return submission(**(changes(stage_in(messages)) if callable(changes) else changes))

    return Scripted(reply=reply)


def asked_stages(model: Scripted) -> list[tuple[str, str]]:
    return sorted({(domain_of(messages), stage_in(messages)) for messages in model.seen})


def report_files(run: AgentRun) -> tuple[Any, str]:
    folder = Path(run.artifacts)
    return json.loads((folder / "report.json").read_text()), (folder / "report.md").read_text()


def test_an_assessment_comes_to_a_decision_and_a_report(start: Start) -> None:
    """All five work through three stages; the report is there as JSON and Markdown, with evidence by file and line."""
    evidence = [{"file": "overview.md", "line": 6, "quote": "arrives at EUR 19,000,000", "claim": "valuation"}]
    model = by_domain(
        financial={"valuation": 19e6, "currency": "EUR", "recommendation": "caution", "score": 40, "evidence": evidence,
                   "open_questions": ["More?"]}
    )  # fmt: skip
    run = start(model, {"questions": ["Is the price justified?"]})
    assert run.status == "success"
    report, text = report_files(run)
    assert report == run.output
    assert (report["decision"], report["risk"], report["target"]) == ("proceed", "low", "Nordlicht")
    assert set(report["domains"]) == {"financial", "legal", "market", "technical", "regulatory"}
    assert report["domains"]["financial"]["finding"]["valuation"] == 19e6
    assert {one["domain"]: one["place"] for one in report["evidence"]}["financial"] == "overview.md:6"
    assert [one["answer"] for one in report["dissent"] if one["question_id"] == "recommendation"] == ["caution"]
    assert len(report["completed_agents"]) == 5
    assert {"contracts/letters.md", "survey.pdf"} <= {one["name"] for one in report["documents"]["read"]}
    assert len(asked_stages(model)) == 15
    for part in (
        "**Decision: PROCEED**",
        "`overview.md:6`",
        "19,000,000",
        "## Dissent",
        "## Cost",
        "Is the price justified?",
    ):
        assert part in text
    assert len(report["prompts"]) == 9


def test_a_veto_stops_the_rest_and_binds_the_decision(start: Start) -> None:
    """Found in the screening, it decides against four voices, and nobody looks any further."""
    veto = {"reason": "no type approval", "evidence": [LETTER]}
    model = by_domain(
        regulatory={"recommendation": "stop", "risk": "high", "veto": veto}, others={"open_questions": ["?"]}
    )
    run = start(model)
    assert (run.status, run.output["decision"], run.output["risk"]) == ("success", "stop", "high")
    assert run.output["veto"] == {"reason": "no type approval", "binds": True, "evidence": ["contracts/letters.md:4"]}
    assert {stage for _, stage in asked_stages(model)} == {"screening"}
    assert "binds: no type approval (`contracts/letters.md:4`)" in report_files(run)[1]


def test_paths_of_low_value_end_early(start: Start) -> None:
    """After a sure screening without flags only the regulatory specialist looks closely; nothing is missing for that."""
    model = by_domain(others={"confidence": 0.9})
    run = start(model)
    assert run.status == "success"
    assert asked_stages(model) == [
        ("financial", "screening"),
        ("legal", "screening"),
        ("market", "screening"),
        ("regulatory", "focused"),
        ("regulatory", "screening"),
        ("technical", "screening"),
    ]
    assert run.output["missing"] == []


def test_what_a_specialist_cannot_answer_is_missing_and_said(start: Start) -> None:
    """The rest stands, in document 004's shape: who failed, what that means, what to do."""

    def reply(messages: Sequence[BaseMessage], offered: Sequence[str]) -> AIMessage:
        return AIMessage("No.") if domain_of(messages) == "regulatory" else submission()

    run = start(Scripted(reply=reply))
    assert run.status == "partial_success"
    report: Any = run.output
    assert report["decision"] == "caution"
    assert [one["specialist"] for one in report["missing"]] == ["regulatory_agent"]
    assert {one["agent"] for one in report["failed_agents"]} == {"regulatory_agent"}
    assert "Manual regulatory review recommended" in report["recommendations"]
    assert "Cannot confirm regulatory compliance" in report_files(run)[1]


def test_a_run_without_any_conclusion_has_failed(start: Start) -> None:
    """Whoever comes back without a recommendation has come to none; the report says so."""
    run = start(Scripted(reply=lambda messages, offered: submission(recommendation=None)))
    report: Any = run.output
    assert (run.status, report["status"], report["decision"]) == ("failed", "failed", None)
    assert report["reasons"] == ["No specialist came to a conclusion."]


def test_documents_are_charged(start: Start) -> None:
    """Every read counts in the run's budget, and is shown by specialist."""

    def reply(messages: Sequence[BaseMessage], offered: Sequence[str]) -> AIMessage:
        read = any(message.type == "tool" for message in messages)
        return submission(confidence=0.9) if read else calls(("read_document", {"file": "overview.md"}))

    report: Any = start(Scripted(reply=reply)).output
    assert report["cost"]["total"]["documents"] == 6
    assert report["cost"]["by_specialist"]["regulatory_agent"]["documents"] == 2


def test_a_budget_of_documents_holds(start: Start) -> None:
    """With three documents in all, three are read, and everybody still answers."""

    def reply(messages: Sequence[BaseMessage], offered: Sequence[str]) -> AIMessage:
        return calls(("read_document", {"file": "overview.md"})) if "read_document" in offered else submission()

    policy: JsonObject = {
        "budget": {"documents": 3},
        "shares": dict.fromkeys(("financial", "legal", "market"), 0.18),
    }
    run = start(Scripted(reply=reply), policy=policy)
    report: Any = run.output
    assert report["cost"]["total"]["documents"] <= 3
    assert len(report["domains"]) == 5


def test_each_specialist_may_have_its_own_model(start: Start) -> None:
    """`models` by specialist go before the one for all."""
    own, rest = by_domain(), by_domain()
    start(rest, models={"legal_agent": own})
    assert {domain for domain, _ in asked_stages(own)} == {"legal"}
    assert {domain for domain, _ in asked_stages(rest)} == {"financial", "market", "technical", "regulatory"}


def test_without_a_model_nothing_starts(start: Start, tmp_path: Path) -> None:
    """The caller is told what to give; no run was made."""
    with pytest.raises(SetupError) as caught:
        start(None)
    assert (caught.value.field, "--model" in caught.value.rule) == ("model", True)
    with pytest.raises(SetupError, match="market_agent"):
        start(None, models={"legal_agent": by_domain()})
    assert not (tmp_path / "runs").exists()


def test_an_agent_without_models_refuses_one() -> None:
    """A model that would be ignored is refused."""
    with pytest.raises(SetupError, match="rules alone"):
        start_agent("offer-orchestrator-mag", {}, model="openai:x", registry=Registry([offers]))


@pytest.mark.parametrize(
    ("payload", "field"),
    [
        ({"documents": "/no/such/folder"}, "payload.documents"),
        ({"documents": ""}, "payload.documents"),
        ({"target": " "}, "payload.target"),
        ({"more": 1}, "payload.more"),
        ({"questions": [""]}, "payload.questions[0]"),
    ],
)
def test_a_faulty_request_is_refused(start: Start, tmp_path: Path, payload: JsonObject, field: str) -> None:
    """Field, value and rule, before anything is made or spent."""
    with pytest.raises(InputError) as caught:
        start(by_domain(), payload)
    assert caught.value.field == field
    assert not (tmp_path / "runs").exists()


def test_the_same_run_again_is_the_same_report(start: Start) -> None:
    """A known id with the same request gives the existing run, without a call of a model."""
    first = start(by_domain(), run_id="dd-1")
    model = by_domain()
    again = start(model, run_id="dd-1")
    assert model.seen == []
    assert again.output == first.output


def test_a_finished_run_is_resumed_without_a_model(start: Start, tmp_path: Path) -> None:
    """What is done is there for everybody; only work needs a model."""
    first = start(by_domain(), run_id="dd-1")
    options: dict[str, Any] = {
        "database": f"sqlite:///{tmp_path / 'journal.db'}", "runs_dir": tmp_path / "runs", "registry": Registry([pack]),
    }  # fmt: skip
    assert resume_agent(SLUG, "dd-1", **options).output == first.output
    with pytest.raises(SetupError, match="needs a model"):
        resume_agent(SLUG, "dd-1", restart=True, **options)


async def test_free_words_about_an_acquisition_are_planned_by_the_rule(folder: Path) -> None:
    """A task without a type that names a folder is recognised by its words."""
    planner = diligence_planner(model=by_domain())
    task = {"task_id": "t-1", "title": "Assess the acquisition of Nordlicht", "payload": {"documents": str(folder)}}
    out: Any = await planner.ainvoke({"task": task})
    assert out["result"]["plan"]["workflow"] == "due-diligence-by-words"
    assert out["result"]["answer"]["decision"] == "proceed"


async def test_the_graph_without_a_model_says_what_it_needs(folder: Path) -> None:
    """Every specialist declines with the same clear reason."""
    task = {"task_id": "t-1", "task_type": "due_diligence", "payload": {"target": "X", "documents": str(folder)}}
    out: Any = await diligence_planner().ainvoke({"task": task})
    assert out["result"]["status"] == "failed"
    assert all("needs a model" in one["error"] for one in out["result"]["failed_agents"] if "declined" in one["error"])
