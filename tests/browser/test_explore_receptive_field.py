"""The receptive field in Chromium, compared with PyTorch's gradients and the profiler."""

import dataclasses
import re

import pytest
import torch
from driving import fact, number, press
from playwright.sync_api import expect
from torch import nn

from convbook import explore
from convbook.profile import profile

pytestmark = pytest.mark.browser


def slider(page, label):
    return page.get_by_role("slider", name=label, exact=True)


def click(page, name):
    page.get_by_role("button", name=name, exact=True).click()


def to(page, label, value):
    """Move a slider by keyboard."""
    now = int(slider(page, label).input_value())
    press(page, label, "ArrowRight" if value > now else "ArrowLeft", abs(value - now))


def extent(page, term):
    first, last = re.fullmatch(r"(−?\d+) to (−?\d+)", fact(page, term)).groups()
    return int(first.replace("−", "-")), int(last.replace("−", "-"))


def build(page, layers):
    """Stack (kernel, stride, padding, dilation) by the controls of the page."""
    click(page, "One layer")
    for i, (kernel, stride, padding, dilation) in enumerate(layers):
        if i:
            click(page, "Add pooling" if i % 2 else "Add convolution")
        settings = (("Kernel", kernel), ("Stride", stride), ("Dilation", dilation), ("Padding", padding))
        for label, value in settings:
            to(page, label, value)


def gradient(layers, side, row, column):
    """Rows and columns of the image with a gradient, through kernels of ones."""
    net = nn.Sequential(*[nn.Conv2d(1, 1, k, s, p, d, bias=False) for k, s, p, d in layers]).double()
    for conv in net:
        nn.init.ones_(conv.weight)
    image = torch.ones(1, 1, side, side, dtype=torch.double, requires_grad=True)
    out = net(image)
    (found,) = torch.autograd.grad(out[0, 0, row, column], image)
    rows, columns = (found[0, 0].sum(dim).nonzero().flatten().tolist() for dim in (1, 0))
    return out.shape[-1], (rows[0], rows[-1]), (columns[0], columns[-1])


@pytest.mark.parametrize(
    ("layers", "row", "column"),
    [
        ([(3, 2, 1, 1), (3, 1, 2, 2), (2, 2, 0, 1)], 3, 6),
        ([(5, 1, 0, 1), (2, 2, 0, 1), (5, 1, 0, 1), (2, 2, 0, 1)], 0, 4),
        ([(3, 1, 4, 4), (7, 3, 3, 1), (3, 1, 1, 1)], 10, 0),
    ],
)
def test_gradients_are_nonzero_exactly_inside_the_field_of_a_stack_built_by_keyboard(
    visit, layers, row, column
):
    page = visit("receptive_field")
    build(page, layers)
    to(page, "Row of the unit", row)
    to(page, "Column of the unit", column)
    size, rows, columns = gradient(layers, 32, row, column)
    assert fact(page, "Map") == f"{size} × {size}"
    for term, seen in (("Rows", rows), ("Columns", columns)):
        first, last = extent(page, term)
        assert (max(first, 0), min(last, 31)) == seen
    assert int(fact(page, "Receptive field").split()[0]) == last - first + 1
    table = page.locator(".cb-live tbody tr td:last-child").all_inner_texts()
    assert int(table[-1].split()[0]) == last - first + 1


@pytest.mark.parametrize(
    ("button", "registered"), [("VGG-16", "vgg16"), ("ResNet-50", "resnet50"), ("MobileNet", "mobilenet_v1")]
)
def test_presets_end_where_the_profiler_ends(visit, button, registered):
    page = visit("receptive_field")
    click(page, button)
    press(page, "Layer", "End")
    assert int(fact(page, "Receptive field").split()[0]) == profile(registered).receptive_field
    assert page.get_by_role("button", name=button, exact=True).get_attribute("aria-pressed") == "true"
    to(page, "Stride", 3 - int(slider(page, "Stride").input_value()))
    assert page.get_by_role("button", name=button, exact=True).get_attribute("aria-pressed") == "false"


