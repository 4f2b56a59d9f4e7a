"""Running a specialist's function in a child process that a deadline can kill."""

from __future__ import annotations

import asyncio
import inspect
import os
import sys
import time
from typing import Any, TypedDict

from concertino.contracts.clock import Clock
from concertino.contracts.errors import DeadlineExceeded, SetupError
from concertino.contracts.json import JsonObject
from concertino.nodes.specialists.child import is_loading_script
from concertino.nodes.specialists.conversation import Conversation, Serve
from concertino.nodes.specialists.wire import MESSAGE_BYTES, ChildFailed, pack

__all__ = ["BriefData", "ChildFailed", "Serve", "run_in_process", "target_of"]


class BriefData(TypedDict, total=False):
    """What `run_in_process` takes as `brief_data`; the ids are required."""

    task_id: str
    run_id: str
    subtask_id: str
    attempt: int
    objective: str
    inputs: JsonObject
    upstream: dict[str, JsonObject]
    """Subtask id → finding as JSON."""
    upstream_names: dict[str, str]
    """The workflow's short name → subtask id."""
    task: JsonObject


def target_of(function: Any) -> str:
    """Return the name under which a child process can import `function`: `module:qualname`, or `script.py:qualname`.

    Raises:
        SetupError: a lambda, a local function, a bound method, a callable object, or a function of an interactive
            session.
    """

    def refuse(rule: str) -> SetupError:
        return SetupError(field="isolation", value=function, rule=f'"process" {rule}')

    if sys.platform == "win32":
        raise refuse("needs a POSIX system")
    name, module_name = getattr(function, "__qualname__", None), getattr(function, "__module__", None)
    if not inspect.isroutine(function) or not isinstance(name, str) or not isinstance(module_name, str):
        raise refuse("needs a function that is defined at the top of a module")
    if inspect.ismethod(function):
        raise refuse("cannot run a bound method; use a function at the top of a module")
    if "<lambda>" in name:
        raise refuse("cannot run a lambda; use a named function at the top of a module")
    if "<locals>" in name:
        raise refuse("cannot run a function that is defined inside another; move it to the top of its module")
    if module_name != "__main__":
        module = sys.modules.get(module_name)
        file = getattr(module, "__file__", None)
        package = module_name.rpartition(".")[0]
        if package and package not in sys.modules and isinstance(file, str) and file.endswith(".py"):
            # Loaded from its file under a name that no child can import, as suites of evals load theirs.
            return f"{os.path.abspath(file)}:{name}"  # noqa: PTH100  # as below
        return f"{module_name}:{name}"
    main = sys.modules["__main__"]
    spec = getattr(main, "__spec__", None)
    if spec is not None:
        return f"{spec.name}:{name}"
    path = getattr(main, "__file__", None)
    if not isinstance(path, str) or not path.endswith(".py"):
        raise refuse("cannot run a function of an interactive session; move it to a module")
    return f"{os.path.abspath(path)}:{name}"  # noqa: PTH100  # pathlib asks for the working directory even if not needed


async def run_in_process(
    target: str,
    brief_data: JsonObject,
    *,
    serve: Serve,
    deadline: float | None,
    clock: Clock,
    message_bytes: int = MESSAGE_BYTES,
) -> object:
    """Return what `target` answers in a child process: unchecked, for `read_answer`.

    The child has this process's environment, working directory and `sys.path`; its standard output goes to our standard
    error. When the answer has arrived, and on every other way out, the child's whole process group is killed: what it
    left running does not outlive it, and functions registered with `atexit` do not run.

    Args:
        target: From `target_of`.
        brief_data: See `BriefData`.
        serve: What the child may ask for.
        deadline: Seconds on `clock.monotonic()`.
        clock: Tells how much is left of the deadline; the wait itself is the event loop's.
        message_bytes: Longest message in either direction.

    Raises:
        DeadlineExceeded: the deadline came first; control is back within `GRACE_S` of it.
        BudgetExceeded, BreakerOpen, ToolFailed: the guard's, where the function let them pass, or any other error of
            the contracts.
        AnswerRefused: the answer has no form in JSON.
        ChildFailed: it raised something else, exited, crashed, or broke the protocol.
        SetupError: the main script starts a planner while a child loads it.
    """
    if is_loading_script():
        rule = (
            'the main script is loaded again in a child process; start the planner under `if __name__ == "__main__":`'
        )
        raise SetupError(field="isolation", value=target, rule=rule)
    left = None if deadline is None else deadline - clock.monotonic()
    scope = str(brief_data.get("subtask_id", target))
    if left is not None and left <= 0:
        raise DeadlineExceeded(scope=scope, limit_s=0.0)
    # The child's clock is the machine's, whatever ours is.
    brief: JsonObject = {**brief_data, "deadline": None if left is None else time.monotonic() + left}
    order = pack({"target": target, "message_bytes": message_bytes, "brief": brief})
    conversation = Conversation(target, serve=serve, message_bytes=message_bytes)
    limit = asyncio.timeout(left)
    try:
        async with limit:
            return await conversation.hold(order)
    except TimeoutError as error:
        if not limit.expired():
            raise
        raise DeadlineExceeded(scope=scope, limit_s=round(left or 0.0, 3)) from error
