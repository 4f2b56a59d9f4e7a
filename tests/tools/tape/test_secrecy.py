"""Secrets: whichever way one comes, it is on no tape, in no error and in no file that was begun."""

from __future__ import annotations

import base64
import random
import string
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from concertino.contracts.errors import SecretFound
from concertino.contracts.json import JsonObject
from concertino.tools.tape.files import Tape, write_tape
from concertino.tools.tape.secrecy import cleaned, leaks_in, redacted
from tests.tools.tape.tapes import line, tape

LETTERS = string.ascii_letters + string.digits
HEX, BASE32 = "0123456789abcdef", string.ascii_uppercase + "234567"


def token(seed: int, size: int, letters: str = LETTERS) -> str:
    chance = random.Random(seed)
    return "".join(chance.choices(letters, k=size))


def secrets(seed: int) -> list[str]:
    """Return one of each form, other ones for every seed."""
    return [
        f"sk-{token(seed, 40)}",
        f"sk-proj-{token(seed, 60)}",
        f"sk-ant-api03-{token(seed, 50)}",
        f"ghp_{token(seed, 36)}",
        f"AKIA{token(seed, 16, string.ascii_uppercase + string.digits)}",
        f"AIza{token(seed, 35)}",
        f"xoxb-{token(seed, 12, string.digits)}-{token(seed, 24)}",
        f"eyJhbGciOi.{token(seed, 30)}.{token(seed, 30)}",
        f"Bearer {token(seed, 30)}",
        f"password: {token(seed, 10)}",
        f"postgres://user:{token(seed, 12)}@db.example/x",
        token(seed, 40),
        token(seed, 32, "0123456789abcdef"),
        base64.b64encode(random.Random(seed).randbytes(32)).decode(),
        f"-----BEGIN RSA PRIVATE KEY-----\n{token(seed, 60)}\n-----END RSA PRIVATE KEY-----",
        f"hf_{token(seed, 34)}",
        f"glpat-{token(seed, 20)}",
        f"SK{token(seed, 32, HEX)}",
        f"key-{token(seed, 32, HEX)}",
        f"PMAK-{token(seed, 24, HEX)}-{token(seed, 34, HEX)}",
        f"api key {uuid.UUID(int=random.Random(seed).getrandbits(128))}",
        f"JB2W{token(seed, 12, BASE32)}",
        f"JB2W{token(seed, 28, BASE32)}",
        f"https://example.com/?token={token(seed, 12, string.ascii_lowercase)}",
        f"Kennwort: Sommer{seed}!x",
        f"the password is correct-horse-{seed}battery",
    ]


Put = Callable[[str], Tape]


def asked(secret: str, **more: Any) -> Tape:
    return tape([line(request={"messages": [{"role": "human", "content": "hi"}], **more})])


