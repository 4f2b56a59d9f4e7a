"""What each of our own nodes does. Each takes the state and the invocation's config, and returns an update.

They are coroutines that run on the run's own loop; `wiring` gives LangGraph a synchronous face of each.
"""

from __future__ import annotations

from typing import Any, Literal, cast

from langchain_core.messages import AIMessage
from langchain_core.runnables import RunnableConfig
from langgraph.types import Overwrite, Send, interrupt
from pydantic import JsonValue

from concertino.contracts.errors import InputError, PlanInvalid
from concertino.contracts.gate import Answer
from concertino.contracts.json import JsonObject, dump
from concertino.contracts.plan import Subtask
from concertino.contracts.scope import Scope, scoped
from concertino.graph.dataflow.dispatch import lay_board, plan_of, standings
from concertino.graph.dataflow.errands import carry_out, errands
from concertino.graph.dataflow.reviewing import question_about
from concertino.graph.planning import plan_by_model
from concertino.graph.replanning import replan
from concertino.graph.runs.edits import Edits, input_schemas
from concertino.graph.runs.entry import entry_of, is_followed, live_run
from concertino.graph.runs.gates import PLAN_GATE, Question, review_gate
from concertino.graph.runs.reopening import reopened
from concertino.graph.runs.run import Run
from concertino.graph.state import PlannerState
from concertino.graph.summary import merge, report
from concertino.graph.weighing import weigh
from concertino.journal.awaiting import wait
from concertino.nodes.planning import conditions
from concertino.nodes.review import ended_stage, next_stage, review
from concertino.tools.models.roster import PLAN, SYNTHESIZE

Update = dict[str, Any]


async def intake(state: PlannerState, config: RunnableConfig) -> Update:
    """Take the task in: what was submitted before gives its plan and status, a new one starts clean."""
    entry = entry_of(config)
    if entry.run is None:
        return {"result": entry.known, **_spoken(state, entry.known or {})}
    run = entry.run
    return {
        "task": run.row.task,
        "run": {"run_id": run.run_id, "task_id": run.task_id},
        "policy": entry.policy.model_dump(mode="json"),
        "plan": {},
        "complexity": {},
        "dispatch": {},
        "records": Overwrite(dict(entry.adopted)),
        "verdict": {},
        "synthesis": {},
        "result": {},
    }


def after_intake(state: PlannerState) -> Literal["new task", "known task"]:
    """Say whether the task was submitted before."""
    return "known task" if state.get("result") else "new task"


async def plan(state: PlannerState, config: RunnableConfig) -> Update:
    """Adopt the plan that was made and validated at the door, else have the model make it, and put it on the record."""
    entry, run = entry_of(config), live_run(config)
    if entry.plan is None:
        try:
            with scoped(Scope(PLAN)):
                entry.plan, entry.complexity = await plan_by_model(run)
        except PlanInvalid as error:
            await _unplanned(run, error)
            raise
    made, policy = entry.plan.model_dump(mode="json"), run.policy.model_dump(mode="json")
    payload: JsonObject = {"plan": made, "policy": policy, "complexity": entry.complexity}
    payload["input_schemas"] = input_schemas(entry.plan, run.options.cards)
    payload["models"] = run.models.described()
    run.adopt_plan(entry.plan)
    await run.commit("RUN_PLANNED", state="planned", payload=payload)
    return {"plan": made, "policy": policy, "complexity": entry.complexity, **_own(state, run)}


async def _unplanned(run: Run, error: PlanInvalid) -> None:
    """End a run for which neither the model nor a rule has a plan: a resume would ask the model again."""
    run.money.close()
    faults = [fault.model_dump(mode="json") for fault in error.faults]
    result: JsonObject = {
        "status": "failed", "task_id": run.task_id, "run_id": run.run_id, "reason": str(error), "answer": None,
        "faults": cast("Any", faults), "subtasks": [], "usage": run.usage().model_dump(), "costs": run.money.costs(),
    }  # fmt: skip
    payload: JsonObject = {"status": "failed", "result": result, "reason": str(error)}
    await run.commit("RUN_FAILED", state="failed", payload=payload)
    run.is_delivered = True


async def approve(state: PlannerState, config: RunnableConfig) -> Update:
    """Ask people what is open. Alone in its superstep; it parks the run when nothing else can go on without an answer."""
    run = live_run(config)
    run.check()
    made = plan_of(run)
    if (made.gate is not None or run.policy.require_approval) and not state.get("dispatch"):
        details: JsonObject = {"subtasks": [f"{s.id}: {s.specialist}, {s.objective}"[:200] for s in made.subtasks]}
        run.questions.ask(Question(PLAN_GATE, made.gate.question if made.gate else "Approve this plan?", None, details))
    run.questions.withdraw(run.options.specialists)
    problem: str | None = None
    while run.cancel_reason is None and (waiting := run.questions.book.open()) and not _goes_on(run, waiting):
        await run.flush()
        given = interrupt(_question(run, waiting, problem))
        edits = Edits.of(made, run.records, input_schemas(made, run.options.cards), run.options.limits)
        try:
            answers = run.questions.read_all(given, edits)
        except InputError as error:
            problem = str(error)
            continue
        for gate, answer in answers.items():
            await record_answer(run, gate, answer)
    answered = run.questions.book.answer_of(PLAN_GATE)
    rejected = answered is not None and answered.decision == "reject"
    return {"verdict": {**(state.get("verdict") or {}), "rejected": rejected}, **_own(state, run)}


