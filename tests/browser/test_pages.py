"""Every page of the book in a real browser, on a phone and on a desk, by day and by night."""

import functools
import http.server
import importlib.util
import re
import threading
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from conftest import MISSING, ROOT, chromium
from driving import TAB

from courseware import contents

pytestmark = pytest.mark.browser

# Of the table of contents, not of the build, so that a page that was not built fails.
PAGES = [*contents.sources(ROOT), "search", "genindex", "404"]
WIDTHS = (390, 1280)
WIDGET = "application/vnd.jupyter.widget-"  # what ipywidgets leave in outputs and pages
# Pixels of a picture: Chromium's are wrong further down, and the ledger's would take a minute.
TALLEST = 16_000
# Thousands of code tokens and table rows are alike; axe takes minutes for them. It gets one token of each
# colour, and the first rows of each table.
THIN = """() => { const seen = new Set();
for (const token of document.querySelectorAll('.highlight pre span')) {
  if (seen.has(token.className)) token.replaceWith(...token.childNodes); else seen.add(token.className);
}
for (const row of document.querySelectorAll('tbody tr:nth-child(n + 40)')) row.remove(); }"""
LOADED = """() => { for (const image of document.images) image.loading = 'eager';
const pictures = [...document.images].map(image => image.decode().catch(() => {}));
return Promise.all([document.fonts.ready, ...pictures]) }"""
# Loading style sheets itself would make axe ask for files that no reader's browser asks for.
# What it finds comes back with the place: our own content, or the theme's frame around it.
AXE = """options => axe.run(document, {preload: false, resultTypes: ['violations'], ...options}).then(found =>
found.violations.flatMap(rule => rule.nodes.map(node => ({impact: rule.impact, id: rule.id, html: node.html,
target: node.target.join(' '), ours: !!document.querySelector(node.target[0])?.closest('.bd-article')}))))"""
WHOLE = {"rules": {"target-size": {"enabled": True}}}
# With the theme only colours change, with the width only places: the second look asks for these alone.
COLOURS = {"runOnly": ["color-contrast", "link-in-text-block", "target-size", "scrollable-region-focusable"]}
OPEN = "document.querySelectorAll('details').forEach(folded => { folded.open = true; })"


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


@pytest.mark.parametrize("name", PAGES)
def test_page_is_quiet_whole_and_accessible(name, base, html, views, axe):
    page = views[1280].new_page()
    watch = Watch(page, base)
    try:
        page.goto(f"{base}{name}.html", wait_until="load")
        page.evaluate(TAB)
        page.evaluate(LOADED)
        page.add_style_tag(content=".bd-article * { content-visibility: visible !important }")
        for width, themes in ((1280, ("light", "dark")), (390, ("dark", "light"))):
            page.set_viewport_size({"width": width, "height": 900})
            for theme in themes:
                turn(page, theme)
                picture(page, html, name, width, theme)
        page.evaluate(OPEN)
        for width in (320, 768, 1280, 390):
            page.set_viewport_size({"width": width, "height": 900})
            assert page.evaluate("document.documentElement.scrollWidth") <= width, (
                f"scrolls sideways at {width}"
            )
        assert page.evaluate(IMAGES) == []
        page.evaluate(FRAMES)
        page.evaluate(THIN)
        page.evaluate(axe)
        assert violations(page.evaluate(AXE, WHOLE)) == []
        page.set_viewport_size({"width": 1280, "height": 900})
        turn(page, "dark")
        assert violations(page.evaluate(AXE, COLOURS)) == []
        assert watch.troubles == []
    finally:
        page.close()


def picture(page, html, name, width, theme):
    """Keep a picture of the page down to TALLEST, for people to look at."""
    folder = html.parent / "screenshots"
    folder.mkdir(exist_ok=True)
    path = folder / f"{name.replace('/', '-')}-{width}-{theme}.jpg"
    height = min(page.evaluate("document.documentElement.scrollHeight"), TALLEST)
    clip = {"x": 0, "y": 0, "width": width, "height": height}
    page.screenshot(path=path, type="jpeg", quality=80, full_page=True, clip=clip)


