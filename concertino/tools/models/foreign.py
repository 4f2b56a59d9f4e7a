"""The guard of models that are not ours: LangChain code inside a specialist that calls a model of its own.

`create_agent`, chains, compiled graphs, retry middleware, a model made on the spot: whatever goes through LangChain tells
its callbacks before a request leaves, and `register_configure_hook` puts this guard among them wherever callbacks are
configured, so that code which replaces its callbacks keeps it. Each call waits for a reservation of its worst case and
is settled by the usage that LangChain reports: in full where it reports none, fails in a way that may have been billed,
or never ends. What does not fit is refused before it leaves.

What it cannot do: set an output cap (a model without one is refused, or may overrun and is then put down as a breach);
hold embeddings, and clients called without LangChain; follow into other processes, or into threads that were there before
and take their work in ways of their own (see `foreign_threads`).
"""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from concertino.contracts.errors import ConcertinoError, DeadlineExceeded, SetupError
from concertino.contracts.json import JsonObject
from concertino.tools import threads
from concertino.tools.attempt import Account
from concertino.tools.guard import Guard
from concertino.tools.models import wire
from concertino.tools.models.caps import FIX
from concertino.tools.models.foreign_call import ForeignCall, Terms, refusal
from concertino.tools.models.foreign_callbacks import Admission, install, remove
from concertino.tools.models.foreign_request import Asked, Bounds
from concertino.tools.models.own import TOOL
from concertino.tools.models.prices import Price, price_of
from concertino.tools.models.tokens import TokenCounter, counter_now

PRICED_AS = {"google_genai": "google", "google_vertexai": "google", "amazon_bedrock": "aws", "xai": "x-ai",
             "mistralai": "mistral", "openai-chat": "openai"}  # fmt: skip
"""genai-prices' names of LangChain's providers, where they differ."""


