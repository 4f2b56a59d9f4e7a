"""Graceful degradation: document 004's parts of a result."""

from __future__ import annotations

import pytest

from concertino.contracts.errors import BreakerOpen, BudgetExceeded, ConcertinoError, GateRejected, ToolFailed
from concertino.nodes.synthesis import Outcome, parts, status

DONE = Outcome("s1", "financial_agent", "completed", output={"value": 3})
LATE = Outcome(
    "s2", "legal_agent", "failed", attempts=3, error_type="DeadlineExceeded", objective="Review the contract."
)


def failed_by(error: ConcertinoError) -> Outcome:
    return Outcome(
        "s3",
        "market_agent",
        "failed",
        error_type=type(error).__name__,
        error_message=str(error),
        error_data=error.fields(),
    )


def test_a_timeout_reads_as_in_document_004() -> None:
    """The document's own example comes out in its own words."""
    assert parts([DONE, LATE]) == {
        "completed_agents": ["financial_agent"],
        "failed_agents": [
            {"agent": "legal_agent", "error": "timeout_after_3_attempts", "impact": "Not done: Review the contract"}
        ],
        "results": {"financial_agent": {"value": 3}},
        "recommendations": ["Retry legal analysis with extended timeout", "Manual legal review recommended"],
    }


def test_status_is_partial_only_when_something_required_is_lost() -> None:
    """Optional losses and parts that an early end made needless leave a success."""
    optional = Outcome("s4", "extra", "failed", required=False, error_type="ValueError")
    unneeded = Outcome("s5", "later", "skipped")
    assert status([DONE, optional, unneeded]) == "success"
    assert status([DONE, LATE]) == "partial_success"
    assert status([LATE, unneeded]) == "failed"
    assert status([]) == "failed"
    assert [entry["agent"] for entry in parts([DONE, optional, unneeded])["failed_agents"]] == ["extra"]


def test_a_skipped_dependent_is_named_but_needs_no_advice_of_its_own() -> None:
    """The root cause gets the advice; what fell with it is told in both places."""
    root = Outcome("s2", "legal_agent", "failed", error_type="ValueError", error_message="boom", skipped=("s6",))
    fallen = Outcome("s6", "risk", "skipped", error_type="PrerequisiteFailed", error_message="needs s2, which failed")
    found = parts([DONE, root, fallen])
    assert [entry["error"] for entry in found["failed_agents"]] == [
        "value_error_after_1_attempt: boom",
        "skipped: needs s2, which failed",
    ]
    assert "Skipped in consequence: s6" in found["failed_agents"][0]["impact"]
    assert not any("risk" in advice for advice in found["recommendations"])


@pytest.mark.parametrize(
    ("error", "code", "advice"),
    [
        (
            BudgetExceeded(scope="run", dimension="tokens", asked=500, left=200),
            "budget_exceeded: ",
            "Raise the token budget of run by at least 300, then resume",
        ),
        (
            BreakerOpen(name="search", retry_after_s=12.4),
            "circuit_breaker_open: ",
            "Resume once search has recovered; its breaker lets a probe through in 12 s",
        ),
        (
            ToolFailed(tool="search", attempts=3, reason="503"),
            "tool_failed_after_1_attempt: ",
            "Check the tool search, then retry market analysis",
        ),
        (
            GateRejected(gate="offer", reason="too high"),
            "rejected: ",
            "Revise what was rejected for market analysis and submit it as a new task",
        ),
    ],
)
def test_our_own_errors_get_advice_that_names_what_to_change(error: ConcertinoError, code: str, advice: str) -> None:
    """Code first, and a remedy with its figures."""
    found = parts([failed_by(error)])
    assert found["failed_agents"][0]["error"].startswith(code)
    assert found["recommendations"] == [advice, "Manual market review recommended"]


def test_criteria_and_optional_parts_show_in_the_impact() -> None:
    """The impact names the criteria that stay open."""
    outcome = Outcome("s7", "legal", "blocked", covers=("c1", "c2"), required=False)
    assert parts([outcome])["failed_agents"][0] == {
        "agent": "legal",
        "error": "blocked",
        "impact": "Cannot confirm acceptance criteria c1, c2. Optional: the answer counts as complete without it",
    }


def test_an_agent_with_several_subtasks_keeps_all_its_outputs() -> None:
    """Results are by subtask where an agent has more than one, and one failure takes it off the completed."""
    found = parts(
        [
            Outcome("a", "writer", "completed", output=1),
            Outcome("b", "writer", "completed", output=2),
            Outcome("c", "checker", "completed", output=3),
            Outcome("d", "checker", "cancelled", error_message="by hand"),
        ]
    )
    assert found["completed_agents"] == ["writer"]
    assert found["results"] == {"writer": {"a": 1, "b": 2}, "checker": 3}
    assert found["failed_agents"][0]["error"] == "cancelled: by hand"


def test_unfinished_states_say_how_to_go_on() -> None:
    """Waiting, pending and cancelled parts each get their own advice."""
    states = [Outcome(s, s, s, attempts=0) for s in ("waiting", "pending", "cancelled")]
    assert parts(states)["recommendations"] == [
        "Answer the open question of the waiting analysis, then resume",
        "Resume the run to have the pending analysis done",
        "Restart the run to have the cancelled analysis done",
    ]
