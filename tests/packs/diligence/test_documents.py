"""Folders of documents: what is read, what is refused, and that nothing outside can be reached."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concertino.contracts.errors import InputError
from concertino.packs.diligence.documents import Document, DocumentLimits, open_library
from concertino.packs.diligence.documents.folder import RawFile
from concertino.packs.diligence.documents.formats import read_document
from concertino.packs.diligence.documents.library import library_of
from tests.packs.diligence.papers import document
from tests.packs.diligence.pdfs import pdf


def reasons(folder: Path, limits: DocumentLimits | None = None) -> dict[str, str]:
    return {one.name: one.reason for one in open_library(str(folder), limits).unreadable}


def test_every_kind_is_read(folder: Path) -> None:
    """Text, Markdown, CSV and PDF are there, each with its lines or pages."""
    library = open_library(str(folder))
    found = {one.name: (one.kind, one.unit, one.last) for one in library.documents}
    assert found["survey.pdf"] == ("pdf", "page", 2)
    assert found["financials.csv"][:2] == ("csv", "line")
    assert found["contracts/framework-agreement.md"][:2] == ("text", "line")
    assert library.unreadable == ()


def test_links_and_pipes_are_not_followed(folder: Path, tmp_path: Path) -> None:
    """What a link leads to is outside of what the user gave; a pipe would be waited for forever."""
    (tmp_path / "secret.txt").write_text("the secret")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "secret.md").write_text("the secret")
    (folder / "link.txt").symlink_to(tmp_path / "secret.txt")
    (folder / "away").symlink_to(tmp_path / "other")
    os.mkfifo(folder / "pipe.txt")
    told = reasons(folder)
    assert "symbolic link" in told["link.txt"]
    assert "symbolic link" in told["away"]
    assert told["pipe.txt"] == "not a plain file"
    library = open_library(str(folder))
    assert "secret" not in library.search("the secret").text


@pytest.mark.parametrize(
    "name",
    [
        "../secret.txt",
        "/etc/passwd",
        "contracts/../../secret.txt",
        "file:///etc/passwd",
        "~/.ssh/id_rsa",
        "",
        ".",
        "a\0b",
    ],
)
def test_a_path_that_leads_out_is_no_document(folder: Path, tmp_path: Path, name: str) -> None:
    """A name is looked up among those found; nothing is opened for it, so nothing can be reached."""
    (tmp_path / "secret.txt").write_text("the secret")
    shown = open_library(str(folder)).read(name)
    assert (shown.is_document, "no such document" in shown.text) == (False, True)


@pytest.mark.parametrize(
    ("limits", "rule"),
    [
        ({"files": 2}, "at most 2 documents"),
        ({"total_bytes": 50}, "at most 50 bytes"),
        ({"entries": 1}, "at most 1 files"),
    ],
)
def test_a_folder_over_its_limits_is_refused(folder: Path, limits: dict[str, int], rule: str) -> None:
    """A folder that is too large is refused as a whole, with field, value and rule."""
    with pytest.raises(InputError) as caught:
        open_library(str(folder), DocumentLimits(**limits))
    assert caught.value.field == "payload.documents"
    assert rule in caught.value.rule


@pytest.mark.parametrize("path", ["", "  ", "/no/such/folder", "a\0b"])
def test_what_is_no_folder_is_refused(path: str) -> None:
    """The caller hears what is wrong before anything runs."""
    with pytest.raises(InputError, match="folder"):
        open_library(path)


def test_a_file_or_an_empty_folder_is_refused(tmp_path: Path) -> None:
    """Without one document there is nothing to examine."""
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no document"):
        open_library(str(tmp_path / "empty"))
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(InputError, match="folder"):
        open_library(str(tmp_path / "a.txt"))


def test_what_cannot_be_read_is_listed_and_not_fatal(folder: Path) -> None:
    """Too large, too deep, of another kind, binary, empty PDF: each is named with its reason."""
    (folder / "big.txt").write_text("x" * 3_000)
    (folder / "picture.png").write_bytes(b"\x89PNG")
    (folder / "binary.txt").write_bytes(b"a\0b")
    (folder / "broken.pdf").write_bytes(b"%PDF-1.4 nothing more")
    (folder / "scan.pdf").write_bytes(pdf(" "))
    deep = folder / "1" / "2"
    deep.mkdir(parents=True)
    (deep / "far.txt").write_text("far")
    told = reasons(folder, DocumentLimits(file_bytes=2_500, depth=1))
    assert "at most 2500" in told["big.txt"]
    assert "not a kind" in told["picture.png"]
    assert told["binary.txt"] == "not text, whatever its name says"
    assert told["broken.pdf"].startswith("faulty PDF")
    assert told["scan.pdf"].startswith("no text in it")
    assert "1 folders deep" in told["1/2"]


def test_an_encrypted_pdf_is_listed(folder: Path) -> None:
    """A PDF that asks for a password is not readable; the rest of the folder is."""
    from pypdf import PdfReader, PdfWriter

    writer = PdfWriter(clone_from=PdfReader(io.BytesIO(pdf("secret"))))
    writer.encrypt("password", algorithm="RC4-128")
    writer.write(folder / "locked.pdf")
    assert reasons(folder)["locked.pdf"] == "encrypted; a password is needed"


def test_a_pdf_that_takes_too_long_is_given_up(folder: Path) -> None:
    """The process that reads it is killed; the document is listed with the reason."""
    told = reasons(folder, DocumentLimits(pdf_seconds=0.001))
    assert "longer than" in told["survey.pdf"]


def test_only_the_first_pages_of_a_long_pdf_are_read(folder: Path) -> None:
    """The rest is left out with a note."""
    (folder / "long.pdf").write_bytes(pdf(*(f"Page number {n}" for n in range(1, 6))))
    (long,) = [
        one for one in open_library(str(folder), DocumentLimits(pdf_pages=3)).documents if one.name == "long.pdf"
    ]
    assert (long.last, long.notes) == (3, ("only the first 3 of 5 pages were read",))


@pytest.mark.parametrize(
    ("data", "text", "note"),
    [
        ("Größe".encode("utf-8-sig"), "Größe", ()),
        ("Größe".encode("utf-16"), "Größe", ("read as utf-16",)),
        ("Größe".encode("cp1252"), "Größe", ("read as cp1252",)),
    ],
)
def test_other_encodings_are_read(data: bytes, text: str, note: tuple[str, ...]) -> None:
    """A mark at the start decides, else UTF-8, else Windows' Latin with a note."""
    read = document(data)
    assert (read.parts[0].text, read.notes) == (text, note)


