"""The window over a digit in Chromium, compared with PyTorch and the profiler."""

import itertools
import re

import pytest
import torch
from driving import digit as load_digit
from driving import fact, number, press
from playwright.sync_api import expect
from torch import nn

from convbook import explore
from convbook.profile import profile

pytestmark = pytest.mark.browser

KERNELS = ("vertical edge", "horizontal edge", "diagonal edge", "mean")
START = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1, "output_padding": 0}
LABELS = {
    "k": "Kernel size",
    "stride": "Stride",
    "padding": "Padding",
    "dilation": "Dilation",
    "output_padding": "Output padding",
    "channels": "Input channels",
    "groups": "Groups",
    "group": "Show a kernel of group",
}


def channels_of(image, count):
    """(count, H, W): the image, its mirror images, its negative."""
    return torch.stack([image, image.flip(1), image.flip(0), 255 - image])[:count].double()


def kernel(name, k):
    """(k, k) weights, worked out from where the centre is."""
    place = torch.arange(k, dtype=torch.double)
    step = torch.sign(2 * place - (k - 1))
    ones = torch.ones(k, k, dtype=torch.double)
    return (
        {
            "vertical edge": step.expand(k, k),
            "horizontal edge": step[:, None].expand(k, k),
            "diagonal edge": torch.sign(place[None, :] - place[:, None]),
            "mean": ones / k**2,
        }[name]
        if k > 1
        else ones
    )


def layer(name="vertical edge", k=5, channels=1, kernels=6, group=1, transposed=False, **options):
    """PyTorch's layer without its bias, and the number of the output map that the explorable shows."""
    options = {**START, **options}
    if not transposed:
        options.pop("output_padding")
    made = (nn.ConvTranspose2d if transposed else nn.Conv2d)(channels, kernels, k, **options).double()
    groups = options["groups"]
    read, each = channels // groups, kernels // groups
    shown = (group - 1) * each
    start = KERNELS.index(name)
    with torch.no_grad():
        made.bias.zero_()
        for i in range(read):
            weights = kernel(KERNELS[(start + i) % 4], k)
            where = ((group - 1) * read + i, 0) if transposed else (shown, i)
            made.weight[where] = weights
    return made, shown


@pytest.fixture
def arithmetic(visit):
    """The module's own functions, called in a page."""
    page = visit("convolution")
    code = explore.source("convolution").replace("export default", "const unused =")
    page.evaluate(
        "async code => { const blob = new Blob([code], { type: 'text/javascript' });"
        " window.module = await import(URL.createObjectURL(blob)); }",
        code + "\nexport { convolve, layerCosts, possible };",
    )
    return page


def camel(options):
    told = {**START, **options}
    return {**told, "outputPadding": told["output_padding"]}


SETTINGS = [
    {"k": k, "stride": s, "padding": p, "dilation": d, "transposed": t}
    for k, s, p, d, t in itertools.product((1, 2, 3, 7), (1, 3), (0, 2), (1, 3), (False, True))
] + [
    {"channels": 4, "groups": g, "group": n, "transposed": t, "k": 3, "stride": 2, "output_padding": t}
    for g, n in ((1, 1), (2, 2), (4, 3))
    for t in (0, 1)
]


