"""Residual attention network (Wang et al. 2017): a trunk, and masks that see further than it."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from convbook.layers.convolution import ConvNorm, conv1x1
from convbook.layers.image import require_image
from convbook.layers.initial import he_normal
from convbook.models.registry import IMAGENET, register

EXPANSION = 4
MASKS = ("mixed", "channel", "spatial")


def activate(channels: int) -> nn.Sequential:
    """Batch normalisation and ReLU, ahead of what they serve."""
    return nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU(inplace=True))


class Unit(nn.Module):
    """A pre-activated bottleneck: 1x1, 3x3, 1x1 to four times the width, plus its input.

    (N, in, H, W) -> (N, 4 * width, ceil(H / stride), ceil(W / stride)).
    """

    def __init__(self, in_channels: int, width: int, stride: int = 1) -> None:
        super().__init__()
        out_channels = EXPANSION * width
        self.act = activate(in_channels)
        self.branch = nn.Sequential(
            ConvNorm(in_channels, width, 1), ConvNorm(width, width, 3, stride), conv1x1(width, out_channels)
        )
        same = stride == 1 and in_channels == out_channels
        self.downsample = None if same else conv1x1(in_channels, out_channels, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Sum of both paths; a projection reads the activated input, the identity the raw one."""
        active = self.act(x)
        identity = x if self.downsample is None else self.downsample(active)
        return identity + self.branch(active)


def chain(width: int, length: int) -> nn.Sequential:
    """Units that change nothing in the shape (N, 4 * width, H, W)."""
    return nn.Sequential(*(Unit(EXPANSION * width, width) for _ in range(length)))


class Hourglass(nn.Module):
    """Pool, ``units`` units, the same again within, ``units`` units, back to the size that came in.

    (N, 4 * width, H, W) -> the same shape. ``halvings`` counts the poolings, this one and those within; a
    skip of one unit runs beside each inner hourglass (figure 2, soft mask branch).
    """

    def __init__(self, width: int, halvings: int, units: int) -> None:
        super().__init__()
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)
        self.down = chain(width, units)
        self.skip = Unit(EXPANSION * width, width) if halvings > 1 else None
        self.inner = Hourglass(width, halvings - 1, units) if halvings > 1 else None
        self.up = chain(width, units)

    def forward(self, x: Tensor) -> Tensor:
        """Down to see widely, up to say where."""
        out = self.down(self.pool(x))
        if self.skip is not None and self.inner is not None:
            out = self.skip(out) + self.inner(out)
        return F.interpolate(self.up(out), size=x.shape[-2:], mode="bilinear", align_corners=True)


class SoftMask(nn.Module):
    """The soft mask: an hourglass, two 1x1 convolutions, a normalisation that makes a gate (section 3.2).

    (N, 4 * width, H, W) -> a gate of the same shape, one number an element. "mixed" is the sigmoid of each
    element, "channel" divides each position's vector by its length, "spatial" standardises each channel's
    map before the sigmoid.
    """

    def __init__(self, width: int, halvings: int, units: int, kind: str) -> None:
        super().__init__()
        channels = EXPANSION * width
        self.kind = kind
        self.hourglass = Hourglass(width, halvings, units)
        self.head = nn.Sequential(
            activate(channels), ConvNorm(channels, channels, 1), conv1x1(channels, channels)
        )

    def forward(self, x: Tensor) -> Tensor:
        """The gate."""
        raw = self.head(self.hourglass(x))
        if self.kind == "channel":
            return F.normalize(raw, dim=1)
        return torch.sigmoid(F.instance_norm(raw) if self.kind == "spatial" else raw)


