"""The pack over the OpenAI protocol: the real client against a server on this machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from concertino.contracts.finding import Declined, Finding
from concertino.packs.agents import start_agent
from concertino.packs.diligence import pack
from concertino.packs.diligence.specialists import build_specialists
from concertino.packs.registry import Registry
from tests.loopback.openai_server import OpenAIServer, Received, Refuse, Reply, Say
from tests.packs.diligence.briefs import HandmadeBrief
from tests.packs.diligence.models import FIELDS, finding

pytest.importorskip("langchain_openai")

SPECIALISTS = {one.name: one for one in build_specialists()}


def client(server: OpenAIServer, **options: Any) -> Any:
    import httpx
    from langchain_openai import ChatOpenAI

    alone = httpx.AsyncClient(limits=httpx.Limits(max_keepalive_connections=0))  # leaves no connection behind
    given: dict[str, Any] = {"api_key": "none", "max_retries": 0, "max_tokens": 2_000, "http_async_client": alone}
    return ChatOpenAI(model="m", base_url=server.url, **given, **options)


def offered(received: Received) -> set[str]:
    return {tool.get("name") or tool["function"]["name"] for tool in received.body.get("tools", [])}


def has_read(received: Received) -> bool:
    return "84 employees" in received.text


def works(received: Received) -> Reply:
    """Read a document, then hand in a finding."""
    if not has_read(received):
        return Say(tool_calls=[("read_document", {"file": "overview.md"})], input_tokens=500, output_tokens=20)
    return Say(tool_calls=[("submit_finding", finding(confidence=0.9))], input_tokens=900, output_tokens=150)


@pytest.mark.parametrize("responses", [False, True], ids=["chat completions", "responses"])
async def test_a_specialist_works_over_the_wire(folder: Path, responses: bool) -> None:
    """It is offered four tools, reads through one of them, and hands in by another."""
    with OpenAIServer(works) as server:
        brief = HandmadeBrief(client(server, use_responses_api=responses), folder)
        found = await SPECIALISTS["financial_agent"](brief)
    assert isinstance(found, Finding)
    assert offered(server.requests[0]) == {"list_documents", "search_documents", "read_document", "submit_finding"}
    assert [one.source for one in found.evidence if not isinstance(one, str)] == ["overview.md"]
    assert len(server.requests) == 2


async def test_an_answer_as_text_is_read(folder: Path) -> None:
    """A server whose model calls no tools can still answer."""
    with OpenAIServer(Say(f"Here:\n```json\n{json.dumps(finding())}\n```")) as server:
        found = await SPECIALISTS["financial_agent"](HandmadeBrief(client(server), folder))
    assert isinstance(found, Finding)
    assert "was text" in (found.notes or "")


async def test_a_refusal_is_asked_once_more_and_declined(folder: Path) -> None:
    """The provider's own refusal is no answer; two requests and no more."""
    with OpenAIServer(Refuse()) as server:
        found = await SPECIALISTS["financial_agent"](HandmadeBrief(client(server), folder))
    assert isinstance(found, Declined)
    assert len(server.requests) == 2


def test_the_agent_runs_over_the_wire_within_its_budget(folder: Path, tmp_path: Path) -> None:
    """Everybody works with one model; what the server bills is what the report says, and below the limit."""
    with OpenAIServer(works) as server:
        run = start_agent(
            "due-diligence-agent", {"target": "Nordlicht", "documents": str(folder)}, model=client(server), database=None,
            runs_dir=tmp_path, registry=Registry([pack]),
        )  # fmt: skip
    report: Any = run.output
    assert (run.status, report["decision"]) == ("success", "proceed")
    assert set(report["domains"]) == set(FIELDS)
    assert report["cost"]["total"]["tokens"] == server.billed.tokens
    assert report["cost"]["total"]["calls"] == server.billed.calls == 12
    assert server.billed.tokens <= report["cost"]["limits"]["tokens"]


def test_a_small_budget_still_comes_to_an_answer(folder: Path, tmp_path: Path) -> None:
    """When the money runs out the run says so, keeps what it has, and the server has billed no more than the limit."""
    with OpenAIServer(works) as server:
        run = start_agent(
            "due-diligence-agent", {"target": "Nordlicht", "documents": str(folder)}, model=client(server), database=None,
            runs_dir=tmp_path, registry=Registry([pack]), policy={"budget": {"tokens": 40_000}},
        )  # fmt: skip
    report: Any = run.output
    assert server.billed.tokens <= 40_000
    assert run.status in ("success", "partial_success", "failed")
    assert (Path(run.artifacts) / "report.md").exists()
    assert report["status"] == run.status