def test_the_mouse_picks_the_unit_under_it_and_the_frame_lies_there(visit):
    page = visit("receptive_field")
    picture = page.locator(".cb-live svg")
    view = [float(each) for each in picture.get_attribute("viewBox").split()]
    box = picture.bounding_box()

    def place(pixel):
        return (pixel - view[0]) / view[2]

    page.mouse.click(box["x"] + box["width"] * place(60.5), box["y"] + box["height"] * place(140.5))
    rows, columns = extent(page, "Rows"), extent(page, "Columns")
    jump = number(page, "Jump")
    assert abs(sum(rows) / 2 - 140) <= jump / 2 and abs(sum(columns) / 2 - 60) <= jump / 2
    side = rows[1] - rows[0] + 1
    drawn = page.locator(".cb-field").get_attribute("d")
    assert drawn == f"M{columns[0]} {rows[0]}h{side}v{side}h-{side}z"
    assert f"rows {rows[0]} to {rows[1]}" in picture.get_attribute("aria-label")


def test_touch_picks_layers_moves_and_removes_them(visit):
    page = visit("receptive_field", viewport={"width": 390, "height": 800}, has_touch=True)
    lines = page.locator(".cb-live tbody tr")
    before = lines.count()
    page.get_by_role("button", name="Layer 3", exact=True).tap()
    expect(slider(page, "Layer")).to_have_value("3")
    assert lines.nth(2).inner_text().startswith("3") and "pool" in lines.nth(2).inner_text()
    page.get_by_role("button", name="Move up", exact=True).tap()
    assert "pool" in lines.nth(1).inner_text()
    page.get_by_role("button", name="Remove", exact=True).tap()
    assert lines.count() == before - 1 and "pool" not in lines.nth(1).inner_text()
    picture = page.locator(".cb-live svg")
    picture.tap(position={"x": 2, "y": 2})
    assert slider(page, "Row of the unit").input_value() == "0"
    targets = page.locator(".cb-live button").evaluate_all(
        "all => Math.min(...all.flatMap(e => [e.offsetHeight, e.offsetWidth]))"
    )
    assert targets >= 24


def test_a_window_larger_than_what_is_left_is_said_and_not_drawn(visit):
    page = visit("receptive_field")
    build(page, [(11, 4, 0, 1), (11, 4, 0, 1)])
    assert fact(page, "Map") == "none" and page.locator(".cb-field").get_attribute("d") == ""
    expect(page.get_by_role("status")).to_contain_text("Layer 2 has no output")
    to(page, "Side of the image", 224)
    assert fact(page, "Map") == "11 × 11"


def test_it_grows_layer_by_layer_only_when_asked_and_one_step_with_reduced_motion(visit):
    page = visit("receptive_field", reduced_motion="reduce")
    click(page, "One layer")
    for _ in range(2):
        click(page, "Add convolution")
    for expected in ("1", "2", "3"):  # after the last comes the first
        click(page, "Next layer")
        assert slider(page, "Layer").input_value() == expected
    moving = visit("receptive_field")
    click(moving, "Grow")
    assert moving.get_by_role("button", name="Pause", exact=True).is_visible()
    expect(slider(moving, "Layer")).to_have_value("12")  # of 18, from the tenth on
    click(moving, "Pause")
    assert moving.get_by_role("button", name="Grow", exact=True).is_visible()


def test_measured_influence_is_offered_where_it_was_measured_and_for_the_middle_unit(visit):
    whole = explore.receptive_field(measure=False)
    presets = [dict(each) for each in whole.data["presets"]]
    measured = next(each for each in presets if each["name"] == "VGG-16")
    measured["influence"] = {"map": [[0, 0, 0], [0, 255, 0], [0, 0, 0]], "side": 106}
    page = visit(dataclasses.replace(whole, data={**whole.data, "presets": presets}).html())
    box = page.get_by_role("checkbox")
    box.check()
    assert (
        slider(page, "Layer").input_value() == "18" and slider(page, "Row of the unit").input_value() == "3"
    )
    assert page.get_by_text("inner square of 106 pixels, 25 % of the field").is_visible()
    press(page, "Row of the unit", "ArrowRight")
    assert not box.is_checked()
    click(page, "AlexNet")
    assert box.is_hidden()
