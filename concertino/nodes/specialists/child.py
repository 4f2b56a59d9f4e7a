"""The child process of `isolation="process"`: one function, one brief, one answer.

Two processes share a group. The first only watches: it dies with the parent or with the worker, and takes the group
along. The second, forked from it, runs the function; it cannot be relied on to notice anything, since a function in C
may hold the interpreter for ever. Light on imports, as each attempt pays for them.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
from typing import TYPE_CHECKING, Any, Final, NoReturn

from concertino.contracts.errors import ConcertinoError
from concertino.nodes.specialists.child_brief import NESTING, ChildBrief, Link, end_group
from concertino.nodes.specialists.plain import plain
from concertino.nodes.specialists.wire import AnswerKind, error_data, unpack

if TYPE_CHECKING:
    from types import ModuleType

    from concertino.contracts.json import JsonObject

SCRIPT: Final = "__concertino_main__"
"""Name under which the parent's main script is loaded, so that its `if __name__ == "__main__"` part does not run."""

_PR_SET_PDEATHSIG: Final = 1

_script_loading = False


def is_loading_script() -> bool:
    """Say whether this process is a child that is just loading its parent's main script."""
    return _script_loading


def main(fd: int, parent: int) -> NoReturn:
    """Run the function that the parent names on socket `fd`; `parent` is its process id."""
    os.set_inheritable(fd, False)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    watched = {signal.SIGCHLD, signal.SIGUSR2}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, watched)
    worker = os.fork()
    if worker:
        os.close(fd)
        _watch(worker, parent, watched)
    signal.pthread_sigmask(signal.SIG_SETMASK, set(before) - watched)
    with open(fd, "rb", closefd=False) as lines:
        first = lines.readline()
        if not first.endswith(b"\n"):
            end_group()  # the parent is gone before it asked
        order: Any = unpack(first)
        link = Link(fd, message_bytes=order["message_bytes"])
        link.listen(lines)
        last = _outcome(order, link)
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except (AttributeError, OSError, ValueError):
                continue  # the function closed or replaced it
        try:
            link.send(last)
        except ConcertinoError as error:
            link.send({"failed": error_data(error)})
        except OSError:
            os._exit(1)
        os._exit(0)


def _outcome(order: Any, link: Link) -> JsonObject:
    try:
        answer = load(order["target"])(ChildBrief(order["brief"], link=link))
        if hasattr(answer, "__await__"):
            import asyncio

            answer = asyncio.run(_awaited(answer))
        return answered(answer, order["message_bytes"])
    except BaseException as error:  # noqa: BLE001  # whatever the function raises, sys.exit included, is its outcome
        return {"failed": error_data(error)}


def answered(answer: object, message_bytes: int) -> JsonObject:
    """Return a function's answer as it travels.

    Raises:
        AnswerRefused: it has no form in JSON, or a longer one.
    """
    kind, parts = _kind(answer)
    return {"answer": plain(parts, field="answer", nesting=NESTING, max_bytes=message_bytes), "kind": kind}


async def _awaited(answer: Any) -> Any:
    return await answer


def _kind(answer: object) -> tuple[AnswerKind, object]:
    # Where the class is not loaded, the answer cannot be one.
    contract = sys.modules.get("concertino.contracts.finding")
    if contract is not None and isinstance(answer, contract.Finding):
        return "finding", {key: value for key, value in vars(answer).items() if value is not None or key == "output"}
    if contract is not None and isinstance(answer, contract.Declined):
        return "declined", vars(answer).get("reason")
    return "json", answer


def load(target: str) -> Any:
    """Return what `module:qualname` or `script.py:qualname` names.

    Raises:
        ImportError, AttributeError: it names nothing; or whatever the module raises.
    """
    place, _, qualname = target.rpartition(":")
    found: Any = _script(place) if place.endswith(".py") else importlib.import_module(place)
    for part in qualname.split("."):
        found = getattr(found, part)
    return found


def _script(path: str) -> ModuleType:
    global _script_loading
    from importlib.util import module_from_spec, spec_from_file_location

    spec = spec_from_file_location(SCRIPT, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python file")
    module = module_from_spec(spec)
    sys.modules[SCRIPT] = module
    _script_loading = True
    try:
        spec.loader.exec_module(module)
    finally:
        _script_loading = False
    return module


def _watch(worker: int, parent: int, watched: set[signal.Signals]) -> NoReturn:
    try:
        if sys.platform == "linux":
            import ctypes

            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGUSR2)
        if os.getppid() != parent:
            end_group()
        status = None
        while status is None:
            if signal.sigwait(watched) == signal.SIGUSR2:
                end_group()
            done, ended = os.waitpid(worker, os.WNOHANG)
            status = ended if done else None
        signal.pthread_sigmask(signal.SIG_UNBLOCK, watched)
        if os.WIFSIGNALED(status):
            _die_of(os.WTERMSIG(status))
        os._exit(os.WEXITSTATUS(status))
    finally:
        end_group()  # a watcher that fails must not leave a worker unwatched


def _die_of(number: int) -> NoReturn:
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # the worker's core, if any, is the one worth having
    if number != signal.SIGKILL:
        signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    os._exit(128 + number)
