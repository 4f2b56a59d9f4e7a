"""`concertino eval` and `concertino report`: what they print and write, and how they end."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import parse

import pytest

from concertino import Planner
from tests.service.commands import Told, run_command

PLANNER = """
import asyncio
from concertino import Brief, Budget, create_planner, specialist

@specialist("writer", authority=0.5)
async def writer(brief: Brief) -> dict:
    await asyncio.sleep(2.0)
    return {"said": brief.objective}

@specialist("editor", authority=1.0)
async def editor(brief: Brief) -> dict:
    await asyncio.sleep(1.0)
    return {"said": brief.inputs["text"]["said"].upper()}

def create(**options):
    return create_planner(specialists=[writer, editor], budget=Budget(calls=10, seconds=60), **options)
"""
TASK = """
    title: Write it
    plan:
      answer: [edit]
      subtasks:
        - {id: write, specialist: writer, objective: hello}
        - {id: edit, specialist: editor, objective: mend it, inputs: {text: "${write}"}}
"""
CASES = f"""
- id: holds
  task: {TASK}
  expect: {{status: success, answer: {{exact: {{said: HELLO}}}}, makespan: {{max_ratio: 1.01, max_s: 3.5}}}}
- id: breaks
  task: {TASK}
  expect: {{status: success, answer: {{exact: {{said: hello}}}}}}
- id: expects-nothing
  task: {{title: x}}
"""

Command = Callable[..., Told]


@pytest.fixture
def suites(tmp_path: Path) -> Path:
    folder = tmp_path / "evals" / "letters"
    folder.mkdir(parents=True)
    (folder / "suite.yaml").write_text("name: letters\ntarget: planner:create\n")
    (folder / "planner.py").write_text(PLANNER)
    (folder / "cases.yaml").write_text(CASES)
    return folder.parent


@pytest.fixture
def concertino(capsys: pytest.CaptureFixture[str], suites: Path, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Return a function that runs a command on the test's suites."""
    monkeypatch.setenv("CONCERTINO_EVALS", str(suites))
    monkeypatch.setenv("COLUMNS", "200")

    def command(*arguments: str) -> Told:
        return run_command(capsys, arguments)

    return command


def test_a_suite_is_run_judged_and_written(concertino: Command, tmp_path: Path) -> None:
    """One case holds, one breaks, one cannot be read: JSON on stdout, a table on stderr, both files, and 3 for partial."""
    page, junit = tmp_path / "page.html", tmp_path / "junit.xml"
    code, out, err = concertino("eval", "run", "letters", "--json", "--html", str(page), "--junit", str(junit))
    assert code == 3
    made = json.loads(out)
    assert {case["id"]: case["passed"] for case in made["cases"]} == {
        "holds": True,
        "breaks": False,
        "expects-nothing": False,
    }
    assert made["cases"][2]["makespan_s"] == 3.0
    assert "FAIL  breaks" in err
    assert "expected {'said': 'hello'}, found {'said': 'HELLO'}" in err
    assert "letters/cases.yaml" in err
    assert parse(junit).getroot().attrib["failures"] == "1"
    assert parse(junit).getroot().attrib["errors"] == "1"
    assert page.read_text().startswith("<!doctype html>")


def test_two_runs_print_the_same_bytes(concertino: Command) -> None:
    """However many cases run side by side: report and page are the same."""
    one = concertino("eval", "run", "letters", "--json")
    assert concertino("eval", "run", "letters", "--json")[1] == one[1]
    assert concertino("eval", "run", "letters", "--json", "--side-by-side", "2")[1] == one[1]


def test_the_code_says_how_it_went(concertino: Command) -> None:
    """All passed 0, none 4, no such suite or case 2."""
    assert concertino("eval", "run", "letters", "--case", "holds")[0] == 0
    assert concertino("eval", "run", "letters", "--case", "breaks")[0] == 4
    code, out, err = concertino("eval", "run", "nothing", "--json")
    assert (code, out) == (2, "")
    assert "one of: letters" in err
    assert concertino("eval", "run", "letters", "--case", "nobody")[0] == 2


@pytest.mark.parametrize("code", ["raise ValueError('boom')", "def create(:"])
def test_a_faulty_target_is_bad_input(concertino: Command, suites: Path, code: str) -> None:
    """One line with file and line, exit 2, and no traceback, whether it is run or recorded."""
    (suites / "letters" / "planner.py").write_text(f"import os\n{code}\n")
    for command in (("run", "letters"), ("run", "letters", "--side-by-side", "2"), ("record", "letters")):
        told, out, err = concertino("eval", *command)
        assert (told, out) == (2, "")
        assert "letters/planner.py:2: " in err
        assert "Traceback" not in err


def test_repeats_are_asked_for(concertino: Command) -> None:
    """Three repeats of one case, with the shares that go with them."""
    made = json.loads(concertino("eval", "run", "letters", "--case", "holds", "--repeats", "3", "--json")[1])
    assert [one["number"] for one in made["cases"][0]["runs"]] == [1, 2, 3]
    assert made["summary"]["repeats"]["pass^k"]["3"]["mean"] == 1.0


def test_suites_are_listed(concertino: Command) -> None:
    """With their cases, and those that cannot be read."""
    (told,) = json.loads(concertino("eval", "list")[1])
    assert (told["name"], [case["id"] for case in told["cases"]]) == ("letters", ["breaks", "holds"])
    assert told["faulty"][0]["id"] == "expects-nothing"


