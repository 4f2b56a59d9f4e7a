"""Plans and specialists that the tests of the graph share."""

from __future__ import annotations

from typing import Any

from concertino import Brief, Finding, create_planner, specialist


@specialist("alpha")
async def alpha(brief: Brief) -> Finding:
    return Finding(output={"alpha": brief.inputs.get("x", 1)})


@specialist("beta")
def beta(brief: Brief) -> Finding:
    return Finding(output={"beta": [found.output for found in brief.upstream.values()]})


def subtask(id_: str, specialist_: str, *needs: str, **fields: Any) -> dict[str, Any]:
    """Return one subtask of a ready plan."""
    return {"id": id_, "specialist": specialist_, "needs": list(needs), **fields}


def task(task_id: str, *subtasks: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """Return a graph's input: a task with a ready plan, by default alpha's `a`, and beta's `b` that needs it."""
    made = list(subtasks) or [subtask("a", "alpha"), subtask("b", "beta", "a")]
    return {"task": {"task_id": task_id, "title": "try", "plan": {"subtasks": made}, **fields}}


def planner(*specialists: Any, **options: Any) -> Any:
    """Return a planner of the given specialists, by default `alpha` and `beta`."""
    return create_planner(specialists=list(specialists) or [alpha, beta], **options)


def on(thread_id: str, **config: Any) -> Any:
    """Return a config with a thread."""
    return {"configurable": {"thread_id": thread_id}, **config}


def states(result: dict[str, Any]) -> dict[str, str]:
    """Return the state of each subtask of a result."""
    return {entry["subtask_id"]: entry["state"] for entry in result["subtasks"]}


def outputs(result: dict[str, Any]) -> dict[str, Any]:
    """Return the output of each subtask of a result."""
    return {entry["subtask_id"]: entry["outputs"] for entry in result["subtasks"]}
