"""Functions in child processes: what reaches them, what they may ask for, how they end, and that nothing stays behind."""

import asyncio
import contextvars
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from pydantic import JsonValue

import concertino
from concertino.contracts.clock import SystemClock
from concertino.contracts.errors import (
    BreakerOpen,
    BudgetExceeded,
    DeadlineExceeded,
    InputError,
    SetupError,
    StaleLease,
    ToolFailed,
)
from concertino.contracts.finding import Declined, Finding
from concertino.contracts.json import JsonObject
from concertino.nodes.specialists.plain import AnswerRefused
from concertino.nodes.specialists.process import ChildFailed, run_in_process
from concertino.nodes.specialists.wire import MESSAGE_BYTES, any_error, error_data

BRIEF: JsonObject = {
    "task_id": "t-1",
    "run_id": "r-1",
    "subtask_id": "s-1",
    "attempt": 2,
    "objective": "price it",
    "inputs": {"level": 3, "text": "ü\u2028"},
    "upstream": {"a": {"output": {"band": 1}, "confidence": 0.25}},
    "upstream_names": {"short": "a"},
    "task": {"title": "offer"},
}


ENV = {**os.environ, "PYTHONPATH": str(Path(concertino.__file__).parents[1])}


pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc to see what is left behind")


_before: set[str] = set()
"""Children that this process had when a test began."""


@pytest.fixture(autouse=True)
def _functions(monkeypatch):
    # Another test's, such as multiprocessing's resource tracker, which lives as long as this process.
    _before.clear()
    _before.update(_offspring())
    monkeypatch.syspath_prepend(str(Path(__file__).parent))


async def refuse_all(op: str, arguments: JsonObject) -> JsonValue:
    raise AssertionError(f"{op} was not expected")


async def run(
    function: str,
    *,
    serve: Any = refuse_all,
    inputs: dict[str, Any] | None = None,
    seconds: float | None = None,
    message_bytes: int = MESSAGE_BYTES,
) -> Any:
    brief: JsonObject = {**BRIEF, "inputs": BRIEF["inputs"] if inputs is None else inputs}
    clock = SystemClock()
    deadline = None if seconds is None else clock.monotonic() + seconds
    return await run_in_process(
        f"isolated_functions:{function}",
        brief,
        serve=serve,
        deadline=deadline,
        clock=clock,
        message_bytes=message_bytes,
    )


def gone(pid: int) -> bool:
    """Say whether the process has ended; one that init has yet to reap counts as ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


async def all_gone(pids: list[int]) -> None:
    """Wait until all have ended: the kernel takes a moment to take a killed process down."""
    while not all(gone(pid) for pid in pids):
        await asyncio.sleep(0)


async def all_reaped() -> None:
    """Wait until none of the test's children is left, running or dead."""
    while children():
        await asyncio.sleep(0)


def children() -> set[str]:
    return _offspring() - _before


def _offspring() -> set[str]:
    return {line for path in Path("/proc/self/task").glob("*/children") for line in path.read_text().split()}


async def test_whole_brief_reaches_the_child_and_its_finding_returns() -> None:
    """Every field of the brief is there, findings as models, and the deadline is the machine's monotonic clock."""
    before = time.monotonic()
    answer = await run("echo", seconds=30)
    assert isinstance(answer, Finding)
    assert answer.confidence == 0.5
    assert list(answer.evidence) == ["a.pdf"]
    output = answer.output
    assert isinstance(output, dict)
    deadline = output.pop("deadline")
    assert isinstance(deadline, float)
    assert before + 29 < deadline < time.monotonic() + 30
    assert output == {
        "inputs": BRIEF["inputs"],
        "objective": "price it",
        "attempt": 2,
        "key": "t-1:r-1:s-1:mail",
        "task": {"title": "offer"},
        "model": None,
        "up": [{"band": 1}, 0.25, ["a"]],
    }


async def test_plain_function_calls_back_and_blocks_for_the_result() -> None:
    """Tools, spending and discoveries of a plain function are served by the parent, in order and in its context."""
    who: contextvars.ContextVar[str] = contextvars.ContextVar("who")
    who.set("caller")
    asked = []

    async def serve(op, arguments):
        asked.append((op, arguments, who.get()))
        if op == "tools":
            return ["add"]
        return arguments["arguments"]["a"] + arguments["arguments"]["b"] if op == "tool" else None

    answer = await run("plain_calls", serve=serve)
    assert answer == {"attribute": 3, "item": 7, "call": 11, "names": ["add"], "has": [True, False]}
    assert asked[:3] == [
        ("spend", {"tokens": 3, "calls": 0, "usd": 0.0, "documents": 0}, "caller"),
        ("publish", {"finding": "price", "payload": [{"amount": 2}]}, "caller"),
        ("tool", {"name": "add", "arguments": {"a": 1, "b": 2}}, "caller"),
    ]


