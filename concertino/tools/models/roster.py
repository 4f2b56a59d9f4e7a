"""Which model works for whom: one for all, or others for planning, merging, tiers of subtasks and single specialists."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from concertino.contracts.errors import SetupError
from concertino.tools.models.sources import ModelSource, as_model

PLAN, SYNTHESIZE = "plan", "synthesize"
"""Roles of our own nodes; they are named as the nodes are."""
TIERS = ("simple", "standard", "complex")
"""Roles of subtasks by how hard they are, as `Subtask.tier` has them."""


@dataclass(frozen=True, slots=True)
class Roster:
    """A planner's models by role. What has no model of its own takes the default; without a default it has none."""

    default: ModelSource | None = None
    own: Mapping[str, ModelSource] = field(default_factory=dict)
    """By `plan`, `synthesize`, tier, or specialist."""
    change: Callable[[ModelSource], ModelSource] | None = None
    """What every source passes before it is taken, those that an invocation names included."""

    def __bool__(self) -> bool:
        return self.default is not None or bool(self.own)

    def __iter__(self) -> Iterator[ModelSource]:
        """Iterate over the different models."""
        known = {source.name: source for source in (*self.own.values(), *((self.default,) if self.default else ()))}
        return iter(known.values())

    def of_node(self, node: str) -> ModelSource | None:
        """Return the model of `plan` or `synthesize`."""
        return self.own.get(node, self.default)

    def of_specialist(self, name: str, tier: str | None = None) -> ModelSource | None:
        """Return a specialist's model: its own, else the tier's, else the default."""
        return self.own.get(name) or (self.own.get(tier) if tier else None) or self.default

    def led_by(self, name: str | None) -> Roster:
        """Return this roster with another default.

        Raises:
            SetupError: no such model.
        """
        if name is None:
            return self
        named = as_model(name, field="context.model")
        return replace(self, default=named if self.change is None else self.change(named))

    def changed(self, change: Callable[[ModelSource], ModelSource]) -> Roster:
        """Return this roster with every source replaced, a source that has several roles once."""
        made: dict[ModelSource, ModelSource] = {}
        for source in (*((self.default,) if self.default else ()), *self.own.values()):
            if source not in made:
                made[source] = change(source)
        return Roster(
            default=made[self.default] if self.default else None,
            own={role: made[source] for role, source in self.own.items()},
            change=change,
        )

    def described(self) -> dict[str, str]:
        """Return the models' names by role, for the run's record."""
        named = {role: source.name for role, source in sorted(self.own.items())}
        return {**({"default": self.default.name} if self.default else {}), **named}

    async def ready(self) -> None:
        """Build every model, each in a thread: importing a provider's package takes seconds.

        Raises:
            SetupError: one cannot be built.
        """
        for source in self:
            if not source.is_built:
                await asyncio.to_thread(source.build)


def roster(
    default: object, own: Mapping[str, Any] | None, specialists: Iterable[tuple[str, ModelSource | None]]
) -> Roster:
    """Return the roster of what `create_planner` was given; its own `models` go before what specialists declare.

    Raises:
        SetupError: a role that nobody has, one that two may claim, or something that is no model.
    """
    declared = dict(specialists)
    if own is not None and not isinstance(own, Mapping):
        raise SetupError(field="models", value=own, rule="must be models by role")
    roles = (PLAN, SYNTHESIZE, *TIERS)
    for role in own or {}:
        if role not in roles and role not in declared:
            there = ", ".join((*roles, *declared))
            raise SetupError(field=f"models.{role}", value=role, rule=f"must be one of: {there}")
        if role in TIERS and role in declared:
            raise SetupError(field=f"models.{role}", value=role, rule="is a tier and a specialist's name: rename it")
    chosen = {name: source for name, source in declared.items() if source is not None}
    chosen |= {role: as_model(given, field=f"models.{role}") for role, given in (own or {}).items()}
    return Roster(None if default is None else as_model(default, field="model"), chosen)
