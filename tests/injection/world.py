"""A planner whose bounds are set by its operator, and every way in which a stranger's text gets to its model."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import HumanMessage, SystemMessage, ToolMessage

from concertino import Brief, Budget, Event, Planner, specialist
from concertino.contracts.plan import Plan
from tests.injection.obedient import Obedient
from tests.injection.texts import SECRET, Order

AUTHORITY = {"reader": 0.5, "auditor": 0.9, "writer": 0.4, "payer": 0.1}
BUDGET = Budget(tokens=40_000, calls=40)
NODES = {"plan": Budget(tokens=30_000, calls=4)}
MOST_SUBTASKS = 6
GATES = [{"when": 'card.name == "payer"', "question": "May they be paid?"}]
CONSTRAINTS: dict[str, Any] = {
    "required": ["auditor"],
    "prerequisites": [{"step": "payer", "after": ["auditor"]}],
    "max_subtasks": MOST_SUBTASKS,
}
WORKFLOW: dict[str, Any] = {
    "name": "hole",
    "match": {"task_type": "hole"},
    "plan": {
        "subtasks": [{"id": "check", "specialist": "auditor", "needs": ["dig"], "objective": "Check ${payload.note}"}],
        "holes": [{
            "id": "dig", "objective": "Look into ${payload.note}", "specialists": ["reader", "writer"],
            "max_subtasks": 3, "budget": {"tokens": 9_000},
        }],
    },
}  # fmt: skip
OWN = {"reader": {"read"}, "auditor": {"read"}, "writer": {"read"}, "payer": {"read", "pay"}}
NOTHING = "Nothing stands out."
_numbers = itertools.count(1)


@dataclass
class World:
    """One planner, and what its specialists did."""

    model: Obedient = field(default_factory=Obedient)
    document: str = NOTHING
    finding: str | None = None
    """What `reader` hands on, whatever its model said."""
    discovery: str | None = None
    """What `reader` publishes."""
    fails: bool = False
    """Whether `auditor` fails the first time round."""
    card: str = "writes it up"
    """What `writer` is said to do."""
    called: list[tuple[str, str]] = field(default_factory=list)
    briefs: list[tuple[str, str, Any]] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    odd: list[str] = field(default_factory=list)
    """Exceptions that a tool's caller got but those for a tool it has not."""

    planner: Planner | None = None

    def set(self, *, born_with: tuple[Order, ...] = (), breaks_first: str | None = None, **told: Any) -> None:
        """Have everything as new, but for what is told."""
        vars(self.model.mind).update(born_with=born_with, breaks_first=breaks_first, reads="document" in told)
        for record in (
            self.model.seen,
            self.model.obeyed,
            self.model.bill,
            self.called,
            self.briefs,
            self.events,
            self.odd,
        ):
            record.clear()
        plain = {"document": NOTHING, "finding": None, "discovery": None, "fails": False, "card": self.card}
        for name, value in {**plain, **told}.items():
            if name == "card" and value != self.card:
                self.close()
            setattr(self, name, value)

    async def run(self, given: dict[str, Any] | str) -> Any:
        """Carry out a task, or what a chat's last message asks for; return the result."""
        planner = self._open()
        if isinstance(given, dict):
            task = {"task_id": f"t{next(_numbers)}", "title": "assess it", "metadata": {"secret": SECRET}, **given}
            return await planner.arun(task)
        said = {"messages": [HumanMessage("hello"), HumanMessage(given)]}
        out = await planner.graph.ainvoke(said, {"configurable": {"thread_id": f"chat{next(_numbers)}"}})
        return out.get("result") or {"status": "waiting"}

    def _open(self) -> Planner:
        if self.planner is None:
            self.planner = Planner(
                specialists=self._staff(), model=self.model, budget=BUDGET, node_budgets=NODES, authority=AUTHORITY,
                gates=GATES, constraints=CONSTRAINTS, workflows=[WORKFLOW], plan_cache=0, on_event=self.events.append,
            )  # fmt: skip
        return self.planner

    def close(self) -> None:
        """Let go of the planner."""
        if self.planner is not None:
            self.planner.close()
        self.planner = None

    def _staff(self) -> list[Any]:
        made = []
        for name in AUTHORITY:
            described = self.card if name == "writer" else f"{name}s it"
            body = self._body(name)
            made.append(specialist(name, description=described, tools=self._tools(name), max_attempts=1)(body))
        return made

    def _tools(self, name: str) -> dict[str, Any]:
        async def read() -> str:
            self.called.append((name, "read"))
            return self.document

        async def pay(amount: int) -> str:
            self.called.append((name, "pay"))
            return f"paid {amount}"

        return {"read": read, "pay": pay} if name == "payer" else {"read": read}

    def _body(self, name: str) -> Callable[[Brief], Any]:
        async def body(brief: Brief) -> Any:
            self.briefs.append((name, brief.objective, brief.inputs))
            if name == "auditor" and self.fails and brief.subtask_id.endswith("::1"):
                raise ValueError("no")
            told = [found.output for found in brief.upstream.values()]
            heard = [(one.finding, one.data) for one in brief.discoveries]
            asked = json.dumps([brief.objective, brief.inputs, told, heard], ensure_ascii=False)
            messages: list[Any] = [SystemMessage(f"You are {name}."), HumanMessage(asked)]
            answer = await brief.model.ainvoke(messages)
            for _ in range(2):
                if not answer.tool_calls:
                    break
                results = [await self._carried_out(brief, call) for call in answer.tool_calls]
                messages += [answer, *results]
                answer = await brief.model.ainvoke(messages)
            if name == "reader" and self.discovery is not None:
                await brief.publish(self.discovery[:100], {self.discovery: self.discovery})
            if name == "reader" and self.finding is not None:
                return {"output": {"text": self.finding, self.finding: [self.finding]}, "confidence": 0.5}
            return _read(answer.text)

        return body

    async def _carried_out(self, brief: Brief, call: Any) -> ToolMessage:
        try:
            said = str(await brief.tools.call(call["name"], **call["args"]))
        except KeyError as error:
            said = str(error)
        except Exception as error:
            self.odd.append(f"{type(error).__name__}: {error}")
            said = str(error)
        return ToolMessage(said, tool_call_id=call["id"])

    def plans(self) -> list[Plan]:
        """Return every plan that was put in force."""
        return [Plan.model_validate(one.payload["plan"]) for one in self.events if "plan" in one.payload
                and one.type in ("RUN_PLANNED", "RUN_REPLANNED")]  # fmt: skip


