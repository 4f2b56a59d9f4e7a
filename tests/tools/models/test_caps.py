"""Output caps are read wherever providers put them, and models are found wherever specialists keep them."""

import functools
from types import SimpleNamespace
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.middleware import ModelFallbackMiddleware
from langchain_core.runnables import RunnableLambda, RunnableParallel
from langgraph.graph import START, MessagesState, StateGraph

from concertino.contracts.errors import InputError, SetupError
from concertino.tools.models.caps import cap_of, check_cap, choices_of, find_models, refuse_unbounded
from tests.tools.models.foreign_world import Capped

MODEL = Capped(responses=["well"])
OTHER = Capped(responses=["other"], max_tokens=7)


def inside(model: Any) -> dict[str, Any]:
    """Return things that hold a model."""
    graph = StateGraph(MessagesState)
    graph.add_node("agent", create_agent(model))
    graph.add_edge(START, "agent")

    def closes_over(brief: Any) -> Any:
        return model.invoke(brief.objective)

    def has_default(brief: Any, model: Any = model) -> Any:
        return model.invoke(brief.objective)

    class Holder:
        def __init__(self) -> None:
            self.chains = [{"main": (model | str,)}]

        def work(self, brief: Any) -> Any:
            return self.chains[0]["main"][0].invoke(brief.objective)

    class Slotted:
        __slots__ = ("model",)

        def __init__(self) -> None:
            self.model = model

    return {
        "itself": model,
        "agent": create_agent(model),
        "graph": graph.compile(),
        "chain": RunnableLambda(str) | model | str,
        "parallel": RunnableParallel(a=RunnableLambda(str) | model),
        "binding": model.bind(stop=["x"]).with_config(tags=["a"]).with_retry(),
        "fallback": RunnableLambda(str).with_fallbacks([model]),
        "closure": closes_over,
        "default": has_default,
        "partial": functools.partial(lambda model, brief: model, model),
        "method": Holder().work,
        "lambda": RunnableLambda(closes_over),
        "slots": Slotted(),
        "namespace": SimpleNamespace(deep=[SimpleNamespace(model=model)]),
        "middleware": create_agent(OTHER, middleware=[ModelFallbackMiddleware(model)]),
    }


def names_a_global(brief: Any) -> Any:
    return (lambda: MODEL.invoke(brief.objective))()


@pytest.mark.parametrize("place", inside(MODEL))
def test_a_model_is_found_wherever_it_is_kept(place: str) -> None:
    """Agents, graphs, chains, functions and objects are looked into."""
    assert any(one.model is MODEL for one in find_models(inside(MODEL)[place]))


def test_a_model_that_a_function_names_is_found() -> None:
    """Globals are looked at where code of the caller's own names them."""
    assert any(one.model is MODEL for one in find_models(names_a_global))


def test_what_holds_no_model_has_none() -> None:
    """And circles end."""
    circle: list[Any] = []
    circle.append(circle)
    assert find_models(circle) == ()
    assert find_models(lambda brief: brief.objective) == ()


def test_a_cap_that_is_bound_counts() -> None:
    """What is bound to a model goes with its calls."""
    uncapped = Capped(responses=["well"], max_tokens=0)
    (bound,) = find_models(uncapped.bind(max_completion_tokens=5) | str)
    assert bound.cap == 5
    check_cap(bound, "specialists.a")
    check_cap(MODEL, "specialists.a")


def test_a_model_without_a_cap_is_refused_by_name_unless_allowed() -> None:
    """The field says where it was found, the rule how to mend it."""
    uncapped = Capped(responses=["well"], max_tokens=0)
    with pytest.raises(SetupError, match="set max_tokens") as caught:
        check_cap(uncapped, "specialists.a.model")
    assert caught.value.field == "specialists.a.model"
    check_cap(uncapped, "specialists.a.model", allow_uncapped=True)


@pytest.mark.parametrize(
    ("settings", "cap"),
    [
        ({}, None),
        ({"max_tokens": 10}, 10),
        ({"max_tokens": None}, None),
        ({"max_tokens": True}, None),
        ({"num_predict": -1}, None),
        ({"options": {"num_predict": 20}}, 20),
        ({"max_tokens": 10, "extra_body": {"max_completion_tokens": 30}}, 30),
        ({"generation_config": {"max_output_tokens": 40}}, 40),
        ({"inferenceConfig": {"maxTokens": 50}}, 50),
    ],
)
def test_the_largest_cap_is_read(settings: dict[str, Any], cap: int | None) -> None:
    """Under whatever name, and nested; what bounds nothing is none."""
    assert cap_of(settings) == cap


def test_every_choice_is_counted() -> None:
    """The most that any setting asks for."""
    assert choices_of({}) == 1
    assert choices_of({"n": 2, "best_of": 5}) == 5


@pytest.mark.parametrize(
    "settings",
    [
        {"previous_response_id": "resp_1"},
        {"web_search_options": {"a": 1}},
        {"extra_body": {"conversation": "c"}},
        {"tools": [{"type": "web_search_preview"}]},
        {"tools": [{"type": "mcp", "server_url": "x"}]},
        {"tools": [{"googleSearch": {}}]},
    ],
)
def test_what_the_provider_reads_by_itself_is_refused(settings: dict[str, Any]) -> None:
    """Its tokens are on the bill, and nobody can bound them."""
    with pytest.raises(InputError):
        refuse_unbounded(settings)


@pytest.mark.parametrize(
    "tool",
    [
        {"type": "function", "function": {"name": "f"}},
        {"type": "function", "name": "f"},
        {"name": "f", "input_schema": {}},
        {"function_declarations": []},
        {"toolSpec": {}},
    ],
)
def test_the_callers_own_tools_are_not_refused(tool: dict[str, Any]) -> None:
    """In any provider's form."""
    refuse_unbounded({"tools": [tool]})
