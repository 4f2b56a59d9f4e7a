"""Whom unknown names mean, and whom they do not."""

from __future__ import annotations

import pytest

from concertino.contracts.specialist import SpecialistCard
from concertino.nodes.planning.mending.names import Asked, Match, Names


def _names(**described: str) -> Names:
    return Names(
        {
            name.replace("__", " "): SpecialistCard(name.replace("__", " "), description=text)
            for name, text in described.items()
        }
    )


OFFICE = _names(
    letter_writer="Writes letters to customers.", ledger="Adds up what was paid, as a general ledger does.",
    Contract__Review="Reads contracts and names their risks, also known as due diligence of contracts.",
    Stock__Taking="Counts what is in the store. Key Performance Indicators are not its work.", archive="Keeps papers.",
)  # fmt: skip


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("LetterWriter", "letter_writer"),
        ("letter-writers", "letter_writer"),
        ("Letter Writing", "letter_writer"),
        ("letter_writer (German)", "letter_writer"),
        ("leter_writer", "letter_writer"),
        ("general ledger", "ledger"),
        ("Contract Reviewer", "Contract Review"),
        ("due diligence", "Contract Review"),
        ("Yearly Stock Taking", "Stock Taking"),
        ("KPI", "Stock Taking"),
        ("paper archive", "archive"),
    ],
)
def test_plain_names_are_found(given: str, meant: str) -> None:
    """Case, form, spelling, a description's own words, initials and narrower names lead to the one who is meant."""
    found = OFFICE.meant(Asked(given))
    assert found is not None
    assert found.name == meant


@pytest.mark.parametrize(
    "given", ["", "tax adviser", "writer of ledgers and archives", "x", "🎻", "the", "a" * 1_000, "()", "VAT"]
)
def test_far_names_are_nobodys(given: str) -> None:
    """What nobody is called or described as is not guessed."""
    assert OFFICE.meant(Asked(given)) is None


def test_a_name_that_fits_two_is_nobodys() -> None:
    """Of two equally near specialists neither is taken."""
    names = _names(legal_eu="Law of the union.", legal_us="Law of the states.")
    assert names.meant(Asked("legal")) is None


def test_the_ending_of_two_names_says_nothing() -> None:
    """`Spoken Question Answering` is not plain `Question Answering` where other kinds of that have their own specialists."""
    names = _names(Question__Answering="Finds answers.", Visual__Question__Answering="Looks.")
    assert names.meant(Asked("Botanic Question Answering")) is None


@pytest.mark.parametrize(
    ("given", "meant"),
    [("Text-to-Speech", "Text-to-Audio"), ("voice to text", "Audio-to-Text"), ("Audio-to-Video", None)],
)
def test_a_direction_is_never_turned_round(given: str, meant: str | None) -> None:
    """What turns one kind into another is taken for nothing that turns them the other way."""
    names = Names(
        {name: SpecialistCard(name) for name in ("Text-to-Audio", "Audio-to-Text", "Video-to-Audio", "Text-to-Video")}
    )
    found = names.meant(Asked(given))
    assert (found.name if found else None) == meant


def test_a_namesake_for_another_kind_is_not_meant() -> None:
    """A speed changer of videos does not change the speed of audio."""
    names = _names(Video__Speed__Changer="Adjusts the playback speed of a given video.")
    assert names.meant(Asked("Audio Speed Changer")) is None


def test_what_goes_in_and_what_is_to_be_done_tell_two_apart() -> None:
    """Where the name alone leaves several, files in the arguments and the objective decide; another step's objective is not heard."""
    names = Names({name: SpecialistCard(name, description=text) for name, text in (
        ("Image-to-Text", "Extracts text from an input image."), ("Video-to-Text", "Transcribes speech from a video."),
        ("Keyword Extractor", "Extracts keywords from a text."), ("URL Extractor", "Extracts URL from a text."),
    )})  # fmt: skip
    name = "Text Extractor"
    assert names.meant(Asked(name)) is None
    assert names.meant(Asked(name, sources=frozenset({"video"}))) == Match(
        "Video-to-Text", "what goes in and what is asked for"
    )
    for objective, meant in (
        ("Use Text Extractor to extract the keywords", "Keyword Extractor"),
        ("Extract the keywords", None),
    ):
        found = names.meant(Asked(name, objective))
        assert (found.name if found else None) == meant
