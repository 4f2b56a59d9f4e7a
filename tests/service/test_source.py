"""JSON from the command line: what is refused, and in which words."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from concertino.contracts.errors import InputError
from concertino.contracts.limits import Limits
from concertino.service.cli.source import parse_object, read_object

LIMITS = Limits(bytes=1_000)


def refusal(place: str) -> InputError:
    with pytest.raises(InputError) as caught:
        read_object(place, field="--json", limits=LIMITS)
    return caught.value


def test_a_file_is_read(tmp_path: Path) -> None:
    """An object in a file comes back as it stands."""
    file = tmp_path / "task.json"
    file.write_text('{"role": "Engineer"}')
    assert read_object(str(file), field="--json", limits=LIMITS) == {"role": "Engineer"}


def test_a_dash_is_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    """`-` reads what is piped in."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b'{"a": 1}')))
    assert read_object("-", field="--json", limits=LIMITS) == {"a": 1}


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """The message gives the place and the rule."""
    error = refusal(str(tmp_path / "none.json"))
    assert (error.field, error.rule) == ("--json", "no such file")
    assert "none.json" in error.value


def test_a_file_that_is_too_large_is_refused_in_one_sentence(tmp_path: Path) -> None:
    """It was read well; there is just too much of it."""
    file = tmp_path / "b.json"
    file.write_text(" " * 1_001)
    assert str(refusal(str(file))) == "--json: 'over 1,000 bytes' refused: at most 1000 bytes"


def test_a_directory_is_refused(tmp_path: Path) -> None:
    """A directory is no file."""
    assert refusal(str(tmp_path)).rule == "must be a file, is a directory"


def test_a_path_that_no_system_takes_is_refused() -> None:
    """A NUL in a path is the caller's error, not ours."""
    assert "cannot be read" in refusal("a\x00b").rule


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ('{"a": 1, "a": 2}', "duplicate key"),
        ('{"a": NaN}', "numbers must be finite"),
        ("{", "must be JSON"),
        ("[1]", "must be a JSON object"),
        ('{"a": ' + "[" * 500 + "]" * 500 + "}", "at most 1000 bytes"),
        ('{"a": ' + "[" * 60 + "]" * 60 + "}", "nested too deep"),
    ],
)
def test_what_is_not_strict_json_is_refused(text: str, rule: str, tmp_path: Path) -> None:
    """Duplicate keys, NaN, broken, deep and large texts each meet their rule."""
    file = tmp_path / "task.json"
    file.write_text(text)
    assert rule in refusal(str(file)).rule


def test_text_on_the_command_line_is_held_to_the_same_rules() -> None:
    """`--inputs` is parsed as strictly as a file."""
    assert parse_object('{"amount": 1}', field="--inputs", limits=LIMITS) == {"amount": 1}
    with pytest.raises(InputError, match="must be a JSON object"):
        parse_object("7", field="--inputs", limits=LIMITS)
