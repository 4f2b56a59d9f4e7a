"""Our graphs in a real `langgraph dev`: offline, without a key, without `--allow-blocking`."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.studio.conftest import Server
from tests.studio.profiles import HIGH, SENIOR

ACCEPT = {"resume": {"decision": "accept"}}


def subtask(id_: str, specialist: str, **fields: Any) -> dict[str, Any]:
    return {"id": id_, "specialist": specialist, **fields}


def plan(*subtasks: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"task": {"plan": {"subtasks": list(subtasks)}, **fields}}


def test_every_branch_is_labelled(server: Server) -> None:
    """Studio draws what `GET /assistants/{id}/graph` gives; each conditional edge says when it is taken."""
    assistant = server.call("POST", "/assistants/search", {"graph_id": "offers"})[0]["assistant_id"]
    drawn = server.call("GET", f"/assistants/{assistant}/graph")
    branches = [edge for edge in drawn["edges"] if edge.get("conditional")]
    assert len(branches) >= 12
    assert all(edge["data"] for edge in branches)
    assert {"compensation-advisor-sag", "review", "deliver"} <= {node["id"] for node in drawn["nodes"]}


def test_schemas_are_there_and_described(server: Server) -> None:
    """Input, output, state, context: Studio builds its forms from them."""
    assistant = server.call("POST", "/assistants/search", {"graph_id": "offers"})[0]["assistant_id"]
    schemas = server.call("GET", f"/assistants/{assistant}/schemas")
    for name in ("input_schema", "output_schema", "state_schema", "context_schema", "config_schema"):
        assert schemas[name]["properties"], name
        # The server puts the state's together from its channels, which have no description as a whole.
        assert name == "state_schema" or schemas[name]["description"], name
        bare = [key for key, field in schemas[name]["properties"].items() if not field.get("description")]
        assert not bare, f"{name} has fields without a description: {bare}"


def test_an_assistant_is_configured_by_its_context(server: Server) -> None:
    """`require_approval` asks, and the budget's bounds hold."""
    context = {"require_approval": True, "concurrency": 2, "tokens": 777}
    made = server.call("POST", "/assistants", {"graph_id": "offers", "name": "careful", "context": context})
    thread = server.thread()
    asked = server.wait(thread, made["assistant_id"], input={"task": {"payload": SENIOR}})
    assert asked["__interrupt__"][0]["value"]["gate"] == "plan"
    policy = server.state(thread)["values"]["policy"]
    assert (policy["concurrency"], policy["require_approval"], policy["budget"]["tokens"]) == (2, True, 777)
    out = server.wait(thread, made["assistant_id"], command=ACCEPT)
    assert (out["result"]["status"], out["result"]["limits"]["tokens"]) == ("success", 777)


@pytest.mark.parametrize(
    "modes",
    [["values", "updates", "messages", "custom", "debug", "tasks", "checkpoints"], ["messages-tuple", "events"]],
)
def test_runs_stream_in_every_mode(server: Server, modes: list[str]) -> None:
    """Each mode has something to say of a run that speaks, and nothing fails."""
    given = plan(subtask("said", "speaking"), subtask("blocked", "blocking"))
    events = server.stream(server.thread(), "served", input=given, stream_mode=modes)
    names = {name.split("/")[0] for name, _ in events}
    assert "error" not in names, events[-1]
    assert names >= {mode.removesuffix("-tuple") for mode in modes}


def test_a_speaking_specialist_is_heard_token_by_token(server: Server) -> None:
    """A model's tokens inside a specialist reach the client as they come."""
    events = server.stream(server.thread(), "served", input=plan(subtask("s", "speaking")), stream_mode=["messages"])
    heard = [data[0]["content"] for name, data in events if name == "messages/partial"]
    assert heard[0] == "one"
    assert heard[-1] == "one two three"


ANSWERS: list[tuple[dict[str, Any], int | None]] = [
    ({"decision": "accept"}, 278_000),
    ({"decision": "edit", "inputs": {"base_salary": 291_000}}, 291_000),
    ({"decision": "reject", "reason": "too much"}, None),
]


