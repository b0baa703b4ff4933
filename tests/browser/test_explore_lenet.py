"""LeNet in Chromium: every layer compared with PyTorch, drawn on by mouse, touch and keyboard."""

import math
import re
from functools import partial

import pytest
import torch
from driving import lenet, press
from playwright.sync_api import expect

from convbook import data, explore, models, plots, training
from convbook.data.digits import enlarge
from convbook.explore.lenet_live import rounded
from convbook.layers.subsampling import scaled_tanh
from convbook.models.lenet import map_loss

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def val():
    return data.load("digits")[1]


@pytest.fixture(scope="module")
def trained():
    """LeNet-5 as chapter 1 trains it."""
    train, val = data.load("digits")
    training.seed_everything(0)
    net = models.create_model("lenet5")
    recipe = training.Recipe(8, 64, optimizer="adamw", lr=3e-3, weight_decay=0.01, seed=0)
    training.fit(net, train, val, recipe, loss=map_loss, device="cpu")
    return net


def heard(page):
    """The network's input (32, 32) in bytes and every layer's values, once the page has drawn them."""
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    shown = page.evaluate("window.heard")
    return torch.tensor(shown[0]).view(32, 32), [torch.tensor(values) for values in shown[1:]]


def listening(page):
    page.evaluate("addEventListener('forward', (event) => (window.heard = event.detail))")
    return page


def field(page):
    return page.get_by_role("application", name="Drawing field")


def stroke(page, points):
    """Draw a line by the mouse; points run from 0 to 1."""
    field(page).scroll_into_view_if_needed()
    box = field(page).bounding_box()
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place)
    page.mouse.up()


@torch.no_grad()
def by_pytorch(net, val, pixels):
    """Each layer's values behind its squashing, from the network with the same rounded weights."""
    net, x = rounded(net), val.normalise(pixels.view(1, 1, 32, 32).float())
    if isinstance(net, models.lenet.LeNet5):
        kept = plots.capture(net, x, ["c1", "s2", "c3", "s4", "c5", "f6"])
        return [*(scaled_tanh(values).flatten() for values in kept.values()), -net(x)[0]]
    names = [*(f"features.{name}" for name in ("act1", "pool1", "act2", "pool2"))]
    kept = plots.capture(net, x, [*names, "classifier.act3", "classifier.act4"])
    return [*(values.flatten() for values in kept.values()), net(x)[0]]


@pytest.mark.parametrize(
    "make",
    [
        lenet,
        partial(models.create_model, "lenet5_modern"),
        partial(models.create_model, "lenet5_modern", activation="tanh", pool="avg"),
    ],
)
def test_every_layer_equals_pytorch_on_a_scan_and_on_random_drawings(visit, val, make):
    torch.manual_seed(1)
    net = make()
    page = listening(visit(explore.lenet_live(net, val).html()))
    page.get_by_role("button", name="Scan of a 5", exact=True).click()
    five = int((val.labels == 5).nonzero()[0])
    assert torch.equal(heard(page)[0], val.images[five, 0].long())
    seen = [heard(page)]
    page.get_by_role("button", name="Clear").click()
    for _ in range(2):
        stroke(page, torch.rand(12, 2).mul(0.9).add(0.05).tolist())
        seen.append(heard(page))
    for pixels, layers in seen:
        expected = by_pytorch(net, val, pixels)
        assert len(layers) == len(expected) == 7
        for values, right in zip(layers, expected, strict=True):
            assert torch.allclose(values.double(), right.double(), rtol=0, atol=1e-4)


def test_a_drawing_becomes_cells_of_ink_as_the_scans_are(visit, val):
    page = listening(visit("lenet_live"))
    page.get_by_role("button", name="Clear").click()
    assert not heard(page)[0].any()
    stroke(page, [(0.6, 0.55), (0.5, 0.5), (0.45, 0.7), (0.6, 0.72)])  # small, and not in the middle
    pixels, _ = heard(page)
    counts = (
        pixels[5:28:3, 5:28:3] * 16 / 255
    ).round()  # enlarged threefold, a cell's middle is its own value
    assert (pixels - enlarge(counts[None])[0, 0].long()).abs().max() <= 1
    assert counts[0].any() and counts[7].any() and not counts[:, 0].any() and not counts[:, 7].any()
    ink = val.images[:, :, 4:28, 4:28].float().mean()
    assert pixels[4:28, 4:28].float().mean() == pytest.approx(float(ink), rel=0.05)
    page.get_by_label("left as drawn").check()
    rows = heard(page)[0].any(dim=1).nonzero()
    assert rows.min() >= 12 and rows.max() <= 28


def test_ink_over_a_scan_and_shifts_change_what_is_seen_as_they_should(visit, val):
    page = listening(visit("lenet_live"))
    page.get_by_role("button", name="Scan of a 3", exact=True).click()
    three = val.images[int((val.labels == 3).nonzero()[0]), 0].long()
    press(page, "Move right", "ArrowRight", 3)
    press(page, "Move down", "ArrowLeft", 2)
    assert torch.equal(heard(page)[0], torch.roll(three, (-2, 3), (0, 1)))  # the margin is four pixels wide
    press(page, "Move right", "ArrowLeft", 3)
    press(page, "Move down", "ArrowRight", 2)
    stroke(page, [(0.3, 0.3), (0.3, 0.7)])
    added = heard(page)[0] - three
    assert (added >= 0).all() and added[:, 20:].sum() == 0 and added[10:22, 7:12].sum() > 0
    page.get_by_role("button", name="Undo stroke").click()
    assert torch.equal(heard(page)[0], three)
    assert page.get_by_role("button", name="Undo stroke").is_disabled()


