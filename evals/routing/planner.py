"""An editorial office: specialists whose work is simple, so that only who does what is tried."""

from __future__ import annotations

import asyncio
from typing import Any

from concertino import Brief, Budget, Finding, ToolFailed, create_planner, specialist

WORK_S = {"research": 4.0, "analysis": 3.0, "writing": 5.0, "editing": 2.0, "translation": 2.5, "law": 6.0}
"""Seconds that each kind of work takes."""


async def work(brief: Brief, kind: str, confidence: float) -> Finding:
    """Take the time, and hand in what was asked."""
    await asyncio.sleep(WORK_S[kind])
    return Finding(output={"kind": kind, "by": brief.objective}, confidence=confidence)


@specialist(
    "researcher", capabilities={"research"}, domain="facts", description="Finds sources and facts.", authority=0.7
)
async def researcher(brief: Brief) -> Finding:
    """Fail for good on what stands behind a paywall."""
    if "paywalled" in brief.objective:
        await asyncio.sleep(1.0)
        raise ToolFailed(tool="archive", attempts=1, reason="behind a paywall")
    return await work(brief, "research", 0.8)


@specialist(
    "librarian", capabilities={"research"}, domain="facts", description="Finds sources in libraries.", authority=0.5
)
async def librarian(brief: Brief) -> Finding:
    """Find what the researcher cannot."""
    return await work(brief, "research", 0.6)


@specialist("analyst", capabilities={"analysis"}, domain="figures", description="Reads figures.", authority=0.9)
async def analyst(brief: Brief) -> Finding:
    """Read figures."""
    return await work(brief, "analysis", 0.9)


@specialist("junior_analyst", capabilities={"analysis"}, domain="figures", description="Reads figures.", authority=0.4)
async def junior_analyst(brief: Brief) -> Finding:
    """Read figures with less authority."""
    return await work(brief, "analysis", 0.5)


@specialist("writer", capabilities={"writing"}, domain="text", description="Writes articles.", max_concurrency=1)
async def writer(brief: Brief) -> Finding:
    """Write, one article at a time."""
    return await work(brief, "writing", 0.8)


@specialist("editor", capabilities={"editing"}, domain="text", description="Corrects and shortens.", authority=0.8)
async def editor(brief: Brief) -> Finding:
    """Correct."""
    return await work(brief, "editing", 0.9)


@specialist(
    "translator", capabilities={"translation"}, domain="text", description="Translates into one language.",
    input_schema={"type": "object", "properties": {"language": {"type": "string"}}, "required": ["language"]},
)  # fmt: skip
async def translator(brief: Brief) -> Finding:
    """Translate."""
    return await work(brief, "translation", 0.8)


@specialist(
    "counsel", capabilities={"law"}, domain="law", description="Says whether something may be printed.", authority=1.0
)
async def counsel(brief: Brief) -> Finding:
    """Judge."""
    return await work(brief, "law", 0.95)


WORKFLOWS: list[dict[str, Any]] = [
    {
        "name": "report",
        "match": {"task_type": "report"},
        "plan": {
            "subtasks": [
                {"id": "facts", "capability": "research", "objective": "Facts on ${task.title}", "estimate_s": 4},
                {"id": "figures", "capability": "analysis", "objective": "Figures on ${task.title}", "estimate_s": 3},
                {
                    "id": "law", "specialist": "counsel", "when": "payload.delicate == true", "estimate_s": 6,
                    "objective": "May ${task.title} be printed?",
                },
                {
                    "id": "text", "capability": "writing", "needs": ["facts", "figures", "law"], "estimate_s": 5,
                    "objective": "Article on ${task.title}",
                },
                {"id": "final", "capability": "editing", "needs": ["text"], "objective": "Correct the article", "estimate_s": 2},
            ],
            "answer": ["final"],
        },
    },
    {
        "name": "translation",
        "match": {"task_type": "translation"},
        "plan": {
            "subtasks": [
                {
                    "id": "version", "specialist": "translator", "for_each": "payload.languages", "estimate_s": 2.5,
                    "objective": "Translate into ${item}", "inputs": {"language": "${item}"},
                },
                {"id": "check", "specialist": "editor", "needs": ["version"], "objective": "Compare the versions"},
            ]
        },
    },
    {
        "name": "libel",
        "match": {"keywords": ["libel", "slander"]},
        "plan": {
            "gate": {"question": "Do we take this up?"},
            "subtasks": [{"id": "opinion", "capability": "law", "objective": "Opinion on ${task.title}"}],
        },
    },
]  # fmt: skip


def create(model: Any = None, *, rules: bool = True, concurrency: int | None = None) -> Any:
    """Return the office's planner; without rules every task is left to the model."""
    return create_planner(
        specialists=[researcher, librarian, analyst, junior_analyst, writer, editor, translator, counsel],
        workflows=WORKFLOWS if rules else [],
        model=model,
        concurrency=concurrency,
        budget=Budget(tokens=60_000, seconds=300, calls=60),
    )
