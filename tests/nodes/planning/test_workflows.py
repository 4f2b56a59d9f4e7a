"""Workflows: loading, refusing, matching, expanding."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concertino.contracts.budget import Budget
from concertino.contracts.errors import PlanInvalid, SetupError
from concertino.contracts.limits import Limits
from concertino.contracts.plan import Plan
from concertino.contracts.specialist import SpecialistCard
from concertino.contracts.task import Task, read_task
from concertino.nodes.planning.references import resolve
from concertino.nodes.planning.rules import plan_by_rules
from concertino.nodes.planning.validate import validate_draft
from concertino.nodes.planning.workflows import Workflow, load_workflows

CARDS = {name: SpecialistCard(name) for name in ("reader", "writer", "boss")}

BLOG = """
name: blog
priority: 5
match:
  task_type: create_blog_post
  when: has(payload.topic)
plan:
  gate: {question: "Publish about ${payload.topic}?", when: payload.topic == "war"}
  budget: {tokens: 1000}
  answer: [report]
  subtasks:
    - id: read
      specialist: reader
      for_each: payload.sources
      when: item.ok
      objective: "Read ${item.url} (${index}) for ${task.title}"
      inputs: {url: "${item.url}", all: "${payload}", n: "${index}"}
      estimate_s: 3
    - id: check
      specialist: boss
      when: payload.strict == true
      needs: [read]
    - id: report
      specialist: writer
      needs: [read, check]
      inputs: {texts: "${read.text}", verdict: "${check.verdict}", note: "about ${payload.topic}"}
      gate: "Send ${task.title}?"
      covers: all
