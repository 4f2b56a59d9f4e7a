"""Reading what a task asks for by rule: what is found in which layout, and that no text takes long."""

from __future__ import annotations

import time

import pytest

from concertino.contracts.requirements import Criterion
from concertino.contracts.task import Task
from concertino.nodes.planning.requirements import TEXT_CHARS, requirements_in, requirements_of

LISTED = """We want to buy Acme.

Objectives:
- Decide whether to buy
- Understand the risks

Constraints:
- Do not contact the seller

Acceptance criteria:
1. The price is stated
2. The lawsuits are listed
3) The market share is given

The report must be finished by Friday. It should be short."""


def criteria(text: str) -> list[str]:
    """Return the criteria's texts."""
    return [one.text for one in requirements_in(text).acceptance_criteria]


def test_headings_may_be_spaced_and_marked() -> None:
    """Blanks around and within a heading change nothing."""
    found = requirements_in("#   Goals\n- be quick\n**Constraints:**   a;  b\n\n  ## Definition   of done  \n - z\n")
    assert (found.objectives, found.constraints) == (("be quick",), ("a", "b"))
    spaced = requirements_in("Acceptance    criteria :\n1. x")
    assert [one.text for one in spaced.acceptance_criteria] == ["x"]


@pytest.mark.parametrize(
    "text",
    [
        "Success criteria\n----\n- price\n- law",
        "Acceptance Criteria\n===\n\nprice\n\nlaw\n\nNotes\n---\nnothing",
        "## Acceptance Criteria ##\n* [ ] price\n* [x] law\n\n## Notes\n- none of it",
        "## Acceptance criteria\n### Money\n- price\n### Rights\n- law\n## Annex\n- none of it",
        "Assess Acme. Acceptance criteria: price; law",
        "Assess Acme. Acceptance criteria:\n\n- price\n- law",
        "Assess Acme.\nAcceptance: price, law",
        "Acceptance criteria — price; law",
        "Acceptance criteria: (1) price (2) law",
        "Definition of done: price, and law",
        "Criteria:\n- price\n- law",
        "The memo is accepted when:\n1. price\n2) law\n\nThanks!",
        "1. Goals\n   - be quick\n2. Acceptance criteria\n   a) price\n   b) law",
        "**Definition of Done**\n\n• price;\n• law\n\nRegards, the team must know.",
        "> **Acceptance criteria (all must hold):**\n> ☐ price\n> ☑ law",
        "Acceptance criteria: as listed here\n- price\n- law\n\nTimeline:\n- Friday",
        "- Goal: decide\n- Acceptance criteria: price; law\n- Deadline: Friday",
        "Acceptance criteria\n1. price\n2. Price.\n3. law",
    ],
)
def test_criteria_are_found_in_any_layout(text: str) -> None:
    """Marks, checkboxes and numbers are no part of a criterion, what stands around the list is none, and each counts once."""
    assert criteria(text) == ["price", "law"]


def test_a_list_ends_where_prose_begins() -> None:
    """A paragraph behind the criteria is none of them; what binds in it is a constraint."""
    found = requirements_in(LISTED)
    assert [one.id for one in found.acceptance_criteria] == ["c1", "c2", "c3"]
    assert found.objectives == ("Decide whether to buy", "Understand the risks")
    assert found.constraints == ("Do not contact the seller", "The report must be finished by Friday.")


def test_labels_are_ids() -> None:
    """Criteria that have names of their own keep these."""
    found = requirements_in("Assess Acme\nAC1: price known\n- **AC-2**: law known\n")
    assert [(one.id, one.text) for one in found.acceptance_criteria] == [("AC1", "price known"), ("AC-2", "law known")]


def test_labels_and_numbers_never_meet() -> None:
    """A number that a label has is not given again, nor is a label that is there twice."""
    found = requirements_in("Acceptance criteria:\n- a\n- AC1: b\n- AC1: c\n")
    assert [(one.id, one.text) for one in found.acceptance_criteria] == [("c1", "a"), ("AC1", "b"), ("c2", "c")]


def test_commas_part_only_what_is_of_one_form() -> None:
    """A sentence that names several things is one criterion."""
    whole = "The report names price, risks and market share."
    assert criteria(f"Acceptance criteria: {whole}") == [whole]


def test_broken_lines_are_one_item() -> None:
    """An item that goes on, indented, on the next line is one."""
    assert criteria("Done when:\n- the price\n  is known\n- law") == ["the price is known", "law"]


def test_what_the_answer_must_name_is_a_criterion_where_none_are_listed() -> None:
    """Beside a list it is a rule like any other."""
    asked = "The answer must name a price range."
    assert requirements_in(f"Be quick. {asked}").acceptance_criteria == (Criterion(id="c1", text=asked),)
    listed = requirements_in(f"{asked}\n\nAcceptance criteria:\n- law")
    assert [one.text for one in listed.acceptance_criteria] == ["law"]
    assert listed.constraints == (asked,)
    assert not criteria("The report must be finished by Friday, and must not name the seller.")


def test_one_goal_ends_with_its_sentence() -> None:
    """What stands behind it is no goal."""
    found = requirements_in("Goal: decide whether to buy. We may spend at most 10 EUR.")
    assert (found.objectives, found.constraints) == (("decide whether to buy.",), ("We may spend at most 10 EUR.",))


def test_a_title_is_read_too() -> None:
    """One line of words is a title alone, and may say it all."""
    found = requirements_of(Task(title="Assess Acme. Acceptance criteria: price; law"))
    assert found is not None
    assert [one.text for one in found.acceptance_criteria] == ["price", "law"]


@pytest.mark.parametrize(
    ("before", "blank", "after"),
    [("", " ", ""), ("", "\t", "x"), ("# ", " ", "x"), ("**", " ", "x"), ("goals", " ", "x"), ("goals:", " ", "; x"),
     (". ", " ", "x"), ("-", " ", ""), ("a", " \n", "b"),
     *(("", unit, "") for unit in (
         "\n", "a\n", "- a\n", "A. ", "Goals: a\n", "Goals: ", "Goals: a. ", "# a\n", "**a**\n", "AC1: a\n", "- [ ] ", "a\n----\n",
         "a, ", "must ", "The report must ", "The report must list it. ", "It must list it. Do not. ", "(1) ", "x" * 55 + "\n", "1.1.1.")),
     ("goals: ", "a, ", "")],
)  # fmt: skip
def test_a_text_costs_linear_time(before: str, blank: str, after: str) -> None:
    """The longest text that is read takes a fraction of a second of processor time, whatever stands in it (measured: < 50 ms)."""
    text = (before + blank * (TEXT_CHARS // len(blank)))[: TEXT_CHARS - len(after)] + after
    began = time.process_time()
    requirements_in(text)
    assert time.process_time() - began < 0.5
