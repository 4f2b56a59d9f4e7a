"""One run of a case, wherever its boundary stands: the task, the answers of people, the judge's questions."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import chdir, contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, cast

from concertino.contracts.clock import Clock
from concertino.contracts.errors import TapeMiss
from concertino.contracts.json import JsonObject, dump
from concertino.contracts.scope import Scope, scoped
from concertino.evals.cases import Case, Expect, Reply
from concertino.evals.judging.judge import rubric_question
from concertino.evals.judging.rubric import NODE, rubric_messages
from concertino.evals.outcomes import Outcome
from concertino.evals.targets import Target
from concertino.evals.transcripts import SUITE, Transcript
from concertino.graph.boundary import Boundary, ambient
from concertino.journal.memory import MemoryJournal
from concertino.journal.open import standing_in
from concertino.journal.views import status as status_view
from concertino.tools.models.sources import as_model


class KeptJournal(MemoryJournal):
    """A journal that stays when whoever used it closes it: what it holds is what the case came to."""

    def close(self) -> None:
        """Close nothing."""


@dataclass(frozen=True, slots=True)
class Staged:
    """What came of a run."""

    result: JsonObject | None
    error: BaseException | None


async def stage(target: Target, case: Case, boundary: Boundary, journal: KeptJournal, clock: Clock) -> Staged:
    """Run a case at a boundary, to its end or to a question that nobody answers. What it raises is part of what came."""
    result: JsonObject | None = None
    error: BaseException | None = None
    try:
        with _beside(target, case):
            if target.agent is not None:
                result = await _agent(target, case, boundary, journal, clock)
            else:
                result = await _planner(target, case, boundary, journal, clock)
    except Exception as raised:  # noqa: BLE001 - the case's own code may raise anything, and the other cases still run
        error = raised
    return Staged(result, error)


def seed_of(case_id: str) -> int:
    """Return what a case's ids and jitter are derived from: the same in every recording, and another one for each case."""
    return int.from_bytes(blake2b(case_id.encode(), digest_size=4).digest(), "big")


def task_id_of(case: Case) -> str:
    """Return the id of the case's task: its own, else the case's."""
    known = (case.task or {}).get("task_id")
    return known if isinstance(known, str) else case.id


def _events(journal: MemoryJournal, task_id: str) -> list[Any]:
    return journal.events(task_id, limit=1_000_000).result()


async def _planner(
    target: Target, case: Case, boundary: Boundary, journal: KeptJournal, clock: Clock
) -> JsonObject | None:
    task: JsonObject = {"task_id": task_id_of(case), **_placed(case.task or {})}
    if case.payload is not None:
        task["payload"] = _placed(case.payload)
    graph = target.graph(case).at(boundary)
    config: Any = {"configurable": {"thread_id": f"thread-{case.id}"}}
    replies = list(case.answers)
    out = await graph.conduct({"task": task}, config, context=case.context or None)
    while out.get("__interrupt__"):
        answers = taken(replies, _open_gates(journal, task_id_of(case)), _names(journal, task_id_of(case)))
        if not answers:
            known = status_view(_events(journal, task_id_of(case)), now=clock.now())
            return {**known, "status": "waiting"}
        out = await graph.reply(answers, config, context=case.context or None)
    return cast("JsonObject | None", out.get("result"))


async def _agent(
    target: Target, case: Case, boundary: Boundary, journal: KeptJournal, clock: Clock
) -> JsonObject | None:
    from concertino.packs.agents import aresume_agent, astart_agent

    assert target.agent is not None
    file = target.suite.file
    options: dict[str, Any] = {"clock": clock}
    if file.model is not None:
        options["model"] = file.model
    if file.models:
        options["models"] = dict(file.models)
    policy = {**file.options, **case.options}
    with tempfile.TemporaryDirectory(prefix="concertino-") as folder, standing(boundary, journal):
        run = await astart_agent(
            target.agent, _placed(case.payload or {}), runs_dir=folder, database=None, run_id=case.id,
            policy=policy or None, **options,
        )  # fmt: skip
        replies = list(case.answers)
        while run.status == "waiting":
            answers = taken(replies, _open_gates(journal, case.id), _names(journal, case.id))
            if not answers:
                break
            gate, decision = next(iter(answers.items()))
            run = await aresume_agent(
                target.agent, case.id, database="sqlite://", gate=gate, decision=decision, runs_dir=folder, **options
            )
    return {**run.result, "status": run.status, "answer": run.output}


