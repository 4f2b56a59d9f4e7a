"""What a run leaves on disk: `logs.jsonl` and `metrics.json` in `<runs_dir>/<run id>/`, and what its pack adds.

Source of both formats: document 000.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import JsonValue

from concertino.contracts.errors import InputError, JournalError
from concertino.contracts.event import Event
from concertino.contracts.json import JsonObject, dump

PROBE = b" " * 4_096
"""What is written for trial, a disk block: what a run leaves is rarely more than a few."""


class ArtifactError(JournalError):
    """An artifact file cannot be written. The run itself is on the journal's record."""

    def __init__(self, *, place: str, reason: str) -> None:
        super().__init__(place=place, reason=reason)
        self.args = (f"{place}: cannot be written: {reason}",)


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of `logs.jsonl`."""

    event: str
    timestamp: float
    """Seconds since 1970-01-01 UTC; written to the millisecond."""
    data: Mapping[str, JsonValue]


class Artifacts:
    """The files of one run."""

    def __init__(self, runs_dir: str, run_id: str) -> None:
        """Make the run's directory, and try whether it takes what the run will leave, before anything is spent.

        Raises:
            InputError: it cannot be made or written; nothing is left behind.
        """
        self.run_id = run_id
        self.directory = Path(runs_dir) / run_id
        place = runs_dir
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            place = str(self.directory / "logs.jsonl")
            with tempfile.TemporaryFile(dir=self.directory) as file:
                file.write(PROBE)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            self.discard_if_empty()
            rule = f"must be a directory that can be written: {error.strerror}"
            raise InputError(field="runs_dir", value=place, rule=rule) from error

    def discard_if_empty(self) -> None:
        """Remove the run's directory where nothing was written into it."""
        with contextlib.suppress(OSError):  # not empty, or never made
            self.directory.rmdir()

    def logged(self) -> list[LogLine]:
        """Return the log that an earlier process wrote, if any; a line that cannot be read is left out.

        Raises:
            ArtifactError: the file is there and cannot be read.
        """
        file = self.directory / "logs.jsonl"
        try:
            data = file.read_bytes()
        except FileNotFoundError:
            return []
        except OSError as error:
            raise ArtifactError(place=str(file), reason=str(error.strerror or error)) from error
        return [line for text in data.splitlines() if (line := _line(text)) is not None]

    def write(self, lines: Sequence[LogLine], metrics: Mapping[str, int], *, at: float) -> None:
        """Replace both files, each in one step: a reader sees the old or the new, never half of one.

        Raises:
            ArtifactError: the disk is full or may not be written.
        """
        rows = [
            {"run_id": self.run_id, "event": line.event, "timestamp": round(line.timestamp, 3), "data": dict(line.data)}
            for line in lines
        ]
        values = {
            name: [{"run_id": self.run_id, "value": value, "timestamp": round(at, 3)}]
            for name, value in metrics.items()
        }
        self._replace("logs.jsonl", "".join(f"{dump(row)}\n" for row in rows))
        self._replace("metrics.json", f"{dump(values)}\n")

    def write_text(self, name: str, text: str) -> None:
        """Replace a file of the run beside these two, e.g. a report, in one step.

        Raises:
            ArtifactError: the disk is full or may not be written.
        """
        self._replace(name, text)

    def _replace(self, name: str, text: str) -> None:
        target = self.directory / name
        scratch: str | None = None
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            handle, scratch = tempfile.mkstemp(prefix=f".{name}.", dir=self.directory)
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            Path(scratch).replace(target)
        except OSError as error:
            if scratch is not None:
                Path(scratch).unlink(missing_ok=True)
            raise ArtifactError(place=str(target), reason=str(error.strerror or error)) from error


def _line(text: bytes) -> LogLine | None:
    """Read a line of the log. What it says of the run is on the journal's record too, so damage costs no more than the line."""
    try:
        row = json.loads(text)
    except ValueError:
        return None
    if not isinstance(row, dict):
        return None
    event, timestamp, data = row.get("event"), row.get("timestamp"), row.get("data")
    if not isinstance(event, str) or not isinstance(timestamp, int | float) or not isinstance(data, dict):
        return None
    return LogLine(event, timestamp, data)


