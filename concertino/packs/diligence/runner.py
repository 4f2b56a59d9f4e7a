"""The agent `due-diligence-agent`: a request and a folder in, a decision and a report out."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Sequence
from typing import Any, cast

from concertino.contracts.errors import InputError, SetupError
from concertino.contracts.event import TERMINAL, Event
from concertino.contracts.json import JsonObject
from concertino.graph.planner import Planner
from concertino.packs.artifacts import Artifacts, iso_z, tell
from concertino.packs.diligence.decision import decide
from concertino.packs.diligence.markdown import render
from concertino.packs.diligence.policy import Policy, read_policy
from concertino.packs.diligence.report import report_of
from concertino.packs.diligence.request import asked, prompt_hashes
from concertino.packs.diligence.rules import TASK_TYPE, workflows
from concertino.packs.diligence.shelf import SHELF
from concertino.packs.diligence.specialists import NO_MODEL, SEATS, build_specialists, require_langchain
from concertino.packs.logbook import Logbook
from concertino.packs.manifest import AgentManifest, AgentRun, EventSink, Resumption, RunOptions, RunStatus
from concertino.packs.running import known_run, observed, open_gates, status_of, take_up


class DiligenceRunner:
    """Runs assessments. One instance serves any number of runs."""

    async def run(self, manifest: AgentManifest, payload: JsonObject, options: RunOptions) -> AgentRun:
        """Run on a valid request. See `Runner.run`.

        Raises:
            SetupError: there is no model, or LangChain is not installed. No run was made.
            InputError: the folder cannot be used. No run was made.
        """
        policy = read_policy(options.policy)
        require_langchain()
        require_models(options)
        return await _Run(manifest, options, policy).start(payload)

    async def resume(self, manifest: AgentManifest, run_id: str, options: RunOptions, how: Resumption) -> AgentRun:
        """Carry on with a parked or killed run, under the policy that it began with. See `Runner.resume`."""
        row = await known_run(options, run_id)
        payload = cast("JsonObject", row.task["payload"])
        policy = Policy.model_validate(payload["policy"])
        require_langchain()
        if row.state not in TERMINAL or how.restart:
            require_models(options)
        return await _Run(manifest, options, policy).carry_on(row.task, run_id, how)


def require_models(options: RunOptions) -> None:
    """Check that every specialist has a model.

    Raises:
        SetupError: naming those that have none.
    """
    without = [name for name in SEATS if options.model is None and name not in options.models]
    if len(without) == len(SEATS):
        raise SetupError(field="model", value=None, rule=f"due-diligence-agent {NO_MODEL}")
    if without:
        raise SetupError(field=f"models.{without[0]}", value=None, rule=f"{', '.join(without)}: {NO_MODEL}")


class _Run:
    """One run of the agent."""

    def __init__(self, manifest: AgentManifest, options: RunOptions, policy: Policy) -> None:
        self.manifest, self.options, self.policy = manifest, options, policy
        self.clock = options.clock
        self.task: JsonObject = {}

    async def start(self, payload: JsonObject) -> AgentRun:
        """Read the documents, plan and run."""
        run_id = self.options.run_id or ""
        folder = _absolute(str(payload["documents"]))
        self.task = {
            "task_id": run_id,
            "title": f"Due diligence: {payload['target']}"[:500],
            "task_type": TASK_TYPE,
            "payload": {**payload, "documents": folder, "policy": self.policy.model_dump(mode="json")},
            "metadata": {"agent": self.manifest.slug, "agent_version": self.manifest.version},
        }
        # Before anything is spent: a folder that cannot be used is the caller's to know.
        library = await asyncio.to_thread(SHELF.open, run_id, folder, self.policy.documents)
        artifacts = Artifacts(self.options.runs_dir, run_id)
        data: JsonObject = {"documents": len(library.documents), "unreadable": len(library.unreadable)}
        log = Logbook(artifacts, clock=self.clock, agent=self.manifest.name, begins=True, opening=data)
        return await self._observed(artifacts, log, None)

    async def carry_on(self, task: JsonObject, run_id: str, how: Resumption) -> AgentRun:
        """Resume from the journal."""
        self.task = task
        artifacts = Artifacts(self.options.runs_dir, run_id)
        log = Logbook(artifacts, clock=self.clock, agent=self.manifest.name, begins=how.restart)
        try:
            await asyncio.to_thread(SHELF.open, run_id, asked(task).documents or "", self.policy.documents)
        except InputError:
            # The folder is gone: what is done stands, and who still needs it says so.
            pass
        return await self._observed(artifacts, log, how)

    async def _observed(self, artifacts: Artifacts, log: Logbook, how: Resumption | None) -> AgentRun:
        """Run, and let go of the documents."""
        listener = log.listening(self.options.on_event)
        try:
            return await observed(
                artifacts,
                begin=self._planner,
                work=lambda planner: self._result(planner, artifacts.run_id, how, listener),
                finish=lambda result, events: self._finish(artifacts, log, result, events),
                fail=lambda error, events: log.fail(tell(events, sag_ids={}), error),
            )
        finally:
            SHELF.drop(artifacts.run_id, asked(self.task).documents or "")

    async def _planner(self) -> Planner:
        models: dict[str, Any] = {}
        if self.options.model is not None:
            models["model"] = self.options.model
        if self.options.models:
            models["models"] = dict(self.options.models)
        return Planner(
            specialists=list(build_specialists(self.policy)),
            workflows=list(workflows()),
            database=self.options.database,
            budget=self.policy.budget,
            aggregate=decide,
            clock=self.clock,
            **models,
        )

    async def _result(self, planner: Planner, run_id: str, how: Resumption | None, listener: EventSink) -> JsonObject:
        if how is None:
            return await planner.arun(self.task, on_event=listener)
        return await take_up(planner, run_id, how, on_event=listener)

    def _finish(self, artifacts: Artifacts, log: Logbook, result: JsonObject, events: Sequence[Event]) -> AgentRun:
        told = tell(events, sag_ids={})
        status = _status(result)
        about = asked(self.task)
        now = events[-1].timestamp if events else self.clock.now()
        metadata: JsonObject = {
            "generated_by": self.manifest.name,
            "version": self.manifest.version,
            "run_id": artifacts.run_id,
            "timestamp": iso_z(now),
        }
        report = report_of(
            result,
            about=about,
            metadata=metadata,
            status=status,
            library=SHELF.take(artifacts.run_id, about.documents or ""),
            prompts=prompt_hashes(),
            gates=open_gates(events) if status == "waiting" else (),
        )
        report = self.options.check_output(report)
        log.close(told, successful=told.successful, status=status)
        if status != "running":  # else they are written by whoever works on it
            text = json.dumps(report, ensure_ascii=False, allow_nan=False, indent=2)
            artifacts.write_text("report.json", f"{text}\n")
            artifacts.write_text("report.md", render(report))
        return AgentRun(
            slug=self.manifest.slug,
            run_id=artifacts.run_id,
            status=status,
            output=report,
            artifacts=str(artifacts.directory),
            result=result,
        )


def _absolute(folder: str) -> str:
    """Return a path that means the same wherever the run is taken up."""
    return os.path.abspath(folder)  # noqa: PTH100 - resolving would ask the file system, which the reader does later


def _status(result: JsonObject) -> RunStatus:
    """Return how a run ended: one whose specialists all came back without a conclusion has no answer."""
    status, answer = result.get("status"), result.get("answer")
    if status in ("success", "partial_success") and (not isinstance(answer, dict) or answer.get("decision") is None):
        return "failed"
    return status_of(result)
