"""The brief as a function in a child process sees it: what it asks for, the parent's guard decides."""

from __future__ import annotations

import itertools
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Generator, Mapping
from io import BufferedReader
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from concertino.contracts.errors import InputError
from concertino.nodes.specialists.plain import plain
from concertino.nodes.specialists.wire import any_error, pack, unpack

if TYPE_CHECKING:
    from random import Random

    from concertino.contracts.discovery import News
    from concertino.contracts.finding import Finding
    from concertino.contracts.json import JsonObject


class Calls(Protocol):
    """What a brief needs of its link: `Link`, or what stands in for it where there is no child process."""

    def call(self, op: str, arguments: JsonObject) -> Any: ...
    def wait(self, op: str, arguments: JsonObject) -> JsonObject: ...


NESTING = 200
"""Deepest nesting that leaves the child; the parent applies the planner's own limit."""


class Link:
    """The child's end of the socket. Ends the process group when the parent is gone."""

    def __init__(self, fd: int, *, message_bytes: int) -> None:
        self._fd, self._limit = fd, message_bytes
        self._numbers = itertools.count(1)
        self._sending = threading.Lock()
        self._waiting: dict[int, Callable[[JsonObject], None]] = {}
        os.register_at_fork(after_in_child=self._disown)

    def _disown(self) -> None:
        # A fork of the function's own must neither speak for it nor keep the socket open after its end.
        os.close(self._fd)
        self._fd = -1

    def listen(self, lines: BufferedReader) -> None:
        """Read the parent's replies from now on, in a thread."""
        threading.Thread(target=self._listen, args=(lines,), name="concertino-parent", daemon=True).start()

    def send(self, message: JsonObject) -> None:
        """Send a message.

        Raises:
            InputError: it is longer than the limit; nothing was sent.
            OSError: the connection is closed.
        """
        data = memoryview(pack(message))
        if len(data) > self._limit:
            raise InputError(field="message", value=f"{len(data)} bytes", rule=f"at most {self._limit} bytes")
        with self._sending:
            while data:
                data = data[os.write(self._fd, data) :]

    def call(self, op: str, arguments: JsonObject) -> Any:
        """Have the parent do something: its result, or an awaitable of it where an event loop runs in this thread."""
        loop = _running_loop()
        if loop is None:
            return self._result(self.wait(op, arguments))
        future = loop.create_future()

        def settle(reply: JsonObject) -> None:
            if future.done():
                return
            try:
                future.set_result(self._result(reply))
            except Exception as error:  # noqa: BLE001  # the parent's error, on its way to who awaits it
                future.set_exception(error)

        self._ask(op, arguments, on_reply=lambda reply: loop.call_soon_threadsafe(settle, reply))
        return future

    def wait(self, op: str, arguments: JsonObject) -> JsonObject:
        """Block for the parent's reply."""
        arrived = threading.Event()
        replies: list[JsonObject] = []

        def keep(reply: JsonObject) -> None:
            replies.append(reply)
            arrived.set()

        self._ask(op, arguments, on_reply=keep)
        arrived.wait()
        return replies[0]

    def _ask(self, op: str, arguments: JsonObject, *, on_reply: Callable[[JsonObject], None]) -> None:
        checked = plain(arguments, field=op, nesting=NESTING, max_bytes=self._limit)
        number = next(self._numbers)
        self._waiting[number] = on_reply
        try:
            self.send({"call": number, "op": op, "arguments": checked})
        except BaseException:
            self._waiting.pop(number, None)
            raise

    def _result(self, reply: JsonObject) -> Any:
        error = reply.get("error")
        if isinstance(error, dict):
            raise any_error(error)
        return reply.get("value")

    def _listen(self, lines: BufferedReader) -> None:
        try:
            for line in lines:
                reply = unpack(line)
                number = reply.get("reply")
                on_reply = self._waiting.pop(number, None) if isinstance(number, int) else None
                if on_reply is not None:
                    try:
                        on_reply(reply)
                    except RuntimeError:
                        continue  # the loop that asked has closed: nobody waits for this reply
        finally:
            end_group()


def end_group() -> NoReturn:
    """Kill this process and all it started in its group."""
    os.killpg(0, signal.SIGKILL)
    os._exit(1)


def _running_loop() -> Any:
    asyncio = sys.modules.get("asyncio")
    if asyncio is None:
        return None
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


class _Done:
    """An awaitable for what has happened already."""

    def __await__(self) -> Generator[Any, None, None]:
        return
        yield


