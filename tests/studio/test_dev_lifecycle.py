"""Runs that clients cancel, threads that they delete, and a server that goes down: no live run, no lease, no loss."""

from __future__ import annotations

import signal
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.studio.conftest import Server


def plan(task_id: str, seconds: float, x: int = 2) -> dict[str, Any]:
    """Return a task of two subtasks: one that is done at once, and one that takes a while."""
    quick = {"id": "quick", "specialist": "slow", "inputs": {"seconds": 0, "x": 1}}
    long = {"id": "long", "specialist": "slow", "needs": ["quick"], "inputs": {"seconds": seconds, "x": x}}
    return {"task": {"task_id": task_id, "plan": {"subtasks": [quick, long]}}}


def attempts(out: Any) -> dict[str, int]:
    return {entry["subtask_id"]: entry["attempts"] for entry in out["result"]["subtasks"]}


def test_a_cancelled_run_leaves_no_lease_and_can_be_taken_up(server: Server) -> None:
    """Interrupted, the thread goes on from its checkpoint; rolled back, the task is submitted again."""

    def cancelled(action: str) -> list[tuple[str, str | None]]:
        task_id, thread, given = f"cancelled-{action}", server.thread(), plan(f"cancelled-{action}", 2)
        run = server.begin(thread, input=given)
        server.until(task_id, "running")
        server.call("POST", f"/threads/{thread}/runs/{run}/cancel?wait=true&action={action}")
        assert server.until(task_id, "waiting") == [("waiting", None)]
        out = server.wait(thread, "served", input=None if action == "interrupt" else given)
        assert attempts(out)["quick"] == 1
        return server.rows(task_id)

    with ThreadPoolExecutor() as together:
        assert list(together.map(cancelled, ["interrupt", "rollback"])) == [[("success", None)]] * 2


def test_a_deleted_thread_ends_its_run(server: Server) -> None:
    """The server only takes the checkpoints away; the run notices and is cancelled."""
    thread = server.thread()
    server.begin(thread, input=plan("deleted", 60))
    server.until("deleted", "running")
    # The watch has to have seen the thread once.
    server.wait(server.thread(), "served", input=plan("meanwhile", 1.5))
    server.call("DELETE", f"/threads/{thread}")
    assert server.until("deleted", "cancelled") == [("cancelled", None)]


def test_a_second_task_on_a_busy_thread_gets_its_own_results(server: Server) -> None:
    """Whatever becomes of the first, neither has the other's results or keeps a lease."""

    def doubled(strategy: str) -> str:
        thread, one, two = server.thread(), f"{strategy}-1", f"{strategy}-2"
        server.begin(thread, input=plan(one, 1.5, x=10))
        server.until(one, "running")
        out = server.wait(thread, "served", input=plan(two, 0, x=20), multitask_strategy=strategy)
        assert out["result"]["task_id"] == two
        assert {entry["outputs"]["x"] for entry in out["result"]["subtasks"]} == {1, 20}
        assert server.rows(two) == [("success", None)]
        (first,) = server.rows(one)
        assert first[1] is None
        return first[0]

    with ThreadPoolExecutor() as together:
        first = list(together.map(doubled, ["enqueue", "interrupt", "rollback"]))
    assert first == ["success", "waiting", "waiting"]


def test_a_busy_thread_may_refuse(server: Server) -> None:
    """The strategy `reject` is answered with a conflict, and the first run goes on."""
    thread = server.thread()
    server.begin(thread, input=plan("refusing", 1))
    server.until("refusing", "running")
    body = {"assistant_id": "served", "input": plan("refused", 0), "multitask_strategy": "reject"}
    assert server.client.post(f"/threads/{thread}/runs/wait", json=body).status_code == 409
    assert server.until("refusing", "success") == [("success", None)]
    assert server.rows("refused") == []


def test_runs_survive_a_restart_of_the_server(server: Server) -> None:
    """A waiting run is answered afterwards; one that was under way is carried on by the server itself."""
    parked, busy = server.thread(), server.thread()
    gated = {"id": "gated", "specialist": "blocking", "gate": True}
    server.wait(parked, "served", input={"task": {"task_id": "parked", "plan": {"subtasks": [gated]}}})
    server.begin(busy, input=plan("busy", 2))
    server.until("busy", "running")
    server.stop()
    server.start()
    assert server.until("busy", "success") == [("success", None)]
    out = server.wait(parked, "served", command={"resume": {"decision": "accept"}})
    assert out["result"]["status"] == "success"


def test_a_killed_servers_task_is_taken_up_when_it_is_submitted_again(server: Server) -> None:
    """The server's own state is lost with it; the journal is not, and what was finished is not done again."""
    thread, given = server.thread(), plan("killed", 2)
    server.begin(thread, input=given)
    server.until("killed", "running")
    server.stop(signal.SIGKILL)
    server.start()
    out = server.wait(server.thread(), "served", input=given)
    assert out["result"]["status"] == "success"
    assert server.rows("killed") == [("success", None)]
