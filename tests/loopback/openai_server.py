"""A server on 127.0.0.1 that speaks the OpenAI protocol: chat completions and responses, plain and streamed.

It stands for the provider in tests and benchmarks: what it answers is scripted, what it was asked and what it would
bill is kept. It misbehaves on demand: errors, cut streams, connections that hang, refusals, malformed JSON.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from tests.loopback.openai_wire import (
    Cut,
    Fail,
    Hang,
    Malformed,
    Pour,
    Received,
    Refuse,
    Reply,
    Say,
    Slow,
    chat,
    chat_stream,
    response,
    response_stream,
)

__all__ = [
    "Billed", "Cut", "Fail", "Hang", "Malformed", "OpenAIServer", "Pour", "Received", "Refuse", "Reply", "Say", "Slow",
]  # fmt: skip


@dataclass
class Billed:
    """What the provider would put on the bill."""

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0

    @property
    def tokens(self) -> int:
        return self.input_tokens + self.output_tokens


class OpenAIServer:
    """Use as a context manager; `url` goes to the client as its base URL."""

    def __init__(self, answer: Callable[[Received], Reply] | Sequence[Reply] | Reply) -> None:
        self.requests: list[Received] = []
        self.billed = Billed()
        self.lock = threading.Lock()
        self._answer = answer if callable(answer) else _script(answer)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve, name="openai-server", daemon=True)
        self._up = threading.Event()
        self._down: asyncio.Event | None = None
        self._port = 0
        self._tasks: set[asyncio.Task[Any]] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        self._up.wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._down is not None
        self._loop.call_soon_threadsafe(self._down.set)
        self._thread.join()

    def _serve(self) -> None:
        self._loop.run_until_complete(self._main())
        self._loop.close()

    async def _main(self) -> None:
        self._down = asyncio.Event()
        server = await asyncio.start_server(self._connection, "127.0.0.1", 0)
        self._port = server.sockets[0].getsockname()[1]
        self._up.set()
        await self._down.wait()
        server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            while (received := await _read(reader)) is not None:
                if not await self._exchange(received, writer):
                    break
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client went away, or the test is over
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()  # else the loop ends before its socket does

    async def _exchange(self, received: Received, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; say whether the connection goes on."""
        with self.lock:
            self.requests.append(received)
        reply = self._answer(received)
        match reply:
            case Fail():
                error = {"error": {"message": reply.message, "type": "error", "code": reply.status}}
                headers = {} if reply.retry_after is None else {"Retry-After": reply.retry_after}
                await _send(writer, reply.status, json.dumps(error), headers)
                return True
            case Malformed():
                await _send(writer, 200, reply.raw)
                return True
            case Hang():
                self._bill(received, None, reply.billed)
                if received.is_stream and reply.text:
                    await _head(writer)
                    for event in list(chat_stream(reply.text, 2, None, None))[:-1]:
                        await _event(writer, event)
                await asyncio.Event().wait()
                return False
            case Slow():
                self._bill(received, None, reply.billed)
                await _head(writer, "text/event-stream" if received.is_stream else "application/json")
                while True:
                    await _piece(writer, b":\n\n" if received.is_stream else b" ")
                    await asyncio.sleep(reply.tick_s)
            case Pour():
                self._bill(received, None, 0)
                await _head(writer)
                for event in chat_stream(reply.piece * reply.most, reply.most, None, None):
                    with self.lock:
                        self.billed.output_tokens += 1
                    await _event(writer, event)
                    await asyncio.sleep(reply.tick_s)
                return False
            case Cut():
                return await self._cut(received, reply, writer)
            case Refuse():
                tokens = self._bill(received, None, max(1, len(reply.text) // 4))
                await self._say(received, Say(reply.text), tokens, writer, refusal=True)
                return True
            case Say():
                if reply.when is not None:
                    await asyncio.get_running_loop().run_in_executor(None, reply.when.wait)
                wanted = reply.output_tokens if reply.output_tokens is not None else max(1, len(reply.text) // 4)
                is_cut = received.cap is not None and wanted > received.cap and not reply.ignores_cap
                told = received.cap if is_cut and received.cap is not None else wanted
                tokens = self._bill(received, reply.input_tokens, told)
                text = reply.text[: int(len(reply.text) * told / wanted)] if is_cut and wanted else reply.text
                said = Say(
                    text, reply.tool_calls, chunks=reply.chunks, usage=reply.usage, cached_tokens=reply.cached_tokens
                )
                await self._say(received, said, tokens, writer, length=is_cut)
                return True

    def _bill(self, received: Received, input_tokens: int | None, output_tokens: int) -> tuple[int, int]:
        told = max(1, len(received.text) // 8) if input_tokens is None else input_tokens
        with self.lock:
            self.billed.calls += 1
            self.billed.input_tokens += told
            self.billed.output_tokens += output_tokens
        return told, output_tokens

    async def _cut(self, received: Received, reply: Cut, writer: asyncio.StreamWriter) -> bool:
        self._bill(received, None, reply.output_tokens or max(1, len(reply.text) // 4))
        if received.is_stream:
            await _head(writer)
            for event in list(chat_stream(reply.text, 4, None, None))[: reply.after_chunks]:
                await _event(writer, event)
        else:
            writer.write(b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 9999\r\n\r\n{"id":')
            await writer.drain()
        return False

    async def _say(
        self,
        received: Received,
        said: Say,
        tokens: tuple[int, int],
        writer: asyncio.StreamWriter,
        *,
        refusal: bool = False,
        length: bool = False,
    ) -> None:
        usage = tokens if said.usage else None
        is_chat = received.path.endswith("/chat/completions")
        if not received.is_stream:
            body = chat(said, usage, refusal, length) if is_chat else response(said, usage, refusal, length)
            await _send(writer, 200, json.dumps(body))
            return
        await _head(writer)
        if is_chat:
            wanted = (received.body.get("stream_options") or {}).get("include_usage")
            for event in chat_stream(said.text, said.chunks, said.tool_calls, usage if wanted else None, length):
                await _event(writer, event)
        else:
            for event in response_stream(said, usage, length):
                await _event(writer, event)
        await _event(writer, None if is_chat else "")
        writer.write(b"0\r\n\r\n")
        await writer.drain()


def _script(answer: Sequence[Reply] | Reply) -> Callable[[Received], Reply]:
    replies = list(answer) if isinstance(answer, Sequence) else [answer]
    lock = threading.Lock()

    def following(_: Received) -> Reply:
        with lock:
            return replies.pop(0) if len(replies) > 1 else replies[0]

    return following


async def _read(reader: asyncio.StreamReader) -> Received | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for line in lines if line for name, _, value in [line.partition(":")]}
    raw = await reader.readexactly(int(headers.get("content-length", "0")))
    return Received(first.split(" ")[1].removeprefix("/v1"), json.loads(raw or b"{}"), headers)


async def _send(writer: asyncio.StreamWriter, status: int, body: str, headers: Mapping[str, str] | None = None) -> None:
    data = body.encode()
    lines = [f"HTTP/1.1 {status} X", "Content-Type: application/json", f"Content-Length: {len(data)}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + data)
    await writer.drain()


async def _head(writer: asyncio.StreamWriter, kind: str = "text/event-stream") -> None:
    writer.write(f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
    await writer.drain()


async def _event(writer: asyncio.StreamWriter, event: Any) -> None:
    """Send one event of a stream; `None` is the chat protocol's end mark, an empty text is nothing."""
    if event == "":
        return
    name = f"event: {event['type']}\n" if isinstance(event, dict) and "type" in event else ""
    await _piece(writer, f"{name}data: {'[DONE]' if event is None else json.dumps(event)}\n\n".encode())


async def _piece(writer: asyncio.StreamWriter, piece: bytes) -> None:
    writer.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
    await writer.drain()
