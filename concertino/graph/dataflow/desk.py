"""What stands behind one attempt's brief: charging, publishing, and the guard's record of reservations."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any

from pydantic import JsonValue

from concertino.budgets import Amounts, Reservation, amounts
from concertino.contracts.discovery import News
from concertino.contracts.errors import DeadlineExceeded, InputError
from concertino.contracts.event import EventType
from concertino.contracts.ids import ID_RULE, is_id
from concertino.contracts.json import JsonObject, clean
from concertino.contracts.plan import Subtask
from concertino.contracts.scope import Scope, scoped
from concertino.graph.runs.discoveries import Reader
from concertino.graph.runs.run import Run
from concertino.journal.awaiting import wait
from concertino.nodes.specialists.declare import Specialist
from concertino.tools.bound import BoundTools
from concertino.tools.breaker import is_number
from concertino.tools.crew import CREW, Crew
from concertino.tools.models.standby import Standby

MOST, MOST_USD = 10**15, 10**9
"""Largest amounts of one charge, as of a budget."""


@dataclass(slots=True)
class Tenure:
    """Whether an attempt may still do anything. Apart from its desk, so that what asks for it does not keep that alive."""

    run: Run
    whose: str
    is_closed: bool = False

    def revoked(self) -> DeadlineExceeded | None:
        """Return why nothing more is allowed, once the attempt or the whole run is over."""
        return self.over() if self.is_closed or self.run.is_over else None

    def over(self) -> DeadlineExceeded:
        """Return what is raised then."""
        return DeadlineExceeded(scope=f"{self.whose}, which is over", limit_s=0.0)


class AttemptDesk:
    """The run's ledger and record, as one attempt at one subtask may use them. Works from any loop or thread."""

    def __init__(
        self,
        run: Run,
        specialist: Specialist,
        *,
        path: tuple[str, ...],
        subtask: Subtask,
        attempt: str,
        scope: Scope,
        deadline: float | None,
    ) -> None:
        self._run, self._path, self._specialist, self._deadline = run, path, specialist, deadline
        self._subtask_id, self._attempt = subtask.id, attempt
        self._scope = scope
        self._spent = 0
        self._tenure = Tenure(run, f"attempt {attempt} at {subtask.id}")
        self._lock = threading.Lock()
        self._tools: BoundTools | None = None
        self._reader = Reader(run.discoveries, subtask.id, run.clock)
        self._model: Any = None
        self._random: Random | None = None
        self.crew = Crew(outer=CREW.get())
        """Who works for the attempt in threads."""
        self.foreign = Standby(
            partial(
                run.models.guard_foreign, path, key=f"{subtask.id}#{attempt}", deadline=deadline, caller="/".join(path)
            ),
            double=run.options.double,
        )
        """Holds what models of its own the specialist calls; closed with the attempt."""

    @property
    def tools(self) -> BoundTools:
        """What the attempt may call; made when first asked for, as many bodies never do."""
        with self._lock:
            if self._tools is None:
                run, own = self._run, self._specialist.tools
                self._tools = BoundTools(
                    {**run.options.tools, **{tool.name: tool for tool in own}},
                    guard=run.money.guard,
                    account=run.money.tool_accounts(self._path),
                    key=f"{self._subtask_id}#{self._attempt}",
                    deadline=self._deadline,
                    caller="/".join(self._path),
                    blocking=self._specialist.kind == "function",
                )
                if self._tenure.is_closed:
                    self._tools.close(self._tenure.over())
            return self._tools

    @property
    def model(self) -> Any:
        """The specialist's chat model, bound to this attempt; `None` where nobody gave one.

        Raises:
            SetupError: dollars are limited, and its price is not known.
        """
        source = self._run.models.of_specialist(self._specialist.name, self._run.plan, self._subtask_id)
        if source is None:
            return None
        with self._lock:
            if self._model is None:
                self._model = self._run.models.bind(
                    source,
                    self._path,
                    key=f"{self._subtask_id}#{self._attempt}",
                    deadline=self._deadline,
                    caller="/".join(self._path),
                    revoked=self._tenure.revoked,
                )
            return self._model

    def now(self) -> float:
        """Return the wall time of the run's clock."""
        read = self._run.options.now
        with scoped(self._scope):
            return self._run.clock.now() if read is None else read()

    @property
    def random(self) -> Random:
        """The attempt's own chance; made when first asked for."""
        with self._lock:
            if self._random is None:
                self._random = Random(self.seed())  # noqa: S311  # to be drawn again, and no secret
            return self._random

    def seed(self) -> str:
        """Return what the attempt's chance begins with."""
        return self._drawn("random")

    def new_id(self, prefix: str) -> str:
        """Return a fresh id."""
        if not is_id(prefix):
            raise InputError(field="new_id.prefix", value=prefix, rule=f"must match {ID_RULE}")
        return self._drawn(prefix)

    def _drawn(self, prefix: str) -> str:
        # Named by the attempt, whichever thread asks: what is drawn follows from it.
        with scoped(self._scope):
            return self._run.options.ids(prefix)

    def close(self) -> None:
        """Refuse whatever an attempt that is over still wants, also from a thread that could not be stopped."""
        with self._lock:
            self._tenure.is_closed = True
            self.foreign.close()
            if self._tools is not None:
                self._tools.close(self._tenure.over())
        self._reader.close()

    async def spend(self, *, tokens: int, calls: int, usd: float, documents: int) -> None:
        """Charge; waits while others hold what is needed, raises BudgetExceeded when it cannot fit."""
        key, asked = self._next(tokens, calls, usd, documents)
        held = await self._run.money.account(self._path).acquire(asked, key=key, deadline=self._run.work_deadline)
        held.settle(asked)
        await wait(self._record("SETTLED", self._settled(key, held)))

    def spend_blocking(self, *, tokens: int, calls: int, usd: float, documents: int) -> None:
        """Charge from a thread."""
        key, asked = self._next(tokens, calls, usd, documents)
        held = self._run.money.account(self._path).acquire_blocking(asked, key=key, deadline=self._run.work_deadline)
        held.settle(asked)
        self._record("SETTLED", self._settled(key, held)).result()

    async def publish(self, finding: str, *payload: Mapping[str, JsonValue]) -> None:
        """Put a discovery on the record."""
        self._check()
        said = self._discovery(finding, payload)
        await wait(self._record("FINDING_DISCOVERED", said))
        self._tell(said)

    def publish_blocking(self, finding: str, *payload: Mapping[str, JsonValue]) -> None:
        """Put a discovery on the record from a thread."""
        self._check()
        said = self._discovery(finding, payload)
        self._record("FINDING_DISCOVERED", said).result()
        self._tell(said)

    @property
    def discoveries(self) -> News:
        """What others have put on the record so far."""
        self._check()
        return self._reader.all()

    async def sync(self, *, wait_s: float) -> News:
        """Return what others have put on the record since the last time, and wait for it if need be."""
        self._check()
        news = await self._reader.news(wait_s, deadline=self._deadline)
        self._check()
        return news

    def sync_blocking(self, *, wait_s: float) -> News:
        """Do as `sync` does, in a thread."""
        self._check()
        news = self._reader.news_blocking(wait_s, deadline=self._deadline)
        self._check()
        return news

    def _tell(self, said: JsonObject) -> None:
        data = said["data"]
        assert isinstance(data, dict)
        self._run.discoveries.add(self._specialist.name, self._subtask_id, str(said["finding"]), data)

    def _check(self) -> None:
        if (error := self._tenure.revoked()) is not None:
            raise error

    def _next(self, tokens: int, calls: int, usd: float, documents: int) -> tuple[str, Amounts]:
        self._check()
        counts: dict[str, object] = {"tokens": tokens, "calls": calls, "documents": documents}
        for name, count in counts.items():
            if isinstance(count, bool) or not isinstance(count, int) or not 0 <= count <= MOST:
                raise InputError(field=f"spend.{name}", value=count, rule="must be a whole number from 0")
        if not is_number(usd) or not 0 <= usd <= MOST_USD:
            raise InputError(field="spend.usd", value=usd, rule=f"must be dollars from 0 to {MOST_USD:,}")
        self._spent += 1
        asked = amounts(tokens=tokens, calls=calls, usd=usd, documents=documents)
        return f"{self._subtask_id}#{self._attempt}.spend{self._spent}", asked

    def _record(self, type_: EventType, payload: JsonObject) -> Future[list[int]]:
        return self._run.emit(type_, subtask_id=self._subtask_id, agent=self._specialist.name, payload=payload)

    def _settled(self, key: str, held: Reservation) -> JsonObject:
        return {"key": key, "path": held.path, "used": dict(held.amounts._asdict())}

    def _discovery(self, finding: str, payload: Iterable[Mapping[str, JsonValue]]) -> JsonObject:
        nesting = self._run.options.limits.nesting
        name = clean(finding, field="publish.finding", nesting=nesting)
        if not isinstance(name, str):
            raise InputError(field="publish.finding", value=finding, rule="must be text")
        data: JsonObject = {}
        for part in payload:
            cleaned = clean(part, field="publish", nesting=nesting)
            if not isinstance(cleaned, dict):
                raise InputError(field="publish", value=part, rule="must be a mapping")
            data |= cleaned
        return {"finding": name, "data": data}
