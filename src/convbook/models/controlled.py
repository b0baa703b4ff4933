"""Networks that differ in one thing: for runs that ask what pooling, kernels, widths or activations do.

Nobody published them. Each is a row of six convolutions, of the kind that Springenberg et al. (2015) and
Hasanpour et al. (2016) take apart, and has the same number of parameters as the others, so that what is
compared is the design and not the size.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from convbook.layers.image import require_image
from convbook.layers.initial import glorot_uniform, he_normal
from convbook.models.registry import CIFAR, register

BUDGET = 200_000
REDUCTIONS = ("max", "stride")
ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "tanh": nn.Tanh}


class ControlledNet(nn.Module):
    """A row of convolutions, each with batch normalisation and activation; the mean of each map; one layer.

    (N, in_channels, H, W) -> logits (N, num_classes). Weights start as in He et al. 2015 before ReLU and as
    in Glorot & Bengio 2010 before tanh. Biases stand in for normalisation where that is left out.

    Args:
        shares: widths of the convolutions as multiples of one number, which is chosen to spend ``budget``.
        kernel_size: k of all convolutions, odd.
        halve_after: numbers of the convolutions, from 1, after which height and width are halved.
        reduction: how: "max" pools 2x2, "stride" lets that convolution take every other place.
        activation: "relu" or "tanh".
        norm: whether batch normalisation follows each convolution.
        budget: trainable scalars to come as near to as whole widths allow.
        num_classes: classes to tell apart.
        in_channels: channels of the images.

    Raises:
        ValueError: if an option is unknown, the kernel even, a layer named that does not exist, or the
            budget too small for one channel a share.
    """

    def __init__(
        self,
        shares: Sequence[float] = (1, 1, 2, 2, 4, 4),
        *,
        kernel_size: int = 3,
        halve_after: Sequence[int] = (2, 4),
        reduction: str = "max",
        activation: str = "relu",
        norm: bool = True,
        budget: int = BUDGET,
        num_classes: int = 10,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        if reduction not in REDUCTIONS:
            raise ValueError(f"reduction={reduction!r} is unknown: take one of {', '.join(REDUCTIONS)}")
        if activation not in ACTIVATIONS:
            raise ValueError(f"activation={activation!r} is unknown: take one of {', '.join(ACTIVATIONS)}")
        if kernel_size % 2 == 0:
            raise ValueError(f"kernel_size={kernel_size} has no middle: take an odd one")
        if any(not 1 <= number <= len(shares) for number in halve_after):
            raise ValueError(f"halve_after={tuple(halve_after)}: layers run from 1 to {len(shares)}")
        self.in_channels, self.least = in_channels, 2 ** len(halve_after)
        self.widths = equal_widths(shares, kernel_size, budget, in_channels, num_classes)
        self.features = nn.Sequential()
        channels = in_channels
        for number, width in enumerate(self.widths, start=1):
            halved = number in halve_after
            stride = 2 if halved and reduction == "stride" else 1
            padding = kernel_size // 2
            self.features.append(nn.Conv2d(channels, width, kernel_size, stride, padding, bias=not norm))
            if norm:
                self.features.append(nn.BatchNorm2d(width))
            self.features.append(ACTIVATIONS[activation]())
            if halved and reduction == "max":
                self.features.append(nn.MaxPool2d(2))
            channels = width
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(channels, num_classes)
        glorot_uniform(self) if activation == "tanh" else he_normal(self)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of images."""
        require_image(x, self.in_channels, self.least, "resize them, or halve less often")
        return self.classifier(self.pool(self.features(x)).flatten(1))


def equal_widths(
    shares: Sequence[float], kernel_size: int, budget: int, in_channels: int, num_classes: int
) -> list[int]:
    """Widths in the proportions of ``shares`` whose network has as nearly ``budget`` parameters as it can.

    Parameters grow with the widths, so the largest factor that stays within the budget is found by halving
    an interval. Single layers are then one channel wider where that comes nearer: with large kernels, all
    widths at once are too coarse a step. Layers are counted with a scale and a shift a channel.
    """

    def scaled(factor: float) -> list[int]:
        return [max(1, round(factor * share)) for share in shares]

    def count(widths: list[int]) -> int:
        total, channels = (widths[-1] + 1) * num_classes, in_channels
        for width in widths:
            total += kernel_size**2 * channels * width + 2 * width
            channels = width
        return total

    def distance(widths: list[int]) -> int:
        return abs(count(widths) - budget)

    low, high = 0.0, math.sqrt(budget) / min(shares)  # at high, two layers alone exceed the budget
    if count(scaled(low)) > budget:
        least = count(scaled(low))
        raise ValueError(f"budget={budget} is too small: {len(shares)} layers of one channel take {least}")
    while high - low > 1e-6:
        middle = (low + high) / 2
        low, high = (middle, high) if count(scaled(middle)) <= budget else (low, middle)
    best = scaled(low)
    while True:
        wider = [[*best[:i], best[i] + 1, *best[i + 1 :]] for i in range(len(best))]
        nearest = min(wider, key=distance)
        if distance(nearest) >= distance(best):
            return min(best, scaled(high), key=distance)
        best = nearest


VARIANTS: dict[str, dict[str, Any]] = {
    "controlled_cifar": {},
    "controlled_stride_cifar": {"reduction": "stride"},
    "controlled_early_pool_cifar": {"halve_after": (1, 2)},
    "controlled_late_pool_cifar": {"halve_after": (4, 5)},
    "controlled_kernel5_cifar": {"kernel_size": 5},
    "controlled_kernel7_cifar": {"kernel_size": 7},
    "controlled_balanced_cifar": {"shares": (1, 1, 1, 1, 1, 1)},
    "controlled_wide_end_cifar": {"shares": (1, 1, 1, 1, 4, 8)},
    "controlled_relu_cifar": {"norm": False},
    "controlled_tanh_cifar": {"norm": False, "activation": "tanh"},
}

register(ControlledNet, VARIANTS, family="controlled", paper="springenberg2015striving", year=2015, **CIFAR)
