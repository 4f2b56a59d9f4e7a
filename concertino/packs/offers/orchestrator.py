"""OfferOrchestratorMAG: decomposition, delegation, aggregation, packet, artifacts. Source: document 000."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from importlib.resources import files
from typing import Any, NamedTuple, cast

from concertino.contracts.clock import Clock
from concertino.contracts.event import Event
from concertino.contracts.json import JsonObject
from concertino.graph.planner import Planner
from concertino.packs.artifacts import Artifacts, iso_z, tell
from concertino.packs.logbook import FALLBACK, Logbook
from concertino.packs.manifest import AgentManifest, AgentRun, Resumption, RunOptions, Skill
from concertino.packs.offers.aggregation import first_offer
from concertino.packs.offers.decomposition import LookUp, Route, expects_approval, make_task, single_task_plan
from concertino.packs.offers.outcome import Collected, collect, judge_approval, packet_of
from concertino.packs.offers.packet import Offer
from concertino.packs.offers.salary import tables
from concertino.packs.offers.specialists import (
    ADVISOR,
    EARLY_ADVISOR,
    EarlyAdvisor,
    build_specialists,
    lookup_by,
    salary_band_lookup,
)
from concertino.packs.offers.stages import Policy, read_policy
from concertino.packs.running import known_run, observed, open_gates, status_of, take_up
from concertino.tools import threads
from concertino.tools.breaker import Breakers

DECOMPOSITION = "skill.task-decomposition"
AGGREGATION = "skill.result-aggregation"
BANDS = "skill.salary-band-lookup"

COUNTED = {EARLY_ADVISOR: ADVISOR}
"""The sub-agent that a variant counts as in the log."""


class OfferOrchestrator:
    """Runs offers. One instance serves any number of runs."""

    def __init__(self, agents: Mapping[str, AgentManifest]) -> None:
        """Take the manifests of the pack's agents."""
        self._agents = dict(agents)
        self._breakers: dict[Clock, Breakers] = {}

    def _shared(self, clock: Clock) -> Breakers:
        """Return the breakers that all runs of this process share, so that a failing advisor is known to the next one."""
        return self._breakers.setdefault(clock, Breakers(clock=clock))

    async def run(self, manifest: AgentManifest, payload: JsonObject, options: RunOptions) -> AgentRun:
        """Run on a valid profile. See `Runner.run`."""
        policy = read_policy(options.policy)
        return await _OfferRun(self._agents, manifest, options, self._shared(options.clock)).start(payload, policy)

    async def resume(self, manifest: AgentManifest, run_id: str, options: RunOptions, how: Resumption) -> AgentRun:
        """Carry on with a parked or killed run. See `Runner.resume`."""
        return await _OfferRun(self._agents, manifest, options, self._shared(options.clock)).carry_on(run_id, how)


class _Order(NamedTuple):
    """What a new run is asked, under which policy."""

    profile: JsonObject
    policy: Policy