class AttentionModule(nn.Module):
    """Units, then trunk and mask side by side, then units: (N, 4 * width, H, W) -> the same (section 3).

    Attention residual learning puts out ``(1 + mask) * trunk``: a mask near zero leaves the trunk as it is.
    ``residual=False`` is the naive ``mask * trunk``, which fades as modules multiply up.
    """

    def __init__(self, width: int, halvings: int, ptr: Sequence[int], mask: str, residual: bool) -> None:
        super().__init__()
        before, trunk, between = ptr
        self.residual = residual
        self.before = chain(width, before)
        self.trunk = chain(width, trunk)
        self.attention = SoftMask(width, halvings, between, mask)
        self.after = chain(width, before)

    def forward(self, x: Tensor) -> Tensor:
        """Gate the trunk."""
        x = self.before(x)
        trunk, mask = self.trunk(x), self.attention(x)
        return self.after(trunk + mask * trunk if self.residual else mask * trunk)


class ResidualAttentionNet(nn.Module):
    """A stem, three stages of a unit and attention modules, three last units, one linear layer.

    (N, in_channels, H, W) -> logits (N, num_classes). Where paper and text leave something open, it is as in
    the authors' Caffe definition: shortcuts that change the shape are projections without normalisation,
    convolutions have no biases, the mask is enlarged bilinearly with its corners on the corners. (One version
    of that definition ends the mask in tanh; the paper's sigmoid is kept.) How weights start is not printed;
    here they do as in ResNet.

    Args:
        modules: attention modules in each of the three stages.
        widths: inner width of the units, in each stage and behind the last one; they put out four times that.
        halvings: poolings of the mask, in each stage.
        ptr: the paper's p, t and r: units before and behind a mask, units of the trunk beside it, and units
            between two poolings.
        mask: "mixed", "channel" or "spatial", the paper's f1, f2 and f3.
        residual: False leaves attention residual learning out.
        num_classes: classes to tell apart.
        in_channels: channels of the images.

    Raises:
        ValueError: if the mask is unknown, or the settings do not go together.
    """

    def __init__(
        self,
        modules: Sequence[int],
        *,
        widths: Sequence[int] = (64, 128, 256, 512),
        halvings: Sequence[int] = (3, 2, 1),
        ptr: Sequence[int] = (1, 2, 1),
        mask: str = "mixed",
        residual: bool = True,
        num_classes: int = 1000,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        if mask not in MASKS:
            raise ValueError(f"mask={mask!r} is unknown: take one of {', '.join(MASKS)}")
        if not len(modules) == len(halvings) == len(widths) - 1:
            raise ValueError(
                f"modules={tuple(modules)} needs as many halvings and one more of widths, "
                f"got halvings={tuple(halvings)} and widths={tuple(widths)}"
            )
        if len(ptr) != 3:
            raise ValueError(f"ptr={tuple(ptr)} must be three numbers: the paper's p, t and r")
        self.in_channels, self.least = in_channels, 4 * 2 ** len(modules)
        channels = widths[0]
        self.stem = ConvNorm(in_channels, channels, 7, 2)
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)
        stages: list[nn.Module] = []
        for i, (count, width, poolings) in enumerate(zip(modules, widths, halvings, strict=False)):
            stages.append(Unit(channels, width, 1 if i == 0 else 2))
            stages.extend(AttentionModule(width, poolings, ptr, mask, residual) for _ in range(count))
            channels = EXPANSION * width
        self.stages = nn.Sequential(*stages)
        self.last = nn.Sequential(Unit(channels, widths[-1], 2), chain(widths[-1], 2))
        self.act = activate(EXPANSION * widths[-1])
        self.fc = nn.Linear(EXPANSION * widths[-1], num_classes)
        he_normal(self)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of images."""
        require_image(x, self.in_channels, self.least, "resize them")
        x = self.pool(self.stem(x))  # 224: (N, 64, 56, 56)
        x = self.last(self.stages(x))  # (N, 1024, 14, 14), then (N, 2048, 7, 7)
        return self.fc(self.act(x).mean(dim=(2, 3)))


VARIANTS: dict[str, dict[str, Any]] = {
    "residual_attention56": {"modules": (1, 1, 1)},
    "residual_attention92": {"modules": (1, 2, 3)},
}

register(
    ResidualAttentionNet,
    VARIANTS,
    family="residual_attention",
    paper="wang2017residual",
    year=2017,
    **IMAGENET,
)