class ForeignGuard:
    """Holds every foreign model's call made while it is bound, by one attempt at one subtask. Safe in threads."""

    def __init__(
        self,
        guard: Guard,
        *,
        account: Account,
        key: str,
        deadline: float | None = None,
        counter_of: Callable[[str, str], TokenCounter] = counter_now,
        price_of: Callable[[str, str], Price | None] = price_of,
        allow_uncapped: bool = False,
        needs_price: bool = False,
        on_breach: Callable[[JsonObject], None] | None = None,
        caller: str = "",
    ) -> None:
        """Make a guard.

        Args:
            guard: the run's.
            account: where calls are charged.
            key: of this attempt, new in its ledger: the n-th call reserves under `key:foreign:n#request`.
            deadline: on the monotonic clock; nothing leaves after it.
            counter_of: the token counter of a provider's model; must not block.
            price_of: the price of a provider's model; may block, and is asked once for each.
            allow_uncapped: let models without an output cap through; what they use beyond the reservation is a breach.
            needs_price: refuse a model without a price, because a limit in dollars is set.
            on_breach: told what was held and used, beside the desk's `BUDGET_BREACH`.
            caller: the same for all attempts at the subtask: one logical call sends at most three requests over all.
        """
        self._terms = Terms(
            guard=guard, account=account, deadline=deadline, revoked=lambda: self._over,
            on_breach=on_breach or _ignore,
        )  # fmt: skip
        self._key, self._caller = key, caller or key
        self._counter_of, self._price_of = counter_of, price_of
        self._allow_uncapped, self._needs_price = allow_uncapped, needs_price
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._open: dict[UUID, ForeignCall] = {}
        self._refused: dict[UUID, BaseException] = {}
        """Why `start` refused a call, until `check` raises it."""
        self._prices: dict[tuple[str, str], Price | None] = {}
        self._over: ConcertinoError | None = None

    async def start(self, run_id: UUID, asked: Asked) -> None:
        """Admit a call, from a coroutine. What it raises is kept for `check`, and so is a cancellation."""
        if run_id in self._open:
            return
        try:
            about = asked.provider, asked.model
            if about not in self._prices:
                await threads.run(self._price, about)
            call = self._prepared(run_id, asked, about)
            await call.admit()
        except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - see below, nothing is lost
            # Raised by `_Refusing`, the last: LangChain would leave the coroutines of all other handlers unawaited.
            self._take(run_id)
            self._refused[run_id] = error
        else:
            wire.hold(call, owner=self, batch=asked.batch)

    def start_blocking(self, run_id: UUID, asked: Asked) -> None:
        """Admit a call from a plain thread, or raise why it is refused."""
        if run_id in self._open:
            return
        try:
            call = self._prepared(run_id, asked, (asked.provider, asked.model))
            call.admit_blocking()
        except Exception as error:
            self._take(run_id)
            raise refusal(error) from error
        wire.hold(call, owner=self, batch=asked.batch)

    def check(self, run_id: UUID) -> None:
        """Raise what `start` has kept, once."""
        refused = self._refused.pop(run_id, None)
        if isinstance(refused, Exception):
            raise refusal(refused) from refused
        if refused is not None:
            raise refused

    def ended(self, run_id: UUID, usage: Mapping[str, Any] | None) -> None:
        """Settle a call that was answered."""
        call = self._take(run_id)
        if call is not None:
            call.answered(usage)

    def failed(self, run_id: UUID, error: BaseException) -> None:
        """Settle a call that failed."""
        call = self._take(run_id)
        if call is not None:
            call.failed(error)

    def close(self) -> None:
        """End it: calls that are still out are charged in full, and nothing more may leave. Harmless when repeated."""
        with self._lock:
            self._over = DeadlineExceeded(scope=f"attempt {self._key}, which is over", limit_s=0.0)
            still = list(self._open.values())
            self._open.clear()
        for call in still:
            call.failed(asyncio.CancelledError("its attempt is over"))

    def _prepared(self, run_id: UUID, asked: Asked, about: tuple[str, str]) -> ForeignCall:
        price = self._price(about)
        if price is None and self._needs_price:
            raise SetupError(
                field="model",
                value=about[1],
                rule="has no known price, and a limit in dollars is set: give its price",
            )
        bounds = Bounds.of(asked, counter=self._counter_of(*about), price=price)
        if not bounds.is_capped and not self._allow_uncapped:
            raise SetupError(field="model", value=about[1], rule=f"sets no output cap: {FIX}")
        key = f"{self._key}:foreign:{next(self._numbers)}"
        outer = wire.held(self)
        call = ForeignCall(
            asked, bounds, self._terms, key=key, call=lambda: f"{self._caller}:{TOOL}:{asked.identity()}",
            within=outer if isinstance(outer, ForeignCall) else None,
        )  # fmt: skip
        with self._lock:
            self._open[run_id] = call
        return call

    def _price(self, about: tuple[str, str]) -> Price | None:
        if about not in self._prices:
            provider, model = about
            self._prices[about] = self._price_of(PRICED_AS.get(provider, provider), model)
        return self._prices[about]

    def _take(self, run_id: UUID) -> ForeignCall | None:
        with self._lock:
            return self._open.pop(run_id, None)


def bind(foreign: ForeignGuard) -> None:
    """Guard what is called from here on in this context and its copies, as in a context made for one attempt."""
    install(foreign)


@contextmanager
def guarding(foreign: ForeignGuard) -> Iterator[None]:
    """Guard the block, with the threads and tasks that copy its context; what it leaves open is charged in full."""
    try:
        with binding(foreign):
            yield
    finally:
        foreign.close()


@contextmanager
def binding(foreign: Admission) -> Iterator[None]:
    """Guard what is started in the block and copies its context; whoever made the guard closes it."""
    tokens = install(foreign)
    try:
        yield
    finally:
        remove(tokens)


def _ignore(payload: JsonObject) -> None:
    return None
