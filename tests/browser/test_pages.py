"""Every page of the book in a real browser, on a phone and on a desk, by day and by night."""

import importlib.util
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from conftest import MISSING, ROOT, chromium

from courseware import contents

pytestmark = pytest.mark.browser

# Of the table of contents, not of the build, so that a page that was not built fails.
PAGES = [*contents.sources(ROOT), "search"]
WIDTHS = (390, 1280)
# Layout hangs on the width and colours on the theme, so axe sees each of them once.
THEME = {390: "light", 1280: "dark"}
WIDGET = "application/vnd.jupyter.widget-"  # what ipywidgets leave in outputs and pages
SETTLE = "document.fonts.ready.then(() => window.MathJax?.startup?.promise)"
# Loading stylesheets itself would make axe ask for files that no reader's browser asks for.
# Thousands of code tokens and table rows are alike; axe takes minutes for them. It gets one token of each
# colour, and the first rows of each table.
THIN = """() => { const seen = new Set();
for (const token of document.querySelectorAll('.highlight pre span')) {
  if (seen.has(token.className)) token.replaceWith(...token.childNodes); else seen.add(token.className);
}
for (const row of document.querySelectorAll('tbody tr:nth-child(n + 40)')) row.remove(); }"""
LOADED = """() => { for (const image of document.images) image.loading = 'eager';
return Promise.all([...document.images].map(image => image.decode().catch(() => {}))) }"""
AXE = "axe.run(document, {preload: false, resultTypes: ['violations']})"


@pytest.fixture(scope="session")
def axe():
    folder = Path(importlib.util.find_spec("axe_playwright_python").origin).parent
    return (folder / "axe.min.js").read_text("utf-8")


@pytest.fixture(scope="session")
def views(browser):
    """One window for each width, used for all pages."""
    contexts = {
        width: browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme="light", reduced_motion="reduce"
        )
        for width in WIDTHS
    }
    yield contexts
    for context in contexts.values():
        context.close()


class Watch:
    """Notes what a page complains of and what it asks for."""

    def __init__(self, page, base):
        self.troubles = []
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.troubles.append(f"error: {error}"))
        page.on("requestfailed", lambda request: self.troubles.append(f"failed: {request.url}"))
        page.on("response", lambda r: r.status >= 400 and self.troubles.append(f"{r.status}: {r.url}"))
        page.on("request", lambda request: self._request(request.url, base))

    def _console(self, message):
        if message.type in ("error", "warning"):
            self.troubles.append(f"console {message.type}: {message.text}")

    def _request(self, url, base):
        if not url.startswith((base, "data:", "blob:")):
            self.troubles.append(f"foreign request: {url}")


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", PAGES)
def test_page_is_quiet_whole_and_accessible(name, width, base, html, views, axe):
    page = views[width].new_page()
    watch = Watch(page, base)
    try:
        page.goto(f"{base}{name}.html", wait_until="load")
        page.evaluate(SETTLE)
        page.evaluate(LOADED)
        picture(page, html, name, width, "light")
        turn(page, "dark")
        picture(page, html, name, width, "dark")
        page.evaluate("document.querySelectorAll('details').forEach(folded => { folded.open = true; })")

        assert page.evaluate("document.documentElement.scrollWidth") <= width, "scrolls sideways"
        assert page.evaluate(IMAGES) == []
        page.evaluate(THIN)
        page.evaluate(axe)
        turn(page, THEME[width])
        found = violations(page.evaluate(AXE))
        assert found == []
        assert watch.troubles == []
    finally:
        page.close()


def picture(page, html, name, width, theme):
    """Keep a picture of the whole page, for people to look at."""
    folder = html.parent / "screenshots"
    folder.mkdir(exist_ok=True)
    path = folder / f"{name.replace('/', '-')}-{width}-{theme}.jpg"
    page.screenshot(path=path, type="jpeg", quality=80, full_page=True)


def turn(page, theme):
    """Let the system ask for light or dark, and wait until the page obeys."""
    page.emulate_media(color_scheme=theme)
    page.wait_for_function(f"document.documentElement.dataset.theme === '{theme}'")


# Pictures that did not load, have no words, or leave their room open.
IMAGES = """[...document.images].filter(image => !image.naturalWidth || !image.alt.trim()
    || (image.closest('.bd-article') && !(image.hasAttribute('width') && image.hasAttribute('height'))))
    .map(image => image.outerHTML)"""


def violations(result):
    """Return a line for each place that axe calls serious or critical."""
    return [
        f"{rule['impact']} {rule['id']} at {node['target']}: {node['html'][:150]}"
        for rule in result["violations"]
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
    ]


