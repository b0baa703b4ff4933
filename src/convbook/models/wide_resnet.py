"""Wide residual networks (Zagoruyko and Komodakis 2016): fewer blocks, each many times wider."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from convbook.layers.convolution import conv1x1, conv3x3
from convbook.layers.image import require_image
from convbook.layers.initial import fill_bias, he_normal
from convbook.models.registry import CIFAR, register


class WideBlock(nn.Module):
    """A pre-activation block of any list of kernels, the paper's B(M) (section 2.1 and figure 1).

    (N, in, H, W) -> (N, width, ceil(H / stride), ceil(W / stride)). Batch normalisation and ReLU precede
    each convolution. Where the shape changes, the shortcut is a 1x1 convolution of the block's first
    activation, as in the authors' code.

    Args:
        in_channels: channels that come in.
        width: channels of every convolution in the block.
        stride: 2 halves height and width.
        kernels: side of each convolution's kernel; (3, 3) is the paper's choice.
        dropout: share of values dropped before each convolution but the first.

    Raises:
        ValueError: if there is no kernel, or one is even.
    """

    def __init__(
        self,
        in_channels: int,
        width: int,
        stride: int = 1,
        *,
        kernels: Sequence[int] = (3, 3),
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        if not kernels or any(k < 1 or k % 2 == 0 for k in kernels):
            raise ValueError(f"kernels={tuple(kernels)} must be one or more odd sides, such as (3, 3)")
        # The paper does not say which convolution strides: a 1x1 would skip three pixels in four.
        strided = list(kernels).index(max(kernels))
        layers: list[nn.Module] = []
        channels = in_channels
        for i, k in enumerate(kernels):
            if i > 0:
                layers += [nn.BatchNorm2d(width), nn.ReLU(inplace=True), nn.Dropout(dropout)]
            step = stride if i == strided else 1
            layers.append(nn.Conv2d(channels, width, k, step, padding=k // 2, bias=False))
            channels = width
        self.activation = nn.Sequential(nn.BatchNorm2d(in_channels), nn.ReLU(inplace=True))
        self.branch = nn.Sequential(*layers)
        changes = stride != 1 or in_channels != width
        self.downsample = conv1x1(in_channels, width, stride) if changes else None

    def forward(self, x: Tensor) -> Tensor:
        """The branch plus the input, or plus the projected activation."""
        active = self.activation(x)
        return self.branch(active) + (x if self.downsample is None else self.downsample(active))


class WideResNet(nn.Module):
    """Stem, three stages of wide blocks, a last activation, global average pooling, one linear layer.

    (N, in_channels, H, W) -> logits (N, num_classes). WRN-n-k has ``n = 6 * blocks a stage + 4``: the paper
    counts convolutions, of which one is the stem and three are the projections on shortcuts (two at k = 1).

    Args:
        depths: blocks in each stage; every stage but the first halves height and width.
        width_mult: the paper's k, the widening factor; the stem stays as narrow as it is.
        kernels: side of each convolution's kernel in a block.
        dropout: share of values dropped inside blocks; the paper takes 0, or 0.3 on CIFAR and 0.4 on SVHN.
        widths: channels of the stages before widening; the stem has the first of them.
        num_classes: classes to tell apart.
        in_channels: channels of the images.

    Raises:
        ValueError: if depths and widths differ in number, a kernel is even or ``width_mult`` leaves nothing.
    """

    def __init__(
        self,
        depths: Sequence[int],
        *,
        width_mult: float = 1,
        kernels: Sequence[int] = (3, 3),
        dropout: float = 0.0,
        widths: Sequence[int] = (16, 32, 64),
        num_classes: int = 10,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        if not depths or len(depths) != len(widths):
            raise ValueError(f"depths={tuple(depths)} needs as many widths, got widths={tuple(widths)}")
        if int(min(widths) * width_mult) < 1:
            raise ValueError(f"width_mult={width_mult} leaves no channels: take one above 0, such as 2")
        self.in_channels = in_channels
        self.least = 2 ** (len(depths) - 1)
        channels = widths[0]
        self.conv1 = conv3x3(in_channels, channels)
        stages: list[nn.Module] = []
        for i, (depth, base) in enumerate(zip(depths, widths, strict=True)):
            width = int(base * width_mult)
            for j in range(depth):
                stride = 2 if i > 0 and j == 0 else 1
                stages.append(WideBlock(channels, width, stride, kernels=kernels, dropout=dropout))
                channels = width
        self.blocks = nn.Sequential(*stages)
        self.activation = nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU(inplace=True))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(channels, num_classes)
        fill_bias(self.fc, 0.0)
        he_normal(self)  # both as in the authors' code; the paper names no initialisation

    def forward(self, x: Tensor) -> Tensor:
        """Logits of images."""
        require_image(x, self.in_channels, self.least, "resize them")
        x = self.blocks(self.conv1(x))  # 32: (N, 64 k, 8, 8)
        return self.fc(self.pool(self.activation(x)).flatten(1))


def _wrn(depth: int, width_mult: int) -> dict[str, Any]:
    """WRN-depth-width_mult."""
    return {"depths": ((depth - 4) // 6,) * 3, "width_mult": width_mult}


TABLE_4 = ((40, 1), (40, 2), (40, 4), (40, 8), (28, 10), (28, 12), (22, 8), (22, 10), (16, 8), (16, 10))
VARIANTS = {f"wide_resnet{n}_{k}_cifar": _wrn(n, k) for n, k in TABLE_4}

register(WideResNet, VARIANTS, family="wide_resnet", paper="zagoruyko2016wide", year=2016, **CIFAR)
