"""The offers pack as one planner graph that takes profiles directly: what Studio serves, and others may embed."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from concertino.contracts.errors import InputError
from concertino.contracts.finding import Finding
from concertino.contracts.json import JsonObject, parse
from concertino.contracts.limits import Limits
from concertino.contracts.task import Task
from concertino.graph.build import create_planner
from concertino.graph.compiled import PlannerGraph
from concertino.packs.door import Door
from concertino.packs.offers.declaration import pack
from concertino.packs.offers.decomposition import TASK_TYPE, decompose, expects_approval
from concertino.packs.offers.salary import tables
from concertino.packs.offers.specialists import build_specialists, upstream_offer
from concertino.packs.offers.stages import Policy, read_policy

_MAIN = pack.agents["offer-orchestrator-mag"]


class Completion:
    """Turns a profile into the task that the workflow plans.

    Everything is read when it is made: it is called on event loops, which must not wait for files. What a caller or a
    fork put under `route` and `policy` is replaced, so an approval cannot be talked away.
    """

    def __init__(self, policy: Policy, *, limits: Limits) -> None:
        self._policy, self._limits = policy, limits
        contract = _MAIN.contracts.input
        assert contract is not None
        tables()  # kept from then on
        self._door = Door(pack.root / contract, field="task.payload.profile", limits=limits)

    def __call__(self, task: Task) -> Task:
        """Return the completed task; a task of another type, or one with a plan of its own, is returned as it is.

        Raises:
            InputError: the profile breaks the pack's contract.
        """
        if task.plan is not None or task.task_type not in (None, TASK_TYPE):
            return task
        profile = self._door.check(self._profile(task))
        route = decompose(profile, self._policy)
        approval = expects_approval(
            profile, self._policy, variants=self._policy.variants or profile.get("second_opinion") is True
        )
        payload: JsonObject = {
            "profile": profile,
            "route": {**route.model_dump(), "approval": approval},
            "policy": self._policy.model_dump(mode="json"),
        }
        title = task.title if task.payload else ""
        update = {"task_type": TASK_TYPE, "payload": payload, "title": title or f"Offer for {profile['role']}"[:500]}
        return task.model_copy(update=update)

    def _profile(self, task: Task) -> object:
        """Return the profile: `payload.profile`, else the payload itself, else JSON in a chat message."""
        if task.payload:
            return task.payload.get("profile", task.payload)
        if not task.description.lstrip().startswith("{"):
            rule = 'must be a candidate profile as JSON: {"role", "level", "location", "experience_years", ...}'
            raise InputError(field="task.payload.profile", value=task.description or task.payload, rule=rule)
        return parse(task.description, field="task.payload.profile", limits=self._limits)


def settled_offer(findings: Mapping[str, Finding], task: JsonObject) -> JsonObject:
    """Return the offer as the last stage left it, or why there is none; a planner's `aggregate`.

    `findings` is by the workflow's names. An offer that needs approval and has none is not told.
    """
    payload = task.get("payload")
    route = payload.get("route") if isinstance(payload, dict) else None
    if isinstance(route, dict) and route.get("approval") is True and "approval" not in findings:
        return {"offer": None, "warnings": ["The offer was not approved."]}
    last = next((findings[name] for name in ("approval", "negotiation") if name in findings), None)
    found = upstream_offer(findings if last is None else {"last": last})
    if found is None:
        return {"offer": None, "warnings": ["There is no offer."]}
    offer, warnings = found
    return {"offer": offer.as_json(), "warnings": list(warnings)}


def offers_planner(*, limits: Limits | None = None, **options: Any) -> PlannerGraph:
    """Return the pack's planner as a compiled graph.

    It takes `{"task": {"payload": PROFILE}}`, the profile as `contracts/candidate_profile.schema.json` has it, or the
    profile's JSON as a chat message. Options are those of `create_planner`.
    """
    bounds = limits or Limits()
    return create_planner(
        specialists=list(build_specialists(pack.agents, early="panel")),
        workflows=[str(files("concertino.packs.offers") / "workflow.yaml")],
        prepare=Completion(read_policy({}), limits=bounds),
        limits=bounds,
        aggregate=settled_offer,
        name="offers",
        **{"budget": _MAIN.budgets, **options},
    )
