"""Plans written as calls: ReWOO's `#E1 = Tool[input]`, LLMCompiler's `1. tool(arg="x")`, assignments in code."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

from concertino.nodes.planning.reader.brackets import CLOSING, span
from concertino.nodes.planning.reader.elements import DONE, Element, named
from concertino.nodes.planning.reader.literals import CALLED, read_python
from concertino.nodes.planning.reader.shape import Shape
from concertino.nodes.planning.reader.texts import CUT

EVIDENCE = re.compile(
    r"(?:^[ \t]*(?:\d{1,3}[.)][ \t]*)?|(?<=[ \t])(?=#))#?(E\d{1,4})[ \t]*=[ \t]*([^\[\](){}\n=]{1,100}?)[ \t]*(?P<open>[\[(])",
    re.MULTILINE,
)
PLAN_LINE = re.compile(r"^[ \t]*Plan[ \t]*\d{0,4}[ \t]*:[ \t]*(.*)$", re.MULTILINE | re.IGNORECASE)
CALL = re.compile(
    r"^[ \t]*(?:(?P<number>\d{1,4})[.)][ \t]*|(?P<variable>[A-Za-z_]\w{0,63})[ \t]*=[ \t]*)?(?:await[ \t]+)?"
    r"(?P<tool>[A-Za-z_][\w. -]{0,98}?\w?)[ \t]*(?P<open>\()",
    re.MULTILINE,
)
THOUGHT = re.compile(r"^[ \t]*Thought[ \t]*:[ \t]*(.*)$", re.MULTILINE | re.IGNORECASE)


def rewoo(text: str, specialists: Collection[str]) -> Shape | None:
    """Return the plan that lines of evidence are."""
    heads = list(EVIDENCE.finditer(text))
    elements, notes, before = [], [], 0
    for number, head in enumerate(heads):
        until = heads[number + 1].start() if number + 1 < len(heads) else len(text)
        plans = list(PLAN_LINE.finditer(text, before, head.start()))
        written = _input(text[head.end() : until], head["open"])
        if written is None and number + 1 == len(heads):
            notes.append(CUT)
            break
        before = head.end()
        said = text[plans[-1].start(1) : head.start()].strip() if plans else ""
        given = text[head.end() : until].splitlines()[0].strip() if written is None else written.strip()
        elements.append(
            Element(id=head[1], worker=head[2].strip(" *`"), objective=said, inputs={"input": given} if given else {})
        )
    return Shape(elements, form="rewoo", notes=notes) if elements else None


def _input(text: str, mark: str) -> str | None:
    """Return what stands up to the bracket that closes, brackets inside counted; quotes mean nothing here."""
    depth, close = 1, CLOSING[mark]
    for bracket in re.finditer(rf"[{re.escape(mark + close)}]", text):
        depth += 1 if bracket[0] == mark else -1
        if not depth:
            return text[: bracket.start()]
    last = text.partition("\n")[0].rfind(close)
    return text[:last] if last >= 0 else None


def printed(text: str, specialists: Collection[str]) -> Shape | None:
    """Return the plan that LLMCompiler's planner prints as it streams: a tool and its arguments, `---` between them."""
    blocks = re.split(r"^---[ \t]*$", text, flags=re.MULTILINE)
    elements: list[Element] = []
    for number, block in enumerate(blocks if len(blocks) > 1 else (), 1):
        head, brace, rest = block.strip().rpartition(" {")
        name = re.search(r"\bname='([^']{1,100})'", head) or re.search(
            r"\bdescription=['\"]([A-Za-z_][\w.-]{0,99})\(", head
        )
        name = name or re.fullmatch(r"([A-Za-z_][\w.-]{0,99})", head)
        parsed = read_python(f"{{{rest}") if brace else None
        if name is not None and parsed is not None and isinstance(parsed.value, dict):
            elements.append(Element(str(number), name[1], "", named(parsed.value)))
    return Shape(elements, form="llm-compiler") if elements else None


def calls(text: str, specialists: Collection[str]) -> Shape | None:
    """Return the plan that calls on lines of their own are; without a number only those of known specialists."""
    known = {name.lower(): name for name in specialists}
    elements: list[Element] = []
    notes: list[str] = []
    variables: list[str] = []
    numbered, end = False, 0
    for head in CALL.finditer(text):
        tool = head["tool"].strip()
        is_call = tool.lower() in known or (head["number"] is not None and " " not in tool)
        if head.start() < end or not is_call or head.end("tool") < head.start("open"):
            continue
        found = span(text, head.start("open"))
        if found.too_deep:
            continue
        line_end = text.find("\n", head.end())
        arguments = text[head.end() : found.end - 1]
        if found.stack:
            if line_end < 0 or line_end == len(text) - 1:
                notes.append(CUT)
                break
            found.end = line_end
            arguments = text[head.end() : line_end]
        if text[found.end : found.end + 1].isalnum():
            continue
        numbered = numbered or head["number"] is not None
        thoughts = list(THOUGHT.finditer(text, end, head.start()))
        end = found.end
        if tool.lower() in DONE and tool not in specialists:
            continue
        inputs = _arguments(arguments, variables)
        said = thoughts[-1][1].strip() if thoughts else ""
        elements.append(Element(head["number"] or head["variable"], known.get(tool.lower(), tool), said, inputs))
        variables += [head["variable"]] if head["variable"] else []
    if not elements and not (numbered and notes):
        return None
    in_order = not numbered and not variables
    return Shape(elements, form="llm-compiler" if numbered else "calls", notes=notes, in_order=in_order)


def _arguments(text: str, variables: list[str]) -> dict[str, Any]:
    """Return a call's arguments; `$1`, and the names of earlier calls' results, become texts that refer to them."""
    text = text.strip()
    if not text:
        return {}
    written = text
    for name in variables:
        written = re.sub(rf"(?<![\w\"'.]){name}(?=[ \t\n]*(?:[,)\]}}]|\Z))", f'"${{{name}}}"', written)
    quoted = re.sub(r"(?<![\"'\w$])\$\{?(\d+)\}?(?![\w\"'])", r'"$\1"', written)
    for candidate in (written, quoted):
        parsed = read_python(f"F({candidate})")
        if parsed is not None and isinstance(parsed.value, dict) and parsed.value.get(CALLED) == "F":
            made = {key: value for key, value in parsed.value.items() if key != CALLED}
            given = made.pop("args", None) if set(made) == {"args"} else None
            if isinstance(given, list) and len(given) == 1 and isinstance(given[0], dict):
                return named(given[0])
            return made if given is None else {"arguments": given}
    return {"input": text}
