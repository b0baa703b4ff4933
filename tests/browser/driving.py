"""What tests of explorables share: one of each, and hands for their controls."""

import json
import re

import torch

from convbook import explore, models, plots
from convbook.data import load

FACT = ".cb-facts div:has(dt:text-is('{}')) dd"


def digit():
    """(1, H, W) uint8: the first image of the embedded digits."""
    return load("digits")[0].images[0]


def flipbook():
    from convbook.explore.flipbook import flipbook_html

    frames = [plots.curves({"a": [0.0, float(i)]}, "lr") for i in range(3)]
    return flipbook_html(frames, ["one", "two", "three"], ["frame 1", "frame 2", "frame 3"], "Depth")


FEW_NETWORKS = (
    "alexnet",
    "vgg16",
    "squeezenet1_0",
    "resnet18",
    "resnext50_32x4d",
    "mobilenet_v2",
    "plain18",
    "resnet20_cifar",
    "nin_cifar",
)


def lenet():
    """The network of 1998 with seeded random weights."""
    torch.manual_seed(0)
    return models.create_model("lenet5")


# One of each, as a notebook would hold it; what is slow to make is made small here.
SAMPLES = {
    "architectures": lambda: explore.architectures("lenet5", "resnet20_cifar", "plain20_cifar").html(),
    "cardinality": lambda: explore.cardinality().html(),
    "convolution": lambda: explore.convolution(digit()).html(),
    "cost": lambda: explore.cost().html(),
    "flipbook": flipbook,
    "lenet_live": lambda: explore.lenet_live(lenet(), load("digits")[1]).html(),
    "multipliers": lambda: explore.multipliers().html(),
    "receptive_field": lambda: explore.receptive_field(measure=False).html(),
    "networks": lambda: explore.networks(FEW_NETWORKS).html(),
    "reduction": lambda: explore.reduction().html(),
}


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
