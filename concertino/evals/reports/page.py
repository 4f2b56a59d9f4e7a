"""A report as one HTML page that opens from a file, asks nobody for anything, and runs nothing but its own script.

What came from outside stands in it only as JSON, in data blocks that a browser does not run and that no text can end; the
script puts it in as text. The page's policy names script and style by their hashes and forbids everything else, so that even
a fault in that would run nothing. Source: W3C Content Security Policy Level 3, Trusted Types.
"""

from __future__ import annotations

import base64
import hashlib
import html
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

from concertino.contracts.json import dump
from concertino.evals.reports.packing import packed

PACKAGE = "concertino.evals.reports"
SCRIPTS = ("dom", "data", "layout", "graph", "timeline", "trust", "panels", "inspector", "main")
"""In this order; each uses what stands before it."""

ESCAPES = str.maketrans(
    {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029", "\x7f": "\\u007f"}
)
"""Without `<` no text can end its data block or begin another. All of them stand only inside JSON's strings."""

COLUMNS = ("id", "passed", "status", "tape", "stand_in", "score", "passes", "tags")


def page(report: Mapping[str, Any]) -> str:
    """Return the page of a report, of a suite's or of one run's."""
    style, script = _part("page.css"), "\n".join(('"use strict";', *(_part(f"{name}.js") for name in SCRIPTS)))
    policy = (
        f"default-src 'none'; script-src '{_hash(script)}'; style-src '{_hash(style)}'; base-uri 'none'; form-action 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    )
    name = (report.get("suite") or {}).get("name") or next((case["id"] for case in report["cases"]), "run")
    parts = {
        "policy": policy, "title": html.escape(_written(str(name))), "style": style, "data": "\n".join(_data(report)), "script": script,
    }  # fmt: skip
    made = _part("page.html")
    # The parts of the frame, cut once: what stands in a part is never looked at for another's place.
    pieces = made.replace("{{", "\0").replace("}}", "\0").split("\0")
    return "".join(parts[piece] if number % 2 else piece for number, piece in enumerate(pieces))


def _data(report: Mapping[str, Any]) -> list[str]:
    cases: Sequence[Mapping[str, Any]] = report["cases"]
    columns: dict[str, list[Any]] = {key: [case.get(key) for case in cases] for key in COLUMNS}
    columns["runs"] = [len(case["runs"]) for case in cases]
    columns["title"] = [((case["runs"] or [{}])[0].get("run") or {}).get("title") for case in cases]
    head = {key: report[key] for key in ("made_by", "suite", "summary") if key in report}
    blocks = [_block("head", {**head, "cases": columns})]
    for number, case in enumerate(cases):
        for repeat, run in enumerate(case["runs"]):
            shown = {key: run[key] for key in ("passed", "status", "verdicts", "error", "notes") if key in run}
            blocks.append(_block(f"run-{number}-{repeat}", {**shown, "run": packed(run.get("run") or {})}))
    return blocks


def _block(name: str, value: Any) -> str:
    return f'<script type="application/json" id="{name}">{_written(dump(value)).translate(ESCAPES)}</script>'


def _written(text: str) -> str:
    """Return text that UTF-8 can hold; a lone surrogate becomes a question mark."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


@cache
def _part(name: str) -> str:
    """Return a part of the page, its indentation and its remarks left out: they are for whoever works on it."""
    lines = (files(PACKAGE) / "page_parts" / name).read_text("utf-8").splitlines()
    return "\n".join(line.strip() for line in lines if line.strip() and not line.lstrip().startswith("//"))
