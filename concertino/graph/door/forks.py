"""Forks: state changed by hand, and what a run made of it may take over from the run it came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from langchain_core.messages import AnyMessage, RemoveMessage
from langgraph.checkpoint.base import Checkpoint, CheckpointTuple
from langgraph.graph import END
from langgraph.graph.message import add_messages
from langgraph.types import Overwrite, StateUpdate
from pydantic import ValidationError

from concertino.contracts.errors import InputError
from concertino.contracts.journal import RunRow
from concertino.contracts.json import JsonObject
from concertino.contracts.plan import Plan
from concertino.contracts.task import Task, input_error
from concertino.graph.door.requests import prepared
from concertino.graph.options import Options
from concertino.graph.runs.binding import bound_by
from concertino.graph.runs.edits import input_schemas
from concertino.graph.runs.gates import GateBook
from concertino.graph.runs.money import for_work
from concertino.graph.runs.run import Run
from concertino.graph.state import Policy
from concertino.nodes.planning.cone import Refused
from concertino.nodes.planning.gate_policy import place_gates
from concertino.nodes.planning.validate import validate

FORK = "fork:"
"""Prefix of the tokens of forked runs."""
INTAKE = "intake"
"""The node that takes a task in; a checkpoint that leads to it starts over."""
START = "__start__"
"""LangGraph's name of the pseudo-node that takes the input in."""
WORK = "(a specialist)"
"""Stands for all the specialists' nodes; no name of a node."""
FREELY = frozenset({None, START, "__input__", "__copy__", END, INTAKE, "deliver"})
"""What an update may stand for in any state: nodes that need nothing of it, and LangGraph's pseudo-nodes."""
_NEEDED: Mapping[str | None, tuple[str, ...]] = {
    "plan": ("run", "plan"),
    "approve": ("run", "plan"),
    "dispatch": ("run", "plan", "dispatch"),
    WORK: ("run", "plan", "dispatch"),
    "review": ("run", "plan"),
    "synthesize": ("run", "plan", "synthesis"),
}
"""What must be in the state after a node."""


def marked(supersteps: Any, before: Mapping[str, Any], options: Options) -> list[list[StateUpdate]]:
    """Return hand-made updates, marked as the beginning of a new run.

    A changed task or question in the chat starts over at intake, a changed plan at its approval, with the gates that policies ask for, whichever node
    the update was to stand for; neither keeps a finding of the old run. An update may be the whole state with something
    changed in it, as Studio sends it: what it has in common with the state before is none.

    Raises:
        InputError: the changed task or plan is faulty, or the state has not what comes after the node that it stands for.
    """
    return [[_marked(StateUpdate(*given), before, options) for given in superstep] for superstep in supersteps]


def _marked(update: StateUpdate, before: Mapping[str, Any], options: Options) -> StateUpdate:
    values, as_node = update.values, update.as_node
    if as_node not in {*FREELY, *_NEEDED, *options.specialists}:
        return update  # there is no such node, as LangGraph says
    is_whole = isinstance(values, Mapping) and "run" in values
    if not isinstance(values, Mapping) or (is_whole and not before.get("run") and as_node is not None):
        _check_order(as_node, before)  # without values, or a checkpoint of another thread that is brought in here
        return update
    made = _changes(values, before, options) if is_whole else dict(values)
    asked = _asked_anew(made.get("messages"), before.get("messages") or [])
    if made.get("task") is not None:
        made["task"] = prepared(made["task"], options).model_dump(mode="json")
        return StateUpdate({key: made[key] for key in ("task", "messages") if key in made}, START, update.task_id)
    if asked is not None:
        return StateUpdate({"messages": asked}, START, update.task_id)
    if made.get("plan"):
        made["plan"] = _valid(made, before, options).model_dump(mode="json")
        made = {**made, "records": Overwrite({}), "dispatch": {}, "verdict": {}, "synthesis": {}, "result": {}}
        as_node = "plan"
    _check_order(as_node, {**before, **made})
    if run := cast("Mapping[str, Any] | None", before.get("run")):
        made["run"] = {**run, "fork": f"{FORK}{options.ids('edit')}"}
    return StateUpdate(made, as_node, update.task_id)


def _changes(whole: Mapping[str, Any], before: Mapping[str, Any], options: Options) -> dict[str, Any]:
    """Return what is another in a whole state than in the state before; whose run it is, is nothing to change by hand."""
    made = {key: value for key, value in whole.items() if key != "run" and value != before.get(key)}
    if made.get("task") is not None and before.get("task") is not None:
        same = prepared(made["task"], options).content_hash() == prepared(before["task"], options).content_hash()
        if same and before.get("run"):
            del made["task"]
    return made


