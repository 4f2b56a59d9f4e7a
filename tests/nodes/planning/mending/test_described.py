"""What descriptions tell of what goes in and what comes out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concertino.contracts.json import JsonObject
from concertino.contracts.specialist import SpecialistCard
from concertino.nodes.planning.mending.described import told
from concertino.nodes.planning.mending.kinds import Kinds, kinds_of
from concertino.nodes.planning.mending.names import Asked, Names


@pytest.mark.parametrize(
    ("description", "takes", "gives"),
    [
        ("Fetches a photo and downloads the picture from a given link.", {"url"}, {"image"}),
        ("Reads aloud: generates speech from text.", {"text"}, {"audio"}),
        ("Cuts a given video file to length.", {"video"}, set()),
        ("Transcribes speech from a video recording into text.", {"video"}, {"text"}),
        ("Speech to text, in many tongues.", {"audio"}, {"text"}),
        ("Tags places in a text.", {"text"}, set()),
        ("Assigns a label to an entire image.", {"image"}, {"text"}),
        ("Answers questions on document images.", {"image"}, set()),
        ("Edits a photo to match a given text.", {"image", "text"}, {"image"}),
        ("Finds pictures.", set(), set()),
        ("Draws up contracts.", set(), set()),
        ("", set(), set()),
    ],
)
def test_only_plain_phrases_are_read(description: str, takes: set[str], gives: set[str]) -> None:
    """What a phrase leaves open stays unknown."""
    found = told(description)
    assert (set(found.takes), set(found.gives)) == (takes, gives)


@given(st.text(max_size=400))
def test_any_description_can_be_read(description: str) -> None:
    """Whatever stands there, what is taken or given is spoken of, but for results that are text."""
    found = told(description)
    assert found.takes | (found.gives - {"text"}) <= found.speaks


def test_what_is_declared_goes_before_what_is_described() -> None:
    """A schema is believed, and a description beside it is not read for kinds."""
    schema: JsonObject = {"type": "object", "properties": {"audio": {}}}
    found = kinds_of(SpecialistCard("x", description="Makes text from a given image.", input_schema=schema))
    assert found == Kinds(frozenset({"audio"}), frozenset())


def _names(**described: str) -> Names:
    named = {name.replace("__", " "): text for name, text in described.items()}
    return Names({name: SpecialistCard(name, description=text) for name, text in named.items()})


def test_who_never_speaks_of_a_kind_is_not_asked_for_it() -> None:
    """Where others are described with images, who shortens texts neither shortens nor reads images."""
    names = _names(
        Shortening="Shortens a given text; extracts what matters.", Colouring="Adds colours to a given image."
    )
    assert names.meant(Asked("Image Shortening")) is None
    assert names.meant(Asked("Text Extraction", sources=frozenset({"image"}))) is None


def test_a_picture_is_an_image_but_audio_is_no_voice() -> None:
    """A word for the same kind makes the same name; one for the whole is none for its part."""
    names = _names(Image__Framing="Frames.", Visual__Reasoning="Thinks.", Voice__Training="Trains.")
    meant = {name: names.meant(Asked(name)) for name in ("Photo Framing", "Image Reasoning", "Audio Training")}
    assert {name: found and found.name for name, found in meant.items()} == {
        "Photo Framing": "Image Framing", "Image Reasoning": "Visual Reasoning", "Audio Training": None,
    }  # fmt: skip


def test_a_direction_is_not_given_to_who_speaks_of_one_end() -> None:
    """What turns images into video is not taken for who speaks of neither or one."""
    names = _names(Interpreter="Puts a text into another language.", Painter="Edits images, as a step may ask.")
    objective = "Use Image-to-Video to edit and put images into a language"
    assert names.meant(Asked("Image-to-Video", objective)) is None


def test_what_a_name_goes_by_is_what_goes_in() -> None:
    """Of two namesakes the one that takes the kind in `(by ...)` is meant."""
    names = _names(
        **{"Image Search": "Searches for images by a given query.", "Image Search (by Image)": "Finds like ones."}
    )
    found = names.meant(Asked("Image Search (by Text)"))
    assert found is not None
    assert found.name == "Image Search"


def test_making_a_kind_is_not_making_another_of_it() -> None:
    """Who is to generate audio is nobody who takes it and gives images."""
    names = _names(**{"Audio-to-Image": "Generates an image of a given audio."})
    assert names.meant(Asked("Audio Generation", sources=frozenset({"audio"}))) is None
