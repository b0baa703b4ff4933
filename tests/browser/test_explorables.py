"""What holds for every explorable in Chromium: no JavaScript, a phone, the dark, the keyboard."""

import pytest
from driving import SAMPLES, press
from playwright.sync_api import expect

from convbook import explore

pytestmark = pytest.mark.browser


def test_every_explorable_is_among_the_samples():
    assert set(explore.list_explorables()) == set(SAMPLES)


def test_flipbook_turns_its_frames_by_keyboard(visit):
    page = visit("flipbook")
    shown = page.locator("img:visible")
    assert shown.count() == 1 and shown.get_attribute("alt") == "frame 1"
    press(page, "Depth", "ArrowRight", 2)
    assert shown.count() == 1 and shown.get_attribute("alt") == "frame 3"
    expect(page.get_by_role("status")).to_have_text("three (3 of 3)")


def test_the_same_output_twice_and_others_beside_it_do_not_disturb_each_other(visit):
    page = visit("cardinality", "reduction", "cardinality")
    hosts = page.locator(".cb-explore")
    assert page.locator(".cb-live").count() == 3
    hosts.nth(0).get_by_label("8", exact=True).check()
    assert hosts.nth(2).get_by_label("32", exact=True).is_checked()
    assert hosts.nth(1).get_by_label("16", exact=True).is_checked()


FAR = "<p style='height: 5000px'>text</p>"


def test_each_begins_when_it_is_near_and_all_do_for_the_tab_key(visit):
    page = visit("cardinality", FAR, "reduction", FAR, "multipliers", begin=False)
    live = page.locator(".cb-live")
    expect(live).to_have_count(1)
    page.evaluate("scrollTo(0, 5300)")
    expect(live).to_have_count(2)
    page.keyboard.press("Tab")
    expect(live).to_have_count(3)


@pytest.mark.parametrize("name", SAMPLES)
def test_without_javascript_table_or_pictures_stand_there(visit, name):
    page = visit(name, java_script_enabled=False)
    assert page.locator(".cb-fallback").is_visible()
    assert page.locator("img" if name == "flipbook" else "table tbody tr").count() >= 3
    assert page.get_by_text("Where scripts run").is_visible()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_on_a_phone_nothing_is_too_wide_and_axe_finds_nothing(visit, theme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    page = visit(*SAMPLES, theme=theme, viewport={"width": 390, "height": 800}, has_touch=True)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    found = (
        axe.Axe()
        .run(page, options={"rules": {"page-has-heading-one": {"enabled": False}}})
        .response["violations"]
    )
    assert not [(v["id"], v["nodes"][0]["html"]) for v in found]


@pytest.mark.parametrize(("theme", "scheme", "dark"), [("light", "dark", False), ("dark", "light", True)])
def test_the_pages_theme_wins_over_the_systems(visit, theme, scheme, dark):
    page = visit("cardinality", theme=theme, color_scheme=scheme)
    color = page.locator(".cb-explore").evaluate("e => getComputedStyle(e).backgroundColor")
    assert (color != "rgb(255, 255, 255)") is dark


def test_keyboard_focus_can_be_seen(visit):
    page = visit("cardinality")
    page.keyboard.press("Tab")
    outline = page.locator("label:has(:focus-visible)").evaluate("e => getComputedStyle(e).outlineWidth")
    assert outline == "3px"
