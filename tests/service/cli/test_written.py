"""`concertino plan --from-text` and `--batch`: texts that models wrote, by rule alone."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concertino.contracts.errors import InputError
from concertino.contracts.limits import Limits
from concertino.contracts.specialist import SpecialistCard
from concertino.contracts.task import Task
from concertino.service.cli import written
from concertino.service.cli.written import judge
from tests.service.commands import Told, run_command

STAFF: list[dict[str, Any]] = [
    {"name": "Image Downloader", "description": "Downloads an image.", "inputs": ["url"], "outputs": ["image"]},
    {"name": "Image-to-Text", "description": "Describes an image.", "inputs": ["image"], "outputs": ["text"]},
    {"name": "Translation", "description": "Translates text.", "inputs": ["text"], "outputs": ["text"]},
]
PLAN: dict[str, Any] = {
    "subtasks": [
        {"id": "get", "specialist": "Image Downloader", "objective": "Get it.", "inputs": {"url": "http://x/y.jpg"}},
        {"id": "tell", "specialist": "Image-to-Text", "inputs": {"image": "${get.image}"}, "needs": ["get"]},
    ]
}


@pytest.fixture
def concertino(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that judges a text for the specialists above, in a directory of its own."""
    monkeypatch.chdir(tmp_path)
    Path("staff.json").write_text(json.dumps(STAFF))

    def command(text: str | bytes | None, *options: str) -> Told:
        given = list(options)
        if text is not None:
            Path("text.txt").write_bytes(text.encode() if isinstance(text, str) else text)
            given = ["--from-text", "text.txt", "--specialists", "staff.json", *options]
        return run_command(capsys, ["plan", *given])

    return command


def test_a_good_plan_is_valid_as_it_is(concertino: Any) -> None:
    """Ids stay, every subtask has its five fields, and nothing is noted."""
    told = concertino(json.dumps(PLAN), "--json")
    assert (told.code, told.err) == (0, "")
    assert told.json() == {
        "status": "valid",
        "plan": {
            "subtasks": [
                {
                    "id": "get", "specialist": "Image Downloader", "objective": "Get it.", "needs": [],
                    "inputs": {"url": "http://x/y.jpg"},
                },
                {
                    "id": "tell", "specialist": "Image-to-Text", "objective": "", "needs": ["get"],
                    "inputs": {"image": {"$from": "get", "path": "image"}},
                },
            ]
        },
        "notes": [],
    }  # fmt: skip


def test_a_faulty_plan_is_repaired_with_a_note(concertino: Any) -> None:
    """A misspelt specialist is who it plainly means."""
    rows = [PLAN["subtasks"][0], {"id": "b", "specialist": "Translaton", "needs": ["get"]}]
    told = concertino(f"Sure:\n```json\n{json.dumps({'subtasks': rows})}\n```", "--json")
    found = told.json()
    assert (told.code, found["status"]) == (0, "repaired")
    assert [one["specialist"] for one in found["plan"]["subtasks"]] == ["Image Downloader", "Translation"]
    assert any("Translaton" in note for note in found["notes"])


def test_a_text_without_a_plan_gives_every_specialist_the_whole_task(concertino: Any) -> None:
    """The rule plan is not refused, although names with spaces are no ids; the request is its objective."""
    told = concertino("I am sorry, I cannot help with that.", "Describe the picture", "--json")
    found = told.json()
    assert (told.code, found["status"]) == (0, "fallback")
    assert {one["specialist"] for one in found["plan"]["subtasks"]} == {one["name"] for one in STAFF}
    assert {one["objective"] for one in found["plan"]["subtasks"]} == {"Describe the picture"}


def test_what_nobody_can_do_is_refused_with_its_faults(concertino: Any) -> None:
    """There is no plan then, and the exit code says so."""
    told = concertino(json.dumps({"subtasks": [{"id": "a", "specialist": "Quantum Oracle"}]}), "--json")
    found = told.json()
    assert (told.code, found["status"], found["plan"]) == (4, "refused", None)
    assert any("Quantum Oracle" in note for note in found["notes"])


def test_a_plan_that_was_printed_is_read_again_as_it_was(concertino: Any) -> None:
    """What `--from-text` prints is a ready plan."""
    given = {"subtasks": [{**PLAN["subtasks"][0], "gate": {"question": "Go?"}, "required": False}, PLAN["subtasks"][1]]}
    once = concertino(json.dumps(given), "--json").json()
    again = concertino(json.dumps(once["plan"]), "--json").json()
    assert once["plan"]["subtasks"][0]["gate"] == {"question": "Go?"}
    assert again["plan"] == once["plan"]


