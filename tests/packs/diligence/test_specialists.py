"""One specialist at work, on a brief made by hand and with models made by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage

from concertino.contracts.discovery import Discovery
from concertino.contracts.errors import BudgetExceeded
from concertino.contracts.finding import Declined, Finding
from concertino.contracts.limits import Limits
from concertino.nodes.specialists.answer import read_answer
from concertino.packs.diligence.desk import AT_ONCE
from concertino.packs.diligence.policy import read_policy
from concertino.packs.diligence.specialists import build_specialists
from tests.packs.diligence.briefs import HandmadeBrief, Tools
from tests.packs.diligence.models import Scripted, calls, in_turn, submission

SPECIALISTS = {one.name: one for one in build_specialists()}


async def run(name: str, brief: HandmadeBrief) -> Any:
    """Run a specialist and check its answer as the graph would."""
    specialist = SPECIALISTS[name]
    return read_answer(await specialist(brief), card=specialist.card, limits=Limits())


async def test_a_specialist_reads_and_hands_in_a_finding(folder: Path) -> None:
    """It searches, reads, cites; the finding has figures, a confidence, and evidence with file and line."""
    evidence = [{"file": "overview.md", "line": 7, "quote": "arrives at EUR 19,000,000", "claim": "valuation"}]
    model = in_turn(
        calls(("search_documents", {"query": "valuation"})),
        calls(("read_document", {"file": "overview.md", "from_line": 1, "to_line": 8})),
        submission(valuation=19_000_000, currency="EUR", evidence=evidence),
    )
    brief = HandmadeBrief(model, folder)
    found = await run("financial_agent", brief)
    assert isinstance(found, Finding)
    output: Any = found.output
    assert (output["valuation"], output["recommendation"], output["stage"]) == (19e6, "proceed", "focused")
    assert (found.confidence, found.authority, found.domain) == (0.8, 0.8, "financial")
    (one,) = found.evidence
    assert not isinstance(one, str)
    assert (one.source, one.line, one.quote) == ("overview.md", 6, "arrives at EUR 19,000,000")
    assert output["read"] == ["overview.md:1-8"]
    assert brief.tools.documents == 1
    assert brief.published[0][0] == "diligence_finding"


async def test_without_a_model_it_declines() -> None:
    """It says what it needs instead of guessing."""
    found = await run("legal_agent", HandmadeBrief(None, None))
    assert isinstance(found, Declined)
    assert found.reason.startswith("legal_agent needs a model")


async def test_without_documents_it_declines(tmp_path: Path) -> None:
    """No folder, or one that cannot be read, is told by its reason."""
    found = await run("legal_agent", HandmadeBrief(in_turn(), None))
    assert isinstance(found, Declined)
    assert "payload.documents" in found.reason
    found = await run("legal_agent", HandmadeBrief(in_turn(), tmp_path / "nowhere"))
    assert isinstance(found, Declined)
    assert "must be a folder" in found.reason


async def test_a_refused_answer_is_asked_for_once_more(folder: Path) -> None:
    """The second try sees what was wrong, may only hand in, and every call before it was answered."""
    model = in_turn(submission(confidence=80), submission(confidence=0.6))
    found = await run("market_agent", HandmadeBrief(model, folder))
    assert isinstance(found, Finding)
    assert found.confidence == pytest.approx(0.6)
    assert "the first answer was refused" in (found.notes or "")
    assert model.offered[-1] == ("submit_finding",)
    last = model.seen[-1][-1]
    assert isinstance(last, ToolMessage)
    assert "confidence:" in str(last.content)
    asked = {call["id"] for message in model.seen[-1] for call in getattr(message, "tool_calls", [])}
    told = {message.tool_call_id for message in model.seen[-1] if isinstance(message, ToolMessage)}
    assert asked == told


@pytest.mark.parametrize("wrong", [AIMessage("I cannot help with that."), submission(score=500)])
async def test_two_refused_answers_are_a_failure_as_data(folder: Path, wrong: AIMessage) -> None:
    """It declines with what was wrong; the model is called twice and no more."""
    model = Scripted(reply=lambda *_: wrong.model_copy(update={"id": None}))
    found = await run("market_agent", HandmadeBrief(model, folder))
    assert isinstance(found, Declined)
    assert found.reason.startswith("the model's answer was refused twice:")
    assert len(model.seen) == 2


async def test_a_failed_screening_does_not_stop_the_path(folder: Path) -> None:
    """It concludes nothing, with confidence 0 and the reason, and the focused stage can still be done."""
    model = Scripted(reply=lambda *_: AIMessage("No."))
    found = await run("market_agent", HandmadeBrief(model, folder, stage="screening"))
    assert isinstance(found, Finding)
    output: Any = found.output
    assert (output["recommendation"], found.confidence) == (None, 0.0)


async def test_the_last_turn_can_only_hand_in(folder: Path) -> None:
    """A model that never stops reading is told to, and has nothing else left to call."""

    def reads_on(messages: Sequence[BaseMessage], offered: Sequence[str]) -> AIMessage:
        if "read_document" in offered:
            return calls(("read_document", {"file": "overview.md"}))
        assert "last turn" in str(messages[0].content)
        return submission()

    model = Scripted(reply=reads_on)
    found = await run("technical_agent", HandmadeBrief(model, folder, stage="screening"))
    assert isinstance(found, Finding)
    assert len(model.seen) == read_policy().turns.screening


async def test_a_used_up_document_budget_is_told_to_the_model(folder: Path) -> None:
    """Reads are refused, the finding is still handed in."""
    model = in_turn(*(calls(("read_document", {"file": "overview.md"})) for _ in range(3)), submission())
    brief = HandmadeBrief(model, folder, tools=Tools(limit=2))
    found = await run("technical_agent", brief)
    assert isinstance(found, Finding)
    assert brief.tools.documents == 2
    assert "budget" in str(model.seen[-1][-1].content)


async def test_many_calls_at_once_are_cut(folder: Path) -> None:
    """Of a message with a hundred calls a few are carried out, and every one is answered."""
    model = in_turn(calls(*(("read_document", {"file": "overview.md"}) for _ in range(100))), submission())
    brief = HandmadeBrief(model, folder)
    assert isinstance(await run("technical_agent", brief), Finding)
    assert brief.tools.documents == AT_ONCE


def refuses(*_: Any) -> AIMessage:
    raise BudgetExceeded(scope="run", dimension="tokens", asked=10, left=0)


@pytest.mark.parametrize("stage", ["focused", "detailed"])
async def test_a_budget_of_the_model_that_is_used_up_ends_the_work(folder: Path, stage: str) -> None:
    """What the model's own bounds refuse twice goes to the graph as it is; a screening concludes nothing."""
    model = Scripted(reply=refuses)
    with pytest.raises(BudgetExceeded):
        await run("technical_agent", HandmadeBrief(model, folder, stage=stage))
    assert len(model.seen) == 2
    found = await run("technical_agent", HandmadeBrief(Scripted(reply=refuses), folder, stage="screening"))
    assert isinstance(found, Finding)
    assert "cut short" in str(found.output)


