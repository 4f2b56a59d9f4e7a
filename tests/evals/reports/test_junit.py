"""JUnit XML: well formed whatever stands in a case."""

from __future__ import annotations

from typing import NamedTuple
from xml.etree.ElementTree import fromstring

from hypothesis import given
from hypothesis import strategies as st

from concertino.contracts.json import JsonObject
from concertino.evals.reports import junit, report, run_report
from tests.evals.told import events, outcome, result


class Suite(NamedTuple):
    name: str = 'a<"&b'
    target: str = "demo:planner"


def test_counts_agree_with_the_cases() -> None:
    """One passed, one failed, one that could not be run, each with its words."""
    error: JsonObject = {"type": "FileInvalid", "message": "no <tape>", "file": "a/tapes/c.jsonl", "line": 3}
    made = report(
        Suite(),
        [
            outcome({"status": "success"}, case_id="a"),
            outcome({"status": "failed"}, case_id="b", stand_in=True),
            outcome({"status": "success"}, case_id="c", result=None, events=[], error=error, makespan_s=0.0),
        ],
    )
    root = fromstring(junit(made))
    (suite,) = root
    assert suite.attrib == root.attrib | {"name": 'a<"&b'}
    counted = {key: suite.get(key) for key in ("tests", "failures", "errors", "skipped", "time")}
    assert counted == {"tests": "3", "failures": "1", "errors": "1", "skipped": "0", "time": "8.000000"}
    failure, wrong = root.find(".//failure"), root.find(".//error")
    assert failure is not None
    assert wrong is not None
    assert failure.text == "status: expected 'failed', found 'success'"
    assert wrong.get("message") == "a/tapes/c.jsonl:3: no <tape>"
    assert "stand-in" in (root.findall(".//system-out")[1].text or "")


def test_repeats_are_cases_of_their_own() -> None:
    """Each repeat is named by its number."""
    made = report(Suite(), [outcome({"status": "success"}, number=n) for n in (1, 2)])
    assert [case.get("name") for case in fromstring(junit(made)).iter("testcase")] == ["acme[1]", "acme[2]"]


def test_a_run_that_nobody_judged_is_skipped() -> None:
    """It neither passed nor failed."""
    root = fromstring(junit(run_report(result(), events())))
    assert root.get("skipped") == "1"


@given(st.text())
def test_any_text_makes_well_formed_xml(text: str) -> None:
    """Control characters, quotes and brackets from outside break nothing."""
    error: JsonObject = {"type": text, "message": text}
    made = report(Suite(name=text), [outcome({"status": "success"}, result=None, events=[], error=error)])
    assert fromstring(junit(made).encode("utf-8", "surrogatepass").decode("utf-8", "replace")).get("errors") == "1"
