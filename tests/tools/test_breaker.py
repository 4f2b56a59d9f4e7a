"""Circuit breaker: document 004's preset, the windows, and exactly the permitted probes."""

import asyncio
import threading

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from concertino.contracts.errors import BreakerOpen, SetupError
from concertino.tools.breaker import Breaker, BreakerPolicy, Breakers, Change, Permit
from tests.clocks import StillClock


def opened(clock: StillClock, *, probes: int = 1) -> Breaker:
    """Return a breaker that three failures have just opened."""
    breaker = Breaker("search", "host", policy=BreakerPolicy(probes=probes), clock=clock)
    for _ in range(3):
        breaker.enter().failure(0.1)
    return breaker


def state(breaker: Breaker) -> str:
    return breaker.state


def test_default_is_document_004() -> None:
    """Three failures in a row open it, for 300 seconds, after which one success closes it."""
    clock = StillClock()
    breaker = Breaker("search", "host", clock=clock)
    for _ in range(2):
        breaker.enter().failure(0.1)
    breaker.enter().success(0.1)
    changes = []
    for _ in range(3):
        assert state(breaker) == "CLOSED"
        changes.append(breaker.enter().failure(0.1))
    assert state(breaker) == "OPEN"
    clock.time += 299.0
    with pytest.raises(BreakerOpen) as caught:
        breaker.enter()
    assert (caught.value.name, caught.value.retry_after_s) == ("search@host", 1.0)
    clock.time += 1.0
    assert not breaker.is_open
    permit = breaker.enter()
    assert state(breaker) == "HALF_OPEN"
    changes += [permit.change, permit.success(0.1)]
    assert [(change.old, change.new, change.number) for change in changes if change is not None] == [
        ("CLOSED", "OPEN", 1),
        ("OPEN", "HALF_OPEN", 2),
        ("HALF_OPEN", "CLOSED", 3),
    ]


def test_failed_probe_opens_again_for_the_whole_timeout() -> None:
    """A failing probe starts the reset timeout anew."""
    clock = StillClock()
    breaker = opened(clock)
    clock.time += 300.0
    change = breaker.enter().failure(0.1)
    assert change is not None
    assert change.payload()["reason"] == "a probe failed"
    clock.time += 299.0
    assert breaker.is_open


def test_half_open_lets_exactly_the_probes_of_1000_threads_through() -> None:
    """Of 1,000 threads that enter at once, the permitted probes pass and all others are refused."""
    clock = StillClock()
    breaker = opened(clock, probes=5)
    clock.time += 300.0
    permits: list[Permit] = []
    refused: list[BreakerOpen] = []
    start = threading.Barrier(100)

    def enter() -> None:
        start.wait(10)
        for _ in range(10):
            try:
                permits.append(breaker.enter())
            except BreakerOpen as error:
                refused.append(error)

    threads = [threading.Thread(target=enter) for _ in range(100)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(permits), len(refused)) == (5, 995)
    for permit in permits:
        permit.success(0.1)
    assert state(breaker) == "CLOSED"


async def test_half_open_lets_exactly_the_probes_of_1000_coroutines_through() -> None:
    """Of 1,000 coroutines that hold their permits across an await, the permitted probes pass."""
    clock = StillClock()
    breaker = opened(clock, probes=3)
    clock.time += 300.0
    passed = 0

    async def call() -> None:
        nonlocal passed
        with breaker.enter() as permit:
            passed += 1
            await asyncio.sleep(0)
            permit.success(0.1)

    ended = await asyncio.gather(*(call() for _ in range(1_000)), return_exceptions=True)
    assert passed == 3
    assert sum(isinstance(error, BreakerOpen) for error in ended) == 997
    assert state(breaker) == "CLOSED"


def test_abandoned_probe_gives_its_place_back() -> None:
    """A cancelled probe says nothing about the endpoint, and another may take its place."""
    clock = StillClock()
    breaker = opened(clock)
    clock.time += 300.0
    with breaker.enter():
        assert breaker.is_open
    assert (state(breaker), breaker.is_open) == ("HALF_OPEN", False)
    breaker.enter().success(0.1)
    assert state(breaker) == "CLOSED"


def test_only_the_first_report_of_a_permit_counts() -> None:
    """A permit that was reported is used up."""
    breaker = Breaker("search", "host", clock=StillClock())
    permit = breaker.enter()
    for _ in range(9):
        permit.failure(0.1)
    assert breaker.snapshot()["consecutive_failures"] == 1


def test_straggler_from_before_a_change_is_ignored() -> None:
    """A call admitted while closed neither closes nor keeps open what has moved on since."""
    clock = StillClock()
    breaker = Breaker("search", "host", clock=clock)
    late, later = breaker.enter(), breaker.enter()
    for _ in range(3):
        breaker.enter().failure(0.1)
    clock.time += 300.0
    probe = breaker.enter()
    assert late.success(400.0) is None
    assert later.failure(400.0) is None
    assert state(breaker) == "HALF_OPEN"
    probe.success(0.1)
    assert state(breaker) == "CLOSED"


def test_failure_rate_over_the_latest_calls_opens() -> None:
    """The rate is judged once the window holds enough calls, and old calls leave it."""
    policy = BreakerPolicy(failure_threshold=None, failure_rate=0.5, min_calls=4, window_calls=4)
    breaker = Breaker("search", "host", policy=policy, clock=StillClock())
    for failed in (True, False, False, False, False, True):
        permit = breaker.enter()
        _ = permit.failure(0.1) if failed else permit.success(0.1)
    assert state(breaker) == "CLOSED"
    change = breaker.enter().failure(0.1)
    assert change is not None
    assert change.reason == "2 of 4 calls failed"