def after_approve(state: PlannerState) -> Literal["approved", "rejected"]:
    """Say whether the plan may be carried out."""
    return "rejected" if cast("JsonObject", state.get("verdict") or {}).get("rejected") else "approved"


def _goes_on(run: Run, waiting: list[Question]) -> bool:
    """Say whether something can be done before the questions that wait are answered, as others have been."""
    asked = {question.gate if question.gate == PLAN_GATE else question.subtask_id for question in waiting}
    if PLAN_GATE in asked:
        return False
    over = {sid for sid, record in run.records.items() if record["state"] == "completed" or record.get("ended_early")}
    return bool(reopened(run)) or any(one.id not in asked and over.issuperset(one.needs) for one in _left(run))


def _left(run: Run) -> list[Subtask]:
    """Return what is left to do of the current stage; no later one begins while people are asked about a failure in it."""
    return [subtask for subtask in next_stage(plan_of(run), _closed(run)) if subtask.id not in run.records]


def _closed(run: Run) -> dict[str, str]:
    """Return the states of subtasks that are over and that nobody is asked about."""
    asked = {question.subtask_id for question in run.questions.book.open()}
    return {sid: state for sid, state in _states(run).items() if sid not in asked}


async def record_answer(run: Run, gate: str, answer: Answer) -> None:
    """Put an answer on the record, then let it take effect."""
    payload: JsonObject = {"gate": gate, **answer.model_dump(exclude_none=True)}
    question = run.questions.book.get(gate)
    await run.commit("GATE_ANSWERED", subtask_id=question.subtask_id if question else None, payload=payload)
    run.questions.take(gate, answer)


def _question(run: Run, waiting: list[Question], problem: str | None) -> JsonObject:
    first = waiting[0]
    asked: JsonObject = {
        "task_id": run.task_id,
        "gate": first.gate,
        "question": first.question,
        "gates": [question.as_json() for question in waiting],
        "answer_with": {"decision": "accept | reject | edit", "reason": "optional", "inputs": "with edit"},
    }
    return {**asked, "error": problem} if problem else asked


async def dispatch(state: PlannerState, config: RunnableConfig) -> Update:
    """Send out everything of the current stage that is not over, under a new dispatch id."""
    run = live_run(config)
    run.check()
    for subtask_id in reopened(run):
        run.records.pop(subtask_id, None)
    # Review knew whether the run ends with its stage, unless it was what people said since that closed the stage.
    stage = ended_stage(plan_of(run), _closed(run))
    going = [] if stage is not None and _stops(run, stage) else [subtask.id for subtask in _left(run)]
    out: JsonObject = {"id": run.options.ids("dispatch"), "subtasks": list(going)}
    record = await wait(run.options.journal.record())
    run.standings = standings(run.options, record)
    payload: JsonObject = {"dispatch": out["id"], "subtasks": list(going)}
    if weighed := await weigh(run, going):
        payload["worth"] = cast("Any", weighed)
    await run.commit("RUN_DISPATCHED", state="running", payload=payload)
    lay_board(run, out)
    return {"dispatch": out, **_own(state, run)}


def after_dispatch(state: PlannerState, config: RunnableConfig) -> list[Send] | Literal["nothing left"]:
    """Send the subtasks to their specialists' nodes, in topological order, all in one superstep."""
    return (
        errands(cast("Any", state.get("dispatch")), cast("Any", state.get("plan")), each=is_followed(config))
        or "nothing left"
    )


async def work(state: Any, config: RunnableConfig) -> Update:
    """Bring what was sent to its end; the specialists' nodes."""
    records = await carry_out(list(state["subtasks"]), config)
    return {"records": records} if records else {}


async def review_step(state: PlannerState, config: RunnableConfig) -> Update:
    """Decide what comes next, and end what will not be done."""
    run = live_run(config)
    run.check()
    before = cast("Any", state.get("verdict") or {})
    given_up = before.get("given_up") or []
    if not before.get("rejected"):
        given_up = await replan(run, given_up=given_up)
    made = plan_of(run)
    states = _states(run)
    # A conversation may go on for many dispatches before its subtask ends.
    stand: list[JsonValue] = [len(run.records), *run.questions.book.tally()]
    idle = before.get("idle", 0) + 1 if before.get("stand") == stand else 0
    failed = [s.id for s in made.subtasks if s.required and states.get(s.id) in ("failed", "blocked")]
    asks = run.options.escalate == "ask"
    unreviewed = [sid for sid in failed if asks and run.questions.book.answer_of(review_gate(sid)) is None]
    verdict = review(
        made,
        states,
        open_gates=len(run.questions.book.open()),
        cancelled=run.cancel_reason is not None,
        rejected=bool(before.get("rejected")),
        out_of_time=not run.has_time(),
        idle=idle,
        unreviewed=unreviewed,
        stops=lambda stage: _stops(run, stage),
    )
    for subtask_id in verdict.ask_about:
        record = cast("Any", run.records[subtask_id])
        details: JsonObject = {"error": record["error"], "reason": record["reason"], "attempts": record["attempts"]}
        run.questions.ask(question_about(subtask_id, details))
    dropped = {sid: await _drop(run, sid, verdict.drop_reason, verdict.drop_is_failure) for sid in verdict.drop}
    step = "dispatch" if reopened(run) and verdict.next == "synthesize" and not verdict.drop else verdict.next
    run.emit("RUN_REVIEWED", payload={"next": step, "reason": verdict.reason, "failed": list(failed)})
    decided: JsonObject = {"next": step, "reason": verdict.reason, "stand": stand, "idle": idle}
    decided["given_up"] = cast("Any", given_up)
    changed = {"plan": made.model_dump(mode="json")} if run.replans else {}
    return {"verdict": {**before, **decided}, "records": dropped, **changed, **_own(state, run)}


