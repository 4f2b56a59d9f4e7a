"""What holds of mending whatever a plan looks like."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from concertino.contracts.specialist import SpecialistCard
from concertino.contracts.task import Task
from concertino.nodes.planning import paths
from concertino.nodes.planning.draft import Draft
from concertino.nodes.planning.mending import mend
from concertino.nodes.planning.validate import validate_draft

KNOWN = ("search", "summary", "Text-to-Image")
CARDS = {name: SpecialistCard(name, description=f"Does {name} work.") for name in KNOWN}
TASK = Task(task_id="t")

ids = st.sampled_from([f"n{number}" for number in range(8)])
workers = st.sampled_from([*KNOWN, "Searcher", "sumary", "Image-to-Text", "teleport", "plan", ""])
values = st.one_of(
    st.text(max_size=6),
    st.builds("${{{}.x}}".format, ids),
    st.builds(lambda name: {"$from": name}, ids),
    st.just("${gone}"),
)
rows = st.fixed_dictionaries(
    {
        "specialist": workers,
        "needs": st.lists(ids, max_size=4),
        "inputs": st.dictionaries(st.sampled_from("xyz"), values, max_size=2),
    }
)
ends = st.one_of(ids, workers)
links = st.lists(
    st.one_of(st.builds(lambda one, other: {"from": one, "to": other}, ends, ends), st.just({"from": "x"}), st.none()),
    max_size=5,
)
junk = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), ends),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(
            st.sampled_from(["id", "needs", "inputs", "specialist", "covers", "$from", "from", "to", "x"]),
            inner,
            max_size=4,
        ),
    ),
    max_leaves=12,
)


def _plan(given_rows: list[dict[str, Any]]) -> list[Any]:
    return [{"id": f"n{number}", **row} for number, row in enumerate(given_rows)]


@given(st.lists(rows, min_size=1, max_size=8), links)
@settings(max_examples=300, deadline=None)
def test_a_mended_plan_is_valid_and_mending_it_again_changes_nothing(
    given_rows: list[dict[str, Any]], given_links: list[Any]
) -> None:
    """What comes out passes the validator as it is, and comes out the same a second time."""
    mended = mend(Draft({"subtasks": _plan(given_rows), "links": given_links}, "caller"), task=TASK, cards=CARDS)
    again = mend(mended.draft, task=TASK, cards=CARDS)
    assert again.plan == mended.plan
    if mended.plan is None:
        assert mended.faults
        return
    assert (again.status, again.draft) == ("valid", mended.draft)
    assert validate_draft(mended.draft, task=TASK, cards=CARDS) == mended.plan


@given(st.lists(rows, min_size=1, max_size=8))
@settings(max_examples=300, deadline=None)
def test_no_valid_subtask_and_no_valid_edge_is_lost(given_rows: list[dict[str, Any]]) -> None:
    """Every subtask of a known specialist stays, and every need between two such that lies on no circle."""
    plan = _plan(given_rows)
    mended = mend(Draft({"subtasks": plan}, "caller"), task=TASK, cards=CARDS)
    left: Any = mended.draft.plan["subtasks"]
    kept: dict[str, Any] = {row["id"]: row for row in left}
    position = {row["id"]: at for at, row in enumerate(plan)}
    needs = [[position[need] for need in _before(row) if need in position and need != row["id"]] for row in plan]
    for at, row in enumerate(plan):
        if row["specialist"] not in CARDS:
            continue
        assert kept[row["id"]]["specialist"] == row["specialist"]
        for need in row["needs"]:
            if (
                need in position
                and plan[position[need]]["specialist"] in CARDS
                and not _on_circle(at, position[need], needs)
            ):
                assert need in kept[row["id"]]["needs"]


@given(junk, junk)
@settings(max_examples=300, deadline=None)
def test_mending_never_raises(subtasks: Any, given_links: Any) -> None:
    """Whatever stands in a draft, there is an answer."""
    plans: list[Any] = [
        {"subtasks": subtasks, "links": given_links},
        {"subtasks": [subtasks, given_links, {"id": "a"}]},
        subtasks,
    ]
    for plan in plans:
        mended = mend(Draft(plan, "model"), task=TASK, cards=CARDS)
        assert (mended.plan is None) == (mended.status == "refused")


def _before(row: dict[str, Any]) -> list[str]:
    referred = [value["$from"] if isinstance(value, dict) else value[2:].split(".")[0] for value in row["inputs"].values()
                if isinstance(value, dict) or value.startswith("${")]  # fmt: skip
    return [*row["needs"], *referred]


def _on_circle(at: int, need: int, needs: list[list[int]]) -> bool:
    """Say whether `need` waits for `at`, so that the two wait for each other."""
    reached, waiting = set[int](), [need]
    while waiting:
        node = waiting.pop()
        if node == at:
            return True
        if node not in reached:
            reached.add(node)
            waiting.extend(needs[node])
    return False


def test_circles_are_found_by_the_same_rule() -> None:
    """The rule above calls what `paths` calls a circle a circle."""
    assert _on_circle(0, 1, [[1], [0]])
    assert paths.cycles([[1], [0]]) == [[0, 1]]
