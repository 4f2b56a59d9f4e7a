"""`concertino dev`: LangGraph Studio's local server over our graphs."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from concertino.contracts.errors import InputError, SetupError

RUNS = 10
"""Runs that the server works on at the same time; chosen by hand."""
OFFLINE = {
    "LANGSMITH_TRACING": "false",
    "LANGGRAPH_NO_VERSION_CHECK": "true",
    "LANGGRAPH_CLI_NO_ANALYTICS": "1",
}
"""What the server would send or fetch: traces (which need a key), its newest version's number, usage statistics."""


def command(*, config: Path, port: int, host: str, extra: list[str]) -> list[str]:
    """Return the server's command line. It opens no browser, needs no key and reaches nothing outside.

    Raises:
        InputError: there is no file `config`.
        SetupError: the server is not installed.
    """
    if not config.is_file():
        raise InputError(field="--config", value=str(config), rule="no such file")
    if find_spec("langgraph_cli") is None or find_spec("langgraph_api") is None:
        raise SetupError(field="dev", value="langgraph-cli", rule="install it with: pip install 'concertino[studio]'")
    server = [sys.executable, "-m", "langgraph_cli", "dev", "--no-browser", "--no-reload"]
    # Its own default is one: a long run would hold up every other, and what is sent to cancel it by a new one.
    several = [] if "--n-jobs-per-worker" in extra else ["--n-jobs-per-worker", str(RUNS)]
    return [*server, *several, "--config", str(config), "--host", host, "--port", str(port), *extra]


def dev(
    context: typer.Context,
    config: Annotated[Path, typer.Option(help="Which graphs to serve.")] = Path("langgraph.json"),
    port: Annotated[int, typer.Option(min=1, max=65535)] = 2024,
    host: Annotated[str, typer.Option()] = "127.0.0.1",
) -> NoReturn:
    """Serve the graphs to LangGraph Studio, offline.

    Further options go to `langgraph dev`.
    """
    arguments = command(config=config, port=port, host=host, extra=context.args)
    # Whoever sets one of them has reasons.
    os.execve(sys.executable, arguments, {**OFFLINE, **os.environ})  # noqa: S606  # the server takes this process's place
