"""What tests of explorables share: one of each, and hands for their controls."""

import json
import re

import torch
from torch import nn

from convbook import explore, plots
from convbook.data import load
from convbook.models import create_model

# Begins every explorable and lays out the whole page, near or far.
TAB = "document.dispatchEvent(new KeyboardEvent('keydown', { key: 'Tab', bubbles: true }))"
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
    return create_model("lenet5")


def gates():
    return explore.gates(*gated_and_patches(), shown=3).html()


def gated_and_patches():
    """A small network with gates, and patches of photographs."""
    from convbook.data import photograph_patches

    torch.manual_seed(0)
    options = dict(attention="se", reduction=4, depths=(2,), widths=(8,), num_classes=6)
    return create_model("resnet18", **options).eval(), photograph_patches(n=6, val=12)[1]


def spatial_map():
    net, train, pictures = cbam_and_pictures()
    return explore.spatial_map(net, pictures, train).html()


def cbam_and_pictures():
    """A small CBAM network, the set that normalises for it, and pictures of two sizes."""
    from convbook.data import cluttered_digits

    torch.manual_seed(0)
    options = dict(attention="cbam", reduction=4, depths=(1, 1), widths=(8, 16), num_classes=10)
    train, val = cluttered_digits(n=20, size=32, val=2)
    wide = torch.cat([val.images[0], val.images[1]], dim=2)
    return create_model("resnet18", **options).eval(), train, {"two digits": wide, "one digit": val.images[0]}


def temperature():
    teacher, student, images, labels = teacher_and_student()
    return explore.temperature(teacher, images, labels, student=student, shown=4).html()


def teacher_and_student():
    """Two linear networks, and forty scans with their labels."""
    val = load("digits")[1]
    torch.manual_seed(0)
    nets = [nn.Sequential(nn.Flatten(), nn.Linear(32 * 32, 10)) for _ in range(2)]
    return *nets, val.float_images(slice(0, 40)), val.labels[:40]


# One of each, as a notebook would hold it; what is slow to make is made small here.
SAMPLES = {
    "architectures": lambda: explore.architectures("lenet5", "resnet20_cifar", "plain20_cifar").html(),
    "cardinality": lambda: explore.cardinality().html(),
    "convolution": lambda: explore.convolution(digit()).html(),
    "cost": lambda: explore.cost().html(),
    "flipbook": flipbook,
    "gates": gates,
    "lenet_live": lambda: explore.lenet_live(lenet(), load("digits")[1]).html(),
    "multipliers": lambda: explore.multipliers().html(),
    "networks": lambda: explore.networks(FEW_NETWORKS).html(),
    "receptive_field": lambda: explore.receptive_field(measure=False).html(),
    "reduction": lambda: explore.reduction().html(),
    "spatial_map": spatial_map,
    "temperature": temperature,
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