class ChildTools:
    """`contracts.brief.Tools` over the link."""

    def __init__(self, link: Calls) -> None:
        self._link = link

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return self[name]

    def __getitem__(self, name: str) -> Any:
        def tool(**arguments: Any) -> Any:
            return self.call(name, **arguments)

        tool.__name__ = tool.__qualname__ = name
        return tool

    def __contains__(self, name: object) -> bool:
        return name in self.names()

    def names(self) -> tuple[str, ...]:
        """Return the tools that may be called now; blocks for the parent's reply, in coroutines too."""
        reply = self._link.wait("tools", {})
        error, value = reply.get("error"), reply.get("value")
        if isinstance(error, dict):
            raise any_error(error)
        return tuple(str(name) for name in value) if isinstance(value, list) else ()

    def call(self, name: str, /, **arguments: Any) -> Any:
        """Call a tool by name."""
        return self._link.call("tool", {"name": name, "arguments": arguments})


def _news(given: Any) -> News:
    from concertino.contracts.discovery import Discovery, News  # with dataclasses; only who listens pays for it

    return News(Discovery(**one) for one in given)


async def _awaited_news(given: Awaitable[Any]) -> News:
    return _news(await given)


class ChildBrief:
    """`contracts.brief.Brief` over the link; its fields are `process.BriefData`."""

    def __init__(self, data: Any, *, link: Calls) -> None:
        self._link = link
        self.task_id: str = data["task_id"]
        self.run_id: str = data["run_id"]
        self.subtask_id: str = data["subtask_id"]
        self.attempt: int = data.get("attempt", 1)
        self.objective: str = data.get("objective", "")
        self.inputs: JsonObject = data.get("inputs", {})
        self.task: JsonObject = data.get("task", {})
        self.deadline: float | None = data.get("deadline")
        self.model: None = None
        self.tools = ChildTools(link)
        self._found: JsonObject = data.get("upstream", {})
        self._names: dict[str, str] = data.get("upstream_names", {})
        self._upstream: Mapping[str, Finding] | None = None
        self._random: Random | None = None

    @property
    def upstream(self) -> Mapping[str, Finding]:
        """Findings of the prerequisites, by subtask id and by short name."""
        if self._upstream is None:
            # Pydantic takes longer to load than the rest of the child; only who reads findings pays for it.
            from concertino.contracts.finding import Finding
            from concertino.nodes.specialists.brief import Upstream

            found = {key: Finding.model_validate(data) for key, data in self._found.items()}
            self._upstream = Upstream(found, self._names)
        return self._upstream

    def now(self) -> float:
        """Seconds since 1970-01-01 UTC; blocks for the parent's reply, in coroutines too."""
        return float(self._told("now", {}))

    @property
    def random(self) -> Random:
        """Chance of this attempt's own; the first use blocks for the parent's seed, in coroutines too."""
        if self._random is None:
            from random import Random  # only who draws pays for it

            self._random = Random(str(self._told("seed", {})))  # noqa: S311  # no secret
        return self._random

    def new_id(self, prefix: str) -> str:
        """A fresh id; blocks for the parent's reply, in coroutines too."""
        return str(self._told("new_id", {"prefix": prefix}))

    def effect_key(self, name: str) -> str:
        """Return `task_id:run:subtask_id:name`."""
        return f"{self.task_id}:{self.run_id}:{self.subtask_id}:{name}"

    def spend(self, *, tokens: int = 0, calls: int = 0, usd: float = 0.0, documents: int = 0) -> Awaitable[None]:
        """Charge what is about to be used."""
        return self._sent("spend", {"tokens": tokens, "calls": calls, "usd": usd, "documents": documents})

    def publish(self, finding: str, *data: Mapping[str, Any], **payload: Any) -> Awaitable[None]:
        """Put a discovery on the run's record."""
        parts: list[Any] = [*data, payload]
        return self._sent("publish", {"finding": finding, "payload": parts})

    @property
    def discoveries(self) -> News:
        """What others have published so far; blocks for the parent's reply, in coroutines too."""
        return _news(self._told("discoveries", {}))

    def sync(self, *, wait_s: float = 0.0) -> Any:
        """What others have published since the last time."""
        found = self._link.call("sync", {"wait_s": wait_s})
        return _awaited_news(found) if hasattr(found, "__await__") else _news(found)

    def _told(self, op: str, arguments: JsonObject) -> Any:
        reply = self._link.wait(op, arguments)
        error = reply.get("error")
        if isinstance(error, dict):
            raise any_error(error)
        return reply.get("value")

    def _sent(self, op: str, arguments: JsonObject) -> Awaitable[None]:
        result = self._link.call(op, arguments)
        return result if hasattr(result, "__await__") else _Done()

    def __repr__(self) -> str:
        return f"<brief {self.subtask_id} attempt {self.attempt}>"
