"""A report as JUnit XML, the form in which continuous integration reads tests. Source: the schema of Jenkins' xUnit plugin."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from concertino.evals.reports.table import message_of, reason_of, unjudged

FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 has no form for, not even escaped. Source: XML 1.0, production 2."""


def junit(report: Mapping[str, Any]) -> str:
    """Return the XML document, its times in virtual seconds.

    A case that could not be run is an `error`, one that failed a `failure`, one that nobody judged is `skipped`. A run of a
    repeated case is a test case of its own, `id[number]`.
    """
    suite = report.get("suite") or {"name": "run", "target": ""}
    root = Element("testsuites")
    group = SubElement(root, "testsuite", name=_text(suite["name"]))
    SubElement(SubElement(group, "properties"), "property", name="target", value=_text(suite["target"]))
    count = {"tests": 0, "failures": 0, "errors": 0, "skipped": 0}
    seconds = 0.0
    for case in report["cases"]:
        for run in case["runs"]:
            name = case["id"] if len(case["runs"]) == 1 else f"{case['id']}[{run['number']}]"
            test = SubElement(
                group, "testcase", classname=_text(suite["name"]), name=_text(name), time=f"{run['makespan_s']:.6f}"
            )
            kind = _told(test, case, run)
            count["tests"] += 1
            count[kind] = count.get(kind, 0) + 1
            seconds += run["makespan_s"]
    for element in (root, group):
        element.attrib.update({key: str(count[key]) for key in ("tests", "failures", "errors", "skipped")})
        element.set("time", f"{seconds:.6f}")
    indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + tostring(root, encoding="unicode") + "\n"


def _told(test: Element, case: Mapping[str, Any], run: Mapping[str, Any]) -> str:
    """Write what came of a run, and return under what it is counted."""
    said = f"tape: {case.get('tape', 'none')}" + ("; recorded against a stand-in" if case.get("stand_in") else "")
    kind = "passes"
    if run["passed"] is None:
        SubElement(test, "skipped", message="nobody judged it")
        kind = "skipped"
    elif not run["passed"] and run.get("error"):
        error = run["error"]
        message = message_of(error)
        SubElement(test, "error", type=_text(str(error.get("type"))), message=_text(message)).text = _text(message)
        kind = "errors"
    elif not run["passed"]:
        failed = [verdict for verdict in run["verdicts"] if verdict["passed"] is False] or unjudged(run)
        lines = [f"{verdict['name']}: {reason_of(verdict)}" for verdict in failed]
        message = ", ".join(verdict["name"] for verdict in failed) or "nothing was judged"
        SubElement(test, "failure", type="verdict", message=_text(message)).text = _text("\n".join(lines))
        kind = "failures"
    SubElement(test, "system-out").text = _text(said)
    return kind


def _text(text: str) -> str:
    """Return text that XML can hold: what it cannot becomes the replacement character."""
    return FORBIDDEN.sub("\ufffd", text)