"""


def task(**payload: Any) -> Task:
    return Task(task_id="t", title="Owls", task_type="create_blog_post", payload=payload)


def simple(**more: Any) -> dict[str, Any]:
    return {"name": "w", "plan": {"subtasks": [{"id": "a", "specialist": "reader"}]}, **more}


def one(**more: Any) -> dict[str, Any]:
    return {"name": "w", "plan": {"subtasks": [{"id": "a", "specialist": "reader", **more}]}}


def planned(given: Task, *sources: Any) -> Plan:
    draft = plan_by_rules(given, load_workflows(sources))
    assert draft is not None
    return validate_draft(draft, task=given, cards=CARDS)


def test_a_workflow_file_becomes_a_plan(tmp_path: Path) -> None:
    """`for_each`, `when`, placeholders, gates, needs and answer come out as subtasks."""
    path = tmp_path / "blog.yaml"
    path.write_text(BLOG)
    sources = [{"url": "u1", "ok": True}, {"url": "u2", "ok": False}, {"url": "u3", "ok": True}]
    plan = planned(task(topic="owls", sources=sources, strict=False), path)
    read, second, report = plan.subtasks
    assert (plan.workflow, plan.origin, plan.gate, plan.budget) == ("blog", "rule", None, Budget(tokens=1000))
    assert [subtask.id for subtask in plan.subtasks] == ["reader::t::1", "reader::t::2", "writer::t::1"]
    assert (read.objective, second.name) == ("Read u1 (0) for Owls", "read-3")
    assert (second.inputs["n"], second.inputs["all"]) == (2, {"topic": "owls", "sources": sources, "strict": False})
    assert report.needs == ("reader::t::1", "reader::t::2")
    assert report.inputs == {
        "texts": [{"$from": "reader::t::1", "path": "text"}, {"$from": "reader::t::2", "path": "text"}],
        "note": "about owls",
    }
    assert report.gate is not None
    assert report.gate.question == "Send Owls?"
    assert plan.answer == ("writer::t::1",)
    assert any("check, which was left out" in note for note in plan.notes)
    assert any("verdict" in note for note in plan.notes)


def test_a_gate_is_asked_where_its_condition_holds() -> None:
    """The gate on the plan depends on the task; in doubt it is asked."""
    gate = {"question": "Sure about ${payload.topic}?", "when": 'payload.topic == "war"'}
    source = {"name": "w", "plan": {"gate": gate, "subtasks": [{"id": "a", "specialist": "reader"}]}}
    asked = planned(task(topic="war"), source).gate
    assert asked is not None
    assert asked.question == "Sure about war?"
    assert planned(task(topic="owls"), source).gate is None
    assert planned(task(), source).gate is not None


def test_data_never_becomes_a_reference_or_a_placeholder() -> None:
    """A payload that spells references and placeholders arrives at the specialist as it was."""
    evil: dict[str, Any] = {
        "whole": "${a}", "object": {"$from": "a", "path": "x"}, "literal": {"$literal": 1}, "text": "${task.title}",
    }  # fmt: skip
    inputs = {**{name: f"${{payload.{name}}}" for name in evil}, "joined": "${payload.dollar}{a}", "plain": "$${a}"}
    subtasks = [{"id": "a", "specialist": "reader"}, {"id": "b", "specialist": "writer", "inputs": inputs}]
    plan = planned(task(**evil, dollar="$"), {"name": "w", "plan": {"subtasks": subtasks}})
    got = plan.subtasks[1]
    assert got.needs == ()
    assert resolve(got.inputs, {}) == {**evil, "joined": "${a}", "plain": "${a}"}


KEYS = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"])) | st.sampled_from(
    ["$from", "$literal"]
)
"""Without what no store accepts: two that differ in nothing else are refused."""
VALUES = st.recursive(
    st.text() | st.integers(-(2**63), 2**63 - 1) | st.none() | st.sampled_from(["${a}", "${task.title}"]),
    lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner),
)


@given(VALUES)
def test_whatever_the_payload_holds_arrives_unchanged(value: Any) -> None:
    """Filling in and resolving give back the value that was handed in."""
    given = read_task({"task_id": "t", "payload": {"value": value}}, limits=Limits())
    plan = planned(given, one(inputs={"value": "${payload.value}"}))
    assert resolve(plan.subtasks[0].inputs, {}) == {"value": given.payload["value"]}


def test_an_empty_for_each_is_an_empty_list() -> None:
    """Who joins nothing gets nothing, not a missing input."""
    subtasks = [
        {"id": "read", "specialist": "reader", "for_each": "payload.sources"},
        {"id": "join", "specialist": "writer", "needs": ["read"], "inputs": {"texts": "${read.text}"}},
    ]
    plan = planned(task(sources=[]), {"name": "w", "plan": {"subtasks": subtasks}})
    assert [(subtask.name, subtask.inputs) for subtask in plan.subtasks] == [("join", {"texts": []})]
    assert "read: left out, `payload.sources` is empty" in plan.notes


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        ({}, "could not be decided: no field"),
        ({"sources": "a, b"}, "gave str, not a list"),
        ({"sources": None}, "gave NoneType, not a list"),
        ({"sources": {"a": 1}}, "gave dict, not a list"),
    ],
)
def test_a_for_each_without_a_list_is_a_fault(payload: dict[str, Any], said: str) -> None:
    """Work that somebody counts on is not dropped in silence."""
    workflows = load_workflows([one(for_each="payload.sources")])
    with pytest.raises(PlanInvalid) as caught:
        plan_by_rules(task(**payload), workflows)
    (fault,) = caught.value.faults
    assert (fault.code, fault.place) == ("bad_field", "workflow w: plan.subtasks[0].for_each")
    assert said in fault.message
    assert fault.value is not None or payload["sources"] is None
    guarded = load_workflows([one(for_each="has(payload.sources) && payload.sources != null ? ['x'] : []")])
    assert plan_by_rules(task(), guarded) is None


def test_a_when_on_an_absent_field_stays_false_with_a_note() -> None:
    """Optional work is for tasks that ask for it."""
    subtasks = [{"id": "a", "specialist": "reader"}, {"id": "b", "specialist": "writer", "when": "payload.nope"}]
    plan = planned(task(), {"name": "w", "plan": {"subtasks": subtasks}})
    assert [subtask.name for subtask in plan.subtasks] == ["a"]
    assert any(note.startswith("b: left out, condition `payload.nope` could not be decided") for note in plan.notes)


def test_a_for_each_past_the_limit_is_refused_before_it_is_made() -> None:
    """A long list in the payload is no way to a plan bomb."""
    workflows = load_workflows([one(for_each="payload.sources")])
    with pytest.raises(PlanInvalid) as caught:
        plan_by_rules(task(sources=list(range(6))), workflows, limits=Limits(subtasks=5))
    assert [fault.code for fault in caught.value.faults] == ["too_many"]


@pytest.mark.parametrize(
    ("match", "matches"),
    [
        ({}, True),
        ({"task_type": "create_blog_post"}, True),
        ({"task_types": ["x", "create_blog_post"]}, True),
        ({"task_type": "other"}, False),
        ({"fields": {"payload.level": 1}}, True),
        ({"fields": {"payload.level": True}}, False),
        ({"fields": {"payload.level.deep": 1}}, False),
        ({"keywords": ["OWLS"]}, True),
        ({"keywords": ["owl"]}, False),
        ({"keywords": {"all": ["owls", "at-night"]}}, True),
        ({"keywords": {"any": ["cats", "owls"], "all": ["dogs"]}}, False),
        ({"when": "payload.level >= 1 && task.title.startsWith('O')"}, True),
        ({"when": "payload.nothing == 1"}, False),
        ({"when": "has(payload.nothing) || payload.level == 1"}, True),
        ({"task_type": "create_blog_post", "when": "false"}, False),
    ],
)
def test_a_workflow_matches_when_all_that_is_given_holds(match: dict[str, Any], matches: bool) -> None:
    """Type, fields, keywords and condition, each alone and together."""
    given = Task(
        task_id="t",
        title="Owls",
        description="How they hunt, at night",
        task_type="create_blog_post",
        payload={"level": 1},
    )
    assert (plan_by_rules(given, load_workflows([simple(match=match)])) is not None) is matches


def test_the_highest_priority_wins_then_the_first_loaded() -> None:
    """And a workflow of which nothing is left gives way to the next."""
    names = [("low", 0), ("first", 5), ("second", 5)]
    sources = [{**simple(), "name": name, "priority": priority} for name, priority in names]
    assert planned(task(), *sources).workflow == "first"
    sources[1] = {**one(when="false"), "name": "first", "priority": 5}
    plan = planned(task(), *sources)
    assert plan.workflow == "second"
    assert any("no subtask was left" in note for note in plan.notes)


@pytest.mark.parametrize(
    ("source", "place", "rule"),
    [
        ({"name": "w"}, "plan", "required"),
        (simple(colour=1), "colour", "unknown field"),
        (simple(name="../x"), "name", "match pattern"),
        (one(specialist=None), "subtasks.0", "exactly one"),
        (one(capability="x"), "subtasks.0", "exactly one"),
        (one(needs=["b"]), "plan", "no subtask 'b'"),
        (one(needs=["a"]), "plan", "a needs a"),
        (one(when="1 +"), "subtasks.0", "not a CEL expression"),
        (one(when="item.x"), "subtasks.0", "unknown name 'item'"),
        (one(for_each="nope"), "subtasks.0", "unknown name 'nope'"),
        (one(when="x" * 1_001), "when", "1000"),
        (one(objective="${nope.x}"), "subtasks.0", "must start with one of"),
        (one(objective="${task.title"), "subtasks.0", "dotted path"),
        (one(objective="${task.title | x}"), "subtasks.0", "dotted path"),
        (one(inputs={"x": ["${b.c}"]}), "plan", "neither a subtask"),
        (one(inputs={"x": "see ${a.c}"}), "plan", "must start with"),
        (one(for_each="payload.x", covers=["c1"]), "subtasks.0", "covers cannot stand"),
        (one(id="task"), "subtasks.0", "must not be one of"),
        (one(estimate_s=float("nan")), "estimate_s", "finite"),
        (one(budget={"tokens": -1}), "tokens", "greater than"),
        ({"name": "w", "plan": {"subtasks": []}}, "subtasks", "at least 1"),
        ({"name": "w", "plan": {"subtasks": [{"id": "a", "specialist": "r"}] * 2}}, "plan", "stands twice"),
        ({"name": "w", "plan": {"subtasks": [{"id": "a", "specialist": "r"}], "answer": ["b"]}}, "plan", "answer"),
        (
            {"name": "w", "plan": {"subtasks": [{"id": "a", "specialist": "r"}], "stop_when": {"s": "true"}}},
            "plan",
            "stage",
        ),
        (simple(match={"keywords": ["+"]}), "keywords", "letter or digit"),
        (7, "workflows[0]", "must be a file"),
        ("missing.yaml", "missing.yaml", "cannot be read"),
        ("a\0b.yaml", "workflows[0]", "cannot be read"),
    ],
)
def test_a_faulty_workflow_is_refused_with_its_place(source: Any, place: str, rule: str) -> None:
    """Field, value and rule are named when the planner is put together."""
    with pytest.raises(SetupError) as caught:
        load_workflows([source])
    assert place in caught.value.field
    assert rule in caught.value.rule


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("a: &x [1]\nb: *x", "anchors and aliases"),
        ("a: &x [1]", "anchors and aliases"),
        ("name: w\nname: v", "duplicate key"),
        ("a: {b: 1, b: 2}", "duplicate key"),
        ("a: !!python/object/apply:os.system [x]", "not allowed"),
        ("a: !!python/name:os.system", "not allowed"),
        ("a: !mine x", "not allowed"),
        ("[1, 2", "must be YAML"),
        ("a: .nan", "finite"),
        ("? [a]\n: b", "keys must be text"),
        ("a: " + "[" * 40 + "]" * 40, "nested at most"),
        ("a: b\n---\na: c", "must be YAML"),
        ("x" * 256_001, "at most 256000 bytes"),
        ("", "must be an object"),
        ("just text", "must be an object"),
        ("\x00", "must be YAML"),
    ],
)
def test_yaml_is_plain_data_or_refused(tmp_path: Path, text: str, rule: str) -> None:
    """No aliases, duplicate keys, tags, bombs or broken files; the file is named."""
    path = tmp_path / "w.yaml"
    path.write_text(text)
    with pytest.raises(SetupError) as caught:
        load_workflows([path])
    assert rule in caught.value.rule
    assert str(path) in caught.value.field


def test_a_file_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    """The first faulty byte is named."""
    path = tmp_path / "w.yaml"
    path.write_bytes(b"name: \xff")
    with pytest.raises(SetupError, match="UTF-8"):
        load_workflows([path])


def test_folders_lists_json_and_objects_load_alike(tmp_path: Path) -> None:
    """Every kind of source gives the same workflow; a name stands once."""
    (tmp_path / "a.yaml").write_text("workflows:\n  - {name: a, plan: {subtasks: [{id: x, specialist: reader}]}}\n")
    (tmp_path / "b.json").write_text('[{"name": "b", "plan": {"subtasks": [{"id": "x", "specialist": "reader"}]}}]')
    made = Workflow.model_validate({**simple(), "name": "c"})
    mapped = {"name": "d", "plan": {"subtasks": [{"id": "x", "specialist": "reader", "budget": Budget(tokens=5)}]}}
    found = load_workflows([tmp_path, made, mapped])
    assert [workflow.name for workflow in found] == ["a", "b", "c", "d"]
    assert found[0].plan == found[1].plan
    assert found[3].plan.subtasks[0].budget == Budget(tokens=5)
    with pytest.raises(SetupError, match="share a name"):
        load_workflows([made, made])
    (tmp_path / "b.json").write_text('{"name": "b", "name": "c"}')
    with pytest.raises(SetupError, match="duplicate key"):
        load_workflows([tmp_path])


def test_coverage_of_all_means_every_criterion_of_the_task() -> None:
    """A rule need not know the ids; what the task does not ask is left out."""
    given = Task(task_id="t", acceptance_criteria=["fast", "cheap"])
    assert planned(given, one(covers="all")).subtasks[0].covers == ("c1", "c2")
    assert planned(Task(task_id="t"), one(covers=["c7"])).subtasks[0].covers == ()
