"""A headless browser, where there is one."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

COMPLETE = """() => new Promise((done) => {
  const look = () => (performance.getEntriesByName('complete').length ? done() : setTimeout(look, 5));
  look();
})"""
CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Return Chromium; what needs it is skipped where it is absent."""
    if CHROMIUM is None:
        pytest.skip("there is no Chromium")
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playing:
        opened = playing.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def opened(browser: Any, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Return a function that opens a page's text from a file; it must ask nobody, and complain of nothing."""
    contexts: list[Any] = []
    wrong: list[str] = []

    def show(text: str, *, wide: int = 1400, dark: bool = False, may_complain: str = "\0") -> Any:
        file = tmp_path / f"page-{len(contexts)}.html"
        file.write_text(text, encoding="utf-8")
        context = browser.new_context(viewport={"width": wide, "height": 900}, color_scheme="dark" if dark else "light")
        contexts.append(context)
        tab = context.new_page()
        tab.on("request", lambda request: None if request.url == file.as_uri() else wrong.append(request.url))
        tab.on("console", lambda message: None if may_complain in message.text else wrong.append(message.text))
        tab.on("pageerror", lambda error: wrong.append(str(error)))
        tab.on("dialog", refuse)
        tab.goto(file.as_uri())
        tab.evaluate(COMPLETE)
        return tab

    def refuse(dialog: Any) -> None:
        wrong.append(dialog.message)
        dialog.dismiss()

    yield show
    for context in contexts:
        context.close()
    assert wrong == []
