"""Notes at citations and glossary terms: by mouse, keyboard and touch, and gone with Escape (WCAG 1.4.13)."""

import pytest
from conftest import ROOT

pytestmark = pytest.mark.browser

CITED = "Yann LeCun and others. Gradient-based learning. Proceedings of the IEEE, 1998."
MEANT = "The weights that a filter applies at one position."


@pytest.fixture
def article(visit):
    """Open an article with a citation near its left and a term near its right edge."""

    def open_article(**options):
        script, style = (
            (ROOT / "_static" / name).read_text("utf-8") for name in ("notes.js", "furniture.css")
        )
        page = visit(
            f"<style>body {{ margin: 0 }} {style}</style><article class=bd-article style='padding: 100px 0'>"
            f"<p>By <span class=bibtex-citation>[<a class='reference internal' id=cited href='#there' "
            f'title="{CITED}">LBBH98</a>]</span>, with a '
            f"<a class='reference internal' id=term href='#kernel' title='{MEANT}' style='float: right'>"
            "<span class='xref std std-term'>kernel</span></a>. <a id=other href='#x' title=no>other</a></p>"
            "<p id=there style='margin-top: 2000px'>References</p></article>"
            f"<script>{script}</script>",
            **options,
        )
        return page, page.locator("#cb-aside")

    return open_article


def test_pointing_shows_the_reference_and_it_stays_while_one_points_at_it(article):
    page, note = article(viewport={"width": 390, "height": 800})
    assert note.is_hidden()
    page.hover("#cited")
    assert note.inner_text() == CITED
    note.hover()
    page.wait_for_timeout(400)
    assert note.is_visible()
    page.mouse.move(5, 780)
    note.wait_for(state="hidden")


def test_focus_shows_it_and_escape_dismisses_it_without_moving_the_focus(article):
    page, note = article()
    page.keyboard.press("Tab")
    assert note.inner_text() == CITED
    assert page.locator("#cited").get_attribute("aria-describedby") == "cb-aside"
    page.keyboard.press("Escape")
    assert note.is_hidden()
    assert page.evaluate("document.activeElement.id") == "cited"
    page.keyboard.press("Tab")
    assert note.inner_text() == MEANT
    assert page.locator("#cited").get_attribute("aria-describedby") is None
    page.keyboard.press("Tab")
    note.wait_for(state="hidden")


def test_a_first_tap_shows_it_and_a_second_follows_the_link(article):
    page, note = article(viewport={"width": 390, "height": 800}, has_touch=True)
    page.locator("#cited").tap()
    assert note.inner_text() == CITED
    assert not page.url.endswith("#there")
    page.touchscreen.tap(200, 700)
    assert note.is_hidden()
    page.locator("#cited").tap()
    page.locator("#cited").tap()
    assert page.url.endswith("#there")


def test_it_stays_inside_a_narrow_window_and_off_its_link(article):
    page, note = article(viewport={"width": 320, "height": 800})
    page.hover("#term")
    box, link = note.bounding_box(), page.locator("#term").bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= 320
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    assert box["y"] >= link["y"] + link["height"] or box["y"] + box["height"] <= link["y"]


def test_other_links_keep_their_titles_and_noted_ones_show_no_second_tooltip(article):
    page, _ = article()
    assert page.locator("#other").get_attribute("title") == "no"
    assert page.locator("#cited").get_attribute("title") is None


def test_without_scripts_the_browsers_own_tooltip_says_the_same(article):
    page, note = article(java_script_enabled=False)
    assert page.locator("#cited").get_attribute("title") == CITED
    assert note.count() == 0
