"""Names that are built once for the same specialists."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from concertino.contracts.json import JsonObject
from concertino.contracts.specialist import SpecialistCard
from concertino.nodes.planning.mending.names import Asked, Names
from concertino.nodes.planning.mending.sharing import SharedNames

CARDS = {name: SpecialistCard(name, description=f"Does {name}.") for name in ("Mowing", "Digging", "Planting")}


def test_the_same_specialists_share_their_names() -> None:
    """An equal mapping gets the same names; a changed description, schema or order gets others."""
    shared = SharedNames()
    first = shared.of(CARDS)
    assert shared.of(dict(CARDS)) is first
    schema: JsonObject = {"type": "object", "properties": {"image": {}}}
    for changed in (replace(CARDS["Mowing"], description="Cuts."), replace(CARDS["Mowing"], input_schema=schema)):
        assert shared.of({**CARDS, "Mowing": changed}) is not first


def test_a_mapping_changed_later_changes_no_names() -> None:
    """Names hold the specialists that they were built for."""
    shared, cards = SharedNames(), dict(CARDS)
    names = shared.of(cards)
    del cards["Mowing"]
    assert names.meant(Asked("mowings")) is not None
    assert shared.of(cards).meant(Asked("mowings")) is None


def test_the_longest_unused_names_go_first() -> None:
    """No more sets are kept than are asked for."""
    shared = SharedNames(most=2)
    sets = [{name: card} for name, card in CARDS.items()]
    first, second = shared.of(sets[0]), shared.of(sets[1])
    assert shared.of(sets[0]) is first
    shared.of(sets[2])
    assert shared.of(sets[0]) is first
    assert shared.of(sets[1]) is not second


def test_threads_share_one() -> None:
    """However many ask at once, all get the same names, and the answers that each alone would get."""
    shared = SharedNames()
    wanted = [f"{name.lower()}{end}" for name in CARDS for end in ("", "s", " (twice)")]
    alone = [Names(CARDS).meant(Asked(name)) for name in wanted]
    with ThreadPoolExecutor(8) as pool:
        found = list(
            pool.map(lambda _: (shared.of(CARDS), [shared.of(CARDS).meant(Asked(n)) for n in wanted]), range(64))
        )
    assert len({id(names) for names, _ in found}) == 1
    assert all(answers == alone for _, answers in found)