def turn(page, theme):
    """Let the system ask for light or dark, and wait until the page obeys."""
    page.emulate_media(color_scheme=theme)
    page.wait_for_function(f"document.documentElement.dataset.theme === '{theme}'")


# Pictures that did not load, have no words, or leave their room open.
IMAGES = """[...document.images].filter(image => !image.naturalWidth || !image.alt.trim()
    || (image.closest('.bd-article') && !image.closest('.cb-live')
        && !(image.hasAttribute('width') && image.hasAttribute('height'))))
    .map(image => image.outerHTML)"""


def violations(found):
    """Return a line for each place that axe complains of: anything in our content, else what is serious."""
    return [
        f"{each['impact']} {each['id']} at {each['target']}: {each['html'][:150]}"
        for each in found
        if each["ours"] or each["impact"] in ("serious", "critical")
    ]


FRAMES = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
# Whether the focused element shows that it has the focus, and is not covered by something else.
FOCUS = """() => { const element = document.activeElement, style = getComputedStyle(element);
if (element === document.body) return null;
const box = element.getClientRects()[0] ?? element.getBoundingClientRect();
const seen = [0.1, 0.5, 0.9].some(x => [0.1, 0.5, 0.9].some(y => {
  const top = document.elementFromPoint(box.left + x * box.width, box.top + y * box.height);
  return top && (element.contains(top) || top.contains(element) && top.closest('label'));
}));
const outlined = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2;
const shown = outlined || style.boxShadow !== 'none';
return {seen, shown, html: element.outerHTML.slice(0, 120)} }"""


@pytest.mark.parametrize(("width", "key"), [(390, "Shift+Tab"), (1280, "Tab"), (1280, "Shift+Tab")])
def test_focus_is_visible_and_never_under_the_header(base, views, width, key):
    page = views[width].new_page()
    try:
        page.goto(f"{base}chapters/resnext.html")
        troubles, steps = [], 0
        for _ in range(80):
            page.keyboard.press(key)
            page.evaluate(FRAMES)
            found = page.evaluate(FOCUS)
            if found is None:
                break
            steps += 1
            troubles += [] if found["seen"] and found["shown"] else [found]
        assert steps > 15 and troubles == []
    finally:
        page.close()


def test_the_first_tab_offers_to_skip_to_the_text(base, views):
    page = views[1280].new_page()
    try:
        page.goto(f"{base}chapters/resnext.html")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to main content"
        assert page.evaluate("document.activeElement.getBoundingClientRect().top") >= 0
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        assert page.evaluate("!!document.activeElement.closest('main')")
    finally:
        page.close()


def test_nothing_moves_for_readers_who_ask_for_less_motion(base, views):
    page = views[1280].new_page()  # its context asks
    moving = """[...document.querySelectorAll('*')].filter(e => { const style = getComputedStyle(e);
return style.transitionDuration.split(', ').some(t => t !== '0s') || style.animationName !== 'none'
|| style.scrollBehavior === 'smooth' }).length"""
    try:
        page.goto(f"{base}index.html")
        assert page.evaluate(moving) == 0
    finally:
        page.close()


@pytest.mark.parametrize("name", ["index", "chapters/resnext", "search"])
def test_pages_work_from_a_plain_file_server_at_its_root(name, html, views):
    handler = functools.partial(QuietHandler, directory=str(html))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    page = views[1280].new_page()
    watch = Watch(page, f"http://127.0.0.1:{server.server_port}/")
    try:
        page.goto(f"http://127.0.0.1:{server.server_port}/{name}.html", wait_until="load")
        page.evaluate(LOADED)
        assert page.evaluate(IMAGES) == []
        assert watch.troubles == []
    finally:
        page.close()
        server.shutdown()


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    """Python's own file server, without its log."""

    def log_message(self, *_):
        pass


