"""A task: what somebody asks of the planner."""

from __future__ import annotations

from typing import Annotated, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints, ValidationError, model_validator

from concertino.contracts.errors import InputError
from concertino.contracts.ids import ID_RULE, Ids, Name, new_id
from concertino.contracts.json import JsonObject, clean, digest, dump
from concertino.contracts.limits import Limits
from concertino.contracts.requirements import Criterion

Priority = Literal["low", "normal", "medium", "high", "critical"]


class Task(BaseModel):
    """A request. Source of the field names: document 002 (`POST /orchestrate`), document 001 (`TaskRequest`)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    task_id: Name = Field(default_factory=lambda: new_id("task"))
    """Key of idempotency: the same id with the same content is the same task."""
    title: Annotated[str, StringConstraints(max_length=500)] = ""
    description: Annotated[str, StringConstraints(max_length=100_000)] = ""
    task_type: Annotated[str, StringConstraints(max_length=100)] | None = None
    """What workflows match on first, e.g. `create_blog_post`."""
    payload: dict[str, JsonValue] = Field(default_factory=dict)
    priority: Priority = "normal"
    metadata: dict[str, JsonValue] = Field(default_factory=dict)
    """Free fields; `context`, `requester` and `due_date` are document 002's."""
    acceptance_criteria: tuple[Criterion, ...] = ()
    """What the answer must cover; a bare string `s` becomes `{"id": "c1", "text": s}`."""
    capabilities: tuple[Name, ...] = ()
    """Capabilities the task is known to need."""
    domains: tuple[Name, ...] = ()
    """Fields of knowledge the task touches."""
    parent_task_id: Name | None = None
    plan: dict[str, JsonValue] | None = None
    """A ready plan; it passes the same validator as any other."""

    @model_validator(mode="before")
    @classmethod
    def _number_criteria(cls, given: object) -> object:
        if isinstance(given, dict) and isinstance(given.get("acceptance_criteria"), list | tuple):
            given = dict(given)
            given["acceptance_criteria"] = [
                {"id": f"c{n}", "text": item} if isinstance(item, str) else item
                for n, item in enumerate(given["acceptance_criteria"], 1)
            ]
        return given

    def content_hash(self) -> str:
        """Return the digest that tells a resubmission from a conflict."""
        return digest(self.model_dump(mode="json"))


def read_task(given: object, *, limits: Limits, ids: Ids = new_id) -> Task:
    """Validate a task from outside; one without an id is given one by `ids`.

    Raises:
        InputError: naming the first faulty field, its value and the rule; also over `limits`.
    """
    if isinstance(given, Task):
        given = {**given.model_dump(mode="json", exclude_unset=True), "task_id": given.task_id}
    if not isinstance(given, dict):
        raise InputError(field="task", value=given, rule="must be an object")
    for name in ("task_id", "parent_task_id"):  # cleaned, it would be another task's
        own = given.get(name)
        if isinstance(own, str) and own != clean(own, field=f"task.{name}", nesting=0):
            raise InputError(field=f"task.{name}", value=own, rule=f"must match {ID_RULE}")
    data = cast("JsonObject", clean(given, field="task", nesting=limits.nesting))
    size = len(dump(data).encode())
    if size > limits.bytes:
        raise InputError(field="task", value=f"{size} bytes", rule=f"at most {limits.bytes} bytes")
    try:
        return Task.model_validate({"task_id": ids("task"), **data} if "task_id" not in data else data)
    except ValidationError as error:
        raise input_error(error, field="task") from error


def input_error(error: ValidationError, *, field: str) -> InputError:
    """Return pydantic's first complaint as our own error: field, value, rule."""
    first = error.errors(include_url=False)[0]
    place = ".".join((field, *(str(part) for part in first["loc"])))
    rule = "unknown field" if first["type"] == "extra_forbidden" else first["msg"]
    return InputError(field=place, value=first["input"], rule=rule)


def message_of(error: BaseException) -> str:
    """Return an error's message; of pydantic's, which spans lines, the first complaint: field, value, rule."""
    return str(input_error(error, field=error.title) if isinstance(error, ValidationError) else error)


__all__ = ["Criterion", "JsonObject", "Priority", "Task", "input_error", "message_of", "read_task"]