def test_an_approval_is_answered(server: Server) -> None:
    """The question stands in the thread's state until `command.resume` accepts, edits or rejects."""

    def offered(answer: dict[str, Any]) -> int | None:
        thread = server.thread()
        server.wait(thread, input={"task": {"payload": HIGH}})
        state = server.state(thread)
        assert state["next"] == ["approve"]
        assert "high value" in state["tasks"][0]["interrupts"][0]["value"]["question"]
        assert server.call("GET", f"/threads/{thread}")["status"] == "interrupted"
        offer = server.wait(thread, command={"resume": answer})["result"]["answer"]["offer"]
        return offer["base_salary"]["amount"] if offer else None

    with ThreadPoolExecutor() as together:
        amounts = list(together.map(offered, [answer for answer, _ in ANSWERS]))
    assert amounts == [amount for _, amount in ANSWERS]


def test_no_answer_at_all_is_refused(server: Server) -> None:
    """LangGraph would end in an error of its own; the question stands."""
    thread = server.thread()
    asked = server.wait(thread, "served", input=plan(subtask("a", "blocking", gate=True), task_id="no-answer"))
    assert asked["__interrupt__"]
    error = server.wait(thread, "served", command={"resume": None})["__error__"]
    assert (error["error"], "must bring an answer" in error["message"]) == ("InputError", True)
    assert server.wait(thread, "served", command=ACCEPT)["result"]["status"] == "success"


def test_a_malformed_answer_asks_again(server: Server) -> None:
    """The question comes back with what was wrong; nothing is decided by it."""
    thread = server.thread()
    server.wait(thread, input={"task": {"payload": HIGH}})
    again = server.wait(thread, command={"resume": {"decision": "maybe"}})
    assert "'accept', 'reject' or 'edit'" in again["__interrupt__"][0]["value"]["error"]
    assert server.wait(thread, command=ACCEPT)["result"]["status"] == "success"


def test_a_graphs_own_question_is_answered(server: Server) -> None:
    """A specialist that is a compiled graph asks by `interrupt`, and gets the answer as it stands."""
    thread = server.thread()
    asked = server.wait(thread, "served", input=plan(subtask("a", "asking"), subtask("b", "blocking")))
    assert asked["__interrupt__"][0]["value"]["question"] == "Which colour?"
    out = server.wait(thread, "served", command={"resume": "blue"})
    answers = {entry["subtask_id"]: entry["outputs"] for entry in out["result"]["subtasks"]}
    assert answers["a"] == {"answer": "blue"}


BAD: list[tuple[dict[str, Any], str, str]] = [
    ({"input": {}}, "InputError", "input: {} refused"),
    ({"input": None}, "InputError", "this thread has no run to go on with"),
    ({"command": ACCEPT}, "InputError", "this thread has no run to go on with"),
    ({"input": {"task": {"task_id": "../../x", "payload": SENIOR}}}, "InputError", "task.task_id: '../../x' refused"),
    ({"input": {"task": {"payload": {**SENIOR, "level": 3}}}}, "InputError", "task.payload.profile.level: 3 refused"),
    ({"input": {"task": {"payload": SENIOR, "nope": 1}}}, "InputError", "task.nope: 1 refused: unknown field"),
    ({"input": plan(subtask("a", "nobody", needs=["a"]))}, "PlanInvalid", "plan has 2 faults"),
    ({"input": {"task": {"payload": SENIOR}}, "context": {"concurrency": -2}}, "InputError", "context.concurrency: -2"),
    ({"input": {"task": {"payload": SENIOR}}, "context": {"model": "x:y"}}, "SetupError", "context.model: 'x:y'"),
]


