"""A real `concertino dev` on a loopback port, serving our own graphs and the tests' beside them."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx
import pytest

ROOT = Path(__file__).parents[2]
START_S = 30.0


@dataclass
class Server:
    """One server and the folder that it works in."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None
    client: httpx.Client = field(init=False)

    def start(self) -> None:
        command = [sys.executable, "-c", "from concertino.service.cli.main import main; main()", "dev"]
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("LANG", "CONCERTINO"))}
        environment["PYTHONPATH"] = str(ROOT)
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [*command, "--port", str(self.port)],
                cwd=self.folder,
                env=environment,
                stdout=log,
                stderr=log,
            )
        # A kept connection may be closed by the server just when it is used again.
        single = httpx.Limits(max_keepalive_connections=0)
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=20, trust_env=False, limits=single)
        until = time.monotonic() + START_S
        while time.monotonic() < until and self.process.poll() is None:
            try:
                if self.client.get("/ok").is_success:
                    return
            except httpx.TransportError:
                time.sleep(0.05)
        raise AssertionError(f"the server did not start:\n{self.log()[-4_000:]}")

    def stop(self, sign: signal.Signals = signal.SIGTERM) -> None:
        assert self.process is not None
        self.client.close()
        self.process.send_signal(sign)
        self.process.wait(timeout=20)

    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    def call(self, method: str, path: str, body: Any = None) -> Any:
        answer = self.client.request(method, path, json=body)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def thread(self) -> str:
        return str(self.call("POST", "/threads", {})["thread_id"])

    def wait(self, thread_id: str, assistant: str = "offers", **body: Any) -> Any:
        """Run to the end; a failed run gives `{"__error__": {"error", "message"}}`."""
        return self.call("POST", f"/threads/{thread_id}/runs/wait", {"assistant_id": assistant, **body})

    def begin(self, thread_id: str, assistant: str = "served", **body: Any) -> str:
        return str(self.call("POST", f"/threads/{thread_id}/runs", {"assistant_id": assistant, **body})["run_id"])

    def state(self, thread_id: str) -> Any:
        return self.call("GET", f"/threads/{thread_id}/state")

    def stream(self, thread_id: str, assistant: str = "offers", **body: Any) -> list[tuple[str, Any]]:
        """Return the events of a run: name and data."""
        events: list[tuple[str, Any]] = []
        name = ""
        path = f"/threads/{thread_id}/runs/stream"
        with self.client.stream("POST", path, json={"assistant_id": assistant, **body}) as answer:
            for line in answer.iter_lines():
                if line.startswith("event: "):
                    name = line.removeprefix("event: ")
                elif line.startswith("data: "):
                    events.append((name, json.loads(line.removeprefix("data: "))))
        return events

    def rows(self, task_id: str) -> list[tuple[str, str | None]]:
        """Return state and lease owner of a task's runs in the served graph's journal."""
        with closing(sqlite3.connect(self.folder / "served.db")) as journal:
            return journal.execute("SELECT state, owner FROM runs WHERE task_id = ? ORDER BY n", (task_id,)).fetchall()

    def until(self, task_id: str, *states: str) -> list[tuple[str, str | None]]:
        """Wait until the newest run of a task is in one of `states`, with a lease if it is running and none else."""
        limit = time.monotonic() + 15
        while time.monotonic() < limit:
            try:
                rows = self.rows(task_id)
            except sqlite3.OperationalError:  # the server has not made the journal yet
                rows = []
            if rows and rows[-1][0] in states and (rows[-1][1] is not None) == (rows[-1][0] == "running"):
                return rows
            time.sleep(0.05)
        raise AssertionError(f"{task_id} is not {states} but {self.rows(task_id)}\n{self.log()[-4_000:]}")


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    if find_spec("langgraph_cli") is None or find_spec("langgraph_api") is None:
        pytest.skip("langgraph-cli[inmem] is not installed")
    folder = tmp_path_factory.mktemp("studio")
    ours = json.loads((ROOT / "langgraph.json").read_text())
    ours["graphs"]["served"] = "tests.studio.served:graph"
    (folder / "langgraph.json").write_text(json.dumps(ours))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    made = Server(folder, port)
    made.start()
    yield made
    made.stop()