@pytest.mark.parametrize("name", PAGES)
def test_page_is_light_at_first_view(name, base, browser):
    context = browser.new_context(viewport={"width": 412, "height": 823})
    page = context.new_page()
    sizes = []
    page.on("requestfinished", lambda request: sizes.append(sum(request.sizes().values())))
    try:
        page.goto(f"{base}{name}.html", wait_until="networkidle")
        assert 0 < sum(sizes) < 1_500_000
    finally:
        context.close()


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
        assert said == f"{differing:,} of {everything:,} claims shown"
        search = page.locator(".cb-ledger input[type=search]")
        search.fill("no such network")
        assert page.locator(shown).count() == page.locator(".cb-ledger tbody:visible").count() == 0
        search.fill("")
        page.get_by_label("Status").select_option("")
        page.get_by_role("button", name="Computed").focus()
        page.keyboard.press("Enter")
        cells = page.eval_on_selector_all(
            ".cb-ledger tbody td:nth-child(5)", "cells => cells.map(cell => cell.dataset.sort)"
        )
        computed = [float(text) for text in cells if text]
        assert computed == sorted(computed) and len(computed) > 100
        assert len(cells) == everything
        assert page.locator(".cb-ledger tbody:visible").count() == 1  # no paper's empty place is left
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
        page.goto(f"{base}chapters/resnext.html")
        scrollers = "[...document.querySelectorAll('.bd-article pre, .cb-scroll')]"
        scrollers += ".filter(e => e.scrollWidth > e.clientWidth + 1)"
        first = f"{scrollers}.find(e => e.checkVisibility())"
        page.evaluate(f"{first}.scrollIntoView()")
        page.wait_for_function(f"{first}.tabIndex === 0")
        page.keyboard.press("Tab")
        assert page.evaluate(f"{scrollers}.length") > 3
        assert page.evaluate(f"{scrollers}.filter(e => e.tabIndex < 0).length") == 0
    finally:
        page.close()


def test_buttons_that_copy_come_with_their_code_and_all_of_them_for_the_tab_key(base, views):
    page = views[390].new_page()
    try:
        page.goto(f"{base}chapters/resnext.html")
        blocks = page.locator("div.highlight > pre").count()
        buttons = page.locator("div.highlight > button.copybtn")
        page.wait_for_function("document.querySelector('button.copybtn')")
        assert 0 < buttons.count() < blocks / 2
        page.keyboard.press("Tab")
        assert buttons.count() == blocks
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


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("kept", ["", "light", "dark"], ids=["first visit", "kept light", "kept dark"])
def test_a_page_has_its_readers_theme_before_any_script_of_the_theme_ran(browser, base, theme, kept):
    context = browser.new_context(color_scheme=theme)
    try:
        context.add_init_script(f"if ('{kept}') localStorage.setItem('mode', '{kept}')")
        page = context.new_page()
        page.route("**/_static/scripts/*", lambda route: route.abort())
        page.goto(f"{base}references.html")
        assert page.evaluate("document.documentElement.dataset.theme") == (kept or theme)
    finally:
        context.close()


def test_no_page_shows_a_control_that_needs_a_kernel(html):
    pages = list(html.rglob("*.html"))
    assert pages
    live = [str(path.relative_to(html)) for path in pages if WIDGET in path.read_text("utf-8")]
    assert not live, "chapters must not use convbook.plots.widgets or ipywidgets"


def test_the_sitemap_lists_every_page_under_the_books_address(html, prefix):
    listed = re.findall(r"<loc>([^<]*)</loc>", (html / "sitemap.xml").read_text("utf-8"))
    paths = {urlsplit(url).path for url in listed}
    assert {f"{prefix}{name}.html" for name in contents.sources(ROOT)} == paths


def test_a_missing_browser_says_how_to_get_one(monkeypatch):
    monkeypatch.setenv("CHROMIUM", "/no/such/browser")
    with pytest.raises(pytest.fail.Exception) as caught:
        chromium()
    assert str(caught.value) == MISSING
    assert "\n" not in MISSING
