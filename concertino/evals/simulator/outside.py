"""The world outside the planner: specialists and tools that do as the scenario says, a meter that bills, a sink for effects."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from concertino.contracts.budget import DIMENSIONS, Budget
from concertino.contracts.clock import Clock
from concertino.contracts.errors import BudgetExceeded, ConcertinoError
from concertino.contracts.finding import Declined, Finding
from concertino.evals.simulator.processes import PROCESS, Process
from concertino.evals.simulator.scenario import Amounts, Answer, Scenario, SpecialistSetup, ToolSetup, planned_id
from concertino.evals.simulator.traces import Body, Call, Trace
from concertino.nodes.specialists.declare import Specialist, specialist
from concertino.tools.breaker import BreakerPolicy
from concertino.tools.registry import Cost, Tool
from concertino.tools.retry import Transient

FOREVER_S = 1e9
CAPABILITY = "any"


class HTTPError(Exception):
    """An answer with an HTTP status, as clients raise it."""

    def __init__(self, status_code: int) -> None:
        self.status_code = status_code
        super().__init__(f"HTTP {status_code}")


class Outside:
    """Everything that a scenario's planner can reach."""

    def __init__(self, scenario: Scenario, *, clock: Clock, trace: Trace) -> None:
        self._scenario, self._clock, self.trace = scenario, clock, trace
        self._ops = {(task.id, one.id): one for task in scenario.tasks for one in task.work}
        self._calls: Counter[str] = Counter()
        self._order = 0
        self.effects: defaultdict[str, int] = defaultdict(int)
        """How often each effect was carried out: a key that is known does nothing."""

    def order(self) -> int:
        """Number what is seen."""
        self._order += 1
        return self._order

    def specialists(self) -> list[Specialist]:
        """Return the scenario's specialists."""
        return [self._specialist(one) for one in self._scenario.specialists]

    def tools(self) -> list[Tool]:
        """Return the scenario's tools."""
        return [self._tool(one) for one in self._scenario.tools]

    # Specialists.

    def _specialist(self, setup: SpecialistSetup) -> Specialist:
        async def body(brief: Any) -> Any:
            with self._body(brief, setup.name) as seen:
                return await self._perform(brief, seen)

        def blocking(brief: Any) -> Any:
            with self._body(brief, setup.name) as seen:
                return self._perform_blocking(brief, seen)

        return specialist(
            setup.name,
            capabilities={CAPABILITY} if setup.can else (),
            budget=Budget.model_validate(setup.budget) if setup.budget else None,
            max_concurrency=setup.max_concurrency,
            delivery="at_most_once" if setup.at_most_once else "at_least_once",
            breaker=dict(setup.breaker) if setup.breaker else None,
        )(body if setup.is_async else blocking)

    @contextmanager
    def _body(self, brief: Any, name: str) -> Iterator[Body]:
        process = PROCESS.get()
        process.check()
        seen = Body(
            process.number, brief.run_id, brief.task_id, brief.subtask_id, name, brief.attempt,
            self._clock.monotonic(), self.order(),
        )  # fmt: skip
        self.trace.bodies.append(seen)
        try:
            yield seen
            seen.answered = not process.is_dead
        finally:
            if not process.is_dead:
                seen.ended, seen.ended_order = self._clock.monotonic(), self.order()

    async def _perform(self, brief: Any, seen: Body) -> Any:
        process = PROCESS.get()
        work = self._ops[brief.task_id, planned_id(brief.subtask_id)]
        for op in work.ops:
            process.check()
            match op:
                case ("wait", seconds):
                    await asyncio.sleep(seconds)
                case ("hang", upto) if brief.attempt <= upto:
                    await asyncio.sleep(FOREVER_S)
                case ("deaf", seconds):
                    await _deaf(seconds)
                case ("spend", amounts):
                    with _allowed(work.is_lenient):
                        await brief.spend(**_counted(amounts))
                        self._spent(brief, seen, amounts)
                case ("call", name):
                    with _allowed(work.is_lenient):
                        await brief.tools[name](who=(brief.run_id, brief.subtask_id, seen.specialist))
                case ("publish", text):
                    await brief.publish(text)
                case _:
                    if (out := self._act(brief, seen, op)) is not None:
                        return out
        process.check()
        return Finding(output={"id": brief.subtask_id}, confidence=0.5)

    def _perform_blocking(self, brief: Any, seen: Body) -> Any:
        process = PROCESS.get()
        work = self._ops[brief.task_id, planned_id(brief.subtask_id)]
        for op in work.ops:
            process.check()
            match op:
                case ("wait", seconds):
                    self._clock.sleep(seconds)
                case ("hang", upto) if brief.attempt <= upto:
                    self._clock.sleep(200.0)  # it cannot be stopped, and would outlive the run
                case ("deaf", seconds):
                    self._clock.sleep(seconds)
                case ("spend", amounts):
                    with _allowed(work.is_lenient):
                        brief.spend(**_counted(amounts))
                        self._spent(brief, seen, amounts)
                case ("call", name):
                    with _allowed(work.is_lenient):
                        brief.tools[name](who=(brief.run_id, brief.subtask_id, seen.specialist))
                case ("publish", text):
                    brief.publish(text)
                case _:
                    if (out := self._act(brief, seen, op)) is not None:
                        return out
        process.check()
        return Finding(output={"id": brief.subtask_id}, confidence=0.5)

    def _act(self, brief: Any, seen: Body, op: Any) -> Any:
        match op:
            case ("effect", name):
                key = brief.effect_key(name)
                seen.effects.append((name, key))
                self.effects[key] += 1
            case ("fail", upto) if brief.attempt <= upto:
                raise RuntimeError(f"attempt {brief.attempt} fails")
            case ("bad answer", upto) if brief.attempt <= upto:
                return {"output": {}, "confidence": 7}
            case ("decline",):
                return Declined(reason="not mine")
            case _:
                pass
        return None

    def _spent(self, brief: Any, seen: Body, amounts: Amounts) -> None:
        if not PROCESS.get().is_dead:
            self.trace.spent.append((self._clock.monotonic(), brief.run_id, brief.subtask_id, seen.specialist, amounts))

    # Tools.

    def _tool(self, setup: ToolSetup) -> Tool:
        async def called(who: tuple[str, str, str]) -> Any:
            answer, seen = self._called(setup, who)
            try:
                await asyncio.sleep(FOREVER_S if answer.what == "hang" else answer.took_s)
                return _answered(setup, answer)
            finally:
                seen.ended = self._clock.monotonic()

        def blocking(who: tuple[str, str, str]) -> Any:
            answer, seen = self._called(setup, who)
            try:
                self._clock.sleep(200.0 if answer.what == "hang" else answer.took_s)
                return _answered(setup, answer)
            finally:
                seen.ended = self._clock.monotonic()

        return Tool(
            name=setup.name,
            fn=None if setup.is_async else blocking,
            afn=called if setup.is_async else None,
            cost=_cost(setup.cost),
            used=_used,
            timeout_s=setup.timeout_s,
            attempts=setup.attempts,
            breaker=BreakerPolicy(**setup.breaker),
            budget=Budget.model_validate(setup.budget) if setup.budget else None,
        )

    def _called(self, setup: ToolSetup, who: tuple[str, str, str]) -> tuple[Answer, Call]:
        process: Process = PROCESS.get()
        process.check()
        answer = setup.answers[self._calls[setup.name] % len(setup.answers)]
        self._calls[setup.name] += 1
        run_id, subtask_id, name = who
        seen = Call(
            process.number, run_id, subtask_id, name, setup.name, self._clock.monotonic(), self.order(),
            _bill(setup, answer), answer.what,
        )  # fmt: skip
        self.trace.calls.append(seen)
        return answer, seen


