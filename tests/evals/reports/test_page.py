"""The page as text: nothing from outside can be anything but data in it."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from html.parser import HTMLParser
from typing import Any, NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from concertino.contracts.json import JsonObject
from concertino.evals.reports import page, report, run_report
from concertino.evals.reports.measures import Ticks
from concertino.evals.reports.packing import packed
from tests.evals.told import call, events, outcome, result

EVIL = "</script><script>document.title='owned'</script><!--<img src=x onerror=alert(1)>&amp;\u2028]]>"


class Suite(NamedTuple):
    name: str = "offers"
    target: str = "demo:planner"


class Blocks(HTMLParser):
    """The scripts and styles of a page, as a browser cuts them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None], str]] = []
        self.attributes: list[tuple[str, str]] = []
        self.policy = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name) for name, _ in attrs]
        self.found.append((tag, dict(attrs), ""))
        if dict(attrs).get("http-equiv") == "Content-Security-Policy":
            self.policy = str(dict(attrs)["content"])

    def handle_endtag(self, tag: str) -> None:
        self.found.append(("", {}, ""))

    def handle_data(self, data: str) -> None:
        if self.found:
            tag, attributes, text = self.found[-1]
            self.found[-1] = (tag, attributes, text + data)


def data_of(text: str, name: str) -> Any:
    """Return what stands in one of a page's data blocks."""
    return json.loads(next(data for _, attributes, data in Blocks(text).found if attributes.get("id") == name))


def test_whatever_a_text_holds_the_page_has_one_script() -> None:
    """Prompts, answers, ids of a suite and objectives that look like markup stay inside their data blocks, word by word."""
    hostile = result(answer=EVIL)
    hostile["subtasks"][1]["outputs"] = EVIL
    lines: list[JsonObject] = [call("work/law#1", EVIL, EVIL)]
    made = page(report(Suite(name=EVIL), [outcome({"status": "success"}, result=hostile, calls=lines)]))
    scripts = [attributes for tag, attributes, _ in Blocks(made).found if tag == "script"]
    assert [one for one in scripts if one.get("type") != "application/json"] == [{}]
    assert not [tag for tag, _, _ in Blocks(made).found if tag in ("img", "link", "iframe", "object", "base", "form")]
    assert data_of(made, "head")["suite"]["name"] == EVIL
    assert data_of(made, "run-0-0")["run"]["head"]["answer"] == EVIL


@given(st.text(), st.text())
def test_any_text_comes_back_as_it_was(one: str, other: str) -> None:
    """No text breaks a data block or reads the frame's places; a lone surrogate becomes a question mark."""
    made = page(report(Suite(name=one), [outcome({"status": "success"}, result=result(answer={"{{script}}": other}))]))
    assert data_of(made, "head")["suite"]["name"] == one.encode("utf-8", "replace").decode()
    told = data_of(made, "run-0-0")["run"]["head"]["answer"]["{{script}}"]
    assert told == other.encode("utf-8", "replace").decode()


def test_the_policy_names_script_and_style_and_forbids_all_else() -> None:
    """The hashes are those of the only script and style; nothing may be fetched, and no text may become markup."""
    blocks = Blocks(page(run_report(result(), events())))
    for tag in ("script", "style"):
        (text,) = (data for kind, attributes, data in blocks.found if kind == tag and "type" not in attributes)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in blocks.policy
    assert blocks.policy.startswith("default-src 'none';")
    assert "require-trusted-types-for 'script'" in blocks.policy
    assert "unsafe" not in blocks.policy
    assert not [
        name for _, name in blocks.attributes if name in ("src", "href", "srcset", "style") or name.startswith("on")
    ]


def test_the_page_knows_no_address() -> None:
    """But for the name of a drawing's vocabulary nothing in script, style or frame could be asked for."""
    made = re.sub(
        r'<script type="application/json".*?</script>', "", page(run_report(result(), events())), flags=re.DOTALL
    )
    assert set(re.findall(r"https?://[^\"'\s)]+", made)) <= {"http://www.w3.org/2000/svg"}
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function|import\(|fetch\(|XMLHttpRequest",
        made,
    )


def test_the_same_report_makes_the_same_page() -> None:
    """Byte for byte."""
    assert page(run_report(result(), events())) == page(run_report(result(), events()))


def test_a_thousand_subtasks_stay_small() -> None:
    """With a prompt and an answer each the page is at most 60 kB compressed."""
    count = 1_000
    model = result()
    template = model["subtasks"][1]
    words = [hashlib.blake2b(str(n).encode(), digest_size=3).hexdigest() for n in range(count)]
    number = [int(word, 16) for word in words]
    model["subtasks"] = [
        template | {
            "subtask_id": f"t{n}", "name": f"t{n}", "needs": [f"t{number[n] % n}"] if n else [], "attempts": 1,
            "started_at": 1e6 + n / 20, "finished_at": 1e6 + n / 20 + 0.1 + number[n] % 4_000 / 1_000,
            "confidence": number[n] % 100 / 100, "outputs": {"grade": "ABC"[number[n] % 3], "risk": number[n] % 1_000 / 1_000},
        } for n in range(count)
    ]  # fmt: skip
    lines = [
        call(f"work/t{n}#1", f"Look into {words[n]}, and answer as JSON.", json.dumps(one["outputs"]), at=n / 20)
        for n, one in enumerate(model["subtasks"])
    ]
    made = page(run_report(model, [], lines))
    assert len(gzip.compress(made.encode(), 9)) <= 60_000


def test_packing_keeps_whole_ticks_and_quotes_once() -> None:
    """An objective in a prompt is put in by reference, a text that is said twice stands once."""
    lines: list[JsonObject] = [
        call("work/law#1", "Is it <sued>? Say.", "no"),
        call("work/law#2", "Is it <sued>? Say.", "no"),
    ]
    made: Any = run_report(result(), events(), lines)
    told: Any = packed(made["cases"][0]["runs"][0]["run"])
    system, user = (told["names"].index(role) for role in ("system", "user"))
    assert told["texts"] == ["Be brief.", "\x01 Say.", "no"]
    assert told["calls"]["said"] == [[[system, 0], [user, 0]], [[system, 1], [user, 2]]]
    assert told["calls"]["answer"] == [0, 3]
    assert told["subtasks"]["took"] == [round(one / told["tick"]) for one in (2.0, 3.0, 1.0)]
    assert told["subtasks"]["wait"] == [0, 0, 0]
    assert Ticks(2.5, most=20_000).tick == 0.001


def test_ids_are_told_by_what_they_have_in_common() -> None:
    """A specialist's name and a number that follows are put in by reference; an id of another form stands as it is."""
    named = [("t7", "x"), ("t08", "x"), ("x::a::1", "x"), ("x::a::2", "x"), ("y1", "y"), ("y12", "y1"), ("plain", "z")]
    run: Any = {
        "subtasks": [{"id": sid, "specialist": who, "state": "completed"} for sid, who in named],
        "seconds": 1.0,
    }
    told: Any = packed(run)
    assert told["subtasks"]["id"] == [
        "t7", "t\x022", "\x01::a::1", "\x01::a::\x021", "\x011", "\x01\x021", "plain",
    ]  # fmt: skip
