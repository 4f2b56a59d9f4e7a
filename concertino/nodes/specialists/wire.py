"""What parent and child say to each other: one JSON object a line, over a socket of their own.

Parent to child: first `{"target", "brief", "message_bytes"}`, then `{"reply": n, "value"}` or `{"reply": n, "error"}`.
Child to parent: `{"call": n, "op", "arguments"}`, and last `{"answer", "kind"}` or `{"failed": error}`.
"""

from __future__ import annotations

import builtins
import json
from typing import TYPE_CHECKING, Any, Final, Literal

from concertino.contracts import errors
from concertino.contracts.errors import ConcertinoError, InputError
from concertino.nodes.specialists.plain import AnswerRefused

if TYPE_CHECKING:
    from concertino.contracts.json import JsonObject

MESSAGE_BYTES: Final = 16_000_000
"""Longest message; four times the default limit of an output, so that JSON's escapes fit. Chosen by hand."""

TRACE_CHARS: Final = 4_000
"""How much of a traceback's end travels."""

AnswerKind = Literal["finding", "declined", "json"]

_OURS: Final[dict[str, type[ConcertinoError]]] = {
    cls.__name__: cls
    for cls in (
        AnswerRefused,
        errors.BreakerOpen,
        errors.BudgetExceeded,
        errors.DeadlineExceeded,
        errors.GateRejected,
        errors.InputError,
        errors.RunBusy,
        errors.RunStateError,
        errors.SetupError,
        errors.StaleLease,
        errors.ToolFailed,
    )
}
"""Errors whose public attributes are their constructor's arguments."""

_BUILTIN: Final = ("ArithmeticError", "AttributeError", "KeyError", "LookupError", "OSError", "PermissionError")
_BUILTIN_ERRORS: Final = (*_BUILTIN, "RuntimeError", "TimeoutError", "TypeError", "ValueError")
"""Errors of Python that arrive as themselves; any other comes as RuntimeError with its name."""


class ChildFailed(ConcertinoError, RuntimeError):
    """A function in a child process gave no answer: it raised, exited, crashed or broke the protocol."""

    def __init__(self, *, target: str, reason: str, trace: str = "") -> None:
        self.target, self.reason = target, reason
        self.trace = trace
        """End of the child's traceback, where it raised."""
        super().__init__(f"{target}: {reason}")


def pack(message: JsonObject) -> bytes:
    """Return `message` as one line; ASCII only, so that lone surrogates travel too.

    Raises:
        TypeError, ValueError, RecursionError: it is no JSON.
    """
    return json.dumps(message, separators=(",", ":")).encode("ascii") + b"\n"


def unpack(line: bytes) -> JsonObject:
    """Return the message of one line.

    Raises:
        ValueError: it is no JSON object.
    """
    try:
        message = json.loads(line)
    except RecursionError as error:
        raise ValueError("nested too deep") from error
    if not isinstance(message, dict):
        raise ValueError("not an object")  # noqa: TRY004  # one error for every malformed line
    return message


def error_data(error: BaseException) -> JsonObject:
    """Return `error` as it travels."""
    name, message = type(error).__name__, _message(error)
    data: JsonObject = {"error": name, "message": message[:TRACE_CHARS]}
    if _OURS.get(name) is type(error):
        data["fields"] = {key: value for key, value in vars(error).items() if key in _arguments(name)}
    else:
        import traceback  # only where something went wrong

        trace = "".join(traceback.format_exception(error))
        data["trace"] = trace[-TRACE_CHARS:]
    return data


def _message(error: BaseException) -> str:
    if type(error).__module__.partition(".")[0] != "pydantic_core":
        return str(error)
    from concertino.contracts.task import message_of  # Pydantic is loaded already where it raised

    return message_of(error)


def ours(data: JsonObject) -> ConcertinoError | None:
    """Return the error of the guard or the contracts that `data` carries, of its own class; `None` for any other."""
    cls = _OURS.get(str(data.get("error")))
    fields = data.get("fields")
    if cls is None or not isinstance(fields, dict):
        return None
    made: Any = cls
    error: ConcertinoError = made(**fields)
    if isinstance(error, InputError | errors.SetupError):
        error.value = str(fields.get("value"))  # it was quoted where it was raised
    error.args = (str(data.get("message")),)
    return error


def any_error(data: JsonObject) -> Exception:
    """Return the error that `data` carries, for raising where the call was made."""
    known = ours(data)
    if known is not None:
        return known
    name, message = str(data.get("error")), str(data.get("message"))
    if name in _BUILTIN_ERRORS:
        cls: type[Exception] = getattr(builtins, name)
        return cls(message)
    return RuntimeError(f"{name}: {message}")


def _arguments(name: str) -> frozenset[str]:
    code = _OURS[name].__init__.__code__
    return frozenset(code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount])