def test_criteria_beside_the_plan_are_covered(concertino: Any) -> None:
    """What a model says of its criteria is judged with its plan."""
    rows = [{**PLAN["subtasks"][0], "covers": ["c1"]}, PLAN["subtasks"][1]]
    text = json.dumps({"acceptance_criteria": ["It is there."], "subtasks": rows})
    assert concertino(text, "--json").json()["plan"]["subtasks"][0]["covers"] == ["c1"]


def test_people_see_a_table_and_what_was_mended(concertino: Any) -> None:
    """Without `--json` the words go to stderr."""
    told = concertino(json.dumps(PLAN))
    assert told.json()["status"] == "valid"
    assert "Image-to-Text" in told.err
    assert told.err.splitlines()[-1] == "valid"


def test_a_text_can_be_drawn(concertino: Any) -> None:
    """`--mermaid` draws what came of it."""
    assert concertino(json.dumps(PLAN), "--mermaid").out.splitlines()[0] == "flowchart LR"


def test_a_text_may_come_from_standard_input(concertino: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """`-` reads the text from where it is piped."""
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(json.dumps(PLAN).encode())))
    assert concertino(None, "--from-text", "-", "--specialists", "staff.json", "--json").json()["status"] == "valid"


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_text_may_have_a_byte_order_mark(encoding: str, concertino: Any) -> None:
    """As editors on Windows write it."""
    assert concertino(json.dumps(PLAN).encode(encoding), "--json").json()["status"] == "valid"


def test_bytes_that_are_no_text_hide_no_plan(concertino: Any) -> None:
    """A plan may stand beside them."""
    assert concertino(b"\xff\x00\x80 " + json.dumps(PLAN).encode(), "--json").json()["status"] == "valid"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--from-text", "nowhere.txt", "--specialists", "staff.json"], "--from-text: 'nowhere.txt' refused: no such file"),
        (["--from-text", ".", "--specialists", "staff.json"], "must be a file, is a directory"),
        (["--from-text", "staff.json"], "--specialists: None refused"),
        (["--from-text", "staff.json", "--specialists", "nowhere.json"], "--specialists: 'nowhere.json' refused"),
        (["--from-text", "-", "--specialists", "-"], "standard input is the text already"),
        (["--from-text", "staff.json", "--batch", "."], "--batch: '.' refused: cannot go with --from-text"),
        (["--from-text", "staff.json", "--model", "openai:m"], "--model: 'openai:m' refused: cannot go with"),
        (["--batch", "nowhere", "--specialists", "staff.json"], "--batch: 'nowhere' refused: no such folder"),
        (["--batch", "staff.json", "--specialists", "staff.json"], "must be a folder"),
        (["--batch", "empty", "--specialists", "staff.json"], "has no files"),
        (["--batch", ".", "--mermaid", "--specialists", "staff.json"], "--mermaid: True refused"),
    ],
)  # fmt: skip
def test_bad_input_is_one_clear_error(options: list[str], words: str, concertino: Any) -> None:
    """Field, value and rule; code 2, and nothing on stdout."""
    Path("empty").mkdir()
    told = concertino(None, *options)
    assert (told.code, told.out) == (2, "")
    assert words in told.err


def test_a_folder_gives_one_line_for_each_file_by_name(concertino: Any) -> None:
    """Hidden files and folders are left out; refusals do not fail the whole."""
    folder = Path("texts")
    (folder / "sub").mkdir(parents=True)
    (folder / "b.txt").write_text("nothing here")
    (folder / "a.txt").write_text(json.dumps(PLAN))
    (folder / "c.txt").write_text('{"subtasks": [{"id": "a", "specialist": "Quantum Oracle"}]}')
    (folder / ".hidden").write_text("x")
    told = concertino(None, "--batch", "texts", "--specialists", "staff.json")
    lines = [json.loads(line) for line in told.out.splitlines()]
    assert (told.code, told.err) == (0, "")
    assert [(one["file"], one["status"]) for one in lines] == [
        ("a.txt", "valid"), ("b.txt", "fallback"), ("c.txt", "refused"),
    ]  # fmt: skip
    assert all(set(one) == {"file", "status", "plan", "notes"} for one in lines)