@contextmanager
def standing(boundary: Boundary, journal: KeptJournal) -> Iterator[None]:
    """Put planners that are made inside at a boundary, with a journal."""
    here, kept = ambient.set(boundary), standing_in.set(journal)
    try:
        yield
    finally:
        ambient.reset(here)
        standing_in.reset(kept)


def folder_of(target: Target, case: Case) -> str | None:
    """Return its suite's own folder, which is elsewhere on every machine, where a case speaks of it."""
    return str(target.suite.folder.resolve()) if _speaks_of_folder(case) else None


def _speaks_of_folder(case: Case) -> bool:
    return SUITE in dump([case.task, case.payload])


@contextmanager
def _beside(target: Target, case: Case) -> Iterator[None]:
    """Work in the suite's folder where the case speaks of it: a path that is the same everywhere is a relative one."""
    if not _speaks_of_folder(case):
        yield
        return
    with chdir(target.suite.folder):
        yield


def _placed(value: Any) -> Any:
    """Return JSON with the path of the suite's folder, from there, wherever it is spoken of."""
    if isinstance(value, str):
        return value.replace(SUITE, ".")
    if isinstance(value, Mapping):
        return {name: _placed(one) for name, one in value.items()}
    return [_placed(one) for one in value] if isinstance(value, list | tuple) else value


def _open_gates(journal: MemoryJournal, task_id: str) -> list[dict[str, Any]]:
    """Return the questions that nobody has answered, in the order in which they were asked."""
    waiting: dict[str, dict[str, Any]] = {}
    for event in _events(journal, task_id):
        gate = str(event.payload.get("gate"))
        if event.type == "GATE_OPENED":
            waiting[gate] = {"gate": gate, "subtask_id": event.subtask_id}
        elif event.type in ("GATE_ANSWERED", "GATE_WITHDRAWN"):
            waiting.pop(gate, None)
    return list(waiting.values())


def _names(journal: MemoryJournal, task_id: str) -> dict[str, str]:
    """Return the short names that the plan gave its subtasks, by id."""
    plans = [
        event.payload.get("plan")
        for event in _events(journal, task_id)
        if event.type in ("RUN_PLANNED", "RUN_REPLANNED")
    ]
    plan: Any = next((one for one in reversed(plans) if isinstance(one, dict)), {})
    return {one["id"]: one["name"] for one in plan.get("subtasks", ()) if one.get("name")}


def taken(replies: list[Reply], gates: Sequence[Mapping[str, Any]], names: Mapping[str, str]) -> dict[str, JsonObject]:
    """Take from `replies` what answers the gates that are open, and return it by gate."""
    found: dict[str, JsonObject] = {}
    for asked in gates:
        gate, subtask = str(asked["gate"]), asked.get("subtask_id")
        bare = gate.removesuffix(".review")
        known = (gate, bare, names.get(bare))
        for reply in replies:
            if (reply.gate is not None and reply.gate not in known) or (
                reply.subtask is not None and reply.subtask not in (subtask, names.get(str(subtask)))
            ):
                continue
            found[gate] = reply.answer()
            replies.remove(reply)
            break
    return found


async def ask_judge(target: Target, case: Case, result: JsonObject | None, boundary: Boundary) -> None:
    """Have an answer judged by a model, where the case has a rubric; what it says is found among the calls."""
    judges, expected = target.suite.file.judges, Expect.model_validate(case.expect)
    if judges is None or result is None or expected.answer is None or expected.answer.rubric is None:
        return
    outcome = Outcome(case=case, number=1, tape="none", stand_in=False, transcript=Transcript(result))
    messages: Any = rubric_messages(
        expected.answer.rubric, question=rubric_question(outcome), answer=result.get("answer")
    )
    assert boundary.models is not None
    with scoped(Scope(NODE)):
        source = boundary.models(as_model(judges.model, field="judges.model"))
        source.build()
        try:
            await (await source.on_this_loop()).model.ainvoke(messages)
        except TapeMiss:
            return  # the verdict says that nobody judged this answer
