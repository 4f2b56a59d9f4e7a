"""A suite whose specialists bring models of their own, and what its server answers."""

from __future__ import annotations

from tests.loopback.openai_server import Fail, Received, Reply, Say

PLANNER = '''
from concurrent.futures import ThreadPoolExecutor

import httpx
from langchain.agents import create_agent
from langchain.agents.middleware import ModelRetryMiddleware
from langchain_core.caches import InMemoryCache
from langchain_openai import ChatOpenAI, OpenAI
from pydantic import BaseModel

from concertino import Budget, Finding, create_planner, specialist


class Grade(BaseModel):
    """How good it is."""

    grade: str


def look(word: str) -> str:
    """Look a word up."""
    return f"{word} has {len(word)} letters"


BRIEFLY = httpx.Limits(max_keepalive_connections=0)
CLIENTS = {"http_client": httpx.Client(limits=BRIEFLY), "http_async_client": httpx.AsyncClient(limits=BRIEFLY)}


def chat(**settings):
    return ChatOpenAI(model="gpt-5-mini", max_tokens=200, max_retries=0, **CLIENTS, **settings)


KEPT = chat(cache=InMemoryCache())


@specialist("plain", max_attempts=2)
def plain(brief):
    said = chat().invoke(f"Tell me about {brief.objective}.")
    if said.additional_kwargs.get("refusal"):
        said = chat().invoke(f"Please, about {brief.objective}.")
    return Finding(output={"text": said.text, "usage": said.usage_metadata}, confidence=0.8)


@specialist("ways")
async def ways(brief):
    model, about = chat(cache=False), brief.objective
    with ThreadPoolExecutor() as pool:
        own = pool.submit(model.invoke, f"{about} in a thread").result()
    streamed = [piece.text async for piece in model.astream(f"{about} in pieces")]
    batched = [one.text for one in await model.abatch([f"{about} first", f"{about} second"])]
    graded = await model.with_structured_output(Grade).ainvoke(f"{about} as JSON")
    pieced = [one async for one in model.with_structured_output(Grade).astream(f"{about} as JSON again")]
    told = [one async for one in model.astream_events(f"{about} with events", version="v2")]
    kept = [(await KEPT.ainvoke(f"{about} to be kept")).text for _ in range(2)]
    said = [own.text, *streamed, *batched, graded.grade, pieced[-1].grade, told[-1]["data"]["output"].text, *kept]
    return Finding(output=said, confidence=0.8)


@specialist("blocking")
def blocking(brief):
    streamed = "".join(piece.text for piece in chat().stream(f"{brief.objective} in pieces"))
    return Finding(output=streamed, confidence=0.8)


@specialist("texts")
async def texts(brief):
    return Finding(output=await OpenAI(max_tokens=20, max_retries=0, **CLIENTS).ainvoke(brief.objective), confidence=0.8)


@specialist("apart", isolation="process", max_attempts=1)
def apart(brief):
    said = ChatOpenAI(model="gpt-5-mini", max_tokens=200, max_retries=0).invoke(brief.objective)
    return Finding(output=said.text, confidence=0.8)


def create():
    retry = ModelRetryMiddleware(max_retries=2, initial_delay=0.0)
    agent = create_agent(chat(), tools=[look], system_prompt="Be brief.", middleware=[retry])
    research = specialist("research", max_attempts=2)(agent)
    return create_planner(
        specialists=[research, plain, ways, blocking, texts, apart], budget=Budget(tokens=100_000, seconds=60), replans=0
    )
'''
KEY = "a-key-that-nobody-may-see"
SUITE = "name: small\ntarget: planner:create\n"
CASES = """
- id: agent
  task: {title: t, plan: {subtasks: [{id: a, specialist: research, objective: cats}]}}
  expect: {status: success}
- id: twins
  task:
    title: t
    plan: {subtasks: [{id: a, specialist: plain, objective: dogs}, {id: b, specialist: plain, objective: dogs}]}
  expect: {status: success}
- id: ways
  task: {title: t, plan: {subtasks: [{id: a, specialist: ways, objective: eels}]}}
  expect: {status: success}
- id: blocking
  task: {title: t, plan: {subtasks: [{id: a, specialist: blocking, objective: ants}, {id: b, specialist: blocking, objective: bats}]}}
  expect: {status: success}
- id: moody
  task: {title: t, plan: {subtasks: [{id: a, specialist: plain, objective: newts}]}}
  expect: {status: success}
- id: refused
  faults: [{where: {kind: model, n: 1}, what: refuse}]
  task: {title: t, plan: {subtasks: [{id: a, specialist: plain, objective: owls}]}}
  expect: {status: success}
"""
APART = """
- id: apart
  task: {title: t, plan: {subtasks: [{id: a, specialist: apart, objective: yaks}]}}
  expect: {status: success}
"""
TEXTS = """
- id: texts
  task: {title: t, plan: {subtasks: [{id: a, specialist: texts, objective: emus}]}}
  expect: {status: success}
"""


class Answering:
    """Asks for the tool before it answers, and answers nobody twice alike."""

    def __init__(self) -> None:
        self.count, self.is_calm = 0, False

    def __call__(self, received: Received) -> Reply:
        last = received.messages[-1]
        if received.body.get("tools") and last["role"] != "tool":
            return Say(tool_calls=[("look", {"word": "cats"})])
        if "JSON" in str(last["content"]):
            return Say('{"grade": "A"}')
        self.count += 1
        if "newts" in str(last["content"]) and not self.is_calm:
            self.is_calm = True
            return Fail(503, message="not now")
        return Say(f"answer {self.count} to: {last['content']}")