class _OfferRun:
    """One run of the main agent."""

    def __init__(
        self, agents: Mapping[str, AgentManifest], manifest: AgentManifest, options: RunOptions, breakers: Breakers
    ) -> None:
        self.agents, self.manifest, self.options, self.breakers = agents, manifest, options, breakers
        self.clock = options.clock
        self.payload: JsonObject = {}
        """Profile, route and policy, as the task carries them."""

    async def start(self, profile: JsonObject, policy: Policy) -> AgentRun:
        """Plan and run."""
        return await self._observed(
            Artifacts(self.options.runs_dir, self.options.run_id or ""), _Order(profile, policy)
        )

    async def carry_on(self, run_id: str, how: Resumption) -> AgentRun:
        """Resume from the journal."""
        row = await known_run(self.options, run_id)
        self.payload = cast("JsonObject", row.task["payload"])
        return await self._observed(Artifacts(self.options.runs_dir, run_id), how)

    async def _observed(self, artifacts: Artifacts, given: _Order | Resumption) -> AgentRun:
        task: JsonObject = {}
        begins = isinstance(given, _Order) or given.restart
        log = Logbook(artifacts, clock=self.clock, agent=self.manifest.name, begins=begins)
        listener = log.listening(self.options.on_event)

        async def begin() -> Planner:
            if isinstance(given, _Order):
                approval = await self._expects_approval(given.profile, given.policy)
                task.update(self._task(given, approval=approval, run_id=artifacts.run_id, log=log))
            return self._planner()

        async def work(planner: Planner) -> JsonObject:
            if isinstance(given, Resumption):
                return await take_up(planner, artifacts.run_id, given, on_event=listener)
            return await planner.arun(task, on_event=listener)

        return await observed(
            artifacts,
            begin=begin,
            work=work,
            finish=lambda result, events: self._finish(artifacts, log, result, events),
            fail=lambda error, events: log.fail(tell(events, sag_ids=COUNTED), error),
        )

    async def _expects_approval(self, profile: JsonObject, policy: Policy) -> bool:
        """Say whether a person may have to agree; a lookup that is not ours may block, and one that takes too long tells nothing."""
        variants, other = policy.variants or profile.get("second_opinion") is True, self._own_lookup()
        if other is None:
            return expects_approval(profile, policy, variants=variants)
        try:
            async with asyncio.timeout(salary_band_lookup.timeout_s):
                return await threads.run(partial(expects_approval, profile, policy, variants=variants, look_up=other))
        except TimeoutError:
            return True

    def _task(self, given: _Order, *, approval: bool, run_id: str, log: Logbook) -> JsonObject:
        profile, policy = given
        slug, version = self.manifest.slug, self.manifest.version
        skill = self.options.skills.get(DECOMPOSITION)
        if skill is None:
            route, why = None, "not installed"
        else:
            route, why = self._decomposed(skill, profile, policy)
        task = make_task(
            profile,
            run_id=run_id,
            slug=slug,
            version=version,
            route=route or Route(),
            approval=approval,
            policy=policy,
        )
        if route is None:
            log.fell_back(DECOMPOSITION, why)
            task["plan"] = single_task_plan(profile, approval=approval)
        self.payload = cast("JsonObject", task["payload"])
        return task

    def _decomposed(self, skill: Skill, profile: JsonObject, policy: Policy) -> tuple[Route | None, str]:
        try:
            return Route.model_validate(skill.load()(profile, policy)), ""
        except Exception as error:  # noqa: BLE001 - a skill is replaceable and not ours; document 000 wants its fallback
            return None, f"{type(error).__name__}: {error}"[:500]

    def _own_lookup(self) -> LookUp | None:
        """Return what looks salary bands up in place of the pack's own tables, if anything does."""
        skill = self.options.skills.get(BANDS)
        look_up = skill.load() if skill is not None else None
        return None if look_up == tables().look_up else look_up

    def _planner(self) -> Planner:
        other = self._own_lookup()
        lookup = salary_band_lookup if other is None else lookup_by(other)
        return Planner(
            specialists=list(build_specialists(self.agents, lookup=lookup, early=_early(self.payload))),
            workflows=[str(files("concertino.packs.offers") / "workflow.yaml")],
            database=self.options.database,
            budget=self.manifest.budgets,
            breakers=self.breakers,
            clock=self.clock,
        )

    def _finish(self, artifacts: Artifacts, log: Logbook, result: JsonObject, events: Sequence[Event]) -> AgentRun:
        told = tell(events, sag_ids=COUNTED)
        status = status_of(result)
        collected = collect(result)
        offer, warnings = self._aggregate(collected, log, is_over=status not in {"waiting", "running"})
        gates = open_gates(events)
        approval = judge_approval(
            collected,
            offer,
            required=_section(self.payload, "route").get("approval") is True,
            status=status,
            policy=Policy.model_validate(self.payload["policy"]),
            gate=_answer(events, result),
            is_open=bool(gates),
        )
        if status == "success" and not approval.lets_pass:
            status = "failed"
        # When the run came to this, so that asking again gives the same packet.
        now = events[-1].timestamp if events else self.clock.now()
        metadata: JsonObject = {
            "generated_by": self.manifest.name,
            "run_id": artifacts.run_id,
            "timestamp": iso_z(now),
            "version": self.manifest.version,
            "task_count": told.task_count,
            "successful_tasks": collected.successful,
        }
        if warnings:
            metadata["warnings"] = list(warnings)
        profile = _section(self.payload, "profile")
        if "candidate_id" in profile:
            metadata["candidate_id"] = profile["candidate_id"]
        packet = packet_of(
            offer=offer, metadata=metadata, status=status, collected=collected, approval=approval, gates=gates
        )
        packet = self.options.check_output(packet)
        log.close(told, successful=collected.successful, status=status)
        return AgentRun(
            slug=self.manifest.slug,
            run_id=artifacts.run_id,
            status=status,
            output=packet,
            artifacts=str(artifacts.directory),
            result=result,
        )

    def _aggregate(self, collected: Collected, log: Logbook, *, is_over: bool) -> tuple[Offer | None, tuple[str, ...]]:
        """Return the offer: of the last stage that changed it, else what the advisors' opinions come to."""
        count = collected.successful
        if count and is_over:
            log.add("aggregation", {"result_count": count})
        if collected.settled is not None:
            return collected.settled.offer, collected.settled.warnings
        if not collected.opinions:
            return None, ()
        skill = self.options.skills.get(AGGREGATION)
        why = "not installed"
        if skill is not None:
            try:
                offer, warnings = cast("Any", skill.load())(collected.opinions)
                return Offer.model_validate(offer), tuple(map(str, warnings))
            except Exception as error:  # noqa: BLE001 - as for decomposition
                why = f"{type(error).__name__}: {error}"[:500]
        if is_over:
            log.add(FALLBACK, {"skill": AGGREGATION, "reason": why})
        return first_offer(collected.opinions)


def _section(payload: JsonObject, name: str) -> JsonObject:
    section = payload.get(name)
    return section if isinstance(section, dict) else {}


def _early(payload: JsonObject) -> EarlyAdvisor:
    """Return what part the second advisor plays in a run."""
    if _section(payload, "route").get("second_opinion") is True:
        return "panel"
    return "variant" if _section(payload, "policy").get("variants") is True else "panel"


def _answer(events: Sequence[Event], result: JsonObject) -> JsonObject:
    """Return the answer to the last gate that was answered.

    A restarted run has its answers from the run before; only its result tells of them.
    """
    last: JsonObject = {}
    known = result.get("gates")
    for question in known if isinstance(known, list) else []:
        answer = question.get("answer") if isinstance(question, dict) else None
        last = answer if isinstance(answer, dict) else last
    for event in events:
        if event.type == "GATE_ANSWERED":
            answer = event.payload.get("answer")
            last = answer if isinstance(answer, dict) else event.payload
    return last
