"""The built book, served as on its host, and one headless Chromium for all tests."""

import functools
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from driving import SAMPLES, TAB

from courseware import render
from courseware.serve import make_server

ROOT = Path(__file__).parents[2]
MISSING = "Chromium not found: run `apt-get install chromium`, or set CHROMIUM to its path"


@pytest.fixture(scope="session")
def html() -> Path:
    """The folder of built pages: rendered anew if anything changed."""
    chromium()  # without a browser there is no point in building
    return render.build(ROOT).index.parent


@pytest.fixture(scope="session")
def prefix() -> str:
    """The path under which the book will be published, such as /convbook/."""
    config = yaml.safe_load((ROOT / "_config.yml").read_text("utf-8"))
    return urlsplit(config["html"]["baseurl"]).path


@pytest.fixture(scope="session")
def base(html: Path, prefix: str) -> Iterator[str]:
    """The address of a server that shows the book under its sub-path, and 404.html for what is missing."""
    server = make_server(html, 0, prefix)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}{prefix}"
    server.shutdown()


def chromium() -> str:
    """Return the browser's path, or fail with what to do."""
    named = os.environ.get("CHROMIUM")
    found = shutil.which(named) if named else shutil.which("chromium") or shutil.which("chromium-browser")
    if not found:
        pytest.fail(MISSING, pytrace=False)
    return found


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    path = chromium()
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
        )
        yield started
        started.close()


@pytest.fixture(scope="session")
def samples() -> Callable[[str], str]:
    """Gives the HTML of a sample of an explorable by its name, each made once."""
    return functools.cache(lambda name: SAMPLES[name]())


@pytest.fixture
def visit(browser: Any, samples: Callable[[str], str], tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Open explorables (names of samples, or HTML) from a file; at the end no error, no request, no log.

    All of them begin, near or far, unless told otherwise.
    """
    problems: list[str] = []
    contexts: list[Any] = []

    def open_page(*shown: str, theme: str = "light", begin: bool = True, **options: Any) -> Any:
        body = "".join(each if each.startswith("<") else samples(each) for each in shown)
        head = "<meta charset=utf-8><meta name=viewport content='width=device-width'><title>Test</title>"
        file = tmp_path / "page.html"
        file.write_text(
            f"<!doctype html><html lang=en data-theme={theme}><head>{head}</head>"
            f"<body><main>{body}</main></body></html>",
            encoding="utf-8",
        )
        contexts.append(browser.new_context(**options))
        page = contexts[-1].new_page()
        page.set_default_timeout(10_000)
        page.on("console", lambda message: problems.append(message.text))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on(
            "request",
            lambda request: request.url.startswith(("http:", "https:")) and problems.append(request.url),
        )
        page.goto(file.as_uri())
        if begin:
            page.evaluate(TAB)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not problems
