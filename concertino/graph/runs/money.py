"""A run's money: its ledger, the accounts below it, and how reservations go on the record."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from concurrent.futures import Future
from typing import Any, cast

from concertino.budgets import Account, Alert, Amounts, Leak, Ledger, amounts
from concertino.budgets.shares import allocate
from concertino.contracts.budget import Budget, Dimension, Usage
from concertino.contracts.event import EventType
from concertino.contracts.json import JsonObject
from concertino.graph.options import Options
from concertino.graph.runs.endpoints import Endpoints
from concertino.graph.runs.reallocating import Reallocation
from concertino.graph.runs.restore import Charge
from concertino.tools.attempt import Desk
from concertino.tools.guard import Guard
from concertino.tools.models.own import TOOL
from concertino.tools.models.roster import PLAN
from concertino.tools.registry import Tool
from concertino.tools.retry import RetryBudget

WORK = "work"
"""The ledger's node account under which specialists spend."""
Emit = Callable[..., Future[list[int]]]
"""`Run.emit`."""

UNLIMITED = Budget()
PLANNING_SHARE = 0.5
"""Most of a run's budget that planning may use where nothing else is said, so that a model that fails leaves enough for
the fallback's work. Chosen by hand; document 004's orchestrator has a tenth, too little for small budgets."""


def for_work(options: Options, budget: Budget) -> Budget:
    """Return what of a run's budget a plan can be carried out with: less the floor, within what its node may use."""
    left = budget if options.floor is None else budget.less(options.floor)
    return left.within(options.node_budgets.get(WORK, UNLIMITED)).model_copy(update={"seconds": budget.seconds})


class Money:
    """Accounts at `node / specialist / subtask / tool`, and the guard that charges them."""

    def __init__(
        self,
        options: Options,
        *,
        budget: Budget,
        emit: Emit,
        charges: Mapping[str, Charge],
        told: Collection[tuple[Dimension, int]],
    ) -> None:
        self._options, self._budget = options, budget
        self._entries = entries = Entries(emit, Endpoints(options.clock))
        self.ledger = Ledger(budget, floor=options.floor, on_alert=entries.alert, told=told, clock=options.clock)
        self.guard = Guard(
            Desk(
                breakers=options.breakers,
                clock=options.clock,
                emit=entries.tool_event,
                on_reserved=entries.reserved,
                on_settled=entries.settled,
            ),
            retries=RetryBudget(),
            random=options.random,
        )
        self.reallocation = Reallocation(options, self.ledger, emit, node=WORK)
        for node, bound in self._nodes(None).items():  # planning spends before there is a plan
            if node != WORK:
                self.ledger.account((node,), limit=bound)
        for key, charge in charges.items():
            self.account(tuple(charge.path.split("/")[1:])).charge(Amounts(**charge.amounts), key=key)
            if not charge.settled:  # nobody will ever know what came of it
                emit("SETTLED", payload={"key": key, "path": charge.path, "used": dict(charge.amounts)})

    def bound(self, plan: Budget | None) -> None:
        """Set the limits of nodes and specialists; the plan's own narrows what all specialists have together."""
        parts = allocate(self._budget, self._options.shares)
        for name, known in self._options.specialists.items():
            bound = known.card.budget.within(parts.get(name, UNLIMITED))
            if bound != UNLIMITED:
                self.ledger.account((WORK, name), limit=bound)
        for node, bound in self._nodes(plan).items():
            self.ledger.account((node,), limit=bound)

    def _nodes(self, plan: Budget | None) -> dict[str, Budget]:
        """Return the limits of the nodes: their parts of the run's budget within what was declared for them."""
        nodes = dict(self._options.node_budgets)
        if plan is not None:
            nodes[WORK] = plan.within(nodes.get(WORK, UNLIMITED))
        parts = allocate(self._budget, self._options.shares)
        if PLAN not in {**parts, **nodes}:
            parts |= allocate(self._budget, {PLAN: PLANNING_SHARE})
        named = [node for node in {**parts, **nodes} if node not in self._options.specialists]
        return {node: parts.get(node, UNLIMITED).within(nodes.get(node, UNLIMITED)) for node in named}

    def account(self, path: tuple[str, ...], *, limit: Budget | None = None) -> Account:
        """Return the account at `path` below the run, with a limit of its own."""
        return self.ledger.account(path, limit=limit)

    def tool_accounts(self, path: tuple[str, ...]) -> Callable[[Tool], Account]:
        """Return how the tools of the subtask at `path` find their accounts."""

        def account(tool: Tool) -> Account:
            return self.account((*path, tool.name), limit=tool.budget)

        return account

    def usage_of(self, path: tuple[str, ...], *, seconds: float) -> Usage:
        """Return what one account has used, with seconds counted elsewhere."""
        return self.account(path).usage().model_copy(update={"seconds": round(seconds, 6)})

    def costs(self, report: Mapping[str, Any] | None = None) -> JsonObject:
        """Return what each node and each specialist has used, attempts that failed included; money in dollars.

        `report` is the ledger's, for who has it already.
        """
        tree = cast("Any", report or self.ledger.report())["children"]
        work = tree.get(WORK, {"children": {}})
        return {
            "nodes": {name: below["settled"] for name, below in tree.items()},
            "specialists": {name: below["settled"] for name, below in work["children"].items()},
        }

    @property
    def endpoints(self) -> Endpoints:
        """Which endpoints of models are worth another request."""
        return self._entries.endpoints

    def close(self) -> None:
        """Settle in full, on the record too, whatever nobody settled; what is heard of it later does not count."""
        self._entries.close()
        self._entries.leaked(self.ledger.close())


class Entries:
    """How money's movements go on the record. It knows no account: a run that is over is freed without the collector."""

    def __init__(self, emit: Emit, endpoints: Endpoints) -> None:
        self._emit, self.endpoints = emit, endpoints
        self._is_closed = False

    def alert(self, alert: Alert) -> None:
        """A budget is used to a mark."""
        self._emit(
            "BUDGET_ALERT",
            payload={"dimension": alert.dimension, "percent": alert.percent, "used": alert.used, "limit": alert.limit},
        )

    def tool_event(self, kind: str, payload: JsonObject) -> None:
        """A call ended, or a breaker changed."""
        if kind == "TOOL_CALLED" and payload.get("tool") == TOOL:
            self.endpoints.note(payload)
        self._emit(cast("EventType", kind), payload=payload)

    def reserved(self, key: str, path: str, asked: Mapping[str, int | float]) -> Future[list[int]]:
        """Something is held for a call."""
        return self._emit("RESERVED", payload={"key": key, "path": path, "amounts": counted(asked)})

    def settled(self, key: str, path: str, used: Mapping[str, int | float]) -> None:
        """A call was charged."""
        if self._is_closed:
            return
        # Not waited for: a settlement lost in a crash leaves the reservation open, and that is charged in full.
        self._emit("SETTLED", payload={"key": key, "path": path, "used": counted(used)})

    def close(self) -> None:
        """What is heard of settlements from now on does not count."""
        self._is_closed = True

    def leaked(self, leaks: Iterable[Leak]) -> None:
        """What nobody settled was charged in full."""
        for leak in leaks:
            self._emit("SETTLED", payload={"key": leak.key, "path": leak.path, "used": dict(leak.amounts._asdict())})


def counted(given: Mapping[str, Any]) -> dict[str, int]:
    """Return amounts as the journal has them: whole numbers, money in billionths of a dollar."""
    return amounts(**given)._asdict()