def test_a_file_that_cannot_be_read_fails_the_folder_and_stops_nothing(
    concertino: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its line says why, the others are there, and the code is 2."""
    folder = Path("texts")
    folder.mkdir()
    (folder / "a.txt").write_text("x")
    (folder / "b.txt").write_text(json.dumps(PLAN))

    def reading(place: str, *, field: str, limits: Limits) -> bytes:
        if place.endswith("a.txt"):
            raise InputError(field=field, value=place, rule="cannot be read: it is locked")
        return Path(place).read_bytes()

    monkeypatch.setattr(written, "read_bytes", reading)
    told = concertino(None, "--batch", "texts", "--specialists", "staff.json")
    lines = [json.loads(line) for line in told.out.splitlines()]
    assert told.code == 2
    assert [one["status"] for one in lines] == ["refused", "valid"]
    assert "locked" in lines[0]["notes"][0]


def test_a_text_that_is_too_large_is_refused_as_json_alone_and_in_a_folder(concertino: Any) -> None:
    """Both say the same of it."""
    folder = Path("texts")
    folder.mkdir()
    (folder / "a.txt").write_bytes(b"x" * (Limits().bytes + 1))
    alone = concertino(b"x" * (Limits().bytes + 1), "--json").json()
    line = concertino(None, "--batch", "texts", "--specialists", "staff.json").json()
    assert alone == {"status": "refused", "plan": None, "notes": line["notes"]}
    assert "over 256,000 bytes" in alone["notes"][0]


@pytest.mark.parametrize("behind", [[], [{"id": "say", "specialist": "Writer", "needs": ["fly"]}]])
def test_what_is_not_planned_is_said_first_wherever_it_stood(behind: list[Any]) -> None:
    """At the end and in the middle alike: who is behind it needs what it needed."""
    cards = {name: SpecialistCard(name) for name in ("Writer", "Search")}
    rows = [
        {"id": "a", "specialist": "Search", "needs": ["gone"]},
        {"id": "fly", "specialist": "Rocket", "needs": ["a"]},
        *behind,
    ]
    found = judge(json.dumps({"subtasks": rows}), cards, task=Task(task_id="t"), limits=Limits())
    assert found.status == "repaired"
    assert found.notes[0].startswith("NOT PLANNED: fly")
    listed: Any = (found.plan or {})["subtasks"]
    assert [(one["id"], one["needs"]) for one in listed] == [("a", []), *([("say", ["a"])] if behind else [])]


def test_what_reading_mended_is_no_valid_plan_but_a_repaired_one() -> None:
    """Half a plan is not what was asked for."""
    cards = {"Search": SpecialistCard("Search")}
    text = json.dumps({"subtasks": [{"id": "a", "specialist": "Search"}, {"id": "b", "specialist": "Search"}]})[:-9]
    assert judge(text, cards, task=Task(task_id="t"), limits=Limits()).status == "repaired"


def test_langgraph_is_not_needed(concertino: Any) -> None:
    """Nor is LangChain: a text is judged without the second that importing them takes."""
    concertino(json.dumps(PLAN))
    code = (
        "import sys\nfrom concertino.service.cli.main import run\n"
        "run(['plan', '--from-text', 'text.txt', '--specialists', 'staff.json', '--json'])\n"
        "heavy = {'langgraph', 'langchain', 'langchain_core', 'sqlalchemy', 'rich', 'openai'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@given(st.text(max_size=400) | st.recursive(st.none() | st.integers() | st.text(max_size=8), lambda one: (
    st.lists(one, max_size=4) | st.dictionaries(
        st.sampled_from(["subtasks", "id", "specialist", "needs", "inputs", "links", "task_nodes", "task", "covers", "gate"]),
        one, max_size=5,
    )
), max_leaves=20).map(json.dumps))  # fmt: skip
def test_any_text_ends_in_one_of_four_ways(text: str) -> None:
    """Never in an exception; a plan is there unless it was refused."""
    cards = {name: SpecialistCard(name) for name in ("Image Downloader", "writer")}
    found = judge(text, cards, task=Task(task_id="t"), limits=Limits())
    assert found.status in {"valid", "repaired", "fallback", "refused"}
    assert (found.plan is None) is (found.status == "refused")
    json.dumps(found.as_json(), allow_nan=False)