def test_errors_arrive_in_our_own_words(server: Server) -> None:
    """Name, field, value and rule reach the client and the thread, never "An internal error occurred"."""

    def run(body: dict[str, Any]) -> tuple[Any, Any]:
        thread = server.thread()
        return server.wait(thread, **body)["__error__"], server.call("GET", f"/threads/{thread}")

    with ThreadPoolExecutor(len(BAD)) as together:
        ended = list(together.map(run, [body for body, _, _ in BAD]))
    for (error, thread), (body, kind, said) in zip(ended, BAD, strict=True):
        assert error["error"] == kind, body
        assert said in error["message"]
        assert (thread["status"], thread["error"]["message"]) == ("error", error["message"])


def test_a_known_task_is_told_and_a_changed_one_refused(server: Server) -> None:
    """The same id twice is one task; with another content it is a conflict."""
    first = server.wait(server.thread(), input={"task": {"task_id": "twice", "payload": SENIOR}})
    again = server.wait(server.thread(), input={"task": {"task_id": "twice", "payload": SENIOR}})
    assert again["result"]["run_id"] == first["result"]["run_id"]
    refused = server.wait(server.thread(), input={"task": {"task_id": "twice", "payload": HIGH}})
    assert refused["__error__"]["error"] == "TaskConflict"


def test_a_failing_specialist_is_no_server_error(server: Server) -> None:
    """Its failure is in the result, with its own words, and its sibling is done."""
    given = plan(subtask("bad", "failing", required=False), subtask("good", "blocking"))
    result = server.wait(server.thread(), "served", input=given)["result"]
    by_id = {entry["subtask_id"]: entry for entry in result["subtasks"]}
    assert (by_id["bad"]["state"], by_id["good"]["state"]) == ("failed", "completed")
    assert by_id["bad"]["error"] == {"type": "OSError", "message": "no such thing"}


@pytest.mark.parametrize("as_node", [None, "plan", "deliver"])
def test_a_fork_with_a_changed_task_is_a_new_run(server: Server, as_node: str | None) -> None:
    """Edited at any checkpoint, alone or in the whole state: new results under a parent; the original's record stays."""
    thread = server.thread()
    first = server.wait(thread, input={"task": {"payload": SENIOR}})["result"]
    history = server.call("POST", f"/threads/{thread}/history", {"limit": 50})
    points = [point for point in history if point["values"].get("task")]
    assert len(points) >= 7
    for point in points[:: len(points) // 3]:
        task = point["values"]["task"]
        changed = {**task, "payload": {**task["payload"], "profile": {**SENIOR, "experience_years": 3}}}
        values = {"task": changed} if as_node is None else {**point["values"], "task": changed}
        body = {"values": values, "checkpoint": point["checkpoint"], **({"as_node": as_node} if as_node else {})}
        made = server.call("POST", f"/threads/{thread}/state", body)
        forked = server.wait(thread, input=None, checkpoint=made["checkpoint"])["result"]
        assert forked["answer"]["offer"]["base_salary"]["amount"] == 156_000, point["next"]
        assert (forked["parent_run_id"], forked["task_id"]) == (first["run_id"], first["task_id"])
    again = server.wait(server.thread(), input={"task": {"payload": SENIOR}})["result"]
    assert again["answer"]["offer"]["base_salary"]["amount"] == 185_000


def test_a_faulty_edit_of_the_state_is_refused(server: Server) -> None:
    """The client is told field, value and rule; the thread stays as it was."""
    thread = server.thread()
    server.wait(thread, input={"task": {"payload": SENIOR}})
    answer = server.client.post(f"/threads/{thread}/state", json={"values": {"task": {"payload": {"role": ""}}}})
    assert answer.status_code == 400
    assert "task.payload.profile" in answer.json()["detail"]
    assert server.state(thread)["values"]["result"]["status"] == "success"


def test_nothing_blocked_the_loop(server: Server) -> None:
    """The server's watch found no blocking call in anything that the tests above did."""
    log = server.log()
    assert "Blocking call" not in log
    assert "An internal error occurred" not in log
    assert json.loads((server.folder / "langgraph.json").read_text())["graphs"]["offers"]
