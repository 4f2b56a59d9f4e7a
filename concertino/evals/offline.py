"""No way out: while a replay runs, this process opens no connection, and of itself imports nothing that talks to a provider."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from concertino.contracts.errors import Offline
from concertino.contracts.scope import SCOPE

PROVIDERS = frozenset({
    "openai", "anthropic", "mistralai", "groq", "cohere", "ollama", "boto3", "botocore", "vertexai", "litellm", "google.genai",
    "google.generativeai", "langchain_openai", "langchain_anthropic", "langchain_google_genai", "langchain_google_vertexai",
    "langchain_mistralai", "langchain_groq", "langchain_cohere", "langchain_ollama", "langchain_aws", "langchain_deepseek",
    "langchain_xai", "langchain_fireworks", "langchain_together", "langchain_huggingface", "langchain_nvidia_ai_endpoints",
    "langchain_perplexity", "langchain_community", "tiktoken",
})  # fmt: skip
"""Packages that talk to providers of models, and what wraps them for LangChain."""
_INTERNET = frozenset({socket.AF_INET, socket.AF_INET6})
_WAYS_OUT = frozenset({
    "socket.connect", "socket.sendto", "socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr", "socket.bind",
})  # fmt: skip

_lock = threading.Lock()
_users = 0
_is_watched = False


class _Refusal(MetaPathFinder):
    """Finds no provider, loudly."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname in PROVIDERS and not _is_own():
            rule = "a replay imports no provider; give models by name, and import what wraps them where they are made"
            raise Offline(what=f"import of {fullname}", rule=rule)
        return None


_refusal = _Refusal()


_own: ContextVar[bool] = ContextVar("concertino_own_imports", default=False)


@contextmanager
def own_imports() -> Iterator[None]:
    """Let the block import providers: code of the suite's own, which brings models that are played all the same."""
    token = _own.set(True)
    try:
        yield
    finally:
        _own.reset(token)


def _is_own() -> bool:
    """Say whether it is the suite's own code that imports: while it is loaded, and inside an attempt at a subtask."""
    scope = SCOPE.get()
    return _own.get() or (scope is not None and scope.subtask_id is not None)


@contextmanager
def offline() -> Iterator[None]:
    """Allow no connection and no provider meanwhile, in the whole process: threads have no other way out either.

    What is refused raises `Offline` where it is tried.
    """
    global _users, _is_watched  # audit hooks belong to the process, and stay
    with _lock:
        _users += 1
        if not _is_watched:
            _is_watched = True
            sys.addaudithook(_watch)
        if _users == 1:
            sys.meta_path.insert(0, _refusal)
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if _users == 0:
                sys.meta_path.remove(_refusal)


def _watch(event: str, args: tuple[Any, ...]) -> None:
    if not _users:
        return
    if event in _WAYS_OUT:
        if event in ("socket.connect", "socket.sendto", "socket.bind") and args[0].family not in _INTERNET:
            return
        raise Offline(what=event, rule="a replay opens no connection")
    if event == "socket.__new__" and args[1] in _INTERNET:
        raise Offline(what="an internet socket", rule="a replay opens no connection")
