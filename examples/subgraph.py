"""A planner as one node of another graph, with that graph's checkpointer and stream.

Run it: python examples/subgraph.py
"""

from __future__ import annotations

from typing import Any

from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, StateGraph
from typing_extensions import TypedDict

from concertino import Brief, Finding, create_planner, specialist


@specialist("counter", capabilities={"count"})
async def counter(brief: Brief) -> Finding:
    return Finding(output=len(brief.inputs["text"].split()))


class State(TypedDict, total=False):
    """The outer graph's own; it shares `task` and `result` with the planner."""

    texts: list[str]
    task: dict[str, Any]
    result: dict[str, Any]
    words: int


def ask(state: State) -> State:
    subtasks = [{"id": f"t{n}", "capability": "count", "inputs": {"text": t}} for n, t in enumerate(state["texts"])]
    return {"task": {"task_id": "words", "title": "Count the words", "plan": {"subtasks": subtasks}}}


def add_up(state: State) -> State:
    return {"words": sum(entry["outputs"] for entry in state["result"]["subtasks"])}


def main() -> None:
    graph = StateGraph(State)
    graph.add_node("ask", ask)
    graph.add_node("planner", create_planner(specialists=[counter]))
    graph.add_node("add_up", add_up)
    for start, end in ((START, "ask"), ("ask", "planner"), ("planner", "add_up")):
        graph.add_edge(start, end)
    compiled = graph.compile(checkpointer=InMemorySaver())

    thread = {"configurable": {"thread_id": "texts"}}
    given = {"texts": ["to be or not to be", "that is the question"]}
    for _, event in compiled.stream(given, thread, stream_mode="custom", subgraphs=True):
        print(event["type"], event["subtask_id"] or "")
    print("words:", compiled.get_state(thread).values["words"])


if __name__ == "__main__":
    main()
