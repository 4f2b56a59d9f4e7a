"""JSON that a person names on the command line: a file, `-` for standard input, or the text itself."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import BinaryIO

from concertino.contracts.errors import InputError
from concertino.contracts.json import JsonObject, parse
from concertino.contracts.limits import Limits


class TooLarge(InputError):
    """More bytes than are read."""


def read_object(place: str, *, field: str, limits: Limits) -> JsonObject:
    """Return the JSON object in the file `place`, or on standard input for `-`.

    Raises:
        InputError: as `read_bytes` does, or not strict JSON, or not an object.
    """
    return parse_object(read_bytes(place, field=field, limits=limits), field=field, limits=limits)


def read_bytes(place: str, *, field: str, limits: Limits) -> bytes:
    """Return what is in the file `place`, or on standard input for `-`.

    Raises:
        InputError: no such file, a directory, or unreadable.
        TooLarge: larger than `limits.bytes` (never read whole).
    """
    if place == "-":
        return _bounded(sys.stdin.buffer, field=field, limits=limits)
    try:
        with Path(place).open("rb") as file:
            return _bounded(file, field=field, limits=limits)
    except FileNotFoundError as error:
        raise InputError(field=field, value=place, rule="no such file") from error
    except IsADirectoryError as error:
        raise InputError(field=field, value=place, rule="must be a file, is a directory") from error
    except InputError:
        raise
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise InputError(field=field, value=place, rule=f"cannot be read: {reason}") from error


def parse_object(data: bytes | str, *, field: str, limits: Limits) -> JsonObject:
    """Return `data` as a JSON object.

    Raises:
        InputError: as `contracts.json.parse` does, or another JSON value than an object.
    """
    value = parse(data, field=field, limits=limits)
    if not isinstance(value, dict):
        raise InputError(field=field, value=value, rule="must be a JSON object")
    return value


def _bounded(file: BinaryIO, *, field: str, limits: Limits) -> bytes:
    data = file.read(limits.bytes + 1)
    if len(data) > limits.bytes:
        raise TooLarge(field=field, value=f"over {limits.bytes:,} bytes", rule=f"at most {limits.bytes} bytes")
    return data