def test_calls_older_than_the_time_window_are_forgotten() -> None:
    """Failures count only as long as the window reaches back."""
    clock = StillClock()
    policy = BreakerPolicy(failure_threshold=None, failure_rate=1.0, min_calls=2, window_calls=None, window_s=10.0)
    breaker = Breaker("search", "host", policy=policy, clock=clock)
    breaker.enter().failure(0.1)
    clock.time += 10.0
    breaker.enter().failure(0.1)
    assert state(breaker) == "CLOSED"
    clock.time += 9.0
    breaker.enter().failure(0.1)
    assert state(breaker) == "OPEN"


def test_slow_calls_open_and_a_slow_probe_keeps_open() -> None:
    """Where a slow-call rate is set, slow successes open a breaker and do not close it."""
    clock = StillClock()
    policy = BreakerPolicy(slow_rate=0.5, slow_s=2.0, min_calls=2)
    breaker = Breaker("search", "host", policy=policy, clock=clock)
    breaker.enter().success(1.9)
    breaker.enter().success(2.0)
    assert state(breaker) == "OPEN"
    clock.time += 300.0
    breaker.enter().success(2.0)
    assert state(breaker) == "OPEN"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("failure_threshold", 0),
        ("failure_threshold", True),
        ("probes", 0),
        ("min_calls", 101),
        ("failure_rate", 1.5),
        ("slow_rate", float("nan")),
        ("reset_timeout_s", -1.0),
        ("slow_s", float("inf")),
        ("window_calls", None),
    ],
)
def test_unusable_policy_is_refused_by_field(field: str, value: object) -> None:
    """A policy that cannot work is refused where it is made."""
    with pytest.raises(SetupError) as caught:
        BreakerPolicy(**{"failure_rate": 0.5, field: value})  # type: ignore[arg-type]
    assert caught.value.field == f"breaker.{field}"


def test_registry_has_one_breaker_for_each_tool_and_endpoint() -> None:
    """An endpoint's trouble is its own; the snapshot lists all in a stable order."""
    breakers = Breakers(clock=StillClock())
    for _ in range(3):
        breakers.get("search", "b").enter().failure(0.1)
    assert breakers.get("search", "b") is breakers.get("search", "b")
    assert not breakers.get("search", "a").is_open
    assert [(one["endpoint"], one["state"]) for one in breakers.snapshot()] == [("a", "CLOSED"), ("b", "OPEN")]


class Transitions(RuleBasedStateMachine):
    """The breaker against a plain model of document 004's rules, with reports in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = StillClock()
        self.policy = BreakerPolicy(failure_threshold=3, reset_timeout_s=10.0, probes=2)
        self.breaker = Breaker("t", "e", policy=self.policy, clock=self.clock)
        self.out: list[Permit] = []
        self.state, self.period, self.row, self.opened_at = "CLOSED", 0, 0, 0.0
        self.probing = self.probed = 0
        self.seen: list[tuple[int, str]] = []
        self.expected: list[tuple[int, str]] = []

    def note(self, change: Change | None) -> None:
        if change is not None:
            self.seen.append((change.number, change.new))

    def move(self, state: str) -> None:
        self.state, self.period = state, self.period + 1
        self.row = self.probing = self.probed = 0
        self.opened_at = self.clock.time
        self.expected.append((self.period, state))

    @rule(seconds=st.sampled_from([0.5, 5.0, 10.0]))
    def time_passes(self, seconds: float) -> None:
        self.clock.time += seconds

    @rule()
    def enter(self) -> None:
        if self.state == "OPEN" and self.clock.time >= self.opened_at + 10.0:
            self.move("HALF_OPEN")
        refused = self.state == "OPEN" or (self.state == "HALF_OPEN" and self.probing + self.probed >= 2)
        if refused:
            assert self.breaker.is_open
            with pytest.raises(BreakerOpen):
                self.breaker.enter()
            return
        self.out.append(self.breaker.enter())
        self.note(self.out[-1].change)
        self.probing += self.state == "HALF_OPEN"

    @precondition(lambda self: self.out)
    @rule(data=st.data(), report=st.sampled_from(["success", "failure", "abandon"]))
    def report(self, data: st.DataObject, report: str) -> None:
        permit = self.out.pop(data.draw(st.integers(0, len(self.out) - 1)))
        current = permit.number == self.period
        if report == "abandon":
            permit.abandon()
        else:
            self.note(getattr(permit, report)(0.1))
        if not current:
            return
        if self.state == "HALF_OPEN":
            self.probing -= 1
            self.probed += report == "success"
            if report == "failure":
                self.move("OPEN")
            elif self.probed == 2:
                self.move("CLOSED")
        elif report != "abandon":
            self.row = 0 if report == "success" else self.row + 1
            if self.row == 3:
                self.move("OPEN")

    @invariant()
    def agrees_with_the_model(self) -> None:
        shown = self.breaker.snapshot()
        assert (shown["state"], shown["consecutive_failures"]) == (
            self.state,
            self.row if self.state == "CLOSED" else 3,
        )
        assert self.seen == self.expected
        assert self.probing + self.probed <= 2


TestTransitions = Transitions.TestCase
