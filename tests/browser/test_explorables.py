"""Each explorable in Chromium, from a plain file: driven by hand, compared with PyTorch and the profiler."""

import json
import os
import re
import shutil

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from convbook import explore, plots
from convbook.data import load
from convbook.layers.aggregated import GroupedBlock
from convbook.profile import profile

pytestmark = pytest.mark.browser
sync_api = pytest.importorskip("playwright.sync_api")
FACT = ".cb-facts div:has(dt:text-is('{}')) dd"


@pytest.fixture(scope="module")
def digit():
    return load("digits")[0].images[0]


@pytest.fixture(scope="module")
def outputs(digit):
    """The HTML of every explorable, as a notebook would hold it."""
    calls = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("IPython.display.display", lambda data, **options: calls.append(data["text/html"]))
        explore.convolution(digit)
        explore.cardinality()
        explore.multipliers()
        explore.reduction()
        frames = [plots.curves({"a": [0.0, float(i)]}, "lr") for i in range(3)]
        explore.flipbook(frames, ["one", "two", "three"], ["frame 1", "frame 2", "frame 3"], "Depth")
    return dict(
        zip(["convolution", "cardinality", "multipliers", "reduction", "flipbook"], calls, strict=True)
    )


@pytest.fixture(scope="module")
def browser():
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield opened
        opened.close()


@pytest.fixture
def visit(browser, outputs, tmp_path):
    """Open explorables from a file; at the end no error and no request may have happened."""
    problems, contexts = [], []

    def open_page(*names, theme="light", **options):
        body = "".join(outputs[name] for name in names)
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
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not problems


def data_in(html):
    return json.loads(re.search(r'<script type="application/json">(.*?)</script>', html, re.DOTALL)[1])


def fact(page, term):
    """The value under a term: its first line, digits only where it is a number."""
    return page.locator(FACT.format(term)).evaluate("dd => dd.firstChild.textContent")


def number(page, term):
    return int(fact(page, term).replace(",", ""))


def press(page, label, key, times=1):
    control = page.get_by_role("slider", name=label, exact=True)
    control.focus()
    for _ in range(times):
        page.keyboard.press(key)


@pytest.mark.parametrize(("k", "stride", "padding"), [(5, 1, 0), (3, 2, 1), (7, 3, 2), (1, 4, 3)])
@pytest.mark.parametrize("kernel", ["vertical edge", "horizontal edge", "mean"])
def test_convolution_computes_what_pytorch_computes(visit, digit, kernel, k, stride, padding):
    page = visit("convolution")
    page.get_by_label(kernel, exact=True).check()
    for group, choice in (("Kernel size", f"{k}×{k}"), ("Stride", str(stride)), ("Padding", str(padding))):
        page.get_by_role("group", name=group, exact=True).get_by_label(choice, exact=True).check()
    press(page, "Row of the output", "Home")
    press(page, "Row of the output", "ArrowRight", 4)
    press(page, "Column of the output", "End")
    press(page, "Column of the output", "ArrowLeft", 3)

    step = torch.sign(torch.arange(k) - (k - 1) / 2) if k > 1 else torch.ones(1)
    weight = {
        "vertical edge": step.expand(k, k),
        "horizontal edge": step[:, None].expand(k, k),
        "mean": torch.full((k, k), 1 / k**2),
    }[kernel]
    expected = F.conv2d(digit[None].double(), weight[None, None].double(), stride=stride, padding=padding)[
        0, 0
    ]
    column = expected.shape[1] - 4
    status = page.get_by_role("status")
    sync_api.expect(status).to_contain_text(f"row 4, column {column} ")
    said = re.search(r"add up to (−?)([\d,.]+)\.$", status.inner_text())
    value = float(said[2].replace(",", "")) * (-1 if said[1] else 1)
    assert value == pytest.approx(expected[4, column].item(), abs=0.006)

    layer = profile(nn.Conv2d(1, 6, k, stride, padding), (1, *digit.shape[1:])).rows[0]
    assert fact(page, "Output size") == " × ".join(map(str, layer.output_shape))
    assert number(page, "Parameters") == layer.params
    assert number(page, "Multiply-accumulates") == layer.macs