def test_the_keyboard_draws_the_same_line_as_the_mouse(visit):
    page = listening(visit("lenet_live"))
    page.get_by_role("button", name="Clear").click()
    stroke(page, [(0.5, 0.5), (0.5, 0.25), (0.75, 0.25)])
    by_mouse, _ = heard(page)
    page.get_by_role("button", name="Clear").click()
    field(page).focus()
    for key, times in ((" ", 1), ("ArrowUp", 4), (" ", 1), ("ArrowRight", 4), (" ", 1)):
        for _ in range(times):
            page.keyboard.press(key)
    assert "1 stroke" in field(page).get_attribute("aria-label")
    assert (heard(page)[0] - by_mouse).abs().max() <= 16  # the mouse rests on whole pixels of the screen
    page.keyboard.press("Enter")
    page.keyboard.press(" ")
    heard(page)
    assert "2 strokes" in field(page).get_attribute("aria-label")


def test_a_finger_draws_and_does_not_scroll(visit):
    page = listening(visit("lenet_live", viewport={"width": 390, "height": 800}, has_touch=True))
    page.get_by_role("button", name="Clear").tap()
    field(page).scroll_into_view_if_needed()
    box, before = field(page).bounding_box(), page.evaluate("scrollY")
    touch = page.context.new_cdp_session(page)
    for kind, y in (("Start", 0.2), ("Move", 0.4), ("Move", 0.8), ("End", None)):
        points = [] if y is None else [{"x": box["x"] + box["width"] / 2, "y": box["y"] + y * box["height"]}]
        touch.send("Input.dispatchTouchEvent", {"type": f"touch{kind}", "touchPoints": points})
    pixels, _ = heard(page)
    assert pixels[6:26, 15:17].min() > 200 and page.evaluate("scrollY") == before
    assert "1 stroke" in field(page).get_attribute("aria-label")


def test_a_pointed_value_and_its_field_are_pytorchs(visit, val):
    page = listening(visit("lenet_live"))
    page.get_by_role("button", name="Scan of a 2", exact=True).click()
    expected = by_pytorch(lenet(), val, heard(page)[0])[2].view(16, 10, 10)
    third = page.get_by_role("application", name="C3: 16 maps of 10 × 10")
    third.focus()
    for key, times in (("ArrowRight", 14), ("ArrowDown", 12)):  # the second map of the second row
        for _ in range(times):
            page.keyboard.press(key)
    said = page.get_by_role("status").nth(1)
    expect(said).to_contain_text("C3, map 9, row 2, column 4")
    value = re.search(
        r"column 4: (−?)([\d.]+)\. It sees rows 4 to 17 and columns 8 to 21; of S2 it reads",
        said.inner_text(),
    )
    assert float(value[2]) * (-1 if value[1] else 1) == pytest.approx(float(expected[9, 2, 4]), abs=6e-5)
    assert "reads maps 0, 3, 4, 5." in said.inner_text()  # the paper's table I, column 9
    image = torch.zeros(1, 1, 32, 32, requires_grad=True)
    net = lenet()
    net.c3(scaled_tanh(net.s2(scaled_tanh(net.c1(image)))))[0, 9, 2, 4].backward()
    rows, columns = image.grad[0, 0].abs().nonzero().T
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (4, 17, 8, 21)


def arc(x, y, across, down, start, end):
    """Points on an ellipse, angles in degrees, clockwise on the screen from the right."""
    angles = [math.radians(start + (end - start) * i / 14) for i in range(15)]
    return [(x + across * math.cos(a), y + down * math.sin(a)) for a in angles]


DIGITS = {
    0: [arc(0.5, 0.5, 0.24, 0.36, -90, 270)],
    1: [[(0.38, 0.28), (0.52, 0.14), (0.52, 0.86)]],
    2: [[*arc(0.5, 0.34, 0.21, 0.2, -170, 40), (0.28, 0.86), (0.74, 0.86)]],
    3: [arc(0.48, 0.33, 0.2, 0.19, -150, 90) + arc(0.48, 0.69, 0.23, 0.18, -90, 150)],
    4: [[(0.58, 0.14), (0.26, 0.6), (0.76, 0.6)], [(0.6, 0.36), (0.6, 0.88)]],
    5: [[(0.7, 0.14), (0.36, 0.14), (0.33, 0.46), *arc(0.48, 0.65, 0.22, 0.22, -130, 150)]],
    6: [[(0.6, 0.13), (0.42, 0.32), (0.32, 0.58), *arc(0.5, 0.67, 0.2, 0.2, 180, -180)]],
    7: [[(0.28, 0.14), (0.74, 0.14), (0.44, 0.87)]],
    8: [arc(0.5, 0.31, 0.18, 0.17, -90, 270) + arc(0.5, 0.68, 0.22, 0.19, -90, 270)],
    9: [[*arc(0.5, 0.33, 0.2, 0.19, 0, -360), (0.7, 0.36), *arc(0.48, 0.66, 0.22, 0.2, 0, 140)]],
}


def test_plainly_drawn_digits_are_mostly_read_and_the_answer_is_said(visit, val, trained):
    page = listening(visit(explore.lenet_live(trained, val).html()))
    read = {}
    for digit, strokes in DIGITS.items():
        page.get_by_role("button", name="Clear").click()
        for points in strokes:
            stroke(page, points)
        pixels, layers = heard(page)
        read[digit] = int(layers[-1].argmin())
        assert read[digit] == int(by_pytorch(trained, val, pixels)[-1].argmin())
    expect(page.get_by_role("status").first).to_contain_text(f"Read as {read[9]} (squared distance")
    bars = page.get_by_role("img", name="Scores of the digits")
    assert bars.locator("text").filter(has_text="read").count() == 1
    assert sum(digit == answer for digit, answer in read.items()) >= 8, read
