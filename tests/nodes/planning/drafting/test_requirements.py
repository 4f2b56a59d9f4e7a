"""Reading what a task asks for by rule: what is found, and that no text takes long."""

from __future__ import annotations

import time

import pytest

from concertino.nodes.planning.drafting.requirements import TEXT_CHARS, requirements_in


def test_headings_may_be_spaced_and_marked() -> None:
    """Blanks around and within a heading change nothing."""
    found = requirements_in("#   Goals\n- be quick\n**Constraints:**   a;  b\n\n  ## Definition   of done  \n - z\n")
    assert (found.objectives, found.constraints) == (("be quick",), ("a", "b"))
    spaced = requirements_in("Acceptance    criteria :\n1. x")
    assert [one.text for one in spaced.acceptance_criteria] == ["x"]


@pytest.mark.parametrize(
    ("before", "blank", "after"),
    [("", " ", ""), ("", "\t", "x"), ("# ", " ", "x"), ("**", " ", "x"), ("goals", " ", "x"), ("goals:", " ", "; x"),
     (". ", " ", "x"), ("-", " ", ""), ("a", " \n", "b")],
)  # fmt: skip
def test_blanks_cost_linear_time(before: str, blank: str, after: str) -> None:
    """The longest text that is read takes less processor time than 8,000 blanks once took (5.7 s), by far."""
    text = (before + blank * (TEXT_CHARS // len(blank)))[: TEXT_CHARS - len(after)] + after
    began = time.process_time()
    requirements_in(text)
    assert time.process_time() - began < 1.0
