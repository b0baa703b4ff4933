"""Where the cost goes: seven ways to build a convolution, counted at one setting."""

from __future__ import annotations

from torch import device, nn

from convbook.explore.shell import Explorable
from convbook.layers import ChannelShuffle, GroupedConv2d
from convbook.layers.convolution import conv1x1
from convbook.profile import profile
from convbook.tables import html_table

NARROWING = 4  # ResNet's and ShuffleNet's bottlenecks have a quarter of the output's channels
START = {"inputs": 128, "outputs": 128, "resolution": 28, "k": 3, "groups": 4, "stride": 1}
# All powers of two divide as they must: 8 groups, and a quarter of 32 channels.
CHOICES = {
    "channels": (32, 64, 128, 256, 512),
    "resolution": (7, 14, 28, 56, 112),
    "k": (3, 5, 7),
    "groups": (1, 2, 4, 8),
    "stride": (1, 2),
}


def designs(inputs: int, outputs: int, k: int = 3, groups: int = 4, stride: int = 1) -> dict[str, nn.Module]:
    """Seven layers or blocks, without biases, normalisation or activations.

    Each maps (N, inputs, H, W) -> (N, outputs, ceil(H / stride), ceil(W / stride)), but for the depthwise
    convolution, which puts out as many channels as come in.

    Args:
        inputs: channels that come in.
        outputs: channels that go out, a multiple of ``NARROWING * groups``.
        k: kernel size, odd.
        groups: of the grouped convolution, and of the two 1x1 of ShuffleNet's block.
        stride: 2 halves height and width.
    """
    inner = outputs // NARROWING

    def depthwise(channels: int) -> nn.Module:
        return GroupedConv2d(channels, channels, k, groups=channels, stride=stride)

    return {
        "Standard": GroupedConv2d(inputs, outputs, k, groups=1, stride=stride),
        "Grouped": GroupedConv2d(inputs, outputs, k, groups=groups, stride=stride),
        "Depthwise": depthwise(inputs),
        "Depthwise separable": nn.Sequential(depthwise(inputs), conv1x1(inputs, outputs)),
        "Asymmetric": nn.Sequential(
            nn.Conv2d(inputs, outputs, (1, k), (1, stride), (0, k // 2), bias=False),
            nn.Conv2d(outputs, outputs, (k, 1), (stride, 1), (k // 2, 0), bias=False),
        ),
        "Bottleneck": nn.Sequential(
            conv1x1(inputs, inner),
            GroupedConv2d(inner, inner, k, groups=1, stride=stride),
            conv1x1(inner, outputs),
        ),
        "Shuffled groups": nn.Sequential(
            GroupedConv2d(inputs, inner, 1, groups=groups),
            ChannelShuffle(groups),
            depthwise(inner),
            GroupedConv2d(inner, outputs, 1, groups=groups),
        ),
    }


def cost() -> Explorable:
    """Parameters, MACs and memory of seven kinds of convolution, part by part, and what an output sees."""
    setting = {key: value for key, value in START.items() if key != "resolution"}
    with device("meta"):
        layers = designs(**setting)
    counted = {
        name: profile(layer, (START["inputs"], START["resolution"], START["resolution"]))
        for name, layer in layers.items()
    }
    standard = counted["Standard"].macs
    size = f"{START['k']}×{START['k']}, {START['inputs']} to {START['outputs']} channels"
    return Explorable(
        "cost",
        {"start": START, "choices": CHOICES, "narrowing": NARROWING},
        title="Where the cost goes",
        alt="Seven kinds of convolution at one setting of channels, resolution, kernel, groups and stride, "
        "which can be changed; bars show parameters or MACs of each part, a drawing which channels and "
        "positions one output value can see.",
        fallback=html_table(
            f"{size}, {START['groups']} groups, {START['resolution']} × {START['resolution']} positions",
            ["Kind", "Parameters", "MACs", "Share of standard's MACs", "Activations written, bytes"],
            [
                [
                    name,
                    f"{each.params:,}",
                    f"{each.macs:,}",
                    f"{100 * each.macs / standard:.1f} %",
                    f"{each.activation_bytes:,}",
                ]
                for name, each in counted.items()
            ],
            numeric={1, 2, 3, 4},
        ),
    )