async def test_a_budget_that_runs_short_makes_the_turn_the_last(folder: Path) -> None:
    """Where the whole conversation does not fit any more, the finding is handed in on the end of what was read."""

    def reply(messages: Sequence[BaseMessage], offered: Sequence[str]) -> AIMessage:
        size = sum(len(str(message.content)) for message in messages)
        if size > 7_000:
            raise BudgetExceeded(scope="run", dimension="tokens", asked=size, left=7_000)
        return submission() if offered == ("submit_finding",) else calls(("read_document", {"file": "big.txt"}))

    (folder / "big.txt").write_text("\n".join(f"line {n} of a long document" for n in range(500)))
    model = Scripted(reply=reply)
    found = await run("technical_agent", HandmadeBrief(model, folder))
    assert isinstance(found, Finding)
    assert "the budget ran short" in (found.notes or "")
    assert "what was read last" in str(model.seen[-1][-1].content)


async def test_earlier_findings_are_told_as_data(folder: Path) -> None:
    """A later stage starts from what was found before."""
    screened = await run("legal_agent", HandmadeBrief(in_turn(submission()), folder, stage="screening"))
    model = in_turn(submission())
    await run("legal_agent", HandmadeBrief(model, folder, upstream={"legal_screening": screened}))
    assert "an earlier finding" in str(model.seen[0][1].content)
    assert "Nothing stands out." in str(model.seen[0][1].content)


async def test_what_others_publish_meanwhile_is_heard_as_data(folder: Path) -> None:
    """It comes with the next result of a tool, once."""
    news = [Discovery(1, "legal_agent", "l-1", "diligence_finding", {"red_flags": [{"title": "a lawsuit"}]})]
    search = ("search_documents", {"query": "employees"})
    model = in_turn(calls(search), calls(search), submission())
    await run("market_agent", HandmadeBrief(model, folder, news=news))
    results = [str(message.content) for message in model.seen[-1] if isinstance(message, ToolMessage)]
    assert ["a lawsuit" in result for result in results] == [True, False]
    assert "what other specialists have found" in results[0]


async def test_false_evidence_lowers_confidence_and_is_noted(folder: Path) -> None:
    """The rule is (found + 1) / (cited + 1) of what was stated."""
    evidence = [
        {"file": "overview.md", "line": 5, "quote": "84 employees"},
        {"file": "overview.md", "line": 5, "quote": "840 employees"},
    ]
    found = await run("market_agent", HandmadeBrief(in_turn(submission(evidence=evidence, confidence=0.9)), folder))
    assert found.confidence == pytest.approx(0.6)
    assert found.output["stated_confidence"] == 0.9
    assert len(found.evidence) == 1
    assert "does not say what is quoted" in found.notes


@pytest.mark.parametrize(
    ("quote", "binds"),
    [
        ("Meters without type approval must not be put on the market", True),
        ("The moon is made of cheese", False),
        ("", False),
    ],
)
async def test_a_veto_binds_where_a_document_bears_it_out(folder: Path, quote: str, binds: bool) -> None:
    """Reason and evidence; without a quote that stands there it is told, but does not bind."""
    veto = {"reason": "no type approval", "evidence": [{"file": "letters.md", "line": 4, "quote": quote}]}
    found = await run(
        "regulatory_agent", HandmadeBrief(in_turn(submission(veto=veto, recommendation="caution")), folder)
    )
    assert found.output["veto"]["binds"] is binds
    assert found.output["recommendation"] == ("stop" if binds else "caution")
    if binds:
        assert found.output["veto"]["evidence"] == ["contracts/letters.md:4"]


def test_the_hierarchy_is_the_packs() -> None:
    """Regulatory has the highest authority; every part of the budget follows the shares."""
    assert SPECIALISTS["regulatory_agent"].card.authority == 1.0
    assert all(one.card.authority < 1.0 for name, one in SPECIALISTS.items() if name != "regulatory_agent")
    financial = SPECIALISTS["financial_agent"].card.budget
    assert (financial.tokens, financial.documents, financial.calls, financial.seconds) == (50_000, 100, 200, 1_800)
