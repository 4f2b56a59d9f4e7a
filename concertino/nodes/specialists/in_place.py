"""A process specialist's function where there can be no child process: in a thread or on the loop of a run in virtual time.

What goes in and comes out is JSON, as over the child's socket, and calls are served by the same parent. Nothing can kill
the function: one that is past its deadline is given up, and whatever it still asks for is refused.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from concertino.contracts.clock import Clock
from concertino.contracts.errors import DeadlineExceeded
from concertino.contracts.json import JsonObject
from concertino.nodes.specialists.child import answered
from concertino.nodes.specialists.child_brief import NESTING, ChildBrief
from concertino.nodes.specialists.conversation import Serve, failure_in, is_control_flow, raw_answer
from concertino.nodes.specialists.plain import plain
from concertino.nodes.specialists.wire import MESSAGE_BYTES, any_error, error_data, pack, unpack
from concertino.tools import threads


async def run_in_place(
    body: Callable[[Any], Any],
    brief_data: JsonObject,
    *,
    serve: Serve,
    deadline: float | None,
    clock: Clock,
    message_bytes: int = MESSAGE_BYTES,
) -> object:
    """Return what `body` answers, unchecked, as `run_in_process` does; arguments and errors are its too.

    A plain function runs in a thread, and what it returns to be awaited on the caller's loop.

    Raises:
        DeadlineExceeded: the deadline came first.
        ConcertinoError: an error of the contracts that the function let pass.
        ChildFailed: it raised something else.
    """
    target = f"{body.__module__}:{body.__qualname__}"
    left = None if deadline is None else deadline - clock.monotonic()
    scope = str(brief_data.get("subtask_id", target))
    if left is not None and left <= 0:
        raise DeadlineExceeded(scope=scope, limit_s=0.0)
    link = _Link(serve, message_bytes)
    # As over a socket: the function shares nothing with the run.
    brief = ChildBrief(unpack(pack({**brief_data, "deadline": deadline})), link=link)
    limit = asyncio.timeout(left)
    try:
        async with limit:
            last = await link.unless_stopped(_outcome(body, brief, message_bytes))
    except TimeoutError as error:
        if not limit.expired():
            raise
        raise DeadlineExceeded(scope=scope, limit_s=round(left or 0.0, 3)) from error
    if "answer" in last:
        return raw_answer(last["answer"], last.get("kind"))
    raise failure_in(target, last.get("failed"))


async def _outcome(body: Callable[[Any], Any], brief: ChildBrief, message_bytes: int) -> JsonObject:
    found = await threads.run(_called, body, brief)
    if isinstance(found, BaseException):
        return {"failed": error_data(found)}
    try:
        return answered(await found if hasattr(found, "__await__") else found, message_bytes)
    except BaseException as error:  # whatever the function raises, sys.exit included, is its outcome
        task = asyncio.current_task()
        if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling():
            raise
        return {"failed": error_data(error)}


def _called(body: Callable[[Any], Any], brief: ChildBrief) -> Any:
    try:
        return body(brief)
    except BaseException as error:  # noqa: BLE001  # as above
        return error


class _Link:
    """`child_brief.Link` without a socket: the caller's loop serves."""

    def __init__(self, serve: Serve, message_bytes: int) -> None:
        self._serve, self._limit = serve, message_bytes
        self._loop = asyncio.get_running_loop()
        self._stopped: asyncio.Future[Any] = self._loop.create_future()

    async def unless_stopped(self, work: Any) -> JsonObject:
        """Await the function's outcome, or raise what a call of its own brought to end the run's step."""
        task = asyncio.ensure_future(work)
        try:
            await asyncio.wait({task, self._stopped}, return_when=asyncio.FIRST_COMPLETED)
            if self._stopped.done():
                self._stopped.result()
            made: JsonObject = task.result()
            return made
        finally:
            task.cancel()
            self._stopped.cancel()

    def call(self, op: str, arguments: JsonObject) -> Any:
        """Have the parent do something: its result, or an awaitable of it where an event loop runs in this thread."""
        running = asyncio._get_running_loop()
        if running is self._loop:
            return self._loop.create_task(self._awaited(op, arguments))
        reply = self.wait(op, arguments)
        if running is None:
            return _result(reply)
        done = running.create_future()
        try:
            done.set_result(_result(reply))
        except Exception as error:  # noqa: BLE001  # the parent's error, on its way to who awaits it
            done.set_exception(error)
        return done

    def wait(self, op: str, arguments: JsonObject) -> JsonObject:
        """Block for the parent's reply.

        Raises:
            RuntimeError: on the loop itself, for what the parent would have to wait for.
        """
        served = self._served(op, arguments)
        if asyncio._get_running_loop() is not self._loop:
            return asyncio.run_coroutine_threadsafe(served, self._loop).result()
        try:
            served.send(None)
        except StopIteration as done:
            reply: JsonObject = done.value
            return reply
        served.close()
        raise RuntimeError(f"{op} cannot be waited for on the loop of a virtual run")

    async def _awaited(self, op: str, arguments: JsonObject) -> Any:
        return _result(await self._served(op, arguments))

    async def _served(self, op: str, arguments: JsonObject) -> JsonObject:
        asked: Any = plain(arguments, field=op, nesting=NESTING, max_bytes=self._limit)
        try:
            done = await self._serve(op, asked)
            return {"value": plain(done, field=op, nesting=NESTING, max_bytes=self._limit)}
        except Exception as error:  # noqa: BLE001  # a tool may raise anything; it is raised again where it was called
            if is_control_flow(error) and not self._stopped.done():
                self._stopped.set_exception(error)
            return {"error": error_data(error)}


def _result(reply: JsonObject) -> Any:
    error = reply.get("error")
    if isinstance(error, dict):
        raise any_error(error)
    return reply.get("value")
