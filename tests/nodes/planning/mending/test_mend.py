"""What `mend` repairs, what it refuses, and what it leaves alone."""

from __future__ import annotations

from typing import Any

from concertino.contracts.limits import Limits
from concertino.contracts.requirements import Criterion
from concertino.contracts.specialist import SpecialistCard
from concertino.contracts.task import Task
from concertino.nodes.planning.draft import Draft
from concertino.nodes.planning.mending import Mended, mend

NAMES = ("search", "summary", "report")


def _mend(
    rows: list[Any], *, cards: dict[str, SpecialistCard] | None = None, task: Task | None = None, **beside: Any
) -> Mended:
    known = cards or {name: SpecialistCard(name) for name in NAMES}
    return mend(Draft({"subtasks": rows, **beside}, "caller"), task=task or Task(task_id="t"), cards=known)


def _row(name: str, specialist: str = "search", *needs: str, **more: Any) -> dict[str, Any]:
    return {"id": name, "specialist": specialist, "needs": list(needs), **more}


def _needs(mended: Mended) -> dict[str, tuple[str, ...]]:
    assert mended.plan is not None, mended.faults
    return {subtask.id: subtask.needs for subtask in mended.plan.subtasks}


def _kinds(name: str, takes: str, gives: str) -> SpecialistCard:
    schemas: list[Any] = [
        {"type": "object", "properties": {kind: {}}, "additionalProperties": True} for kind in (takes, gives)
    ]
    return SpecialistCard(name, input_schema=schemas[0], output_schema=schemas[1])


def test_a_valid_plan_is_left_alone() -> None:
    """What is valid comes back as it was, without a note."""
    mended = _mend([_row("a"), _row("b", "report", "a")])
    assert (mended.status, mended.notes) == ("valid", ())
    assert mended.draft.plan["subtasks"] == [_row("a"), _row("b", "report", "a")]


def test_links_by_name_are_no_repair() -> None:
    """Links that can mean one pair only become needs, and the plan counts as valid."""
    mended = _mend(
        [_row("a"), _row("b", "report")], links=[{"from": "search", "to": "report"}, {"from": "a", "to": "b"}]
    )
    assert (mended.status, _needs(mended)) == ("valid", {"a": (), "b": ("a",)})


def test_a_link_between_tools_used_twice_goes_along_the_order() -> None:
    """Each of two equal links joins its own nearest pair, none against the order."""
    rows = [_row("a"), _row("b", "summary"), _row("c"), _row("d", "summary")]
    mended = _mend(rows, links=[{"from": "search", "to": "summary"}] * 2)
    assert mended.status == "repaired"
    assert _needs(mended) == {"a": (), "b": ("a",), "c": (), "d": ("c",)}
    assert sum("could mean several" in note for note in mended.notes) == 2


def test_what_leads_nowhere_is_dropped_with_a_note_each() -> None:
    """Links and needs to what is not there or to oneself, and links without two ends, go; the rest stays."""
    rows = [_row("a", "search", "a", "ghost"), _row("b", "report", "a")]
    links: list[Any] = [{"from": "search", "to": "Output"}, {"from": "search", "to": "search"}, {"from": "search"}, 7]
    mended = _mend(rows, links=links)
    assert _needs(mended) == {"a": (), "b": ("a",)}
    assert len(mended.notes) == 6


def test_a_circle_loses_the_edge_against_the_order() -> None:
    """One edge goes, which no argument bears out; what arguments say stays."""
    rows = [_row("a", "search", "c"), _row("b", "summary", "a"), _row("c", "report", "b", inputs={"text": "${b.text}"})]
    mended = _mend(rows)
    assert _needs(mended) == {"a": (), "b": ("a",), "c": ("b",)}
    assert any("circle" in note for note in mended.notes)


def test_a_circle_of_arguments_is_refused() -> None:
    """Where each needs the other's output no edge can go without a missing input."""
    mended = _mend([_row("a", inputs={"x": "${b.x}"}), _row("b", inputs={"x": "${a.x}"})])
    assert mended.status == "refused"
    assert [fault.code for fault in mended.faults] == ["cycle"]


def test_an_argument_from_a_later_subtask_is_turned_to_the_one_before() -> None:
    """A reference that runs against a link along the order means the subtask that is needed."""
    rows = [_row("a"), _row("b", "summary", "a", inputs={"x": {"$from": "c"}}), _row("c", "report", "b")]
    mended = _mend(rows)
    assert _needs(mended) == {"a": (), "b": ("a",), "c": ("b",)}
    assert mended.plan is not None
    assert mended.plan.subtasks[1].inputs == {"x": {"$from": "a"}}


def test_subtasks_with_one_id_are_told_apart() -> None:
    """Both stay; who speaks of the id means the nearest before."""
    mended = _mend([_row("a"), _row("b", "report", "a"), _row("a", "summary"), _row("c", "report", "a")])
    assert _needs(mended) == {"a": (), "b": ("a",), "a-2": (), "c": ("a-2",)}


def test_near_names_are_taken_with_a_note() -> None:
    """A name that plainly means one specialist, or a capability, becomes that."""
    cards = {
        "search": SpecialistCard("search"),
        "writer": SpecialistCard("writer", capabilities=frozenset({"tell_story"})),
    }
    mended = _mend([_row("a", "Searching"), _row("b", "Tell Stories", "a")], cards=cards)
    assert mended.plan is not None, mended.faults
    assert [subtask.specialist for subtask in mended.plan.subtasks] == ["search", "writer"]
    assert len(mended.notes) == 2


