"""Residual networks with pre-activation (He et al. 2016, "Identity mappings", section 4)."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from convbook.layers.convolution import conv1x1, conv3x3
from convbook.layers.drop import linear_decay, make_drop
from convbook.layers.image import require_image
from convbook.layers.initial import fill_bias, he_normal
from convbook.layers.shortcut import PadShortcut
from convbook.models.registry import CIFAR, register


class Activation(nn.Sequential):
    """Batch normalisation and ReLU, which come before the convolution here."""

    def __init__(self, channels: int) -> None:
        super().__init__(nn.BatchNorm2d(channels), nn.ReLU(inplace=True))


class PreActBlock(nn.Module):
    """x + branch(x) with nothing behind the sum: signals pass from any block to any other unchanged.

    (N, in, H, W) -> (N, width * expansion, ceil(H / stride), ceil(W / stride)).

    Where the shape changes, and in a network's first block, the first activation serves both paths, as the
    paper's appendix and the authors' code have it; elsewhere it belongs to the branch alone.

    Args:
        in_channels: channels that come in.
        width: the block's width; it puts out ``width * expansion`` channels.
        stride: 2 halves height and width.
        first: True activates the shortcut as well although the shape stays.
        shortcut: where the shape changes, "A" pads with zeros and "B" projects without normalisation.
        stride_in: the convolution of a bottleneck that strides, "1x1" as in the authors' code or "3x3".
        drop_rate: probability that training drops the branch.

    Raises:
        ValueError: if an option is unknown.
    """

    expansion: int = 1  # channels that go out, in widths

    def __init__(
        self,
        in_channels: int,
        width: int,
        stride: int = 1,
        *,
        first: bool = False,
        shortcut: str = "B",
        stride_in: str = "1x1",
        drop_rate: float = 0.0,
    ) -> None:
        super().__init__()
        if shortcut not in ("A", "B"):
            raise ValueError(f'shortcut={shortcut!r} is unknown: take "A" or "B"')
        if stride_in not in ("1x1", "3x3"):
            raise ValueError(f'stride_in={stride_in!r} is unknown: take "1x1" or "3x3"')
        out_channels = width * self.expansion
        self.activation = Activation(in_channels)
        self.branch = self.build_branch(in_channels, width, stride, stride_in)
        self.drop = make_drop(drop_rate)
        self.downsample: nn.Module | None = None
        if stride != 1 or in_channels != out_channels:
            make = PadShortcut if shortcut == "A" else conv1x1
            self.downsample = make(in_channels, out_channels, stride)
        self.shared = first or self.downsample is not None

    def build_branch(self, in_channels: int, width: int, stride: int, stride_in: str) -> nn.Sequential:
        """What follows the first activation: 3x3, activation, 3x3."""
        return nn.Sequential(conv3x3(in_channels, width, stride), Activation(width), conv3x3(width, width))

    def forward(self, x: Tensor) -> Tensor:
        """Activate, then sum up both paths."""
        active = self.activation(x)
        out = self.branch(active)
        if self.drop is not None:
            out = self.drop(out)
        identity = active if self.shared else x
        return out + (identity if self.downsample is None else self.downsample(identity))


class PreActBottleneck(PreActBlock):
    """The same with 1x1 to narrow, 3x3, 1x1 to widen."""

    expansion = 4

    def build_branch(self, in_channels: int, width: int, stride: int, stride_in: str) -> nn.Sequential:
        """What follows the first activation: three convolutions with activations between them."""
        narrow, middle = (stride, 1) if stride_in == "1x1" else (1, stride)
        return nn.Sequential(
            conv1x1(in_channels, width, narrow),
            Activation(width),
            conv3x3(width, width, middle),
            Activation(width),
            conv1x1(width, width * self.expansion),
        )


class PreActResNet(nn.Module):
    """A 3x3 convolution, stages of pre-activated blocks, one more activation, pooling, a linear layer.

    (N, in_channels, H, W) -> logits (N, num_classes).

    Args:
        block: PreActBlock or PreActBottleneck.
        depths: blocks in each stage; every stage but the first halves height and width.
        widths: width of each stage's blocks, as many as depths; the first convolution puts out ``widths[0]``.
        shortcut: where the shape changes, "A" pads with zeros and "B" projects.
        stride_in: which convolution of a bottleneck strides, "1x1" as in the authors' code or "3x3".
        stochastic_depth: how often training drops the last block's branch (Huang et al. 2016).
        num_classes: classes to tell apart.
        in_channels: channels of the images.

    Raises:
        ValueError: if an option is unknown or depths and widths differ in number.
    """

    def __init__(
        self,
        block: type[PreActBlock],
        depths: Sequence[int],
        *,
        widths: Sequence[int] = (16, 32, 64),
        shortcut: str = "B",
        stride_in: str = "1x1",
        stochastic_depth: float = 0.0,
        num_classes: int = 10,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        if len(depths) != len(widths):
            raise ValueError(f"depths={tuple(depths)} needs one width each, got widths={tuple(widths)}")
        self.in_channels, self.least = in_channels, 1
        channels = widths[0]
        self.conv = conv3x3(in_channels, channels)
        options: dict[str, Any] = {"shortcut": shortcut, "stride_in": stride_in}
        rates = linear_decay(stochastic_depth, sum(depths))
        self.blocks = nn.Sequential()
        for stage, (depth, width) in enumerate(zip(depths, widths, strict=True)):
            for i in range(depth):
                n = len(self.blocks)
                stride = 2 if stage > 0 and i == 0 else 1
                self.blocks.append(
                    block(channels, width, stride, first=n == 0, drop_rate=rates[n], **options)
                )
                channels = width * block.expansion
        self.activation = Activation(channels)
        self.pool, self.classifier = nn.AdaptiveAvgPool2d(1), nn.Linear(channels, num_classes)
        he_normal(self)
        fill_bias(self.classifier, 0.0)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of images."""
        require_image(x, self.in_channels, self.least)
        x = self.activation(self.blocks(self.conv(x)))  # 32: (N, 256, 8, 8) with bottlenecks
        return self.classifier(self.pool(x).flatten(1))


VARIANTS: dict[str, dict[str, Any]] = {
    # 6 n + 2 layers
    "preact_resnet110_cifar": {"block": PreActBlock, "depths": (18, 18, 18), "shortcut": "A"},
    # 9 n + 2 layers
    "preact_resnet164_cifar": {"block": PreActBottleneck, "depths": (18, 18, 18)},
    "preact_resnet1001_cifar": {"block": PreActBottleneck, "depths": (111, 111, 111)},
}

register(PreActResNet, VARIANTS, family="preact_resnet", paper="he2016identity", year=2016, **CIFAR)