async def test_coroutine_has_several_calls_open_at_once() -> None:
    """Two tool calls of one coroutine are served side by side: each waits here for the other."""
    met = asyncio.Barrier(2)

    async def serve(op, arguments):
        if op != "tool":
            return None
        await met.wait()
        return arguments["arguments"]["who"]

    assert await run("async_calls", serve=serve) == [1, 2]


async def test_threads_of_the_function_may_call_back() -> None:
    """Calls from many threads each get their own reply."""

    async def serve(op, arguments):
        return arguments["arguments"]["a"] + arguments["arguments"]["b"]

    assert await run("calls_in_threads", serve=serve) == [2 * n for n in range(20)]


GUARD_ERRORS = [
    BudgetExceeded(scope="run", dimension="tokens", asked=5, left=2),
    BreakerOpen(name="search", retry_after_s=2.5),
    ToolFailed(tool="search", attempts=3, reason="gone"),
    DeadlineExceeded(scope="run", limit_s=1.0),
]


@pytest.mark.parametrize("error", GUARD_ERRORS, ids=lambda error: type(error).__name__)
async def test_guard_errors_are_raised_in_the_child_as_themselves(error) -> None:
    """The guard's refusal can be caught in the child by its class, with its data and message."""

    async def serve(op, arguments):
        raise error

    caught = await run("catches", serve=serve)
    assert caught == {"class": type(error).__name__, "fields": error.fields(), "text": str(error)}


@pytest.mark.parametrize("error", GUARD_ERRORS, ids=lambda error: type(error).__name__)
async def test_guard_errors_let_pass_come_out_as_themselves(error) -> None:
    """A guard error that the function does not catch ends the attempt with that same class."""

    async def serve(op, arguments):
        raise error

    with pytest.raises(type(error)) as caught:
        await run("lets_pass", serve=serve)
    assert (caught.value.fields(), str(caught.value)) == (error.fields(), str(error))


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (InputError(field="a", value="x", rule="must be a number"), {"class": "InputError"}),
        (StaleLease(run_id="r", held=1, current=2), {"class": "StaleLease"}),
        (TypeError("missing a"), {"builtin": "TypeError", "text": "missing a"}),
        (ZeroDivisionError("by 0"), {"builtin": "RuntimeError", "text": "ZeroDivisionError: by 0"}),
        (asyncio.CancelledError(), {"builtin": "RuntimeError", "text": "tool was cancelled"}),
    ],
)
async def test_other_errors_of_a_tool_are_raised_in_the_child(error, expected) -> None:
    """Errors of the contracts and of Python keep their class, others come as RuntimeError with their name."""

    async def serve(op, arguments):
        raise error

    caught = await run("catches", serve=serve)
    assert isinstance(caught, dict)
    assert {**caught, **expected} == caught
    if isinstance(error, InputError):
        assert caught["text"] == str(error)


async def test_tool_result_without_json_is_an_error_in_the_child() -> None:
    """A tool's result that cannot travel is refused where the tool was called."""

    async def serve(op, arguments):
        return object()

    caught = await run("catches", serve=serve)
    assert caught == {"class": "AnswerRefused", "text": "tool: 'object' refused: must be JSON"}


async def test_graph_interrupts_are_not_sent_to_the_child() -> None:
    """LangGraph's own control flow, raised by a tool, ends the child and reaches the caller untouched."""

    class GraphBubbleUp(Exception):
        pass

    async def serve(op, arguments):
        raise GraphBubbleUp

    with pytest.raises(GraphBubbleUp):
        await run("lets_pass", serve=serve)


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        ("raises", "raised KeyError: 'no such candidate'"),
        ("exits", "called sys.exit(3)"),
        ("exits_hard", "exited with code 7 before it answered"),
        ("exits_hard_quietly", "exited with code 0 before it answered"),
        ("closes_everything", "exited with code 1 before it answered"),
        ("segfaults", "was killed by SIGSEGV before it answered"),
        ("absent", "raised AttributeError: module 'isolated_functions' has no attribute 'absent'"),
    ],
)
async def test_every_bad_end_has_its_reason(function, reason) -> None:
    """However a function ends without an answer, the reason says which way it was."""
    with pytest.raises(ChildFailed) as caught:
        await run(function)
    assert caught.value.reason == reason
    await all_reaped()


async def test_raised_error_carries_its_traceback() -> None:
    """The end of the child's traceback travels with the failure."""
    with pytest.raises(ChildFailed) as caught:
        await run("raises")
    assert "isolated_functions.py" in caught.value.trace


