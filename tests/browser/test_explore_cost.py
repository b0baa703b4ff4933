"""Seven kinds of convolution in Chromium: counts as the profiler's, views as autograd's."""

import itertools
import re

import pytest
import torch
from driving import fact, number, press
from playwright.sync_api import expect

from convbook import explore
from convbook.explore.cost import NARROWING, START, designs
from convbook.profile import profile

pytestmark = pytest.mark.browser


@pytest.fixture
def arithmetic(visit):
    """The module's own functions, called in a page."""
    page = visit("cost")
    code = explore.source("cost").replace("export default", "const unused =")
    page.evaluate(
        "async code => { const blob = new Blob([code], { type: 'text/javascript' });"
        " window.module = await import(URL.createObjectURL(blob)); }",
        code + "\nexport { designs, layerCosts, blockCosts, traceBack };",
    )
    return page


def test_every_part_of_every_kind_costs_what_the_profiler_counts(arithmetic):
    keys = ("inputs", "outputs", "k", "groups", "stride", "resolution")
    settings = [
        dict(zip(keys, each, strict=True))
        for each in itertools.product((32, 128), (256,), (3, 7), (1, 8), (1, 2), (7, 28))
    ]
    counted = arithmetic.evaluate(
        "([settings, narrowing]) => settings.map(setting => Object.fromEntries("
        "Object.entries(module.designs(setting, narrowing)).map(([name, layers]) =>"
        " [name, [module.layerCosts, module.blockCosts].map(count => count(layers, setting.resolution))])))",
        [settings, NARROWING],
    )
    for setting, kinds in zip(settings, counted, strict=True):
        size = setting["resolution"]
        with torch.device("meta"):
            layers = designs(**{key: setting[key] for key in keys[:-1]})
        assert list(kinds) == list(layers)
        for name, (parts, block) in kinds.items():
            expected = profile(layers[name], (setting["inputs"], size, size))
            rows = [(row.params, row.macs, row.activations) for row in expected.rows]
            assert [(p["params"], p["macs"], p["written"]) for p in parts] == rows, (name, setting)
            assert block == {
                "params": expected.params,
                "macs": expected.macs,
                "bytes": expected.activation_bytes,
            }


@pytest.mark.parametrize(("k", "groups", "stride"), [(3, 4, 1), (5, 2, 2), (3, 8, 2)])
def test_an_output_value_sees_what_has_a_gradient(arithmetic, k, groups, stride):
    inputs, outputs = 64, 32  # with 8 groups too few channels are left for the shuffle to reach all
    setting = {"inputs": inputs, "outputs": outputs, "k": k, "groups": groups, "stride": stride}
    asked, expected = [], []
    for name, layer in designs(**setting).items():
        for weight in layer.parameters():
            weight.data.fill_(1.0)  # nothing cancels
        for channel in (0, 17, 31):
            image = torch.zeros(1, inputs, 15, 15, requires_grad=True)
            out = layer(image)
            out[0, channel, out.shape[2] // 2, out.shape[3] // 2].backward()
            reached = image.grad[0] != 0
            places = reached.any(0)
            window = [int(places.any(axis).sum()) for axis in (1, 0)]
            asked.append([name, channel])
            expected.append({"seen": reached.flatten(1).any(1).tolist(), "window": window})
    answers = arithmetic.evaluate(
        "([asked, setting, narrowing]) => asked.map(([name, channel]) =>"
        " module.traceBack(module.designs(setting, narrowing)[name], channel)[0])",
        [asked, setting, NARROWING],
    )
    assert [*zip(asked, answers, strict=True)] == [*zip(asked, expected, strict=True)]


def test_by_keyboard_another_setting_is_counted(visit):
    page = visit("cost")
    press(page, "Input channels", "End")
    press(page, "Output channels", "ArrowLeft")
    press(page, "Height and width", "ArrowRight")
    for group, label in (("Kernel size", "5×5"), ("Groups", "8"), ("Stride", "2")):
        page.get_by_role("group", name=group, exact=True).get_by_label(label, exact=True).check()
    page.get_by_label("Standard", exact=True).focus()
    for _ in range(6):
        page.keyboard.press("ArrowRight")
    assert page.get_by_label("Shuffled groups", exact=True).is_checked()
    with torch.device("meta"):
        layer = designs(512, 64, k=5, groups=8, stride=2)["Shuffled groups"]
    expected = profile(layer, (512, 56, 56))
    assert number(page, "Parameters") == expected.params
    assert number(page, "Multiply-accumulates") == expected.macs
    assert fact(page, "Activations written") == f"{expected.activation_bytes:,} bytes"
    expect(page.get_by_role("status")).to_contain_text(f"{expected.macs:,} multiply-accumulates")
    press(page, "Output channel", "End")
    assert page.get_by_role("slider", name="Output channel", exact=True).input_value() == "64"


def test_the_bars_are_as_long_as_their_counts(visit):
    page = visit("cost")
    with torch.device("meta"):
        layers = designs(**{key: value for key, value in START.items() if key != "resolution"})
    counted = [profile(layer, (128, 28, 28)) for layer in layers.values()]
    for label, quantity in (("parameters", "params"), ("MACs", "macs")):
        page.get_by_label(label, exact=True).check()
        totals = [getattr(each, quantity) for each in counted]
        rows = page.locator("svg").first.locator("g")
        said = rows.locator("text:nth-of-type(2)").all_text_contents()
        assert [int(re.sub(r"\D", "", words.split(" (")[0])) for words in said] == totals
        widths = [
            sum(float(bar.get_attribute("width")) for bar in row.locator("rect[y='19']").all())
            for row in rows.all()
        ]
        for width, total in zip(widths, totals, strict=True):
            assert width == pytest.approx(360 * total / totals[0], abs=6)  # gaps between parts


def test_mouse_and_finger_choose_a_kind_by_its_bar(visit):
    page = visit("cost", has_touch=True)
    rows = page.locator("svg").first.locator("g")
    rows.nth(1).click()
    assert page.get_by_label("Grouped", exact=True).is_checked()
    drawn = page.locator("svg").nth(1)
    expect(drawn).to_have_attribute("aria-label", re.compile("32 of 128 channels, 3 by 3"))
    rows.nth(2).tap()
    assert page.get_by_label("Depthwise", exact=True).is_checked()
    expect(drawn).to_have_attribute("aria-label", re.compile("; 1 of 128 channels, 3 by 3"))
