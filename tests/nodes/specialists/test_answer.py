"""Reading answers: findings pass, what can be reduced is, nonsense is refused by field, value and rule."""

import enum
import math
import urllib.request
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage
from pydantic import BaseModel

from concertino.contracts.errors import InputError, SetupError
from concertino.contracts.finding import Declined, Evidence, Finding
from concertino.contracts.json import dump
from concertino.contracts.limits import Limits
from concertino.contracts.specialist import SpecialistCard
from concertino.nodes.specialists.answer import AnswerRefused, read_answer
from concertino.nodes.specialists.schema import check_schema

CARD = SpecialistCard(name="financial", domain="money", authority=0.8)
PRICED = SpecialistCard(
    name="financial",
    output_schema={"type": "object", "properties": {"price": {"type": "number"}}, "required": ["price"]},
)
LIMITS = Limits()


def unchecked(model: type[BaseModel], **fields: Any) -> BaseModel:
    """Return an instance that nobody has validated."""
    return model.model_construct(**fields)


def read(raw: object, card: SpecialistCard = CARD, limits: Limits = LIMITS) -> Finding | Declined:
    return read_answer(raw, card=card, limits=limits)


def refusal(raw: object, card: SpecialistCard = CARD, limits: Limits = LIMITS) -> AnswerRefused:
    with pytest.raises(AnswerRefused) as caught:
        read(raw, card, limits)
    return caught.value


def test_finding_keeps_what_it_says_and_is_signed_by_its_card() -> None:
    """Name and authority are the card's whatever the answer claims; the domain only where it says none."""
    given = Finding(
        output={"a": [1, None]},
        confidence=0.5,
        evidence=("x.pdf", Evidence.model_validate({"source": "y", "line": 3, "page": 2})),
        specialist="regulatory",
        authority=1.0,
        question_id="q",
        notes="n",
    )
    finding = read(given)
    assert isinstance(finding, Finding)
    assert finding == given.model_copy(update={"specialist": "financial", "authority": 0.8, "domain": "money"})
    own = read(given.model_copy(update={"domain": "law"}))
    assert isinstance(own, Finding)
    assert own.domain == "law"


def test_finding_shares_nothing_with_what_was_returned() -> None:
    """A specialist that goes on changing its objects does not change the finding."""
    output = {"a": [1]}
    finding = read(Finding(output=output))
    output["a"].append(2)
    assert isinstance(finding, Finding)
    assert finding.output == {"a": [1]}


def test_declined_passes_cleaned() -> None:
    """A refusal to answer stays one; its reason must be text."""
    assert read(Declined(reason="not\x00 mine")) == Declined(reason="not mine")
    assert refusal(unchecked(Declined, reason=3)).field == "answer.reason"
    assert refusal(unchecked(Declined)).field == "answer.reason"


@pytest.mark.parametrize(
    ("raw", "output", "confidence"),
    [
        ({"output": 3, "confidence": 0.5}, 3, 0.5),
        ({"output": 3}, 3, 1.0),
        ({"output": 3, "notes": "n"}, 3, 1.0),
        ({"output": 3, "log": []}, {"output": 3, "log": []}, 1.0),
        ({"price": 3, "confidence": 0.5}, {"price": 3, "confidence": 0.5}, 1.0),
        ("text", "text", 1.0),
        (False, False, 1.0),
        ([], [], 1.0),
        ((1, (2,)), [1, [2]], 1.0),
        (MappingProxyType({"a": 1}), {"a": 1}, 1.0),
    ],
)
def test_mappings_and_json_are_read(raw, output, confidence) -> None:
    """What looks like a finding is one; any other JSON is an output."""
    finding = read(raw)
    assert isinstance(finding, Finding)
    assert (finding.output, finding.confidence) == (output, confidence)


