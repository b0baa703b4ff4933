"""The Inception network that batch normalisation was introduced with (Ioffe and Szegedy 2015)."""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from convbook.layers.branches import Builder, Path
from convbook.layers.convolution import ConvNorm
from convbook.layers.image import require_image
from convbook.layers.initial import he_normal
from convbook.models.registry import IMAGENET, register

# Figure 5: 1x1, 3x3 reduce, 3x3, double 3x3 reduce, double 3x3, pool and its projection.
Row = tuple[int, int, int, int, int, str, int]
MODULES: dict[str, Row] = {
    "3a": (64, 64, 64, 64, 96, "avg", 32),
    "3b": (64, 64, 96, 64, 96, "avg", 64),
    "3c": (0, 128, 160, 64, 96, "max", 0),
    "4a": (224, 64, 96, 96, 128, "avg", 128),
    "4b": (192, 96, 128, 96, 128, "avg", 128),
    "4c": (160, 128, 160, 128, 160, "avg", 128),
    "4d": (96, 128, 192, 160, 192, "avg", 128),
    "4e": (0, 128, 192, 192, 256, "max", 0),
    "5a": (352, 192, 320, 160, 224, "avg", 128),
    "5b": (352, 192, 320, 192, 224, "max", 128),
}


def inception(row: Row) -> list[Path]:
    """Paths of a module that keeps the grid: the 5x5 of GoogLeNet has become two 3x3."""
    one, reduce3, three, reduce33, double, pool, projected = row
    return [
        [(one, 1)],
        [(reduce3, 1), (three, 3)],
        [(reduce33, 1), (double, 3), (double, 3)],
        [pool, (projected, 1)],
    ]


def strided(row: Row) -> list[Path]:
    """Convolving paths of a module that halves the grid; the pooled input passes through beside them."""
    _, reduce3, three, reduce33, double, _, _ = row
    return [[(reduce3, 1), (three, 3, "/2")], [(reduce33, 1), (double, 3), (double, 3, "/2")]]


class BNInception(nn.Module):
    """A stem and ten batch-normalised Inception modules; two of them halve the grid themselves.

    (N, in_channels, H, W) -> logits (N, num_classes). Figure 5 prints 576 channels for 4c and 4d where its
    widths add up to 608; the widths are followed. It prints the strided modules' sizes before the stride.
    The paper writes of no initialisation: he_normal stands here.

    Args:
        modules: a row of figure 5 a module; a row without 1x1 branch halves the grid.
        stem_widths: channels of the 7x7, the 1x1 and the 3x3 convolution before the modules.
        depth_multiplier: the first convolution is a 7x7 that makes so many maps of each channel by itself,
            then a 1x1, as the appendix says; 0 builds a full 7x7, as published weights have.
        num_classes: classes to tell apart.
        in_channels: channels of the images.

    Raises:
        ValueError: if ``depth_multiplier`` is negative.
    """

    def __init__(
        self,
        *,
        modules: Mapping[str, Row] = MODULES,
        stem_widths: Sequence[int] = (64, 64, 192),
        depth_multiplier: int = 8,
        num_classes: int = 1000,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        if depth_multiplier < 0:
            raise ValueError(f"depth_multiplier={depth_multiplier} is negative: take 0 or more, such as 8")
        self.in_channels, self.least = in_channels, 1
        first, reduced, channels = stem_widths
        self.conv1 = nn.Sequential(ConvNorm(in_channels, first, 7, 2))  # (N, 64, 112, 112)
        if depth_multiplier:
            wide = in_channels * depth_multiplier
            maps = nn.Conv2d(in_channels, wide, 7, 2, padding=3, groups=in_channels, bias=False)
            self.conv1 = nn.Sequential(maps, ConvNorm(wide, first, 1))
        self.pool1 = nn.MaxPool2d(3, 2, padding=1)
        self.conv2 = nn.Sequential(ConvNorm(first, reduced, 1), ConvNorm(reduced, channels, 3))
        self.pool2 = nn.MaxPool2d(3, 2, padding=1)
        build = Builder()
        self.inception = nn.Sequential()
        for name, row in modules.items():
            module: nn.Module
            if row[0]:
                module, channels = build.branches(channels, inception(row))
            else:
                module, channels = build.reduction(channels, strided(row), "max/2")
            self.inception.add_module(name, module)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(channels, num_classes)
        he_normal(self)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of images."""
        require_image(x, self.in_channels, self.least)
        x = self.pool2(self.conv2(self.pool1(self.conv1(x))))  # 224: (N, 192, 28, 28)
        x = self.inception(x)  # (N, 1024, 7, 7)
        return self.fc(self.avgpool(x).flatten(1))


VARIANTS: dict[str, dict[str, Any]] = {"bn_inception": {}}

register(BNInception, VARIANTS, family="inception", paper="ioffe2015batch", year=2015, **IMAGENET)
