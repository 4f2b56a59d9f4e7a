"""Finding the recorded call: by content and scope, whatever else happens meanwhile."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from concertino.contracts.errors import TapeMiss
from concertino.contracts.scope import Scope, scoped
from concertino.tools.tape.matching import Deck
from tests.tools.tape.tapes import line, player


def ask(deck: Deck, said: str, scope: str) -> Any:
    response = deck.find("model", "openai:m", scope, {"messages": [{"role": "human", "content": said}]}).response
    return None if response is None else response["content"]


def test_the_same_question_has_every_scopes_own_answers_in_turn() -> None:
    """A further time the last one is given again."""
    deck = Deck([line(1, answer="a1"), line(2, answer="a2"), line(1, scope="w/b#1", answer="b1")])
    assert [ask(deck, "hi", "w/b#1"), ask(deck, "hi", "w/a#1"), ask(deck, "hi", "w/a#1"), ask(deck, "hi", "w/a#1")] == [
        "b1", "a1", "a2", "a2",
    ]  # fmt: skip
    assert deck.unplayed() == []


def test_an_attempt_that_was_not_recorded_is_answered_as_the_first_was() -> None:
    """And takes nothing away from whoever was recorded with it."""
    deck = Deck([line(1, answer="a1"), line(2, answer="a2")])
    assert [ask(deck, "hi", "w/a#2"), ask(deck, "hi", "other#1")] == ["a1", "a1"]
    assert [ask(deck, "hi", "w/a#1"), ask(deck, "hi", "w/a#1")] == ["a1", "a2"]


def test_what_was_not_made_is_known() -> None:
    """By line."""
    deck = Deck([line(1), line(2, said="more")])
    ask(deck, "hi", "w/a#1")
    assert [one.label for one in deck.unplayed()] == ["w/a#1 call 2"]


def test_a_miss_tells_of_the_nearest_call_and_of_each_field_that_differs() -> None:
    """The nearest has the fewest differences; one of the same scope goes first."""
    other = {
        "messages": [{"role": "human", "content": "hi"}],
        "tools": [{"name": "t", "description": "d"}],
        "settings": {"seed": 1},
    }
    deck = Deck([line(1, scope="z#1", said="quite another thing"), line(3, request=other)])
    asked: Any = {**other, "tools": [{"name": "t", "description": "e"}, {"name": "u"}], "settings": {}}
    with pytest.raises(TapeMiss) as caught:
        deck.find("model", "openai:m", "w/a#1", asked)
    assert caught.value.nearest == "w/a#1 call 3"
    assert list(caught.value.changes) == [
        "settings.seed: recorded 1, now nothing",
        "tools[0].description: recorded 'd', now 'e'",
        "tools[1]: recorded nothing, now {'name': 'u'}",
    ]


def test_a_miss_on_an_empty_tape_says_so() -> None:
    """There is nothing to compare with."""
    with pytest.raises(TapeMiss, match="nothing of this kind is on the tape"):
        Deck([]).find("tool", "look", "w#1", {})


def test_a_long_text_is_shown_where_it_begins_to_differ() -> None:
    """A prompt of thousands of characters is not printed."""
    text = "word " * 1_000
    with pytest.raises(TapeMiss) as caught:
        ask(Deck([line(1, said=text)]), f"{text[:4_000]}and more", "w/a#1")
    assert "from character 4000" in caught.value.changes[0]
    assert len(str(caught.value)) < 500


async def test_a_thousand_shuffled_parallel_runs_have_no_mismatch() -> None:
    """Equal questions in different subtasks keep their own answers in whatever order they come."""
    scopes = [f"s{i}" for i in range(8)]
    known = [line(n, scope=f"{one}#1", said=f"q{n % 2}", answer=f"{one}-{n}") for one in scopes for n in range(1, 5)]

    async def asks(deck: Deck, scope: str, chance: random.Random) -> list[str]:
        said = []
        for n in range(1, 5):
            for _ in range(chance.randrange(4)):
                await asyncio.sleep(0)
            said.append(ask(deck, f"q{n % 2}", f"{scope}#1"))
        return said

    for seed in range(1_000):
        chance = random.Random(seed)
        deck = Deck(chance.sample(known, len(known)))
        order = chance.sample(scopes, len(scopes))
        found = await asyncio.gather(*(asks(deck, one, chance) for one in order))
        assert dict(zip(order, found, strict=True)) == {one: [f"{one}-{n}" for n in range(1, 5)] for one in scopes}
        assert deck.unplayed() == []


def test_a_player_knows_for_whom_a_call_is() -> None:
    """From the scope in force, and numbers the calls in it."""
    made = player([line(1, answer="a"), line(1, scope="w/b#1", answer="b")])
    request = {"messages": [{"role": "human", "content": "hi"}]}
    for subtask in ("b", "a", "b"):
        with scoped(Scope("w", subtask)):
            made.play("model", "openai:m", request)  # type: ignore[arg-type]  # JSON
    assert [(one["scope"], one["n"], one["response"]) for one in made.calls()] == [
        ("w/a#1", 1, {"content": "a"}), ("w/b#1", 1, {"content": "b"}), ("w/b#1", 2, {"content": "b"}),
    ]  # fmt: skip