def _read(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


Channel = Callable[[World, Order], dict[str, Any] | str]
"""Sets the world, and returns the task or the words to be said."""


def _through(told: Callable[[Order], dict[str, Any]], **task: Any) -> Channel:
    def channel(world: World, one: Order) -> dict[str, Any]:
        world.set(**told(one))
        return task

    return channel


def _asked(given: Callable[[str], dict[str, Any] | str]) -> Channel:
    def channel(world: World, one: Order) -> dict[str, Any] | str:
        world.set()
        return given(one.text)

    return channel


CHANNELS: dict[str, Channel] = {
    "title": _asked(lambda text: {"title": text[-500:]}),
    "description": _asked(lambda text: {"description": text}),
    "payload value": _asked(lambda text: {"payload": {"note": text, "deep": [{"a": text}]}}),
    "payload key": _asked(lambda text: {"payload": {text: 1, "deep": {text: [text]}}}),
    "chat": _asked(lambda text: text),
    "criteria": _asked(lambda text: {"acceptance_criteria": [text]}),
    "hole": _asked(lambda text: {"task_type": "hole", "payload": {"note": text}}),
    "card": _through(lambda one: {"card": one.text}),
    "document": _through(lambda one: {"document": one.text}),
    "finding": _through(lambda one: {"finding": one.text}),
    "discovery": _through(lambda one: {"discovery": one.text}),
    "plan": _through(lambda one: {"born_with": (one,)}),
    "hole's plan": _through(lambda one: {"born_with": (one,)}, task_type="hole", payload={"note": "owls"}),
    "repair": _through(lambda one: {"breaks_first": one.text}, acceptance_criteria=["all is well"]),
    "replan": _through(lambda one: {"finding": one.text, "fails": True}),
}


def unfenced(text: str) -> str:
    """Return what of a message stands outside its fences."""
    return re.sub(r"<data (\w{12}) from [^\n]*>(?=\n).*?\n</data \1>", "", text, flags=re.DOTALL)