def test_own_output_property_is_no_finding() -> None:
    """Where the output schema has a property `output`, a mapping is the output itself."""
    card = SpecialistCard(name="a", output_schema={"properties": {"output": {"type": "string"}}})
    finding = read({"output": "x", "confidence": 0.1}, card)
    assert isinstance(finding, Finding)
    assert (finding.output, finding.confidence) == ({"output": "x", "confidence": 0.1}, 1.0)


class Colour(enum.Enum):
    RED = "red"


class Size(enum.StrEnum):
    BIG = "big"


class Band(BaseModel):
    low: Decimal
    on: date


@dataclass
class Offer:
    band: Band
    colour: Colour
    made: datetime


class Reply:
    content = "said"


@pytest.mark.parametrize(
    ("raw", "output"),
    [
        (AIMessage("hello"), "hello"),
        (AIMessage([{"type": "text", "text": "a"}, {"type": "image", "url": "u"}, "b"]), "ab"),
        (Reply(), "said"),
        (Band(low=Decimal("1.5"), on=date(2026, 1, 2)), {"low": "1.5", "on": "2026-01-02"}),
        (
            Offer(Band(low=Decimal(1), on=date(2026, 1, 2)), Colour.RED, datetime(2026, 1, 2, tzinfo=UTC)),
            {"band": {"low": "1", "on": "2026-01-02"}, "colour": "red", "made": "2026-01-02T00:00:00+00:00"},
        ),
        ({"messages": [AIMessage("x")], "size": Size.BIG}, {"messages": ["x"], "size": "big"}),
        ({"id": uuid.UUID(int=1), "set": {1}}, {"id": "00000000-0000-0000-0000-000000000001", "set": [1]}),
    ],
)
def test_objects_are_reduced_to_json(raw, output) -> None:
    """Messages become their text; models, dataclasses, enum members and dates their JSON, at any depth."""
    finding = read(raw)
    assert isinstance(finding, Finding)
    assert finding.output == output
    assert type(finding.output) in {str, dict}


def test_strings_are_cleaned() -> None:
    """NUL and lone surrogates vanish from every string, keys too."""
    finding = read(unchecked(Finding, output={"a\x00": ["b\ud800c", "ü"]}, notes="n\x00"))
    assert isinstance(finding, Finding)
    assert (finding.output, finding.notes) == ({"a": ["bc", "ü"]}, "n")


def looped() -> dict[str, object]:
    ring: dict[str, object] = {}
    ring["self"] = [ring]
    return ring


def deep(levels: int) -> object:
    value: object = 1
    for _ in range(levels):
        value = [value]
    return value


def bomb() -> object:
    value: object = "x"
    for _ in range(32):
        value = [value, value]
    return value


class BrokenMapping(Mapping[str, object]):
    def __getitem__(self, key: str) -> object:
        raise ZeroDivisionError("boom")

    def __iter__(self) -> Iterator[str]:
        return iter("a")

    def __len__(self) -> int:
        return 1


class Explosive:
    @property
    def content(self) -> str:
        raise ZeroDivisionError("boom")


