"""Tapes as files: what is written is read again, and what somebody did to a file is said by file, line and rule."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from concertino.contracts.errors import FileInvalid
from concertino.contracts.json import JsonObject
from concertino.tools.tape import files
from concertino.tools.tape.files import read_tape, seal, write_tape
from concertino.tools.tape.lines import order
from tests.tools.tape.tapes import line, tape

PROMPT = "You examine the target. " * 20


def lines() -> list[object]:
    return [
        line(2, said="b"),
        line(1, said="a"),
        line(1, scope="plan#1", error={"kind": "timeout", "type": "T", "message": "m"}),
    ]


def test_a_tape_comes_back_as_it_was(tmp_path: Path) -> None:
    """Every field, in the order of scopes and not of arrival."""
    made = tape(
        [
            line(2, chunks=((0.1, "a"), (0.2, {"content": "b", "usage": {"input_tokens": 1}})), usage={"input_tokens": 1}, cap=9),
            line(1, error={"kind": "status", "type": "E", "message": "m", "status": 429, "retry_after": 1.5}, run=2),
            line(1, prints={"model": "x"}),
        ],
        stand_in=True, recorded="2026-01-01T00:00:00Z", made_by="me", start=12.5, seed=7,
        fingerprints={"code": {"w": "1"}},
    )  # fmt: skip
    path = tmp_path / "tapes" / "c.jsonl"
    write_tape(path, made)
    known = read_tape(path)
    assert known.head == made.head
    assert known.lines == tuple(sorted(made.lines, key=order))
    assert [entry.name for entry in path.parent.iterdir()] == ["c.jsonl"]


def test_what_calls_have_in_common_is_written_once(tmp_path: Path) -> None:
    """Another prompt changes one line of the file, and not every call that was made with it."""
    first, second = tmp_path / "1.jsonl", tmp_path / "2.jsonl"
    for path, prompt in ((first, PROMPT), (second, PROMPT.replace("target", "company"))):
        calls = [
            line(
                n, request={"messages": [{"role": "system", "content": prompt}, {"role": "human", "content": f"q{n}"}]}
            )
            for n in range(1, 9)
        ]
        write_tape(path, tape(calls))
        assert read_tape(path).lines == tuple(calls)
        assert path.read_text().count(prompt) == 1


def test_another_recording_in_another_order_is_the_same_file(tmp_path: Path) -> None:
    """Who was first in parallel makes no difference."""
    for name, made in (
        ("1", [line(1, scope="a#1"), line(1, scope="b#1")]),
        ("2", [line(1, scope="b#1"), line(1, scope="a#1")]),
    ):
        write_tape(tmp_path / name, tape(made))
    assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes()


def change(text: str, number: int, of: Callable[[JsonObject], JsonObject], *, sealed: bool) -> str:
    rows = text.splitlines()
    row = json.loads(rows[number])
    row.pop("~")
    row = of(row)
    rows[number] = seal(row) if sealed else json.dumps({**row, "~": "0" * 12})
    return "\n".join(rows) + "\n"


FAULTS: list[tuple[str, Callable[[str], str], int | None, str]] = [
    ("cut within a line", lambda text: text[:-20], 4, "truncated"),
    ("cut after a line", lambda text: "\n".join(text.splitlines()[:-1]) + "\n", 3, "truncated"),
    ("edited", lambda text: text.replace('"ho"', '"no"', 1), 3, "was edited"),
    ("head edited", lambda text: change(text, 0, lambda row: {**row, "seed": 2}, sealed=False), 1, "was edited"),
    ("newer", lambda text: change(text, 0, lambda row: {**row, "tape": 99}, sealed=True), 1, "newer format"),
    ("newer in another form", lambda text: '{"tape": 2, "what": "ever"}\n', 1, "newer format"),
    ("no tape", lambda text: '{"a": 1}\n', 1, "must be a tape"),
    ("a picture", lambda text: "\x89PNG\n\x1a\n", 1, "must be a tape"),
    ("nothing", lambda text: "", 1, "must begin with a tape's head"),
    ("a list", lambda text: "[]\n", 1, "must be a tape"),
    ("a line of another kind", lambda text: change(text, 1, lambda row: {**row, "kind": "dream"}, sealed=True), 2, "kind must be one of"),
    ("a line without an answer", lambda text: change(text, 3, lambda row: {k: v for k, v in row.items() if k != "response"}, sealed=True), 4, "must have a response"),
    ("an unknown field", lambda text: change(text, 1, lambda row: {**row, "extra": 1}, sealed=True), 2, "unknown field"),
    ("a field of another type", lambda text: change(text, 1, lambda row: {**row, "n": "1"}, sealed=True), 2, "n is of a wrong type"),
    ("an unknown failure", lambda text: change(text, 1, lambda row: {**row, "error": {"kind": "os.system"}}, sealed=True), 2, "error's kind"),
]  # fmt: skip


@pytest.mark.parametrize(("spoil", "at", "rule"), [fault[1:] for fault in FAULTS], ids=[fault[0] for fault in FAULTS])
def test_a_spoilt_tape_is_refused_by_file_line_and_rule(
    tmp_path: Path, spoil: Callable[[str], str], at: int | None, rule: str
) -> None:
    """Nothing of it is played."""
    path = tmp_path / "c.jsonl"
    write_tape(path, tape(lines()))  # type: ignore[arg-type]  # lines
    path.write_text(spoil(path.read_text()))
    with pytest.raises(FileInvalid) as caught:
        read_tape(path, shown="suite/tapes/c.jsonl")
    assert (caught.value.file, caught.value.line) == ("suite/tapes/c.jsonl", at)
    assert rule in caught.value.rule
    assert f"suite/tapes/c.jsonl:{at}" in str(caught.value)


def test_a_huge_tape_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a file nor a line nor a number of calls beyond the bounds."""
    path = tmp_path / "c.jsonl"
    write_tape(path, tape(lines()))  # type: ignore[arg-type]  # lines
    for bound, rule in (
        ("FILE_BYTES", "at most 10 bytes"),
        ("LINE_BYTES", "bytes a line"),
        ("MOST_CALLS", "at most 1 calls"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(files, bound, 1 if bound == "MOST_CALLS" else 10)
            with pytest.raises(FileInvalid, match=rule):
                read_tape(path)


def test_a_tape_that_is_not_there_is_said(tmp_path: Path) -> None:
    """By its file, without a line."""
    with pytest.raises(FileInvalid, match="must be a file that can be read") as caught:
        read_tape(tmp_path / "none.jsonl")
    assert caught.value.line is None


def test_json_that_nests_too_deep_is_refused(tmp_path: Path) -> None:
    """A line cannot exhaust the interpreter's stack."""
    path = tmp_path / "c.jsonl"
    path.write_text("[" * 100_000 + "]" * 100_000 + "\n")
    with pytest.raises(FileInvalid, match="must be a tape"):
        read_tape(path)
