"""Texts of several specialists put into one by a model, under weights that are fixed already.

It writes prose and decides nothing: numbers, votes and vetoes are settled before and elsewhere, and a text with a figure that no finding
has is not taken.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Protocol

from concertino.contracts.errors import JournalError, StaleLease
from concertino.contracts.finding import Finding
from concertino.contracts.json import dump
from concertino.prompts import fence, load, plain, refusal_in, text_in, was_cut

TEXT_CHARS = 8_000
"""Of one finding."""
TEXTS_CHARS = 60_000
"""Of all together. Both were chosen by hand."""
ANSWER_CHARS = 6_000
"""Longest text that is taken; 300 words have about a third of it."""
FIGURE = re.compile(r"\d+(?:[.,'\u00a0\u202f ]\d{3})*(?:[.,]\d+)?")
ORDINAL = re.compile(r"^[^\S\n]*(?:[-*]\s*)?\(?\d{1,2}[.)]\s", re.MULTILINE)
"""`1. `, which numbers an item and states nothing."""


class Model(Protocol):
    """What writes: a chat model."""

    async def ainvoke(self, messages: Any, /) -> Any: ...


async def merge_text(findings: Sequence[Finding], *, shares: Sequence[float], model: Model | None) -> str | None:
    """Return one text that says what the findings say, whole, or `None` on any failure; the template then stands in.

    Args:
        findings: Whose outputs are merged; what is no text is shown as JSON.
        shares: Each finding's part of the weight, 0-1, in the same order.
        model: Who writes, bound to a budget.

    Raises:
        StaleLease: another process took the run over.
        JournalError: the storage refused.
        ValueError: there are not as many shares as findings.
    """
    if len(shares) != len(findings):
        raise ValueError(f"{len(findings)} findings, {len(shares)} shares")
    if model is None or not findings:
        return None
    ranked = sorted(zip(findings, shares, strict=True), key=lambda pair: -pair[1])
    told = _told(ranked)
    messages = [
        {"role": "system", "content": load("synthesize").text},
        {"role": "user", "content": "\n\n".join(told)},
    ]
    try:
        answer = await model.ainvoke(messages)
    except (StaleLease, JournalError):
        raise
    except Exception:  # noqa: BLE001 - a model may raise anything, and the texts can stand side by side
        return None
    text = plain(text_in(answer)).strip()
    if (
        not text
        or len(text) > ANSWER_CHARS
        or was_cut(answer)
        or refusal_in(answer) is not None
        or _invented(text, ranked)
    ):
        return None
    return text


def _told(ranked: Sequence[tuple[Finding, float]]) -> list[str]:
    told: list[str] = []
    left = TEXTS_CHARS
    for number, (finding, share) in enumerate(ranked, 1):
        shown = _said(finding)[: max(0, min(TEXT_CHARS, left))]
        left -= len(shown)
        if shown:
            source = f"finding {number}, by {finding.specialist or 'a specialist'}"
            told.append(f"Weight {share:.0%}:\n{fence(shown, source=source)}")
    return told


def _said(finding: Finding) -> str:
    return finding.output if isinstance(finding.output, str) else dump(finding.output)


def _invented(text: str, ranked: Sequence[tuple[Finding, float]]) -> bool:
    """Say whether a text has a figure that is in no finding and is no weight."""
    known = {figure for finding, _ in ranked for figure in _figures(_said(finding))}
    known |= {figure for _, share in ranked for figure in (f"{share * 100:.0f}", f"{share:.2f}", f"{share:.1f}")}
    known.add(str(len(ranked)))
    return not _figures(ORDINAL.sub("", text)) <= known


def _figures(text: str) -> set[str]:
    """Return the figures in a text, without what parts their thousands."""
    found = set()
    for figure in FIGURE.findall(text):
        bare = re.sub(r"[,'\u00a0\u202f ](?=\d{3}(?!\d))", "", figure).replace(",", ".")
        found.add(bare.rstrip("0").rstrip(".") if "." in bare else bare)
    return found