def test_a_broken_suite_hides_no_other(concertino: Command, suites: Path) -> None:
    """It is listed with its error, on stderr too, and the exit code is 2."""
    (suites / "broken").mkdir()
    (suites / "broken" / "suite.yaml").write_text("name: broken\n")
    code, out, err = concertino("eval", "list")
    broken, letters = json.loads(out)
    assert (code, broken["name"], letters["name"]) == (2, "broken", "letters")
    assert "suite.target: is needed" in broken["error"]
    assert "broken/suite.yaml:1: " in err


def test_a_suite_without_cases_has_not_passed(concertino: Command, suites: Path) -> None:
    """Nothing was tried: 4, and it is said."""
    (suites / "letters" / "cases.yaml").write_text("[]\n")
    code, _, err = concertino("eval", "run", "letters")
    assert (code, "suite letters has no cases" in err) == (4, True)


def test_a_recording_is_judged_like_a_run(concertino: Command, suites: Path) -> None:
    """A suite that calls nothing has no tapes, and the stand-in's run is told as any other."""
    code, out, _ = concertino("eval", "record", "letters", "--stand-in", "--case", "holds", "--json")
    assert (code, json.loads(out)["cases"][0]["passed"]) == (0, True)
    assert not list(suites.glob("letters/tapes/*"))


def test_differences_are_a_regression_or_none(concertino: Command, tmp_path: Path, suites: Path) -> None:
    """The same report again is 0; a case that fails now is 1; what is no report is 2, with its file and line."""
    before, after, torn = (tmp_path / name for name in ("a.json", "b.json", "c.json"))
    before.write_text(concertino("eval", "run", "letters", "--json")[1])
    (suites / "letters" / "planner.py").write_text(PLANNER.replace(".upper()", ".lower()"))
    assert concertino("eval", "diff", str(before), str(before))[0] == 0
    changed = json.loads(before.read_text())
    changed["cases"][2].update(passed=False, passes=0)
    after.write_text(json.dumps(changed))
    code, out, err = concertino("eval", "diff", str(before), str(after), "--json")
    assert code == 1
    assert json.loads(out)["cases"][2]["change"] == "worse"
    assert "worse  holds" in err
    torn.write_text(before.read_text()[:200])
    code, _, err = concertino("eval", "diff", str(before), str(torn))
    assert code == 2
    assert "c.json:1: " in err
    assert concertino("eval", "diff", str(before), str(tmp_path / "none.json"))[0] == 2


@pytest.fixture
def database(tmp_path: Path, suites: Path) -> str:
    """Return a journal with the task `letter`, that was run to its end."""
    names: dict[str, Any] = {}
    exec(
        PLANNER.replace("asyncio.sleep(2.0)", "asyncio.sleep(0)").replace("asyncio.sleep(1.0)", "asyncio.sleep(0)"),
        names,
    )
    url = f"sqlite:///{tmp_path / 'journal.db'}"
    plan = {"subtasks": [{"id": "write", "specialist": "writer", "objective": "hello"}]}
    with Planner(specialists=[names["writer"], names["editor"]], database=url) as planner:
        planner.run({"task_id": "letter", "title": "A letter", "plan": plan})
    return url


def test_one_run_is_reported(concertino: Command, database: str, tmp_path: Path) -> None:
    """The same report and page for a journalled run; an unknown task is 2."""
    page = tmp_path / "run.html"
    code, out, err = concertino("report", "letter", "--json", "--html", str(page), "--database", database)
    assert code == 0
    made = json.loads(out)["cases"][0]["runs"][0]["run"]
    assert (made["status"], made["title"], made["subtasks"][0]["output"]) == ("success", "A letter", {"said": "hello"})
    assert "success: task letter" in err
    assert "A letter" in page.read_text()
    assert concertino("report", "nobody", "--database", database)[0] == 2


def test_a_journalled_run_is_told_without_secrets(concertino: Command, tmp_path: Path, suites: Path) -> None:
    """On stdout, stderr and the page, whatever its specialists said."""
    names: dict[str, Any] = {}
    exec(compile(PLANNER, "planner.py", "exec"), names)
    url = f"sqlite:///{tmp_path / 'secrets.db'}"
    key = "sk-proj-aB3dE5fG7hI9jK1lM3nO5pQ7rS9t"
    with Planner(specialists=[names["writer"]], database=url) as planner:
        plan = {"subtasks": [{"id": "a", "specialist": "writer", "objective": f"say {key}"}]}
        planner.run({"task_id": "letter", "title": f"A letter by {key}", "plan": plan})
    page = tmp_path / "run.html"
    code, out, err = concertino("report", "letter", "--json", "--html", str(page), "--database", url)
    assert (code, "removed: a secret" in out) == (0, True)
    assert "aB3dE5" not in out + err + page.read_text()


def test_a_run_becomes_a_case(concertino: Command, database: str) -> None:
    """`eval add` makes a case that holds as it stands."""
    code, out, _ = concertino("eval", "add", "letter", "--suite", "letters", "--database", database)
    assert code == 0
    assert json.loads(out)["id"] == "letter"
    assert concertino("eval", "run", "letters", "--case", "letter")[0] == 0
