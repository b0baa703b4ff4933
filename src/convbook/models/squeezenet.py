"""SqueezeNet 1.0 (Iandola et al. 2016), 1.1 (the authors' later release), and the paper's bypasses."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from convbook.layers.image import require_image
from convbook.layers.initial import fill_bias, small_normal
from convbook.models.registry import IMAGENET, register

FIRES = (  # squeeze s1x1, expand e1x1 = e3x3: table 1 of the paper, fire2 to fire9
    (16, 64),
    (16, 64),
    (32, 128),
    (32, 128),
    (48, 192),
    (48, 192),
    (64, 256),
    (64, 256),
)
BYPASSES = (None, "simple", "complex")


class Fire(nn.Module):
    """Squeeze by 1x1, then expand by 1x1 and 3x3 side by side (section 3.2).

    (N, in, H, W) -> (N, 2 * expand, H, W).

    Args:
        in_channels: channels that come in.
        squeeze: maps of the squeezing layer, fewer than come in.
        expand: maps of each expanding layer.
        bypass: None; "simple" adds the input where it has the output's shape; "complex" brings it there
            by a 1x1 convolution where it has not (figure 2).
    """

    def __init__(self, in_channels: int, squeeze: int, expand: int, bypass: str | None = None) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(in_channels, squeeze, 1)
        self.expand1x1 = nn.Conv2d(squeeze, expand, 1)
        self.expand3x3 = nn.Conv2d(squeeze, expand, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)
        self.adds_input = bypass is not None and in_channels == 2 * expand
        needs_projection = bypass == "complex" and not self.adds_input
        self.bypass = nn.Conv2d(in_channels, 2 * expand, 1) if needs_projection else None

    def forward(self, x: Tensor) -> Tensor:
        """Squeeze, expand, concatenate; with a bypass, add."""
        squeezed = self.relu(self.squeeze(x))
        out = self.relu(torch.cat([self.expand1x1(squeezed), self.expand3x3(squeezed)], dim=1))
        if self.bypass is not None:
            return out + self.bypass(x)
        return out + x if self.adds_input else out


class SqueezeNet(nn.Module):
    """One convolution, eight fire modules, a convolution to the classes, global average pooling.

    (N, in_channels, H, W) -> logits (N, num_classes). Parameters are named as in torchvision. The paper's
    conv1 gives 111x111 maps of 224x224 images only where these are padded to 227; ours are 109x109, as
    torchvision's. As published, a ReLU follows the last convolution too.

    Args:
        stem: (channels, kernel) of the first convolution, which has stride 2.
        fires: (squeeze, expand) of each module; expand is the width of each of its two branches.
        pool_before: numbers of the modules, from 2 as the paper counts, that a max pooling stands before.
        bypass: None, "simple" or "complex": figure 2 of the paper.
        dropout: before the last convolution.
        num_classes: classes to tell apart.
        in_channels: channels of the images.

    Raises:
        ValueError: if ``bypass`` is unknown.
    """

    def __init__(
        self,
        *,
        stem: tuple[int, int] = (96, 7),
        fires: Sequence[tuple[int, int]] = FIRES,
        pool_before: Sequence[int] = (2, 5, 9),
        bypass: str | None = None,
        dropout: float = 0.5,
        num_classes: int = 1000,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        if bypass not in BYPASSES:
            raise ValueError(f'bypass={bypass!r} is unknown: take None, "simple" or "complex"')
        channels, kernel_size = stem
        self.in_channels = in_channels
        pools = sum(2 <= number < 2 + len(fires) for number in pool_before)
        self.least = kernel_size + 2 * (2**pools - 1)  # each pooling needs 2x2 pixels, conv1 its kernel
        layers: list[nn.Module] = [nn.Conv2d(in_channels, channels, kernel_size, 2), nn.ReLU(inplace=True)]
        for number, (squeeze, expand) in enumerate(fires, start=2):
            if number in pool_before:
                layers.append(nn.MaxPool2d(3, stride=2, ceil_mode=True))  # 224: 54, 27, 13 pixels
            layers.append(Fire(channels, squeeze, expand, bypass))
            channels = 2 * expand
        self.features = nn.Sequential(*layers)
        head = nn.Conv2d(channels, num_classes, 1)
        pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(nn.Dropout(dropout), head, nn.ReLU(inplace=True), pool)
        for module in self.features.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_uniform_(module.weight, nonlinearity="relu")
                fill_bias(module, 0.0)
        small_normal(head)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of images."""
        require_image(x, self.in_channels, self.least, "resize them")
        return self.classifier(self.features(x)).flatten(1)


VARIANTS: dict[str, dict[str, Any]] = {
    "squeezenet1_0": {},
    "squeezenet1_1": {"stem": (64, 3), "pool_before": (2, 4, 6)},  # 2.4 times less computation
}

register(SqueezeNet, VARIANTS, family="squeezenet", paper="iandola2016squeezenet", year=2016, **IMAGENET)
