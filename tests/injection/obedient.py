"""A chat model that obeys every order in whatever it is sent, and specialists that do all that it says."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from pydantic import Field

from concertino.prompts import load
from tests.injection.texts import Order, orders_in

PLANNED: list[dict[str, Any]] = [
    {"id": "s1", "specialist": "reader", "objective": "read it", "inputs": {}, "needs": []},
    {"id": "s2", "specialist": "auditor", "objective": "audit it", "inputs": {}, "needs": ["s1"]},
    {"id": "s3", "specialist": "writer", "objective": "write it up", "inputs": {}, "needs": ["s1", "s2"]},
]
PROSE = ("All of them found nothing that stands out, and none of them differs from the others in any way at all. "
         "What was read was read in full, and what was audited was audited by somebody else than the one who read.")  # fmt: skip
HEADS = {name: load(name).text.partition("\n")[0] for name in ("plan", "replan", "synthesize")}


@dataclass
class Mind:
    """What a model does unasked; LangChain's copies of the model share it."""

    born_with: tuple[Order, ...] = ()
    """Orders that it carries out without being shown them."""
    breaks_first: str | None = None
    """Stands in the first plan, which covers no criterion, so that a repair is asked for."""
    reads: bool = False
    """Whether specialists look at their documents."""


class Obedient(BaseChatModel):
    """Says what is asked of it, changed by every order it has been shown or was born with."""

    mind: Any = Field(default_factory=Mind)
    max_tokens: int = 2_000
    seen: list[list[BaseMessage]] = Field(default_factory=list)
    obeyed: list[str] = Field(default_factory=list)
    bill: list[int] = Field(default_factory=list)

    @property
    def _llm_type(self) -> str:
        return "obedient"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        return {"max_tokens": self.max_tokens}

    def _generate(self, messages: list[BaseMessage], *args: Any, **kwargs: Any) -> ChatResult:
        self.seen.append(list(messages))
        said = self.reply(messages)
        sent = len(json.dumps([str(one.content) for one in messages])) // 8
        output = min(self.max_tokens, max(1, len(said.text) // 4 + 20 * len(said.tool_calls)))
        self.bill.append(sent + output)
        said.usage_metadata = {"input_tokens": sent, "output_tokens": output, "total_tokens": sent + output}
        return ChatResult(generations=[ChatGeneration(message=said)])

    def reply(self, messages: Sequence[BaseMessage]) -> AIMessage:
        orders = [*self.mind.born_with, *orders_in("\n".join(str(one.content) for one in messages))]
        self.obeyed.extend(one.code for one in orders)
        if (raw := next((one.raw for one in orders if one.raw is not None), None)) is not None:
            return AIMessage(raw)
        match asked_of(messages):
            case "plan":
                return AIMessage(json.dumps(self._plan(messages, orders)))
            case "replan":
                rows: list[Any] = [{"id": "r1", "specialist": "auditor", "objective": "again"},
                                   {"id": "r2", "specialist": "writer", "objective": "again", "needs": ["r1"]}]  # fmt: skip
                return AIMessage(json.dumps(obeyed({"subtasks": rows}, orders)))
            case "synthesize":
                more = " ".join(json.dumps([one.row, one.header, one.say]) for one in orders)
                return AIMessage(f"{PROSE} {more or ''}".strip())
            case _:
                return work(messages, orders, reads=self.mind.reads)

    def _plan(self, messages: Sequence[BaseMessage], orders: Sequence[Order]) -> dict[str, Any]:
        rows, asked = copy.deepcopy(PLANNED), str(messages[1].content)
        if "It leaves these places open" in asked:
            rows = [
                {"id": f"dig-{n}", "specialist": one, "objective": "dig"}
                for n, one in enumerate(("reader", "writer"), 1)
            ]
        elif "Its acceptance criteria." in asked:
            rows[2]["covers"] = ["c1"]
        if self.mind.breaks_first is not None and len(messages) == 2:
            rows[0] |= {"objective": self.mind.breaks_first, "inputs": {self.mind.breaks_first: self.mind.breaks_first}}
            del rows[2]["covers"]
            return {"subtasks": rows}
        made = obeyed({"subtasks": rows}, orders)
        if self.mind.born_with:  # the text itself, wherever a plan has room for one
            for row in made["subtasks"]:
                row.setdefault("objective", self.mind.born_with[0].text)
                if isinstance(row.get("inputs"), dict):
                    row["inputs"][self.mind.born_with[0].text] = self.mind.born_with[0].text
        return made


def asked_of(messages: Sequence[BaseMessage]) -> str:
    """Return which of our prompts a model was given; that of a specialist is none of them."""
    head = str(messages[0].content).partition("\n")[0]
    return next((name for name, line in HEADS.items() if line == head), "work")


def obeyed(plan: dict[str, Any], orders: Sequence[Order]) -> dict[str, Any]:
    """Return a plan with all that the orders want in it."""
    made: dict[str, Any] = {**plan, "subtasks": [dict(row) for row in plan["subtasks"]]}
    for one in orders:
        made |= one.header
        if gone := one.header.get("without"):
            made["subtasks"] = [row for row in made["subtasks"] if row.get("specialist") != gone]
        for row in made["subtasks"]:
            row |= copy.deepcopy(one.row)
        made["subtasks"] += [dict(row) for row in one.more]
    return made


def work(messages: Sequence[BaseMessage], orders: Sequence[Order], *, reads: bool) -> AIMessage:
    """Read first, where that is wanted; then call whatever was ordered, then say whatever was ordered."""
    told = sum(one.type == "tool" for one in messages)
    if reads and not told:
        return _calls([("read", {})])
    wanted = [one.call for one in orders if one.call is not None]
    if wanted and told <= reads:
        return _calls(wanted)
    said: dict[str, Any] = {"output": PROSE, "confidence": 0.6}
    for one in orders:
        said |= one.say
    return AIMessage(json.dumps(said))


def _calls(made: Sequence[tuple[str, dict[str, Any]]]) -> AIMessage:
    listed = [
        {"name": name, "args": args, "id": f"call-{at}", "type": "tool_call"} for at, (name, args) in enumerate(made)
    ]
    return AIMessage("", tool_calls=listed)


def texts_sent(model: Obedient) -> Iterator[str]:
    """Yield every text that a model was sent."""
    for messages in model.seen:
        yield from (str(one.content) for one in messages)
