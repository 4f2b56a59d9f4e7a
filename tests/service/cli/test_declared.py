"""Who is there, from a JSON file: names, schemas, lists of names and kinds, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from concertino.contracts.errors import InputError
from concertino.contracts.specialist import SpecialistCard
from concertino.nodes.planning import schemas
from concertino.service.cli.declared import LIMITS, MOST, is_reference, read_cards

SCHEMA: dict[str, Any] = {"type": "object", "properties": {"q": {"type": "string"}}, "required": ["q"]}


def read(folder: Path, given: object) -> dict[str, SpecialistCard]:
    """Read what is written to a file."""
    file = folder / "specialists.json"
    file.write_text(given if isinstance(given, str) else json.dumps(given))
    return read_cards(str(file))


def test_a_schema_is_held_to_the_letter(tmp_path: Path) -> None:
    """What a schema requires is required, and what it does not declare has no use."""
    card = read(tmp_path, [{"name": "search", "description": "Finds.", "inputs": SCHEMA, "outputs": SCHEMA}])["search"]
    assert (card.description, card.input_schema, card.output_schema) == ("Finds.", SCHEMA, SCHEMA)


@pytest.mark.parametrize(
    "declared",
    [
        ["image", "text"],
        [{"name": "image", "type": "file", "desc": "a picture"}, {"name": "text"}],
        [{"type": "image"}, {"type": "text"}],
        {"image": "file", "text": "string"},
        {"image": {"description": "a picture"}, "text": {}},
    ],
)
def test_a_list_says_what_there_is_and_requires_nothing(declared: object, tmp_path: Path) -> None:
    """Names, named entries, kinds and names with types all come to the same: properties, beside which others pass."""
    card = read(tmp_path, [{"name": "a", "inputs": declared}])["a"]
    assert card.input_schema is not None
    assert schemas.property_names(card.input_schema) == ("image", "text")
    assert schemas.required(card.input_schema) == ()
    assert schemas.accepts_property(card.input_schema, "arguments")


def test_an_entry_may_be_required(tmp_path: Path) -> None:
    """`required` in an entry is the one way for a list to require something."""
    card = read(tmp_path, [{"name": "a", "inputs": [{"name": "x", "required": True}, "y"]}])["a"]
    assert card.input_schema is not None
    assert schemas.required(card.input_schema) == ("x",)


def test_tools_of_taskbench_are_specialists(tmp_path: Path) -> None:
    """Its own keys, names with spaces, and the file's wrapper are understood."""
    tool = {"id": "Image Downloader", "desc": "Downloads.", "input-type": ["url"], "output-type": ["image"]}
    cards = read(tmp_path, {"source": "x", "tools": [tool]})
    card = cards["Image Downloader"]
    assert card.description == "Downloads."
    assert card.input_schema is not None
    assert card.output_schema is not None
    assert schemas.property_names(card.input_schema) == ("url",)
    assert schemas.property_names(card.output_schema) == ("image",)


def test_a_bare_name_is_enough(tmp_path: Path) -> None:
    """A text stands for an entry with that name; what nobody declares is unknown, not empty."""
    card = read(tmp_path, ["reader"])["reader"]
    assert (card.input_schema, card.output_schema) == (None, None)


@pytest.mark.parametrize(
    ("given", "field", "words"),
    [
        ("{", "--specialists", "JSON"),
        ({"a": 1}, "--specialists", "must be a list"),
        ([], "--specialists", "at least one"),
        ([7], "--specialists[0]", "must be {"),
        (["a", {"name": ""}], "--specialists[1].name", "printable"),
        (["a", {"name": "a"}], "--specialists[1].name", "taken already"),
        ([{"name": "a\x1b[2J"}], "--specialists[0].name", "printable"),
        ([{"name": "a", "description": 3}], "--specialists[0].description", "text"),
        ([{"name": "a", "inputs": 3}], "--specialists[0].inputs", "JSON Schema"),
        ([{"name": "a", "inputs": [3]}], "--specialists[0].inputs[0]", "name"),
        ([{"name": "a", "inputs": {"type": "object", "properties": 3}}], "--specialists[0].inputs", "not of type"),
        ([{"name": "a", "capabilities": "x"}], "--specialists[0].capabilities", "list"),
        ([f"s{n}" for n in range(MOST + 1)], "--specialists", f"at most {MOST}"),
        ("[" + " " * LIMITS.bytes + "]", "--specialists", "bytes"),
    ],
    ids=range(14),
)
def test_what_is_no_specialist_is_refused_with_its_place(given: object, field: str, words: str, tmp_path: Path) -> None:
    """Field, value and rule of the first thing that is wrong."""
    with pytest.raises(InputError) as caught:
        read(tmp_path, given)
    assert caught.value.field == field
    assert words in caught.value.rule


def test_a_reference_is_told_from_a_file() -> None:
    """Only what Python could import is taken for a reference."""
    assert [is_reference(one) for one in ("pkg.mod:staff", "m:s", "tools.json", "a b:c", "dir/f.json", ":x", "x:")] == [
        True, True, False, False, False, False, False,
    ]  # fmt: skip
