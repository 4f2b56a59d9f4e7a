"""The order in which findings and history came makes no difference, to the last bit."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import JsonValue

from concertino.contracts.finding import Finding
from concertino.nodes.synthesis import Synthesis, TrackRecord, synthesize

NAMES = tuple(f"s{n}" for n in range(7))
KINDS = ("label", "name", "number", "price", "ranking", "object")


def output(kind: str, truth: int, *, wrong: bool, draw: random.Random) -> JsonValue:
    """One answer of a kind; the truth where it is not wrong."""
    shown = (truth + 1 + draw.randrange(3)) % 4 if wrong else truth
    if kind == "label":
        return "abcd"[shown]
    if kind == "name":
        return f"name {truth} {shown}"
    if kind == "number":
        return 50.0 + truth + (draw.gauss(0, 5) if wrong else 0.0)
    if kind == "price":
        return 10.0 ** (1 + truth) * (draw.uniform(0.3, 3) if wrong else 1.0)
    if kind == "ranking":
        items: list[JsonValue] = list("abcd"[truth:] + "abcd"[:truth])
        return items[1:] + items[:1] if wrong else items
    return {"colour": "abcd"[shown], "size": 50.0 + truth + (draw.gauss(0, 5) if wrong else 0.0)}


def history(kind: str, seed: int, *, unsettled: int) -> tuple[list[Finding], dict[str, JsonValue]]:
    """Answers to twelve settled questions and some others, and the truths."""
    draw = random.Random(f"{kind}{seed}")
    said: list[Finding] = []
    truths: dict[str, JsonValue] = {}
    for n in range(12 + unsettled):
        truth = draw.randrange(4)
        domain = draw.choice(("law", "tax", None))
        for k, name in enumerate(NAMES):
            if draw.random() < 0.8 or k == 0:
                value = output(kind, truth, wrong=draw.random() < 0.1 + 0.08 * k, draw=draw)
                confidence = round(draw.uniform(0.3, 1), 2)
                said.append(
                    Finding(output=value, confidence=confidence, specialist=name, question_id=f"q{n}", domain=domain)
                )
        if n < 12:
            truths[f"q{n}"] = output(kind, truth, wrong=False, draw=draw)
    return said, truths


def book(said: Sequence[Finding], truths: dict[str, JsonValue]) -> TrackRecord:
    record = TrackRecord()
    for finding in said:
        record.record(finding)
    for question, truth in truths.items():
        record.settle(question, truth)
    return record


def told(result: Synthesis) -> object:
    """All that a result says, findings by name instead of place."""
    whole = result.model_dump()
    whole["weights"] = sorted(({**one, "finding": None} for one in whole["weights"]), key=str)
    whole["provenance"] = sorted(whole["provenance"], key=lambda claim: claim["field"])
    whole["dissent"] = sorted(whole["dissent"], key=str)
    return whole


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10_000), unsettled=st.sampled_from([0, 6]), shuffle=st.integers(0, 10_000))
def test_the_order_of_findings_and_of_history_makes_no_difference(
    kind: str, seed: int, unsettled: int, shuffle: int
) -> None:
    """Findings, recorded answers and truths in another order: the same result to the last bit, of every kind."""
    said, truths = history(kind, seed, unsettled=unsettled)
    draw = random.Random(f"now{seed}")
    # Someone nobody knows among them.
    asked = [
        Finding(
            output=output(kind, 2, wrong=draw.random() < 0.6, draw=draw),
            confidence=round(draw.uniform(0.3, 1), 2),
            specialist=name,
            question_id="now",
            domain=draw.choice(("law", "tax")),
        )
        for name in (*NAMES, "stranger")
    ]
    one = synthesize(asked, authority=book(said, truths), calibrate=True, missing=["s9", "s8"])
    order = random.Random(shuffle)
    mixed, settled = list(said), list(truths.items())
    for some in (mixed, settled, asked):
        order.shuffle(some)
    other = synthesize(asked, authority=book(mixed, dict(settled)), calibrate=True, missing=["s9", "s8"])
    assert told(one) == told(other)
    assert one.provenance[0].learned is not None


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10_000), shuffle=st.integers(0, 10_000))
def test_the_order_of_questions_in_one_call_makes_no_difference(seed: int, shuffle: int) -> None:
    """Ten questions at once are further history for each other, in whatever order they come."""
    said, truths = history("label", seed, unsettled=10)
    asked = [finding for finding in said if finding.question_id not in truths]
    known = [finding for finding in said if finding.question_id in truths]
    one = synthesize(asked, authority=book(known, truths), calibrate=True)
    random.Random(shuffle).shuffle(asked)
    other = synthesize(asked, authority=book(known, truths), calibrate=True)
    assert one.answer == other.answer
    assert one.confidence == other.confidence
    assert {claim.question_id: claim for claim in one.provenance} == {
        claim.question_id: claim for claim in other.provenance
    }
