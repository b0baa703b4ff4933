"""ShuffleNet (Zhang et al. 2018): pointwise convolutions in groups, and a shuffle between them."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from convbook.layers.convolution import ConvNorm
from convbook.layers.image import require_image
from convbook.layers.initial import he_normal, small_normal
from convbook.layers.shuffle import ChannelShuffle
from convbook.models.registry import IMAGENET, register

WIDTHS = {  # groups -> channels that each stage puts out: table 1 of the paper
    1: (144, 288, 576),
    2: (200, 400, 800),
    3: (240, 480, 960),
    4: (272, 544, 1088),
    8: (384, 768, 1536),
}


class ShuffleUnit(nn.Module):
    """A bottleneck of grouped 1x1, shuffle, depthwise 3x3, grouped 1x1 (figure 2b and c).

    (N, in, H, W) -> (N, out, ceil(H / stride), ceil(W / stride)). At stride 1 the input is added; at stride
    2 it is average-pooled and put in front of the branch's channels, so that the unit widens at no cost.

    Args:
        in_channels: channels that come in.
        out_channels: channels that go out; the bottleneck has a quarter of them.
        stride: 2 halves height and width.
        groups: of the two 1x1 convolutions.
        first_groups: of the first one, where it differs.
        shuffle: False leaves the shuffle out, as in table 3.
    """

    def __init__(
        self, in_channels: int, out_channels: int, stride: int, groups: int, first_groups: int, shuffle: bool
    ) -> None:
        super().__init__()
        inner = out_channels // 4
        branch_channels = out_channels if stride == 1 else out_channels - in_channels
        self.branch = nn.Sequential(
            ConvNorm(in_channels, inner, 1, groups=first_groups),
            ChannelShuffle(groups) if shuffle else nn.Identity(),
            ConvNorm(inner, inner, 3, stride, groups=inner, activation=None),
            ConvNorm(inner, branch_channels, 1, groups=groups, activation=None),
        )
        self.pool = nn.AvgPool2d(3, stride=2, padding=1) if stride == 2 else None
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """Branch and input together."""
        if self.pool is None:
            return self.relu(x + self.branch(x))
        return self.relu(torch.cat([self.pool(x), self.branch(x)], dim=1))


class ShuffleNet(nn.Module):
    """A thin stem, three stages that halve and double, global average pooling (table 1).

    (N, in_channels, H, W) -> logits (N, num_classes). The very first 1x1 convolution reads so few channels
    that it has no groups.

    Args:
        groups: of the pointwise convolutions: 1, 2, 3, 4 or 8, or any with ``widths`` given.
        width_mult: the paper's scale factor s. Stages get the nearest multiple of 4 * groups channels, and
            the stem of groups: only these divide as they must, and at s = 1 they are table 1's.
        widths: channels that each stage puts out, before ``width_mult``; None takes table 1's.
        depths: units in each stage.
        stem_channels: of the first convolution, before ``width_mult``.
        shuffle: False leaves the channel shuffle out: the network that table 3 compares with.
        num_classes: classes to tell apart.
        in_channels: channels of the images.

    Raises:
        ValueError: if table 1 has no widths for ``groups``, or too small a ``width_mult`` leaves no channels.
    """

    def __init__(
        self,
        *,
        groups: int = 3,
        width_mult: float = 1.0,
        widths: Sequence[int] | None = None,
        depths: Sequence[int] = (4, 8, 4),
        stem_channels: int = 24,
        shuffle: bool = True,
        num_classes: int = 1000,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        if widths is None and groups not in WIDTHS:
            raise ValueError(
                f"groups={groups} has no widths in table 1: take 1, 2, 3, 4 or 8, or give widths"
            )
        if width_mult <= 0:
            raise ValueError(f"width_mult={width_mult} leaves no channels: take one above 0, such as 0.5")
        widths = WIDTHS[groups] if widths is None else widths
        channels = nearest_multiple(stem_channels * width_mult, groups)
        self.in_channels, self.least = in_channels, 4 * 2 ** len(widths)
        self.stem = ConvNorm(in_channels, channels, 3, 2)  # 224: (N, 24, 112, 112)
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)
        stages = []
        for number, (width, depth) in enumerate(zip(widths, depths, strict=True)):
            out = nearest_multiple(width * width_mult, 4 * groups)
            first = 1 if number == 0 else groups
            units = [ShuffleUnit(channels, out, 2, groups, first, shuffle)]
            units += [ShuffleUnit(out, out, 1, groups, groups, shuffle) for _ in range(depth - 1)]
            stages.append(nn.Sequential(*units))  # 28, 14, 7 pixels
            channels = out
        self.stages = nn.Sequential(*stages)
        self.classifier = nn.Linear(channels, num_classes)
        he_normal(self)
        small_normal(self.classifier)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of images."""
        require_image(x, self.in_channels, self.least, "resize them")
        x = self.stages(self.pool(self.stem(x)))
        return self.classifier(x.mean(dim=(2, 3)))


def nearest_multiple(channels: float, divisor: int) -> int:
    """The nearest multiple that is not 0."""
    return max(1, int(channels / divisor + 0.5)) * divisor


VARIANTS: dict[str, dict[str, Any]] = {f"shufflenet_v1_g{g}": {"groups": g} for g in WIDTHS}

register(ShuffleNet, VARIANTS, family="shufflenet", paper="zhang2018shufflenet", year=2018, **IMAGENET)