def _bill(setup: ToolSetup, answer: Answer) -> Amounts:
    """Return what the other side bills, known to the planner or not."""
    match answer.what:
        case "refused":  # it never arrived; a call that was tried may count as one
            return {"calls": setup.cost.get("calls", 0)}
        case "status 429" | "status 500" | "status 400":
            return {"calls": setup.cost.get("calls", 0)}
        case _:
            return _share(setup.cost, answer.used)


def _share(cost: Amounts, used: float) -> dict[str, float]:
    return {
        name: n if name == "calls" else round(n * used, 9) if name == "usd" else int(n * used)
        for name, n in cost.items()
    }


def _answered(setup: ToolSetup, answer: Answer) -> Any:
    match answer.what:
        case "refused":
            raise ConnectionRefusedError("nobody listens")
        case "cut":
            raise ConnectionResetError("cut off")
        case "transient":
            raise Transient("come back", retry_after=0.1)
        case "unusable":
            raise LookupError("of no known kind")
        case "bad":
            return "rubbish"
        case what if what.startswith("status "):
            raise HTTPError(int(what.removeprefix("status ")))
        case _:
            return _share(setup.cost, answer.used)


def _used(result: Any) -> Cost:
    if not isinstance(result, Mapping):
        raise TypeError(f"no usage in {result!r}")
    return _cost(result)


def _cost(amounts: Amounts) -> Cost:
    return Cost(**{"calls": 0, **_counted(amounts)})


def _counted(amounts: Amounts) -> dict[str, Any]:
    return {name: n if name == "usd" else int(n) for name, n in amounts.items() if name in DIMENSIONS}


@contextmanager
def _allowed(is_lenient: bool) -> Iterator[None]:
    """Go on when something is refused or fails, if that is how the specialist is."""
    try:
        yield
    except BudgetExceeded:
        if not is_lenient:
            raise
    except ConcertinoError as error:
        if not is_lenient or getattr(error, "limit_s", None) is not None:
            raise


async def _deaf(seconds: float) -> None:
    """Wait, and go on for as long again when told to stop."""
    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        await asyncio.sleep(seconds)
