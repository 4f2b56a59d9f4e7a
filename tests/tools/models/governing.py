"""A ledger and a guard around the real client, which talks to the loopback server."""

from typing import Any

from langchain_core.language_models import BaseChatModel

from concertino.budgets import Ledger
from concertino.contracts.budget import Budget
from concertino.tools.attempt import Desk
from concertino.tools.breaker import Breakers
from concertino.tools.guard import Guard
from concertino.tools.models.governed import GovernedModel, govern
from concertino.tools.models.prices import Price, given_price
from concertino.tools.models.sources import as_model
from concertino.tools.models.tokens import TokenCounter
from concertino.tools.retry import RetryBudget
from tests.clocks import StillClock
from tests.loopback.openai_server import OpenAIServer

PRICE = given_price({"input_usd_per_m": 1.0, "output_usd_per_m": 1.0}, field="price")
"""A dollar a million tokens: 1,000 nano-dollars a token, whichever."""


def client(server: OpenAIServer, **settings: Any) -> BaseChatModel:
    """Return the real client, with SDK retries as a caller has them who never thought of them."""
    from langchain_openai import ChatOpenAI

    return ChatOpenAI(**{"model": "m", "base_url": server.url, "api_key": "key", "max_tokens": 500, **settings})


class Governing:
    """One run's money and guard."""

    def __init__(self, budget: Budget | None = None, *, clock: Any = None, **desk: Any) -> None:
        self.clock: Any = clock or StillClock()
        self.ledger = Ledger(budget or Budget(), clock=self.clock)
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.breakers = Breakers(clock=self.clock)
        made = Desk(
            breakers=self.breakers,
            clock=self.clock,
            emit=lambda kind, payload: self.events.append((kind, payload)),
            **desk,
        )
        self.guard = Guard(made, retries=RetryBudget(ratio=2.0, minimum=1_000), random=lambda: 0.5)
        self._users = 0

    def model(self, given: object, *, price: Price | None = None, **options: Any) -> GovernedModel:
        """Return a model for one more user of it."""
        self._users += 1
        source = as_model(given, field="model")
        source.build()
        account = self.ledger.account(("work", "analyst", f"t{self._users}", "model"))
        made = {"key": f"t{self._users}#1", "caller": f"t{self._users}", "counter": TokenCounter(), **options}
        return govern(source, guard=self.guard, account=account, price=price, **made)

    @property
    def tokens(self) -> int:
        """What is settled."""
        assert self.ledger.open_holds() == 0
        return self.ledger.usage().tokens

    def outcomes(self) -> list[str]:
        return [payload["outcome"] for kind, payload in self.events if kind == "TOOL_CALLED"]

    def breaches(self) -> list[dict[str, Any]]:
        return [payload for kind, payload in self.events if kind == "BUDGET_BREACH"]
