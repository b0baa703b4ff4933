"""ShuffleNet V2 (Ma et al. 2018): split, transform half, concatenate, shuffle."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from convbook.layers.convolution import ConvNorm
from convbook.layers.image import require_image
from convbook.layers.initial import he_normal, small_normal
from convbook.layers.shuffle import ChannelShuffle, ChannelSplit
from convbook.models.registry import IMAGENET, register


class SplitUnit(nn.Module):
    """Half of the channels pass, the other half goes 1x1, depthwise 3x3, 1x1 (figure 3c).

    (N, C, H, W) -> (N, C, H, W). No groups in the 1x1 convolutions, equal widths, one branch, no sum: each
    follows one of the paper's four guidelines.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.split = ChannelSplit(half)
        self.branch2 = transform(half, half, 1)
        self.shuffle = ChannelShuffle(2)

    def forward(self, x: Tensor) -> Tensor:
        """Split, transform, join, shuffle."""
        passed, changed = self.split(x)
        return self.shuffle(torch.cat([passed, self.branch2(changed)], dim=1))


class DownUnit(nn.Module):
    """Without a split, so that two strided branches make twice the channels (figure 3d).

    (N, in, H, W) -> (N, out, ceil(H / 2), ceil(W / 2)). Each branch gives half, as in torchvision; the
    paper's FLOPs fit a left branch that keeps its channels, which differs in stage 2 only.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        half = out_channels // 2
        self.branch1 = nn.Sequential(
            *ConvNorm(in_channels, in_channels, 3, 2, groups=in_channels, activation=None),
            *ConvNorm(in_channels, half, 1),
        )
        self.branch2 = transform(in_channels, half, 2)
        self.shuffle = ChannelShuffle(2)

    def forward(self, x: Tensor) -> Tensor:
        """Both branches, joined and shuffled."""
        return self.shuffle(torch.cat([self.branch1(x), self.branch2(x)], dim=1))


def transform(in_channels: int, channels: int, stride: int) -> nn.Sequential:
    """1x1, depthwise 3x3 without activation, 1x1; flat, as torchvision names its layers."""
    return nn.Sequential(
        *ConvNorm(in_channels, channels, 1),
        *ConvNorm(channels, channels, 3, stride, groups=channels, activation=None),
        *ConvNorm(channels, channels, 1),
    )


class ShuffleNetV2(nn.Module):
    """A thin stem, three stages, a wide 1x1, global average pooling (table 5). Named as in torchvision.

    (N, in_channels, H, W) -> logits (N, num_classes).

    Args:
        widths: channels that stages 2 to 4 put out; even, for a unit splits them in halves.
        depths: units in each stage, the first of which halves height and width.
        last_channels: channels of the 1x1 convolution before pooling.
        num_classes: classes to tell apart.
        in_channels: channels of the images.

    Raises:
        ValueError: if a width is odd.
    """

    def __init__(
        self,
        *,
        widths: Sequence[int] = (116, 232, 464),
        depths: Sequence[int] = (4, 8, 4),
        last_channels: int = 1024,
        num_classes: int = 1000,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        if odd := [width for width in widths if width % 2]:
            raise ValueError(f"widths={tuple(widths)} has {odd[0]}, which does not split: take even numbers")
        self.in_channels, self.least = in_channels, 4 * 2 ** len(widths)
        self.conv1 = ConvNorm(in_channels, 24, 3, 2)  # 224: (N, 24, 112, 112)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.stages = [f"stage{number}" for number in range(2, len(widths) + 2)]
        channels = 24
        for name, width, depth in zip(self.stages, widths, depths, strict=True):
            units = [SplitUnit(width) for _ in range(depth - 1)]
            self.add_module(name, nn.Sequential(DownUnit(channels, width), *units))
            channels = width
        self.conv5 = ConvNorm(channels, last_channels, 1)
        he_normal(self)
        self.fc = nn.Linear(last_channels, num_classes)
        small_normal(self.fc)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of images."""
        require_image(x, self.in_channels, self.least, "resize them")
        x = self.maxpool(self.conv1(x))
        for name in self.stages:
            x = self.get_submodule(name)(x)  # 28, 14, 7 pixels
        return self.fc(self.conv5(x).mean(dim=(2, 3)))


VARIANTS: dict[str, dict[str, Any]] = {  # table 5
    "shufflenet_v2_x0_5": {"widths": (48, 96, 192)},
    "shufflenet_v2_x1_0": {},
    "shufflenet_v2_x1_5": {"widths": (176, 352, 704)},
    "shufflenet_v2_x2_0": {"widths": (244, 488, 976), "last_channels": 2048},
}

register(ShuffleNetV2, VARIANTS, family="shufflenet", paper="ma2018shufflenet", year=2018, **IMAGENET)
