"""Reading suites: cases from YAML, JSON lines and data sets, and every fault by file, line and rule."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from concertino.contracts.errors import FileInvalid
from concertino.evals.cases import Case
from concertino.evals.suites import list_suites, load_suite
from tests.evals.suite_folders import SUITE, make_suite


def told(root: Path, cases: str) -> dict[str, tuple[int | None, str]]:
    """Return line and rule of every faulty case; the others are there."""
    suite = make_suite(root, cases=cases)
    assert all(one.error.file == "small/cases.yaml" for one in suite.faulty)
    return {one.id: (one.error.line, one.error.rule) for one in suite.faulty}


def test_each_faulty_case_is_told_by_line_and_rule(tmp_path: Path) -> None:
    """A missing expectation, an unknown field deep inside, a wrong value; the sound ones are read."""
    cases = """
- id: sound
  task: {title: t}
  expect: {status: success}
- id: hopeless
  task: {title: t}
- id: misspelt
  task: {title: t}
  expect:
    status: success
    answer:
      numric: {value: 3}
- id: idle
  expect: {status: success}
- id: empty
  task: {title: t}
  expect: {}
- id: faulty
  task: {title: t}
  faults:
    - {what: 429}
    - {what: explode}
  expect: {status: success}
- just a text
- id: "no id!"
  task: {title: t}
  expect: {status: success}
"""
    found = told(tmp_path, cases)
    assert found["hopeless"] == (5, "case.expect: is needed")
    assert found["misspelt"] == (12, "case.expect.answer.numric: unknown field")
    assert found["idle"] == (13, "case: needs a task or a payload")
    assert found["empty"][0] == 17
    assert found["empty"][1].startswith("case.expect: must expect at least one thing: answer, ")
    assert found["faulty"][0] == 22
    assert found["cases-7"] == (24, "must be an object")
    assert found["cases-8"][0] == 25
    assert [case.id for case in make_suite(tmp_path, cases=cases).cases] == ["sound"]


def test_a_case_that_breaks_the_yaml_breaks_no_other(tmp_path: Path) -> None:
    """The entries of a list are read one by one where the whole cannot be."""
    found = told(
        tmp_path,
        "- id: a\n  task: {title: t}\n  expect: {status: success}\n- id: b\n  task: [unclosed\n"
        "- id: c\n  task: {title: t}\n  expect: {status: success}\n- id: d\n  task: &x {title: t}\n",
    )
    assert {name: line for name, (line, _) in found.items()} == {"b": 6, "d": 10}
    assert "must be YAML" in found["b"][1]
    assert "anchors" in found["d"][1]
    assert [case.id for case in load_suite("small", root=tmp_path).cases] == ["a", "c"]


def test_an_id_is_taken_once(tmp_path: Path) -> None:
    """Over all files of the suite."""
    make_suite(tmp_path)
    folder = tmp_path / "small" / "cases"
    folder.mkdir()
    (folder / "one.yaml").write_text("id: one\ntask: {title: t}\nexpect: {status: success}\n")
    (folder / "lines.jsonl").write_text(
        json.dumps({"id": "three", "task": {}, "expect": {"status": "success"}})
        + '\n\n{"id": "four"\n{"id": "five", "task": {}}\n'
    )
    suite = load_suite("small", root=tmp_path)
    assert [case.id for case in suite.cases] == ["idle", "one", "three", "two"]
    assert [(one.id, one.error.file, one.error.line) for one in suite.faulty] == [
        ("five", "small/cases/lines.jsonl", 4), ("line-3", "small/cases/lines.jsonl", 3), ("one", "small/cases/one.yaml", None),
    ]  # fmt: skip


DATA = """data:
  file: {file}
  where: {{split: test}}
  skip: 1
  limit: 2
  case:
    id: "row-${{row.id}}"
    task: {{title: "Question ${{number}}: ${{row.q.text}}", payload: {{options: "${{row.options}}"}}}}
    expect: {{answer: {{exact: "${{row.truth}}"}}}}
    tags: ["${{file}}"]
