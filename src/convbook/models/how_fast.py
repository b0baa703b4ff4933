"""A network made to be trained in seconds, from ideas that CIFAR-10's public speed records have settled.

Its first layer is computed and not learned: 2x2 patches are turned to their principal axes, so that what the
learned layers see is uncorrelated from the first step (Page 2018, Jordan 2024). Then come three blocks of two
wide convolutions, pooling early; normalisation has no scale and a shift that learns fast; GELU; one layer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from convbook.layers.image import require_image
from convbook.models.registry import CIFAR, register


class Whitening(nn.Module):
    """Each 2x2 patch in coordinates of variance 1 without correlation, and the same with the sign turned.

    (N, C, H, W) -> (N, 8 C, H - 1, W - 1). The kernel is no parameter: :meth:`measure` computes it. The bias
    is learned. Both signs are given because the activation that follows lets one of them pass.

    Args:
        channels: channels of the images.
    """

    kernel: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        axes = torch.eye(4 * channels).view(4 * channels, channels, 2, 2)
        self.register_buffer("kernel", torch.cat([axes, -axes]))  # until measured: the pixels themselves
        self.bias = nn.Parameter(torch.zeros(8 * channels))

    @torch.no_grad()
    def measure(self, images: Tensor, eps: float = 5e-4) -> None:
        """Take the axes of these images' patches: eigenvectors of the covariance over root eigenvalues.

        Args:
            images: normalised, (N, C, H, W); a few thousand are enough.
            eps: added to the eigenvalues, so that axes of almost no variance are not blown up to noise.
        """
        patches = F.unfold(images.float(), 2).transpose(1, 2).flatten(0, 1)  # (positions, 4 C)
        variances, vectors = torch.linalg.eigh(torch.cov(patches.T))
        axes = (vectors / (variances + eps).sqrt()).T  # a row an axis
        kernel = torch.cat([axes, -axes]).view(self.kernel.shape)
        self.kernel.copy_(kernel)

    def forward(self, x: Tensor) -> Tensor:
        """Whitened patches, shifted."""
        return F.conv2d(x, self.kernel, self.bias)


class FastNorm(nn.Module):
    """Batch normalisation without a scale, whose shift learns ``speed`` times as fast as other parameters.

    (N, C, H, W) -> the same shape. The shift is ``sqrt(speed)`` times the parameter: that makes its gradient
    larger by this factor, and what a step does to the shift larger by it once more.
    """

    def __init__(self, channels: int, speed: float = 64.0) -> None:
        super().__init__()
        # Runs are short: running statistics must follow within a few steps.
        self.norm = nn.BatchNorm2d(channels, affine=False, momentum=0.4)
        self.shift = nn.Parameter(torch.zeros(channels, 1, 1))
        self.gain = speed**0.5

    def forward(self, x: Tensor) -> Tensor:
        """Normalise and shift."""
        return self.norm(x) + self.gain * self.shift


def block(in_channels: int, out_channels: int) -> nn.Sequential:
    """Convolution, 2x2 max pooling, convolution: the wide part works on a quarter of the places."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False),
        nn.MaxPool2d(2),
        FastNorm(out_channels),
        nn.GELU(),
        nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False),
        FastNorm(out_channels),
        nn.GELU(),
    )


class HowFast(nn.Module):
    """Whitening, three blocks, global max pooling, one linear layer.

    (N, in_channels, H, W) -> logits (N, num_classes). Call ``model.whiten(images)`` once before training.

    Args:
        widths: channels of the blocks.
        mirror: whether evaluation takes the mean of the scores of an image and of its mirror image.
        num_classes: classes to tell apart.
        in_channels: channels of the images.
    """

    def __init__(
        self,
        widths: Sequence[int] = (64, 256, 256),
        *,
        mirror: bool = False,
        num_classes: int = 10,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        self.in_channels, self.least, self.mirror = in_channels, 2 ** len(widths) + 1, mirror
        self.whitening = Whitening(in_channels)
        self.blocks = nn.Sequential(nn.GELU())
        channels = 8 * in_channels
        for width in widths:
            self.blocks.append(block(channels, width))
            channels = width
        self.pool = nn.AdaptiveMaxPool2d(1)
        self.classifier = nn.Linear(channels, num_classes, bias=False)
        for module in self.blocks.modules():
            if isinstance(module, nn.Conv2d):
                pass_on(module)

    def whiten(self, images: Tensor) -> None:
        """Compute the first layer from normalised images (N, C, H, W)."""
        self.whitening.measure(images)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of images."""
        require_image(x, self.in_channels, self.least, "resize them, or take fewer widths")
        if self.mirror and not self.training:
            return (self.scores(x) + self.scores(x.flip(-1))) / 2
        return self.scores(x)

    def scores(self, x: Tensor) -> Tensor:
        """Logits of images as they are."""
        x = self.pool(self.blocks(self.whitening(x))).flatten(1)  # 32: 31, 15, 7, 3, 1 pixels a side
        return self.classifier(x) / 9  # maxima are large: softmax would start out sure


def pass_on(conv: nn.Conv2d) -> None:
    """Let a convolution's first outputs be its inputs, one to one; the others keep their random start."""
    nn.init.dirac_(conv.weight.data[: conv.in_channels])


VARIANTS: dict[str, dict[str, Any]] = {"how_fast_cifar": {}}

register(HowFast, VARIANTS, family="how_fast", paper="jordan2024cifar", year=2024, **CIFAR)
