"""`concertino plan`: ready plans are checked, rules are shown, faults are named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.service.commands import Told, run_command

SUBTASKS: list[dict[str, Any]] = [
    {"id": "a", "specialist": "reader", "estimate_s": 2},
    {"id": "b", "specialist": "writer", "needs": ["a"], "gate": {"question": 'Print "it"?'}, "estimate_s": 3},
]

RULE = """
name: report
match: {task_type: report}
plan:
  subtasks:
    - {id: read, specialist: reader}
    - {id: write, specialist: writer, needs: [read]}
"""


@pytest.fixture
def concertino(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that writes a file, runs `plan` on it, and returns code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)

    def command(given: object, *options: str) -> Told:
        file = tmp_path / "given.json"
        file.write_text(json.dumps(given))
        return run_command(capsys, ["plan", str(file), *options])

    return command


def test_a_ready_plan_is_shown_with_its_longest_path(concertino: Any) -> None:
    """JSON goes to stdout, the table for people to stderr."""
    code, out, err = concertino({"subtasks": SUBTASKS})
    shown = json.loads(out)
    assert code == 0
    assert [one["id"] for one in shown["plan"]["subtasks"]] == ["a", "b"]
    assert shown["critical_path"] == {"seconds": 5.0, "subtasks": ["a", "b"]}
    assert "longest path: 5 s, a → b" in err


def test_json_alone_has_no_table(concertino: Any) -> None:
    """`--json` leaves the table out."""
    assert "longest path" not in concertino({"subtasks": SUBTASKS}, "--json")[2]


def test_a_plan_is_drawn_with_its_gates(concertino: Any) -> None:
    """The drawing has a node for each subtask, and what people wrote cannot break its syntax."""
    out = concertino({"subtasks": SUBTASKS}, "--mermaid")[1]
    assert out.splitlines() == [
        "flowchart LR",
        '    n0["a<br/>reader"]',
        '    n1["b<br/>writer"]',
        '    n1g{"Print &quot;it&quot;?"}',
        "    n1g --> n1",
        "    n0 --> n1g",
    ]


def test_rules_plan_a_task(concertino: Any, tmp_path: Path) -> None:
    """A task without a plan gets what the first matching workflow makes of it."""
    rules = tmp_path / "rules.yaml"
    rules.write_text(RULE)
    code, out, _ = concertino({"task_id": "t-1", "title": "x", "task_type": "report"}, "--workflows", str(rules))
    shown = json.loads(out)["plan"]
    assert (code, shown["origin"], shown["workflow"]) == (0, "rule", "report")
    assert [one["specialist"] for one in shown["subtasks"]] == ["reader", "writer"]


def test_a_plan_is_checked_against_real_specialists(concertino: Any, tmp_path: Path) -> None:
    """With `--specialists` a name that nobody has is a fault."""
    (tmp_path / "staff_of_the_test.py").write_text(
        "from concertino import specialist\n\n@specialist('reader')\ndef reader(brief): ...\n\nstaff = [reader]\n"
    )
    code, out, err = concertino({"subtasks": SUBTASKS}, "--specialists", "staff_of_the_test:staff")
    assert (code, out) == (2, "")
    assert "writer" in err


@pytest.mark.parametrize("reference", ["nowhere_at_all:x", "json:nothing", "json", "json:dumps"])
def test_a_faulty_reference_is_one_clear_error(reference: str, concertino: Any) -> None:
    """No such module, no such name, no name, no list: each names the option and the rule."""
    code, _, err = concertino({"subtasks": SUBTASKS}, "--specialists", reference)
    assert code == 2
    assert err.startswith("error: --specialists: ")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"subtasks": []}, "plan.subtasks"),
        ({"subtasks": [{**SUBTASKS[0], "needs": ["b"]}, SUBTASKS[1]]}, "a needs b needs a"),
        ({"subtasks": [SUBTASKS[0], SUBTASKS[0]]}, "subtasks[1].id"),
        ({"task_id": "../../x", "plan": {"subtasks": SUBTASKS}}, "task.task_id"),
        ({"subtasks": SUBTASKS, "colour": "red"}, "colour"),
        ({}, "plan"),
    ],
)
def test_a_faulty_plan_is_named_with_its_place(given: object, words: str, concertino: Any) -> None:
    """Empty, cyclic, doubled, unsafe, unknown: each ends with code 2 and says where."""
    code, out, err = concertino(given)
    assert (code, out) == (2, "")
    assert words in err
    assert "Traceback" not in err