def after_review(state: PlannerState) -> Literal["a person is asked", "next stage or retry", "all done"]:
    """Name the way on."""
    match state.get("verdict", {}).get("next"):
        case "approve":
            return "a person is asked"
        case "dispatch":
            return "next stage or retry"
        case _:
            return "all done"


def _states(run: Run) -> dict[str, str]:
    return {sid: str(record["state"]) for sid, record in run.records.items()}


def _stops(run: Run, stage: str) -> bool:
    made = plan_of(run)
    condition = made.stop_when.get(stage)
    if condition is None:
        return False
    findings = {(s.name or s.id): found.output for s in made.subtasks if (found := run.finding(s.id)) is not None}
    outcome = conditions.decide(condition, conditions.Scope(run.task_json, findings=findings))
    return outcome.value is True


async def _drop(run: Run, subtask_id: str, reason: str, is_failure: bool) -> JsonObject:
    subtask = run.subtask(subtask_id)
    state = "cancelled" if run.cancel_reason is not None else "skipped"
    record: JsonObject = {
        "subtask_id": subtask_id, "specialist": subtask.specialist, "state": state, "dispatch": run.dispatch, "hash": "",
        "attempts": 0, "started_at": None, "finished_at": run.clock.now(), "usage": None, "error": None, "reason": reason,
        "finding": None, "required": subtask.required, "sla_missed": False, "final": True, "is_lost": is_failure,
    }  # fmt: skip
    payload = {key: value for key, value in record.items() if key != "subtask_id"}
    run.emit(
        "TASK_CANCELLED" if state == "cancelled" else "TASK_SKIPPED",
        subtask_id=subtask_id, agent=subtask.specialist or "orchestrator", payload=payload,
    )  # fmt: skip
    run.record(record, None)
    return record


async def synthesize_step(state: PlannerState, config: RunnableConfig) -> Update:
    """Merge the findings by confidence and authority."""
    run = live_run(config)
    run.check()
    with scoped(Scope(SYNTHESIZE)):
        merged = await merge(run)
    run.emit(
        "SYNTHESIZED",
        confidence=cast("float", merged["confidence"]),
        payload={
            "share": merged["share"],
            "method": merged["method"],
            "fallback": merged["fallback"],
            **_measured(merged),
        },
    )
    return {"synthesis": merged, **_own(state, run)}


def _measured(merged: JsonObject) -> JsonObject:
    if merged["calibration"] is None:
        return {}
    return {key: merged[key] for key in ("calibration", "abstain", "abstain_reason")}


async def deliver(state: PlannerState, config: RunnableConfig) -> Update:
    """Put the result together, on the record first."""
    run = live_run(config)
    if run.history.result is not None:  # it was delivered, and the process died before LangGraph knew
        return {"result": run.history.result, **_spoken(state, run.history.result)}
    run.money.close()
    result = report(run, state.get("synthesis", {}), state.get("complexity") or {})
    status = cast("Any", result["status"])
    kind: Any = {"failed": "RUN_FAILED", "cancelled": "RUN_CANCELLED"}.get(status, "RUN_COMPLETED")
    payload: JsonObject = {"status": status, "result": result, "reason": run.cancel_reason}
    await run.commit(kind, state=status, confidence=cast("Any", result["confidence"]), payload=payload)
    run.is_delivered = True
    return {"result": result, **_spoken(state, result), **_own(state, run)}


def _own(state: PlannerState, run: Run) -> Update:
    """Return the update that makes the state a fork's own, from its first step on."""
    own: JsonObject = {"run_id": run.run_id, "task_id": run.task_id}
    return {} if state.get("run") == own else {"run": own}


def _spoken(state: PlannerState, result: JsonObject) -> Update:
    """Return the result as a chat message, for callers who sent messages."""
    if not state.get("messages"):
        return {}
    answer = result.get("answer")
    text = answer if isinstance(answer, str) else dump(answer if answer is not None else result.get("status"))
    shown = {"status": result.get("status"), "task_id": result.get("task_id"), "run_id": result.get("run_id")}
    return {"messages": [AIMessage(content=text, response_metadata=shown)]}
