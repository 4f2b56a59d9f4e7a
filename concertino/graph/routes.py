"""The graph's nodes and the ways between them, as data: LangGraph is wired from it, and a run can be driven by it alone."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Any, NamedTuple

from langchain_core.runnables import RunnableConfig
from langgraph.graph import END

from concertino.graph import steps
from concertino.graph.state import PlannerState

Step = Callable[..., Coroutine[Any, Any, dict[str, Any]]]
"""`(state or what was sent, config) -> update`."""


class Branch(NamedTuple):
    """Where a node leads, by label."""

    choose: Callable[[PlannerState], str]
    ways: Mapping[str, str]

    def chosen(self, state: PlannerState, config: RunnableConfig) -> str:
        """Return the label for a state; no config matters to it."""
        return self.choose(state)


FIRST, DISPATCH, JOIN = "intake", "dispatch", "review"
"""Where a run begins, what sends subtasks out, and where all of them meet."""
STEPS: Mapping[str, Step] = {
    "intake": steps.intake,
    "plan": steps.plan,
    "approve": steps.approve,
    "dispatch": steps.dispatch,
    "review": steps.review_step,
    "synthesize": steps.synthesize_step,
    "deliver": steps.deliver,
}
EDGES: Mapping[str, str] = {"plan": "approve", "synthesize": "deliver", "deliver": END}
BRANCHES: Mapping[str, Branch] = {
    "intake": Branch(steps.after_intake, {"new task": "plan", "known task": END}),
    "approve": Branch(steps.after_approve, {"approved": "dispatch", "rejected": "review"}),
    "review": Branch(
        steps.after_review,
        {"a person is asked": "approve", "next stage or retry": "dispatch", "all done": "synthesize"},
    ),
}
"""Of every node that is not in `EDGES` but `dispatch`."""


def after(node: str, state: PlannerState) -> str:
    """Return the node that follows one, or `END`; not of `dispatch`."""
    if node in EDGES:
        return EDGES[node]
    branch = BRANCHES[node]
    return branch.ways[branch.choose(state)]