def _asked_anew(given: Any, before: Sequence[AnyMessage]) -> list[Any] | None:
    """Return messages that end with what a person says now and has not said before: the chat ends there; else `None`."""
    if not given:
        return None
    talk = cast("list[AnyMessage]", add_messages(cast("Any", list(before)), given))
    last = next((n for n in reversed(range(len(talk))) if talk[n].type == "human"), None)
    if last is None or any(talk[last].id == said.id and talk[last].content == said.content for said in before):
        return None
    later = {message.id for message in talk[last + 1 :]}
    return [*talk[: last + 1], *(RemoveMessage(id=str(said.id)) for said in before if said.id in later)]


def put_in(checkpoint: Checkpoint) -> dict[str, Any]:
    """Return what a checkpoint that leads to intake was given: a task or, where these came later, chat messages."""
    values, versions = checkpoint["channel_values"], checkpoint["channel_versions"]
    if values.get(START):
        return dict(values[START])
    task, messages = values.get("task"), values.get("messages")
    if messages and messages[-1].type == "human":
        said, taken = cast("Any", versions["messages"]), cast("Any", versions.get("task"))
        task = None if taken is None or said > taken else task  # that of the thread's run before
    return {"task": task, "messages": messages}


def _check_order(as_node: str | None, state: Mapping[str, Any]) -> None:
    """Check that the state has what the node after `as_node` goes by, which LangGraph would not tell.

    Raises:
        InputError: it has not.
    """
    if as_node in FREELY:
        return
    lacks = next((key for key in _NEEDED.get(as_node, _NEEDED[WORK]) if not state.get(key)), None)
    if lacks is not None:
        raise InputError(
            field="as_node", value=as_node, rule=f"the state has no {lacks} yet: it must be a node before that"
        )


def _valid(made: Mapping[str, Any], before: Mapping[str, Any], options: Options) -> Plan:
    task = Task.model_validate(made.get("task") or before.get("task"))
    try:
        plan = Plan.model_validate(made["plan"])
    except ValidationError as error:
        raise input_error(error, field="plan") from error
    budget = for_work(options, Policy.model_validate(before.get("policy") or {}).budget)
    valid = validate(
        plan, task=task, cards=options.cards, limits=options.limits, budget=budget, origin=plan.origin,
        workflow=plan.workflow, notes=plan.notes,
    )  # fmt: skip
    try:
        gates = bound_by(options, task, plan).gates
    except Refused:  # it is of a workflow that was not asked for this task; the planner's own hold for every plan
        gates = options.gates
    return place_gates(valid, gates, task=task, cards=options.cards)


def origin_of(at: CheckpointTuple, known: RunRow | None, task_id: str, thread_id: str) -> str | None:
    """Return the run that a task put at a checkpoint forks; `None` where it has none on that thread.

    Args:
        at: The checkpoint.
        known: The task's own run.
        task_id: The task.
        thread_id: The checkpoint's thread.
    """
    run = at.checkpoint["channel_values"].get("run")
    if isinstance(run, Mapping) and run.get("task_id") == task_id and run.get("run_id"):
        return str(run["run_id"])
    return known.run_id if known is not None and known.thread_id == thread_id else None


def is_begun(head: RunRow, task: Task) -> bool:
    """Say whether a thread's newest run is a task's fork whose process died before intake."""
    is_fork = (head.token or "").startswith(FORK) and head.state == "admitted"
    return is_fork and (head.task_id, head.content_hash) == (task.task_id, task.content_hash())


def announce(run: Run, parent: str) -> None:
    """Put a fork on the record that enters its parent's plan midway."""
    run.emit("RUN_ADMITTED", payload={"title": run.task.title, "parent_run_id": parent})
    if run.plan is not None:
        made: JsonObject = {"plan": run.plan.model_dump(mode="json"), "policy": run.policy.model_dump(mode="json")}
        run.emit("RUN_PLANNED", payload={**made, "input_schemas": input_schemas(run.plan, run.options.cards)})


def keep(run: Run, records: Mapping[str, JsonObject]) -> None:
    """Put on a run's record what it has from the run before, unless it is there: a later restart or resume knows only that."""
    for subtask_id, record in records.items():
        if subtask_id not in run.history.records:
            payload = {key: value for key, value in record.items() if key != "subtask_id"}
            run.emit("TASK_KEPT", subtask_id=subtask_id, agent=str(record["specialist"]), payload=payload)


def give_answers(run: Run, gates: GateBook, *, only_rejects: bool) -> None:
    """Let another run's answers hold in this one, on its record too."""
    before = {question.gate for question in run.questions.book if question.answer is not None}
    run.questions.book.take(gates, only_rejects=only_rejects)
    for question in run.questions.book:
        if question.answer is not None and question.gate not in before:
            payload: JsonObject = {"gate": question.gate, **question.answer.model_dump(exclude_none=True)}
            run.emit("GATE_ANSWERED", subtask_id=question.subtask_id, payload=payload)