@pytest.mark.parametrize(
    ("function", "place", "rule"),
    [
        ("unserialisable", "answer.handle", "must be JSON"),
        ("not_finite", "answer.price", "numbers must be finite"),
        ("cycle", "answer" + "[0]" * 200, "nested too deep or recursive"),
    ],
)
async def test_answers_without_json_are_refused(function, place, rule) -> None:
    """What cannot travel is refused by place and rule."""
    with pytest.raises(AnswerRefused) as caught:
        await run(function)
    assert (caught.value.field, caught.value.rule) == (place, rule)


async def test_answer_over_the_message_limit_is_refused() -> None:
    """An answer longer than a message may be never leaves the child."""
    with pytest.raises(AnswerRefused, match="at most 20000 bytes"):
        await run("huge", message_bytes=20_000)


@pytest.mark.parametrize(
    ("function", "answer"),
    [
        ("nothing", None),
        ("dataclassed", {"offer": {"base": 5}}),
        ("declines", Declined(reason="not mine")),
        ("unwell_text", "abc"),
        ("Desk.static", "static"),
        ("forks", "from the original"),
    ],
)
async def test_answers_arrive(function, answer) -> None:
    """JSON, refusals and what reduces to JSON arrive; a forked copy of the function does not answer too."""
    assert await run(function) == answer


async def test_nonsense_inside_a_finding_arrives_for_judgement() -> None:
    """The child does not judge a finding; reading the answer does."""
    answer = await run("nonsense")
    assert isinstance(answer, Finding)
    assert answer.confidence == 7


async def test_prints_do_not_disturb(capfd: pytest.CaptureFixture[str]) -> None:
    """Output of the function goes to standard error and is never taken for a message."""
    assert await run("prints_junk") == "clean"
    assert capfd.readouterr().out == ""


async def test_child_has_our_surroundings_and_loads_little(monkeypatch: pytest.MonkeyPatch) -> None:
    """Working directory, import path and environment are the parent's; no framework is loaded."""
    monkeypatch.setenv("CONCERTINO_TEST", "here")
    found = await run("environment")
    assert isinstance(found, dict)
    assert found["cwd"] == str(Path.cwd())
    assert found["path"] == sys.path
    assert found["env"] == "here"
    assert set(found["modules"]) <= {"asyncio"}  # the functions' own module imports it


@pytest.mark.parametrize("holds_gil", [False, True])
async def test_deadline_kills_the_whole_group(tmp_path: Path, holds_gil: bool) -> None:
    """A function that ignores SIGTERM, even one that holds the interpreter, is gone with all it started."""
    pids = tmp_path / "pids"

    async def serve(op, arguments):
        return None

    with pytest.raises(DeadlineExceeded) as caught:
        await run("holds_on", serve=serve, inputs={"pids": str(pids), "holds_gil": holds_gil}, seconds=1.5)
    assert caught.value.limit_s == pytest.approx(1.5, abs=0.1)
    await all_gone([int(pid) for pid in pids.read_text().split()])
    await all_reaped()


async def test_cancelled_run_kills_the_whole_group(tmp_path: Path) -> None:
    """Cancelling the caller's task ends the child, its own children and the calls it had open."""
    pids, started = tmp_path / "pids", asyncio.Event()

    async def serve(op, arguments):
        started.set()

    task = asyncio.ensure_future(run("holds_on", serve=serve, inputs={"pids": str(pids)}))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await all_gone([int(pid) for pid in pids.read_text().split()])
    await all_reaped()


async def test_run_cancelled_before_its_child_exists_leaves_nothing() -> None:
    """Cancelling in any of the first turns of the loop leaves no child."""
    for turns in range(6):
        task = asyncio.ensure_future(run("holds_on", inputs={"pids": "/dev/null"}))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    await all_reaped()


async def test_call_open_at_the_deadline_is_cancelled() -> None:
    """What the parent was doing for the child is cancelled with it."""
    ended = []

    async def serve(op, arguments):
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(op)

    with pytest.raises(DeadlineExceeded):
        await run("asks_and_waits", serve=serve, seconds=0.5)
    assert ended == ["tool"]


async def test_call_that_swallows_its_cancellation_is_not_waited_for() -> None:
    """Control comes back although a tool goes on in spite of its cancellation."""
    go = asyncio.Event()

    async def serve(op, arguments):
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await go.wait()

    began = time.monotonic()
    with pytest.raises(DeadlineExceeded):
        await run("asks_and_waits", serve=serve, seconds=0.5)
    assert time.monotonic() - began < 2.0
    go.set()


async def test_passed_deadline_starts_nothing() -> None:
    """With no time left no child is started."""
    with pytest.raises(DeadlineExceeded):
        await run("echo", seconds=-1)
    assert not children()