def test_convolution_follows_the_mouse_and_draws_what_it_computes(visit, digit):
    page = visit("convolution")
    output = page.locator(".cb-picture").nth(1)
    box = output.bounding_box()
    page.mouse.click(box["x"] + box["width"] * 20.5 / 28, box["y"] + box["height"] * 7.5 / 28)
    assert page.get_by_role("slider", name="Row of the output", exact=True).input_value() == "7"
    assert page.get_by_role("slider", name="Column of the output", exact=True).input_value() == "20"
    painted = page.locator("canvas").first.evaluate(
        "c => [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]"
        ".filter((_, i) => i % 4 === 0)"
    )
    assert painted == digit.flatten().tolist()
    press(page, "Kernels (output channels)", "End")
    assert fact(page, "Output size") == "16 × 28 × 28" and number(page, "Parameters") == 16 * 26


def test_cardinality_counts_what_the_profiler_counts(visit, outputs):
    page = visit("cardinality")
    for option in data_in(outputs["cardinality"])["options"]:
        page.get_by_label(str(option["cardinality"]), exact=True).check()
        assert page.get_by_role("slider", name="Width d of a group", exact=True).input_value() == str(
            option["width"]
        )
        assert number(page, "Weights of the block") == option["weights"]
        assert number(page, "MACs at 56 × 56") == option["macs"]
        assert number(page, "Whole network") == option["network_params"]
    page.get_by_label("8", exact=True).check()
    press(page, "Width d of a group", "ArrowRight", 6)
    block = profile(GroupedBlock(256, 8, 20), (256, 56, 56))
    assert number(page, "Weights of the block") * 56 * 56 == block.macs == number(page, "MACs at 56 × 56")
    assert number(page, "Width of the 3×3 layer") == 160
    assert fact(page, "Whole network") == "–"
    page.get_by_label("64", exact=True).focus()
    page.keyboard.press("ArrowLeft")  # a radio group moves by arrow keys
    assert page.get_by_label("32", exact=True).is_checked() and number(page, "Weights of the block") == 70_144


def test_multipliers_show_every_networks_counts_and_only_published_accuracies(visit, outputs):
    page = visit("multipliers")
    for row in data_in(outputs["multipliers"])["table"]:
        page.get_by_label(f"{row['alpha']:.2f}", exact=True).check()
        page.get_by_label(str(row["resolution"]), exact=True).check()
        assert number(page, "Parameters") == row["params"]
        assert number(page, "Multiply-accumulates") == row["macs"]
        accuracy = "not published" if row["top1"] is None else f"{row['top1']:g} %"
        assert fact(page, "Top-1 accuracy (paper)") == accuracy


def test_reduction_adds_what_the_profiler_counts(visit, outputs):
    page = visit("reduction")
    for option in data_in(outputs["reduction"])["options"]:
        page.get_by_label(str(option["reduction"]), exact=True).check()
        assert number(page, "Added parameters") == sum(option["params"])
        assert number(page, "Added MACs") == sum(option["macs"])
        for unit in ("params", "macs"):
            page.get_by_label(
                {"params": "parameters", "macs": "multiply-accumulates"}[unit], exact=True
            ).check()
            texts = " ".join(page.locator("svg text").all_text_contents())
            assert all(f"{n:,} (" in texts for n in option[unit])


def test_flipbook_turns_its_frames_by_keyboard(visit):
    page = visit("flipbook")
    shown = page.locator("img:visible")
    assert shown.count() == 1 and shown.get_attribute("alt") == "frame 1"
    press(page, "Depth", "ArrowRight", 2)
    assert shown.count() == 1 and shown.get_attribute("alt") == "frame 3"
    sync_api.expect(page.get_by_role("status")).to_have_text("three (3 of 3)")


def test_the_same_output_twice_and_others_beside_it_do_not_disturb_each_other(visit):
    page = visit("cardinality", "reduction", "cardinality")
    hosts = page.locator(".cb-explore")
    assert page.locator(".cb-live").count() == 3
    hosts.nth(0).get_by_label("8", exact=True).check()
    assert hosts.nth(2).get_by_label("32", exact=True).is_checked()
    assert hosts.nth(1).get_by_label("16", exact=True).is_checked()


NAMES = ["convolution", "cardinality", "multipliers", "reduction", "flipbook"]


@pytest.mark.parametrize("name", NAMES)
def test_without_javascript_table_or_pictures_stand_there(visit, name):
    page = visit(name, java_script_enabled=False)
    assert page.locator(".cb-fallback").is_visible()
    assert page.locator("img" if name == "flipbook" else "table tbody tr").count() >= 3
    assert page.get_by_text("Where scripts run").is_visible()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_on_a_phone_nothing_is_too_wide_and_axe_finds_nothing(visit, theme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    page = visit(*NAMES, theme=theme, viewport={"width": 390, "height": 800}, has_touch=True)
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