def split(secret: str) -> tuple[tuple[float, object], ...]:
    size = max(1, len(secret) // 5)
    return tuple((at / 10, secret[at : at + size]) for at in range(0, len(secret), size))


CHANNELS: dict[str, Put] = {
    "a system prompt": lambda one: asked(one, messages=[{"role": "system", "content": f"Use {one} well."}]),
    "a question": lambda one: tape([line(said=f"My key is {one}, is it good?")]),
    "a content block": lambda one: asked(one, messages=[{"role": "human", "content": [{"type": "text", "text": one}]}]),
    "a tool's description": lambda one: asked(one, tools=[{"name": "t", "description": f"Log in by {one}."}]),
    "a default in a schema": lambda one: asked(one, tools=[{"name": "t", "parameters": {"a": {"default": one}}}]),
    "a setting": lambda one: asked(one, settings={"extra_headers": {"x": one}}),
    "arguments that the model made": lambda one: tape([line(response={"content": "", "tool_calls": [{"name": "t", "args": {"a": one}, "id": "1"}]})]),
    "an answer": lambda one: tape([line(answer=f"It is {one}.")]),
    "an answer's metadata": lambda one: tape([line(response={"content": "", "meta": {"request": one}})]),
    "pieces of a stream": lambda one: tape([line(chunks=split(one))]),
    "pieces of a call": lambda one: tape([line(chunks=tuple((at, {"calls": [{"name": "t", "args": text}]}) for at, text in split(one)))]),
    "an error": lambda one: tape([line(error={"kind": "broken", "type": "E", "message": f"401 for {one}"})]),
    "what a tool was given": lambda one: tape([line(kind="tool", name="t", request={"arguments": {"q": one}}, response={"value": 1})]),
    "what a tool gave back": lambda one: tape([line(kind="tool", name="t", request={}, response={"value": {"rows": [[one]]}})]),
    "a key of an object": lambda one: tape([line(kind="tool", name="t", request={}, response={"value": {one: 1}})]),
    "a finding": lambda one: tape([line(kind="transport", name="w", request={"subtask": "a"}, response={"finding": {"output": one, "confidence": 1.0}})]),
    "a usage": lambda one: tape([line(usage={"input_tokens": 1, "note": one})]),
    "a model's name": lambda one: tape([line(name=f"openai:{one}")]),
    "a scope": lambda one: tape([line(scope=f"w/{one}#1")]),
    "the head": lambda one: tape([], models={"m": {"endpoint": one}}),
}  # fmt: skip

SEEDED = [
    (channel, number, secret)
    for number, channel in enumerate(CHANNELS)
    for secret in random.Random(number).sample(secrets(number), 3)
]
"""Sixty, three of different forms for each channel."""


@pytest.mark.parametrize(("channel", "number", "secret"), SEEDED, ids=range(len(SEEDED)))
def test_no_secret_reaches_the_disk(tmp_path: Path, channel: str, number: int, secret: str) -> None:
    """The tape is refused before a file is begun, the old one stays, and the error does not say what it found."""
    path = tmp_path / "c.jsonl"
    write_tape(path, tape([line(answer="old")]))
    before = path.read_bytes()
    with pytest.raises(SecretFound) as caught:
        write_tape(path, CHANNELS[channel](secret))
    assert [entry.name for entry in tmp_path.iterdir()] == ["c.jsonl"]
    assert path.read_bytes() == before
    parts = {secret, *(part for part in secret.replace("\n", " ").split() if len(part) > 9 and "PRIVATE" not in part)}
    said = f"{caught.value}{dict(caught.value.fields())}"
    assert not any(part in said for part in parts if part not in ("password:", "Bearer"))


@pytest.mark.parametrize("seed", range(20))
def test_a_report_is_told_without_secrets(seed: int) -> None:
    """Wherever they stand in it, keys included."""
    for secret in secrets(seed):
        told: JsonObject = {"a": [f"before {secret} after", {"b": secret}], f"k {secret}": 1}
        clean = str(redacted(told))
        rest = secret.split()[-1] if secret.startswith(("Bearer", "password", "Kennwort", "the ", "api ")) else secret
        assert rest not in clean
        assert "removed" in clean


def test_this_process_own_secrets_are_known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Also those that have no form at all."""
    monkeypatch.setenv("SERVICE_TOKEN", "tr0ub4dor&3 horse")
    with pytest.raises(SecretFound, match="environment"):
        write_tape(tmp_path / "c.jsonl", tape([line(answer="say tr0ub4dor&3 horse to enter")]))
    assert not list(tmp_path.iterdir())


def test_a_telling_name_makes_a_value_a_secret(tmp_path: Path) -> None:
    """However plain the value is."""
    with pytest.raises(SecretFound, match="named secret"):
        write_tape(
            tmp_path / "c.jsonl",
            tape([line(kind="tool", name="t", request={}, response={"value": {"api_key": "hunter2"}})]),
        )


PLAIN = (
    "The token budget is 5,000; a secret agent keeps the password policy.",
    "concertino.packs.diligence.planner:diligence_planner",
    "https://example.com/reports/2024/annual-report-2024-final.pdf?page=12",
    "financial_agent::sound-papers-lead-to-proceed::1#1",
    "run-3f9c0a1b2c3d4e5f6a7b answered dispatch-0a1b2c3d4e5f6a7b8c9d",
    "<data a1b2c3d4e5f6 from the request>",
    "7c9e6679-7425-40de-944b-e07fc1f90ae7",
    "customer_satisfaction_score_2024_q3_report_final",
    "1234-5678-9012-3456-7890-1234",
    "gpt-5-mini-2025-08-07",
    "the password is required, and the token is invalid",
    "candidate-screening-sag::screening-lets-pass::1/salary_band_lookup",
    "max_token=120000000000",
    "INTERNATIONALIZATION AND ACCOUNTRECEIVABL",
)


@pytest.mark.parametrize("text", PLAIN)
def test_what_is_no_secret_is_left_alone(text: str) -> None:
    """Names, addresses, ids and sentences about secrets."""
    assert leaks_in(text) == []
    assert cleaned(text) == text


def test_what_looks_like_a_secret_can_be_allowed(tmp_path: Path) -> None:
    """By its own text."""
    known = token(1, 40)
    with pytest.raises(SecretFound):
        write_tape(tmp_path / "c.jsonl", tape([line(answer=known)]))
    write_tape(tmp_path / "c.jsonl", tape([line(answer=known)]), allowed=(known,))


def test_ids_of_ours_are_left_alone_whatever_they_are_called() -> None:
    """A key that names a call opens nothing."""
    told: JsonObject = {"key": "plan-f0824b88f4b1ce1cec61#1", "token": 12}
    assert redacted(told) == told


def test_random_strings_are_found() -> None:
    """Of a thousand keys without any form no more than one in twenty-five is missed."""
    missed = sum(not leaks_in(token(seed, 24 + seed % 25)) for seed in range(1_000))
    assert missed <= 40
