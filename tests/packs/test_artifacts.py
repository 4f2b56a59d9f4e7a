"""Run artifacts: the files, their formats, and the fold from the journal that fills them."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from concertino.contracts.errors import InputError
from concertino.contracts.event import Event, EventType, message_type
from concertino.packs.artifacts import ArtifactError, Artifacts, LogLine, tell


def event(type_: EventType, at: float, *, agent: str = "orchestrator", subtask: str | None = None, **payload) -> Event:
    return Event(
        task_id="mag-a1b2c3d4",
        run_id="run-1",
        type=type_,
        message_type=message_type(type_),
        agent_id=agent,
        subtask_id=subtask,
        payload=payload,
        timestamp=at,
    )


def test_lines_and_metrics_are_the_documents(tmp_path: Path) -> None:
    """Keys, order, rounding and shape are those of document 000, byte for byte."""
    artifacts = Artifacts(str(tmp_path), "mag-a1b2c3d4")
    line = LogLine("start", 1729510496.78912, {"agent": "OfferOrchestratorMAG"})
    artifacts.write([line], {"latency_ms": 361, "task_count": 1, "success_count": 1}, at=1729510497.15)
    assert (tmp_path / "mag-a1b2c3d4" / "logs.jsonl").read_text() == (
        '{"run_id":"mag-a1b2c3d4","event":"start","timestamp":1729510496.789,"data":{"agent":"OfferOrchestratorMAG"}}\n'
    )
    assert json.loads((tmp_path / "mag-a1b2c3d4" / "metrics.json").read_text()) == {
        "latency_ms": [{"run_id": "mag-a1b2c3d4", "value": 361, "timestamp": 1729510497.150}],
        "task_count": [{"run_id": "mag-a1b2c3d4", "value": 1, "timestamp": 1729510497.150}],
        "success_count": [{"run_id": "mag-a1b2c3d4", "value": 1, "timestamp": 1729510497.150}],
    }


def test_a_second_write_replaces_both_files_and_leaves_nothing_else(tmp_path: Path) -> None:
    """No scratch file stays behind, and nobody ever reads half a file."""
    artifacts = Artifacts(str(tmp_path), "mag-a1b2c3d4")
    for text in ("start", "end"):
        artifacts.write([LogLine(text, 1.0, {})], {"latency_ms": 1}, at=1.0)
    assert sorted(file.name for file in artifacts.directory.iterdir()) == ["logs.jsonl", "metrics.json"]
    assert '"end"' in (artifacts.directory / "logs.jsonl").read_text()


def test_a_runs_dir_that_cannot_be_made_is_bad_input(tmp_path: Path) -> None:
    """A file in the way is named before anything runs."""
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError) as caught:
        Artifacts(str(tmp_path / "file"), "mag-a1b2c3d4")
    assert caught.value.field == "runs_dir"


def test_a_run_is_told_in_the_documents_events() -> None:
    """Planning, start and end of each delegation become the document's lines; variants count as their advisor."""
    told = tell(
        [
            event("RUN_ADMITTED", 1.0),
            event("RUN_PLANNED", 1.1, plan={"subtasks": [{}, {}]}),
            event("TASK_STARTED", 1.2, agent="a-sag", subtask="one"),
            event("TASK_STARTED", 1.2, agent="b-sag", subtask="two"),
            event("AGENT_FAILED", 1.3, agent="a-sag", subtask="one", final=False, error="once"),
            event("TASK_STARTED", 1.35, agent="a-sag", subtask="one"),
            event("AGENT_FAILED", 1.4, agent="a-sag", subtask="one", final=True, error="twice"),
            event("TASK_COMPLETED", 1.5, agent="b-sag", subtask="two"),
        ],
        sag_ids={"b-sag": "a-sag"},
    )
    assert [(line.event, line.data) for line in told.lines] == [
        ("decomposition", {"task_count": 2}),
        ("delegation_start", {"task_id": "one", "sag_id": "a-sag"}),
        ("delegation_start", {"task_id": "two", "sag_id": "a-sag", "variant": "b-sag"}),
        ("delegation_complete", {"task_id": "one", "status": "failed", "error": "twice"}),
        ("delegation_complete", {"task_id": "two", "status": "success"}),
    ]
    assert (told.task_count, told.successful) == (2, 1)


def test_time_spent_waiting_for_a_person_is_not_latency() -> None:
    """An approval may take a night; the run was active for two seconds."""
    told = tell(
        [
            event("RUN_ADMITTED", 100.0),
            event("GATE_OPENED", 100.5, gate="approval", question="Go?", details={"much": "text"}),
            event("RUN_PARKED", 101.0),
            event("GATE_ANSWERED", 40_000.0, gate="approval", answer={"decision": "accept"}),
            event("RUN_RESUMED", 50_000.0),
            event("RUN_COMPLETED", 50_001.0),
        ],
        sag_ids={},
    )
    assert told.active_s == pytest.approx(2.0)
    assert [line.event for line in told.lines] == ["approval_requested", "waiting", "approval_answered", "resume"]
    assert told.lines[0].data == {"task_id": "", "gate": "approval", "question": "Go?"}


def test_time_after_a_kill_is_not_latency_and_time_before_it_is() -> None:
    """Nobody parked it: it was active until its last sign of life, and again from when it was taken up."""
    told = tell(
        [
            event("RUN_ADMITTED", 100.0),
            event("TASK_STARTED", 103.0, agent="a-sag", subtask="one"),
            event("RUN_RESUMED", 9_000.0),
            event("RUN_COMPLETED", 9_001.0),
        ],
        sag_ids={},
    )
    assert told.active_s == pytest.approx(4.0)
    assert (told.started_at, told.ended_at) == (100.0, 9_001.0)


def _full(descriptor: int) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_is_found_out_before_anything_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the file, and no empty directory stays."""
    monkeypatch.setattr(os, "fsync", _full)
    with pytest.raises(InputError, match=r"mag-1/logs\.jsonl' refused: .* No space left on device"):
        Artifacts(str(tmp_path), "mag-1")
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_fills_up_is_told_with_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no fault of the journal."""
    artifacts = Artifacts(str(tmp_path), "mag-1")
    monkeypatch.setattr(os, "fsync", _full)
    with pytest.raises(ArtifactError) as caught:
        artifacts.write([], {}, at=1.0)
    assert str(caught.value) == f"{tmp_path / 'mag-1' / 'logs.jsonl'}: cannot be written: No space left on device"
    artifacts.discard_if_empty()
    assert list(tmp_path.iterdir()) == []