@dataclass(frozen=True, slots=True)
class Told:
    """A run's events as document 000 tells them."""

    lines: tuple[LogLine, ...]
    task_count: int
    """Subtasks in the plan."""
    successful: int
    started_at: float | None
    """When the run was admitted, seconds since 1970-01-01 UTC; `None` for no events."""
    ended_at: float | None
    """When the newest event was, seconds since 1970-01-01 UTC; `None` for no events."""
    active_s: float
    """Wall-clock seconds between the first event and the last, less those in which nobody worked on the run."""


_DELEGATED: Mapping[str, str] = {
    "TASK_COMPLETED": "success",
    "AGENT_FAILED": "failed",
    "TASK_CANCELLED": "cancelled",
    "TASK_BLOCKED": "blocked",
}
"""Journal event that ends a delegation → its status in the log."""


def tell(events: Iterable[Event], *, sag_ids: Mapping[str, str]) -> Told:
    """Fold a run's journal into log lines between `start` and `aggregation`.

    `sag_ids` maps a specialist's name to the sub-agent it counts as, where the two differ (variants).
    """
    lines: list[LogLine] = []
    count = 0
    done: set[str] = set()
    running: set[str] = set()
    active = 0.0
    first: float | None = None
    since: float | None = None
    last: float | None = None
    for event in events:
        if first is None:
            first = since = event.timestamp
        before, last = last, event.timestamp
        task: JsonObject = {"task_id": event.subtask_id or ""}
        if event.type == "RUN_PLANNED":
            count = _count(event)
            lines.append(LogLine("decomposition", event.timestamp, {"task_count": count}))
        elif event.type == "TASK_STARTED" and event.subtask_id not in running:
            running.add(event.subtask_id or "")
            data = task | {"sag_id": sag_ids.get(event.agent_id, event.agent_id)}
            if event.agent_id in sag_ids:
                data["variant"] = event.agent_id
            lines.append(LogLine("delegation_start", event.timestamp, data))
        elif event.type in _DELEGATED and event.subtask_id in running and _is_final(event):
            running.discard(event.subtask_id or "")
            data = task | {"status": _DELEGATED[event.type]}
            if event.type == "TASK_COMPLETED":
                done.add(event.subtask_id or "")
            elif (why := event.payload.get("error") or event.payload.get("reason")) is not None:
                data["error"] = why
            lines.append(LogLine("delegation_complete", event.timestamp, data))
        elif event.type in {"GATE_OPENED", "GATE_ANSWERED"}:
            name = "approval_requested" if event.type == "GATE_OPENED" else "approval_answered"
            keys = ("gate", "question", "decision", "reason", "answer")
            told = {key: event.payload[key] for key in keys if event.payload.get(key) is not None}
            lines.append(LogLine(name, event.timestamp, task | told))
        elif event.type == "RUN_PARKED":
            active += event.timestamp - since if since is not None else 0.0
            since = None
            lines.append(LogLine("waiting", event.timestamp, {}))
        elif event.type == "RUN_RESUMED":
            # Not parked before: whoever worked on it was killed, some time after the last sign of life.
            active += before - since if since is not None and before is not None else 0.0
            since = event.timestamp
            lines.append(LogLine("resume", event.timestamp, {}))
    if since is not None and last is not None:
        active += last - since
    return Told(tuple(lines), count, len(done), first, last, active)


def iso_z(seconds: float) -> str:
    """Return seconds since 1970-01-01 UTC as `2025-10-21T12:34:56.789Z`."""
    moment = datetime.fromtimestamp(seconds, tz=UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _count(event: Event) -> int:
    plan = event.payload.get("plan")
    subtasks = plan.get("subtasks") if isinstance(plan, dict) else event.payload.get("subtasks")
    return len(subtasks) if isinstance(subtasks, list) else 0


def _is_final(event: Event) -> bool:
    return event.payload.get("final") is not False