async def test_what_a_function_leaves_running_ends_with_it() -> None:
    """A process that the function started and forgot does not outlive the answer."""
    pid = await run("leaves_a_process")
    assert isinstance(pid, int)
    while children() or group_members(pid):
        await asyncio.sleep(0)


def group_members(worker: int) -> list[str]:
    """Return the live processes whose command is the forgotten one's and whose parent was the worker or is init."""
    found = subprocess.run(["ps", "-eo", "pid=,stat=,args="], capture_output=True, text=True, check=True).stdout
    return [line for line in found.splitlines() if f"forgotten-{worker}" in line and " Z" not in line]


@pytest.mark.parametrize("holds_gil", [False, True])
async def test_killed_parent_leaves_no_orphan(tmp_path: Path, holds_gil: bool) -> None:
    """When the parent dies by SIGKILL, child and grandchild die too, even with a function that cannot notice."""
    pids = tmp_path / "pids"
    code = f"""
import asyncio, os, signal, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from concertino.contracts.clock import SystemClock
from concertino.nodes.specialists.process import run_in_process
async def serve(op, arguments):
    print("started", flush=True)
    return None
asyncio.run(run_in_process("isolated_functions:holds_on", {{"task_id": "t", "run_id": "r", "subtask_id": "s",
    "inputs": {{"pids": {str(pids)!r}, "holds_gil": {holds_gil}}}}}, serve=serve, deadline=None, clock=SystemClock()))
"""
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env=ENV)
    assert parent.stdout is not None
    with parent, parent.stdout as lines:
        assert lines.readline() == b"started\n"
        parent.send_signal(signal.SIGKILL)
    await all_gone([int(pid) for pid in pids.read_text().split()])


def test_works_on_a_loop_in_another_thread() -> None:
    """No child watcher, no main thread: the loop of a background thread serves as well."""
    found = []
    thread = threading.Thread(target=lambda: found.append(asyncio.run(run("Desk.static"))))
    thread.start()
    thread.join()
    assert found == ["static"]


def test_works_on_uvloop(tmp_path: Path) -> None:
    """Uvloop serves as well, deadline included."""
    uvloop = pytest.importorskip("uvloop")
    pids = tmp_path / "pids"

    async def serve(op, arguments):
        return None

    async def main() -> object:
        with pytest.raises(DeadlineExceeded):
            await run("holds_on", serve=serve, inputs={"pids": str(pids)}, seconds=0.5)
        return await run("Desk.static")

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(main()) == "static"


async def test_loop_is_never_blocked() -> None:
    """What LangGraph's development server counts as blocking the loop does not happen."""
    blockbuster = pytest.importorskip("blockbuster")

    async def serve(op, arguments):
        return ["add"] if op == "tools" else 3

    with blockbuster.blockbuster_ctx():
        await run("plain_calls", serve=serve)
        with pytest.raises(ChildFailed):
            await run("segfaults")


async def test_many_children_at_once() -> None:
    """Children side by side get their own answers."""
    answers = await asyncio.gather(*(run("catches", serve=_number) for _ in range(12)), return_exceptions=True)
    assert len(answers) == 12
    assert not any(isinstance(answer, BaseException) for answer in answers)


async def _number(op, arguments):
    raise ToolFailed(tool="x", attempts=1, reason="y")


SCRIPT = """
import asyncio, sys
from concertino.contracts.clock import SystemClock
from concertino.nodes.specialists.process import run_in_process, target_of

def work(brief):
    return {"name": __name__, "inputs": brief.inputs}

async def main():
    brief = {"task_id": "t", "run_id": "r", "subtask_id": "s", "inputs": {"n": 1}}
    print(await run_in_process(target_of(work), brief, serve=None, deadline=None, clock=SystemClock()))

GUARD
    asyncio.run(main())
"""


@pytest.mark.parametrize("guarded", [True, False])
def test_function_of_a_script(tmp_path: Path, guarded: bool) -> None:
    """A function of the main script runs; a script without its guard gets one clear error and no cascade of children."""
    script = tmp_path / "program.py"
    script.write_text(SCRIPT.replace("GUARD", 'if __name__ == "__main__":' if guarded else "if True:"))
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False, env=ENV)
    if guarded:
        assert done.stdout == "{'name': '__concertino_main__', 'inputs': {'n': 1}}\n"
    else:
        assert done.returncode == 1
        assert 'start the planner under `if __name__ == "__main__":`' in done.stderr.splitlines()[-1]


def test_setup_error_comes_back_as_itself() -> None:
    """The contracts' set-up error keeps its parts over the wire."""
    error = SetupError(field="isolation", value="x", rule="no")
    back = any_error(error_data(error))
    assert isinstance(back, SetupError)
    assert (back.fields(), str(back)) == (error.fields(), str(error))
