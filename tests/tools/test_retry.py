"""The retry layer: what is transient, how long is waited, and when to stop."""

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concertino.contracts.errors import BreakerOpen, SetupError
from concertino.tools.retry import MAX_WAIT_S, Retry, RetryBudget, Transient, is_transient, retry_after_s
from tests.clocks import StillClock


class Http(Exception):
    def __init__(self, status_code: object, **headers: str) -> None:
        self.status_code = status_code
        self.response = type("Response", (), {"headers": {k.replace("_", "-"): v for k, v in headers.items()}})()


def rules(clock: StillClock, **options: Any) -> Retry:
    return Retry(**{"clock": clock, "random": lambda: 1.0, "budget": RetryBudget(), **options})


def library_error(package: str, name: str) -> Exception:
    error = type("Sub", (type(name, (Exception,), {"__module__": f"{package}.errors"}),), {})()
    assert isinstance(error, Exception)
    return error


@pytest.mark.parametrize(
    ("error", "transient"),
    [
        (Transient(), True),
        (TimeoutError(), True),
        (ConnectionResetError(), True),
        (Http(408), True),
        (Http(429), True),
        (Http(500), True),
        (Http(599), True),
        (Http(400), False),
        (Http(404), False),
        (Http("503"), False),
        (library_error("httpx", "TransportError"), True),
        (library_error("openai", "APIConnectionError"), True),
        (library_error("elsewhere", "TransportError"), False),
        (ValueError(), False),
        (OSError(), False),
        (BreakerOpen(name="x", retry_after_s=1.0), False),
        (asyncio.CancelledError(), False),
    ],
)
def test_only_the_known_transient_is_retried(error: BaseException, transient: bool) -> None:
    """Markers, timeouts, connections and certain HTTP statuses pass; everything else is final."""
    assert is_transient(error) is transient


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (Transient(retry_after=2.5), 2.5),
        (Http(429, Retry_After="7"), 7.0),
        (Http(429, retry_after="Sun, 06 Nov 1994 08:49:37 GMT"), 7.0),
        (Http(429, retry_after="Sun, 06 Nov 1994 08:00:00 GMT"), 0.0),
        (Http(429, retry_after="soon"), None),
        (Http(429, retry_after="-3"), None),
        (Http(429, retry_after="nan"), None),
        (Http(429), None),
        (ValueError(), None),
    ],
)
def test_retry_after_is_read_from_attribute_and_header(error: Exception, seconds: float | None) -> None:
    """Seconds or an HTTP date; what makes no sense is ignored."""
    assert retry_after_s(error, now=784_111_770.0) == seconds


@given(attempt=st.integers(1, 40), jitter=st.floats(0, 1), asked=st.none() | st.floats(0, 1e6))
def test_wait_is_bounded_and_never_below_what_was_asked(attempt: int, jitter: float, asked: float | None) -> None:
    """Our own wait stays under the doubling bound and the maximum."""
    wait_s = rules(StillClock(), random=lambda: jitter).wait_s(attempt, Transient(retry_after=asked))
    assert wait_s >= (asked or 0.0)
    assert wait_s <= max(asked or 0.0, min(MAX_WAIT_S, 0.5 * 2 ** (attempt - 1)))


@given(calls=st.integers(0, 200), asked=st.integers(0, 300), ratio=st.floats(0, 2), minimum=st.integers(0, 20))
def test_retries_stay_within_ratio_and_minimum(calls: int, asked: int, ratio: float, minimum: int) -> None:
    """Granted retries never pass ratio × calls + minimum, and are refused only there."""
    budget = RetryBudget(ratio=ratio, minimum=minimum)
    for _ in range(calls):
        budget.note_call()
    granted = sum(budget.take() for _ in range(asked))
    assert granted <= ratio * calls + minimum
    assert granted == asked or granted + 1 > ratio * calls + minimum


@pytest.mark.parametrize("options", [{"ratio": -0.1}, {"ratio": 3.0}, {"minimum": -1}])
def test_unusable_retry_budget_is_refused(options: dict[str, Any]) -> None:
    """A ratio outside 0-2 or a negative minimum means nothing."""
    with pytest.raises(SetupError):
        RetryBudget(**options)


def attempts_of(retry: Retry, clock: StillClock, error: Exception, *, takes_s: float = 0.0) -> int:
    made = 0

    def attempt() -> None:
        nonlocal made
        made += 1
        clock.time += takes_s
        raise error

    with pytest.raises(type(error)):
        retry.in_thread()(attempt)
    return made


def test_three_attempts_at_most_with_doubling_waits() -> None:
    """Whatever is configured, the third attempt is the last."""
    clock = StillClock()
    assert attempts_of(rules(clock, attempts=99), clock, Transient()) == 3
    assert clock.slept == [0.5, 1.0]
    assert attempts_of(rules(clock, attempts=1), clock, Transient()) == 1


def test_wait_goes_through_the_clock_in_coroutines_too() -> None:
    """The driver for coroutines waits on the same clock and stops at the same point."""
    clock = StillClock()

    async def attempt() -> None:
        raise Transient(retry_after=3.0)

    with pytest.raises(Transient):
        asyncio.run(rules(clock).in_coroutine()(attempt))
    assert clock.slept == [3.0, 3.0]


@pytest.mark.parametrize(("left_s", "attempts"), [(0.4, 1), (0.5, 1), (1.4, 1), (1.6, 2), (10.0, 3)])
def test_nothing_starts_that_cannot_end_before_the_deadline(left_s: float, attempts: int) -> None:
    """A retry needs its wait and as long as the attempt before: here 0.5 s and 0.5 s after 0.5 s."""
    clock = StillClock()
    assert attempts_of(rules(clock, deadline=clock.time + left_s), clock, Transient(), takes_s=0.5) == attempts


def test_long_retry_after_is_not_waited_for() -> None:
    """Whoever asks for more than the longest wait gets no retry."""
    clock = StillClock()
    assert attempts_of(rules(clock), clock, Transient(retry_after=MAX_WAIT_S + 1)) == 1
    assert clock.slept == []
