"""The page in a browser: drawn from a file, usable by keys, and running nothing of what came from outside."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from concertino.contracts.json import JsonObject
from concertino.evals.reports import page, report, run_report
from tests.evals.told import call, events, outcome, result

EVIL = "</script><script>document.title='owned'</script><img src='http://127.0.0.1:9/x.png' onerror='alert(1)'>"
Show = Callable[..., Any]

INK = """() => {
  const canvas = document.querySelector('canvas'), data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
  let drawn = 0;
  for (let at = 3; at < data.length; at += 4) drawn += data[at] > 0;
  return drawn;
}"""


class Suite(NamedTuple):
    name: str = "offers"
    target: str = "demo:planner"


def suite_page() -> str:
    lines: list[JsonObject] = [call("work/law#2", "Is it <sued>?", "no", at=2.0), call("plan#1", "Plan it.", "{}")]
    return page(
        report(
            Suite(),
            [
                outcome({"status": "success", "plan": {"nodes": ["legal"]}}, case_id="alpha", calls=lines),
                outcome({"status": "success"}, case_id="beta", stand_in=True),
                *(outcome({"status": "success"}, case_id="gamma", number=n) for n in (1, 2)),
            ],
        )
    )


def test_a_run_is_drawn_with_all_its_parts(opened: Show) -> None:
    """Plan, timeline with its attempts, budgets, breakers, weights, and the note that no prompt was played."""
    tab = opened(page(run_report(result(), events())))
    assert tab.title() == "How risky is Acme? · Concertino"
    assert tab.evaluate(INK) > 1_000
    assert tab.locator(".row").count() == 3
    assert tab.locator(".row .try.bad").count() == 1
    assert tab.locator(".lane .state.open").count() == 1
    assert tab.locator(".meter").count() == 4
    assert tab.locator(".weight").count() == 3
    assert "none was played" in tab.locator("section[aria-labelledby=talks]").inner_text()


def test_a_text_from_outside_runs_nothing(opened: Show) -> None:
    """Script, image and handler in ids, objectives, answers, errors, prompts: all is read as words, nothing is asked for."""
    told = events()
    told[0]["payload"]["title"] = EVIL
    told[1] = told[1] | {"payload": {"plan": {"subtasks": [
        {"id": sid, "specialist": EVIL, "objective": EVIL, "name": EVIL, "needs": [], "inputs": {"x": EVIL}} for sid in ("money", "law", "advice")
    ]}}}  # fmt: skip
    told[6]["payload"]["error"] = {"type": EVIL, "message": EVIL}
    hostile = result(answer=EVIL, recommendations=[EVIL])
    hostile["subtasks"][1].update(outputs=EVIL, specialist=EVIL, name=EVIL)
    hostile["weights"][0]["specialist"] = EVIL
    lines: list[JsonObject] = [call("work/law#1", EVIL, EVIL)]
    tab = opened(page(run_report(hostile, told, lines)))
    tab.locator(".row").nth(1).click()
    for summary in tab.locator("details.call summary").all():
        summary.click()
    assert EVIL in tab.locator(".talk .block").nth(1).inner_text()
    assert "owned" not in tab.title().split(" · ")[0].replace(EVIL, "")
    assert tab.evaluate("document.querySelectorAll('img').length") == 0
    assert tab.evaluate("document.scripts.length") == 3


def test_even_a_hole_in_the_page_would_run_nothing(opened: Show) -> None:
    """The policy stands behind the escaping: no text can be set as markup, and a script that gets in is not run."""
    sown = page(run_report(result(), events())).replace(
        "<noscript>", "<script>document.title='owned'</script><noscript>"
    )
    tab = opened(sown, may_complain="")
    assert tab.title() == "How risky is Acme? · Concertino"
    said = tab.evaluate(
        "() => { try { document.body.innerHTML = '<b>x</b>'; return 'set'; } catch (error) { return error.name; } }"
    )
    assert said == "TypeError"


def test_cases_are_walked_by_keys(opened: Show) -> None:
    """The first case that failed is shown; arrows walk the list, `/` finds, and a repeat has its button."""
    tab = opened(suite_page())
    assert tab.locator("h2").inner_text() == "alpha"
    assert "precision" in tab.locator(".verdicts").inner_text()
    tab.locator("nav [role=listbox]").focus()
    tab.keyboard.press("ArrowDown")
    assert tab.locator("h2").inner_text() == "beta"
    assert "stand-in" in tab.locator(".case-head").inner_text()
    tab.keyboard.press("End")
    assert tab.locator("h2").inner_text() == "gamma"
    assert tab.locator(".repeats button").count() == 2
    tab.keyboard.press("/")
    tab.keyboard.type("alp")
    assert tab.locator("nav [role=option]").count() == 1
    tab.keyboard.press("Escape")
    tab.locator("nav [role=option]").click()
    assert tab.locator("h2").inner_text() == "alpha"


def test_subtasks_are_walked_by_keys(opened: Show) -> None:
    """In the timeline by rows, in the plan along the needs; what is chosen is told in words in both."""
    tab = opened(suite_page())
    tab.locator("[aria-label='Subtasks by start']").focus()
    tab.keyboard.press("ArrowDown")
    assert tab.locator(".inspector h3").first.inner_text() == "money"
    tab.locator("canvas").focus()
    tab.keyboard.press("ArrowRight")
    assert tab.locator(".inspector h3").first.inner_text() == "advice"
    assert tab.locator("[role=status]").inner_text() == "advice, writer, completed, 1 s"
    tab.keyboard.press("Escape")
    assert tab.locator(".inspector h3").first.inner_text() == "Answer"


def test_a_subtask_shows_its_attempts_and_its_words(opened: Show) -> None:
    """The error of the first attempt, and the prompt and answer of the second."""
    tab = opened(suite_page())
    tab.locator(".row", has_text="law").click()
    side = tab.locator(".inspector")
    assert "TimeoutError: no answer" in side.inner_text()
    side.locator("details.call summary").click()
    assert side.locator(".talk .block").all_inner_texts() == ["Be brief.", "Is it <sued>?", "no"]


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("wide", [360, 800, 1400])
def test_no_screen_is_too_narrow(opened: Show, wide: int, dark: bool) -> None:
    """Nothing is wider than the screen, in either theme, and text stands out from its ground."""
    tab = opened(suite_page(), wide=wide, dark=dark)
    assert tab.evaluate("document.documentElement.scrollWidth") <= wide
    ground, ink = tab.evaluate(
        "[document.body, document.querySelector('h1')].map((one, n) => getComputedStyle(one)[n ? 'color' : 'backgroundColor'])"
    )
    assert (ground, ink) == (
        ("rgb(22, 23, 25)", "rgb(236, 235, 232)") if dark else ("rgb(247, 246, 243)", "rgb(29, 28, 26)")
    )
    tab.locator("button.theme").click()
    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == (
        "rgb(247, 246, 243)" if dark else "rgb(22, 23, 25)"
    )


def test_only_rows_in_sight_exist(opened: Show) -> None:
    """Of a thousand subtasks a few dozen rows are made; scrolling to the end brings the last ones."""
    model = result()
    template = model["subtasks"][0]
    model["subtasks"] = [
        template | {"subtask_id": f"t{n}", "name": f"t{n}", "needs": [f"t{n // 2}"] if n else [], "started_at": 1e6 + n, "finished_at": 1e6 + n + 2}
        for n in range(1_000)
    ]  # fmt: skip
    tab = opened(page(run_report(model, [])))
    assert 10 < tab.locator(".row").count() < 60
    tab.locator("[aria-label='Subtasks by start']").focus()
    tab.keyboard.press("End")
    assert tab.locator(".inspector h3").first.inner_text() == "t999"
    assert tab.locator(".row[aria-selected=true]").get_attribute("aria-posinset") == "1000"
    assert tab.evaluate(INK) > 1_000


def test_ids_come_back_as_they_were(opened: Show) -> None:
    """What stands by reference in the page is read in full."""
    names = ["t7", "t08", "financial::a::1", "financial::a::2", "financial3", "plain"]
    model = result()
    model["subtasks"] = [model["subtasks"][0] | {"subtask_id": name, "name": name, "needs": []} for name in names]
    tab = opened(page(run_report(model, [])))
    assert tab.locator(".row .name span").all_inner_texts() == names


def test_a_run_without_subtasks_or_cases_is_a_page_too(opened: Show) -> None:
    """A case that could not be run shows its error, a suite without cases says so."""
    error: JsonObject = {"type": "FileInvalid", "message": "torn", "file": "offers/tapes/acme.jsonl", "line": 3}
    tab = opened(page(report(Suite(), [outcome({"status": "success"}, result=None, events=[], error=error)])))
    assert "offers/tapes/acme.jsonl:3" in tab.locator(".case-head").inner_text()
    assert "no cases" in opened(page(report(Suite(), []))).locator("main").inner_text()