def test_search_finds_a_word_of_the_glossary(base, views):
    page = views[1280].new_page()
    watch = Watch(page, base)
    try:
        page.goto(f"{base}search.html?q=convolution")
        page.wait_for_selector("#search-results ul.search li a", timeout=10_000)
        targets = page.eval_on_selector_all(
            "#search-results ul.search li a", "links => links.map(link => link.href)"
        )
        assert any("glossary.html" in target for target in targets)
        assert all(target.startswith(base) for target in targets)
        assert watch.troubles == []
    finally:
        page.close()


def test_the_ledger_can_be_searched_filtered_and_sorted_by_keyboard(base, views):
    page = views[1280].new_page()
    shown = ".cb-ledger tbody tr:not([hidden])"
    try:
        page.goto(f"{base}ledger.html")
        everything = page.locator(shown).count()
        page.get_by_label("Status").select_option("differs")
        differing = page.locator(shown).count()
        assert 0 < differing < everything
        assert page.locator(f"{shown}[data-status='differs']").count() == differing
        said = page.locator(".cb-ledger [role=status]").inner_text()
        assert said == f"{differing} of {everything} claims shown"
        search = page.locator(".cb-ledger input[type=search]")
        search.fill("no such network")
        assert page.locator(shown).count() == 0
        search.fill("")
        page.get_by_label("Status").select_option("")
        page.get_by_role("button", name="Computed").focus()
        page.keyboard.press("Enter")
        cells = page.eval_on_selector_all(
            ".cb-ledger tbody td:nth-child(5)", "cells => cells.map(cell => cell.dataset.sort)"
        )
        computed = [float(text) for text in cells if text]
        assert computed == sorted(computed) and len(computed) > 100
    finally:
        page.close()


def test_a_missing_page_still_looks_like_the_book_and_leads_back(base, views):
    page = views[1280].new_page()
    asked = []
    page.on("response", lambda response: asked.append((response.status, response.url)))
    try:
        page.goto(f"{base}chapters/no-such-chapter.html")
        assert [url for status, url in asked if status >= 400] == [f"{base}chapters/no-such-chapter.html"]
        page.click(".navbar-brand.logo")
        assert page.url == f"{base}index.html"
    finally:
        page.close()


def test_code_that_scrolls_can_be_reached_by_keyboard(base, views):
    page = views[390].new_page()
    try:
        page.goto(f"{base}index.html")
        unreachable = page.evaluate(
            "[...document.querySelectorAll('.bd-article pre, .cb-scroll')]"
            ".filter(e => e.scrollWidth > e.clientWidth + 1 && e.tabIndex < 0).length"
        )
        assert unreachable == 0
    finally:
        page.close()


class Links(HTMLParser):
    """Collects a page's anchors and the addresses it points to."""

    def __init__(self, text):
        super().__init__()
        self.ids, self.targets = set(), []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.ids |= {values[key] for key in ("id", "name") if values.get(key)}
        self.targets += [values[key] for key in ("href", "src") if values.get(key)]


def test_every_internal_link_and_anchor_leads_somewhere(html, prefix):
    parsed = {
        path: Links(path.read_text("utf-8")) for path in html.rglob("*.html") if "_static" not in path.parts
    }
    broken = []
    for path, links in parsed.items():
        for target in links.targets:
            parts = urlsplit(target)
            if parts.scheme or parts.netloc:
                continue
            where = unquote(parts.path)
            if where.startswith("/"):  # 404.html
                file = html / where.removeprefix(prefix)
            else:
                file = (path.parent / where).resolve() if where else path
            file = file / "index.html" if file.is_dir() else file
            anchor = unquote(parts.fragment)
            if not file.is_file() or (anchor and file in parsed and anchor not in parsed[file].ids):
                broken.append(f"{path.relative_to(html)} -> {target}")
    assert broken == []


def test_no_page_shows_a_control_that_needs_a_kernel(html):
    pages = list(html.rglob("*.html"))
    assert pages
    live = [str(path.relative_to(html)) for path in pages if WIDGET in path.read_text("utf-8")]
    assert not live, "chapters must not use convbook.plots.widgets or ipywidgets"


def test_the_sitemap_lists_every_page_under_the_books_address(html, prefix):
    listed = re.findall(r"<loc>([^<]*)</loc>", (html / "sitemap.xml").read_text("utf-8"))
    paths = {urlsplit(url).path for url in listed}
    assert {f"{prefix}{name}.html" for name in contents.sources(ROOT)} <= paths


def test_a_missing_browser_says_how_to_get_one(monkeypatch):
    monkeypatch.setenv("CHROMIUM", "/no/such/browser")
    with pytest.raises(pytest.fail.Exception) as caught:
        chromium()
    assert str(caught.value) == MISSING
    assert "\n" not in MISSING
