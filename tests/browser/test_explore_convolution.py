"""The window over a digit in Chromium, compared with PyTorch and the profiler."""

import re

import pytest
import torch
from driving import digit as load_digit
from driving import fact, number, press
from playwright.sync_api import expect
from torch import nn
from torch.nn import functional as F

from convbook.profile import profile

pytestmark = pytest.mark.browser


@pytest.mark.parametrize(("k", "stride", "padding"), [(5, 1, 0), (3, 2, 1), (7, 3, 2), (1, 4, 3)])
@pytest.mark.parametrize("kernel", ["vertical edge", "horizontal edge", "mean"])
def test_convolution_computes_what_pytorch_computes(visit, kernel, k, stride, padding):
    page, digit = visit("convolution"), load_digit()
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
    expect(status).to_contain_text(f"row 4, column {column} ")
    said = re.search(r"add up to (−?)([\d,.]+)\.$", status.inner_text())
    value = float(said[2].replace(",", "")) * (-1 if said[1] else 1)
    assert value == pytest.approx(expected[4, column].item(), abs=0.006)

    layer = profile(nn.Conv2d(1, 6, k, stride, padding), (1, *digit.shape[1:])).rows[0]
    assert fact(page, "Output size") == " × ".join(map(str, layer.output_shape))
    assert number(page, "Parameters") == layer.params
    assert number(page, "Multiply-accumulates") == layer.macs


def test_convolution_follows_the_mouse_and_draws_what_it_computes(visit):
    page, digit = visit("convolution"), load_digit()
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
