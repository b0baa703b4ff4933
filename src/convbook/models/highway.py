"""Highway networks: a gate decides how much of its input each layer carries on (Srivastava et al. 2015)."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from convbook.layers.drop import check_rate
from convbook.layers.image import require_image
from convbook.layers.initial import fan_in_variance, fill_bias
from convbook.models.registry import CIFAR, register


class HighwayConv(nn.Module):
    """T(x) * H(x) + (1 - T(x)) * x with 3x3 convolutions in both H and T (equation 3).

    (N, C, H, W) -> the same shape. ``gate`` is T before its sigmoid; a negative bias lets a new network
    carry its input on almost unchanged. Two convolutions side by side count as one layer of depth.
    """

    def __init__(self, channels: int, carry_bias: float = 2.0) -> None:
        super().__init__()
        self.transform = nn.Conv2d(channels, channels, 3, padding=1)
        self.gate = nn.Conv2d(channels, channels, 3, padding=1)
        self.carry_bias = carry_bias

    def start(self) -> None:
        """Close the gate but for a little."""
        fill_bias(self.gate, -self.carry_bias)

    def forward(self, x: Tensor) -> Tensor:
        """Transform some, carry the rest."""
        gate = torch.sigmoid(self.gate(x))
        return x + gate * (torch.relu(self.transform(x)) - x)


class HighwayNet(nn.Module):
    """Three stages of highway layers, each behind a plain convolution that sets its width.

    (N, in_channels, H, W) -> logits (N, num_classes). The paper says that its networks follow FitNet 4 with
    highway layers, and gives depth and parameters. All else is taken from the 19-layer network that the
    authors published with their code: where plain convolutions stand, 100 maps from a last 1x1 convolution
    before global average pooling, dropout, gate biases of -2, weights of variance 1 / fan-in (first and last
    layer included, which that file draws otherwise). No source gives the widths of the 32-layer network: 32,
    48 and 64 are our choice, which meets its depth and comes within half a per cent of its 1.25 million
    parameters.

    Args:
        depths: highway layers in each stage; maximum pooling by 2 stands between stages.
        widths: channels of each stage.
        features: channels of the last 1x1 convolution.
        carry_bias: minus this is where the gates' biases start.
        dropout: on the images, after each pooling and before the linear layer.
        num_classes: classes to tell apart.
        in_channels: channels of the images.

    Raises:
        ValueError: if depths and widths differ in number or the gates would start open.
    """

    def __init__(
        self,
        depths: Sequence[int] = (4, 5, 5),
        *,
        widths: Sequence[int] = (32, 80, 128),
        features: int = 100,
        carry_bias: float = 2.0,
        dropout: float = 0.2,
        num_classes: int = 10,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        if carry_bias <= 0:
            raise ValueError(
                f"carry_bias={carry_bias} would not carry the input: take one above 0, such as 2"
            )
        check_rate("dropout", dropout)
        if len(depths) != len(widths):
            raise ValueError(f"depths={tuple(depths)} needs one width each, got widths={tuple(widths)}")
        self.in_channels, self.least = in_channels, 2 ** (len(depths) - 1)
        channels = in_channels
        self.stages = nn.ModuleList()
        for depth, width in zip(depths, widths, strict=True):
            plain = nn.Sequential(nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(inplace=True))
            self.stages.append(plain.extend(HighwayConv(width, carry_bias) for _ in range(depth)))
            channels = width
        self.drop = nn.Dropout(dropout)
        self.pool = nn.MaxPool2d(2)
        self.last = nn.Conv2d(channels, features, 1)
        self.classifier = nn.Linear(features, num_classes)
        fan_in_variance(self)
        for module in self.modules():
            if isinstance(module, HighwayConv):
                module.start()

    def forward(self, x: Tensor) -> Tensor:
        """Logits of images."""
        require_image(x, self.in_channels, self.least, "resize them")
        for i, stage in enumerate(self.stages):
            x = stage(self.drop(self.pool(x) if i > 0 else x))  # 32: 32, 16, 8
        x = torch.relu(self.last(x)).mean(dim=(2, 3))
        return self.classifier(self.drop(x))


VARIANTS: dict[str, dict[str, Any]] = {
    "highway19_cifar": {"depths": (4, 5, 5), "widths": (32, 80, 128)},
    "highway32_cifar": {"depths": (9, 9, 9), "widths": (32, 48, 64)},
}

register(HighwayNet, VARIANTS, family="highway", paper="srivastava2015highway", year=2015, **CIFAR)
