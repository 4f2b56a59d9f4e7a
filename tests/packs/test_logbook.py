"""The log of a run over several processes: nothing that was written is lost, nothing is told twice, times add up."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from concertino.contracts.event import Event
from concertino.contracts.json import JsonObject
from concertino.packs.agents import astart_agent, resume_agent, start_agent
from concertino.packs.artifacts import Artifacts, LogLine
from concertino.packs.manifest import AgentRun
from concertino.packs.offers import pack
from concertino.packs.registry import Registry

SLUG = "offer-orchestrator-mag"
PLAIN: JsonObject = {"role": "Staff Engineer", "level": "Staff", "location": "Remote - US", "experience_years": 12}
RUN_ID = "mag-0000cafe"

Options = dict[str, Any]


@pytest.fixture
def options(tmp_path: Path) -> Options:
    """Return where journal and artifacts are."""
    return {
        "database": f"sqlite:///{tmp_path / 'journal.db'}",
        "runs_dir": tmp_path / "runs",
        "registry": Registry([pack]),
    }


def files(run: AgentRun) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(Path(run.artifacts).iterdir())}


def log(run: AgentRun) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (Path(run.artifacts) / "logs.jsonl").read_text().splitlines()]


def told(run: AgentRun) -> list[str]:
    return [line["event"] for line in log(run)]


def test_the_duration_lies_between_the_first_line_and_the_last(options: Options) -> None:
    """As in document 000: planning before the run and merging after it are part of it."""
    run = start_agent(SLUG, PLAIN, **options)
    first, last = log(run)[0], log(run)[-1]
    assert last["data"]["duration_ms"] == pytest.approx((last["timestamp"] - first["timestamp"]) * 1_000, abs=1.01)


def test_asking_again_after_a_run_that_is_over_touches_no_file(options: Options) -> None:
    """Neither a second submission nor a resume is part of the run's history."""
    run = start_agent(SLUG, PLAIN, run_id=RUN_ID, **options)
    before = files(run)
    start_agent(SLUG, PLAIN, run_id=RUN_ID, **options)
    resume_agent(SLUG, RUN_ID, **options)
    assert files(run) == before


async def test_a_run_under_way_is_told_as_such_and_its_log_is_left_alone(options: Options) -> None:
    """Whoever submits a task that somebody works on hears that it runs, not that it failed."""
    seen: list[AgentRun] = []
    begun: list[Event] = []

    async def again() -> AgentRun:
        return await astart_agent(SLUG, PLAIN, run_id=RUN_ID, **options)

    def look(event: Event) -> None:
        begun.append(event)
        if event.type == "TASK_STARTED":
            seen.append(start_agent(SLUG, PLAIN, run_id=RUN_ID, **options))

    run = await astart_agent(SLUG, PLAIN, run_id=RUN_ID, on_event=look, **options)
    assert [(one.status, one.exit_code, one.output["offer"], one.output["status"]) for one in seen] == [
        ("running", 4, None, "running")
    ]
    assert run.status == "success"
    assert told(run).count("start") == told(run).count("end") == 1
    assert (await again()).output == run.output


def test_a_restarted_run_is_told_below_the_first(options: Options) -> None:
    """The first run's lines stay, and the second has a start and a duration of its own."""
    run = start_agent(SLUG, PLAIN, run_id=RUN_ID, **options)
    first = log(run)
    resume_agent(SLUG, RUN_ID, restart=True, **options)
    lines = log(run)
    assert lines[: len(first)] == first
    second = lines[len(first) :]
    assert [line["event"] for line in second] == ["start", "decomposition", "aggregation", "end"]
    spent = (second[-1]["timestamp"] - second[0]["timestamp"]) * 1_000
    assert second[-1]["data"]["duration_ms"] == pytest.approx(spent, abs=1.01)


@pytest.mark.parametrize("damage", [b"garbage {\n", b"\xff\xfe\n", b'{"event": 1}\n', b"[1]\n", b"\x00" * 10])
@pytest.mark.parametrize("whole", [True, False])
def test_a_damaged_log_keeps_nobody_from_the_run(options: Options, damage: bytes, *, whole: bool) -> None:
    """What cannot be read is left out; the journal has the rest."""
    run = start_agent(SLUG, PLAIN, run_id=RUN_ID, **options)
    file = Path(run.artifacts) / "logs.jsonl"
    file.write_bytes(damage if whole else file.read_bytes() + damage)
    again = resume_agent(SLUG, RUN_ID, **options)
    assert again.output == run.output
    if whole:
        assert told(run) == [
            "start", "decomposition", "delegation_start", "delegation_complete", "aggregation", "end",
        ]  # fmt: skip


def test_attempts_that_began_no_run_stay_on_file(options: Options, tmp_path: Path) -> None:
    """A journal that could not be opened twice is told twice, above the run that succeeded."""
    place = tmp_path / "journal.db"
    place.mkdir()
    for _ in range(2):
        with pytest.raises(RuntimeError):
            start_agent(SLUG, PLAIN, run_id=RUN_ID, **options)
    place.rmdir()
    run = start_agent(SLUG, PLAIN, run_id=RUN_ID, **options)
    assert told(run)[:5] == ["start", "error", "start", "error", "start"]
    first, last = log(run)[4], log(run)[-1]
    assert last["data"]["duration_ms"] == pytest.approx((last["timestamp"] - first["timestamp"]) * 1_000, abs=1.01)


def test_a_log_that_cannot_be_read_at_all_is_named(tmp_path: Path) -> None:
    """A directory in its place is no damage that one could read around."""
    artifacts = Artifacts(str(tmp_path), RUN_ID)
    (artifacts.directory / "logs.jsonl").mkdir()
    with pytest.raises(RuntimeError, match=r"logs\.jsonl"):
        artifacts.logged()


def test_lines_come_back_as_they_were_written(tmp_path: Path) -> None:
    """What one process wrote the next one reads."""
    artifacts = Artifacts(str(tmp_path), RUN_ID)
    line = LogLine("start", 1.5, {"agent": "A"})
    artifacts.write([line], {"latency_ms": 1}, at=1.0)
    assert artifacts.logged() == [line]
