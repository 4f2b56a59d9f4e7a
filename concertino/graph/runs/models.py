"""A run's models: who gets which, and how each is bound to the run's guard and ledger."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from concertino.contracts.errors import SetupError
from concertino.contracts.json import JsonObject
from concertino.contracts.plan import Plan, SubtaskTier
from concertino.graph.options import Options
from concertino.graph.runs.money import Money
from concertino.nodes.planning.tiers import tiers_of
from concertino.tools.models.foreign import ForeignGuard
from concertino.tools.models.governed import TOOL, GovernedModel, govern
from concertino.tools.models.prices import Price, is_at_hand, price_of, snapshot
from concertino.tools.models.roster import Roster
from concertino.tools.models.sources import ModelSource
from concertino.tools.models.tokens import counter_now, load_counter

UNPRICED = "no price is known, and dollars are limited; give one by `prices=`, or leave the limit out"


class Models:
    """Which model works for whom in one run. Binding one costs nothing until it is asked for something."""

    def __init__(self, options: Options, roster: Roster, money: Money) -> None:
        self._options, self._money = options, money
        self.roster = roster
        self.prompts: dict[str, str] = {}
        """Hashes of the prompts that were used, by name."""
        self._sized: Plan | None = None
        self._tiers: dict[str, SubtaskTier] = {}

    async def ready(self) -> None:
        """Build what is there, off this loop: importing a provider takes seconds, fetching an encoding may take some.

        Raises:
            SetupError: a model cannot be built.
        """
        if not self.roster:
            return
        await self.roster.ready()
        for source in self.roster:
            await load_counter(source.provider, source.model)
            if not is_at_hand(source.provider, source.model, now=self._options.clock.now):
                await asyncio.to_thread(self._price, source)

    def of_specialist(self, name: str, plan: Plan | None, subtask_id: str) -> ModelSource | None:
        """Return whose model a specialist takes for a subtask: its own, else that of the subtask's tier, else the default."""
        if plan is not None and plan is not self._sized:
            self._sized, self._tiers = plan, tiers_of(plan)
        return self.roster.of_specialist(name, self._tiers.get(subtask_id))

    def of_node(self, node: str, *, deadline: float | None) -> GovernedModel | None:
        """Return the model of one of our own nodes, charged to it; `None` where there is none.

        Raises:
            SetupError: dollars are limited there, and its price is not known.
        """
        source = self.roster.of_node(node)
        if source is None:
            return None
        # A run may come back to a node, after a crash too, and what was reserved there before is still on its record.
        return self.bind(
            source, (node,), key=self._options.ids(node), deadline=deadline, caller=node, revoked=lambda: None
        )

    def bind(
        self,
        source: ModelSource,
        path: tuple[str, ...],
        *,
        key: str,
        deadline: float | None,
        caller: str,
        revoked: Callable[[], Exception | None],
    ) -> GovernedModel:
        """Return a model whose requests are charged to the account at `path`.

        Raises:
            SetupError: dollars are limited there, and its price is not known.
        """
        account = self._money.account((*path, TOOL))
        known = self._price(source)
        if known is None and account.is_bounded("usd"):
            raise SetupError(field="model", value=source.name, rule=UNPRICED)
        return govern(
            source, guard=self._money.guard, account=account, key=key, counter=counter_now(source.provider, source.model),
            price=known, deadline=deadline, caller=caller, revoked=revoked, ids=self._options.ids,
        )  # fmt: skip

    def guard_foreign(self, path: tuple[str, ...], *, key: str, deadline: float | None, caller: str) -> ForeignGuard:
        """Return the guard of models that code at `path` calls on its own."""
        account = self._money.account((*path, TOOL))
        is_priced = account.is_bounded("usd")
        is_bounded = is_priced or account.is_bounded("tokens")
        return ForeignGuard(
            self._money.guard,
            account=account,
            key=key,
            deadline=deadline,
            price_of=self._price_of,
            allow_uncapped=self._options.allow_uncapped or not is_bounded,
            needs_price=is_priced,
            caller=caller,
        )

    def _price_of(self, provider: str, model: str) -> Price | None:
        own = self._options.prices.get(f"{provider}:{model}") or self._options.prices.get(model)
        return own if own is not None else price_of(provider, model, now=self._options.clock.now)

    def _price(self, source: ModelSource) -> Price | None:
        return price(source, self._options.prices, now=self._options.clock.now)

    def described(self) -> JsonObject:
        """Return, for the record: models by role, how their tokens are counted and priced, and the prompts' hashes."""
        if not self.roster:
            return {}
        prices = {source.name: self._price(source) for source in self.roster}
        return {
            "roles": {**self.roster.described()},
            "counters": {source.name: counter_now(source.provider, source.model).name for source in self.roster},
            "prices": {name: None if known is None else known.source for name, known in prices.items()},
            "snapshot": snapshot(),
            "prompts": {**self.prompts},
        }


def price(source: ModelSource, given: Mapping[str, Price], *, now: Callable[[], float]) -> Price | None:
    """Return a model's price: the caller's by its name, with or without provider, else the snapshot's of the moment."""
    own = given.get(source.name) or given.get(source.model)
    return own if own is not None else price_of(source.provider, source.model, now=now)


def check_prices(
    roster: Roster, given: Mapping[str, Price], *, are_limited: bool, now: Callable[[], float], field: str
) -> None:
    """Refuse a model without a price where dollars are limited.

    Raises:
        SetupError: names it.
    """
    for source in roster if are_limited else ():
        if price(source, given, now=now) is None:
            raise SetupError(field=field, value=source.name, rule=UNPRICED)