def test_a_subtask_that_nobody_can_do_and_nobody_uses_is_left_out() -> None:
    """It goes with a loud note; nothing else does."""
    mended = _mend([_row("a"), _row("b", "teleport", "a"), _row("c", "report", "a")])
    assert _needs(mended) == {"a": (), "c": ("a",)}
    assert [note for note in mended.notes if note.startswith("NOT PLANNED: b")]


def test_a_subtask_whose_output_is_used_is_refused_by_name() -> None:
    """Without it another would lack an input: the plan is refused whole, and nothing is left out of the draft."""
    mended = _mend(
        [_row("a"), _row("b", "teleport", "a"), _row("c", "report", inputs={"x": "${b.x}"}), _row("d", "levitate")]
    )
    assert (mended.status, mended.plan) == ("refused", None)
    assert [fault.value for fault in mended.faults] == ["teleport", "levitate"]
    assert len(mended.draft.plan["subtasks"]) == 4  # type: ignore[arg-type]  # a list


def test_a_step_in_between_is_left_out_only_where_kinds_agree() -> None:
    """Whoever took its output takes what it took, if that is of the right kind; else the plan is refused."""
    cards = {
        "hear": _kinds("hear", "audio", "text"),
        "tell": _kinds("tell", "text", "text"),
        "paint": _kinds("paint", "image", "image"),
    }
    for end, status in (("tell", "repaired"), ("paint", "refused")):
        rows = [_row("a", "hear"), _row("b", "teleport", "a"), _row("c", end, inputs={"x": {"$from": "b"}})]
        mended = _mend(rows, cards=cards)
        assert mended.status == status
        if mended.plan is not None:
            assert mended.plan.subtasks[1].inputs == {"x": {"$from": "a"}}
            assert _needs(mended) == {"a": (), "c": ("a",)}


def test_nothing_is_left_out_where_that_is_not_wanted() -> None:
    """A model may know better than to leave something out."""
    draft = Draft({"subtasks": [_row("a"), _row("b", "teleport")]}, "model")
    mended = mend(draft, task=Task(task_id="t"), cards={"search": SpecialistCard("search")}, drop_unknown=False)
    assert (mended.status, [fault.value for fault in mended.faults]) == ("refused", ["teleport"])


def test_inputs_are_brought_to_the_schema() -> None:
    """Close names are put right, inputs without a use go, missing ones come from the task, and positions become names."""
    schema: Any = {"type": "object", "properties": {"query": {"type": "string"}, "year": {}}, "required": ["query"]}
    cards = {"search": SpecialistCard("search", input_schema=schema)}
    rows = [_row("a", inputs={"qery": "x", "colour": 1}), _row("b"), _row("c", inputs={"arguments": ["y", 1999]})]
    mended = _mend(rows, cards=cards, task=Task(task_id="t", payload={"query": "z"}))
    assert mended.plan is not None, mended.faults
    assert [subtask.inputs for subtask in mended.plan.subtasks] == [
        {"query": "x"},
        {"query": "z"},
        {"query": "y", "year": 1999},
    ]


def test_an_input_that_nobody_has_stays_missing() -> None:
    """No value is made up."""
    schema: Any = {"type": "object", "properties": {"query": {"type": "string"}}, "required": ["query"]}
    mended = _mend([_row("a")], cards={"search": SpecialistCard("search", input_schema=schema)})
    assert [fault.code for fault in mended.faults] == ["missing_input"]


def test_a_criterion_covered_twice_stays_with_the_first_required() -> None:
    """Later and optional subtasks give it up."""
    task = Task(task_id="t", acceptance_criteria=(Criterion(id="c1"),))
    rows = [_row("a", covers=["c1"], required=False), _row("b", covers=["c1", "c9"]), _row("c", covers=["c1"])]
    mended = _mend(rows, task=task)
    assert mended.plan is not None, mended.faults
    assert [subtask.covers for subtask in mended.plan.subtasks] == [(), ("c1",), ()]


def test_text_in_the_form_of_a_reference_finds_what_it_means() -> None:
    """By a specialist's name, else by the one subtask that is needed; what means nothing stays text."""
    rows = [_row("a"), _row("b", "summary", "a"), _row("c", "report", "b", inputs={"x": "${search_output}", "y": "${text}"}),
            _row("d", inputs={"z": "${who.knows}"})]  # fmt: skip
    mended = _mend(rows)
    assert mended.plan is not None, mended.faults
    by = {subtask.id: subtask.inputs for subtask in mended.plan.subtasks}
    assert by == {
        "a": {},
        "b": {},
        "c": {"x": {"$from": "a"}, "y": {"$from": "b"}},
        "d": {"z": {"$literal": "${who.knows}"}},
    }


def test_too_large_plans_are_refused_unmended() -> None:
    """The bound on subtasks comes before any mending."""
    draft = Draft({"subtasks": [_row(f"s{n}", "nobody") for n in range(300)]}, "model")
    mended = mend(draft, task=Task(task_id="t"), cards={"search": SpecialistCard("search")}, limits=Limits())
    assert [fault.code for fault in mended.faults] == ["too_many"]
