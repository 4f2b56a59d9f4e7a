"""From the planner's result to the offer packet. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import JsonValue

from concertino.contracts.json import JsonObject
from concertino.packs.manifest import RunStatus
from concertino.packs.offers.aggregation import Opinion
from concertino.packs.offers.packet import Offer, amounts
from concertino.packs.offers.specialists import ADVISOR, APPROVER, EARLY_ADVISOR, NEGOTIATOR, SCREENER
from concertino.packs.offers.stages import Policy, needs_approval

ADVISORS = frozenset({ADVISOR, EARLY_ADVISOR})


@dataclass(frozen=True, slots=True)
class Done:
    """One subtask of the planner's result, as far as the packet needs it."""

    subtask_id: str
    specialist: str
    state: str
    outputs: JsonValue
    confidence: float
    why: str | None

    @property
    def is_completed(self) -> bool:
        """Say whether it has an answer."""
        return self.state == "completed"


@dataclass(frozen=True, slots=True)
class Collected:
    """What the sub-agents came to."""

    subtasks: tuple[Done, ...]
    opinions: tuple[Opinion, ...] = ()
    """The advisors' offers, in plan order."""
    settled: Opinion | None = None
    """The offer of the last stage after the advisors that completed: approval, else negotiation."""
    screening: JsonObject | None = None
    negotiation: JsonObject | None = None
    approval: Done | None = None

    @property
    def successful(self) -> int:
        """Return how many subtasks completed."""
        return sum(done.is_completed for done in self.subtasks)


def collect(result: Mapping[str, JsonValue]) -> Collected:
    """Read the subtasks of a planner's result."""
    listed = result.get("subtasks")
    subtasks = tuple(_done(item) for item in listed if isinstance(item, dict)) if isinstance(listed, list) else ()
    by_name = {done.specialist: done for done in subtasks}
    settled: Opinion | None = None
    for name in (NEGOTIATOR, APPROVER):
        done = by_name.get(name)
        if done is not None and done.is_completed:
            settled = Opinion.of(done.outputs, confidence=done.confidence) or settled
    return Collected(
        subtasks=subtasks,
        opinions=tuple(
            opinion
            for done in subtasks
            if done.specialist in ADVISORS and done.is_completed
            if (opinion := Opinion.of(done.outputs, confidence=done.confidence)) is not None
        ),
        settled=settled,
        screening=_part(by_name.get(SCREENER), ("decision", "reasons")),
        negotiation=_part(by_name.get(NEGOTIATOR), ("outcome", "reasons")),
        approval=by_name.get(APPROVER),
    )


def _done(item: JsonObject) -> Done:
    outputs = item.get("outputs")
    stated = outputs.get("confidence") if isinstance(outputs, dict) else None
    error = item.get("error")
    why = error.get("message") if isinstance(error, dict) else error
    return Done(
        subtask_id=str(item.get("subtask_id")),
        specialist=str(item.get("specialist")),
        state=str(item.get("state")),
        outputs=outputs,
        confidence=float(stated) if isinstance(stated, int | float) else 1.0,
        why=str(why) if why is not None else None,
    )


def _part(done: Done | None, names: Sequence[str]) -> JsonObject | None:
    if done is None or not done.is_completed or not isinstance(done.outputs, dict):
        return None
    return {name: done.outputs[name] for name in names if name in done.outputs}


@dataclass(frozen=True, slots=True)
class Approval:
    """Whether a person had to agree, and whether one did."""

    state: str
    """`not_needed`, `open` (the run is under way), `waiting`, `approved`, `rejected` or `not_reached`."""
    reasons: tuple[str, ...] = ()

    @property
    def lets_pass(self) -> bool:
        """Say whether the offer may leave."""
        return self.state in {"not_needed", "approved"}


def judge_approval(
    collected: Collected,
    offer: Offer | None,
    *,
    required: bool,
    status: RunStatus,
    policy: Policy,
    gate: JsonObject,
    is_open: bool = False,
) -> Approval:
    """Say how the approval stands; an offer of high value never leaves without one, however the run came to it.

    `required` is what was planned; `gate` is the person's answer to the gate, if there is one; `is_open` says that it
    was asked and has none.
    """
    if status == "running":
        return Approval("open")
    if not required and (offer is None or not needs_approval(amounts(offer), policy.approval)):
        return Approval("not_needed")
    said = gate.get("reason")
    reasons = (str(said),) if said else ()
    gated = collected.approval or next((done for done in collected.subtasks if done.specialist in ADVISORS), None)
    if gate.get("decision") == "reject":
        return Approval("rejected", reasons or ("A person refused the offer.",))
    if required and gated is not None and gated.is_completed and gate.get("decision") in {"accept", "edit"}:
        told = gated.outputs.get("reasons") if isinstance(gated.outputs, dict) else None
        return Approval("approved", tuple(map(str, told)) if isinstance(told, list) else reasons)
    if status == "waiting":
        return Approval("waiting", ("The offer is of high value and waits for a person.",))
    if offer is None:
        return Approval("not_needed")
    if gate.get("decision") in {"accept", "edit"}:
        why = (gated.why or f"it is {gated.state}") if gated is not None else "its stage was not planned"
        return Approval("not_reached", (f"A person agreed, but the approval was not carried out: {why}"[:1_000],))
    asked = "a person was asked, but has not answered" if is_open else "nobody was asked"
    return Approval("not_reached", (f"The offer is of high value, and {asked}.",))


def packet_of(
    *,
    offer: Offer | None,
    metadata: JsonObject,
    status: RunStatus,
    collected: Collected,
    approval: Approval,
    gates: Sequence[JsonObject],
) -> JsonObject:
    """Return the packet; parts beside `offer` and `metadata` appear only where there is something to say."""
    packet: JsonObject = {
        "offer": offer.as_json() if offer is not None and approval.lets_pass else None,
        "metadata": metadata,
    }
    if status != "success":
        packet["status"] = status
    if collected.screening is not None:
        packet["screening"] = collected.screening
    if collected.negotiation is not None:
        packet["negotiation"] = collected.negotiation
    if approval.state not in {"not_needed", "open"}:
        packet["approval"] = {"state": approval.state, "reasons": list(approval.reasons)}
    if gates:
        packet["gates"] = list(gates)
    missing: list[JsonValue] = [
        {"agent": done.specialist, "error": (done.why or done.state)[:1_000]}
        for done in collected.subtasks
        if done.state in {"failed", "blocked"}
    ]
    if missing:
        packet["missing"] = missing
    return packet
