"""Which subtasks of a plan a constraint's step means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from concertino.contracts.specialist import Cards
from concertino.nodes.planning import routing
from concertino.nodes.planning.constraints import Step
from concertino.nodes.planning.sketch import Sketch


def does(step: Step, name: str, cards: Cards) -> bool:
    """Say whether a specialist who is merely named is meant by `step`."""
    return (
        step.name == name or step.specialist == name or _is_of_family(step, name, cards) or _is_able(step, name, cards)
    )


def _is_of_family(step: Step, name: str, cards: Cards) -> bool:
    base = cards[name].variant_of
    return base is not None and base in (step.name, step.specialist)


def _is_able(step: Step, name: str, cards: Cards) -> bool:
    skill = step.name or step.capability
    return skill is not None and skill in routing.capabilities(name, cards)


class Finder:
    """Finds the subtasks of steps in one plan, each step once."""

    def __init__(self, sketch: Sketch, parts: Mapping[str, Sequence[str]]) -> None:
        self._sketch = sketch
        self._parts = parts
        self._found: dict[tuple[Step, bool], list[int]] = {}

    def find(self, step: Step, *, closely: bool = False) -> list[int]:
        """Return the positions of a step's subtasks.

        Args:
            step: what is meant.
            closely: whether a named specialist counts for all its capabilities, whatever it is asked for.
        """
        if (step, closely) not in self._found:
            self._found[step, closely] = [
                at for at in range(len(self._sketch.subtasks)) if self._is(step, at, closely=closely)
            ]
        return self._found[step, closely]

    def _is(self, step: Step, at: int, *, closely: bool) -> bool:
        subtask, card = self._sketch.subtasks[at], self._sketch.staff[at]
        part = step.name or step.subtask
        if part is not None and subtask.id in self._parts.get(part, ()):
            return True
        if card is not None and (
            card.name in (step.name, step.specialist) or _is_of_family(step, card.name, self._sketch.cards)
        ):
            return True
        skill = step.name or step.capability
        if skill is None:
            return False
        if subtask.capability == skill:
            return True
        asked = subtask.capability is not None and (subtask.specialist is None or not closely)
        return not asked and card is not None and _is_able(step, card.name, self._sketch.cards)
