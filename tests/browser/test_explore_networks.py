"""The map of networks in Chromium: by mouse, keyboard and touch, its numbers against torchvision's."""

import pytest
import torch
import torchvision
from driving import FEW_NETWORKS, data_in, fact
from playwright.sync_api import expect

pytestmark = pytest.mark.browser

MAP = "[role=listbox]"
NAME = ".cb-name"


def options(page):
    return page.locator(f"{MAP} [role=option]")


def label(page, start):
    return page.locator(".cb-segments label").filter(has_text=start).first


def place(page, name):
    """Where a network's disc is, in the window."""
    box = page.locator(f"{MAP} [role=option][aria-label^='{name},'] circle").bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_every_network_with_an_error_on_the_chosen_data_is_a_point(visit):
    page = visit("networks")
    assert options(page).count() == sum(not name.endswith("_cifar") for name in FEW_NETWORKS)
    label(page, "CIFAR-10").click()
    assert options(page).count() == sum(name.endswith("_cifar") for name in FEW_NETWORKS)


def test_a_click_on_a_disc_shows_its_network_with_torchvisions_count(visit):
    page = visit("networks")
    page.mouse.click(*place(page, "resnext50_32x4d"))
    expect(page.locator(NAME)).to_have_text("resnext50_32x4d")
    with torch.device("meta"):
        params = sum(p.numel() for p in torchvision.models.resnext50_32x4d().parameters())
    facts = page.locator(".cb-facts")
    expect(facts).to_contain_text(f"{params:,}")
    assert fact(page, "Top-1 error, ImageNet") == "22.2 %"
    expect(facts).to_contain_text("single crop, 224 px")
    expect(page.get_by_text("ResNeXt (Xie et al. 2017)")).to_be_visible()


@pytest.mark.parametrize("across", ["year", "parameters", "MACs"])
def test_discs_stand_in_the_order_of_what_runs_across(visit, samples, across):
    page = visit("networks")
    label(page, across).click()
    key = {"parameters": "params", "MACs": "macs", "year": "year"}[across]
    points = [p for p in data_in(samples("networks"))["points"] if p["data"] == "imagenet"]
    known = {point["name"]: point[key] for point in points}
    places = [(place(page, name)[0], value) for name, value in known.items()]
    for x, value in places:
        assert all(other > x for other, more in places if more > value)


def test_arrow_keys_go_through_the_map_and_screen_readers_hear_each(visit):
    page = visit("networks")
    page.locator(MAP).focus()
    page.keyboard.press("Home")
    expect(page.locator(NAME)).to_have_text("squeezenet1_0")  # the fewest parameters
    page.keyboard.press("ArrowRight")
    expect(page.locator(NAME)).to_have_text("mobilenet_v2")
    active = page.locator(MAP).get_attribute("aria-activedescendant")
    chosen = page.locator(f"[id='{active}']")
    assert chosen.get_attribute("aria-selected") == "true"
    assert chosen.get_attribute("aria-label").startswith("mobilenet_v2, 2018: 28 %")
    page.keyboard.press("End")
    expect(page.locator(NAME)).to_have_text("vgg16")
    for _ in FEW_NETWORKS:
        page.keyboard.press("ArrowUp")
    expect(page.locator(NAME)).to_have_text("squeezenet1_0")  # the highest error


def test_an_idea_leaves_the_networks_that_have_it(visit):
    page = visit("networks")
    label(page, "skip connections").click()
    names = {
        text.partition(",")[0] for text in options(page).evaluate_all("all => all.map(e => e.ariaLabel)")
    }
    assert names == {"resnet18", "resnext50_32x4d", "mobilenet_v2"}
    expect(page.get_by_role("status")).to_contain_text(
        "3 of 7 networks on ImageNet built with: skip connections"
    )
    assert page.locator(NAME).inner_text() in names


def test_a_finger_picks_a_disc_and_an_idea(visit):
    page = visit("networks", viewport={"width": 390, "height": 800}, has_touch=True)
    page.locator(MAP).scroll_into_view_if_needed()
    page.touchscreen.tap(*place(page, "alexnet"))
    expect(page.locator(NAME)).to_have_text("alexnet")
    label(page, "plain chain").tap()
    assert options(page).count() == 3
    expect(page.locator(NAME)).to_have_text("alexnet")


def test_names_on_the_map_do_not_overlap(visit):
    page = visit("networks", viewport={"width": 390, "height": 800})
    boxes = page.locator(f"{MAP} .cb-label").evaluate_all(
        "all => all.map(e => e.getBoundingClientRect().toJSON())"
    )
    assert len(boxes) > 1
    for i, a in enumerate(boxes):
        for b in boxes[:i]:
            apart = a["right"] <= b["left"] or b["right"] <= a["left"]
            assert apart or a["bottom"] <= b["top"] + 2 or b["bottom"] <= a["top"] + 2


def test_a_network_whose_chapter_exists_leads_there(visit, samples):
    chapters = '"chapters":{"xie2017aggregated":{"title":"ResNeXt","href":"chapters/resnext.html"}}'
    page = visit(samples("networks").replace('"chapters":{}', chapters))
    expect(page.locator(NAME)).to_have_text("resnext50_32x4d")
    assert page.get_by_role("link", name="ResNeXt").get_attribute("href") == "chapters/resnext.html"
    page.mouse.click(*place(page, "alexnet"))
    assert page.get_by_role("link").count() == 0


def test_nothing_is_too_wide_at_320_pixels_and_the_table_holds_all(visit):
    page = visit("networks", viewport={"width": 320, "height": 700})
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.get_by_text("All networks as a table").click()
    assert page.locator("tbody tr:visible").count() == len(FEW_NETWORKS)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
