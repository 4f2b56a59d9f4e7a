"""A person's answer to a gate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, JsonValue, StringConstraints, ValidationError

from concertino.contracts.errors import InputError
from concertino.contracts.json import clean
from concertino.contracts.task import input_error

Decision = Literal["accept", "reject", "edit"]

REASON_CHARS = 4_000


class Answer(BaseModel):
    """What was decided, why, and with which changed inputs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    decision: Decision
    reason: Annotated[str, StringConstraints(max_length=REASON_CHARS)] | None = None
    inputs: dict[str, JsonValue] | None = None
    """With `edit`: inputs that replace a subtask's own; on a plan's gate, such inputs by subtask id."""
    value: JsonValue = None
    """What a question asked inside an agent or compiled graph is to receive as it stands."""


def is_answer(given: object) -> bool:
    """Say whether `given` has the form of an answer rather than being a bare value."""
    return isinstance(given, Answer) or (isinstance(given, Mapping) and "decision" in given)


def read_reason(given: object, *, field: str = "reason", otherwise: str) -> str:
    """Read why somebody does something, in words; `otherwise` where they are empty.

    Raises:
        InputError: no text, or too much of it.
    """
    if not isinstance(given, str):
        raise InputError(field=field, value=given, rule="must be text")
    if len(given) > REASON_CHARS:
        raise InputError(field=field, value=given, rule=f"at most {REASON_CHARS} characters")
    return str(clean(given, field=field, nesting=0)) or otherwise


def read_answer(given: object, *, field: str = "answer", nesting: int = 32) -> Answer:
    """Read an answer from outside: an `Answer`, its JSON form, `"accept"`/`"reject"`, or True/False.

    Raises:
        InputError: any other form, an unknown decision, `edit` without inputs.
    """
    if isinstance(given, Answer):
        answer = given
    elif isinstance(given, bool):
        answer = Answer(decision="accept" if given else "reject")
    elif given in ("accept", "reject"):
        answer = Answer.model_validate({"decision": given})
    elif isinstance(given, Mapping):
        try:
            answer = Answer.model_validate(clean(given, field=field, nesting=nesting))
        except ValidationError as error:
            raise input_error(error, field=field) from error
    else:
        raise InputError(field=field, value=given, rule='must be {"decision": "accept" | "reject" | "edit", ...}')
    if answer.decision == "edit" and not answer.inputs:
        raise InputError(field=f"{field}.inputs", value=answer.inputs, rule="edit needs the changed inputs")
    return answer
