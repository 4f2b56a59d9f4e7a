"""What the page shows of a synthesis that was learned: chances, what would turn it, worth, warnings, the past as a plot."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from concertino.evals.reports import page, run_report
from concertino.evals.reports.measures import Words
from concertino.evals.reports.packing_synthesis import MOST_OPTIONS, packed_synthesis
from tests.evals.told import events, result

EVIL = "<img src='http://127.0.0.1:9/x.png'>"
CURVE = [[0.95, 0.2, 1.0], [0.8, 0.6, 0.95], [0.5, 1.0, 0.85]]


def learned(**changes: Any) -> dict[str, Any]:
    """Return a result that was learned from twenty settled questions."""
    claim: dict[str, Any] = {
        "question_id": None, "field": "", "answer": "pass", "method": "learned_vote", "share": 0.6, "confidence": 0.75,
        "authority": 2.0, "supporters": [{"specialist": "legal", "weight": 0.6, "evidence": []}], "tied": False,
        "learned": {
            "settled": 20, "ways": {"log odds": 0.7, "formula": 0.28, "norm 4": 0.02}, "interval": None,
            "options": [{"answer": "pass", "probability": 0.75}, {"answer": EVIL, "probability": 0.2}],
            "voices_worth": 2.4, "warnings": ["financial and writer share a voice"],
            "worth": [{"specialist": "tax", "gain": 0.04, "could_flip": True}, {"specialist": None, "gain": 0.0, "could_flip": False}],
        },
    }  # fmt: skip
    dissent = {
        "question_id": None, "field": "", "answer": EVIL, "specialists": ["writer"], "weight": 0.4, "share": 0.2, "tied": False,
        "weight_to_flip": None, "switches": ["legal"],
    }  # fmt: skip
    known = result(
        method="learned_vote", provenance=[claim], dissent=[dissent], calibration={"n": 20, "ece": 0.03},
        abstain=True, abstain_reason="the answer is right with probability 0.75, asked are 0.90",
        track_record={"settled": 20, "answers": 60, "curve": CURVE},
        worth=[{"subtask_id": "s", "name": "dig", "specialist": "tax", "gain": 0.001, "least": 0.01, "asked": False, "reason": "hearing tax is worth little"}],
    )  # fmt: skip
    return known | changes


def test_everything_that_was_learned_is_drawn(opened: Callable[..., Any]) -> None:
    """In words, as bars, and as a plot with the place of this answer; nothing from outside is markup."""
    tab = opened(page(run_report(learned(), events())))
    part = tab.locator("section[aria-labelledby=synthesis]")
    part.locator("details summary").first.click()
    told = part.inner_text()
    for said in (
        "ECE 0.03 over 20", "asked are 0.90", "log odds 70 %", "tax +4 %, could turn it", "a stranger nothing",
        "financial and writer share a voice", "wins if legal came over", "hearing tax is worth little", "left out", EVIL,
    ):  # fmt: skip
        assert said in told
    assert part.locator(".selective .dot").count() == 2
    assert part.locator(".selective .own").count() == 1
    assert "85 % right" in str(part.locator(".selective svg").get_attribute("aria-label"))
    assert "60 % answered, 95 % of these right" in part.locator("figcaption").inner_text()


def test_without_a_record_nothing_of_it_is_drawn(opened: Callable[..., Any]) -> None:
    """The page is what it was."""
    tab = opened(page(run_report(result(), events())))
    assert tab.locator(".selective").count() == 0
    assert "no track record" in tab.locator("section[aria-labelledby=synthesis]").inner_text()


def test_a_thousand_learned_weights_are_added_up_by_specialist() -> None:
    """What is shown adds up to what was given."""
    weights = [
        {"finding": n, "specialist": f"s{n % 4}", "question_id": None, "confidence": 0.5 + n % 2 / 10, "authority": 0.5, "weight": 0.001}
        for n in range(1_000)
    ]  # fmt: skip
    packed: Any = packed_synthesis(learned(weights=weights), [], Words())
    assert packed["added_up"] == 1_000
    assert packed["weights"]["weight"] == [0.25] * 4
    assert packed["weights"]["confidence"] == [0.5, 0.6, 0.5, 0.6]


def test_the_page_carries_no_more_than_it_lists() -> None:
    """Of a hundred answers the likeliest, of ways only those that were believed."""
    many = learned()
    claim = many["provenance"][0]["learned"]
    claim["options"] = [{"answer": n, "probability": n / 5_000} for n in range(100)]
    packed: Any = packed_synthesis(many, [], Words())
    told = packed["claims"][0]["learned"]
    assert [one["answer"] for one in told["options"]] == [*range(99, 99 - MOST_OPTIONS, -1)]
    assert set(told["ways"]) == {"log odds", "formula"}
    assert packed["record"]["curve"] == CURVE
