"""Routing: who is asked first."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from concertino.contracts.plan import Subtask
from concertino.contracts.specialist import SpecialistCard, Standing
from concertino.nodes.planning.routing import alternatives, one_per_family, rank, takers

SEARCH = frozenset({"search"})


def cards(*given: SpecialistCard) -> dict[str, SpecialistCard]:
    return {card.name: card for card in given}


def test_health_and_breaker_come_first() -> None:
    """A failing specialist or an open breaker is a last resort, however good its record."""
    known = cards(*[SpecialistCard(name, capabilities=SEARCH) for name in ("open", "sick", "slow", "well")])
    standings = {
        "open": Standing(breaker_open=True, completed=90), "sick": Standing(health="failing", completed=90),
        "slow": Standing(health="degraded", completed=90), "well": Standing(failed=9),
    }  # fmt: skip
    assert rank("search", known, standings, task_id="t") == ["well", "slow", "open", "sick"]
    assert rank("search", known, standings, task_id="t", exclude={"well", "slow", "sick"}) == ["open"]
    assert rank("sing", known, standings, task_id="t") == []


def test_record_then_load_then_authority_then_name_decide() -> None:
    """Each matters where those before it are equal."""
    known = cards(
        SpecialistCard("b", capabilities=SEARCH, authority=0.5), SpecialistCard("a", capabilities=SEARCH, authority=0.5),
        SpecialistCard("c", capabilities=SEARCH, authority=0.9),
    )  # fmt: skip
    assert rank("search", known, {}, task_id="t") == ["c", "a", "b"]
    assert rank("search", known, {"c": Standing(running=1)}, task_id="t") == ["a", "b", "c"]
    assert rank("search", known, {"b": Standing(completed=3)}, task_id="t")[0] == "b"
    assert rank("search", known, {}, task_id="t", given={"c": 1, "a": 1})[0] == "b"


def test_variants_share_the_tasks_by_their_record() -> None:
    """Equal variants are asked about equally; a bad one less and less; the same task always gets the same."""
    known = cards(SpecialistCard("base", capabilities=SEARCH), SpecialistCard("beta", variant_of="base"))
    even = Counter(rank("search", known, {}, task_id=f"t{n}")[0] for n in range(400))
    assert 140 < even["beta"] < 260
    records = {"base": Standing(completed=45, failed=5), "beta": Standing(completed=25, failed=25)}
    skewed = Counter(rank("search", known, records, task_id=f"t{n}")[0] for n in range(400))
    assert skewed["base"] > 390
    few = {"base": Standing(completed=3, failed=1), "beta": Standing(completed=1, failed=1)}
    tried = Counter(rank("search", known, few, task_id=f"t{n}")[0] for n in range(400))
    assert 40 < tried["beta"] < 200
    assert rank("search", known, few, task_id="t") == rank("search", known, few, task_id="t")
    assert one_per_family(["base", "beta"], known, records, task_id="t") == ["base"]


def test_alternatives_are_variants_and_those_who_can_do_the_same() -> None:
    """By the capability asked for, or by all that the named specialist can."""
    known = cards(
        SpecialistCard("a", capabilities=frozenset({"search", "sum"})), SpecialistCard("b", capabilities=SEARCH),
        SpecialistCard("c", capabilities=frozenset({"search", "sum", "x"})), SpecialistCard("d", variant_of="a"), SpecialistCard("e"),
    )  # fmt: skip
    by_name = alternatives(Subtask(id="s", specialist="a"), known, {}, "t")
    assert set(by_name) == {"c", "d"}
    by_capability = alternatives(Subtask(id="s", specialist="a", capability="search"), known, {}, "t")
    assert set(by_capability) == {"b", "c", "d"}
    assert alternatives(Subtask(id="s", specialist="e"), known, {}, "t") == []


NAMES = st.sampled_from(["a", "b", "c", "d", "e"])
SKILLS = st.sampled_from(["read", "pay", "sum"])


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(NAMES, st.tuples(st.frozensets(SKILLS), st.none() | NAMES), min_size=1),
    st.lists(st.tuples(NAMES, st.none() | SKILLS), min_size=1, max_size=4),
)
def test_takers_are_all_alternatives(
    known: dict[str, tuple[frozenset[str], str | None]], planned: list[tuple[str, str | None]]
) -> None:
    """Of all subtasks together, found without asking for each."""
    all_cards = cards(*[SpecialistCard(name, capabilities=can, variant_of=of) for name, (can, of) in known.items()])
    subtasks = [Subtask(id=f"s{at}", specialist=name, capability=skill) for at, (name, skill) in enumerate(planned)]
    one_by_one = {name for subtask in subtasks for name in alternatives(subtask, all_cards, {}, "t")}
    assert takers(subtasks, all_cards) == [name for name in all_cards if name in one_by_one]
