"""Plans that a model drafted before for the same question, kept in memory.

What is kept is the mended draft, not the plan: it is validated again each time, against the specialists, budget and
policies of that moment.
"""

from __future__ import annotations

import copy
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

from pydantic import JsonValue

from concertino.contracts.errors import SetupError
from concertino.contracts.json import JsonObject, digest
from concertino.contracts.limits import Limits
from concertino.contracts.requirements import Requirements
from concertino.contracts.specialist import Cards
from concertino.contracts.task import Task
from concertino.nodes.planning.draft import Draft

MOST = 256
"""Drafts kept unless told otherwise; chosen by hand."""


class Kept(NamedTuple):
    """One entry."""

    draft: Draft
    requirements: Requirements
    """What the model understood the task to ask for."""


class PlanCache:
    """The drafts used last, at most `most` of them. Any thread may use it."""

    def __init__(self, most: int = MOST) -> None:
        """Make an empty cache.

        Raises:
            SetupError: `most` is below 1.
        """
        if most < 1:
            raise SetupError(field="cache", value=most, rule="must keep at least one plan")
        self._most = most
        self._kept: OrderedDict[str, Kept] = OrderedDict()
        self._lock = threading.Lock()

    def anew(self) -> PlanCache:
        """Return an empty cache of the same size."""
        return PlanCache(self._most)

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: str) -> Kept | None:
        """Return a copy of what is kept under `key`."""
        with self._lock:
            found = self._kept.get(key)
            if found is None:
                return None
            self._kept.move_to_end(key)
        return _copy(found)

    def put(self, key: str, kept: Kept) -> None:
        """Keep a copy; the entry that was unused longest goes when there is no room."""
        mine = _copy(kept)
        with self._lock:
            self._kept[key] = mine
            self._kept.move_to_end(key)
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)

    def drop(self, key: str) -> None:
        """Forget an entry that is of no use any more."""
        with self._lock:
            self._kept.pop(key, None)


def key_of(
    task: Task,
    *,
    cards: Cards,
    limits: Limits,
    bound: Draft,
    prompts: Mapping[str, str],
    model_name: str,
) -> str:
    """Return the digest of everything that a draft depends on; the task's id and metadata are no part of it.

    Args:
        task: what is asked.
        cards: the specialists there are.
        limits: bounds on size.
        bound: the workflow's draft with its holes, or an empty one, and the constraints.
        prompts: hashes by name.
        model_name: who drafts.
    """
    asked: JsonObject = task.model_dump(
        mode="json",
        include={"task_type", "title", "description", "payload", "acceptance_criteria", "capabilities", "domains"},
    )
    staff: list[JsonValue] = [
        [
            name, [*sorted(card.capabilities)], card.domain, card.description, card.version, card.variant_of, card.authority,
            card.input_schema, card.output_schema,
        ]
        for name, card in sorted(cards.items())
    ]  # fmt: skip
    skeleton: list[JsonValue] = [
        bound.workflow,
        bound.plan,
        [hole.model_dump(mode="json") for hole in bound.holes],
        bound.constraints.model_dump(mode="json") if bound.constraints is not None else None,
        {name: list(ids) for name, ids in bound.parts.items()},
    ]
    return digest([asked, staff, skeleton, dict(prompts), model_name, limits.model_dump(mode="json")])


def _copy(kept: Kept) -> Kept:
    return Kept(replace(kept.draft, plan=copy.deepcopy(kept.draft.plan)), kept.requirements)
