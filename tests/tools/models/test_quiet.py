"""A governed model that nobody listens to answers as LangChain's own way does, without telling anybody."""

from typing import Any

from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import AsyncCallbackHandler, get_usage_metadata_callback
from langchain_core.globals import set_llm_cache
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.rate_limiters import InMemoryRateLimiter

from concertino.contracts.budget import Budget
from tests.tools.models.governing import Governing

USAGE = {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7}


class Told(BaseChatModel):
    """Answers with all that an answer may carry."""

    @property
    def _llm_type(self) -> str:
        return "told"

    def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> ChatResult:
        message = AIMessage(content="fine", usage_metadata=USAGE, response_metadata={"own": 1})
        info = {"finish_reason": "stop", "lc_gateway_metadata": {"hidden": True}}
        return ChatResult(
            generations=[ChatGeneration(message=message, generation_info=info)],
            llm_output={"model_name": "m", "own": 0},
        )

    async def _agenerate(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any) -> ChatResult:
        return self._generate(messages, stop, **kwargs)


class Listener(AsyncCallbackHandler):
    """Notes the answers it hears of."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    async def on_llm_end(self, response: Any, **kwargs: Any) -> None:
        self.heard.append(response.generations[0][0].text)


async def test_the_answer_is_what_langchain_makes_of_it() -> None:
    """Content, usage, metadata; and an id of its own."""
    run = Governing(Budget(tokens=50_000))
    model = run.model(Told())
    quiet = await model.ainvoke("hi")
    loud = await model.ainvoke("hi", {"callbacks": [Listener()]})
    assert quiet.model_copy(update={"id": None}) == loud.model_copy(update={"id": None})
    assert quiet.response_metadata == {"model_name": "m", "own": 1, "finish_reason": "stop"}
    assert (quiet.id or "").startswith("lc_run--")
    assert quiet.id != (await model.ainvoke("hi")).id
    assert run.tokens == 21


async def test_the_request_is_what_langchain_makes_of_it() -> None:
    """Messages of any form, stop words, settings; what is meant for handlers is left out."""
    asked: list[dict[str, Any]] = []

    class Noting(Told):
        async def _agenerate(
            self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any
        ) -> ChatResult:
            asked.append({"said": [(one.type, one.content) for one in messages], "stop": stop, **kwargs})
            return self._generate(messages, stop)

    told: dict[str, Any] = {"ls_structured_output_format": {"schema": {"title": "T"}, "kwargs": {}}}
    bound = Governing().model(Noting()).bind(stop=["x"], temperature=0.5, **told)
    given: list[Any] = [("system", "be brief"), {"role": "user", "content": "hi"}]
    await bound.ainvoke(given)
    await bound.ainvoke(given, {"callbacks": [Listener()]})
    assert asked[0] == asked[1]
    assert asked[0]["stop"] == ["x"]


async def test_whoever_listens_is_told() -> None:
    """A handler of the call, of the model, or of the context."""
    run, listener = Governing(), Listener()
    model = run.model(Told())
    await model.ainvoke("hi", {"callbacks": [listener]})
    own = run.model(Told(callbacks=[listener]))
    await own.ainvoke("hi")
    with get_usage_metadata_callback() as usage:
        await model.ainvoke("hi")
    await model.ainvoke("hi")
    assert listener.heard == ["fine", "fine"]
    assert sum(one["total_tokens"] for one in usage.usage_metadata.values()) == 7


async def test_what_stands_before_a_model_stays_there() -> None:
    """A cache answers in its place, a rate limiter holds it up."""
    run = Governing()
    cached = run.model(Told(cache=InMemoryCache()))
    assert [(await cached.ainvoke("hi")).text for _ in range(2)] == ["fine", "fine"]
    assert len(run.outcomes()) == 1
    set_llm_cache(InMemoryCache())
    try:
        model = run.model(Told())
        assert [(await model.ainvoke("other")).text for _ in range(2)] == ["fine", "fine"]
    finally:
        set_llm_cache(None)
    assert len(run.outcomes()) == 2

    class Limiter(InMemoryRateLimiter):
        asked = 0

        async def aacquire(self, *, blocking: bool = True) -> bool:
            Limiter.asked += 1
            return True

    await run.model(Told(rate_limiter=Limiter())).ainvoke("hi")
    assert Limiter.asked == 1


async def test_content_in_blocks_takes_langchains_way() -> None:
    """It may have to be put into another form."""
    run = Governing()
    said = HumanMessage(content=[{"type": "text", "text": "hi"}])
    assert (await run.model(Told()).ainvoke([said])).text == "fine"