def test_csv_rows_say_their_columns_and_keep_their_lines() -> None:
    """A row that spans lines stands at its first; what is cited is a line of the file."""
    read = document('year;note\n2023;fine\n2024;"two\nlines"\n2025;end\n', "a.csv", "csv")
    assert [(part.at, part.text) for part in read.parts] == [
        (1, "year | note"),
        (2, "year: 2023 | note: fine"),
        (3, "year: 2024 | note: two lines"),
        (5, "year: 2025 | note: end"),
    ]


def test_broken_csv_is_read_as_lines() -> None:
    """A quote that never closes must not cost the document."""
    read = document('a,b\n1,"2\n3,4\n', "a.csv", "csv")
    assert (len(read.parts), read.notes) == (3, ("not well-formed CSV, so it is read as plain lines",))


def test_lines_are_those_of_an_editor() -> None:
    """Only line breaks count lines; a form feed or U+2028 does not."""
    read = document("one\r\ntwo\x0c\u2028still two\rthree\n")
    assert [part.at for part in read.parts] == [1, 2, 3]


def test_a_read_is_cut_where_it_is_too_long() -> None:
    """The rest can be asked for by its line."""
    library = library_of([document("\n".join(f"line {n}" for n in range(1, 501)))], (), DocumentLimits(read_parts=10))
    shown = library.read("a.txt", 5, None)
    assert shown.text.splitlines()[0] == "5: line 5"
    assert shown.text.endswith("(cut here; go on from line 15 of 500)")


def test_search_ranks_rare_words_first_and_says_where() -> None:
    """The place with the rare word comes before those with common ones."""
    common = document("\n".join("the contract with a customer" for _ in range(40)), "b.txt")
    rare = document("intro\n" * 5 + "change of control clause in the contract", "a.txt")
    shown = library_of([common, rare]).search("contract change of control")
    assert shown.text.startswith("a.txt:6\n")
    assert "change of control clause" in shown.text


def test_a_search_without_words_or_hits_says_so() -> None:
    """The model is told, not failed."""
    library = library_of([document("x")])
    assert library.search("?!").text == "A search needs words."
    assert library.search("absent").text == "Nothing found."


@given(st.binary(max_size=400), st.sampled_from([("a.txt", "text"), ("a.csv", "csv"), ("a.tsv", "csv")]))
def test_any_bytes_are_read_or_listed(data: bytes, kind: tuple[str, str]) -> None:
    """Whatever stands in a file, it becomes a document with rising lines or is named as unreadable."""
    read = read_document(RawFile(*kind, data), DocumentLimits())
    if isinstance(read, Document):
        ats = [part.at for part in read.parts]
        assert ats == sorted(set(ats))
        library_of([read]).search("a b c")
        library_of([read]).read(read.name)