def test_every_output_value_equals_pytorchs_forwards_and_transposed(arithmetic):
    image = load_digit()[0, 2:24, 4:31]  # 22 x 27: height and width must not be mixed up
    asked, expected = [], []
    for i, setting in enumerate(SETTINGS):
        name = KERNELS[i % 4]
        module, shown = layer(name, kernels=8, **setting)
        count, groups, group = (setting.get(key, 1) for key in ("channels", "groups", "group"))
        channels = channels_of(image, count)
        read = channels[(group - 1) * count // groups : group * count // groups]
        told = {**camel(setting), "kernel": name, "channels": count, "kernels": 8}
        asked.append([read.tolist(), told])
        row = profile(module, tuple(channels.shape)).rows[0]
        counted = {"size": list(row.output_shape[1:]), "parameters": row.params, "macs": row.macs}
        expected.append((module(channels[None])[0, shown].detach(), counted))
    answers = arithmetic.evaluate(
        "all => all.map(([channels, settings]) => [module.convolve(channels, settings),"
        " module.layerCosts(settings, [channels[0].length, channels[0][0].length])])",
        asked,
    )
    for (_, told), (output, costs), (values, counted) in zip(asked, answers, expected, strict=True):
        torch.testing.assert_close(torch.tensor(output, dtype=torch.double), values, atol=1e-9, rtol=0)
        assert {key: costs[key] for key in counted} == counted, told


def test_what_pytorch_refuses_cannot_be_chosen(arithmetic):
    base = {"kernel": "mean", "kernels": 8, "group": 1, "channel": 1}
    asked, works = [], []
    for k, p, d, s in itertools.product((1, 4, 7), (0, 1, 3), (1, 3), (1, 4)):
        for t, g, o in ((False, 2, 0), (False, 4, 0), (True, 1, 1), (True, 1, 3)):
            setting = {"padding": p, "dilation": d, "stride": s, "groups": g, "output_padding": o}
            try:
                module = layer(k=k, channels=2, kernels=8, transposed=t, **setting)[0]
                module(torch.zeros(1, 2, 8, 8).double())
                works.append(True)
            except (ValueError, RuntimeError):
                works.append(False)
            told = {**base, **camel(setting), "k": k, "transposed": t, "channels": 2}
            asked.append([told, "outputPadding" if t else "groups"])
    answers = arithmetic.evaluate(
        "all => all.map(([s, key]) => module.possible(s, key, s[key], [8, 8]))", asked
    )
    assert answers == works and 40 < sum(works) < len(works) - 40


def choose(page, **options):
    for key, value in options.items():
        words = f"{value}×{value}" if key == "k" else str(value)
        group = page.get_by_role("group", name=LABELS[key], exact=True)
        group.get_by_label(words, exact=True).check()


def spoken_value(page, start):
    expect(page.get_by_role("status")).to_contain_text(start)
    said = re.search(r"(?:add up to|holds) (−?)([\d,.]*\d)", page.get_by_role("status").inner_text())
    return float(said[2].replace(",", "")) * (-1 if said[1] else 1)


def assert_counts(page, module, shape):
    counted = profile(module, shape).rows[0]
    assert fact(page, "Output size") == " × ".join(map(str, counted.output_shape))
    assert number(page, "Parameters") == counted.params
    assert number(page, "Multiply-accumulates") == counted.macs


@pytest.mark.parametrize(
    ("name", "k", "stride", "padding"), [("vertical edge", 5, 1, 0), ("mean", 3, 2, 1), ("mean", 7, 3, 2)]
)
def test_by_keyboard_the_window_says_what_pytorch_computes_there(visit, name, k, stride, padding):
    page, digit = visit("convolution"), load_digit()
    page.get_by_label(name, exact=True).check()
    choose(page, k=k, stride=stride, padding=padding)
    press(page, "Row of the window", "Home")
    press(page, "Row of the window", "ArrowRight", 4)
    press(page, "Column of the window", "End")
    press(page, "Column of the window", "ArrowLeft", 3)
    module, shown = layer(name, k, stride=stride, padding=padding)
    expected = module(digit[None].double())[0, shown]
    column = expected.shape[1] - 4
    assert spoken_value(page, f"row 4, column {column} ") == pytest.approx(
        expected[4, column].item(), abs=0.006
    )
    assert_counts(page, module, tuple(digit.shape))


def test_groups_read_their_own_channels_and_the_counts_follow(visit):
    page, image = visit("convolution"), load_digit()[0]
    page.locator("summary").click()
    choose(page, channels=4, groups=2, group=2, dilation=2, k=3)
    module, shown = layer(k=3, channels=4, groups=2, group=2, dilation=2)
    channels = channels_of(image, 4)
    expected = module(channels[None])[0, shown, 12, 10].item()
    assert spoken_value(page, "row 12, column 10 the 18 products of 2 channels") == pytest.approx(
        expected, abs=0.006
    )
    assert_counts(page, module, (4, 32, 32))
    pale = page.locator(".cb-picture").evaluate_all("all => all.map(each => getComputedStyle(each).opacity)")
    assert pale == ["0.3", "0.3", "1", "1", "1"]
    choose(page, channels=1)
    assert page.get_by_role("group", name="Groups", exact=True).get_by_label("1", exact=True).is_checked()
    assert page.get_by_text("Groups must divide").is_visible()
    assert page.get_by_role("group", name="Groups", exact=True).get_by_label("2", exact=True).is_disabled()


def test_transposed_stamps_add_up_to_pytorchs_output(visit):
    page, digit = visit("convolution"), load_digit()
    page.locator("summary").click()
    page.get_by_label("transposed", exact=True).check()
    choose(page, k=3, stride=2, padding=1, output_padding=1)
    module, shown = layer(k=3, stride=2, padding=1, output_padding=1, transposed=True)
    expected = module(digit[None].double())[0, shown]
    assert spoken_value(page, "rows 23 to 25 and columns 19 to 21") == expected[24, 20].item()
    assert_counts(page, module, (1, 32, 32))
    output = page.locator(".cb-picture").last
    box = output.bounding_box()
    output.click(position={"x": box["width"] * 40.5 / 64, "y": box["height"] * 30.5 / 64})
    assert page.get_by_role("slider", name="Column of the window", exact=True).input_value() == "20"
    assert spoken_value(page, "row 15, column 20 ") == expected[30, 40].item()


def test_mouse_and_finger_move_the_window_and_the_picture_is_the_image(visit):
    page, digit = visit("convolution", has_touch=True), load_digit()
    row, column = (
        page.get_by_role("slider", name=f"{axis} of the window", exact=True) for axis in ("Row", "Column")
    )
    output = page.locator(".cb-picture").last
    box = output.bounding_box()
    at = {"x": box["width"] * 20.5 / 28, "y": box["height"] * 7.5 / 28}
    output.click(position=at)
    assert (row.input_value(), column.input_value()) == ("7", "20")
    output.tap(position={"x": at["y"], "y": at["x"]})
    assert (row.input_value(), column.input_value()) == ("20", "7")
    page.locator(".cb-picture").first.tap(position={"x": 2, "y": 2})  # a window's middle cannot lie there
    assert (row.input_value(), column.input_value()) == ("0", "0")
    painted = page.locator("canvas").first.evaluate(
        "c => [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]"
        ".filter((_, i) => i % 4 === 0)"
    )
    assert painted == digit.flatten().tolist()
    press(page, "Kernels (output channels)", "End")
    assert fact(page, "Output size") == "16 × 28 × 28" and number(page, "Parameters") == 16 * 26


def test_play_fills_the_output_from_the_start_and_stops_when_asked(visit):
    page = visit("convolution")
    row = page.get_by_role("slider", name="Row of the window", exact=True)
    column = page.get_by_role("slider", name="Column of the window", exact=True)
    assert (row.input_value(), column.input_value()) == ("12", "10")  # nothing moved by itself
    page.get_by_label("60", exact=True).check()
    page.get_by_role("button", name="Play").click()
    expect(row).to_have_js_property("value", "1")
    page.get_by_role("button", name="Pause").click()
    at = 28 * int(row.input_value()) + int(column.input_value())
    pixels = page.locator("canvas").last.evaluate(
        "c => [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]"
    )
    grey = [red == blue for red, blue in zip(pixels[::4], pixels[2::4], strict=True)]
    assert grey == [i <= at for i in range(28 * 28)]
    page.get_by_role("button", name="Step").click()
    assert 28 * int(row.input_value()) + int(column.input_value()) == at + 1


def test_who_wants_no_motion_steps(visit):
    page = visit("convolution", reduced_motion="reduce")
    assert not page.get_by_role("button", name="Play").is_visible()
    page.get_by_role("button", name="Step").press("Enter")
    assert page.get_by_role("slider", name="Column of the window", exact=True).input_value() == "11"
