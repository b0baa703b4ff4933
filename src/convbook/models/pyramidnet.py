"""PyramidNet (Han et al. 2017): every block is a little wider than the one before."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from convbook.layers.convolution import ConvNorm
from convbook.layers.image import require_image
from convbook.layers.initial import he_normal
from convbook.layers.shortcut import PadShortcut
from convbook.models.registry import CIFAR, register

WIDENINGS = ("additive", "multiplicative")


def pyramid_widths(blocks: int, alpha: float, widening: str = "additive", start: int = 16) -> list[int]:
    """Width of each block, the paper's D_2 to D_(N+1) (equations 2 and 3).

    Both equations take the floor of each width before going on from it, which for alpha=48 and 54 blocks
    would stay at 16 for ever. The published sizes come out, as in the authors' code, where the running sum
    or product keeps its fraction and only the width is rounded.

    Args:
        blocks: the paper's N.
        alpha: channels that all blocks add together, or the factor by which they widen.
        widening: "additive" or "multiplicative".
        start: width before the first block.

    Raises:
        ValueError: if ``widening`` is unknown or ``alpha`` would narrow.
    """
    if widening not in WIDENINGS:
        raise ValueError(f"widening={widening!r} is unknown: take one of {', '.join(WIDENINGS)}")
    least = 0 if widening == "additive" else 1
    if alpha < least:
        raise ValueError(f"alpha={alpha} narrows the network: take {least} or more for {widening} widening")
    shares = [k / blocks for k in range(1, blocks + 1)]
    if widening == "additive":
        return [round(start + alpha * share) for share in shares]
    return [round(start * alpha**share) for share in shares]


class PyramidBlock(nn.Module):
    """A residual block that starts and ends with batch normalisation (figure 6d).

    (N, in, H, W) -> (N, width * expansion, ceil(H / stride), ceil(W / stride)). There is no ReLU before the
    first convolution and none after the last. The shortcut has no parameters: average pooling where the
    block strides, as in the authors' code, and zeros for the new channels.
    """

    expansion = 1

    def __init__(self, in_channels: int, width: int, stride: int = 1) -> None:
        super().__init__()
        out_channels = width * self.expansion
        pool = [nn.AvgPool2d(2, ceil_mode=True)] if stride == 2 else []
        self.shortcut = nn.Sequential(*pool, PadShortcut(in_channels, out_channels, 1))
        self.branch = nn.Sequential(
            nn.BatchNorm2d(in_channels), *self.convolutions(in_channels, width, stride)
        )

    def convolutions(self, in_channels: int, width: int, stride: int) -> list[nn.Module]:
        """Two 3x3 convolutions, the first one strides."""
        return [ConvNorm(in_channels, width, 3, stride), ConvNorm(width, width, 3, activation=None)]

    def forward(self, x: Tensor) -> Tensor:
        """Branch plus shortcut, without an activation."""
        return self.branch(x) + self.shortcut(x)


class PyramidBottleneck(PyramidBlock):
    """1x1, 3x3, 1x1; the block puts out four times its width (figure 1e)."""

    expansion = 4

    def convolutions(self, in_channels: int, width: int, stride: int) -> list[nn.Module]:
        """The 3x3 strides."""
        return [
            ConvNorm(in_channels, width, 1),
            ConvNorm(width, width, 3, stride),
            ConvNorm(width, width * self.expansion, 1, activation=None),
        ]


class PyramidNet(nn.Module):
    """Stem, blocks that widen step by step, a last activation, global average pooling, one linear layer.

    (N, in_channels, H, W) -> logits (N, num_classes).

    Args:
        block: PyramidBlock or PyramidBottleneck.
        depths: blocks in each stage; every stage but the first halves height and width.
        alpha: the widening factor: all blocks together add so many channels to the stem's 16, or widen
            them so many times.
        widening: "additive" as in all published results, or "multiplicative".
        num_classes: classes to tell apart.
        in_channels: channels of the images.

    Raises:
        ValueError: if there is no stage, ``widening`` is unknown or ``alpha`` would narrow.
    """

    def __init__(
        self,
        block: type[PyramidBlock],
        depths: Sequence[int],
        *,
        alpha: float = 48,
        widening: str = "additive",
        num_classes: int = 10,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        if not depths or min(depths) < 1:
            raise ValueError(f"depths={tuple(depths)} must be one or more counts of at least 1")
        widths = iter(pyramid_widths(sum(depths), alpha, widening))
        self.in_channels = in_channels
        self.least = 2 ** (len(depths) - 1)
        channels = 16
        self.stem = ConvNorm(in_channels, channels, 3, activation=None)
        blocks = []
        for i, depth in enumerate(depths):
            for j in range(depth):
                width = next(widths)
                blocks.append(block(channels, width, stride=2 if i > 0 and j == 0 else 1))
                channels = width * block.expansion
        self.blocks = nn.Sequential(*blocks)
        self.activation = nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU(inplace=True))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(channels, num_classes)
        he_normal(self)  # as in the authors' code

    def forward(self, x: Tensor) -> Tensor:
        """Logits of images."""
        require_image(x, self.in_channels, self.least, "resize them")
        x = self.activation(self.blocks(self.stem(x)))  # 32: (N, C, 8, 8)
        return self.fc(self.pool(x).flatten(1))


VARIANTS: dict[str, dict[str, Any]] = {
    **{
        f"pyramidnet110_a{alpha}_cifar": {"block": PyramidBlock, "depths": (18, 18, 18), "alpha": alpha}
        for alpha in (48, 84, 270)
    },
    "pyramidnet164_a270_cifar": {"block": PyramidBottleneck, "depths": (18, 18, 18), "alpha": 270},
}

register(PyramidNet, VARIANTS, family="pyramidnet", paper="han2017deep", year=2017, **CIFAR)
