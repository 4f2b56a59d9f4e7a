"""One talk with a child: what it asks for is served until it answers, fails, ends or is no longer wanted."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any, Final

from pydantic import JsonValue

from concertino.contracts.finding import Declined, Finding
from concertino.contracts.json import JsonObject
from concertino.nodes.specialists.offspring import Offspring
from concertino.nodes.specialists.plain import plain
from concertino.nodes.specialists.wire import ChildFailed, error_data, ours, pack, unpack

Serve = Callable[[str, JsonObject], Awaitable[JsonValue]]
"""Does what the function in the child asks for, on the caller's loop and in its context: an operation and its arguments.

`"tool"` `{"name", "arguments"}` returns the tool's result; `"tools"` `{}` the names that may be called now;
`"spend"` `{"tokens", "calls", "usd", "documents"}` and `"publish"` `{"finding", "payload": [object]}` return nothing that is read;
`"now"` `{}`, `"seed"` `{}` and `"new_id"` `{"prefix"}` return seconds, a text and an id;
`"discoveries"` `{}` and `"sync"` `{"wait_s"}` return discoveries as JSON.
What it raises is raised in the child; LangGraph's `GraphBubbleUp` ends the child and is raised here.
"""

GRACE_S: Final = 0.01
"""How long a killed child and the calls it had open are waited for. Chosen by hand: both usually end within 3 ms."""

CLOSING_S: Final = 0.5
"""How long a child that closed its socket may take to exit before it is killed. Chosen by hand."""

NESTING: Final = 200
"""Deepest nesting of a tool's result."""

_late: set[asyncio.Future[None]] = set()
"""Calls that outlived their child by more than `GRACE_S`, held until they end."""


class Conversation:
    """One child, from start to end. Used once."""

    def __init__(self, target: str, *, serve: Serve, message_bytes: int) -> None:
        self._target, self._serve, self._limit = target, serve, message_bytes
        self._calls: set[asyncio.Future[None]] = set()
        self._over = False

    async def hold(self, order: bytes) -> object:
        """Start the child, hand it `order`, and return its answer; on every way out the child is killed.

        Raises:
            ChildFailed, AnswerRefused, or an error of the contracts that the function let pass.
        """
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[str] = loop.create_future()
        mine, theirs = socket.socketpair()
        try:
            mine.setblocking(False)
            reader, writer = await asyncio.open_unix_connection(sock=mine, limit=self._limit)
        except BaseException:
            mine.close()
            theirs.close()
            raise
        child = Offspring(theirs, on_end=_report(loop, ended))
        try:
            child.start()
            writer.write(order)
            return await self._listen(reader, writer, ended)
        finally:
            self._over = True
            child.kill()
            writer.transport.abort()
            for call in self._calls:
                call.cancel()
            leftovers: set[asyncio.Future[Any]] = {ended, *self._calls}
            await asyncio.wait(leftovers, timeout=GRACE_S)
            for call in self._calls:
                _late.add(call)
                call.add_done_callback(_late.discard)

    async def _listen(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, ended: asyncio.Future[str]
    ) -> object:
        while True:
            try:
                line = await reader.readuntil(b"\n")
            except asyncio.LimitOverrunError as error:
                raise self._failed(f"sent a message over {self._limit} bytes") from error
            except (asyncio.IncompleteReadError, ConnectionError):
                break
            try:
                message = unpack(line)
            except ValueError as error:
                raise self._failed(f"broke the protocol: {error}") from error
            if "call" in message:
                call = asyncio.ensure_future(self._answer_call(message, reader, writer))
                self._calls.add(call)
                call.add_done_callback(self._calls.discard)
            elif "answer" in message:
                return raw_answer(message["answer"], message.get("kind"))
            else:
                raise failure_in(self._target, message.get("failed"))
        await asyncio.wait({ended}, timeout=CLOSING_S)
        raise self._failed(ended.result() if ended.done() else "closed its connection and went on")

    async def _answer_call(
        self, message: JsonObject, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        op, arguments = message.get("op"), message.get("arguments")
        if not isinstance(op, str) or not isinstance(arguments, dict):
            reader.set_exception(self._failed("broke the protocol: a call without operation or arguments"))
            return
        reply: JsonObject = {"reply": message["call"]}
        try:
            done = await self._serve(op, arguments)
            reply["value"] = plain(done, field=op, nesting=NESTING, max_bytes=self._limit)
        except asyncio.CancelledError:
            if self._over:
                raise
            reply["error"] = {"error": "RuntimeError", "message": f"{op} was cancelled"}
        except Exception as error:  # noqa: BLE001  # a tool may raise anything; it is raised again where it was called
            if is_control_flow(error):
                reader.set_exception(error)
                return
            reply["error"] = error_data(error)
        if not writer.is_closing():
            writer.write(pack(reply))

    def _failed(self, reason: str) -> ChildFailed:
        return ChildFailed(target=self._target, reason=reason)


def failure_in(target: str, data: JsonValue) -> Exception:
    """Return what a function failed with: an error of the contracts as itself, any other as `ChildFailed`."""
    if not isinstance(data, dict):
        return ChildFailed(target=target, reason="broke the protocol: a message of no known kind")
    known = ours(data)
    if known is not None:
        return known
    name, message = str(data.get("error")), str(data.get("message"))
    reason = f"called sys.exit({message})" if name == "SystemExit" else f"raised {name}: {message}".rstrip(": ")
    return ChildFailed(target=target, reason=reason, trace=str(data.get("trace", "")))


def is_control_flow(error: Exception) -> bool:
    """Say whether an error is LangGraph's own way to end a step; this room does not load it."""
    return any(cls.__name__ == "GraphBubbleUp" for cls in type(error).__mro__)


def raw_answer(answer: Any, kind: JsonValue) -> object:
    """Return an answer as the function gave it, from how it travelled."""
    # Unchecked on purpose: `read_answer` reads what comes from a child as it reads anything else.
    if kind == "finding" and isinstance(answer, dict):
        return Finding.model_construct(**answer)
    return Declined.model_construct(reason=answer) if kind == "declined" else answer


def _report(loop: asyncio.AbstractEventLoop, ended: asyncio.Future[str]) -> Callable[[str], None]:
    def settle(how: str) -> None:
        if not ended.done():
            ended.set_result(how)

    def report(how: str) -> None:
        try:
            loop.call_soon_threadsafe(settle, how)
        except RuntimeError:
            return  # the loop has closed: nobody waits any more

    return report
