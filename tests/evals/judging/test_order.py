"""Plans compared as partial orders."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concertino.contracts.errors import InputError
from concertino.evals.judging.order import Order, Step, compare


def order(*steps: tuple[str, list[int]]) -> Order:
    return Order([Step(label, tuple(needs)) for label, needs in steps], field="plan")


CHAIN = order(("a", []), ("b", [0]), ("c", [1]))


def test_edges_that_follow_from_others_count_for_nothing() -> None:
    """A plan that also says that a is before c, which follows, is the same plan."""
    said = compare(order(("a", []), ("b", [0]), ("c", [0, 1])), CHAIN)
    assert (said.nodes.f1, said.edges.f1) == (1.0, 1.0)


def test_a_left_out_step_costs_nodes_and_the_edges_at_it() -> None:
    """Without b the order of a and c is right, while both expected edges are missing."""
    said = compare(order(("a", []), ("c", [0])), CHAIN)
    assert (said.nodes.precision, said.nodes.recall) == (1.0, 2 / 3)
    assert (said.edges.precision, said.edges.recall) == (1.0, 0.0)
    assert said.missing == ["b"]
    assert said.missing_edges == [("a", "b"), ("b", "c")]


def test_a_needless_order_costs_precision_alone() -> None:
    """Steps that may run side by side and are put one after another are all found."""
    said = compare(CHAIN, order(("a", []), ("b", []), ("c", [1])))
    assert (said.edges.precision, said.edges.recall) == (0.5, 1.0)
    assert said.extra_edges == [("a", "b")]


def test_no_edges_where_none_are_expected_is_right() -> None:
    """Parallel steps alone agree in full."""
    assert compare(order(("a", []), ("b", [])), order(("b", []), ("a", []))).edges.f1 == 1.0


def test_equally_named_steps_are_paired_by_what_surrounds_them() -> None:
    """Of two legal steps, the one before the writer is not taken for the one after."""
    expected = order(("legal", []), ("writer", [0]), ("legal", [1]))
    planned = order(("legal", [1]), ("writer", [2]), ("legal", []))
    assert compare(planned, expected).edges.f1 == 1.0


def test_a_circle_is_refused_with_its_members() -> None:
    """An order in a circle is nobody's."""
    with pytest.raises(InputError, match=r"a → b → a|b → a → b"):
        order(("a", [1]), ("b", [0]))


@st.composite
def dags(draw: st.DrawFn) -> list[Step]:
    count = draw(st.integers(1, 12))
    labels = draw(st.lists(st.sampled_from("abcdefghijkl"), min_size=count, max_size=count, unique=True))
    return [Step(labels[n], tuple(draw(st.sets(st.integers(0, n - 1), max_size=3)) if n else ())) for n in range(count)]


@given(dags(), st.randoms(use_true_random=False))
def test_listing_steps_in_another_order_changes_nothing(steps: list[Step], chance: object) -> None:
    """A plan agrees in full with itself, however its steps are listed."""
    places = list(range(len(steps)))
    chance.shuffle(places)  # type: ignore[attr-defined]  # a Random
    moved = {old: new for new, old in enumerate(places)}
    shuffled = [Step(steps[old].label, tuple(moved[need] for need in steps[old].needs)) for old in places]
    said = compare(Order(shuffled, field="plan"), Order(steps, field="expected"))
    assert (said.nodes.f1, said.edges.f1) == (1.0, 1.0)


@given(dags(), dags())
def test_swapping_sides_swaps_precision_and_recall(one: list[Step], other: list[Step]) -> None:
    """Both figures are shares, and neither side is special."""
    first, second = Order(one, field="a"), Order(other, field="b")
    there, back = compare(first, second), compare(second, first)
    assert (there.edges.precision, there.edges.recall) == (back.edges.recall, back.edges.precision)
    assert 0 <= there.nodes.f1 <= 1


@given(dags())
def test_the_reduction_closes_to_the_same_order(steps: list[Step]) -> None:
    """What the kept edges imply is what all edges implied."""
    whole = Order(steps, field="plan")
    kept: list[list[int]] = [[] for _ in steps]
    for earlier, later in whole.edges():
        kept[later].append(earlier)
    again = Order([Step(step.label, tuple(kept[n])) for n, step in enumerate(steps)], field="plan")
    assert again.before == whole.before