@pytest.mark.parametrize(
    ("raw", "field", "rule"),
    [
        (None, "answer", "returned nothing"),
        (unchecked(Finding, output=1, confidence=7), "answer.confidence", "less than or equal to 1"),
        (unchecked(Finding, output=1, confidence=math.nan), "answer.confidence", "finite"),
        (unchecked(Finding, output=1, confidence="high"), "answer.confidence", "valid number"),
        (unchecked(Finding, confidence=1), "answer.output", "required"),
        (unchecked(Finding, output=1, evidence=5), "answer.evidence", "tuple"),
        (unchecked(Finding, output=object()), "answer.output", "must be JSON"),
        ({"output": 1, "confidence": 2}, "answer.confidence", "less than or equal to 1"),
        ({"output": 1, "confidence": 1, "evidences": []}, "answer.evidences", "unknown field"),
        ({"a": [0, math.inf]}, "answer.output.a[1]", "finite"),
        ({"a": 2**63}, "answer.output.a", "64 bits"),
        ({1: 2}, "answer.output", "keys must be text"),
        (looped(), "answer.output" + ".self[0]" * 16, "too deep or recursive"),
        (deep(33), "answer.output" + "[0]" * 32, "too deep or recursive"),
        ("x" * 10_000_000, "answer.output", "at most 4000000 bytes"),
        ("\x00" * 10_000_000, "answer.output", "at most 4000000 bytes"),
        (["ü" * 1_000_000] * 3, "answer", "at most 4000000 bytes"),
        (bomb(), None, "at most 4000000 bytes"),
        (b"bytes", "answer.output", "must be JSON"),
        (ValueError("returned, not raised"), "answer.output", "must be JSON"),
        (Band, "answer.output", "must be JSON"),
        (BrokenMapping(), "answer.output", "boom"),
        (Explosive(), "answer.output", "boom"),
    ],
)
def test_nonsense_is_refused(raw, field, rule) -> None:
    """Whatever is no finding is refused with the place, the value in short and the rule."""
    refused = refusal(raw)
    assert isinstance(refused, InputError)
    if field is not None:
        assert refused.field == field
    assert rule in refused.rule
    assert len(str(refused)) < 800


def test_nesting_up_to_the_limit_passes() -> None:
    """The limit counts the output's own nesting."""
    assert isinstance(read(deep(32)), Finding)


def test_output_is_held_to_its_schema() -> None:
    """The most telling breach is named by its place in the output."""
    assert isinstance(read({"price": 1}, PRICED), Finding)
    refused = refusal({"price": "dear"}, PRICED)
    assert (refused.field, refused.value) == ("answer.output.price", "'dear'")
    assert refusal({}, PRICED).rule == "'price' is a required property"
    assert len(refusal("x" * 100_000, PRICED).rule) < 300


def test_schema_reference_is_never_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reference to the network is a refusal, not a request."""
    fetched: list[object] = []
    monkeypatch.setattr(urllib.request, "urlopen", fetched.append)
    card = SpecialistCard(name="a", output_schema={"$ref": "http://example.invalid/schema.json"})
    assert "refers to what is not there" in refusal(1, card).rule
    assert fetched == []


def test_faulty_schema_is_refused_at_set_up() -> None:
    """What is no JSON Schema is named by its place; a sound one passes."""
    with pytest.raises(SetupError) as caught:
        check_schema({"properties": {"a": {"type": "text"}}}, field="output_schema")
    assert caught.value.field == "output_schema.properties.a.type"
    check_schema({"type": "object"}, field="output_schema")


def test_keys_that_no_store_can_tell_apart_are_refused() -> None:
    """Neither value is lost in silence."""
    assert refusal({"got": {"a": 1, "a\0": 2}}).rule == "duplicate key"


text = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]))
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
    max_leaves=20,
)


@given(json_values)
def test_json_output_passes_unchanged(value) -> None:
    """Any JSON output within the limits, free of NUL, arrives as it was."""
    finding = read(Finding(output=value))
    assert isinstance(finding, Finding)
    assert dump(finding.output) == dump(value)


@given(json_values, st.integers(1_000, 3_000))
def test_size_limit_neither_refuses_what_fits_nor_passes_what_does_not(value, size) -> None:
    """What fits as a whole passes; an output that is longer than the limit is refused."""
    padded = {"v": value, "pad": "p" * 900}
    clean = read(Finding(output=padded))
    assert isinstance(clean, Finding)
    length = len(dump({"output": clean.output, "confidence": 1.0, "evidence": [], "question_id": None}).encode())
    fits = length + 40 < size
    tight = Limits(output_bytes=size)
    if fits:
        assert isinstance(read(Finding(output=padded), limits=tight), Finding)
    if len(dump(clean.output).encode()) > size:
        refusal(Finding(output=padded), limits=tight)
