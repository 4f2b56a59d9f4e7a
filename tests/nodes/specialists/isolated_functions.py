"""Functions that the tests of process isolation run in child processes."""

import asyncio
import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Awaitable
from dataclasses import dataclass
from pathlib import Path

from concertino.contracts.errors import BreakerOpen, BudgetExceeded, ConcertinoError, DeadlineExceeded, ToolFailed
from concertino.contracts.finding import Declined, Finding


def echo(brief):
    return Finding(
        output={
            "inputs": brief.inputs,
            "objective": brief.objective,
            "attempt": brief.attempt,
            "key": brief.effect_key("mail"),
            "task": brief.task,
            "model": brief.model,
            "deadline": brief.deadline,
            "up": [brief.upstream["a"].output, brief.upstream["short"].confidence, list(brief.upstream)],
        },
        confidence=0.5,
        evidence=["a.pdf"],
    )


def plain_calls(brief):
    spent = brief.spend(tokens=3)
    asyncio.run(_awaits(spent))
    brief.publish("price", amount=2)
    return {
        "attribute": brief.tools.add(a=1, b=2),
        "item": brief.tools["add"](a=3, b=4),
        "call": brief.tools.call("add", a=5, b=6),
        "names": list(brief.tools.names()),
        "has": ["add" in brief.tools, "other" in brief.tools],
    }


async def _awaits(thing: Awaitable[None]) -> None:
    await thing


async def async_calls(brief):
    await brief.spend(tokens=1, usd=0.5)
    await brief.publish("price", amount=2)
    return await asyncio.gather(brief.tools.meet(who=1), brief.tools.meet(who=2))


def calls_in_threads(brief):
    found = []
    threads = [threading.Thread(target=lambda n=n: found.append(brief.tools.add(a=n, b=n))) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(found)


def catches(brief):
    try:
        brief.tools.fail()
    except (BudgetExceeded, BreakerOpen, ToolFailed, DeadlineExceeded) as error:
        return {"class": type(error).__name__, "fields": dict(error.fields()), "text": str(error)}
    except ConcertinoError as error:
        return {"class": type(error).__name__, "text": str(error)}
    except Exception as error:
        return {"builtin": type(error).__name__, "text": str(error)}


def lets_pass(brief):
    brief.tools.fail()


def declines(brief):
    return Declined(reason="not mine")


def raises(brief):
    raise KeyError("no such candidate")


def exits(brief):
    sys.exit(3)


def exits_hard(brief):
    os._exit(7)


def exits_hard_quietly(brief):
    os._exit(0)


def segfaults(brief):
    os.kill(os.getpid(), signal.SIGSEGV)


def closes_everything(brief):
    os.closerange(3, 256)
    return "unheard"


def prints_junk(brief):
    print('{"answer": 1, "kind": "json"}')
    os.write(1, b'\xff\x00{"failed": {}}\n')
    sys.stdout.close()
    return "clean"


def unserialisable(brief):
    return {"handle": object()}


def not_finite(brief):
    return {"price": float("nan")}


def cycle(brief):
    ring: list[object] = []
    ring.append(ring)
    return ring


def huge(brief):
    return "x" * 50_000


def nonsense(brief):
    return Finding.model_construct(output=1, confidence=7)


def nothing(brief):
    return None


@dataclass
class Offer:
    base: int


def dataclassed(brief):
    return {"offer": Offer(base=5)}


def unwell_text(brief):
    return "a\x00b\ud800c"


def holds_on(brief):
    """Ignore SIGTERM, start a process of its own, and never return."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    grandchild = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    Path(brief.inputs["pids"]).write_text(f"{os.getppid()} {os.getpid()} {grandchild.pid}")
    if brief.inputs.get("told", True):
        brief.tools.started()
    if brief.inputs.get("holds_gil"):
        ctypes.PyDLL(None).pause()
    threading.Event().wait()


def leaves_a_process(brief):
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", f"forgotten-{os.getpid()}"])
    return os.getpid()


def forks(brief):
    """Fork without exec: the copy must not answer too."""
    if os.fork() == 0:
        return "from the copy"
    os.wait()
    return "from the original"


def asks_and_waits(brief):
    return brief.tools.never()


def environment(brief):
    return {
        "cwd": str(Path.cwd()),
        "path": sys.path,
        "argv": sys.argv,
        "env": os.environ.get("CONCERTINO_TEST"),
        "modules": [
            name for name in ("langgraph", "langchain_core", "jsonschema", "asyncio", "sqlite3") if name in sys.modules
        ],
    }


class Desk:
    @staticmethod
    def static(brief):
        return "static"

    def method(self, brief):
        return "method"