"""


def test_a_data_set_is_read_where_it_lies(tmp_path: Path) -> None:
    """Rows become cases by a template; a whole placeholder keeps its type, and what makes no case is a fault of its line."""
    rows = [
        {"id": 0, "split": "train", "q": {"text": "?"}, "options": [], "truth": 0},
        {"id": 1, "split": "test", "q": {"text": "skipped"}, "options": [], "truth": 0},
        {"id": 2, "split": "test", "q": {"text": "2 + 2"}, "options": [3, 4], "truth": 4},
        {"id": 3, "split": "test", "options": [], "truth": None},
        {"id": 4, "split": "test", "q": {"text": "beyond"}, "options": [], "truth": 0},
    ]
    data = tmp_path / "elsewhere.jsonl"
    data.write_text("\n".join(map(json.dumps, rows)))
    suite = make_suite(tmp_path, suite=SUITE + DATA.format(file="../elsewhere.jsonl"), cases="[]")
    assert [(case.id, case.task, case.expect, case.tags) for case in suite.cases] == [
        (
            "row-2",
            {"title": "Question 3: 2 + 2", "payload": {"options": [3, 4]}},
            {"answer": {"exact": 4}},
            ("elsewhere.jsonl",),
        )
    ]
    assert [(one.error.file, one.error.line, one.error.rule) for one in suite.faulty] == [
        ("../elsewhere.jsonl", 4, "the row has no such field")
    ]


def test_a_data_set_that_is_not_there_is_a_fault(tmp_path: Path) -> None:
    """The suite's own cases are there all the same."""
    suite = make_suite(tmp_path, suite=SUITE + DATA.format(file="none.jsonl"))
    assert [one.error.file for one in suite.faulty] == ["none.jsonl"]
    assert len(suite.cases) == 3


def test_an_unknown_suite_names_those_that_are_there(tmp_path: Path) -> None:
    """By the folder that was looked in."""
    make_suite(tmp_path)
    assert list_suites(tmp_path) == ["small"]
    with pytest.raises(FileInvalid, match=r"nowhere/suite\.yaml: 'nowhere' refused: must be a suite.*one of: small"):
        load_suite("nowhere", root=tmp_path)


@pytest.mark.parametrize(
    ("text", "line", "rule"),
    [
        ("name: small\ntarget: p:c\nmodl: x\n", 3, "unknown field"),
        ("name: small\n", 1, "suite.target: is needed"),
        ("name: small\ntarget: p:c\nmodel: gpt\n", 3, "pattern"),
        ("name: small\ntarget: p:c\nallow: [short]\n", 3, "at least 8"),
        ("name: [\n", 2, "must be YAML"),
        ("just words\n", 1, "must be an object"),
    ],
)
def test_a_faulty_suite_file_is_told_by_line_and_rule(tmp_path: Path, text: str, line: int, rule: str) -> None:
    """And there is no suite."""
    with pytest.raises(FileInvalid) as caught:
        make_suite(tmp_path, suite=text)
    assert (caught.value.file, caught.value.line) == ("small/suite.yaml", line)
    assert rule in caught.value.rule


def test_tapes_without_a_case_are_known(tmp_path: Path) -> None:
    """A case that cannot be read still has its tape."""
    suite = make_suite(tmp_path, cases="- id: a\n  task: {title: t}\n")
    suite.tape_file("a").parent.mkdir()
    for name in ("a", "gone"):
        suite.tape_file(name).write_text("")
    assert load_suite("small", root=tmp_path).orphans == ("gone",)


def test_a_case_is_what_it_says() -> None:
    """A status code is a fault's name; an expectation is kept as it was written."""
    case = Case.model_validate({"id": "a", "payload": {}, "faults": [{"what": 500}], "expect": {"budget": "kept"}})
    assert (case.faults[0].what, case.expect) == ("500", {"budget": "kept"})
    with pytest.raises(ValidationError):
        Case.model_validate({"id": "a", "payload": {}, "expect": {"budget": "kept"}, "repeats": 0})
