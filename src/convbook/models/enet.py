"""ENet: every pixel labelled in real time (Paszke et al. 2016)."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convbook.layers.asymmetric import AsymmetricConv2d
from convbook.layers.dilated import DilatedConv2d
from convbook.layers.image import require_image
from convbook.layers.transposed import TransposedConv2d
from convbook.models.registry import register

EPS = 1e-3  # of batch normalisation, as the authors have it
Kind = tuple[str, int]  # of a bottleneck: what its middle convolution is, and its kernel or dilation


class Bottleneck(nn.Module):
    """x plus (1x1 to a quarter of the width, a middle convolution, 1x1), then PReLU (figure 2b).

    (N, in, H, W) -> (N, out, H, W). After each convolution stands batch normalisation, between them a PReLU
    with a slope a channel, at the branch's end spatial dropout; projections have no biases.

    Args:
        in_channels: channels that come in.
        out_channels: channels that go out.
        kind: ("regular", kernel), ("dilated", dilation), ("asymmetric", kernel), or ("upsampling", kernel)
            for a transposed convolution in the middle, which doubles the branch's size.
        dropout: share of the branch's maps that training drops.
        entry: side and stride of the first projection: 2 halves the branch's size.

    Raises:
        ValueError: if the kind is unknown.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kind: Kind, dropout: float, entry: int = 1
    ) -> None:
        super().__init__()
        hidden = out_channels // 4
        self.branch = nn.Sequential(
            nn.Conv2d(in_channels, hidden, entry, entry, bias=False),
            nn.BatchNorm2d(hidden, EPS),
            nn.PReLU(hidden),
            middle(kind, hidden),
            nn.BatchNorm2d(hidden, EPS),
            nn.PReLU(hidden),
            nn.Conv2d(hidden, out_channels, 1, bias=False),
            nn.BatchNorm2d(out_channels, EPS),
            nn.Dropout2d(dropout),
        )
        self.activation = nn.PReLU(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Sum of the main line and the branch."""
        return self.activation(x + self.branch(x))


def middle(kind: Kind, channels: int) -> nn.Module:
    """The middle convolution of a bottleneck.

    Raises:
        ValueError: if the kind is unknown.
    """
    name, size = kind
    if name == "regular":
        return nn.Conv2d(channels, channels, size, padding=size // 2)
    if name == "dilated":
        return DilatedConv2d(channels, channels, 3, size, bias=True)
    if name == "asymmetric":
        return AsymmetricConv2d(channels, channels, size, bias=True)
    if name == "upsampling":
        return TransposedConv2d(channels, channels, size, bias=True)
    raise ValueError(f'context names {name!r}: take "regular", "dilated" or "asymmetric"')


class Downsampling(Bottleneck):
    """A bottleneck of half the size: 2x2 at stride 2 in the branch, max pooling on the main line.

    (N, in, H, W) -> (N, out, H / 2, W / 2) and where the maxima were, (N, in, H / 2, W / 2). New channels of
    the main line are zeros.
    """

    def __init__(self, in_channels: int, out_channels: int, dropout: float) -> None:
        super().__init__(in_channels, out_channels, ("regular", 3), dropout, entry=2)
        self.new_channels = out_channels - in_channels

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        """The sum, and the places of the maxima."""
        largest, places = F.max_pool2d(x, 2, return_indices=True)
        main = F.pad(largest, (0, 0, 0, 0, 0, self.new_channels))
        return self.activation(main + self.branch(x)), places


class Upsampling(Bottleneck):
    """A bottleneck of twice the size: transposed convolution in the branch, unpooling on the main line.

    (N, in, H, W) and places (N, out, H, W) -> (N, out, 2 H, 2 W). The main line is projected by a 1x1 and
    put where the encoder found its maxima; all else is zero.
    """

    def __init__(self, in_channels: int, out_channels: int, dropout: float) -> None:
        super().__init__(in_channels, out_channels, ("upsampling", 3), dropout)
        self.project = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, 1, bias=False), nn.BatchNorm2d(out_channels, EPS)
        )

    def forward(self, x: Tensor, places: Tensor) -> Tensor:  # type: ignore[override]
        """The sum."""
        return self.activation(F.max_unpool2d(self.project(x), places, (2, 2)) + self.branch(x))


class InitialBlock(nn.Module):
    """A 3x3 convolution at stride 2 beside max pooling of the image, put together (figure 2a).

    (N, in, H, W) -> (N, out, H / 2, W / 2): the image's own channels come last.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        if out_channels <= in_channels:
            raise ValueError(f"widths[0]={out_channels} leaves no map to {in_channels} channels: take more")
        self.conv = nn.Conv2d(in_channels, out_channels - in_channels, 3, stride=2, padding=1)
        self.norm = nn.BatchNorm2d(out_channels, EPS)
        self.activation = nn.PReLU(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        """Both halves, normalised together."""
        return self.activation(self.norm(torch.cat([self.conv(x), F.max_pool2d(x, 2)], dim=1)))


R, A = ("regular", 3), ("asymmetric", 5)
CONTEXT = (R, ("dilated", 2), A, ("dilated", 4), R, ("dilated", 8), A, ("dilated", 16))  # table 1, 2.1 to 2.8


class ENet(nn.Module):
    """A large encoder, a small decoder, a transposed convolution as classifier (table 1).

    (N, in_channels, H, W) -> logits of every pixel (N, num_classes, H, W), H and W multiples of 8.

    The paper's activations are PReLUs throughout; the code that the authors released later has ReLUs in the
    decoder and no dropout there. The paper does not say where biases are but that projections have none:
    they are where the authors' code has them, in the initial block, the middle convolutions (the second
    stroke only of an asymmetric pair) and the classifier. It names no initial weights: they are Torch's,
    which are PyTorch's.

    Args:
        widths: channels of the initial block, of stage 1 and of stages 2 and 3.
        depth: bottlenecks of stage 1 after the downsampling one.
        context: kinds of the bottlenecks of stage 2; stage 3 repeats them.
        dropout: share of the maps dropped in stage 1, and from stage 2 on.
        num_classes: classes of pixels.
        in_channels: channels of the images.

    Raises:
        ValueError: if a kind in ``context`` is unknown, ``widths`` shrink or are no multiples of 4, or, on
            the first pass, the images' sides are no multiples of 8.
    """

    def __init__(
        self,
        *,
        widths: tuple[int, int, int] = (16, 64, 128),
        depth: int = 4,
        context: Sequence[Kind] = CONTEXT,
        dropout: tuple[float, float] = (0.01, 0.1),
        num_classes: int = 19,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        first, second, third = widths
        if not first <= second <= third or any(width % 4 or width < 4 for width in widths):
            raise ValueError(f"widths={tuple(widths)}: take growing multiples of 4, such as (16, 64, 128)")
        low, high = dropout
        self.in_channels, self.least = in_channels, 8
        self.initial = InitialBlock(in_channels, first)
        self.down1 = Downsampling(first, second, low)
        self.stage1 = nn.Sequential(*(Bottleneck(second, second, R, low) for _ in range(depth)))
        self.down2 = Downsampling(second, third, high)
        self.stage2 = nn.Sequential(*(Bottleneck(third, third, kind, high) for kind in context))
        self.stage3 = nn.Sequential(*(Bottleneck(third, third, kind, high) for kind in context))
        self.up4 = Upsampling(third, second, high)
        self.stage4 = nn.Sequential(*(Bottleneck(second, second, R, high) for _ in range(2)))
        self.up5 = Upsampling(second, first, high)
        self.stage5 = Bottleneck(first, first, R, high)
        self.classifier = TransposedConv2d(first, num_classes, 2, bias=True)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of every pixel."""
        require_image(x, self.in_channels, self.least)
        height, width = x.shape[2:]
        if height % 8 or width % 8:
            raise ValueError(f"images of {height}x{width} pixels do not halve thrice: take multiples of 8")
        x, outer = self.down1(self.initial(x))  # 512: (N, 64, 128, 128)
        x, inner = self.down2(self.stage1(x))  # (N, 128, 64, 64)
        x = self.up4(self.stage3(self.stage2(x)), inner)  # (N, 64, 128, 128)
        x = self.up5(self.stage4(x), outer)  # (N, 16, 256, 256)
        return self.classifier(self.stage5(x))  # (N, 19, 512, 512)


STREETS: dict[str, Any] = {
    "input_size": (3, 512, 512),
    "num_classes": 19,
}  # table 1's input, Cityscapes' classes
register(ENet, {"enet": {}}, family="enet", paper="paszke2016enet", year=2016, **STREETS)
