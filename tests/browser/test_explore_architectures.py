"""The explorer of architectures in Chromium, compared with fresh profiles; its parts over HTTP."""

import functools
import http.server
import json
import re
import threading

import pytest
import torch
from playwright.sync_api import expect

from convbook import explore
from convbook.models import create_model, list_models
from convbook.profile import profile
from convbook.shapes import ShapesOnly

pytestmark = pytest.mark.browser
FIRST, SECOND = "First network (type to search)", "Second network (type to search)"


def says(page, *profiles):
    """Wait until the status gives these profiles' exact counts."""
    for whole in profiles:
        counts = f"{whole.name}: {whole.params:,} parameters, {whole.macs:,} MACs"
        expect(page.get_by_role("status")).to_contain_text(counts)


def table(page, name):
    return page.get_by_role("region", name=f"{name}, layers", exact=True)


def numbers(row):
    texts = row.locator("td").all_text_contents()
    return [int(text.replace(",", "")) for text in texts[:2]]  # parameters and MACs


def test_mouse_opens_a_stage_down_to_layers_that_add_up(visit):
    page = visit("architectures")
    whole = profile("resnet20_cifar")
    says(page, profile("lenet5"), whole)
    layers = table(page, "resnet20_cifar")
    assert numbers(layers.locator("tfoot tr")) == [whole.params, whole.macs]
    stages = [numbers(row) for row in layers.locator("tbody tr").all()]
    assert [sum(column) for column in zip(*stages, strict=True)] == [whole.params, whole.macs]
    layers.get_by_role("button", name="layer2").click()
    block = layers.get_by_role("row", name="▸ 0 32 × 16 × 16; BasicBlock")
    assert numbers(block) == [whole.layer("layer2.0").params, whole.layer("layer2.0").macs]
    alike = layers.get_by_role("row", name="1 to 2")
    assert numbers(alike) == [2 * whole.layer("layer2.1").params, 2 * whole.layer("layer2.1").macs]
    block.get_by_role("button").click()
    conv = layers.get_by_role("row", name=re.compile("^conv1 32"))
    assert numbers(conv) == [whole.layer("layer2.0.conv1").params, whole.layer("layer2.0.conv1").macs]


def test_keyboard_changes_resolution_and_width_and_opens_a_stage(visit):
    page = visit("architectures")
    page.get_by_label("32", exact=True).focus()
    page.keyboard.press("ArrowRight")
    page.get_by_label("× 1", exact=True).focus()
    page.keyboard.press("ArrowRight")
    says(page, profile("resnet20_cifar", (3, 48, 48), widths=(24, 48, 96)))
    button = table(page, "resnet20_cifar").get_by_role("button", name="layer3")
    button.focus()
    page.keyboard.press("Enter")
    expect(button).to_be_focused()
    assert button.get_attribute("aria-expanded") == "true"
    drawing = page.get_by_role("img").nth(1).get_attribute("aria-label")
    assert "12 × 12 with 96 channels" in drawing


def test_touch_chooses_networks_and_measure_and_shows_the_differences(visit):
    page = visit("architectures", has_touch=True, viewport={"width": 390, "height": 800})
    field = page.get_by_label(FIRST)
    field.tap()
    page.keyboard.type("plain20_cifar")
    page.keyboard.press("Enter")
    plain, residual = profile("plain20_cifar"), profile("resnet20_cifar")
    says(page, plain, residual)
    page.get_by_text("parameters", exact=True).tap()
    change = page.get_by_role("region", name="From the first network to the second")
    row = change.get_by_role("row", name="MACs")
    percent = f"{100 * (residual.macs - plain.macs) / plain.macs:+.1f}".rstrip("0").rstrip(".")
    assert row.locator("td").all_text_contents() == [f"{plain.macs:,}", f"{residual.macs:,}", f"{percent} %"]
    by_size = page.get_by_role("region", name="Parameters by the size of the stage's maps")
    last = by_size.get_by_role("row", name="8 × 8").locator("td").nth(1)
    assert int(last.inner_text().replace(",", "")) == residual.layer("layer3").params
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_network_without_knobs_says_so_and_an_unknown_name_changes_nothing(visit):
    page = visit("architectures")
    assert page.get_by_text("takes images of 32 × 32 only").is_visible()
    assert page.get_by_text("no one argument makes all of it wider").is_visible()
    field = page.get_by_label(SECOND)
    field.fill("resnet51")
    field.press("Enter")
    expect(page.get_by_role("alert").nth(1)).to_have_text("No network here is called resnet51.")
    assert table(page, "resnet20_cifar").is_visible()


@pytest.fixture
def served(tmp_path):
    """A page of the book in a sub-path: (address, paths that were asked for); parts lie beside it."""
    shown = explore.architectures("lenet5", "lenet1", "lenet4")
    page = shown.html("../parts/")
    head = "<!doctype html><html lang=en><head><meta charset=utf-8><title>Test</title></head>"
    files = {"play/page.html": f"{head}<main>{page}</main></html>"}
    files |= {f"parts/{key}.json": json.dumps(shown.parts[key]) for key in ("lenet5", "lenet1")}
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content, "utf-8")
    asked = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            asked.append(self.path)

    handler = functools.partial(Handler, directory=str(tmp_path))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/play/page.html", asked
    server.shutdown()


def test_parts_are_fetched_when_chosen_and_a_failure_leaves_the_rest_working(browser, served):
    address, asked = served
    page = browser.new_page()
    page.set_default_timeout(20_000)
    page.goto(f"{address}?a=lenet1&b=lenet5")
    says(page, profile("lenet1"), profile("lenet5"))
    parts = {path for path in asked if "parts" in path}
    assert parts == {"/parts/lenet1.json", "/parts/lenet5.json"}
    field = page.get_by_label(FIRST)
    field.fill("lenet4")  # its part is not there
    field.press("Enter")
    expect(page.get_by_role("alert").first).to_contain_text("lenet4 could not be loaded")
    assert "/parts/lenet4.json" in " ".join(asked)
    assert "a=lenet1&b=lenet5" in page.url and table(page, "lenet1").is_visible()
    field.fill("lenet5")
    field.press("Enter")
    expect(table(page, "lenet5")).to_have_count(2)
    assert "a=lenet5&b=lenet5" in page.url
    page.close()


def test_the_books_page_gives_every_networks_own_parameters(base, browser):
    page = browser.new_page()
    page.goto(f"{base}play/architectures.html")
    for name in list_models():
        with torch.device("meta"), ShapesOnly():
            params = sum(p.numel() for p in create_model(name).parameters())
        page.get_by_label(FIRST).fill(name)
        page.keyboard.press("Enter")
        total = table(page, name).locator("tfoot td").first  # waits until the network's part is loaded
        assert total.text_content() == f"{params:,}", name
    page.close()
